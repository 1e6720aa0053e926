from collections.abc import Callable
from typing import Any

import pytest
from textual.widget import Widget

from swarmtui.widgets.line_log import Column, LineLog

Host = Callable[[Widget], tuple[Any, dict[str, Any]]]
Lines = Callable[[Widget], list[str]]

COLUMNS: list[Column[int]] = [
    Column(key="n", title="N", width=6, flex=1, text=lambda n, _: f"entry {n}")
]
SIZE = (30, 6)


@pytest.fixture
def log() -> LineLog[int]:
    return LineLog(COLUMNS, kept=20, empty="nothing yet")


async def test_the_end_is_followed(host: Host, lines: Lines, log: LineLog[int]) -> None:
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook):
        log.extend(range(10))

        assert lines(log) == [" N", *(f" entry {n}" for n in range(5, 10))]


async def test_only_the_latest_are_kept(host: Host, log: LineLog[int]) -> None:
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook):
        log.extend(range(100))

        assert log.kept == 20
        assert list(log.shown) == list(range(80, 100))


async def test_moving_up_holds_the_picture_still(
    host: Host, lines: Lines, log: LineLog[int]
) -> None:
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook) as pilot:
        log.extend(range(10))
        await pilot.press("up")
        before = lines(log)
        log.extend(range(10, 60))

        assert lines(log) == before
        assert log.entry == 8
        assert log.missed == 50
        assert not log.following


async def test_the_end_can_be_followed_again(
    host: Host, lines: Lines, log: LineLog[int]
) -> None:
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook) as pilot:
        log.extend(range(10))
        await pilot.press("g")
        log.extend(range(10, 15))
        await pilot.press("G")

        assert log.following
        assert log.missed == 0
        assert lines(log)[-1] == " entry 14"


async def test_a_filter_looks_at_what_is_kept_and_at_what_comes(
    host: Host, log: LineLog[int]
) -> None:
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook):
        log.extend(range(10))
        log.show_only(lambda n: n % 2 == 0)
        log.extend(range(10, 14))
        even = list(log.shown)
        log.show_only(None)

        assert even == [0, 2, 4, 6, 8, 10, 12]
        assert list(log.shown) == list(range(14))


async def test_what_is_under_the_cursor_is_told(host: Host, log: LineLog[int]) -> None:
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook) as pilot:
        log.extend(range(10))
        await pilot.press("up", "up", "enter", "end")

        told = [message.entry for message in app.of(LineLog.Highlighted)]
        assert told[1:3] == [8, 7]
        assert told[-1] is None
        assert [message.entry for message in app.of(LineLog.Selected)] == [7]


async def test_a_click_chooses_an_entry(host: Host, log: LineLog[int]) -> None:
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook) as pilot:
        log.extend(range(10))
        await pilot.pause()
        await pilot.click(log, offset=(3, 2))

        assert log.entry == 6


async def test_an_empty_log_says_so(
    host: Host, lines: Lines, log: LineLog[int]
) -> None:
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook) as pilot:
        await pilot.press("up", "enter", "g")

        assert lines(log)[2] == " nothing yet"
        assert log.entry is None


async def test_what_comes_late_is_put_where_it_belongs(host: Host) -> None:
    log = LineLog(COLUMNS, kept=6, order=lambda n: n)
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook):
        log.show_only(lambda n: n != 5)
        log.extend([1, 4, 7])
        log.extend([2, 5, 6, 9])

        assert list(log.shown) == [1, 2, 4, 6, 7, 9]
        assert log.kept == 6

        log.show_only(None)

        assert list(log.shown) == [2, 4, 5, 6, 7, 9]


async def test_what_comes_late_does_not_move_a_picture_that_is_held(host: Host) -> None:
    log = LineLog(COLUMNS, kept=20, order=lambda n: n)
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook) as pilot:
        log.extend([1, 4, 7])
        await pilot.press("up")
        log.extend([2, 9])

        assert list(log.shown) == [1, 4, 7]
        assert log.entry == 4
        assert log.missed == 2

        log.hold(held=False)

        assert list(log.shown) == [1, 2, 4, 7, 9]


async def test_what_comes_at_the_same_time_stays_as_it_came(host: Host) -> None:
    pairs: list[Column[tuple[int, str]]] = [
        Column(key="n", title="N", width=6, text=lambda pair, _: pair[1])
    ]
    log = LineLog(pairs, order=lambda pair: pair[0])
    app, hook = host(log)
    async with app.run_test(size=SIZE, **hook):
        log.extend([(1, "a"), (3, "b")])
        log.extend([(1, "c"), (3, "d")])

        assert [name for _, name in log.shown] == ["a", "c", "b", "d"]
