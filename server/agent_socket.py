"""``/v1/agent``: one agent's connection. Reports, claims, messages up, mailbox down."""

import asyncio
from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from agentkit.errors import AgentkitError, Conflict, Invalid, NotAllowed, SwarmError
from agentkit.protocol import (
    Ack,
    Claim,
    Complete,
    Done,
    Extend,
    Fail,
    GiveUp,
    Link,
    Logged,
    Nack,
    Notify,
    Numbered,
    ReportRefused,
    Send,
    Spend,
)
from agentkit.rows import Task
from server import spools
from server.asgi import dumps
from server.claims import Claimant
from server.connection import BAD_FRAME, NOT_YOURS, REPLACED, RESTARTING
from server.core import Swarm
from server.errands import ANSWERS, Errands
from server.hub import Outcome
from server.limits import Bucket, cost_of
from server.mailroom import Recipient
from server.office import Office
from server.store.base import StoreError
from server.wire import AGENT_FRAME, AGENT_HELLO, AgentHello, by_the_clock
from server.ws import CloseError, Socket, parse

IN_FLIGHT: Final = 64
"""Reports of one agent that may wait for their COMMIT before more are read."""

CLAIMS: Final = 64
"""Claims of one agent that may wait at the same time."""

ACK: Final = b'{"type":"ack","seq":%d}'

NUMBERED: Final[Mapping[str, type[Numbered]]] = {
    "notify": Notify,
    "spend": Spend,
    "complete": Complete,
    "fail": Fail,
    "nack": Nack,
    "send": Send,
}
"""What comes from an outbox, by the type of its frame."""

RATED: Final = frozenset({*NUMBERED, *ANSWERS, "claim", "extend"})
"""The frames that count against an agent's rate."""

Wish: TypeAlias = Numbered | Ack | Done | GiveUp


async def agent_socket(office: Office, socket: Socket) -> None:
    """Serve one agent until it goes, is replaced, or sends what cannot be read."""
    hello = await socket.hello(AGENT_HELLO)
    if hello is None:
        return
    try:
        office.gate.require(socket.principal, hello["agent"])
    except NotAllowed as refusal:
        raise CloseError(NOT_YOURS, str(refusal)) from None
    office.links.agents.opened(hello["agent"])
    session = Session(office, socket, hello)
    try:
        await session.run()
    finally:
        await session.end()


