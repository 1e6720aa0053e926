"""Tables that fit, and JSON that acts on nothing."""

import json
from datetime import UTC, datetime

import pytest

from agentkit.rows import Task
from swarmtui import output
from swarmtui.output import Column, fitted

COLUMNS = (
    Column("state", coloured=True),
    Column("agent", flexible=True),
    Column("cost", right=True, spare=1),
)
BODY = (("● busy", "backend-01", "$1.20"), ("○ idle", "docs", "$12.00"))


def test_a_table_on_a_pipe_is_plain_aligned_and_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.table(COLUMNS, BODY)

    assert capsys.readouterr().out == (
        "STATE   AGENT         COST\n"
        "● busy  backend-01   $1.20\n"
        "○ idle  docs        $12.00\n"
    )


def test_a_table_holds_nothing_that_acts_on_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.table((Column("agent"),), [("a\x1b[31m\x07b\nc",)])

    assert capsys.readouterr().out == "AGENT\nab c\n"


@pytest.mark.parametrize("room", range(24, 60))
def test_a_fitted_table_is_never_wider_than_the_terminal(room: int) -> None:
    widths = [taken for taken in fitted(COLUMNS, (9, 30, 8), room) if taken]

    assert sum(widths) + 2 * (len(widths) - 1) <= room


def test_a_narrow_terminal_leaves_out_what_can_be_spared() -> None:
    assert fitted(COLUMNS, (9, 30, 8), 24) == [9, 13, 0]


def test_a_flexible_column_gives_way_before_another_is_left_out() -> None:
    assert fitted(COLUMNS, (9, 30, 8), 40) == [9, 19, 8]


def test_of_two_flexible_columns_the_wider_gives_way() -> None:
    two = (Column("a", flexible=True), Column("b", flexible=True))

    assert fitted(two, (60, 20), 62) == [40, 20]
    assert fitted(two, (60, 20), 42) == [20, 20]
    assert fitted(two, (60, 20), 32) == [15, 15]


def test_what_can_be_spared_gives_way_before_what_cannot() -> None:
    two = (Column("question", flexible=True), Column("choices", True, True, 1))

    assert fitted(two, (60, 40), 80) == [60, 18]


def test_a_wide_terminal_changes_nothing() -> None:
    assert fitted(COLUMNS, (9, 30, 8), 200) == [9, 30, 8]


def test_json_has_a_schema_version(capsys: pytest.CaptureFixture[str]) -> None:
    output.as_json(agents=[])

    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "agents": []}


def test_json_holds_records_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)

    output.as_json(tasks=[Task(id="T1", agent="a1", state="sent", created=at)])

    (task,) = json.loads(capsys.readouterr().out)["tasks"]
    assert (task["id"], task["created"]) == ("T1", "2026-01-02T03:04:00+00:00")


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    output.as_json(text="é\x9b31m")

    assert capsys.readouterr().out.isascii()


def test_a_line_of_json_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.as_jsonl({"text": "a\nb"})
    output.as_jsonl({"text": "c"})

    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["a\nb", "c"]


def test_nothing_is_painted_on_a_pipe() -> None:
    assert output.painted("busy", "busy") == "busy"
