"""``/v1/bus``: a connection that publishes and subscribes."""

import asyncio
from time import monotonic
from typing import Any

from pydantic import ValidationError

from agentkit.errors import AgentkitError, SwarmError
from agentkit.transports.events import DEAD, LINK, REQUEUE
from server.asgi import dumps
from server.auth import Principal, allow
from server.limits import Bucket
from server.office import Office
from server.wire import BUS_FRAME, BUS_HELLO, BusEvent
from server.ws import Socket, parse


async def bus_socket(office: Office, socket: Socket) -> None:
    """Serve one connection to the bus until it goes."""
    hello = await socket.hello(BUS_HELLO)
    if hello is None:
        return
    session = Session(office, socket, hello["name"])
    try:
        await session.run()
    finally:
        session.end()


class Session:
    """What is known of a connection to the bus while it lasts."""

    __slots__ = (
        "_bucket",
        "_connection",
        "_member",
        "_office",
        "_principal",
        "_socket",
    )

    def __init__(self, office: Office, socket: Socket, name: str) -> None:
        self._office = office
        self._socket = socket
        self._principal = socket.principal
        self._connection = socket.connection
        self._member = office.bus.enter(
            _named(socket.principal, name), self._connection
        )
        self._bucket = Bucket(office.settings.bus_burst, monotonic())

    async def run(self) -> None:
        """Welcome the connection, then take its frames until it goes."""
        cursor = await self._office.hub.ask(lambda swarm: swarm.cursor)
        self._send(
            {
                "type": "welcome",
                "name": self._member.name,
                "cursor": cursor,
                "largest": self._office.settings.max_frame,
            }
        )
        while (text := await self._next()) is not None:
            frame = parse(BUS_FRAME, text)
            while wait := self._wait():  # noqa: ASYNC110
                await asyncio.sleep(wait)
            await self._office.bus.room()
            await self._connection.drained()
            if _is_letter(frame):
                await self._bury(frame, len(text))
            else:
                self._take(frame, len(text))

    def end(self) -> None:
        """Let the bus know that the connection is gone."""
        self._office.bus.leave(self._member)

    async def _next(self) -> str | None:
        """Wait for the next frame that was not taken in passing."""
        self._connection.on_text = self._take_in_passing
        try:
            return await self._socket.read()
        finally:
            self._connection.on_text = None

    def _take_in_passing(self, text: bytes) -> bool:
        """Take a frame as it arrives, if there is nothing to wait for."""
        if self._office.bus.is_full or self._connection.congested:
            return False
        try:
            frame = BUS_FRAME.validate_json(text)
        except ValidationError:
            return False
        if _is_letter(frame) or self._wait():
            return False
        self._take(frame, len(text))
        return True

    def _wait(self) -> float:
        """Return the seconds until the rate of this connection allows a frame."""
        settings = self._office.settings
        return self._bucket.take(settings.bus_rate, settings.bus_burst, monotonic())

    def _take(self, frame: dict[str, Any], size: int) -> None:
        told: dict[str, Any] = {
            name: frame[name] for name in ("id", "pattern") if name in frame
        }
        try:
            match frame["type"]:
                case "publish":
                    reached = self._publish(frame["event"], size)
                    self._send({"type": "published", **told, "reached": reached})
                case "subscribe":
                    self._office.bus.subscribe(self._member, frame["pattern"])
                    self._send({"type": "subscribed", **told})
                case _:
                    self._office.bus.unsubscribe(self._member, frame["pattern"])
                    self._send({"type": "unsubscribed", **told})
        except SwarmError as refusal:
            self._refuse(told, refusal)

    def _publish(self, said: BusEvent, size: int) -> int:
        allow(self._principal, "operator", "agent")
        if said["name"] == REQUEUE:
            allow(self._principal, "operator")
        if said["name"] == LINK:
            self._office.links.tell("bus", self._member.name, said.get("data", {}))
        event = {"data": {}, "at": self._office.hub.now(), **said}
        event["source"] = self._member.name
        return self._office.bus.publish(event, size)

    async def _bury(self, frame: dict[str, Any], size: int) -> None:
        """Have a letter stored, and only then published and answered.

        It costs what a report does, and counts against the same rate.
        """
        rates = self._office.agent_rates
        told, data = {"id": frame["id"]}, frame["event"].get("data", {})
        try:
            allow(self._principal, "operator", "agent")
            while wait := rates.take(self._member.name, monotonic()):  # noqa: ASYNC110
                await asyncio.sleep(wait)
            await self._office.dead_letters.bury("bus", self._member.name, data, size)
            reached = self._publish(frame["event"], size)
        except AgentkitError as refusal:
            self._refuse(told, refusal)
        else:
            self._send({"type": "published", **told, "reached": reached})

    def _refuse(self, told: dict[str, Any], refusal: AgentkitError) -> None:
        said = {"code": refusal.code, "detail": str(refusal)}
        self._send({"type": "error", **told, **said})

    def _send(self, frame: dict[str, Any]) -> None:
        size = self._connection.send_text(dumps(frame))
        self._office.hub.stats.pushed(1, size)


def _is_letter(frame: dict[str, Any]) -> bool:
    return frame["type"] == "publish" and bool(frame["event"]["name"] == DEAD)


def _named(principal: Principal, name: str) -> str:
    """Return what a connection is called: an agent is nobody else."""
    return principal.agent if principal.role == "agent" else name
