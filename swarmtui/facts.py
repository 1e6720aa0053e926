"""What the detail pane says of an agent and of a help request."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from textual.content import Content

from agentkit.protocol import AgentReported, Logged
from agentkit.rows import Agent, Delivery, HelpRequest, presence
from swarmtui.model import Model
from swarmtui.orders import why_present
from swarmtui.telling import tell
from swarmtui.text import GLYPHS, ago, clip, clock, fit, money, plural, safe

LABEL = 9
"""How wide the names of facts are."""

_VIA = {
    "http": "posted over HTTP",
    "ws": "said over its WebSocket",
    "cli": "said with agentkit notify",
}


def agent_facts(agent: Agent, now: datetime, width: int) -> Content:
    """Return what is known of an agent, in lines of at most `width` cells."""
    room = width - LABEL
    lines = [
        _title(agent.id, agent.state, ago(agent.since, now), width),
        Content(""),
        _fact("task", agent.task or "none", room),
        *([_fact("says", f"“{agent.message}”", room)] if agent.message else []),
        _fact("can", " ".join(agent.capabilities) or "not said", room),
        _fact("done", plural(agent.completed, "task") + f", {money(agent.cost)}", room),
        _fact("link", _link(agent, now), room),
    ]
    return _stack(lines)


def history(events: Iterable[Logged], width: int) -> Content:
    """Return what an agent did, a line each, as given."""
    lines = [_event_line(logged, width) for logged in events]
    return _stack(lines or [Content.styled("nothing yet", "$ink-dim")])


def mailbox(model: Model, mail: Iterable[Delivery], width: int) -> Content:
    """Return what was sent to an agent and how far it got, a line each."""
    lines = [_mail_line(model, row, width) for row in mail]
    return _stack(lines or [Content.styled("nothing was sent", "$ink-dim")])


def rule(word: str, width: int) -> Content:
    """Return the heading of a part of the pane."""
    return Content.assemble(
        ("─ ", "$divider"),
        (word, "$ink-dim"),
        (" " + "─" * max(0, width - len(word) - 3), "$divider"),
    )


def help_facts(
    model: Model, request: HelpRequest, now: datetime, width: int
) -> Content:
    """Return what is known of a help request, the question in full."""
    room = width - LABEL
    lines = [
        _title(request.agent, request.kind, ago(request.opened, now), width),
        Content(""),
        Content(safe(request.question)),
        *(_choice(n, text, width) for n, text in enumerate(request.choices, 1)),
        Content(""),
        _fact("state", _standing(request, now), room),
        *([_fact("task", request.task, room)] if request.task else []),
        *([_fact("needs", " ".join(request.wanted), room)] if request.wanted else []),
        *([_fact("helper", _helper(model, request), room)] if request.helper else []),
        *([_fact("note", request.note, room)] if request.note else []),
        *([_fact("answer", f"“{request.answer}”", room)] if request.answer else []),
    ]
    return _stack(lines)


def candidates(model: Model, request: HelpRequest, width: int, most: int) -> Content:
    """Return who could help, the most useful first."""
    ranked = model.candidates(request)
    lines = [
        Content.assemble(
            (f"{one.match:4.0%} ", ""),
            (f"{GLYPHS[one.agent.state]} ", f"$st-{one.agent.state}"),
            clip(safe(one.agent.id), width - 8),
        )
        for one in ranked[:most]
    ]
    if not ranked:
        lines = [Content.styled("no idle or busy agent covers half of it", "$ink-dim")]
    return _stack(lines)


def why(agent: Agent, events: Sequence[Logged], now: datetime, width: int) -> Content:
    """Return why an agent is in its state: the event, its source, what was before.

    Args:
        agent: the agent.
        events: its history, the newest first.
        now: the time by which ages are told.
        width: the room, in cells.
    """
    room = width - LABEL
    cause = next((logged for logged in events if logged.cursor == agent.cause), None)
    before = [logged for logged in events if isinstance(logged.event, AgentReported)]
    lines = [
        _title(agent.id, agent.state, ago(agent.since, now), width),
        Content(""),
        *_cause(agent, cause, now, room),
        _fact("presence", why_present(agent, now), room),
        Content(""),
        rule("before", width),
        *(_event_line(logged, width) for logged in before if logged is not cause),
    ]
    return _stack(lines)


def _cause(
    agent: Agent, cause: Logged | None, now: datetime, room: int
) -> list[Content]:
    if cause is None:
        text = f"event {agent.cause:,}, older than the history shown here"
        return [_fact("because", text, room)]
    event = cause.event
    told = tell(event)
    source = _VIA.get(getattr(event, "via", ""), "decided by the hub")
    claimed = getattr(event, "reported_at", "")
    return [
        _fact("because", f"it said {told.word}  {told.text}".strip(), room),
        _fact("when", f"{clock(event.at)}, {ago(event.at, now)} ago", room),
        _fact("how", f"{source}, event {cause.cursor:,} {event.subject}", room),
        *([_fact("clock", f"its own says {claimed}", room)] if claimed else []),
    ]


def _title(name: str, state: str, age: str, width: int) -> Content:
    mark = f"{GLYPHS[state]} {state}"
    room = width - len(mark) - len(age) - 3
    return Content.assemble(
        (clip(safe(name), room), "bold"), "  ", (mark, f"$st-{state}"), f" {age}"
    )


def _fact(name: str, text: str, room: int) -> Content:
    return Content.assemble(
        (fit(name, LABEL), "$ink-dim"), clip(safe(text), max(room, 1))
    )


def _stack(lines: Iterable[Content]) -> Content:
    return Content("\n").join(lines)


def _link(agent: Agent, now: datetime) -> str:
    kind = "WebSocket" if agent.linked else agent.via
    return f"{presence(agent, now)}, {kind}, heard {ago(agent.heard, now)} ago"


def _event_line(logged: Logged, width: int) -> Content:
    told = tell(logged.event)
    style = f"$st-{told.state}" if told.state else ""
    glyph = GLYPHS.get(told.state, "·")
    return Content.assemble(
        (f"{clock(logged.event.at)} ", "$ink-dim"),
        (f"{glyph} {fit(told.word, 10)}", style),
        clip(told.text, max(width - 22, 1)),
    )


_DELIVERY = {
    "queued": "ink-dim",
    "sent": "st-idle",
    "acked": "st-busy",
    "done": "st-done",
}


def _mail_line(model: Model, row: Delivery, width: int) -> Content:
    state = f"{row.state}{_took(row)}"
    text = clip(safe(_carried(model, row)), max(width - 21 - len(state), 1))
    return Content.assemble(
        (f"{clock(row.queued)} ", "$ink-dim"),
        fit(row.kind, 10),
        (state, f"${_DELIVERY[row.state]}"),
        f"  {text}",
    )


def _took(row: Delivery) -> str:
    """Return how long it took from the order to the agent's acknowledgement."""
    if row.acked is None:
        return ""
    ms = (row.acked - row.queued).total_seconds() * 1000
    return f" {ms:,.0f} ms" if ms < 10_000 else f" {ago(row.queued, row.acked)}"


def _carried(model: Model, row: Delivery) -> str:
    match row.kind:
        case "task":
            task = model.tasks.get(row.ref)
            return f"{row.ref} {task.title}" if task else row.ref
        case "broadcast":
            sent = model.broadcasts.get(row.ref)
            return f"“{sent.text}”" if sent else row.ref
        case "answer":
            request = model.helps.get(row.ref)
            return f"“{request.answer}”" if request else row.ref
        case "helper":
            request = model.helps.get(row.ref)
            return f"help {request.agent}" if request else row.ref


def _standing(request: HelpRequest, now: datetime) -> str:
    words: list[str] = [request.state, request.severity]
    if request.escalated:
        words.append("escalated")
    if request.state == "snoozed" and request.snoozed_until:
        words[0] = f"snoozed for {ago(now, request.snoozed_until)}"
    if request.by and request.state != "open":
        words[0] += f" by {request.by}"
    return ", ".join(words)


def _helper(model: Model, request: HelpRequest) -> str:
    agent = model.agents.get(request.helper)
    return f"{request.helper}, {agent.state}" if agent else request.helper


def _choice(number: int, text: str, width: int) -> Content:
    return Content.assemble((f"{number} ", "$primary"), clip(safe(text), width - 2))
