"""The columns of the tables: what is shown of a row, and what it is sorted by."""

from collections.abc import Callable
from datetime import datetime

from agentkit.rows import Agent, HelpRequest, presence, spent_today
from swarmtui.model import urgency
from swarmtui.text import AT_MOST_ONCE, OVER, ago, money, safe, short, state
from swarmtui.widgets.columns import age, names, number, words
from swarmtui.widgets.line_table import Column
from swarmtui.widgets.lines import Line, Span

_CALM = {"help": 0, "blocked": 1, "busy": 2, "idle": 3, "lost": 4}


def doing(agent: Agent, _now: datetime) -> str:
    """Return the question of who waits for a person, else the task and its message.

    Before it stands that the agent gets no new work.
    """
    mark = f"{OVER}  " if agent.over_budget else ""
    if agent.status in ("blocked", "help") and agent.message:
        return safe(f"{mark}“{agent.message}”")
    said = agent.message if agent.status == "busy" else ""
    return safe(f"{mark}{agent.task} {said}".strip())


def _said(agent: Agent) -> str:
    return "" if agent.state in ("busy", "blocked", "help") else "dim"


def _paid(agent: Agent) -> str:
    return "blocked" if agent.over_budget else ""


AGENT: Column[Agent] = names("agent", "AGENT", lambda agent: agent.id, width=18, flex=1)
STATE: Column[Agent] = Column(
    key="state",
    title="STATE",
    width=9,
    text=lambda agent, _: state(agent.state),
    sort=lambda agent: (_CALM[agent.state], agent.since),
    style=lambda agent: agent.state,
)
FOR: Column[Agent] = age("for", "FOR", lambda agent: agent.since, width=4)
DOING: Column[Agent] = Column(
    key="doing",
    title="TASK OR QUESTION",
    width=14,
    flex=4,
    text=doing,
    sort=lambda agent: agent.task,
    style=_said,
)
DONE: Column[Agent] = number("done", "DONE", lambda agent: agent.completed, width=4)
COST: Column[Agent] = number(
    "cost",
    "COST",
    lambda agent: agent.cost,
    width=7,
    text=lambda agent: money(agent.cost),
    style=_paid,
)
TODAY: Column[Agent] = Column(
    key="today",
    title="TODAY",
    width=7,
    text=lambda agent, now: money(spent_today(agent, now)),
    sort=lambda agent: (agent.spent_on, agent.spent),
    falling=True,
    style=_paid,
    right=True,
    timed=True,
    min_width=116,
)
TOKENS: Column[Agent] = number(
    "tokens",
    "TOKENS",
    lambda agent: agent.tokens_in + agent.tokens_out,
    width=6,
    text=lambda agent: short(agent.tokens_in + agent.tokens_out),
    style=lambda _: "dim",
    min_width=100,
)


def _link(agent: Agent, now: datetime) -> str:
    """Return how present an agent is, marked when its mail may be handled never."""
    mark = AT_MOST_ONCE if agent.guarantee == "at-most-once" else ""
    return f"{presence(agent, now)}{mark}"


LINK: Column[Agent] = Column(
    key="link",
    title="LINK",
    width=7,
    text=_link,
    sort=lambda agent: agent.heard,
    style=lambda _: "dim",
    timed=True,
    min_width=72,
)


def _able(agent: Agent) -> str:
    return " ".join(agent.capabilities)


def _can(
    *, width: int, flex: int, min_width: int, of: Callable[[Agent], str] = _able
) -> Column[Agent]:
    return words(
        "can",
        "CAPABILITIES",
        of,
        width=width,
        flex=flex,
        sorts=False,
        style=lambda _: "dim",
        min_width=min_width,
    )


CAN = _can(width=18, flex=2, min_width=100)

FLEET: tuple[Column[Agent], ...] = (
    *(AGENT, STATE, FOR, DOING, DONE, COST),
    *(TODAY, TOKENS, LINK, CAN),
)


def _waits_in_vain(agent: Agent) -> str:
    """Return what it can do, after the mark of one that gets no work today."""
    return f"{OVER}  {_able(agent)}" if agent.over_budget else _able(agent)


WAITING: tuple[Column[Agent], ...] = (
    age(
        "waits",
        "WAITS",
        lambda agent: agent.since,
        width=7,
        sort=lambda agent: agent.ticket,
    ),
    AGENT,
    _can(width=12, flex=3, min_width=46, of=_waits_in_vain),
)


def _standing(request: HelpRequest, now: datetime) -> str:
    """Return where a request stands on the desk, and with whom."""
    if request.state == "snoozed" and request.snoozed_until:
        return f"snoozed {ago(now, request.snoozed_until)}"
    if request.helper and request.state == "taken":
        return safe(f"helper {request.helper}")
    if request.by and request.state != "open":
        return safe(f"{request.state} by {request.by}")
    return "escalated" if request.escalated else request.state


def _standing_ink(request: HelpRequest) -> str:
    if request.state == "open":
        return "blocked" if request.escalated else ""
    return "busy" if request.state == "taken" else "dim"


def _kind(request: HelpRequest) -> str:
    return request.kind if request.is_open else "done"


def question(request: HelpRequest, _now: datetime) -> Line:
    """Return the second line of a request: what is asked, or what was answered."""
    if request.state == "answered":
        return (Span(safe(f"“{request.answer}”"), "dim"),)
    ink = "" if request.state == "open" else "dim"
    return (Span(safe(f"“{request.question}”"), ink),)


HELP: tuple[Column[HelpRequest], ...] = (
    Column(
        key="kind",
        title="STATE",
        width=9,
        text=lambda request, _: state(_kind(request)),
        style=_kind,
    ),
    age("age", "AGE", lambda request: request.opened, width=5),
    names("agent", "AGENT", lambda request: request.agent, width=18, flex=2),
    words(
        "task",
        "TASK",
        lambda request: request.task,
        width=10,
        flex=1,
        sorts=False,
        style=lambda _: "dim",
        min_width=58,
    ),
    Column(
        key="urgency",
        title="SEVERITY",
        width=10,
        text=lambda request, _: request.severity,
        sort=urgency,
        style=lambda one: "help" if one.severity == "critical" else "dim",
    ),
    Column(
        key="desk",
        title="DESK",
        width=14,
        flex=1,
        text=_standing,
        style=_standing_ink,
        timed=True,
    ),
)
