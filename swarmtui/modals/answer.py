"""Answer a question where it stands: a strip at the foot of the screen."""

from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from agentkit.rows import HelpRequest
from swarmtui.modals.sheet import Sheet, field
from swarmtui.text import safe

CHOICE_KEYS = "123456789"

ELSEWHERE = "its session asks this on its own screen, and waits there: grant it there"
"""What is said of a question that no answer of ours settles."""


class ChoiceInput(Input):
    """A line of text in which a number key, typed first, is a choice."""

    @dataclass
    class Chosen(Message):
        """A number key named a choice."""

        index: int

    def __init__(self, choices: int, placeholder: str) -> None:
        super().__init__(placeholder=placeholder)
        self._keys = CHOICE_KEYS[:choices]

    async def _on_key(self, event: events.Key) -> None:
        if not self.value and event.character and event.character in self._keys:
            event.stop()
            event.prevent_default()
            self.post_message(self.Chosen(self._keys.index(event.character)))
            return
        await super()._on_key(event)


class AnswerSheet(Sheet[str]):
    """The question, its choices on number keys, and a line for free text.

    Dismissed with the answer, or None.
    """

    heading = "Answer"
    keys: ClassVar = (("enter", "Send"), ("esc", "Cancel"))

    def __init__(self, request: HelpRequest) -> None:
        super().__init__(classes="foot")
        self._request = request
        self._choices = request.choices[: len(CHOICE_KEYS)]

    def form(self) -> ComposeResult:
        """Show the question and its choices."""
        yield Static(Content(safe(self._request.question)), classes="part")
        if self._choices:
            yield Static(_choice_lines(self._choices), classes="part")
        if self._is_hooked():
            yield Static(Content.styled(ELSEWHERE, "$st-blocked"), classes="part")
        prompt = "or in your own words" if self._choices else "in your own words"
        yield field("answer", ChoiceInput(len(self._choices), placeholder=prompt))

    def on_mount(self) -> None:
        """Say who asked."""
        self.show_heading(f"Answer {self._request.agent}")
        if self._choices:
            choose = (f"1 to {len(self._choices)}", "Choose")
            self.show_keys((choose, *self.keys))

    def _is_hooked(self) -> bool:
        """Say whether a dialog of a program asks, and not the agent itself."""
        agent = self.console.model.agents.get(self._request.agent)
        return agent is not None and agent.via == "hook"

    @on(ChoiceInput.Chosen)
    def _choose(self, event: ChoiceInput.Chosen) -> None:
        self.dismiss(self._choices[event.index])

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        if text := event.value.strip():
            self.dismiss(text)


def _choice_lines(choices: tuple[str, ...]) -> Content:
    return Content("\n").join(
        Content.assemble((key, "$primary bold"), f" {safe(choice)}")
        for key, choice in zip(CHOICE_KEYS, choices, strict=False)
    )
