"""Events in words: the same for the ticker, the history, the thread and *why*."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from agentkit.protocol import (
    AgentConnected,
    AgentDisconnected,
    AgentLost,
    AgentOverspent,
    AgentReported,
    AgentSolvent,
    AgentSpent,
    BroadcastSent,
    DeliveryAcked,
    DeliveryDead,
    DeliveryDone,
    DeliveryRetried,
    DeliverySent,
    Event,
    HelpAnswered,
    HelpAsked,
    HelperAssigned,
    HelpEscalated,
    HelpResolved,
    HelpSnoozed,
    HelpTaken,
    HelpWoken,
    ItemCancelled,
    ItemDone,
    ItemFailed,
    ItemRetrying,
    ItemStarted,
    LetterDead,
    LetterDiscarded,
    LetterRequeued,
    MessageSent,
    PlanKept,
    ReportRefused,
    ResultDeleted,
    ResultWritten,
    RunCancelled,
    RunEntered,
    RunFailed,
    RunFinished,
    RunLaunched,
    RunMoved,
    RunResumed,
    RunRetried,
    TaskAssigned,
    TaskCancelled,
    TaskDead,
    TaskDone,
    TaskEnqueued,
    TaskExtended,
    TaskLeased,
    TaskProgressed,
    TaskReady,
    TaskReleased,
    TaskRequeued,
    TaskStarted,
    TaskWatched,
    TokenCreated,
    TokenRevoked,
)
from swarmtui.text import clock, money, plural, safe, short

STEPS = frozenset(
    {
        "agent.spent",
        "delivery.sent",
        "delivery.acked",
        "delivery.done",
        "hub.started",
        "item.cancelled",
        "item.done",
        "item.started",
        "message.sent",
        "plan.kept",
        "result.deleted",
        "result.written",
        "run.entered",
        "run.moved",
        "task.extended",
        "task.progressed",
        "task.ready",
        "task.watched",
    }
)
"""Subjects of mere steps, which deserve no line in the ticker."""


class Told(NamedTuple):
    """An event in words."""

    state: str
    """The state whose colour and glyph it has; empty for a plain one."""
    word: str
    """What happened, in one word."""
    text: str
    """What is to be said of it, safe to draw; may be empty."""


def tell(event: Event) -> Told:
    """Put an event into words, without the agent it is about."""
    told = _told(event)
    return told._replace(text=safe(told.text))


def is_news(subject: str) -> bool:
    """Say whether events of a subject deserve the ticker; the rest are mere steps."""
    return subject not in STEPS


def is_of_note(subject: str) -> bool:
    """Say whether events of a subject belong in the history of their agent."""
    return is_news(subject) or subject == MessageSent.subject


def is_call(subject: str) -> bool:
    """Say whether by events of a subject somebody calls for a person."""
    return subject in ("help.asked", "help.escalated")


def whom(event: Event) -> str:
    """Return the agent that an event is about, safe to draw; empty for none."""
    return safe(getattr(event, "agent", ""))


def _told(event: Event) -> Told:
    match event:
        case AgentReported():
            return _reported(event)
        case HelpAsked() | HelpAnswered() | HelpTaken() | HelperAssigned():
            return _asked(event)
        case HelpSnoozed() | HelpWoken() | HelpEscalated() | HelpResolved():
            return _put_aside(event)
        case TaskAssigned() | TaskEnqueued() | TaskCancelled() | TaskRequeued():
            return _ordered(event)
        case TaskStarted() | TaskLeased() | TaskExtended() | TaskReady():
            return _worked(event)
        case _:
            return _ended(event)


def _reported(event: AgentReported) -> Told:
    match event.report:
        case "completed":
            return Told("done", "done", event.task)
        case "busy":
            return Told("busy", "busy", event.task or event.message)
        case report:
            return Told(report, report, event.message)


def _asked(event: HelpAsked | HelpAnswered | HelpTaken | HelperAssigned) -> Told:
    match event:
        case HelpAsked():
            return Told(event.kind, "asked", f"“{event.question}”")
        case HelpAnswered():
            return Told("done", "answer", f"“{event.text}”{_by(event.by)}")
        case HelpTaken():
            return Told("busy", "taken", f"by {event.by or 'somebody'}")
        case HelperAssigned():
            return Told("busy", "helper", f"{event.helper}{_by(event.by)}")


def _put_aside(event: HelpSnoozed | HelpWoken | HelpEscalated | HelpResolved) -> Told:
    match event:
        case HelpSnoozed():
            return Told("idle", "snoozed", f"until {clock(event.until)}{_by(event.by)}")
        case HelpWoken():
            return Told("help", "back", "the snooze is over")
        case HelpEscalated():
            return Told("blocked", "escalated", "blocked for too long")
        case HelpResolved():
            if event.by == event.agent:
                note = event.note.removeprefix(event.agent).strip()
                return Told("done", "resolved", note)
            return Told("done", "resolved", f"{event.note}{_by(event.by)}".strip())


def _ordered(
    event: TaskAssigned | TaskEnqueued | TaskCancelled | TaskRequeued,
) -> Told:
    match event:
        case TaskAssigned():
            return Told("", "assigned", f"{event.task} {event.title}".strip())
        case TaskEnqueued():
            return Told("idle", "enqueued", f"{event.task} {event.title}".strip())
        case TaskCancelled():
            reason = f": {event.reason}" if event.reason else ""
            return Told("lost", "cancelled", f"{event.task}{_by(event.by)}{reason}")
        case TaskRequeued():
            return Told("idle", "requeued", f"{event.task}{_by(event.by)}")


def _worked(event: TaskStarted | TaskLeased | TaskExtended | TaskReady) -> Told:
    match event:
        case TaskStarted():
            return Told("busy", "started", event.task)
        case TaskLeased():
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return Told("busy", "claimed", f"{event.task}{again}")
        case TaskExtended():
            return Told("busy", "extended", f"{event.task} to {clock(event.until)}")
        case TaskReady():
            return Told("idle", "ready", event.task)


def _followed(event: TaskProgressed | TaskWatched) -> Told:
    match event:
        case TaskProgressed():
            share = "" if event.progress is None else f" {event.progress:.0%}"
            return Told("busy", "goes on", f"{event.task}{share} {event.note}".strip())
        case TaskWatched():
            word = "watches" if event.on else "looks away"
            return Told("", word, event.task)


def _ended(event: Event) -> Told:
    match event:
        case TaskDone():
            return Told("done", "finished", event.task)
        case TaskReleased():
            reason = f": {event.reason}" if event.reason else ""
            return Told("blocked", event.cause, f"{event.task}{reason}")
        case TaskDead():
            return Told("help", "dead", f"{event.task}: {event.reason}")
        case TaskProgressed() | TaskWatched():
            return _followed(event)
        case _:
            return _linked(event)


def _linked(event: Event) -> Told:
    match event:
        case AgentConnected():
            return Told("idle", "connected", "over a WebSocket")
        case AgentDisconnected():
            return Told("lost", "away", event.reason)
        case AgentLost():
            return Told("lost", "lost", "its WebSocket did not come back")
        case ReportRefused():
            return Told("blocked", "refused", event.reason)
        case AgentSpent() | AgentOverspent() | AgentSolvent():
            return _paid(event)
        case _:
            return _delivered(event)


def _paid(event: AgentSpent | AgentOverspent | AgentSolvent) -> Told:
    match event:
        case AgentSpent():
            return Told("", "spent", _used(event))
        case AgentOverspent():
            spent, budget = money(event.spent), money(event.budget)
            text = f"{spent} of {budget} today: no new work until tomorrow (UTC)"
            return Told("blocked", "overspent", text)
        case AgentSolvent():
            return Told("idle", "solvent", "gets work again")


def _used(event: AgentSpent) -> str:
    """Say what was used, as far as it was told: tokens, dollars, or both."""
    dollars = f"{money(event.added)}, {money(event.spent)} today"
    if not (event.added_in or event.added_out):
        return dollars
    tokens = f"{short(event.added_in)} in, {short(event.added_out)} out"
    return f"{tokens}; {dollars}" if event.added else tokens


def _let_in(event: Event) -> Told:
    match event:
        case TokenCreated():
            who = event.agent or event.name or event.token
            return Told("", "token", f"{event.role} {who}{_by(event.by)}")
        case TokenRevoked():
            who = event.agent or event.token
            return Told("", "revoked", f"{event.role} {who}{_by(event.by)}")
        case _:
            return _written_off(event)


def _written_off(event: Event) -> Told:
    match event:
        case LetterDead():
            subject = event.message.get("name", "")
            return Told(
                "help", "letter", f"{subject} to {event.subscription}: {event.reason}"
            )
        case LetterRequeued():
            return Told("", "requeued", f"letter {event.letter}{_by(event.by)}")
        case LetterDiscarded():
            return Told("", "discarded", f"letter {event.letter}{_by(event.by)}")
        case _:
            return _ran(event)


def _ran(event: Event) -> Told:
    match event:
        case RunLaunched() | RunEntered() | RunMoved() | RunResumed() | RunRetried():
            return _under_way(event)
        case RunFinished():
            return Told("done", "run done", event.run)
        case RunFailed():
            return Told("help", "run failed", f"{event.run}: {why_failed(event.error)}")
        case RunCancelled():
            reason = f": {event.reason}" if event.reason else ""
            return Told("lost", "called off", f"{event.run}{_by(event.by)}{reason}")
        case _:
            return _of_a_run(event)


def _under_way(
    event: RunLaunched | RunEntered | RunMoved | RunResumed | RunRetried,
) -> Told:
    match event:
        case RunLaunched():
            text = f"{event.run} {event.machine} at {event.stage}{_by(event.by)}"
            return Told("busy", "launched", text)
        case RunEntered():
            items = f", {plural(event.total, 'item')}" if event.total else ""
            return Told("busy", "stage", f"{event.run} {event.stage}{items}")
        case RunMoved():
            return Told("busy", "moves on", f"{event.run} to {event.stage}")
        case RunResumed():
            return Told("busy", "resumed", f"{event.run}{_by(event.by)}")
        case RunRetried():
            text = f"{event.run}, what failed at {event.stage}{_by(event.by)}"
            return Told("busy", "again", text)


def _of_a_run(event: Event) -> Told:
    match event:
        case (
            ItemStarted() | ItemRetrying() | ItemDone() | ItemFailed() | ItemCancelled()
        ):
            return _item(event)
        case PlanKept():
            return Told("", "plan", f"{event.name}{_by(event.by)}")
        case ResultWritten():
            return Told("", "wrote", f"{event.run}/{event.name}{_by(event.by)}")
        case ResultDeleted():
            return Told("", "deleted", f"{event.run}/{event.name}{_by(event.by)}")
        case _:
            return Told("", "started", "the hub")


def _item(
    event: ItemStarted | ItemRetrying | ItemDone | ItemFailed | ItemCancelled,
) -> Told:
    which = f"{event.run} #{event.index}"
    match event:
        case ItemStarted():
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return Told("busy", "item", f"{which} {event.ref}{again}")
        case ItemRetrying():
            return Told("blocked", "item again", f"{which}: {why_failed(event.error)}")
        case ItemDone():
            return Told("done", "item done", which)
        case ItemFailed():
            return Told("help", "item dead", f"{which}: {why_failed(event.error)}")
        case ItemCancelled():
            reason = f": {event.reason}" if event.reason else ""
            return Told("lost", "item off", f"{which}{reason}")


def why_failed(error: Mapping[str, Any]) -> str:
    """Return what a run or an item says of its failure, still to be made safe."""
    return str(error.get("_error") or error.get("_error_type") or "it gave no reason")


def _delivered(event: Event) -> Told:
    match event:
        case BroadcastSent() | MessageSent():
            return _said(event)
        case DeliverySent():
            return Told("", "sent", plural(len(event.deliveries), "delivery"))
        case DeliveryAcked():
            return Told("", "acked", f"up to {event.upto}")
        case DeliveryDone():
            return Told("", "handled", f"delivery {event.seq}")
        case DeliveryDead() | DeliveryRetried():
            return _failed(event)
        case _:
            return _let_in(event)


def _said(event: BroadcastSent | MessageSent) -> Told:
    if isinstance(event, BroadcastSent):
        to = plural(len(event.recipients), "agent")
        return Told("", "broadcast", f"“{event.text}” to {to}")
    kind = "call" if event.call else "answer" if event.answers else "message"
    many = len(event.recipients) != 1
    to = event.to or ", ".join(event.recipients)
    reach = f" ({len(event.recipients)})" if many else ""
    return Told("", kind, f"→ {to}{reach}: {words_of(event)}")


def words_of(message: MessageSent) -> str:
    """Return what a message says, still to be made safe: its text, else its body."""
    return f"“{message.text}”" if message.text else str(dict(message.body))


def _failed(event: DeliveryDead | DeliveryRetried) -> Told:
    match event:
        case DeliveryDead():
            return Told("help", "gave up", f"delivery {event.seq}: {event.reason}")
        case DeliveryRetried():
            return Told("", "retried", f"delivery {event.seq}{_by(event.by)}")


def _by(who: str) -> str:
    return f" by {who}" if who else ""
