"""Telling the hub how a command is, in a thread that nothing waits for."""

import threading
from types import TracebackType
from typing import Final, Protocol, Self

from agentkit.errors import SwarmError
from agentkit.running.mood import Said

AGAIN: Final = 5.0
"""Seconds after which a hub that was away is tried again."""

PARTING: Final = 5.0
"""Seconds that what is under way at the end may take."""


class Voice(Protocol):
    """What talks to the hub, and may take its time."""

    def begin(self, why: str) -> None:
        """Say that it works; nothing is raised."""

    def tell(self, said: Said) -> None:
        """Say how it is."""

    def show_life(self) -> None:
        """Say that it is still as it was."""


class Teller:
    """Tells what was said last, and in between that there is life.

    What the hub could not be told is tried again, unless something newer was said: so
    no more than one thing waits for a hub that is away or hangs, however long.

    Args:
        voice: talks to the hub.
        pace: seconds between two signs of life.
        why: it works, or works again.
    """

    def __init__(self, voice: Voice, pace: float, why: str) -> None:
        self._voice = voice
        self._pace = pace
        self._why = why
        self._next: Said | None = None
        self._over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say no more: what was not told is out of date now."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join(PARTING)

    def say(self, said: Said) -> None:
        """Have something told, instead of what was not told yet; never waits."""
        with self._changed:
            self._next = said
            self._changed.notify()

    def _run(self) -> None:
        self._voice.begin(self._why)
        while not self._over:
            said = self._take()
            try:
                if said is not None:
                    self._voice.tell(said)
                elif not self._over:
                    self._voice.show_life()
            except SwarmError:  # it has heard, and will not have it
                continue
            except Exception:  # noqa: BLE001 - the terminal is no place to tell of it
                self._keep(said)

    def _take(self) -> Said | None:
        """Wait for what is to be told; None after a while, and at the end."""
        with self._changed:
            if self._next is None and not self._over:
                self._changed.wait(self._pace)
            said, self._next = self._next, None
            return None if self._over else said

    def _keep(self, said: Said | None) -> None:
        with self._changed:
            self._next = self._next or said
            self._changed.wait_for(lambda: self._over, AGAIN)
