"""What has happened to agents: what they said, who is linked, helped or let in."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from agentkit.rows import Guarantee, HelpKind, Report, Role, Severity, Status

REPEATED: Final = "it had taken effect before"
"""Why a numbered report is refused that changes nothing: it need not have been said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubStarted:
    """The hub started; every link of its last run is gone."""

    subject: ClassVar[str] = "hub.started"
    at: datetime
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReported:
    """An agent reported; every field holds what is known after the report.

    `cost` is what it tells itself, whatever telemetry tells.
    """

    at: datetime
    agent: str
    report: Report
    task: str
    message: str
    capabilities: tuple[str, ...]
    cost: float
    completed: int
    reported_at: str
    waiting_since: str | None
    via: str
    spool: str = ""
    seq: int = 0

    @property
    def subject(self) -> str:
        """Return ``agent.`` and the report."""
        return f"agent.{self.report}"

    @property
    def status(self) -> Status:
        """The status that the report leads to."""
        return "idle" if self.report == "completed" else self.report


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRefused:
    """A numbered report could not be accepted; its number counts as used."""

    subject: ClassVar[str] = "report.refused"
    at: datetime
    agent: str
    spool: str
    seq: int
    reason: str
    code: str = "invalid"
    """Of the error that it was refused with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConnected:
    """An agent opened its WebSocket."""

    subject: ClassVar[str] = "agent.connected"
    at: datetime
    agent: str
    capabilities: tuple[str, ...]
    guarantee: Guarantee = "at-least-once"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDisconnected:
    """An agent's WebSocket closed."""

    subject: ClassVar[str] = "agent.disconnected"
    at: datetime
    agent: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLost:
    """An agent's WebSocket stayed away for longer than lease and grace."""

    subject: ClassVar[str] = "agent.lost"
    at: datetime
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpent:
    """It was told what an agent used; `cost`, tokens and `spent` are totals after it.

    The totals that an agent tells of its cost are in its reports.
    """

    subject: ClassVar[str] = "agent.spent"
    at: datetime
    agent: str
    added: float
    """US dollars that it used since the last time."""
    cost: float
    """US dollars in all, as `Agent.cost`."""
    tokens_in: int
    tokens_out: int
    spent: float
    """US dollars on the UTC day of `at`."""
    added_in: int = 0
    """Tokens that it read since the last time."""
    added_out: int = 0
    told: bool = False
    """It told that itself; else telemetry did."""
    spool: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOverspent:
    """An agent reached its budget: it gets no new work while the UTC day lasts."""

    subject: ClassVar[str] = "agent.overspent"
    at: datetime
    agent: str
    spent: float
    """US dollars on the UTC day of `at`."""
    budget: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSolvent:
    """An agent that had reached its budget gets work again."""

    subject: ClassVar[str] = "agent.solvent"
    at: datetime
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpAsked:
    """An agent needs a person."""

    subject: ClassVar[str] = "help.asked"
    at: datetime
    agent: str
    help: str
    kind: HelpKind
    question: str
    severity: Severity
    choices: tuple[str, ...]
    wanted: tuple[str, ...]
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpAnswered:
    """A help request was answered; the answer is in the asker's mailbox."""

    subject: ClassVar[str] = "help.answered"
    at: datetime
    agent: str
    help: str
    text: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpTaken:
    """A person took a help request on."""

    subject: ClassVar[str] = "help.taken"
    at: datetime
    agent: str
    help: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperAssigned:
    """An agent was sent to help; the request is in the helper's mailbox."""

    subject: ClassVar[str] = "help.assigned"
    at: datetime
    agent: str
    help: str
    helper: str
    note: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpSnoozed:
    """A help request was put aside."""

    subject: ClassVar[str] = "help.snoozed"
    at: datetime
    agent: str
    help: str
    until: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpWoken:
    """The snooze of a help request ended."""

    subject: ClassVar[str] = "help.woken"
    at: datetime
    agent: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpEscalated:
    """An agent stayed blocked for longer than the limit; said once per blocker."""

    subject: ClassVar[str] = "help.escalated"
    at: datetime
    agent: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpResolved:
    """A help request was closed: by a person, or because the agent moved on."""

    subject: ClassVar[str] = "help.resolved"
    at: datetime
    agent: str
    help: str
    note: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCreated:
    """A token is let in from now on."""

    subject: ClassVar[str] = "token.created"
    at: datetime
    token: str
    role: Role
    agent: str
    name: str
    digest: str
    expires: datetime | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked:
    """A token is let in no longer."""

    subject: ClassVar[str] = "token.revoked"
    at: datetime
    token: str
    role: Role
    agent: str
    by: str
