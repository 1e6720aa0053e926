"""Agents: they claim, work, report and read their mail, and crash in the middle of it.

What an agent keeps on its disk outlives its process: its outbox and its inbox. The
rest, what it works on too, goes with every crash.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

import orjson

from agentkit.errors import HubUnavailable, SwarmError
from agentkit.outbox import Outbox
from agentkit.protocol import Complete, Extend, Fail, Nack, Spend
from tests.simulation.laws import Witness
from tests.simulation.network import Network
from tests.simulation.plans import fate
from tests.simulation.world import BEGINNING, Process, World

Ending: TypeAlias = Complete | Fail | Nack
LEASE: Final = 4.0
"""Seconds that agents claim work for."""
BEGUN: Final = 7
"""How often mail is begun before it is given up."""
ADDRESSES: Final = (
    *("agent0", "agent1", "agent2@swarm", "agent3"),
    *("cap:x", "*", "nobody"),
)
SKILLS: Final = (("x", "y", "z"), ("x",), ("y", "z"), ())


@dataclass
class Mail:
    """One message in the inbox of an agent."""

    seq: int
    kind: str
    ref: str
    deadly: bool
    call: str = ""
    attempts: int = 0
    state: Literal["new", "handled", "dead", "settled"] = "new"


@dataclass
class Disk:
    """What an agent's crash leaves."""

    outbox: Outbox = field(default_factory=Outbox)
    inbox: dict[int, Mail] = field(default_factory=dict)
    got: int = 0
    key: int = 0
    """How many idempotency keys it has used."""
    spent: int = 0
    """How often it told what it used."""
    heard: dict[str, int] = field(default_factory=dict)
    """The newest thing that each other agent said to it, by its number."""


