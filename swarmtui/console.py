"""What screens and sheets may ask of the app they are shown in."""

from collections.abc import Awaitable, Iterable
from datetime import datetime
from typing import Protocol, TypeVar, cast

from textual.dom import DOMNode
from textual.widget import Widget

from agentkit.follower import Follower
from swarmtui.actions import Need
from swarmtui.model import Model
from swarmtui.pace import Pace

T = TypeVar("T")


class Console(Protocol):
    """The app, as its screens see it."""

    model: Model
    swarm: Follower
    backlog: int
    """Events that a paused view has not shown yet."""
    paused: bool
    silenced: bool
    """Whether calls are not heard although they are set to be."""
    pace: Pace
    address: str
    """The address of the hub, to be shown."""
    started: datetime | None
    """When the hub started."""

    live_word: str
    """What a hub that answers is called."""

    def foot(self) -> Iterable[Widget]:
        """Return what stands between the news and the keys of every view."""

    def now(self) -> datetime:
        """Return the time by which ages are told."""

    async def carry_out(self, wish: Awaitable[T]) -> T | None:
        """Await an order; when it is refused, tell why and return None."""

    def tell(self, text: str, *, error: bool = False) -> None:
        """Say one sentence in the ticker, and an error as a toast as well."""

    def show_task(self, task: str) -> None:
        """Go to the work queue with the cursor on a task."""

    def given(self) -> Need:
        """Return what is true of the link and the swarm, for `actions.offered`."""


def console(node: DOMNode) -> Console:
    """Return the console that a screen or widget is part of."""
    return cast("Console", node.app)
