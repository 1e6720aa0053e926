"""What every endpoint works with: the hub, the mailroom, the door, the limits."""

from dataclasses import dataclass, field
from math import ceil
from time import monotonic

from server.a2a.order import Order
from server.alerts.post import Tally
from server.announcement import Announcement
from server.asgi import RequestError
from server.auth import Gate
from server.bell import Bells
from server.bus import Bus
from server.claims import Claims
from server.connection import Connection
from server.dead_letters import DeadLetters
from server.hub import Hub
from server.keyring import Keyring
from server.limits import Crowd, Rates
from server.links import Links
from server.mailroom import Mailroom
from server.mcp.sessions import UnderWay
from server.otlp.telemetry import Telemetry
from server.refusals import Refusals
from server.results import Results
from server.revocations import Revocations
from server.runs import Runs
from server.settings import Settings
from server.shelf import Shelf
from server.taps import Taps
from server.visits import Visits
from server.watchers import Watchers


@dataclass(slots=True)
class Office:
    """The parts of one running hub that its endpoints share."""

    hub: Hub
    settings: Settings
    gate: Gate
    keyring: Keyring
    visits: Visits
    mailroom: Mailroom
    watchers: Watchers
    agent_rates: Rates
    client_rates: Rates
    crowd: Crowd
    announcement: Announcement
    refusals: Refusals = field(default_factory=Refusals)
    url: str = ""
    """Where the hub can be reached; known once its port is bound."""
    connections: set[Connection] = field(default_factory=set)
    """Every WebSocket that is open."""
    bells: Bells = field(default_factory=Bells)
    """Whoever follows the log over HTTP."""
    under_way: UnderWay = field(default_factory=UnderWay)
    """Calls over MCP that can be called off."""
    a2a: Order = field(default_factory=Order)
    """What A2A agents told last."""
    alerts: Tally = field(default_factory=Tally)
    """What became of alerts."""
    stopping: bool = False
    taps: Taps = field(default_factory=Taps)
    links: Links = field(init=False)
    bus: Bus = field(init=False)
    dead_letters: DeadLetters = field(init=False)
    claims: Claims = field(init=False)
    revocations: Revocations = field(init=False)
    shelf: Shelf = field(init=False)
    results: Results = field(init=False)
    telemetry: Telemetry = field(init=False)
    runs: Runs = field(init=False)

    def __post_init__(self) -> None:
        self.links = Links(self.hub.now)
        self.links.agents.queue = lambda: (self.mailroom.queued, 0)
        self.links.watchers.queue = lambda: (self.watchers.queued, 0)
        self.bus = Bus(self.hub, self.links, self.taps)
        self.dead_letters = DeadLetters(self.hub, self.bus)
        self.claims = Claims(self.hub)
        self.revocations = Revocations(self.hub, self.mailroom)
        self.shelf = Shelf(self.hub)
        self.results = Results(self.hub)
        self.telemetry = Telemetry(self.hub)
        self.runs = Runs(self.hub)

    async def open(self) -> None:
        """Let everybody who follows what the hub commits begin."""
        await self.mailroom.open()
        await self.claims.open()
        await self.revocations.open()
        await self.shelf.open()
        await self.dead_letters.open()
        await self.results.open()
        await self.telemetry.open()
        self.hub.subscribe(self.runs)
        self.hub.subscribe(self.bells)

    def release(self) -> None:
        """End every answer that waits for something to happen: the hub stops."""
        self.stopping = True
        self.mailroom.release()
        self.claims.release()
        self.results.release()
        self.bells.stop("the hub is stopping: connect again in a moment")

    def slow_down(self, agent: str, cost: float = 1.0) -> None:
        """Count a report of an agent against its rate, as `cost` reports.

        Raises:
            RequestError: 429, with the seconds to wait.
        """
        wait = self.agent_rates.take(agent, monotonic(), cost)
        if wait:
            rate = self.settings.agent_rate
            raise _too_many(f"agent {agent!r} sends more than {rate:g} reports", wait)

    def slow_client(self, client: str) -> None:
        """Count a request of a client, a token or an address, against its rate.

        Raises:
            RequestError: 429, with the seconds to wait.
        """
        wait = self.client_rates.take(client, monotonic())
        if wait:
            rate = self.settings.client_rate
            raise _too_many(f"{client!r} sends more than {rate:g} requests", wait)

    def turn_away(self, address: str, what: str, code: int, reason: str) -> None:
        """Note that somebody was refused at the door; see `Refusals.note`."""
        self.refusals.note(address, what, code, reason, monotonic())


def _too_many(what: str, wait: float) -> RequestError:
    return RequestError(
        429,
        f"{what} a second: wait and send again",
        ((b"retry-after", b"%d" % ceil(wait)),),
    )
