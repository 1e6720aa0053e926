"""A bare app to put a widget in, and a way to read what is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.message import Message
from textual.widget import Widget

from swarmtui.themes import THEMES, variable_defaults

NOW = datetime(2026, 11, 21, 20, 41, 7, tzinfo=UTC)


class Host(App[None]):
    """Shows one widget and keeps the messages that reach it."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget
        self.heard: list[Message] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return variable_defaults(self.current_theme)

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    def compose(self) -> ComposeResult:
        yield self.widget

    def of(self, kind: type[Message]) -> list[Any]:
        """Return the messages of a kind, each once however far it bubbled."""
        once = {id(message): message for message in self.heard}
        return [message for message in once.values() if type(message) is kind]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table."""

    id: str
    size: int = 0
    since: datetime = NOW
    version: int = 0


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def row() -> type[Row]:
    return Row


@pytest.fixture
def host() -> Callable[[Widget], tuple[Host, dict[str, Any]]]:
    """Return the app for a widget, and the arguments for its `run_test`."""

    def make(widget: Widget) -> tuple[Host, dict[str, Any]]:
        app = Host(widget)
        return app, {"message_hook": app.heard.append}

    return make


@pytest.fixture
def lines() -> Callable[[Widget], list[str]]:
    """Return what stands on each line of a widget."""

    def read(widget: Widget) -> list[str]:
        return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]

    return read
