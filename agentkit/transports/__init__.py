"""Events from program to program, over one protocol and any broker.

    async with RedisTransport("redis://localhost:6379") as transport:
        await transport.subscribe("task.*", handler)
        await transport.publish(Event("task.created", {"id": "123"}))

`LocalTransport` needs nothing, `HubTransport` a hub, `RedisTransport` and
`NatsTransport` a broker and the extra ``swarmtui[redis]`` or ``swarmtui[nats]``: these
three are imported when they are first used. `open_transport` makes the one that a URL
names, and an `EventBus` goes over any.
"""

from agentkit.transports.bus import EventBus
from agentkit.transports.errors import (
    ConnectionError,  # noqa: A004
    PublishError,
    TransportError,
)
from agentkit.transports.events import Event, Handler
from agentkit.transports.letters import Letter
from agentkit.transports.limits import Limits
from agentkit.transports.local import LocalTransport
from agentkit.transports.metrics import Metrics
from agentkit.transports.protocol import Transport
from agentkit.transports.urls import CLASSES, load, open_transport
from agentkit.transports.worker import Retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentkit.transports.broker_agent import BrokerAgent
    from agentkit.transports.hub import HubTransport
    from agentkit.transports.nats import NatsTransport
    from agentkit.transports.redis import RedisTransport

__all__ = [
    "BrokerAgent",
    "ConnectionError",
    "Event",
    "EventBus",
    "Handler",
    "HubTransport",
    "Letter",
    "Limits",
    "LocalTransport",
    "Metrics",
    "NatsTransport",
    "PublishError",
    "RedisTransport",
    "Retry",
    "Transport",
    "TransportError",
    "open_transport",
]


def __getattr__(name: str) -> object:
    """Import a transport on first use (PEP 562)."""
    if name == "BrokerAgent":
        from agentkit.transports.broker_agent import BrokerAgent

        return BrokerAgent
    if name not in CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return load(name)
