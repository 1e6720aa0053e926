"""Dead letters: events that a handler failed on until its attempts were used up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from agentkit.errors import Invalid
from agentkit.transports.errors import TransportError
from agentkit.transports.events import Event, as_data, read_event

KEPT: Final = 1000
"""Letters that a transport keeps; the oldest go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An event that could not be handled, and why."""

    event: Event
    pattern: str
    subscription: str
    """The name of the subscription whose handler failed."""
    transport: str
    """The name of the transport that gave it to the handler."""
    reason: str
    """The last error in one line, such as ``ValueError: no such order``."""
    attempts: int
    id: str = field(default_factory=lambda: uuid4().hex)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When it was given up, in UTC."""

    def as_data(self) -> dict[str, Any]:
        """Return the letter as an object of JSON."""
        return {
            "id": self.id,
            "event": as_data(self.event),
            "pattern": self.pattern,
            "subscription": self.subscription,
            "transport": self.transport,
            "reason": self.reason,
            "attempts": self.attempts,
            "at": self.at.isoformat(),
        }

    @classmethod
    def read(cls, data: Any) -> "Letter":
        """Return the letter that `as_data` made the object of.

        Raises:
            Invalid: it is nothing that `as_data` makes.
        """
        try:
            return cls(
                id=str(data["id"]),
                event=read_event(data["event"]),
                pattern=str(data["pattern"]),
                subscription=str(data["subscription"]),
                transport=str(data["transport"]),
                reason=str(data["reason"]),
                attempts=int(data["attempts"]),
                at=datetime.fromisoformat(data["at"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            shown = sorted(data) if isinstance(data, Mapping) else type(data).__name__
            raise Invalid(
                f"{shown} is no letter ({type(error).__name__}: {error}): send what "
                "the subject _dead carries"
            ) from None


class Letters:
    """The newest letters of one transport."""

    def __init__(self) -> None:
        self._kept: dict[str, Letter] = {}

    def keep(self, letter: Letter) -> None:
        """Keep a letter, and forget the oldest beyond `KEPT`."""
        self._kept[letter.id] = letter
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    def all(self) -> list[Letter]:
        """Return the letters, oldest first."""
        return list(self._kept.values())

    def get(self, letter_id: str) -> Letter:
        """Return a letter.

        Raises:
            TransportError: it is not there.
        """
        if letter_id not in self._kept:
            raise TransportError(
                f"there is no letter {letter_id!r} here: take an id from letters()"
            )
        return self._kept[letter_id]

    def forget(self, letter_id: str) -> None:
        """Forget a letter, if it is there."""
        self._kept.pop(letter_id, None)


def in_one_line(error: BaseException) -> str:
    """Return the type and text of an error, as a letter has its reason."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__
