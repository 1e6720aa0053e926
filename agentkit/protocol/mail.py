"""What has happened to mail: broadcasts, messages, deliveries, dead letters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastSent:
    """A broadcast was put into the mailbox of each recipient."""

    subject: ClassVar[str] = "broadcast.sent"
    at: datetime
    broadcast: str
    text: str
    where: str
    by: str
    recipients: tuple[str, ...]
    left_out: int = 0
    """How many were chosen but had no room in their mailbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent:
    """A message was put into the mailbox of each recipient."""

    subject: ClassVar[str] = "message.sent"
    at: datetime
    message: str
    agent: str
    """Who sent it; empty when a person did, or the hub."""
    to: str
    recipients: tuple[str, ...]
    text: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    call: str = ""
    answers: str = ""
    expires: datetime | None = None
    about: str = ""
    """The task whose watchers it tells of."""
    by: str = ""
    left_out: int = 0
    """How many more were meant but had no room in their mailbox."""
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySent:
    """Deliveries were handed to connections, as pairs of agent and number."""

    subject: ClassVar[str] = "delivery.sent"
    at: datetime
    deliveries: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAcked:
    """An agent has its mailbox up to and including `upto`."""

    subject: ClassVar[str] = "delivery.acked"
    at: datetime
    agent: str
    upto: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDone:
    """An agent has handled one delivery."""

    subject: ClassVar[str] = "delivery.done"
    at: datetime
    agent: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDead:
    """An agent has given up on one delivery."""

    subject: ClassVar[str] = "delivery.dead"
    at: datetime
    agent: str
    seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRetried:
    """A dead delivery was put into the mailbox again; its new number is the cursor."""

    subject: ClassVar[str] = "delivery.retried"
    at: datetime
    agent: str
    seq: int
    """The number of the dead one."""
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterDead:
    """A subscription gave a message up, after its last attempt."""

    subject: ClassVar[str] = "letter.dead"
    at: datetime
    letter: str
    message: Mapping[str, Any]
    """What was published, as `agentkit.transports.Event` is told."""
    subscription: str
    pattern: str
    transport: str
    link: str
    """How the hub was told: ``bus``, or the name of a bridge."""
    reason: str
    attempts: int
    by: str
    """Who told the hub of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRequeued:
    """A letter was given to its subscription once more, if that is there to take it."""

    subject: ClassVar[str] = "letter.requeued"
    at: datetime
    letter: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterDiscarded:
    """A letter is of no more interest."""

    subject: ClassVar[str] = "letter.discarded"
    at: datetime
    letter: str
    by: str
