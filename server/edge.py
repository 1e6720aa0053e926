"""The door: finds the route of a request, checks who asks, answers refusals."""

import logging
from collections.abc import Awaitable, Mapping
from time import perf_counter
from typing import Any, Final, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from agentkit.errors import AgentkitError, SwarmError
from server import webhook
from server.agent_socket import agent_socket
from server.asgi import (
    CODES,
    DEFECT,
    PROBLEM,
    Head,
    Reply,
    RequestError,
    address_of,
    problem,
    respond,
)
from server.auth import WEBHOOK, Principal, allow
from server.bus_socket import bus_socket
from server.coordinator_socket import coordinator_socket
from server.http import ROUTES
from server.mcp.protocol import at_the_door
from server.office import Office
from server.routes import Call, Door, Route, Routes
from server.ws import Endpoint, deny, serve_socket

log = logging.getLogger(__name__)

T = TypeVar("T")

SOCKETS: Final[Mapping[str, Endpoint]] = {
    "/v1/agent": agent_socket,
    "/v1/bus": bus_socket,
    "/v1/coordinator": coordinator_socket,
}


class Edge:
    """The ASGI application: finds the route, checks who asks, answers refusals."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._routes = Routes(ROUTES)
        self._link = office.links.http
        self._open = 0
        """Requests that wait for their answer."""
        self._link.queue = lambda: (self._open, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        reply = await self._answer(scope, receive)
        if isinstance(reply, Reply):
            self._link.tally.published += 1
            self._link.tally.bytes_out += len(reply.body)
            await respond(send, reply.status, reply.body, reply.headers, reply.kind)
        else:
            await reply(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = SOCKETS.get(scope["path"])
        if endpoint is not None:
            await serve_socket(self._office, endpoint, scope, receive, send)
            return
        await receive()
        refusal = self._no_socket(Head(scope))
        self._note(scope, "an unknown WebSocket", refusal)
        await deny(send, refusal)

    def _no_socket(self, head: Head) -> RequestError:
        try:
            self._office.gate.admit(head)
        except RequestError as refusal:
            return refusal
        paths = ", ".join(SOCKETS)
        return RequestError(404, f"no WebSocket is here: there are {paths}")

    async def _answer(self, scope: Scope, receive: Receive) -> Reply | ASGIApp:
        methods, params = self._routes.find(scope)
        door = next(iter(methods.values())).door if methods else _door(scope)
        largest = self._office.settings.max_body
        call = Call(scope, receive, Head(scope), params, largest)
        try:
            route = self._enter(call, methods, door)
            work = route.run(self._office, call)
            if route.waits:
                return await self._office.visits.unless_ended(call.principal, work)
            return await self._timed(call, work)
        except (RequestError, AgentkitError) as error:
            self._note(scope, _name(scope, methods), error)
            return _refuse(door, error)
        except Exception:
            log.exception("a request failed: %s %s", scope["method"], scope["path"])
            return _refuse(door, DEFECT)

    async def _timed(self, call: Call, work: Awaitable[T]) -> T:
        """Do some work, and count how long it takes."""
        begun = perf_counter()
        length = call.head.get(b"content-length")
        self._link.tally.received += 1
        self._link.tally.bytes_in += int(length) if length.isdecimal() else 0
        self._open += 1
        try:
            return await work
        finally:
            self._open -= 1
            self._link.tally.took(perf_counter() - begun)

    def _enter(self, call: Call, methods: dict[str, Route], door: Door) -> Route:
        """Check that it is us who is meant, what is wanted, and who asks."""
        gate, webhook_for = self._office.gate, self._office.settings.webhook
        gate.admit(call.head)
        if not methods or (door == "webhook" and webhook_for == "off"):
            raise _nothing_here(door, call.scope["path"])
        route = methods.get(call.scope["method"])
        if route is None:
            allowed = ", ".join(sorted(methods)).encode()
            raise RequestError(405, "Method Not Allowed", ((b"allow", allowed),))
        call.largest = max(call.largest, route.largest)
        client = address_of(call.scope)
        if door == "webhook" and webhook_for == "open":
            call.principal = WEBHOOK
        elif route.roles:
            call.principal = self._who(call, client, route.token_in)
            client = call.principal.token
            allow(call.principal, *route.roles)
        if route.counts_for == "client":
            self._office.slow_client(client)
        return route

    def _who(self, call: Call, address: str, also: bytes) -> Principal:
        """Return who asks; whoever guesses may not guess without end."""
        try:
            return self._office.gate.who(call.head, also)
        except RequestError:
            self._office.slow_client(address)
            raise

    def _note(self, scope: Scope, what: str, error: AgentkitError) -> None:
        status, _ = _told(error)
        self._office.turn_away(address_of(scope), what, status, str(error))


def _name(scope: Scope, methods: dict[str, Route]) -> str:
    """Say what was wanted, in words of our own: a path may hold anything."""
    path = next(iter(methods.values())).path if methods else "an unknown path"
    return f"{scope['method']} {path}"


def _door(scope: Scope) -> Door:
    return "api" if scope["path"].startswith("/v1") else "webhook"


def _nothing_here(door: Door, path: str) -> RequestError:
    if door == "webhook":
        return RequestError(404, "Not Found")
    return RequestError(404, f"nothing is at {path}: /openapi.json lists what is")


def _refuse(door: Door, error: AgentkitError) -> Reply:
    if door == "webhook":
        status, body = webhook.refusal(error)
        return Reply(body, status, _extra(error))
    status, code = _told(error)
    if door == "mcp":
        return Reply(at_the_door(error, status), status, _extra(error))
    return Reply(problem(status, code, str(error)), status, _extra(error), PROBLEM)


def _told(error: AgentkitError) -> tuple[int, str]:
    if isinstance(error, RequestError):
        return error.status, CODES.get(error.status, "error")
    if isinstance(error, SwarmError):
        return error.http_status, error.code
    return 503, error.code


def _extra(error: AgentkitError) -> Any:
    if isinstance(error, RequestError):
        who = ((b"www-authenticate", b"Bearer"),) if error.status == 401 else ()
        return (*error.headers, *who)
    return () if isinstance(error, SwarmError) else ((b"retry-after", b"1"),)
