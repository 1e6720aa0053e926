"""What the hub is asked to show to one view: messages by a pattern, and its links."""

import asyncio

from swarmtui.console import Console


class Tap:
    """The view's wish to see what goes by, as the hub knows it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._left_out = 0
        self.pattern = ""
        """What the hub shows; empty while it shows nothing."""

    @property
    def left_out(self) -> int:
        """How many messages of this pattern came too fast to be shown."""
        return max(0, self._console.model.left_out - self._left_out)

    def lost(self) -> None:
        """Note that the hub is away, and has forgotten the wish."""
        self.pattern = ""

    async def open(self, pattern: str, after: float = 0.0) -> None:
        """Have the hub show what a pattern matches, and how its links are.

        Args:
            pattern: of the subjects.
            after: how many seconds to wait for another wish, which cancels this one.
        """
        await asyncio.sleep(after)
        if pattern == self.pattern or not self._console.model.live:
            return
        first, self.pattern = not self.pattern, pattern
        model, swarm = self._console.model, self._console.swarm
        self._left_out = model.left_out
        await self._console.carry_out(swarm.tap(pattern))
        if first:
            links = await self._console.carry_out(swarm.links(follow=True))
            model.links = tuple(links or ())

    async def close(self) -> None:
        """Have the hub show nothing more."""
        if not self.pattern:
            return
        self.pattern = ""
        if self._console.model.live:
            swarm = self._console.swarm
            await self._console.carry_out(swarm.tap(""))
            await self._console.carry_out(swarm.links(follow=False))
