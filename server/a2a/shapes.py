"""The shape of a push notification, of protocol 1.0 and 0.3.

Whatever else stands in it is left alone: agents send whole tasks with their history.
"""

from typing import Any, Final, NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from agentkit.rows import Report
from server.wire.values import PlainId, Stamp


class Part(TypedDict):
    """A piece of a message or an artifact; other kinds than text are not shown."""

    text: NotRequired[str | None]


class Message(TypedDict):
    """What an agent says."""

    messageId: NotRequired[str | None]
    contextId: NotRequired[str | None]
    taskId: NotRequired[str | None]
    parts: NotRequired[list[Part] | None]


class Status(TypedDict):
    """How far a task is, and since when."""

    state: str
    message: NotRequired[Message | None]
    timestamp: NotRequired[Stamp | None]


class Artifact(TypedDict):
    """Something that a task led to."""

    artifactId: NotRequired[str | None]
    name: NotRequired[str | None]
    parts: NotRequired[list[Part] | None]


class WholeTask(TypedDict):
    """A task as it is."""

    id: PlainId
    contextId: NotRequired[str | None]
    status: Status


class StatusUpdate(TypedDict):
    """What has become of a task."""

    taskId: PlainId
    contextId: NotRequired[str | None]
    status: Status


class ArtifactUpdate(TypedDict):
    """What a task has led to."""

    taskId: PlainId
    contextId: NotRequired[str | None]
    artifact: Artifact


class Push(TypedDict):
    """A notification: one of the first four (1.0), or its fields themselves (0.3)."""

    agent: PlainId
    task: NotRequired[WholeTask]
    statusUpdate: NotRequired[StatusUpdate]
    artifactUpdate: NotRequired[ArtifactUpdate]
    message: NotRequired[Message]
    kind: NotRequired[str | None]
    id: NotRequired[PlainId]
    taskId: NotRequired[str | None]
    contextId: NotRequired[str | None]
    status: NotRequired[Status]
    artifact: NotRequired[Artifact]
    parts: NotRequired[list[Part]]


class Pushed(TypedDict):
    """A notification was received; `report` is what it made of the agent."""

    status: str
    agent: str
    report: Report | None
    """None when it changed nothing: it came before, or late, or tells no status."""


PUSH: Final[TypeAdapter[Any]] = TypeAdapter(Push)
