from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from swarmtui.themes import variable_defaults
from swarmtui.widgets.keys_bar import KeysBar
from swarmtui.widgets.lines import Span
from swarmtui.widgets.modes import Mode, Modes
from swarmtui.widgets.ticker import Ticker
from swarmtui.widgets.topbar import Standing, TopBar

Host = Callable[[Widget], tuple[Any, dict[str, Any]]]
Lines = Callable[[Widget], list[str]]

MODES = (
    Mode("fleet", "1", "Fleet", "Fl"),
    Mode("queue", "2", "Queue", "Qu"),
    Mode("help", "3", "Help", "He", calls=True),
    Mode("traffic", "4", "Traffic", "Tr"),
)
LIVE = Standing(
    hub="127.0.0.1:8765", live=True, uptime="3h 12m", clock="20:41:07", badge="paused"
)


async def test_the_first_line_says_hub_link_and_uptime(
    host: Host, lines: Lines
) -> None:
    bar = TopBar()
    app, hook = host(bar)
    async with app.run_test(size=(80, 3), **hook):
        bar.show(LIVE)

        assert lines(bar)[0].split() == [
            *("swarmtui", "127.0.0.1:8765", "●", "live", "up", "3h", "12m"),
            *("paused", "20:41:07"),
        ]


@pytest.mark.parametrize("cells", range(20, 120, 7))
async def test_the_first_line_is_never_cut(
    host: Host, lines: Lines, cells: int
) -> None:
    bar = TopBar()
    app, hook = host(bar)
    async with app.run_test(size=(cells, 3), **hook):
        bar.show(LIVE)
        line = lines(bar)[0]

        assert line.startswith(" swarmtui ")
        assert cells < 28 or line.endswith("20:41:07")


async def test_trouble_takes_the_line_over(host: Host, lines: Lines) -> None:
    bar = TopBar()
    app, hook = host(bar)
    async with app.run_test(size=(60, 3), **hook):
        bar.show(Standing(trouble="The hub does not answer.", clock="20:41:07"))
        line = lines(bar)[0]

        assert line.startswith(" ◌ The hub does not answer.")
        assert line.endswith("20:41:07")


@pytest.mark.parametrize("cells", [38, 44, 52, 60, 80, 120])
async def test_tabs_are_shortened_rather_than_cut(
    host: Host, lines: Lines, cells: int
) -> None:
    modes = Modes(MODES, "fleet")
    app, hook = host(modes)
    async with app.run_test(size=(cells, 3), **hook):
        modes.show({"fleet": 10_000, "queue": 1_814, "help": 12})
        words = lines(modes)[0].split()

        assert [word for word in words if word in "1234"] == ["1", "2", "3", "4"]
        assert "▲12" in words
        assert words[-1] in ("Traffic", "Tr")
        assert ("10,000" in words) == (cells >= 60)


async def test_a_click_on_a_tab_says_which(host: Host) -> None:
    modes = Modes(MODES, "fleet")
    app, hook = host(modes)
    async with app.run_test(size=(80, 3), **hook) as pilot:
        await pilot.pause()
        await pilot.click(modes, offset=(14, 0))

        assert [message.name for message in app.of(Modes.Pressed)] == ["queue"]


async def test_nobody_calling_is_not_a_number(host: Host, lines: Lines) -> None:
    modes = Modes(MODES, "fleet")
    app, hook = host(modes)
    async with app.run_test(size=(80, 3), **hook):
        modes.show({"fleet": 3, "queue": 1, "help": 0})

        assert "▲" not in lines(modes)[0]


async def test_news_are_newest_first_and_cut_at_the_end(
    host: Host, lines: Lines, now: datetime
) -> None:
    ticker = Ticker()
    app, hook = host(ticker)
    async with app.run_test(size=(60, 3), **hook):
        ticker.say(now, [Span("● busy ", "busy"), Span("a1 T1")])
        ticker.say(now, [Span("▲ help ", "help"), Span("a2 “stuck”")])
        both = lines(ticker)[0]
        ticker.say(now, [Span("a long story " * 10)])

        assert both.index("a2") < both.index("a1")
        assert lines(ticker)[0].endswith("…")


class Keyed(App[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "assign", "Assign"),
        Binding("b", "cast", "Broadcast"),
        Binding("slash", "filter", "Filter"),
        Binding("x", "hidden", "Hidden", show=False),
        Binding("question_mark", "keys", "Keys"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return variable_defaults(self.current_theme)

    def compose(self) -> ComposeResult:
        yield KeysBar("keys")

    def check_action(self, action: str, _given: tuple[object, ...]) -> bool | None:
        return None if action == "assign" else True

    def action_assign(self) -> None:
        self.done.append("assign")

    def action_cast(self) -> None:
        self.done.append("cast")


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        (60, "a Assign  b Broadcast  / Filter"),
        (30, "a Assign"),
        (16, ""),
    ],
)
async def test_keys_that_do_not_fit_are_left_out_but_the_last_stays(
    lines: Lines, cells: int, shown: str
) -> None:
    app = Keyed()
    async with app.run_test(size=(cells, 3)) as pilot:
        await pilot.pause()
        line = lines(app.query_one(KeysBar))[0]

        assert line.startswith(shown)
        assert line.endswith("? Keys")
        assert "Hidden" not in line


async def test_a_click_presses_the_key_unless_it_is_out_of_reach() -> None:
    app = Keyed()
    async with app.run_test(size=(60, 3)) as pilot:
        await pilot.pause()
        await pilot.click(KeysBar, offset=(2, 0))
        await pilot.click(KeysBar, offset=(12, 0))
        await pilot.pause()

        assert app.done == ["cast"]
