"""What goes over the wire, as a person reads it: messages, their filter, their counts.

Plain Python, no Textual. A message is an event of the hub's log with its direction and
its two ends; size and milliseconds are those of the request that led to it.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from operator import ge, gt, le, lt
from typing import Any, Literal, TypeAlias

from agentkit.codec import dumps, encode_event
from agentkit.coordinator import Heard
from agentkit.errors import Invalid
from agentkit.filters import BadTerm, Term, parse
from agentkit.protocol import (
    AgentConnected,
    AgentDisconnected,
    AgentReported,
    BroadcastSent,
    DeliveryAcked,
    DeliveryDead,
    DeliveryDone,
    DeliveryRetried,
    DeliverySent,
    Event,
    HelpAnswered,
    HelperAssigned,
    Logged,
    ReportRefused,
    TaskAssigned,
    TaskCancelled,
    TaskDead,
    TaskDone,
    TaskEnqueued,
    TaskExtended,
    TaskLeased,
    TaskReleased,
    TaskRequeued,
    TaskStarted,
)
from agentkit.subjects import Trie
from swarmtui.text import plural, safe

Way: TypeAlias = Literal["in", "out", "hub"]
"""From an agent, to agents, or within the hub and its desk."""

ARROWS: dict[Way, str] = {"in": "→", "out": "←", "hub": "·"}

_FROM_AGENT = (
    AgentReported,
    ReportRefused,
    AgentConnected,
    AgentDisconnected,
    DeliveryAcked,
    DeliveryDone,
    DeliveryDead,
    TaskStarted,
    TaskExtended,
    TaskDone,
    TaskReleased,
    TaskDead,
)
_TO_AGENT = (
    TaskAssigned,
    TaskLeased,
    HelpAnswered,
    DeliveryRetried,
)


def route(event: Event) -> tuple[Way, str, str]:
    """Return the way an event went, from whom and to whom."""
    match event:
        case HelperAssigned():
            return "out", event.by or "hub", event.helper
        case BroadcastSent():
            return "out", event.by or "hub", plural(len(event.recipients), "agent")
        case DeliverySent():
            agents = {agent for agent, _ in event.deliveries}
            one = len(agents) == 1
            return "out", "hub", agents.pop() if one else plural(len(agents), "agent")
        case _:
            return _ends(event)


def _ends(event: Event) -> tuple[Way, str, str]:
    """Return the way of an event that its kind alone tells."""
    agent, by = getattr(event, "agent", ""), getattr(event, "by", "")
    if isinstance(event, _FROM_AGENT):
        return "in", agent, "hub"
    if isinstance(event, _TO_AGENT):
        return "out", by or "hub", agent
    if isinstance(event, TaskEnqueued | TaskCancelled | TaskRequeued):
        return "hub", by or "hub", agent or "queue"
    return "hub", by or "hub", "desk" if by == agent else agent or "hub"


class Message:
    """One event as it went; compared by identity, worked out when it is looked at."""

    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    @property
    def subject(self) -> str:
        """The dotted name of the event."""
        return self.heard.subject

    @cached_property
    def route(self) -> tuple[Way, str, str]:
        """Its way, from whom and to whom."""
        return route(self.heard.event)

    @property
    def way(self) -> Way:
        """The way that it went."""
        return self.route[0]

    @property
    def sender(self) -> str:
        """Who said it."""
        return self.route[1]

    @property
    def receiver(self) -> str:
        """Whom it was meant for."""
        return self.route[2]

    @property
    def size(self) -> int:
        """Bytes of what came in; 0 for what the hub did by itself."""
        return self.heard.bytes or 0

    @property
    def ms(self) -> float:
        """Milliseconds from its arrival to the COMMIT."""
        return self.heard.ms or 0.0

    @cached_property
    def ends(self) -> str:
        """From whom to whom, safe to draw."""
        return safe(f"{self.sender} → {self.receiver}")

    @cached_property
    def frame(self) -> dict[str, Any]:
        """The event as it goes over the wire, with size and milliseconds."""
        logged = Logged(self.heard.cursor, self.heard.event)
        return encode_event(logged) | {"bytes": self.size, "ms": self.ms}

    @cached_property
    def line(self) -> str:
        """The frame as one line of JSON."""
        return dumps(self.frame)

    def pretty(self) -> str:
        """Return the frame as JSON, a line for each field of frame and event.

        The lines hold what agents said: each is still to be made safe to draw.
        """
        outer = [
            f"  {dumps(name)}: {_field(value)}" for name, value in self.frame.items()
        ]
        return "{\n" + ",\n".join(outer) + "\n}"


def _field(value: Any) -> str:
    """Return a field of a frame as JSON; an event's own fields get a line each."""
    if not isinstance(value, dict):
        return dumps(value)
    inner = [f"    {dumps(name)}: {dumps(one)}" for name, one in value.items()]
    return "{\n" + ",\n".join(inner) + "\n  }"


