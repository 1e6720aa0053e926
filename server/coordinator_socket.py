"""``/v1/coordinator``: a watcher. Snapshot and turns down, commands, questions up."""

import asyncio
import logging
from time import monotonic
from typing import Any, Final

from agentkit.errors import AgentkitError, NotFound
from server.asgi import DEFECT, dumps
from server.auth import allow
from server.connection import NOT_YOURS
from server.office import Office
from server.questions import QUESTIONS, event_frame
from server.runs import WORDS
from server.views import VIEWS, Views
from server.watchers import Watcher
from server.wire import PLAN_BYTES, WATCH_FRAME, WATCH_HELLO, WISHES
from server.ws import CloseError, Socket, parse

IN_FLIGHT: Final = 64
"""Requests of one watcher that are answered at the same time."""

log = logging.getLogger(__name__)


async def coordinator_socket(office: Office, socket: Socket) -> None:
    """Serve one watcher until it goes."""
    if socket.principal.role == "agent":
        raise CloseError(NOT_YOURS, "the token is an agent's: watching takes another")
    hello = await socket.hello(WATCH_HELLO)
    if hello is None:
        return
    if socket.principal.role == "operator":
        socket.connection.widen(PLAN_BYTES)
    watcher = Watcher(office.hub, socket.connection, hello.get("batch_ms", 0))
    desk = Desk(office, socket, watcher)
    try:
        await desk.run()
    finally:
        desk.end()
        office.watchers.remove(watcher)
        watcher.stop()


class Desk:
    """Answers what one watcher requests."""

    __slots__ = ("_office", "_requests", "_socket", "_views", "_watcher")

    def __init__(self, office: Office, socket: Socket, watcher: Watcher) -> None:
        self._office = office
        self._socket = socket
        self._watcher = watcher
        self._views = Views(office, watcher)
        self._requests: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Welcome the watcher, then serve it until it goes."""
        await self._welcome()
        self._office.watchers.add(self._watcher)
        await self._watcher.snapshot()
        while (text := await self._socket.read()) is not None:
            frame = parse(WATCH_FRAME, text)
            if frame["type"] == "snapshot":
                await self._watcher.snapshot()
            else:
                while wait := self._wait():  # noqa: ASYNC110
                    await asyncio.sleep(wait)
                self._begin(frame, len(text))
            if len(self._requests) >= IN_FLIGHT:
                await asyncio.wait(self._requests, return_when=asyncio.FIRST_COMPLETED)
            # Whoever does not read answers is not asked for more questions.
            await self._socket.connection.drained()

    def end(self) -> None:
        """Show the watcher nothing more."""
        self._views.close()

    def _wait(self) -> float:
        """Return the seconds until the rate of its token allows another request."""
        rates = self._office.client_rates
        return rates.take(self._socket.principal.token, monotonic())

    async def _welcome(self) -> None:
        hub = self._office.hub
        cursor = await hub.ask(lambda swarm: swarm.cursor)
        self._send(
            {
                "type": "welcome",
                "cursor": cursor,
                "role": self._socket.principal.role,
                "hub": {
                    "version": hub.version,
                    "started": hub.started,
                    "store": self._office.settings.store,
                    "url": self._office.url,
                    "swarm": hub.rules.swarm,
                },
            }
        )

    def _begin(self, frame: dict[str, Any], size: int) -> None:
        task = asyncio.create_task(self._answer(frame, size))
        self._office.links.watchers.time(task)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _answer(self, frame: dict[str, Any], size: int) -> None:
        reply = {"type": "reply", "id": frame["id"]}
        try:
            result = await self._do(frame, size)
        except AgentkitError as error:
            self._send({**reply, "ok": False, "code": error.code, "detail": str(error)})
        except Exception:
            log.exception("a request failed: %s", frame["do"])
            self._send({**reply, "ok": False, "code": "error", "detail": str(DEFECT)})
        else:
            self._send({**reply, "ok": True, **result})

    async def _do(self, frame: dict[str, Any], size: int) -> dict[str, Any]:
        word, args = frame["do"], frame.get("args", {})
        if word in QUESTIONS:
            return {"result": await QUESTIONS[word].answer(self._office, args)}
        if word in VIEWS:
            return {"result": self._views.show(word, args)}
        if word not in WISHES:
            words = ", ".join((*WISHES, *QUESTIONS, *VIEWS))
            raise NotFound(f"this hub cannot do {word!r}: it knows {words}")
        principal = self._socket.principal
        allow(principal, "operator")
        key = frame.get("key", "")
        key = f"{principal.token}:{key}" if key else ""
        if word in WORDS:
            return await self._do_to_run(word, args, key, size)
        wish = WISHES[word].read(args, principal.name)
        outcome = await self._office.hub.submit(wish, key=key, size=size)
        return {"events": [event_frame(logged) for logged in outcome.events]}

    async def _do_to_run(
        self, word: str, args: dict[str, Any], key: str, size: int
    ) -> dict[str, Any]:
        runs = self._office.runs
        command = await runs.command(word, args, self._socket.principal.name)
        run, events = await runs.submit(command, key=key, size=size)
        return {"run": run, "events": [event_frame(logged) for logged in events]}

    def _send(self, frame: dict[str, Any]) -> None:
        self._watcher.send(dumps(frame))
