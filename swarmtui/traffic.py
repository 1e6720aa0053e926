"""What goes over the wire, as a person reads it: the hub's events and tapped messages.

Plain Python, no Textual. Both are a `Message`: when, on which link, which way, from
whom to whom, how large, how long it took, and what it says.
"""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from agentkit.codec import encode
from agentkit.coordinator import Heard
from agentkit.traffic import Tapped
from swarmtui.output import one_line
from swarmtui.routes import Way, route
from swarmtui.text import safe

HUB: Final = "hub"
"""The link of the hub's own events."""

SETTLE: Final = 0.1
"""Seconds after which everything that was said earlier has arrived as well."""


class Message:
    """Something that went by; worked out when it is looked at."""

    at: datetime
    link: str
    """``hub`` for its own events, ``bus``, or the name of a bridge."""
    subject: str
    size: int
    """Bytes of what came in; 0 for what the hub did by itself."""
    ms: float
    """Milliseconds from its arrival until the hub was done with it."""

    @property
    def route(self) -> tuple[Way, str, str]:
        """Its way, from whom and to whom."""
        raise NotImplementedError

    @property
    def key(self) -> Mapping[str, Any]:
        """What it is known by on its link, as a field of the frame."""
        raise NotImplementedError

    @property
    def data(self) -> Mapping[str, Any] | str:
        """What it says; as text, the beginning of the JSON of what is too long."""
        raise NotImplementedError

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

    @cached_property
    def ends(self) -> str:
        """From whom to whom, safe to draw."""
        sender = self.sender or "-"
        return safe(f"{sender} → {self.receiver}" if self.receiver else sender)

    @cached_property
    def frame(self) -> dict[str, Any]:
        """Everything about it, as an object of JSON: `Tapped`, whatever its link."""
        way, sender, receiver = self.route
        return {
            "at": self.at.isoformat(),
            "link": self.link,
            "direction": way,
            "subject": self.subject,
            **self.key,
            "source": sender,
            "to": receiver,
            "size": self.size,
            "ms": self.ms,
            "data": self.data,
        }

    @cached_property
    def line(self) -> str:
        """The frame as one line of JSON, as ``swarmtui tap --jsonl`` prints it."""
        return one_line(self.frame)

    def pretty(self) -> str:
        """Return the frame as JSON over many lines.

        The lines hold what agents said: each is still to be made safe to draw.
        """
        return as_json(self.frame)


class Told(Message):
    """An event of the hub's log."""

    link = HUB

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.subject = heard.subject
        self.size = heard.bytes or 0
        self.ms = heard.ms or 0.0

    @property
    def at(self) -> datetime:  # type: ignore[override]
        """When the hub decided it."""
        return self.heard.event.at

    @cached_property
    def route(self) -> tuple[Way, str, str]:
        """Its way, from whom and to whom."""
        return route(self.heard.event)

    @property
    def key(self) -> Mapping[str, Any]:
        """Its place in the log."""
        return {"cursor": self.heard.cursor}

    @property
    def data(self) -> Mapping[str, Any]:
        """The fields of the event."""
        return encode(self.heard.event)


class Passed(Message):
    """A message of the bus or of a bridge, that went by while somebody looked on."""

    def __init__(self, tapped: Tapped) -> None:
        self.tapped = tapped
        self.at = tapped.at
        self.link = tapped.link
        self.subject = tapped.subject
        self.size = tapped.size
        self.ms = tapped.ms

    @property
    def route(self) -> tuple[Way, str, str]:
        """Its way, from whom and to whom."""
        return self.tapped.direction, self.tapped.source, self.tapped.to

    @cached_property
    def ends(self) -> str:
        """From whom to whom, safe to draw."""
        return super().ends.replace("→ 0 connections", "→ nobody")

    @property
    def key(self) -> Mapping[str, Any]:
        """The id that its publisher gave it."""
        return {"id": self.tapped.id}

    @property
    def data(self) -> Mapping[str, Any] | str:
        """What was published."""
        return self.tapped.data


def as_json(data: Mapping[str, Any] | str) -> str:
    """Return data as JSON over many lines, in any script; text is only a beginning."""
    if isinstance(data, str):
        return f"{data}…"
    return json.dumps(data, indent=2, ensure_ascii=False)


def by_time(message: Message) -> datetime:
    """Return what messages are put in order by."""
    return message.at


class InOrder:
    """Puts messages that arrive by several ways into the order of time.

    The hub gathers the messages of a tap for a moment, and sends events at once: so
    what arrives is kept for `SETTLE` seconds, and passed on with all that came before.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Message]] = deque()

    def add(self, messages: Iterable[Message], now: float) -> None:
        """Take messages in that arrived at `now`, by any clock in seconds."""
        self._waiting.extend((now, message) for message in messages)

    def take(self, now: float) -> list[Message]:
        """Return the messages before which nothing more can come, in order."""
        settled = [one.at for came, one in self._waiting if now - came >= SETTLE]
        if not settled:
            return []
        upto = max(settled)
        ready = [one for _, one in self._waiting if one.at <= upto]
        self._waiting = deque(pair for pair in self._waiting if pair[1].at > upto)
        return sorted(ready, key=by_time)

    def rest(self) -> list[Message]:
        """Return all that is left, in order."""
        left = [message for _, message in self._waiting]
        self._waiting.clear()
        return sorted(left, key=by_time)
