"""The machine that the hub runs on: its process dies and is started again.

The hub is the real one with its pump, and so are its edges as far as they have no
socket: the sessions of agents, the mailroom, the claims that wait.
"""

import asyncio
from types import SimpleNamespace
from typing import Final, cast

from agentkit.errors import AgentkitError, HubUnavailable, Invalid
from agentkit.protocol import (
    Ack,
    Claim,
    Command,
    Complete,
    Done,
    Fail,
    GiveUp,
    Logged,
    Nack,
    Notify,
    Send,
    Spend,
)
from agentkit.rows import Task
from server.agent_socket import Session
from server.claims import Claims
from server.connection import BAD_FRAME, RESTARTING
from server.core import Rules
from server.hub import Hub
from server.links import Links
from server.mailroom import Mailroom
from server.office import Office
from server.revocations import Revocations
from server.store.base import Store, StoreError
from server.wire import AGENT_HELLO
from server.ws import CloseError, Socket
from tests.simulation.laws import Witness
from tests.simulation.network import Call, End, Network
from tests.simulation.storage import Disk, FailingStore
from tests.simulation.world import Process, World

WORN_OUT: Final = "it was begun too often"
SETTINGS: Final = SimpleNamespace(agent_rate=1e9, agent_burst=1e9)


class Line:
    """What the hub reads from one connection, with as much of `Socket` as is used."""

    def __init__(self, connection: End) -> None:
        self.connection = connection
        self._texts: asyncio.Queue[bytes | None] = asyncio.Queue()
        connection.on_frame = self._take
        connection.on_close = self._closed

    async def read(self) -> bytes | None:
        """Return the next text; None when the connection is closed."""
        return await self._texts.get()

    def _take(self, text: bytes) -> None:
        passing = self.connection.on_text
        if passing is None or not self._texts.empty() or not passing(text):
            self._texts.put_nowait(text)

    def _closed(self, _code: int, reason: str) -> None:
        self.connection.end = self.connection.end or reason
        self._texts.put_nowait(None)


class Machine:
    """Runs a hub, and after each crash the next."""

    def __init__(
        self,
        world: World,
        network: Network,
        disk: Disk,
        rules: Rules,
        witness: Witness,
    ) -> None:
        self.world = world
        self.disk = disk
        self._witness = witness
        self.crashes = 0
        self._network = network
        self._rules = rules
        self._dice = world.dice("machine")
        self.start()

    def start(self) -> None:
        """Start a hub."""
        self.process = Process(self.world, "hub")
        store = FailingStore(self.world, self.disk, self.crash)
        self.hub = Hub(
            cast(Store, store), rules=self._rules, clock=self.world.now, version="1"
        )
        self.mailroom = Mailroom(self.hub)
        self.claims = Claims(self.hub)
        self.revocations = Revocations(self.hub, self.mailroom)
        self.process.start(self._boot())

    def crash(self, how: str) -> None:
        """Kill the hub; another is started after a while."""
        self.world.note("hub", how)
        self.crashes += 1
        self._network.server = None
        self.process.kill()
        self._network.died(self.process)
        self.disk.die()
        self.world.later(self._dice.uniform(0.05, 2.0), self.start)

    async def _boot(self) -> None:
        try:
            await self.hub.start()
            for part in (self.mailroom, self.claims, self.revocations):
                await part.open()
        except StoreError as error:
            self.crash(f"cannot start: {error}")
            return
        self._witness.check_durable(self.disk)
        self.world.note("hub", f"up at {self.hub._swarm.cursor}")
        self._network.server = self

    # --- connections ---

    def accept(self, end: End) -> None:
        """Take a connection of an agent."""
        self.process.start(self._attend(end))

    async def _attend(self, end: End) -> None:
        """Hold a session; written without `finally`, which a killed process skips."""
        line = Line(end)
        hello = await line.read()
        if hello is None:
            return
        session = Session(
            cast(Office, self._office),
            cast(Socket, line),
            AGENT_HELLO.validate_json(hello),
        )
        try:
            await session.run()
        except (CloseError, Invalid) as error:
            end.close(BAD_FRAME, str(error))
        except HubUnavailable as error:
            end.close(RESTARTING, str(error))
        await session.end()

    @property
    def _office(self) -> SimpleNamespace:
        return SimpleNamespace(
            hub=self.hub,
            settings=SETTINGS,
            links=Links(self.world.now),
            mailroom=self.mailroom,
            claims=self.claims,
            revocations=self.revocations,
        )

    # --- requests, as server.leases and server.api serve them ---

    async def serve(self, call: Call) -> object:
        """Answer a request; a refusal is an answer too."""
        try:
            return await call(self)
        except AgentkitError as error:
            return error

    async def submit(self, command: Command, key: str) -> tuple[Logged, ...]:
        """Do what a request with an idempotency key wishes; return its events."""
        if isinstance(command, Complete | Fail | Nack):
            self.revocations.let_go(command.task, command.agent, command.fence)
        outcome = await self.hub.submit(command, key=key)
        return outcome.events

    async def status(self, wish: Notify | Spend | Send) -> int:
        """Take a numbered report, and say how far its outbox is accepted."""
        outcome = await self.hub.submit(
            wish, read=lambda swarm, _: swarm.spools.get((wish.agent, wish.spool))
        )
        return outcome.value.accepted if outcome.value else 0

    async def claim(self, wish: Claim, key: str, wait: float) -> list[Task]:
        """Lease work, waiting for some for a while."""
        claimant = self.claims.enter(wish, wait=bool(wait), key=key)
        await asyncio.wait([claimant.answer], timeout=wait or None)
        self.claims.dismiss(claimant)
        return await claimant.answer

    async def mail(self, agent: str, after: int) -> list[bytes]:
        """Hand out what lies in a mailbox."""
        letters = await self.mailroom.await_letters(agent, after, 50, 0)
        await self.mailroom.mark_sent([letter.delivery for letter in letters])
        return [letter.text for letter in letters]

    async def sign(
        self, agent: str, acked: int, done: list[int], dead: list[int]
    ) -> None:
        """Take the receipts of an agent."""
        if acked:
            await self.hub.submit(Ack(agent=agent, upto=acked))
        for seq in done:
            await self.hub.submit(Done(agent=agent, seq=seq))
        for seq in dead:
            await self.hub.submit(GiveUp(agent=agent, seq=seq, reason=WORN_OUT))
