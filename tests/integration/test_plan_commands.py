"""``swarmtui plan`` as a person or a script has it: no hub is asked."""

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.test_commands import Done, Terminal, run

CONFIG = Path(__file__).parents[2] / "examples" / "peering" / "config"
EXAMPLE = CONFIG / "peering_demo.yml"
WRONG = """\
states:
  first:
    type: initial
    agent: a
    transitions:
      - to: lsat
  last:
    type: final
    action: rm
"""


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    file = tmp_path / "wrong.yml"
    file.write_text(WRONG)
    return file


def command(home: Path, *args: object) -> Done:
    return run(home, "plan", *map(str, args))


def test_a_sound_plan_passes(tmp_path: Path) -> None:
    done = command(tmp_path, "check", EXAMPLE)

    assert (done.code, done.out) == (0, "")
    assert done.err == "1 plan: nothing is wrong\n"


def test_problems_are_told_with_file_line_column_and_remedy(
    tmp_path: Path, wrong: Path
) -> None:
    done = command(tmp_path, "check", wrong, EXAMPLE)

    assert done.code == 2
    assert done.out.splitlines() == [
        (
            f"warning: {wrong}:1:1: states: no final stage can be reached; "
            "a run ends by an error or never"
        ),
        (
            f"error: {wrong}:6:13: states.first.transitions[0].to: "
            "there is no stage 'lsat'; did you mean 'last'"
        ),
        (
            f"warning: {wrong}:7:3: states.last: nothing leads to it; "
            "add a transition, or delete it"
        ),
        (
            f"error: {wrong}:9:5: states.last.action: a plan is data and runs nothing: "
            "let an agent do the action, with agent:"
        ),
    ]
    assert done.err == "2 plans: 2 errors and 2 warnings\n"


def test_a_script_gets_problems_as_json(tmp_path: Path, wrong: Path) -> None:
    done = command(tmp_path, "check", "--json", wrong)

    assert done.code == 2
    assert done.data["plans"] == [
        {"file": str(wrong), "name": "wrong", "ok": False, "files": [str(wrong)]}
    ]
    assert done.data["problems"][1] == {
        "file": str(wrong),
        "line": 6,
        "column": 13,
        "key": "states.first.transitions[0].to",
        "text": "there is no stage 'lsat'; did you mean 'last'",
        "severity": "error",
    }


def test_a_plan_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    for word in ("check", "show"):
        done = command(tmp_path, word, tmp_path / "none.yml")

        assert done.code == 2
        assert "none.yml:1:1: there is no such file; correct the path" in (
            done.out + done.err
        )


def test_a_wrong_plan_is_not_drawn(tmp_path: Path, wrong: Path) -> None:
    done = command(tmp_path, "show", wrong)

    assert (done.code, done.out) == (2, "")
    assert "wrong.yml:6:13: states.first.transitions[0].to: there is no" in done.err
    assert f"(see swarmtui plan check {wrong})" in done.err


def test_a_plan_is_drawn_in_eighty_columns_on_a_pipe(tmp_path: Path) -> None:
    done = command(tmp_path, "show", EXAMPLE)

    lines = done.out.splitlines()
    assert done.code == 0
    assert "\x1b" not in done.out
    assert lines[0].startswith("╭─ peering_demo ─")
    assert {len(line) for line in lines[:-2]} == {80}
    assert any("for each task of context.tasks" in line for line in lines)


def test_the_document_is_printed(tmp_path: Path) -> None:
    plan = command(tmp_path, "show", "--json", EXAMPLE).data["plan"]

    assert plan["main"] == "peering_demo"
    assert set(plan["machines"]) == {
        "peering_demo",
        "orchestrator",
        "worker_node",
        "worker_task",
    }


def whole(terminal: Terminal) -> str:
    """Return all that a command says, no character torn between two reads."""
    said = b""
    with suppress(OSError):
        while more := os.read(terminal.inside, 4096):
            said += more
    assert terminal.end() == 0
    return said.decode()


def test_a_drawing_has_colours_and_fits_on_a_terminal(tmp_path: Path) -> None:
    said = whole(Terminal(tmp_path, "plan", "show", str(EXAMPLE), columns=64))

    lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()
    assert "\x1b[32m◉" in said
    assert {len(line) for line in lines if line[:1] in ("╭", "│", "╰")} == {64}
