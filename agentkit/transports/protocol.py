"""What every transport does, whoever wrote it."""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from agentkit.transports.events import Event, Handler, Observer
from agentkit.transports.letters import Letter
from agentkit.transports.limits import Limits
from agentkit.transports.metrics import Metrics
from agentkit.transports.worker import Retry


class Transport(Protocol):
    """Carries events to the handlers whose patterns match them.

    Handlers are called one event after the other, in the order in which a publisher
    published; each subscription has a task of its own and is called once per event.
    """

    @property
    def kind(self) -> str:
        """What it is made of: ``local``, ``hub``, ``redis`` or ``nats``."""

    @property
    def persistent(self) -> bool:
        """Whether events are stored until each subscription is done with them."""

    async def connect(self) -> None:
        """Open the connection; again after `disconnect`, with the same subscriptions.

        Raises:
            ConnectionError: nothing answers, or it refuses us.
        """

    async def disconnect(self) -> None:
        """Close the connection; nothing arrives from now on."""

    async def publish(self, event: Event) -> None:
        """Publish an event to every subscription that matches.

        Raises:
            PublishError: there is no connection, or the broker did not take it.
            Invalid: the data has no form in JSON.
        """

    async def subscribe(
        self,
        pattern: str,
        handler: Handler,
        *,
        name: str = "",
        limits: Limits | None = None,
        retry: Retry | None = None,
        on_end: Callable[[str], None] | None = None,
    ) -> str:
        """Have a handler called with what a pattern matches; return the id of that.

        Before `connect` it is remembered.
        """

    async def unsubscribe(self, subscription_id: str) -> bool:
        """End a subscription, and say whether there was one of that id."""

    def metrics(self) -> Metrics:
        """Return the transport in figures."""

    def letters(self) -> list[Letter]:
        """Return the newest dead letters, oldest first."""

    async def requeue(self, letter_id: str) -> None:
        """Give a letter's event once more to the subscription that failed on it."""

    async def discard(self, letter_id: str) -> None:
        """Forget a letter."""

    def observe(self, callback: Observer) -> Callable[[], None]:
        """Call back with each event that goes through; return what ends that."""

    async def __aenter__(self) -> Self:
        """Connect."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Disconnect."""
