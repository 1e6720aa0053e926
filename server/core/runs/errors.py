"""Why a run or an item failed, as a plan sees it: ``_error`` and ``_error_type``."""

import re
from collections.abc import Mapping
from typing import Any, Final

from agentkit.codec import dumps
from agentkit.errors import SwarmError
from agentkit.plans import Cost, ExpressionError
from server.core.rules import Rules

NAMED: Final = re.compile(r"([A-Z]\w*(?:Error|Exception|Failure|Timeout)): (?=\S)")
"""How a reason begins that names the type of an error, as Python prints it."""


class StageError(Exception):
    """A stage, or one of its items, cannot go on.

    Args:
        text: one sentence.
        kind: the type that a plan may name under ``on_error``.
    """

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.error = error_of(text, kind)


def error_of(text: str, kind: str) -> Mapping[str, Any]:
    """Return an error as it stands among results."""
    return {"_error": text, "_error_type": kind}


def failure_of(reason: str, kind: str) -> Mapping[str, Any]:
    """Return the error that a reason tells of; one may name its own type."""
    named = NAMED.match(reason)
    if named is None:
        return error_of(reason or "no reason was given", kind)
    return error_of(reason[named.end() :], named[1])


def kind_of(error: Mapping[str, Any]) -> str:
    """Return the type of an error."""
    return str(error.get("_error_type", ""))


def as_error(problem: SwarmError | StageError) -> Mapping[str, Any]:
    """Return what an exception says as an error."""
    if isinstance(problem, StageError):
        return problem.error
    kind = "ExpressionError" if isinstance(problem, ExpressionError) else "Invalid"
    return error_of(str(problem), kind)


def check_size(rules: Rules, what: str, value: object, cost: Cost) -> None:
    """Refuse what is too large to be kept with a run.

    Args:
        rules: say what is.
        what: what it is called.
        value: JSON.
        cost: what it takes is added to it.

    Raises:
        StageError: it is.
    """
    size = len(dumps(value).encode())
    cost.add_bytes(size)
    if size > rules.context_bytes:
        raise StageError(
            f"the {what} has {size:,} bytes as JSON, at most {rules.context_bytes:,} "
            "are kept with a run: write it as a result and pass on its address",
            "TooLarge",
        )
