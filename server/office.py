"""What every endpoint works with: the hub, the mailroom, the gate, the rates."""

from dataclasses import dataclass, field
from time import monotonic

from server.asgi import RequestError
from server.auth import Gate
from server.bell import Bell
from server.connection import Connection
from server.hub import Hub
from server.limits import Rates
from server.mailroom import Mailroom
from server.settings import Settings
from server.watchers import Watchers


@dataclass(slots=True)
class Office:
    """The parts of one running hub that its endpoints share."""

    hub: Hub
    settings: Settings
    gate: Gate
    mailroom: Mailroom
    watchers: Watchers
    rates: Rates
    url: str = ""
    """Where the hub can be reached; known once its port is bound."""
    connections: set[Connection] = field(default_factory=set)
    """Every WebSocket that is open."""
    bells: set[Bell] = field(default_factory=set)
    """Whoever follows the log over HTTP."""
    stopping: bool = False

    def release(self) -> None:
        """End every answer that waits for something to happen: the hub stops."""
        self.stopping = True
        self.mailroom.release()
        for bell in self.bells:
            bell.ring()

    def slow_down(self, agent: str) -> None:
        """Count a report of an agent against its rate.

        Raises:
            RequestError: 429, with the seconds to wait.
        """
        wait = self.rates.take(agent, monotonic())
        if wait:
            raise RequestError(
                429,
                f"agent {agent!r} sends more than {self.settings.agent_rate:g} reports "
                "a second: wait and send again",
                ((b"retry-after", b"%d" % max(1, round(wait))),),
            )
