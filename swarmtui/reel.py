"""A recording as it is looked through: what happened when, and what was known then.

Nothing here moves: a `Reel` answers for any second of the recording. `swarmtui.replay`
has the hand that moves.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agentkit.changes import Heard
from agentkit.mirror import heard
from agentkit.recording import Frame, Recording
from swarmtui.telling import is_call

LETTER = "letter."
"""How the subjects of the events about letters begin."""


class Shot(NamedTuple):
    """A complete snapshot: the frames it begins and ends with."""

    first: int
    last: int


class Reel:
    """A recording and its index.

    Raises:
        Invalid: it is not a recording, or a newer one.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events = 0
        self.calls: list[float] = []
        """The seconds at which somebody called for a person."""
        self.gaps: list[tuple[float, float]] = []
        """From when until when the hub was away."""
        self._shots: list[Shot] = []
        self._first_part = -1
        """Where the snapshot begins that is not complete yet."""
        self._away: float | None = None
        """When the hub went away, while it is."""
        self._seen = 0
        self._turns = array("Q")
        """The frames with events, and the cursor of the last event in each."""
        self._cursors = array("Q")
        self._about: defaultdict[str, list[int]] = defaultdict(list)
        """The frames with events about an agent, a task, a broadcast, …"""
        self._letters: list[int] = []
        """The frames with events about letters."""
        self.recording = Recording.open(path, self._look)
        if self._away is not None:
            self.gaps.append((self._away, self.length))

    @property
    def length(self) -> float:
        """How long it is, in seconds."""
        return self.recording.length

    def upto(self, second: float) -> int:
        """Return how many frames had come by a second."""
        return bisect_right(self.recording.times, second)

    @property
    def begins(self) -> float:
        """The second at which the first snapshot is complete."""
        return self.recording.times[self._shots[0].last] if self._shots else 0.0

    def turn(self, end: int, before: int | None = None) -> int:
        """Return a frame that no event before a cursor comes after, `end` at most."""
        if before is None:
            return end
        found = bisect_left(self._cursors, before)
        return min(end, self._turns[found] + 1) if found < len(self._turns) else end

    def shot(self, second: float) -> Shot | None:
        """Return the last snapshot that was complete by a second."""
        found = bisect_right(self._shots, self.upto(second) - 1, key=lambda s: s.last)
        return self._shots[found - 1] if found else None

    def frames(self, first: int, end: int) -> Iterator[Frame]:
        """Yield the frames from `first` to before `end`."""
        return map(self.recording.frame, range(first, end))

    def back(self, end: int, *kinds: str) -> Iterator[Frame]:
        """Yield the frames of some kinds before `end`, the newest first."""
        names = self.recording.kinds
        return (
            self.recording.frame(number)
            for number in range(end - 1, -1, -1)
            if names[number] in kinds
        )

    def call_after(self, second: float) -> float | None:
        """Return when somebody called next."""
        found = bisect_right(self.calls, second)
        return self.calls[found] if found < len(self.calls) else None

    def call_before(self, second: float) -> float | None:
        """Return when somebody called last."""
        found = bisect_left(self.calls, second)
        return self.calls[found - 1] if found else None

    def heard_about(self, name: str, end: int) -> Iterator[Heard]:
        """Yield what was heard of somebody before a frame, newest first."""
        numbers = self._about.get(name, [])
        for number in reversed(numbers[: bisect_left(numbers, end)]):
            for event in reversed(self.recording.frame(number)["events"]):
                if name in _names(event):
                    yield heard(event)

    def heard_of_letters(self, end: int) -> Iterator[Heard]:
        """Yield what was heard of letters before a frame, oldest first."""
        for number in self._letters[: bisect_left(self._letters, end)]:
            for event in self.recording.frame(number)["events"]:
                if event["subject"].startswith(LETTER):
                    yield heard(event)

    def close(self) -> None:
        """Close the file."""
        self.recording.close()

    # --- index ---

    def _look(self, second: float, frame: Frame) -> None:
        number, self._seen = self._seen, self._seen + 1
        match frame["type"]:
            case "turn":
                for event in frame["events"]:
                    self._index(second, number, event)
                if frame["events"]:
                    self._turns.append(number)
                    self._cursors.append(frame["events"][-1]["cursor"])
            case "snapshot" | "welcome" | "resync":
                self._snap(number, frame)
            case "link":
                self._relink(second, live=frame["state"] == "live")

    def _relink(self, second: float, *, live: bool) -> None:
        if not live:
            self._away = second if self._away is None else self._away
        elif self._away is not None:
            self.gaps.append((self._away, second))
            self._away = None

    def _index(self, second: float, number: int, event: Frame) -> None:
        self.events += 1
        if is_call(event["subject"]):
            self.calls.append(second)
        noted = [self._about[name] for name in _names(event)]
        if event["subject"].startswith(LETTER):
            noted.append(self._letters)
        for frames in noted:
            if not frames or frames[-1] != number:
                frames.append(number)

    def _snap(self, number: int, frame: Frame) -> None:
        if frame["type"] != "snapshot":  # the rest of an older one will not come
            self._first_part = -1
            return
        if self._first_part < 0:
            self._first_part = number
        if not frame["more"]:
            self._shots.append(Shot(self._first_part, number))
            self._first_part = -1


_REFERENCES = (
    *("agent", "task", "broadcast", "message", "help", "helper"),
    *("run", "parent", "plan"),
)
_LISTS = ("recipients",)


def _names(event: Frame) -> set[str]:
    """Return whom and what an event is about."""
    data: dict[str, Any] = event["data"]
    one = {data[key] for key in _REFERENCES if isinstance(data.get(key), str)}
    many: Iterable[str] = (name for key in _LISTS for name in data.get(key, ()))
    sent = (agent for agent, _ in data.get("deliveries", ()))
    return {name for name in (*one, *many, *sent) if name}