# --- Filter --------------------------------------------------------------------------

Chosen: TypeAlias = Callable[[Message], bool]

KEYS = ("subject", "agent", "way", "size", "ms")
HINT = "subject:agent.** agent:web-* way:out size>1k ms>5 text"

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": gt,
    ">=": ge,
    "<": lt,
    "<=": le,
}
_UNITS = {"k": 1e3, "m": 1e6}


def compile_traffic(text: str) -> Chosen | None:
    """Read a filter for messages; None lets every message through.

    Raises:
        BadFilter: a term cannot be read; the error is a `BadTerm` and says which.
    """
    tests = [_test(term) for term in parse(text)]
    if not tests:
        return None
    return lambda message: all(test(message) for test in tests)


def _test(term: Term) -> Chosen:
    makers = {"subject": _subject, "agent": _agent, "way": _way, "": _words}
    maker = makers.get(term.key) or (_number if term.key in ("size", "ms") else None)
    if maker is None:
        near = get_close_matches(term.key, KEYS, 1)
        remedy = f"did you mean {near[0]}?" if near else f"use {', '.join(KEYS)}"
        raise _bad(term, f"there is no key {term.key!r}; {remedy}")
    test = maker(term)
    return (lambda message: not test(message)) if term.negated else test


def _subject(term: Term) -> Chosen:
    patterns: Trie[str] = Trie()
    for pattern in _values(term):
        try:
            patterns.add(pattern, pattern)
        except Invalid as error:
            raise _bad(term, str(error)) from error
    return lambda message: bool(patterns.match(message.subject))


def _agent(term: Term) -> Chosen:
    globs = _values(term)
    return lambda message: any(
        fnmatchcase(end, glob)
        for end in (message.sender, message.receiver)
        for glob in globs
    )


def _way(term: Term) -> Chosen:
    ways = set(_values(term))
    if wrong := ways.difference(ARROWS):
        raise _bad(term, f"{min(wrong)!r} is no way; use in, out or hub")
    return lambda message: message.way in ways


def _number(term: Term) -> Chosen:
    compare = _COMPARE.get(term.operator)
    number, unit = term.value.rstrip("kKmM"), term.value[-1:].lower()
    try:
        limit = float(number) * _UNITS.get(unit, 1)
    except ValueError:
        raise _bad(term, f"{term.value!r} is not a number; write size>1k") from None
    if compare is None:
        raise _bad(term, f"{term.key} is compared; write {term.key}>{term.value}")
    if term.key == "size":
        return lambda message: compare(message.size, limit)
    return lambda message: compare(message.ms, limit)


def _words(term: Term) -> Chosen:
    wanted = term.value.replace('"', "").lower()
    return lambda message: wanted in message.line.lower()


def _values(term: Term) -> list[str]:
    if term.operator != ":":
        raise _bad(term, f"{term.key} takes a colon; write {term.key}:{term.value}")
    values = [value for value in term.value.replace('"', "").split(",") if value]
    if not values:
        raise _bad(term, f"there is nothing after {term.key}:; write a word there")
    return values


def _bad(term: Term, reason: str) -> BadTerm:
    where = f"the filter term {term.text!r} at character {term.start + 1}"
    return BadTerm(f"{where} cannot be read: {reason}", term.start, term.end)


# --- Counts --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something came by."""

    name: str
    rate: float
    """A second, over the last few seconds."""
    total: int
    """Since the view was first opened."""
    peers: int = 0
    """Agents that report this way; for links."""


class Tally:
    """Counts messages by subject, and reports by the way they came."""

    SECONDS = 5
    """Over how many seconds a rate is told."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self._seconds: deque[Counter[str]] = deque([Counter()], maxlen=self.SECONDS + 1)

    def add(self, messages: Iterable[Message]) -> None:
        """Count messages, whenever they came."""
        self.totals.update(message.subject for message in messages)

    def pace(self, messages: Iterable[Message]) -> None:
        """Count messages that came just now, for the rates."""
        for message in messages:
            self._seconds[-1][message.subject] += 1
            if isinstance(message.heard.event, AgentReported):
                self._seconds[-1][f"via {message.heard.event.via}"] += 1

    def second(self) -> None:
        """Begin the next second."""
        self._seconds.append(Counter())

    def rate(self, name: str, peers: int = 0) -> Rate:
        """Return how often something came by."""
        full = list(self._seconds)[:-1]
        rate = sum(second[name] for second in full) / max(1, len(full))
        return Rate(name, rate, self.totals[name], peers)

    def subjects(self) -> dict[str, Rate]:
        """Return the rate of each subject seen."""
        return {name: self.rate(name) for name in sorted(self.totals)}
