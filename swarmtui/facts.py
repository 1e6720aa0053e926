"""What the detail pane says of an agent and of a help request."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from textwrap import wrap

from textual.content import Content

from agentkit.protocol import AgentReported, Logged
from agentkit.rows import Agent, Delivery, HelpRequest, Task, presence, spent_today
from swarmtui.model import Model
from swarmtui.orders import why_poor, why_present
from swarmtui.telling import tell, words_of
from swarmtui.text import (
    AT_MOST_ONCE,
    GLYPHS,
    OVER,
    ago,
    clip,
    clock,
    fit,
    money,
    plural,
    safe,
    short,
)
from swarmtui.text import name as named
from swarmtui.work import lease_bar, progress_bar

LABEL = 9
"""How wide the names of facts are."""

SAYS = 4
"""How many lines of what an agent says are shown."""

_ONCE = f"{AT_MOST_ONCE} at most once: not handled again after a crash"
_VIA = {
    "http": "posted over HTTP",
    "ws": "said over its WebSocket",
    "cli": "said with agentkit",
    "hook": "told by the hooks of its session",
    "mcp": "said over MCP",
    "a2a": "pushed over A2A",
}


def agent_facts(agent: Agent, now: datetime, width: int) -> Content:
    """Return what is known of an agent, in lines of at most `width` cells."""
    room = width - LABEL
    lines = [
        _title(agent.id, agent.state, ago(agent.since, now), width),
        Content(""),
        fact("task", agent.task or "none", room),
        *(_says(agent.message, room) if agent.message else []),
        fact("can", " ".join(agent.capabilities) or "not said", room),
        fact("done", plural(agent.completed, "task"), room),
        fact("cost", _cost(agent, now), room),
        *([_poor()] if agent.over_budget else []),
        *([fact("tokens", _tokens(agent), room)] if _has_meter(agent) else []),
        fact("link", _link(agent, now), room),
        *([fact("mail", _ONCE, room)] if agent.guarantee == "at-most-once" else []),
    ]
    return stack(lines)


def _says(text: str, room: int) -> list[Content]:
    """Return what an agent says, in a few lines: it may be what somebody waits for."""
    told = wrap(
        f"“{safe(text)}”", max(room, 8), max_lines=SAYS, placeholder="…", tabsize=1
    )
    return [fact("" if n else "says", line, room) for n, line in enumerate(told)]


def _cost(agent: Agent, now: datetime) -> str:
    today = spent_today(agent, now)
    return money(agent.cost) + (f", {money(today)} today" if today else "")


def _poor() -> Content:
    return Content.assemble(
        (fit("budget", LABEL), "$ink-dim"),
        (f"{GLYPHS['blocked']} {OVER}", "$st-blocked"),
        ", no new work",
    )


def _has_meter(agent: Agent) -> bool:
    return bool(agent.tokens_in or agent.tokens_out)


def _tokens(agent: Agent) -> str:
    return f"{short(agent.tokens_in)} in, {short(agent.tokens_out)} out"


def leases(held: Sequence[Task], now: datetime, width: int) -> Content:
    """Return the tasks that an agent holds, each with what is left of its lease."""
    return stack(_lease_line(task, now, width) for task in held)


def _lease_line(task: Task, now: datetime, width: int) -> Content:
    left = lease_bar(task, now) or "no lease"
    if task.progress is not None:
        left = f"{progress_bar(task)}  {left}"
    name = clip(safe(f"{task.id} {task.title}"), max(width - len(left) - 4, 1))
    return Content.assemble(
        ("● ", "$st-busy"),
        fit(name, max(width - len(left) - 3, 1)),
        (left, "$st-busy" if task.lease_until else "$ink-dim"),
    )


def history(events: Iterable[Logged], width: int) -> Content:
    """Return what an agent did, a line each, as given."""
    lines = [_event_line(logged, width) for logged in events]
    return stack(lines or [Content.styled("nothing yet", "$ink-dim")])


def mailbox(model: Model, mail: Iterable[Delivery], width: int) -> Content:
    """Return what was sent to an agent and how far it got, a line each."""
    lines = [_mail_line(model, row, width) for row in mail]
    return stack(lines or [Content.styled("nothing was sent", "$ink-dim")])


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
        fact("state", _standing(request, now), room),
        *([fact("task", request.task, room)] if request.task else []),
        *([fact("needs", " ".join(request.wanted), room)] if request.wanted else []),
        *([fact("helper", _helper(model, request), room)] if request.helper else []),
        *([fact("note", request.note, room)] if request.note else []),
        *([fact("answer", f"“{request.answer}”", room)] if request.answer else []),
    ]
    return stack(lines)


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
    return stack(lines)


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
        fact("presence", why_present(agent, now), room),
        *([fact("budget", why_poor(agent), room)] if agent.over_budget else []),
        Content(""),
        rule("before", width),
        *(_event_line(logged, width) for logged in before if logged is not cause),
    ]
    return stack(lines)


def _cause(
    agent: Agent, cause: Logged | None, now: datetime, room: int
) -> list[Content]:
    if cause is None:
        text = f"event {agent.cause:,}, older than the history shown here"
        return [fact("because", text, room)]
    event = cause.event
    told = tell(event)
    source = _VIA.get(getattr(event, "via", ""), "decided by the hub")
    claimed = getattr(event, "reported_at", "")
    return [
        fact("because", f"it said {told.word}  {told.text}".strip(), room),
        fact("when", f"{clock(event.at)}, {ago(event.at, now)} ago", room),
        fact("how", f"{source}, event {cause.cursor:,} {event.subject}", room),
        *([fact("clock", f"its own says {claimed}", room)] if claimed else []),
    ]


def _title(name: str, state: str, age: str, width: int) -> Content:
    return title(name, f"{GLYPHS[state]} {state}", f"st-{state}", age, width)


def title(name: str, mark: str, ink: str, age: str, width: int) -> Content:
    """Return the first line of a pane: a name, its state in an ink, since when."""
    room = width - len(mark) - len(age) - 3
    return Content.assemble(
        (named(safe(name), room), "bold"), "  ", (mark, f"${ink}"), f" {age}"
    )


def fact(name: str, text: str, room: int) -> Content:
    """Return a line with the name of a fact and the fact, cut to the room."""
    return Content.assemble(
        (fit(name, LABEL), "$ink-dim"), clip(safe(text), max(room, 1))
    )


def stack(lines: Iterable[Content]) -> Content:
    """Return lines below each other."""
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


DELIVERY_INKS = {
    "queued": "ink-dim",
    "sent": "st-idle",
    "acked": "st-busy",
    "done": "st-done",
    "dead": "st-help",
}
"""The ink of each state of a delivery."""


def _mail_line(model: Model, row: Delivery, width: int) -> Content:
    state = f"{row.state}{_took(row)}"
    if row.state == "dead":
        state = clip(safe(f"† {row.reason}"), max(width - 24, 8))
    text = clip(safe(carried(model, row)), max(width - 21 - len(state), 1))
    return Content.assemble(
        (f"{clock(row.queued)} ", "$ink-dim"),
        fit(row.kind, 10),
        (state, f"${DELIVERY_INKS[row.state]}"),
        f"  {text}",
    )


def _took(row: Delivery) -> str:
    """Return how long it took from the order to the agent's acknowledgement."""
    if row.acked is None:
        return ""
    ms = (row.acked - row.queued).total_seconds() * 1000
    return f" {ms:,.0f} ms" if ms < 10_000 else f" {ago(row.queued, row.acked)}"


def carried(model: Model, row: Delivery) -> str:
    """Return what a delivery carries, in words that are still to be made safe."""
    match row.kind:
        case "task":
            task = model.tasks.get(row.ref)
            return f"{row.ref} {task.title}" if task else row.ref
        case "broadcast":
            sent = model.broadcasts.get(row.ref)
            return f"“{sent.text}”" if sent else row.ref
        case "message":
            said = model.said.get(row.ref)
            sender = (said.agent or said.by or "hub") if said else ""
            return f"{sender}: {words_of(said)}" if said else row.ref
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