class Session:
    """What is known of one agent's connection while it lasts."""

    __slots__ = (
        "_acked",
        "_agent",
        "_bucket",
        "_claimants",
        "_connection",
        "_errands",
        "_flying",
        "_hello",
        "_office",
        "_recipient",
        "_socket",
        "_stored",
    )

    def __init__(self, office: Office, socket: Socket, hello: AgentHello) -> None:
        self._office = office
        self._socket = socket
        self._hello = hello
        self._agent = hello["agent"]
        self._connection = socket.connection
        self._recipient = Recipient(self._agent, socket.connection, hello.get("got", 0))
        self._bucket = Bucket(office.settings.agent_burst, monotonic())
        self._flying: set[asyncio.Future[Outcome[Any]]] = set()
        self._claimants: dict[int | str, Claimant] = {}
        self._errands = Errands(office.hub, self._agent, self._send, self._sorry)
        self._stored = self._acked = 0

    async def run(self) -> None:
        """Welcome the agent, then take its frames until it goes."""
        await self._welcome()
        while (text := await self._next()) is not None:
            frame = parse(AGENT_FRAME, text)
            while wait := self._wait(frame):  # noqa: ASYNC110
                await asyncio.sleep(wait)
            self._take(frame, len(text))
            if len(self._flying) >= IN_FLIGHT:
                await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)

    async def end(self) -> None:
        """Let the hub know that the connection is gone, unless a newer one is there."""
        for claimant in tuple(self._claimants.values()):
            self._office.claims.leave(claimant)
        if self._flying:
            await asyncio.wait(self._flying)
        await self._errands.end()
        reason = self._connection.end or "its connection ended"
        await self._office.mailroom.leave(self._recipient, reason)

    # --- the beginning ---

    async def _welcome(self) -> None:
        """Take the seat first, so that an older connection cannot unlink this one."""
        hub, mailroom = self._office.hub, self._office.mailroom
        older = mailroom.enter(self._recipient)
        if older is not None:
            older.close(
                REPLACED, f"a newer connection of agent {self._agent!r} is open"
            )
        await hub.submit(
            Link(
                agent=self._agent,
                capabilities=self._hello.get("capabilities"),
                guarantee=self._hello.get("guarantee", "at-least-once"),
            )
        )
        await spools.accepted(hub, self._agent, self._hello["spool"])
        cursor, self._stored = await hub.ask(self._look)
        self._acked = self._stored
        self._send(
            {
                "type": "welcome",
                "agent": self._agent,
                "cursor": cursor,
                "now": hub.now(),
                "accepted": self._stored,
                "swarm": hub.rules.swarm,
                "store": hub.store.identity,
            }
        )
        if self._recipient.handed:
            await hub.submit(Ack(agent=self._agent, upto=self._recipient.handed))
        await mailroom.catch_up(self._recipient)

    def _look(self, swarm: Swarm) -> tuple[int, int]:
        """See how far the agent's outbox was accepted, and whether `got` can be."""
        mine = self._office.hub.store.identity
        if self._hello.get("store", mine) != mine or (
            self._recipient.handed > swarm.cursor
        ):
            # It speaks of the mailbox of another hub: here it begins anew.
            self._recipient.handed = 0
        spool = swarm.spools.get((self._agent, self._hello["spool"]))
        return swarm.cursor, spool.accepted if spool else 0

    # --- what comes up ---

    async def _next(self) -> str | None:
        """Wait for the next frame that was not taken in passing."""
        self._connection.on_text = self._take_in_passing
        try:
            return await self._socket.read()
        finally:
            self._connection.on_text = None

    def _take_in_passing(self, text: bytes) -> bool:
        """Take a frame as it arrives, if there is nothing to wait for or to refuse."""
        if len(self._flying) >= IN_FLIGHT:
            return False
        try:
            frame = AGENT_FRAME.validate_json(text)
        except ValidationError:
            return False
        if self._wait(frame):
            return False
        self._take(frame, len(text))
        return True

    def _wait(self, frame: dict[str, Any]) -> float:
        """Return the seconds until the agent's rate allows a frame."""
        if frame["type"] not in RATED:
            return 0.0
        settings = self._office.settings
        rate, burst = settings.agent_rate, settings.agent_burst
        cost = cost_of(frame.get("to", ""), self._office.hub.agents)
        return self._bucket.take(rate, burst, monotonic(), cost)

    def _take(self, frame: dict[str, Any], size: int) -> None:
        match frame.pop("type"):
            case kind if kind in NUMBERED:
                self._take_numbered(kind, frame, size)
            case kind if kind in ANSWERS:
                self._errands.begin(kind, frame, size)
            case "ack":
                self._fly(Ack(agent=self._agent, **frame), size)
            case "done":
                confirm = frame.pop("confirm", False)
                self._fly(Done(agent=self._agent, **frame), size, confirm=confirm)
            case "dead":
                confirm = frame.pop("confirm", False)
                self._fly(GiveUp(agent=self._agent, **frame), size, confirm=confirm)
            case "claim":
                self._claim(frame.pop("id"), frame, size)
            case "unclaim":
                self._unclaim(frame["id"])
            case "extend":
                self._extend(frame.pop("id"), frame, size)
            case _:
                self._connection.end = "it said goodbye"

    def _take_numbered(self, kind: str, frame: dict[str, Any], size: int) -> None:
        fields = {"agent": self._agent, "spool": self._hello["spool"], **frame}
        if kind == "notify":
            fields["via"] = "ws"
        elif kind == "spend":
            fields["told"] = True
        elif kind == "send":
            fields = by_the_clock(fields, self._office.hub.now())
        else:
            self._office.revocations.let_go(frame["task"], self._agent, frame["fence"])
        self._fly(NUMBERED[kind](**fields), size)

    def _fly(self, wish: Wish, size: int, *, confirm: bool = False) -> None:
        """Begin something without waiting; the hub keeps the order of what began."""
        answer = self._office.hub.post(wish, size=size)
        self._flying.add(answer)
        self._office.links.agents.time(answer)
        answer.add_done_callback(partial(self._land, wish, confirm))

    def _land(
        self, wish: Wish, confirm: bool, answer: asyncio.Future[Outcome[Any]]
    ) -> None:
        """Close the connection when a frame has no effect: nothing may follow it."""
        self._flying.discard(answer)
        match answer.exception():
            case None if isinstance(wish, Numbered):
                self._report_landed(wish.seq, answer.result().events)
            case None:
                self._settle(wish, confirm)
            case Conflict() if not isinstance(wish, Numbered):
                # A task is done when its report says so: this came early, and yet
                # the agent need not say it again.
                self._settle(wish, confirm)
            case SwarmError() as refusal:
                self._connection.close(BAD_FRAME, str(refusal))
            case StoreError() as failure:
                self._connection.close(RESTARTING, str(failure))
            case defect:
                raise defect

    def _report_landed(self, seq: int, events: tuple[Logged, ...]) -> None:
        match events:
            case (Logged(_, ReportRefused() as refused), *_):
                self._refuse(refused)
        if self._stored == self._acked:
            asyncio.get_running_loop().call_soon(self._acknowledge)
        self._stored = max(self._stored, seq)

    # --- claims and leases ---

    def _extend(self, request: int | str, frame: dict[str, Any], size: int) -> None:
        wish = Extend(agent=self._agent, **frame)
        answer = self._office.hub.post(
            wish, read=lambda swarm, _: swarm.tasks.get(wish.task), size=size
        )
        self._flying.add(answer)
        answer.add_done_callback(partial(self._extended, request))

    def _extended(
        self, request: int | str, answer: asyncio.Future[Outcome[Task | None]]
    ) -> None:
        self._flying.discard(answer)
        match answer.exception():
            case None:
                task = answer.result().value
                self._send({"type": "extended", "id": request, "task": task})
            case AgentkitError() as refusal:
                self._sorry(request, refusal)
            case defect:
                raise defect

    def _claim(self, request: int | str, frame: dict[str, Any], size: int) -> None:
        wait = frame.pop("wait", False)
        try:
            self._check_claim(request)
        except SwarmError as refusal:
            self._sorry(request, refusal)
            return
        wish = Claim(agent=self._agent, via="ws", **frame)
        claimant = self._office.claims.enter(wish, wait=wait, size=size)
        self._claimants[request] = claimant
        claimant.answer.add_done_callback(partial(self._claimed, request))

    def _check_claim(self, request: int | str) -> None:
        if request in self._claimants:
            raise Invalid(f"a claim {request!r} is on its way: choose another id")
        if len(self._claimants) >= CLAIMS:
            raise Conflict(f"{CLAIMS} claims wait already: let one be answered first")

    def _unclaim(self, request: int | str) -> None:
        claimant = self._claimants.get(request)
        if claimant is not None:
            self._office.claims.dismiss(claimant)

    def _claimed(self, request: int | str, answer: asyncio.Future[list[Task]]) -> None:
        """Hand the tasks over; those that cannot be are given back."""
        claimant = self._claimants.pop(request)
        if answer.cancelled():
            return
        match answer.exception():
            case None if self._connection.is_open:
                tasks = answer.result()
                self._send({"type": "claimed", "id": request, "tasks": tasks})
                self._office.revocations.check(tasks)
            case None:
                self._office.claims.leave(claimant)
            case AgentkitError() as refusal:
                self._sorry(request, refusal)
            case defect:
                raise defect

    # --- what goes down ---

    def _acknowledge(self) -> None:
        """Tell how far the reports are stored: once for all that one COMMIT took."""
        if self._stored != self._acked:
            self._acked = self._stored
            self._count(self._connection.send_text(ACK % self._acked))

    def _refuse(self, refused: ReportRefused) -> None:
        self._send(
            {
                "type": "refused",
                "seq": refused.seq,
                "code": refused.code,
                "detail": refused.reason,
            }
        )

    def _settle(self, wish: Wish, confirm: bool) -> None:
        if confirm and isinstance(wish, Done | GiveUp):
            self._send({"type": "settled", "seq": wish.seq})

    def _sorry(self, request: int | str, refusal: AgentkitError) -> None:
        status = refusal.http_status if isinstance(refusal, SwarmError) else 503
        self._send(
            {
                "type": "error",
                "id": request,
                "code": refusal.code,
                "status": status,
                "detail": str(refusal),
            }
        )

    def _send(self, frame: dict[str, Any]) -> None:
        self._count(self._connection.send_text(dumps(frame)))

    def _count(self, size: int) -> None:
        self._office.hub.stats.pushed(1, size)
