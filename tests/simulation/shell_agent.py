"""Agents that keep no connection: each thing is a request of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Final

from agentkit.errors import HubUnavailable, SwarmError
from agentkit.protocol import Claim, Extend, Notify, Send, Spend
from tests.simulation.agents import LEASE, Agent, Ending, Mail
from tests.simulation.machine import Machine
from tests.simulation.network import Call

KINDS: Final[Mapping[str, Callable[..., Notify | Send | Spend]]] = {
    "notify": Notify,
    "send": Send,
    "spend": partial(Spend, told=True),
}
"""What is in an outbox, by the type of its frame."""


class ShellAgent(Agent):
    """Keeps no connection: each thing is a request of its own."""

    def live(self) -> None:
        self.process.start(self._work_on())
        self.process.start(self._fetch())
        self.process.start(self._report())

    async def _answered(self, call: Callable[[str], Call]) -> Any:
        """Ask with the same key until there is an answer; a refusal is one."""
        self.disk.key += 1
        key = f"{self.name}-{self.disk.key}"
        while True:
            try:
                reply = await self.network.request(self.name, call(key))
            except TimeoutError:
                continue
            if not isinstance(reply, HubUnavailable):
                return reply
            await asyncio.sleep(0.3)

    async def _submit(self, wish: Ending | Extend) -> None:
        reply = await self._answered(lambda key: lambda hub: hub.submit(wish, key))
        if not isinstance(reply, SwarmError):
            self.witness.answered(reply)

    async def _work_on(self) -> None:
        while True:
            if not await self._claim("", self.dice.choice((0.0, 1.0))):
                await asyncio.sleep(0.5)

    async def begin(self, task: str) -> None:
        await self._claim(task, 0.0)

    async def _claim(self, task: str, wait: float) -> bool:
        """Claim something and do it; say whether there was something."""
        able = self.skills
        wish = Claim(agent=self.name, task=task, lease=LEASE, capabilities=able)
        found = await self._answered(_claiming(wish, wait))
        if isinstance(found, SwarmError):
            return False
        for row in found:
            await self.work({"id": row.id, "fence": row.fence, "body": row.body})
        return bool(found)

    async def extend(self, wish: Extend) -> None:
        await self._submit(wish)

    async def finish(self, wish: Ending) -> None:
        await self._submit(wish)

    async def _report(self) -> None:
        """Send what is in the outbox, several reports at a time, as often as needed."""
        while True:
            await asyncio.sleep(0.3)
            some = list(islice(self.disk.outbox.after(0), 3))
            async with asyncio.TaskGroup() as sending:
                for seq, frame in some:
                    sending.create_task(self._say(seq, frame))

    async def _say(self, seq: int, frame: Mapping[str, Any]) -> None:
        kind = KINDS[frame["type"]]
        said = {name: value for name, value in frame.items() if name != "type"}
        if "expires" in said:
            said["expires"] = datetime.fromisoformat(said["expires"])
        spool = self.disk.outbox.spool
        wish = kind(agent=self.name, spool=spool, seq=seq, **said)
        with suppress(TimeoutError):
            reply = await self.network.request(self.name, lambda hub: hub.status(wish))
            if isinstance(reply, int):
                self.witness.acked(self.name, reply)
                self.disk.outbox.drop(reply)

    async def say(self, frame: dict[str, Any]) -> None:
        seq = await self.disk.outbox.add(frame)
        self.witness.said(self.name, seq, frame)

    async def _fetch(self) -> None:
        """Fetch the mail, and sign for what was handled."""
        while True:
            await asyncio.sleep(0.7)
            with suppress(TimeoutError):
                await self._fetch_once()

    async def _fetch_once(self) -> None:
        after = self.disk.got
        texts = await self.network.request(
            self.name, lambda hub: hub.mail(self.name, after)
        )
        for text in texts if isinstance(texts, list) else ():
            self.receive(text)
        await self._sign()

    async def _sign(self) -> None:
        inbox = [mail for mail in self.disk.inbox.values() if mail.kind != "task"]
        done = [mail.seq for mail in inbox if mail.state == "handled"]
        dead = [mail.seq for mail in inbox if mail.state == "dead"]
        acked = self.disk.got
        reply = await self.network.request(
            self.name, lambda hub: hub.sign(self.name, acked, done, dead)
        )
        if reply is None:
            for seq in (*done, *dead):
                self.settled(seq)

    def settle(self, mail: Mail) -> None:
        """Say it with the next fetch."""


def _claiming(wish: Claim, wait: float) -> Callable[[str], Call]:
    def keyed(key: str) -> Call:
        def call(hub: Machine) -> Awaitable[object]:
            return hub.claim(wish, key, wait)

        return call

    return keyed
