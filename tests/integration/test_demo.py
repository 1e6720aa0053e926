"""The demo without a terminal: lines, a closing table, and nothing left behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "swarmtui", "demo"]


def surroundings(ground: Path) -> dict[str, str]:
    """Return an environment whose home and temporary files are in a folder."""
    (ground / "tmp").mkdir()
    home = str(ground / "home")
    return {**os.environ, "SWARMTUI_HOME": home, "TMPDIR": str(ground / "tmp")}


@contextmanager
def playing(ground: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, *args],
        env=surroundings(ground),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str, str]:
    ground = tmp_path_factory.mktemp("demo")
    with playing(ground, "--for", "8") as process:
        out, err = process.communicate(timeout=60)
    return ground, process.returncode, out, err


def test_it_ends_well(play: tuple[Path, int, str, str]) -> None:
    _, code, _, err = play

    assert code == 0
    assert re.fullmatch(r"24 agents report to http://127\.0\.0\.1:\d+; seed 7\n", err)


@pytest.mark.parametrize(
    "what",
    [
        r"● \S+ +busy",
        r"■ \S+ +blocked",
        r"■ \S+ +escalated",
        r"■ \S+ +overspent",
        r"▲ \S+ +help",
        r"× \S+ +lost",  # noqa: RUF001  # the sign of the lost
        r"✓ \S+ +done",
        r"· \S+ +assigned",
        r"● \S+ +started",
        r"broadcast",
    ],
)
def test_everything_there_is_to_see_happens(
    what: str, play: tuple[Path, int, str, str]
) -> None:
    assert re.search(what, play[2]), play[2]


@pytest.mark.parametrize("state", ["idle", "busy", "blocked", "help", "lost"])
def test_the_closing_table_counts_every_state(
    state: str, play: tuple[Path, int, str, str]
) -> None:
    closing = play[2].split("\n\n")[1]

    assert re.search(rf"^. {state} +[1-9]\d*  \S", closing, re.MULTILINE), closing


def test_the_closing_table_counts_every_agent_once(
    play: tuple[Path, int, str, str],
) -> None:
    counts = re.findall(r"^. \w+ +(\d+)  ", play[2].split("\n\n")[1], re.MULTILINE)

    assert sum(map(int, counts)) == 24


def test_the_broadcast_reached_those_that_are_there(
    play: tuple[Path, int, str, str],
) -> None:
    reached, told = re.findall(r"” reached (\d+) of (\d+)", play[2])[0]

    assert 20 <= int(reached) <= int(told) <= 24


def test_nothing_is_left_behind(play: tuple[Path, int, str, str]) -> None:
    ground = play[0]

    assert not (ground / "home").exists()
    assert list((ground / "tmp").iterdir()) == []


def test_ctrl_c_ends_it_tidily(tmp_path: Path) -> None:
    with playing(tmp_path, "--agents", "8") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()

    assert process.returncode == 130
    assert "STATE" in out
    assert len(err.strip().splitlines()) == 1
    assert list((tmp_path / "tmp").iterdir()) == []
