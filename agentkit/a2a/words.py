"""What an A2A agent tells of a task, whichever version of the protocol it speaks.

The same is told in four ways: as a whole task, as a change of its status, as a result,
as a message. Version 1.0 names the way by a key around it (`StreamResponse`), 0.3 by
`kind`, or by nothing: then the keys inside tell.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from agentkit.errors import Invalid
from agentkit.rows import Report

State: TypeAlias = Literal[
    "submitted",
    "working",
    "input-required",
    "auth-required",
    "completed",
    "failed",
    "canceled",
    "rejected",
    "unknown",
]
"""How far a task is, in the words of 0.3."""

STATES: Final = get_args(State)

ENDS: Final = frozenset({"completed", "failed", "canceled", "rejected"})
"""States that a task does not leave again."""

WAITS: Final = frozenset({"input-required", "auth-required"})
"""States that a task leaves when somebody answers."""

REPORTS: Final[Mapping[State, Report | None]] = {
    "submitted": None,
    "working": "busy",
    "input-required": "blocked",
    "auth-required": "blocked",
    "completed": "completed",
    "failed": "blocked",
    "canceled": "idle",
    "rejected": "idle",
    "unknown": None,
}
"""What each state makes of the agent; None leaves it as it is."""

UNSAID: Final[Mapping[State, str]] = {
    "input-required": "it needs an answer to go on",
    "auth-required": "it needs to be let in somewhere to go on",
    "failed": "the task failed, and the agent did not say why",
    "canceled": "the task was cancelled",
    "rejected": "the agent rejected the task",
}
"""What is shown of a state that came without a text."""

LONGEST: Final = 4000
"""Characters of a text that are shown."""

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an agent told of a task at one moment."""

    task: str
    """The task's id with the agent; empty in a message that is about none."""
    context: str = ""
    """The id of the conversation that it belongs to."""
    state: State | None = None
    """None when the status was not told."""
    text: str = ""
    stamp: str = ""
    """When the status began by the agent's clock, as it wrote it; may be empty."""
    message: str = ""
    """The id of the message that `text` comes from."""
    artifacts: tuple[Row, ...] = ()

    @property
    def at(self) -> datetime | None:
        """When the status began, in UTC; None when that was not told."""
        return _moment(self.stamp)

    @property
    def is_over(self) -> bool:
        """Whether the task has come to its end."""
        return self.state in ENDS

    @property
    def words(self) -> str:
        """The text, or what stands for it."""
        return self.text or (UNSAID.get(self.state, "") if self.state else "")

    @property
    def fingerprint(self) -> str:
        """The same for the same status, however and by whom it was told."""
        said = [self.task, self.state, self.stamp, self.message, self.text]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def read(body: Row) -> Told:
    """Read what was told: a notification, or the result of a request.

    Raises:
        Invalid: it is nothing that A2A has.
    """
    kind, row = _unwrapped(body)
    return _READERS[kind](row)


def status_update(told: Told) -> dict[str, Any]:
    """Return a status as version 1.0 pushes it."""
    message = {"messageId": told.message, "parts": [{"text": told.text}]}
    status = {
        "state": f"TASK_STATE_{str(told.state).upper().replace('-', '_')}",
        **({"timestamp": told.stamp} if told.stamp else {}),
        **({"message": message} if told.text or told.message else {}),
    }
    ids = {"taskId": told.task, "contextId": told.context}
    return {"statusUpdate": {**ids, "status": status}}


def text_of(parts: object) -> str:
    """Return the texts among the parts of a message or an artifact, one a line."""
    texts = [
        part["text"]
        for part in _rows(parts)
        if isinstance(part.get("text"), str) and part["text"]
    ]
    text = "\n".join(texts)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


# --- the four ways -------------------------------------------------------------------

_WRAPPED: Final = {
    "task": "task",
    "statusUpdate": "status-update",
    "artifactUpdate": "artifact-update",
    "message": "message",
}
"""What 1.0 calls each way, and what 0.3 does."""


def _unwrapped(body: Row) -> tuple[str, Row]:
    """Return in which way something is told, and what is."""
    around = [key for key in _WRAPPED if isinstance(body.get(key), Mapping)]
    if len(around) > 1:
        raise Invalid(f"{' and '.join(around)} are told at once: send one at a time")
    if around:
        return _WRAPPED[around[0]], body[around[0]]
    kind = _word(body, "kind")
    if kind in _READERS:
        return kind, body
    if isinstance(body.get("status"), Mapping):
        return ("status-update" if "taskId" in body else "task"), body
    for key, way in (("artifact", "artifact-update"), ("parts", "message")):
        if key in body:
            return way, body
    raise Invalid(
        "this is nothing that A2A has: send a task, statusUpdate, artifactUpdate or "
        "message, as version 1.0 or 0.3 writes them"
    )


def _task(row: Row) -> Told:
    return _status(row, task=_name(row, "id"), artifacts=_rows(row.get("artifacts")))


def _status_update(row: Row) -> Told:
    return _status(row, task=_name(row, "taskId"))


def _artifact_update(row: Row) -> Told:
    artifact = row.get("artifact")
    return Told(
        task=_name(row, "taskId"),
        context=_word(row, "contextId"),
        artifacts=(artifact,) if isinstance(artifact, Mapping) else (),
    )


def _message(row: Row) -> Told:
    return Told(
        task=_word(row, "taskId"),
        context=_word(row, "contextId"),
        text=text_of(row.get("parts")),
        message=_word(row, "messageId"),
    )


_READERS: Final[Mapping[str, Callable[[Row], Told]]] = {
    "task": _task,
    "status-update": _status_update,
    "artifact-update": _artifact_update,
    "message": _message,
}


def _status(row: Row, *, task: str, artifacts: Sequence[Row] = ()) -> Told:
    status = row.get("status")
    if not isinstance(status, Mapping):
        raise Invalid(f"the status of task {task!r} is missing: add it")
    message = status.get("message")
    said = message if isinstance(message, Mapping) else {}
    stamp = _word(status, "timestamp")
    _moment(stamp)
    return Told(
        task=task,
        context=_word(row, "contextId"),
        state=_state(status.get("state")),
        text=text_of(said.get("parts")),
        stamp=stamp,
        message=_word(said, "messageId"),
        artifacts=tuple(artifacts),
    )


# --- the fields ----------------------------------------------------------------------


def _state(value: object) -> State:
    """Read a state as either version writes it."""
    word = str(value).removeprefix("TASK_STATE_").lower().replace("_", "-")
    if word == "unspecified":
        return "unknown"
    if word not in STATES:
        raise Invalid(
            f"the state {str(value)[:60]!r} is none of A2A: send one of "
            f"{', '.join(STATES)}"
        )
    return cast("State", word)


def _moment(stamp: str) -> datetime | None:
    if not stamp:
        return None
    try:
        at = datetime.fromisoformat(stamp)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(
            f"the timestamp {stamp[:60]!r} is no time: write 2026-11-20T21:01:45Z"
        ) from None


def _name(row: Row, key: str) -> str:
    word = _word(row, key)
    if not word:
        raise Invalid(f"{key} is missing: add the id of the task")
    return word


def _word(row: Row, key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""


def _rows(value: object) -> tuple[Row, ...]:
    """Return the objects of a list; what is none has none."""
    found = value if isinstance(value, list | tuple) else ()
    return tuple(row for row in found if isinstance(row, Mapping))
