"""What coordinators wish, and the frames that carry it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias

from pydantic import AfterValidator, Field, TypeAdapter
from typing_extensions import TypedDict

from agentkit import protocol as p
from server.wire.messages import SendWish, WatchWish
from server.wire.reading import valid
from server.wire.runs import CancelRunWish, ResumeRunWish, RetryRunWish, RunLaunch
from server.wire.values import Body, Moment, Number, RequestId, Whole


class TaskFields(TypedDict, total=False):
    """What every new task may have."""

    id: str
    title: str
    body: Body
    priority: Whole
    not_before: Moment | None
    max_attempts: Number | None
    giver: str


class AssignWish(TaskFields):
    """The fields of `Assign`."""

    agent: str
    watchers: NotRequired[tuple[str, ...]]


class EnqueueWish(TaskFields, total=False):
    """The fields of `Enqueue`."""

    needs: tuple[str, ...]


class TaskWish(EnqueueWish, total=False):
    """A new task: for one `agent`, else for whoever has the capabilities it `needs`."""

    agent: str
    watchers: tuple[str, ...]


def _says_something(wish: EnqueueWish) -> EnqueueWish:
    if wish.keys() & {"id", "title", "body"}:
        return wish
    raise ValueError("what is to be done is missing: add a title or a body")


class CancelWish(TypedDict):
    """The fields of `Cancel`."""

    id: str
    reason: NotRequired[str]


class RequeueWish(TypedDict):
    """The fields of `Requeue`."""

    id: str


DELIVERY: Final = re.compile(r"^[0-9]{1,16}@.")


def _names_a_delivery(text: str) -> str:
    if DELIVERY.match(text):
        return text
    raise ValueError(
        "a delivery is called by its number, @ and its agent, as in 12@a1, and "
        "swarmtui deliveries --dead lists those that are dead"
    )


DeliveryId = Annotated[
    str,
    AfterValidator(_names_a_delivery),
    Field(json_schema_extra={"pattern": DELIVERY.pattern}),
]


class RetryWish(TypedDict):
    """Which delivery is meant: its number, ``@`` and its agent."""

    id: DeliveryId


def _delivery_of(wish: RetryWish) -> dict[str, Any]:
    """Return the fields of `Retry`."""
    seq, _, agent = wish["id"].partition("@")
    return {"agent": agent, "seq": int(seq)}


class BroadcastWish(TypedDict):
    """The fields of `SendBroadcast`."""

    text: str
    where: NotRequired[str]
    id: NotRequired[str]


class AnswerWish(TypedDict):
    """The fields of `Answer`."""

    help: str
    text: str


class TakeWish(TypedDict):
    """The fields of `Take`."""

    help: str


class HelperWish(TypedDict):
    """The fields of `AssignHelper`."""

    help: str
    helper: str
    note: NotRequired[str]


class SnoozeWish(TypedDict):
    """The fields of `Snooze`."""

    help: str
    until: Moment


class ResolveWish(TypedDict):
    """The fields of `Resolve`."""

    help: str
    note: NotRequired[str]


class LetterWish(TypedDict):
    """Which letter is meant: the fields of `Unbury` and of `Discard`."""

    id: str


@dataclass(frozen=True, slots=True)
class Wish:
    """A command that coordinators may give: its class, and the shape of its fields."""

    command: type[p.CoordinatorCommand]
    shape: TypeAdapter[Any]
    names: bool = False
    """Whether it makes something new: its id may be left to the hub."""

    def read(self, fields: Mapping[str, Any], by: str) -> p.CoordinatorCommand:
        """Return the command, given by `by`.

        Raises:
            Invalid: a field is missing or of the wrong kind.
        """
        given = valid(self.shape, fields)
        if self.names:
            given.setdefault("id", "")
        return self.command(by=by, **given)


WISHES: Final[dict[str, Wish]] = {
    "assign": Wish(p.Assign, TypeAdapter(AssignWish), names=True),
    "enqueue": Wish(
        p.Enqueue,
        TypeAdapter(Annotated[EnqueueWish, AfterValidator(_says_something)]),
        names=True,
    ),
    "cancel": Wish(p.Cancel, TypeAdapter(CancelWish)),
    "requeue": Wish(p.Requeue, TypeAdapter(RequeueWish)),
    "retry": Wish(
        p.Retry, TypeAdapter(Annotated[RetryWish, AfterValidator(_delivery_of)])
    ),
    "broadcast": Wish(p.SendBroadcast, TypeAdapter(BroadcastWish), names=True),
    "send": Wish(p.Send, TypeAdapter(SendWish), names=True),
    "watch": Wish(p.Watch, TypeAdapter(WatchWish)),
    "answer": Wish(p.Answer, TypeAdapter(AnswerWish)),
    "take": Wish(p.Take, TypeAdapter(TakeWish)),
    "assign_helper": Wish(p.AssignHelper, TypeAdapter(HelperWish)),
    "snooze": Wish(p.Snooze, TypeAdapter(SnoozeWish)),
    "resolve": Wish(p.Resolve, TypeAdapter(ResolveWish)),
    "unbury": Wish(p.Unbury, TypeAdapter(LetterWish)),
    "discard": Wish(p.Discard, TypeAdapter(LetterWish)),
    "launch": Wish(p.Launch, TypeAdapter(RunLaunch), names=True),
    "cancel_run": Wish(p.CancelRun, TypeAdapter(CancelRunWish)),
    "resume_run": Wish(p.ResumeRun, TypeAdapter(ResumeRunWish)),
    "retry_run": Wish(p.RetryRun, TypeAdapter(RetryRunWish)),
}
"""What a coordinator may wish, by the word on the wire."""


class WatchHello(TypedDict):
    """The first frame of a watcher."""

    type: Literal["hello"]
    batch_ms: NotRequired[Annotated[int, Field(ge=0, le=10_000)]]


class SnapshotFrame(TypedDict):
    """A watcher wants a new snapshot."""

    type: Literal["snapshot"]


class RequestFrame(TypedDict):
    """A command or a question; the reply carries its id."""

    type: Literal["request"]
    id: RequestId
    do: str
    args: NotRequired[dict[str, Any]]
    key: NotRequired[Annotated[str, Field(max_length=256)]]


WatchFrame: TypeAlias = Annotated[
    SnapshotFrame | RequestFrame, Field(discriminator="type")
]

TASK: Final = TypeAdapter(TaskWish)
WATCH_HELLO: Final[TypeAdapter[WatchHello]] = TypeAdapter(WatchHello)
WATCH_FRAME: Final[TypeAdapter[Any]] = TypeAdapter(WatchFrame)
