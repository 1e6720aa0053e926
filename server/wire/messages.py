"""What agents say to each other, and what they ask about tasks."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, NotRequired, Required, TypeAlias

from pydantic import AfterValidator, Field, TypeAdapter
from typing_extensions import TypedDict

from server.wire.values import Body, Moment, Number, RequestId

LONGEST_WAIT: Final = 1e9
"""Seconds that an answer may be waited for: some thirty years."""

Patience = Annotated[float, Field(ge=0, le=LONGEST_WAIT, allow_inf_nan=False)]


class MessageFields(TypedDict, total=False):
    """The fields of `Send` that whoever sends may fill."""

    to: Required[str]
    id: str
    text: str
    body: Body


class CallFields(MessageFields, total=False):
    """A message that may be a call, and how long its answer is waited for.

    `within` are seconds from when the hub gets it, whose clock alone counts then; it
    goes before `expires`.
    """

    call: str
    expires: Moment | None
    within: Patience | None


class SendFrame(CallFields, total=False):
    """A message, numbered with the reports; `to` may be empty in an answer."""

    type: Required[Literal["send"]]
    seq: Required[Number]
    answers: str


class MessageWish(CallFields, total=False):
    """A message over HTTP: of an agent, which may call, else of a person."""

    agent: str


def by_the_clock(said: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the fields of `Send`, in which `within` has become a time."""
    fields = dict(said)
    seconds = fields.pop("within", None)
    if seconds is not None:
        fields["expires"] = now + timedelta(seconds=seconds)
    return fields


def _of_a_person(wish: MessageFields) -> dict[str, Any]:
    return {**wish, "agent": ""}


SendWish = Annotated[MessageFields, AfterValidator(_of_a_person)]
"""The fields of `Send` that a coordinator may fill."""


class WatchWish(TypedDict):
    """The fields of `Watch`."""

    task: str
    agent: str
    on: NotRequired[bool]


class UndertakeFrame(TypedDict, total=False):
    """An agent gives itself a task."""

    type: Required[Literal["undertake"]]
    id: Required[RequestId]
    task: str
    title: str
    body: Body
    watchers: tuple[str, ...]
    max_attempts: Number | None
    call: str


class WatchTaskFrame(TypedDict):
    """An agent wants to be told what becomes of a task, or no longer.

    It has the task, is to have it, or watches it; of one that it has or is to have it
    may say so for another `agent`.
    """

    type: Literal["watch"]
    id: RequestId
    task: str
    agent: NotRequired[str]
    on: NotRequired[bool]


class CancelFrame(TypedDict):
    """An agent calls a task off that it has or is to have."""

    type: Literal["cancel"]
    id: RequestId
    task: str
    reason: NotRequired[str]


class LookFrame(TypedDict):
    """An agent wants to see a task that it has, is to have, or watches."""

    type: Literal["look"]
    id: RequestId
    task: str


ErrandFrame: TypeAlias = UndertakeFrame | WatchTaskFrame | CancelFrame | LookFrame
"""What an agent asks about tasks; the answer carries the id of the request."""

MESSAGE: Final = TypeAdapter(MessageWish)
