"""Agents that keep a connection; what they say goes through their outbox."""

import asyncio
from typing import Any

import orjson

from agentkit.protocol import Complete, Extend, Fail, Nack
from tests.simulation.agents import LEASE, Agent, Ending, Mail
from tests.simulation.machine import WORN_OUT
from tests.simulation.network import End
from tests.simulation.world import Gone


class Lost(Gone):
    """The connection went away before the answer came."""


class SocketAgent(Agent):
    """Keeps a connection; what it says goes through its outbox."""

    connection: End | None = None

    def live(self) -> None:
        self.connection = None
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._jobs = 0
        self.process.start(self._stay())
        self.process.start(self._work_on())

    # --- the connection ---

    async def _stay(self) -> None:
        while True:
            try:
                await self._session()
            except Gone:
                await asyncio.sleep(self.dice.uniform(0.05, 0.5))

    async def _session(self) -> None:
        end = await self.network.connect(self.process, self.name)
        loop = self.world.loop
        welcomed: asyncio.Future[dict[str, Any]] = loop.create_future()
        gone: asyncio.Future[None] = loop.create_future()
        end.on_frame = lambda text: self._hear(end, welcomed, orjson.loads(text), text)
        end.on_close = lambda code, reason: self._hang_up(gone, code, reason)
        self._send(end, {"type": "hello", "agent": self.name, **self._state()})
        either: list[asyncio.Future[Any]] = [welcomed, gone]
        await asyncio.wait(either, timeout=3.0, return_when=asyncio.FIRST_COMPLETED)
        if welcomed.done() and not gone.done():
            self._resume(end, welcomed.result()["accepted"])
            await gone
        end.close(1000, "")
        raise Lost

    def _state(self) -> dict[str, Any]:
        return {
            "spool": self.disk.outbox.spool,
            "got": self.disk.got,
            "capabilities": self.skills,
        }

    def _resume(self, end: End, accepted: int) -> None:
        """Go on where the hub is."""
        outbox = self.disk.outbox
        if not outbox.stored <= accepted <= outbox.last:
            self.world.accuse(
                "I1", f"{self.name} had {outbox.stored} acknowledged, not {accepted}"
            )
        outbox.drop(accepted)
        self.connection = end
        for seq, report in outbox.after(accepted):
            self._send(end, {**report, "seq": seq})
        for mail in self.disk.inbox.values():
            self.settle(mail)

    def _hang_up(self, gone: "asyncio.Future[None]", code: int, reason: str) -> None:
        self.connection = None
        if code not in (1006, 1012, 4409):
            self.world.accuse("defect", f"{self.name} was hung up on: {code} {reason}")
        for answer in self._asked.values():
            answer.set_exception(Lost())
        self._asked.clear()
        if not gone.done():
            gone.set_result(None)

    def _hear(
        self,
        end: End,
        welcomed: "asyncio.Future[dict[str, Any]]",
        frame: dict[str, Any],
        text: bytes,
    ) -> None:
        match frame["type"]:
            case "welcome":
                welcomed.set_result(frame)
            case "ack":
                self.witness.acked(self.name, frame["seq"])
                self.disk.outbox.drop(frame["seq"])
            case "mail":
                self.receive(text)
                self._send(end, {"type": "ack", "upto": frame["seq"]})
            case "settled":
                self.settled(frame["seq"])
            case "claimed" | "extended" | "error":
                answer = self._asked.pop(frame["id"], None)
                if answer is not None:
                    answer.set_result(frame)
            case "revoked":
                self.lost.add(frame["fence"])

    def _send(self, end: End, frame: dict[str, Any]) -> None:
        end.send(orjson.dumps(frame))

    # --- what it says ---

    async def say(self, frame: dict[str, Any]) -> None:
        """Put something into the outbox, and send it if there is a connection."""
        seq = await self.disk.outbox.add(frame)
        self.witness.said(self.name, seq, frame)
        if self.connection is not None:
            self._send(self.connection, {**frame, "seq": seq})

    async def _ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its answer.

        Raises:
            Lost: there is no connection, or not any more.
        """
        if self.connection is None:
            raise Lost
        self._number += 1
        answer: asyncio.Future[dict[str, Any]] = self.world.loop.create_future()
        self._asked[self._number] = answer
        self._send(self.connection, {**frame, "id": self._number})
        return await answer

    def settle(self, mail: Mail) -> None:
        if self.connection is None or mail.state not in ("handled", "dead"):
            return
        if mail.kind == "task" and mail.state == "handled":
            mail.state = "settled"  # The hub settles it with the task.
            return
        frame = {"type": "done", "seq": mail.seq, "confirm": True}
        if mail.state == "dead":
            frame |= {"type": "dead", "reason": WORN_OUT}
        self._send(self.connection, frame)

    # --- what it does ---

    async def _work_on(self) -> None:
        while True:
            tasks = self.dice.choice((1, 1, 2))
            claim = {"type": "claim", "tasks": tasks, "lease": LEASE, "wait": True}
            try:
                found = await self._ask(claim)
            except Lost:
                await asyncio.sleep(0.2)
                continue
            if found["type"] == "error":
                await asyncio.sleep(0.2)
            for task in found.get("tasks", ()):
                await self.work(task)

    async def begin(self, task: str) -> None:
        """Claim it by name; somebody who only reports says that it has begun."""
        if self.name == "agent1":
            await self._report_on(task)
            return
        while True:
            try:
                claim = {"type": "claim", "task": task, "lease": LEASE}
                found = await self._ask(claim)
            except Lost:
                await asyncio.sleep(0.2)
                continue
            if found["type"] == "claimed" or found["status"] != 503:
                for leased in found.get("tasks", ()):
                    await self.work(leased)
                return

    async def _report_on(self, task: str) -> None:
        said = {"type": "notify", "task": task, "message": ""}
        await self.say({**said, "report": "busy"})
        await asyncio.sleep(self.dice.uniform(0.1, 1.0))
        await self.say({**said, "report": "completed"})

    async def extend(self, wish: Extend) -> None:
        try:
            said = {"task": wish.task, "fence": wish.fence, "progress": wish.progress}
            await self._ask({"type": "extend", **said})
        except Lost:
            return

    async def finish(self, wish: Ending) -> None:
        frame: dict[str, Any] = {"task": wish.task, "fence": wish.fence}
        match wish:
            case Complete():
                frame |= {"type": "complete", "result": wish.result}
            case Fail():
                frame |= {"type": "fail", "reason": wish.reason, "final": wish.final}
            case Nack():
                frame |= {"type": "nack"}
        delay = getattr(wish, "delay", None)
        await self.say(frame if delay is None else {**frame, "delay": delay})
