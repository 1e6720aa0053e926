"""Rings for a person who does not look: asks what there is to ask, and writes it."""

import asyncio
import subprocess
from collections.abc import Callable, Mapping

from swarmtui.notices import QUESTION, Notices, call, way

PATIENCE = 1.0
"""Seconds that tmux may take to answer."""


class Ringer:
    """Makes calls heard, unless the person looks at the dashboard or wants silence.

    Args:
        chosen: what a call does, as it is set.
        environ: the environment.
        write: writes a sequence to the terminal.
    """

    def __init__(
        self, chosen: Notices, environ: Mapping[str, str], write: Callable[[str], None]
    ) -> None:
        self.chosen = chosen
        """What a call does now."""
        self.in_front: bool | None = None
        """What the terminal told last; None as long as it has told nothing."""
        self._set = chosen
        self._environ = environ
        self._write = write

    @property
    def silenced(self) -> bool:
        """Whether nothing rings although it is set to."""
        return self.chosen == "off" != self._set

    def toggle(self) -> None:
        """Fall silent, or ring as it is set; who has set silence gets everything."""
        on: Notices = "both" if self._set == "off" else self._set
        self.chosen = on if self.chosen == "off" else "off"

    async def ring(self, words: str) -> None:
        """Make a call heard.

        As long as the terminal has not told whether it is in front, one that would
        have told is, and another is not: a bell too many is better than none.

        Args:
            words: what a notice says.
        """
        if self.chosen == "off" or self.in_front:
            return
        there = way(self._environ, await self._of_tmux())
        if self.in_front is None and there.tells:
            return
        self._write(call(there, self.chosen, words))

    async def _of_tmux(self) -> str:
        """Ask each time: whoever attaches next may do so from another terminal."""
        if not self._environ.get("TMUX"):
            return ""
        return await asyncio.to_thread(_asked, self._environ)


def _asked(environ: Mapping[str, str]) -> str:
    pane = environ.get("TMUX_PANE", "")
    target = ("-t", pane) if pane else ()
    try:
        done = subprocess.run(  # noqa: S603
            ["tmux", "display-message", "-p", *target, QUESTION],  # noqa: S607
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""
