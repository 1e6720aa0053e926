from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from textual.widget import Widget

from swarmtui.text import ago, safe
from swarmtui.widgets.line_table import Column, LineTable, Sort
from swarmtui.widgets.lines import Span

Host = Callable[[Widget], tuple[Any, dict[str, Any]]]
Lines = Callable[[Widget], list[str]]

COLUMNS: list[Column[Any]] = [
    Column(
        key="id",
        title="ID",
        width=6,
        flex=1,
        text=lambda row, _: safe(row.id),
        sort=lambda row: row.id,
    ),
    Column(
        key="for",
        title="FOR",
        width=4,
        right=True,
        timed=True,
        text=lambda row, now: ago(row.since, now),
    ),
    Column(
        key="size",
        title="SIZE",
        width=6,
        right=True,
        falling=True,
        text=lambda row, _: str(row.size),
        sort=lambda row: row.size,
    ),
]
SIZE = (30, 8)


@pytest.fixture
def rows(row: Any) -> dict[str, Any]:
    return {f"r{n:02}": row(f"r{n:02}", size=n) for n in range(20)}


async def test_rows_are_drawn_in_aligned_columns(
    host: Host, lines: Lines, rows: dict[str, Any], now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook):
        table.rebuild(now)

        assert lines(table)[:3] == [
            " ID               FOR   SIZE",
            "▌r00               0s      0",
            " r01               0s      1",
        ]


async def test_a_flush_draws_only_the_dirty_rows_in_sight(
    host: Host, rows: dict[str, Any], row: Any, now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        table.flush(now)
        await pilot.pause()
        for n in (1, 3, 19):
            rows[f"r{n:02}"] = row(f"r{n:02}", size=100 + n, version=1)
            table.mark_dirty(f"r{n:02}")

        assert table.flush(now) == 2
        assert table.flush(now) == 0


async def test_a_changed_row_is_drawn_anew(
    host: Host, lines: Lines, rows: dict[str, Any], row: Any, now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook):
        table.rebuild(now)
        lines(table)
        rows["r01"] = row("r01", size=777, version=1)
        table.mark_dirty("r01")
        table.flush(now)

        assert lines(table)[2].endswith("777")


async def test_ages_move_on_once_a_second_without_touching_other_rows(
    host: Host, lines: Lines, rows: dict[str, Any], row: Any, now: datetime
) -> None:
    rows["r02"] = row("r02", since=now - timedelta(minutes=5))
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook):
        table.rebuild(now)
        table.flush(now)
        lines(table)

        assert table.flush(now + timedelta(seconds=0.5)) == 0
        assert table.flush(now + timedelta(seconds=1.5)) == 6
        assert "1s" in lines(table)[1]
        assert "5m" in lines(table)[3]


async def test_a_change_of_the_row_under_the_cursor_is_told_but_not_its_age(
    host: Host, rows: dict[str, Any], row: Any, now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        table.flush(now)
        await pilot.pause()
        before = len(app.of(LineTable.Highlighted))
        table.flush(now + timedelta(seconds=2))
        await pilot.pause()
        aged = len(app.of(LineTable.Highlighted))
        rows["r00"] = row("r00", version=1)
        table.mark_dirty("r00")
        table.flush(now + timedelta(seconds=2))
        await pilot.pause()

        assert aged == before
        assert len(app.of(LineTable.Highlighted)) == before + 1


async def test_the_cursor_stays_with_its_row_when_the_order_changes(
    host: Host, rows: dict[str, Any], now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        await pilot.press("down", "down")
        table.sort_by(Sort("size", falling=True))

        assert table.cursor == "r02"
        assert table.order[0] == "r19"


async def test_a_row_above_the_cursor_does_not_move_the_picture(
    host: Host, lines: Lines, rows: dict[str, Any], row: Any, now: datetime
) -> None:
    table = LineTable(COLUMNS, rows, sort=Sort("id"))
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        await pilot.press("end", "up", "up")
        before = lines(table)
        rows["a00"] = row("a00")
        table.mark_dirty("a00")
        table.flush(now + timedelta(seconds=2))
        await pilot.pause()

        assert [line[:4] for line in lines(table)] == [line[:4] for line in before]


async def test_rows_move_at_most_once_a_second(
    host: Host, rows: dict[str, Any], row: Any, now: datetime
) -> None:
    table = LineTable(COLUMNS, rows, sort=Sort("size", falling=True))
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook):
        table.rebuild(now)
        rows["r00"] = row("r00", size=999, version=1)
        table.mark_dirty("r00")

        table.flush(now + timedelta(seconds=0.1))
        early = table.order[0]
        table.flush(now + timedelta(seconds=1.1))

        assert early == "r19"
        assert table.order[0] == "r00"


async def test_while_frozen_no_row_moves(
    host: Host, rows: dict[str, Any], row: Any, now: datetime
) -> None:
    table = LineTable(COLUMNS, rows, sort=Sort("size"))
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        await pilot.press("f")
        rows["r00"] = row("r00", size=999, version=1)
        table.mark_dirty("r00")
        table.flush(now + timedelta(seconds=5))
        frozen = table.order[0]
        await pilot.press("f")

        assert frozen == "r00"
        assert table.order[-1] == "r00"


async def test_a_filter_shows_only_what_it_lets_through(
    host: Host, lines: Lines, rows: dict[str, Any], now: datetime
) -> None:
    table = LineTable(COLUMNS, rows, empty="nothing matches")
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook):
        table.show_only(lambda row, _: row.size > 17, now)
        few = list(table.order)
        table.show_only(lambda *_: False, now)

        assert few == ["r18", "r19"]
        assert table.cursor is None
        assert any("nothing matches" in line for line in lines(table))


