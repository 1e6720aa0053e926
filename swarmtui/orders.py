"""What an order would do, worked out before it is given.

Who receives, what stands in the way, whether the count must be typed to confirm it.
Plain Python over the model's rows; the sheets show it and then send it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agentkit.filters import compile_filter, quote
from agentkit.rows import Agent, Broadcast, Delivery, Task, presence
from swarmtui.model import Model
from swarmtui.text import OVER, money

CONFIRM_ABOVE = 50
"""An order to more recipients than this is confirmed by typing how many they are."""


def must_confirm(recipients: int) -> bool:
    """Say whether so many recipients must be confirmed by typing the count."""
    return recipients > CONFIRM_ABOVE


def audience(model: Model, where: str, now: datetime) -> list[Agent]:
    """Return the agents that a filter chooses; the empty one chooses all.

    Raises:
        BadFilter: the filter cannot be read.
    """
    chosen = compile_filter(where)
    return [agent for agent in model.agents.values() if chosen(agent, now)]


def only(ids: Iterable[str]) -> str:
    """Return the filter that chooses exactly these agents."""
    return "id:" + ",".join(quote(key) for key in ids)


@dataclass(frozen=True, slots=True)
class Handout:
    """One task for one agent."""

    agent: str
    task: str
    conflict: str
    """What the person should know before; empty when nothing stands in the way."""


def hand_out(model: Model, agents: Sequence[str], task: str) -> list[Handout]:
    """Plan a task for each agent; several agents get ``ID.1``, ``ID.2`` and so on."""
    several = len(agents) > 1
    ids = (f"{task}.{n}" if several else task for n in range(1, len(agents) + 1))
    return [
        Handout(agent, key, _conflict(model, agent, key))
        for agent, key in zip(agents, ids, strict=True)
    ]


def _conflict(model: Model, agent_id: str, task: str) -> str:
    held = model.tasks.get(task)
    if held is not None and not held.is_settled:
        if not (held.agent or held.target):
            return f"would get {task}, which waits for whoever claims it"
        if agent_id not in (held.agent, held.target):
            return f"{task} is with {held.agent or held.target}, it would move over"
    agent = model.agents.get(agent_id)
    if agent is None:
        return "has left"
    return _hindrance(agent)


def _hindrance(agent: Agent) -> str:
    match agent.state:
        case "lost":
            return "is lost, gets it when it comes back"
        case "busy":
            return f"is busy with {agent.task}" if agent.task else "is busy"
        case "blocked" | "help":
            return "waits for help"
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order got: each figure counts what came at least so far."""

    total: int
    sent: int
    acked: int
    done: int
    dead: int = 0
    """Those that came to nothing, wherever; each is in no other figure."""

    @property
    def queued(self) -> int:
        """Those that still wait to be sent."""
        return self.total - self.sent - self.dead


_REACHED: Mapping[str, int] = {
    "scheduled": 0,
    "queued": 0,
    "sent": 1,
    "acked": 2,
    "leased": 2,
    "working": 2,
    "done": 3,
}


def progress(rows: Iterable[Task | Delivery]) -> Progress:
    """Count how far each of these tasks, or of these deliveries, got."""
    states = [row.state for row in rows]
    reached = [_REACHED[state] for state in states if state in _REACHED]
    return Progress(
        total=len(states),
        sent=sum(step >= 1 for step in reached),
        acked=sum(step >= 2 for step in reached),
        done=sum(step >= 3 for step in reached),
        dead=len(states) - len(reached),
    )


def of_broadcast(row: Broadcast) -> Progress:
    """Return how far a broadcast got; what is dead had been stored before, mostly."""
    acked = max(row.done, row.acked - row.dead)
    return Progress(
        total=row.recipients,
        sent=max(acked, row.sent - row.dead),
        acked=acked,
        done=row.done,
        dead=row.dead,
    )


def typed_duration(text: str) -> timedelta | None:
    """Read ``15m``, ``2h``, ``1d`` or ``90s``; None when it is none of these."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = text.strip()[:-1], text.strip()[-1:]
    if unit not in units or not number.isdigit() or int(number) == 0:
        return None
    return timedelta(seconds=int(number) * units[unit])


def typed_time(text: str, now: datetime) -> datetime | None:
    """Read a time to come: ``10m`` or ``+10m`` from now, or ``21:30`` of this machine.

    A time of day that has passed is meant for tomorrow. None when it is none of these.
    """
    text = text.strip().removeprefix("+")
    span = typed_duration(text) if text else None
    if span is not None:
        return now + span
    hours, colon, minutes = text.partition(":")
    if not (colon and hours.isdecimal() and minutes.isdecimal()):
        return None
    if int(hours) > 23 or int(minutes) > 59:
        return None
    local = now.astimezone()
    at = local.replace(hour=int(hours), minute=int(minutes), second=0, microsecond=0)
    return (at if at > local else at + timedelta(days=1)).astimezone(UTC)


def why_poor(agent: Agent) -> str:
    """Say in one sentence what it means that an agent has spent its budget."""
    spent = f"{money(agent.spent)} on {agent.spent_on} (UTC)"
    return f"{OVER}: {spent}, no new work that day"


def why_present(agent: Agent, now: datetime) -> str:
    """Say in one sentence why an agent counts as live, late, silent or lost."""
    quiet = int((now - agent.heard).total_seconds())
    match presence(agent, now):
        case "lost":
            return (
                "lost: its WebSocket went away and stayed away beyond lease and grace"
            )
        case "live" if agent.linked:
            return "live: its WebSocket is open and answers pings"
        case "live":
            return f"live: it posted {quiet} s ago"
        case "late" if agent.unlinked and agent.unlinked >= agent.heard:
            return "late: its WebSocket closed and it has not come back yet"
        case word:
            return f"{word}: it has said nothing for {quiet} s"
