"""Where in a recording one is: a second that moves on with the time, or stands."""

from dataclasses import dataclass

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(slots=True)
class Playhead:
    """A second of a recording, as a function of a steady clock.

    Every method takes what that clock says, in seconds.
    """

    length: float
    """Where it comes to its end, in seconds."""
    speed: float = 1.0
    playing: bool = False
    _second: float = 0.0
    _since: float = 0.0
    """What the clock said when it was at `_second`."""

    def at(self, clock: float) -> float:
        """Return the second."""
        moved = (clock - self._since) * self.speed if self.playing else 0.0
        return min(self._second + max(moved, 0.0), self.length)

    def put(self, second: float, clock: float) -> None:
        """Go to a second, or as near to it as there is one."""
        self._second = min(max(second, 0.0), self.length)
        self._since = clock

    def play(self, clock: float) -> None:
        """Move on from here; from the beginning when this is the end."""
        here = self.at(clock)
        self.put(0.0 if here >= self.length else here, clock)
        self.playing = True

    def pause(self, clock: float) -> None:
        """Stand."""
        self.put(self.at(clock), clock)
        self.playing = False

    def set_speed(self, speed: float, clock: float) -> None:
        """Move at another speed from here on."""
        self.put(self.at(clock), clock)
        self.speed = speed

    def faster(self, clock: float, steps: int = 1) -> None:
        """Take the next speed, or with a negative number one before."""
        below = [speed for speed in SPEEDS if speed <= self.speed]
        number = min(max(len(below) - 1 + steps, 0), len(SPEEDS) - 1)
        self.set_speed(SPEEDS[number], clock)
