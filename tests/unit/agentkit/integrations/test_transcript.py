"""The last words of Copilot, in what it really wrote of a session."""

import os
import time
from pathlib import Path

import pytest

from agentkit.integrations import transcript
from agentkit.integrations.transcript import TAIL, last_words
from tests.unit.agentkit.integrations.captured import FIXTURES

WHOLE = (FIXTURES / "copilot-events-1.0.102.jsonl").read_bytes()

FIRST, LAST = 1795281595320, 1795281603260
"""When the hooks of its turns were begun."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(WHOLE)
    return path


def upto(stamp: int) -> bytes:
    """Return what is written when a hook is begun, and its own line half."""
    return WHOLE[: WHOLE.index(b'"timestamp":%d' % stamp)]


@pytest.mark.parametrize(
    ("stamp", "said"), [(FIRST, "It was helped."), (LAST, "noted")]
)
def test_the_words_of_a_turn_are_read(path: Path, stamp: int, said: str) -> None:
    assert last_words(str(path), stamp) == said


def test_what_a_helper_said_is_not_what_the_session_said(path: Path) -> None:
    path.write_bytes(WHOLE.replace(b"It was helped.", b""))

    assert b"It is red." in WHOLE
    assert last_words(str(path), FIRST) == ""


def test_a_turn_without_words_has_not_those_of_the_one_before(path: Path) -> None:
    path.write_bytes(WHOLE.replace(b'"content":"noted"', b'"content":""'))

    assert last_words(str(path), LAST) == ""


def test_words_that_are_not_written_yet_are_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(upto(LAST))
    monkeypatch.setattr(transcript, "PATIENCE", 60)
    monkeypatch.setattr(time, "sleep", lambda _: path.write_bytes(WHOLE))

    assert last_words(str(path), LAST) == "noted"


def test_words_that_are_never_written_are_not_waited_for_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(upto(LAST))
    monkeypatch.setattr(transcript, "PATIENCE", 0)

    assert last_words(str(path), LAST) == ""


def test_the_end_of_a_long_file_is_read(path: Path) -> None:
    path.write_bytes(b'{"type":"tool.execution_complete"}\n' * 100_000 + WHOLE)

    assert last_words(str(path), LAST) == "noted"


def test_words_that_are_too_long_are_left_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcript, "PATIENCE", 0)
    path.write_bytes(
        WHOLE.replace(b'"content":"noted"', b'"content":"%*d"' % (TAIL, 1))
    )

    assert last_words(str(path), LAST) == ""


@pytest.mark.parametrize("what", ["nothing", "folder", "pipe", "noise"])
def test_a_file_that_is_none_has_no_words(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcript, "PATIENCE", 0)
    path = tmp_path / "events.jsonl"
    match what:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "noise":
            path.write_bytes(b'\xff\n[]\n{"type":3,"data":[]}\n{"data":')

    assert last_words(str(path), LAST) == ""


def test_a_hook_that_does_not_say_when_it_began_gets_no_words(path: Path) -> None:
    assert last_words(str(path), None) == ""
