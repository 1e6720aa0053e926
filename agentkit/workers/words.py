"""How what programs do and ask reads in a line or two."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

NOTE: Final = 200
"""Characters that tell what is being done."""

QUESTION: Final = 2000
"""Characters that a person is asked to judge."""

TELLING: Final = (
    *("command", "file_path", "path", "notebook_path", "url", "query", "pattern"),
    *("description", "prompt", "skill"),
)
"""What tells most of a tool's input, in this order."""


def line(text: str, limit: int = NOTE) -> str:
    """Return a text in one line of at most `limit` characters."""
    words = " ".join(text.split())
    return words if len(words) <= limit else f"{words[: limit - 1]}…"


def tool(name: str, given: Mapping[str, object]) -> str:
    """Return what a tool is used for, such as ``Bash: make test``."""
    for key in TELLING:
        telling = given.get(key)
        if isinstance(telling, str) and telling:
            return line(f"{name}: {telling}")
    return line(name)


def question(title: str, what: str, given: object) -> str:
    """Return what a program asks, with all that it is about.

    Args:
        title: of the program.
        what: it wants to do.
        given: the input of the tool, or nothing.
    """
    asks = f"{title} asks: {what}"
    if given:
        asks += "\n" + json.dumps(given, ensure_ascii=False, default=str)
    return asks if len(asks) <= QUESTION else f"{asks[: QUESTION - 1]}…"


def share(steps: Iterable[object], done: str = "completed") -> float | None:
    """Return how much of a plan is done; None when it has no steps."""
    states = [step.get("status") for step in steps if isinstance(step, Mapping)]
    return states.count(done) / len(states) if states else None


def whole(text: object) -> str:
    """Return a text without the halves of characters that JSON can smuggle in."""
    return str(text or "").encode("utf-8", "replace").decode()
