"""Events through the hub, over its WebSocket ``/v1/bus``."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from agentkit.errors import AgentkitError, Invalid
from agentkit.link import ended, open_link
from agentkit.readers import web_address
from agentkit.settings import Endpoint, KitSettings, endpoint, load
from agentkit.transports.base import Courier
from agentkit.transports.errors import (
    ConnectionError,  # noqa: A004
    PublishError,
    TransportError,
)
from agentkit.transports.events import DEAD, LINK, REQUEUE, Event, is_reserved

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PATIENCE: Final = 2.0
"""Seconds that the hub may take to answer."""

AROUND: Final = 64
"""Bytes of a frame beside the event in it, at most."""

_HTTP: Final[Mapping[str, str]] = {"ws": "http", "wss": "https"}


class HubTransport(Courier):
    """Carries events through a hub, which a dashboard can watch.

    Guarantee: at most once. Who is connected and has subscribed when an event is
    published gets it, in the order in which the hub got it; who is away misses it, and
    whoever does not keep up loses the oldest of what waits at the hub, which tells how
    many (`Metrics.dropped`). `publish` returns when the hub has handed the event on,
    and fails while the hub is away; when it fails in the middle of an exchange, or the
    hub does not answer within 2 s, the event may have been published.

    The hub says who the source of an event is: with an agent's token it is that agent.
    Letters are kept by the hub as well, and can be requeued there.

    Args:
        hub: where it is, or its address; else as the settings say. An address has the
            token, and the certificates, that the settings have for it.
        name: who publishes; made of the host and the process if empty.

    Raises:
        Invalid: the address is not one that a hub can have.
    """

    kind = "hub"

    def __init__(self, hub: Endpoint | str | None = None, *, name: str = "") -> None:
        hub = _address(hub) if hub and isinstance(hub, str) else hub
        url = hub if isinstance(hub, str) else hub.url if hub else ""
        super().__init__(name=name, url=url)
        self._hub = hub
        self._own = [REQUEUE]
        """The reserved subjects that this transport listens to: no ``**`` has them."""
        self._numbers = count(1)
        self._asked: dict[int | str, asyncio.Future[Mapping[str, Any]]] = {}
        """What the hub has not answered yet, by the id or pattern of the answer."""
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def overhear(self, callback: Callable[[Event], None]) -> None:
        """Call back with letters and metrics that other transports tell; for hubs."""
        self._own = [REQUEUE, DEAD, LINK]
        await super().overhear(callback)
        if self._state == "connected":
            await self._listen_to_own()

    # --- The connection ---------------------------------------------------------------

    async def _open(self) -> None:
        hub = self._find()
        self.url = hub.url
        try:
            self._socket = await open_link(hub, "/v1/bus")
            await self._greet(hub, self._socket)
        except BaseException as error:
            await self._close()
            if isinstance(error, AgentkitError):
                raise ConnectionError(str(error)) from None
            raise

    def _find(self) -> Endpoint:
        """Say where the hub is; asked again for each connection.

        Raises:
            ConnectionError: the settings cannot be read.
        """
        if isinstance(self._hub, Endpoint):
            return self._hub
        try:
            kit = load(KitSettings).values
            return endpoint(replace(kit, url=self._hub) if self._hub else kit)
        except AgentkitError as error:
            raise ConnectionError(str(error)) from None

    async def _greet(self, hub: Endpoint, socket: "ClientConnection") -> None:
        """Say who we are, then begin to read.

        Raises:
            HubError: the hub does not want us, or went away.
            ConnectionError: it does not answer.
        """
        from orjson import dumps, loads
        from websockets.exceptions import ConnectionClosed

        try:
            async with asyncio.timeout(PATIENCE):
                hello = dumps({"type": "hello", "name": self.name})
                await socket.send(hello.decode())
                welcome = loads(await socket.recv(decode=False))
            self._largest = welcome["largest"] - AROUND
        except ConnectionClosed as error:
            raise ended(hub, error) from None
        except TimeoutError:
            raise _silent(hub.url) from None
        except (ValueError, LookupError, TypeError) as error:
            raise _senseless(hub.url, error) from None
        self._reader = asyncio.create_task(self._read(hub, socket))
        await self._listen_to_own()

    async def _close(self) -> None:
        reader, self._reader = self._reader, None
        socket, self._socket = self._socket, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if socket is not None:
            with suppress(AttributeError):  # asyncio's, of what closed while it wrote
                await socket.close()
        self._give_up(ConnectionError(f"the connection to {self.url} was closed"))

    async def _read(self, hub: Endpoint, socket: "ClientConnection") -> None:
        """Take in what the hub says until the connection ends."""
        from orjson import dumps, loads
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                frame = loads(await socket.recv(decode=False))
                if frame["type"] == "event":
                    await self._arrived(dumps(frame["event"]))
                else:
                    self._hear(frame)
        except ConnectionClosed as error:
            gone = ConnectionError(str(ended(hub, error)))
        except Exception as error:  # noqa: BLE001 - else nobody would read on
            gone = _senseless(hub.url, error)
        self._give_up(gone)
        self._lost(gone)

    def _hear(self, frame: Mapping[str, Any]) -> None:
        """Take an answer, or the news that something was lost."""
        if frame["type"] == "dropped":
            self._tally.dropped += frame["count"]
            return
        key = frame.get("id", frame.get("pattern"))
        answer = None if key is None else self._asked.get(key)
        if answer is not None and not answer.done():
            answer.set_result(frame)

    def _give_up(self, error: TransportError) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(error)

    # --- Asking -----------------------------------------------------------------------

    async def _send(self, event: Event, payload: bytes) -> None:
        number = next(self._numbers)
        frame = b'{"type":"publish","id":%d,"event":%b}' % (number, payload)
        try:
            answer = await self._ask(number, frame.decode())
        except ConnectionError as error:
            raise PublishError(
                f"{event.name!r} was perhaps not published ({error}): publish it again "
                "when the hub is back, if it may come twice"
            ) from None
        if answer["type"] == "error":
            raise PublishError(str(answer["detail"]))

    async def _listen(self, pattern: str) -> None:
        if not is_reserved(pattern):
            await self._wish("subscribe", pattern)

    async def _unlisten(self, pattern: str) -> None:
        if not is_reserved(pattern):
            await self._wish("unsubscribe", pattern)

    async def _listen_to_own(self) -> None:
        for subject in self._own:
            await self._wish("subscribe", subject)

    async def _wish(self, kind: str, pattern: str) -> None:
        """Subscribe or unsubscribe at the hub.

        Raises:
            ConnectionError: the connection is gone, or the hub refuses.
        """
        from orjson import dumps

        frame = dumps({"type": kind, "pattern": pattern}).decode()
        answer = await self._ask(pattern, frame)
        if answer["type"] == "error":
            raise ConnectionError(str(answer["detail"]))

    async def _ask(self, key: int | str, frame: str) -> Mapping[str, Any]:
        """Send a frame and return the answer that has its key.

        Raises:
            ConnectionError: the connection is gone, or there is no answer in time.
        """
        from websockets.exceptions import ConnectionClosed

        if self._socket is None or self._is_lost:
            raise ConnectionError(f"there is no connection to {self.url}")
        answer = self._asked[key] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._socket.send(frame)
                said: Mapping[str, Any] = await answer
                return said
        except ConnectionClosed:
            raise ConnectionError(f"the connection to {self.url} ended") from None
        except TimeoutError:
            raise _silent(self.url) from None
        finally:
            with suppress(KeyError):
                del self._asked[key]
            if not answer.cancel():  # what became of it is known, if by other means
                _ = answer.cancelled() or answer.exception()


def _silent(url: str) -> ConnectionError:
    return ConnectionError(f"the hub at {url} did not answer within {PATIENCE:g} s")


def _senseless(url: str, error: Exception) -> ConnectionError:
    what = f"{type(error).__name__}: {error}"
    return ConnectionError(
        f"the hub at {url} sent a frame that makes no sense ({what}): check that it "
        "is as new as this client"
    )


def _address(said: str) -> str:
    """Return the address of a hub, for which the scheme of a WebSocket may stand."""
    scheme, colon, rest = said.partition(":")
    try:
        return web_address(_HTTP.get(scheme, scheme) + colon + rest)
    except ValueError as error:  # the address is not named: it may have a password
        raise Invalid(
            f"the url of a hub {error}: write it as in http://127.0.0.1:8765"
        ) from None