async def test_a_row_that_is_about_to_leave_fades(
    host: Host, rows: dict[str, Any], row: Any, now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)

    def ink() -> Any:
        return list(table.render_line(2))[1].style

    async with app.run_test(size=SIZE, **hook):
        table.show_only(lambda one, _: one.size < 100, now)
        before = ink()
        rows["r01"] = row("r01", size=100, version=1)
        table.mark_dirty("r01")
        table.flush(now)
        leaving = ink()
        table.show_only(None, now)

        assert leaving != before
        assert ink() == before


async def test_keys_move_the_cursor_and_keep_it_in_sight(
    host: Host, rows: dict[str, Any], now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        seen = []
        for key in ("j", "j", "k", "G", "g", "pagedown", "pageup", "end", "home"):
            await pilot.press(key)
            seen.append(table.index)

        assert seen == [1, 2, 1, 19, 0, 6, 0, 19, 0]
        assert table.scroll_offset.y == 0


async def test_marks_are_what_is_acted_on(
    host: Host, rows: dict[str, Any], now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        alone = table.targets
        await pilot.press("space", "down", "down", "ctrl+space")
        ranged = table.targets
        await pilot.press("asterisk")
        everything = len(table.targets)
        await pilot.press("asterisk")

        assert alone == ["r00"]
        assert ranged == ["r00", "r01", "r02", "r03"]
        assert everything == 20
        assert not table.marks


async def test_marks_of_rows_that_are_gone_are_dropped(
    host: Host, rows: dict[str, Any], now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        await pilot.press("space", "space")
        del rows["r00"]
        table.rebuild(now)

        assert table.marks == {"r01"}


async def test_a_click_on_a_header_sorts_and_a_second_one_reverses(
    host: Host, lines: Lines, rows: dict[str, Any], now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        await pilot.click(table, offset=(27, 0))
        first = table.sort
        header = lines(table)[0]
        await pilot.click(table, offset=(27, 0))

        assert first == Sort("size", falling=True)
        assert header.endswith("SIZE ↓")
        assert table.sort == Sort("size", falling=False)
        assert len(app.of(LineTable.SortChanged)) == 2


async def test_keys_go_through_the_columns_that_can_be_sorted(
    host: Host, rows: dict[str, Any], now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        seen = []
        for key in ("s", "s", "S", "s"):
            await pilot.press(key)
            seen.append(table.sort)

        assert seen == [
            Sort("id"),
            Sort("size", falling=True),
            Sort("size", falling=False),
            Sort("id"),
        ]


async def test_a_click_moves_the_cursor_and_a_double_click_opens(
    host: Host, rows: dict[str, Any], now: datetime
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        await pilot.click(table, offset=(5, 3))
        moved = table.cursor
        await pilot.click(table, offset=(5, 4), times=2)

        assert moved == "r02"
        assert [message.id for message in app.of(LineTable.Selected)] == ["r03"]


async def test_rows_may_take_two_lines(
    host: Host, lines: Lines, rows: dict[str, Any], now: datetime
) -> None:
    table = LineTable(COLUMNS, rows, below=lambda row, _: [Span(f"“{row.id}?”")])
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        drawn = lines(table)
        await pilot.press("end")

        assert drawn[1:5] == [
            "▌r00               0s      0",
            "▌  “r00?”",
            " r01               0s      1",
            "   “r01?”",
        ]
        assert any(line.startswith("▌r19") for line in lines(table))
        assert lines(table)[1].startswith(" r")


async def test_markup_and_escapes_are_shown_as_text(
    host: Host, lines: Lines, row: Any, now: datetime
) -> None:
    table = LineTable(COLUMNS, {"x": row("[red]x\x1b[2J")})
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook):
        table.rebuild(now)

        assert lines(table)[1].startswith("▌[red]x ")


async def test_narrow_tables_leave_columns_out(
    host: Host, lines: Lines, rows: dict[str, Any], now: datetime
) -> None:
    columns = [
        *COLUMNS,
        Column(key="wide", title="WIDE", width=4, text=lambda *_: "here", min_width=40),
    ]
    table: LineTable[Any] = LineTable(columns, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        narrow = lines(table)[0]
        await pilot.resize_terminal(50, 8)
        await pilot.pause()

        assert "WIDE" not in narrow
        assert "WIDE" in lines(table)[0]


@pytest.mark.parametrize("theme", ["swarm-day", "nord", "ansi-dark", "ansi-light"])
async def test_a_table_is_drawn_in_any_theme(
    host: Host, lines: Lines, rows: dict[str, Any], now: datetime, theme: str
) -> None:
    table = LineTable(COLUMNS, rows)
    app, hook = host(table)
    async with app.run_test(size=SIZE, **hook) as pilot:
        table.rebuild(now)
        app.theme = theme
        await pilot.pause()

        assert lines(table)[1].startswith("▌r00")
