"""Quiet by default: who may ring, when a toast is due, what title and news say."""

from collections.abc import Iterable, Mapping

from agentkit.coordinator import Heard
from swarmtui.telling import is_call, tell, whom
from swarmtui.text import plural

HOLD = 1.0
"""Seconds between two toasts, and between two bells."""


def calls(events: Iterable[Heard]) -> list[Heard]:
    """Return the events by which somebody calls for a person."""
    return [heard for heard in events if is_call(heard.subject)]


def loud(heard: Iterable[Heard]) -> list[Heard]:
    """Return the calls that are to be heard: blocked only when it lasts too long."""
    return [call for call in heard if getattr(call.event, "kind", "help") == "help"]


def summary(heard: list[Heard]) -> str:
    """Return one sentence for any number of calls."""
    if len(heard) > 1:
        return f"{plural(len(heard), 'agent')} need you"
    event = heard[0].event
    return f"{whom(event)} {tell(event).word}: {tell(event).text}"


def title(calling: int) -> str:
    """Return the terminal's title."""
    if not calling:
        return "swarmtui"
    return f"{calling} need you · swarmtui" if calling > 1 else "1 needs you · swarmtui"


class Gate:
    """Lets something through at most once per `HOLD`; the rest waits and gathers."""

    def __init__(self) -> None:
        self._open_at = 0.0
        self._waiting: list[Heard] = []

    def add(self, heard: Iterable[Heard]) -> None:
        """Let more wait."""
        self._waiting.extend(heard)

    def take(self, now: float) -> list[Heard]:
        """Return everything that waits, when enough time has passed, else nothing.

        Args:
            now: seconds of any steady clock.
        """
        if not self._waiting or now < self._open_at:
            return []
        self._open_at = now + HOLD
        taken, self._waiting = self._waiting, []
        return taken


class Targets:
    """Tells once that a target takes no alerts of the hub, and once that it does."""

    def __init__(self) -> None:
        self._failing: Mapping[str, str] = {}

    def news(self, failing: Mapping[str, str]) -> str:
        """Return a sentence for what is new; empty when nothing is.

        Args:
            failing: the targets that take none just now, and why.
        """
        before, self._failing = self._failing, failing
        gone = [
            f"alerts do not reach {name}: {why}"
            for name, why in failing.items()
            if name not in before
        ]
        back = [f"alerts reach {name} again" for name in before if name not in failing]
        return "; ".join(gone + back)
