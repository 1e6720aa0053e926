"""A transport within this process: for one program, for tests, for the start."""

from agentkit.transports.base import Courier
from agentkit.transports.events import Event


class LocalTransport(Courier):
    """Carries events within this object.

    Guarantee: at most once, in order. A publish that returns has queued the event for
    each subscription that matches; what waits when the process ends is gone. Handlers
    get what any other transport would give them: what JSON makes of the data.
    """

    kind = "local"
    tells = False

    def __init__(self, *, name: str = "") -> None:
        super().__init__(name=name, url="local:")

    async def _open(self) -> None:
        """Do nothing: there is no broker."""

    async def _close(self) -> None:
        """Do nothing: there is no broker."""

    async def _listen(self, pattern: str) -> None:
        """Do nothing: everything arrives."""

    async def _unlisten(self, pattern: str) -> None:
        """Do nothing: everything arrives."""

    async def _send(self, event: Event, payload: bytes) -> None:  # noqa: ARG002
        await self._arrived(payload)
