"""Events from program to program, over one protocol and any broker.

    async with RedisTransport("redis://localhost:6379") as transport:
        await transport.subscribe("task.*", handler)
        await transport.publish(Event("task.created", {"id": "123"}))

`LocalTransport` needs nothing, `HubTransport` a hub, `RedisTransport` and
`NatsTransport` a broker and the extra ``swarmtui[redis]`` or ``swarmtui[nats]``.
"""

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
from agentkit.transports.worker import Retry

__all__ = [
    "ConnectionError",
    "Event",
    "Handler",
    "Letter",
    "Limits",
    "LocalTransport",
    "Metrics",
    "PublishError",
    "Retry",
    "Transport",
    "TransportError",
]
