"""What a product tells only in the file in which it keeps its session.

A line of the file is an event; the end of the file is read and no more. Copilot's has
the last words of a turn: it writes them a moment after it has begun to run the hooks of
the end of the turn, which are events as well, so once ours is there, so are the words
before it. Claude Code's says whether its user interrupted a turn.
"""

# ruff: noqa: PTH116, PTH123 - pathlib takes longer to import than all this

import os
import stat
import time

from agentkit.integrations import plain
from agentkit.integrations.events import pick

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

TAIL = 1 << 18
"""Bytes from the end of the file that are read."""

PATIENCE = 0.4
"""Seconds that Copilot may take to write down what it has said; it takes a tenth."""

PAUSE = 0.02


def last_words(path: str, stamp: object) -> str:
    """Return what a session said last in the turn that ends.

    Args:
        path: the file.
        stamp: when the hook was begun, in the words of its payload.

    Returns:
        The words; empty when there are none, or they are not written in time.
    """
    if stamp is None:  # any hook would do
        return ""
    end = time.monotonic() + PATIENCE
    while (words := _words(path, stamp)) is None and time.monotonic() < end:
        time.sleep(PAUSE)
    return words or ""


INTERRUPTED = "[Request interrupted by user"
"""How the line begins with which Claude Code notes that."""


def was_interrupted(path: str) -> bool:
    """Say whether the user interrupted the last turn of a session of Claude Code."""
    for event in _events(path):
        if event.get("type") not in ("user", "assistant") or event.get("isSidechain"):
            continue
        said = pick(event, "message.content")
        texts = [pick(part, "text") for part in said] if isinstance(said, list) else []
        return any(str(text).startswith(INTERRUPTED) for text in texts)
    return False


def _words(path: str, stamp: object) -> str | None:
    """Return the words of the turn; None while its end is not written yet."""
    is_ended = False
    for event in _events(path):
        kind, said = event.get("type"), pick(event, "data.content")
        if not is_ended:
            began = pick(event, "data.input.timestamp")
            is_ended = kind == "hook.start" and began == stamp
        elif "agentId" in event:  # a helper's
            continue
        elif kind == "user.message":
            break
        elif kind == "assistant.message" and isinstance(said, str) and said:
            return said
    return "" if is_ended else None


def _events(path: str) -> "Iterator[dict[str, Any]]":
    """Yield the last events of a session, the newest first."""
    for line in reversed(_tail(path).splitlines()):
        try:
            yield plain.read_object(line.decode())
        except ValueError:  # the first one, cut, or the last one, half written
            continue


def _tail(path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - TAIL, 0))
            return file.read(TAIL)
    except OSError:
        return b""