class Agent:
    """What all agents have in common: work, mail, and crashes."""

    def __init__(
        self, world: World, network: Network, witness: Witness, number: int
    ) -> None:
        self.name = f"agent{number}"
        self.world = world
        self.network = network
        self.witness = witness
        self.skills = SKILLS[number % len(SKILLS)]
        self.dice = world.dice(self.name)
        self.disk = Disk()
        self.disk.outbox.spool = f"spool of {self.name}"
        witness.agents[self.name] = self.disk.outbox
        self.start()

    def start(self) -> None:
        """Begin anew with what is on the disk."""
        self.process = Process(self.world, self.name)
        self.post = asyncio.Event()
        self.post.set()
        self.lost: set[int] = set()
        """Fences of leases that the hub said are over."""
        self.live()
        self.process.start(self._read())
        self.process.start(self._chat())
        self.process.start(self._use())

    def live(self) -> None:
        """Start what this kind of agent does."""
        raise NotImplementedError

    def crash(self, why: str) -> None:
        """End here and now, and come back after a while."""
        if not self.process.alive:
            return
        self.world.note(self.name, f"crashes: {why}")
        self.process.kill()
        self.network.died(self.process)
        self.world.later(self.dice.uniform(0.05, 1.0), self.start)

    async def end(self, why: str) -> None:
        """Crash from within."""
        self.crash(why)
        await asyncio.Event().wait()

    def chance(self, of: float) -> bool:
        """Say whether something goes wrong."""
        return self.world.stormy and self.dice.random() < of

    # --- reports ---

    async def say(self, frame: dict[str, Any]) -> None:
        """Put something into the outbox, to be sent in order."""
        raise NotImplementedError

    async def _chat(self) -> None:
        """Report this and that."""
        while self.world.stormy:
            await asyncio.sleep(self.dice.uniform(0.5, 3.0))
            if self.dice.random() < 0.4:
                await self.say(self._message())
                continue
            report = self.dice.choice(("idle", "busy", "blocked", "help"))
            said = self._words()
            await self.say({"type": "notify", "report": report, "message": said})

    async def _use(self) -> None:
        """Use up money and tokens; most of it on the first day."""
        purse = self.world.dice(f"{self.name} spends {self.disk.spent}")
        if not self.disk.spent:  # whom the hub does not know it refuses to count for
            said = self._words()
            await self.say({"type": "notify", "report": "idle", "message": said})
        while self.world.stormy:
            await asyncio.sleep(purse.uniform(0.5, 4.0))
            cost = 1.0 if self.world.now().year == BEGINNING.year else 0.01
            if purse.random() < 0.3:
                await self._say_spent()
            else:
                await self._spend(Spend(agent=self.name, cost=cost, tokens_in=1))

    async def _say_spent(self) -> None:
        """Tell itself what it used, like everything else that it says.

        It is little, for what is said on the first day may arrive on the second.
        """
        self.disk.spent += 1
        self.witness.wallets.said[self.name] += 1
        await self.say({"type": "spend", "cost": 0.01, "tokens_in": 1})

    async def _spend(self, wish: Spend) -> None:
        """Tell what was used, until the hub has stored it."""
        self.disk.spent += 1
        key = f"{self.name} spends {self.disk.spent}"
        self.witness.wallets.told[self.name] += wish.tokens_in
        while True:
            try:
                reply = await self.network.request(
                    self.name, lambda hub: hub.submit(wish, key)
                )
            except TimeoutError:
                continue
            if isinstance(reply, HubUnavailable):
                await asyncio.sleep(0.3)
                continue
            if not isinstance(reply, SwarmError):
                self.witness.answered(reply)
                self.witness.wallets.stored[self.name] += wish.tokens_in
            return

    def _words(self) -> str:
        """Return what it says next: its number tells the order."""
        return f"{self.name} says {self.disk.outbox.last + 1}"

    def _message(self) -> dict[str, Any]:
        """Return something for other agents; some of it is a call."""
        said = {"type": "send", "to": self.dice.choice(ADDRESSES)}
        said |= {"text": self._words(), "id": self._words()}
        if self.dice.random() < 0.4:
            said["call"] = f"call: {said['id']}"
            wait = self.dice.choice((None, 1.0, 5.0))
            later = wait and self.world.now() + timedelta(seconds=wait)
            said |= {"expires": later.isoformat()} if later else {}
        return said

    # --- work ---

    async def work(self, task: dict[str, Any]) -> None:
        """Do a task under its lease, and end it in one way or another."""
        key, fence, kind = task["id"], task["fence"], task["body"].get("kind")
        self.witness.leased(self.name, key, fence)
        for step in range(self.dice.randrange(3)):
            await asyncio.sleep(self.dice.uniform(0.2, LEASE / 3))
            far = self.dice.choice((None, (step + 1) / 3))
            wish = Extend(agent=self.name, task=key, fence=fence, progress=far)
            await self.extend(wish)
        if kind == "deadly" or self.chance(0.05):
            await self.end(f"over {key}")
        if self.chance(0.15):
            await asyncio.sleep(LEASE * self.dice.uniform(0.9, 2.5))
        if fence not in self.lost or self.dice.random() < 0.5:
            await self.finish(self._ending(key, fence, task["body"]))

    def _ending(self, key: str, fence: int, body: dict[str, Any]) -> Ending:
        kind, value = body.get("kind"), None
        lease: dict[str, Any] = {"agent": self.name, "task": key, "fence": fence}
        if kind in ("failing", "hopeless"):
            return Fail(**lease, reason="it failed", final=kind == "hopeless")
        if self.chance(0.1):
            return Fail(**lease, delay=self.dice.choice((None, 0.0, 1.0)))
        if self.chance(0.1):
            return Nack(**lease, delay=self.dice.choice((None, 0.5)))
        if "run" in body:
            item = fate(self.world.seed, body)
            if self.witness.tries(body) <= item.fails:
                return Fail(**lease, reason="it cannot be done", final=True)
            value = item.value
        result = {"agent": self.name, "fence": fence, "value": value}
        return Complete(**lease, result=result)

    async def extend(self, wish: Extend) -> None:
        """Say that the work goes on."""
        raise NotImplementedError

    async def finish(self, wish: Ending) -> None:
        """Say how the work ended; it takes effect once, or is refused."""
        raise NotImplementedError

    # --- mail ---

    def receive(self, text: bytes) -> None:
        """Store a message."""
        frame = orjson.loads(text)
        seq = frame["seq"]
        known = self.disk.inbox.get(seq)
        if known is None:
            said = frame["message"] if frame["kind"] == "message" else frame["body"]
            if frame["kind"] == "message":
                self._check_message(said)
            deadly = "deadly" in said.get("text", "")
            self.disk.inbox[seq] = Mail(
                seq, frame["kind"], frame["ref"], deadly, said.get("call", "")
            )
            self.disk.got = max(self.disk.got, seq)
            self.post.set()
        elif known.state == "settled" and frame["kind"] != "task":
            self.world.accuse(
                "I7", f"{self.name} was handed {seq} after it was settled"
            )

    def _check_message(self, said: dict[str, Any]) -> None:
        """Hold a message to what came before it: it comes once, and in order."""
        before = [mail for mail in self.disk.inbox.values() if mail.ref == said["id"]]
        if any(mail.attempts <= BEGUN for mail in before):
            self.world.accuse("I9", f"{self.name} is told {said['id']} twice")
        if before or not said["sender"]:
            return
        number = int(said["text"].rpartition(" ")[2])
        if number <= self.disk.heard.get(said["sender"], 0):
            self.world.accuse("I9", f"{self.name} hears {said['text']!r} too late")
        self.disk.heard[said["sender"]] = number

    async def _read(self) -> None:
        """Handle the mail, in order; an attempt is counted before it is begun."""
        while True:
            new = [mail for mail in self.disk.inbox.values() if mail.state == "new"]
            if not new:
                self.post.clear()
                await self.post.wait()
                continue
            mail = min(new, key=lambda mail: mail.seq)
            mail.attempts += 1
            if mail.attempts > BEGUN:
                mail.state = "dead"
            else:
                await asyncio.sleep(self.dice.uniform(0.01, 0.1))
                if mail.deadly or self.chance(0.03):
                    await self.end(f"over mail {mail.seq}")
                await self._handle(mail)
            self.settle(mail)

    async def _handle(self, mail: Mail) -> None:
        if mail.kind == "task":
            await self.begin(mail.ref)
        if mail.call:
            words = self._words()
            answer = {"type": "send", "to": "", "text": words, "id": words}
            await self.say({**answer, "answers": mail.call})
            if self.chance(0.05):
                await self.end(f"having answered {mail.call}")
        mail.state = "handled"

    async def begin(self, task: str) -> None:
        """Begin a task that came by mail."""
        raise NotImplementedError

    def settle(self, mail: Mail) -> None:
        """Tell the hub what became of a message."""
        raise NotImplementedError

    def settled(self, seq: int) -> None:
        """Note that the hub has stored what became of a message."""
        mail = self.disk.inbox[seq]
        if mail.state == "new":
            self.world.accuse("I7", f"{self.name} is told that {seq} is settled")
        mail.state = "settled"
        self.witness.settled(self.name, seq)
