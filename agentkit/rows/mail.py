"""Mail: what is sent, how far it got, and what was accepted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

DeliveryState: TypeAlias = Literal["queued", "sent", "acked", "done", "dead"]

DeliveryKind: TypeAlias = Literal["task", "broadcast", "message", "answer", "helper"]

LetterState: TypeAlias = Literal["dead", "requeued", "discarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """A message to one or many agents, and how far it got."""

    id: str
    text: str
    where: str
    """The filter that chose the recipients; empty is everybody, or as `to` says."""
    at: datetime
    by: str = ""
    sender: str = ""
    """The agent that sent it; empty when a person did, or the hub."""
    to: str = ""
    """The address that it was sent to; empty when `where` chose the recipients."""
    body: Mapping[str, Any] = field(default_factory=dict)
    call: str = ""
    """The correlation id that an answer comes under; empty unless it is a call."""
    answers: str = ""
    """The correlation id of the call that it answers; empty unless it is an answer."""
    expires: datetime | None = None
    """When nobody waits for the answer of a call any more."""
    about: str = ""
    """The task whose watchers it tells of."""
    called: tuple[str, ...] = ()
    """Who may answer, if it is a call."""
    answered: tuple[str, ...] = ()
    """Who of them has."""
    recipients: int = 0
    sent: int = 0
    """Recipients that were sent it, acknowledged or not."""
    acked: int = 0
    done: int = 0
    dead: int = 0
    """Recipients that gave up on it."""
    left_out: int = 0
    """Agents that were chosen but had no room in their mailbox; not recipients."""
    version: int = 0

    @property
    def is_message(self) -> bool:
        """Whether it went to an address, or to the watchers of a task."""
        return bool(self.to or self.about)

    @property
    def is_owed(self) -> bool:
        """Whether somebody who has handled it, a call, may answer it yet."""
        return bool(self.call) and self.done > len(self.answered)

    @property
    def queued(self) -> int:
        """Recipients that it still waits for."""
        return self.recipients - self.sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message in one agent's mailbox, keyed by (agent, seq)."""

    agent: str
    seq: int
    """The cursor of the event that queued it: what came later has a higher number."""
    kind: DeliveryKind
    ref: str
    """The task, broadcast or help request that it carries."""
    state: DeliveryState
    queued: datetime
    attempts: int = 0
    """How often it was handed to a connection."""
    sent: datetime | None = None
    acked: datetime | None = None
    done: datetime | None = None
    """When it was handled, or given up."""
    reason: str = ""
    """Why it is dead."""
    retried: int = 0
    """The delivery that took the place of a dead one; 0 when none has."""
    lapsed: bool = False
    """It is dead, and nobody waits for it any more: it is not tried again."""
    version: int = 0

    @property
    def id(self) -> str:
        """Its name in addresses: the number, ``@`` and the agent."""
        return f"{self.seq}@{self.agent}"

    @property
    def is_cast(self) -> bool:
        """Whether it carries a `Broadcast`, which counts how far all of them got."""
        return self.kind in ("broadcast", "message")

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it unless it is retried."""
        return self.state in ("done", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """How much of one outbox of an agent has been accepted, keyed by (agent, spool)."""

    agent: str
    spool: str
    accepted: int
    """The highest sequence number that took effect."""
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An idempotency key that was used, and the events it led to."""

    key: str
    at: datetime
    first: int
    last: int
    """Cursors of its events; `last` < `first` when there were none."""
    wish: str = ""
    """The kind of command that it was used for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message of a transport that a subscription gave up."""

    id: str
    state: LetterState
    at: datetime
    """When the hub was told of it."""
    message: Mapping[str, Any]
    """What was published, as `agentkit.transports.Event` is told."""
    subscription: str
    """The name of the subscription whose handler failed."""
    pattern: str = ""
    transport: str = ""
    """The name of the transport that gave it to the handler."""
    link: str = ""
    """How the hub was told: ``bus``, or the name of a bridge."""
    reason: str = ""
    """The last error, in one line."""
    attempts: int = 0
    told: str = ""
    """Who told the hub of it."""
    by: str = ""
    """Who requeued or discarded it."""
    settled: datetime | None = None
    """When it was requeued or discarded."""
    version: int = 0

    @property
    def subject(self) -> str:
        """The subject that it was published under."""
        return str(self.message.get("name", ""))
