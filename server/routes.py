"""What a route is, and how a request finds its own.

Routes are data: one table dispatches requests, checks roles and describes the API.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

from pydantic import TypeAdapter
from starlette.types import ASGIApp, Receive, Scope

from agentkit.rows import Role
from server.asgi import Head, Reply, RequestError, read_body, read_pieces
from server.auth import Principal
from server.office import Office

Method: TypeAlias = Literal["GET", "HEAD", "POST", "PUT", "DELETE"]
Door: TypeAlias = Literal["webhook", "api", "mcp"]
"""In whose words it refuses."""
Roles: TypeAlias = tuple[Role, ...]

ANYBODY: Final[Roles] = ()
OPERATOR: Final[Roles] = ("operator",)
OWN: Final[Roles] = ("operator", "agent")
WATCH: Final[Roles] = ("operator", "viewer")
ALL: Final[Roles] = ("operator", "viewer", "agent")


class Call:
    """One request: where it goes, who asks, what it says."""

    __slots__ = ("head", "largest", "params", "principal", "receive", "scope")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        head: Head,
        params: dict[str, str],
        largest: int,
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.head = head
        self.params = params
        """What stands in the path."""
        self.largest = largest
        """How many bytes its body may have."""
        self.principal: Principal

    def query(self) -> dict[str, str]:
        """Return what stands behind the question mark; of two, the last counts."""
        text = self.scope["query_string"].decode("latin-1")
        return dict(parse_qsl(text, keep_blank_values=True))

    async def body(self) -> bytes:
        """Read the body.

        Raises:
            RequestError: it is too long, or not called JSON.
        """
        return await read_body(self.head, self.receive, self.largest)

    def pieces(self, limit: int, setting: str) -> AsyncIterator[bytes]:
        """Read a body of any kind as it comes; see `read_pieces`."""
        return read_pieces(self.head, self.receive, limit, setting)

    async def gone(self) -> None:
        """Wait until whoever asked is gone; call it when the body was read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def key(self) -> str:
        """Return the idempotency key as the hub knows it: each token has its own.

        Raises:
            RequestError: it is too long.
        """
        key = self.head.get(b"idempotency-key")
        if len(key) > 256:
            raise RequestError(
                422,
                f"the Idempotency-Key has {len(key)} characters and 256 are allowed: "
                "shorten it",
            )
        return f"{self.principal.token}:{key}" if key else ""


Run: TypeAlias = Callable[[Office, Call], Awaitable[Reply | ASGIApp]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method and a path, who may use it, what it takes and what it runs."""

    method: Method
    path: str
    """With ``{name}`` for segments that are parameters."""
    open_ended: bool = False
    """Whether its last parameter takes all segments that follow, too."""
    run: Run
    summary: str
    roles: Roles = WATCH
    """Who may use it; empty is everybody, without a token."""
    token_in: bytes = b""
    """The header that a token may stand in by itself, in place of Authorization."""
    door: Door = "api"
    shape: TypeAdapter[Any] | None = None
    """The fields it takes: from the path, then the body (POST) or the query."""
    takes: tuple[str, ...] = ()
    """The media types of what it takes, when that is not an object of JSON."""
    largest: int = 0
    """Bytes that its body may have where `max_body` allows fewer."""
    status: int = 200
    also: tuple[int, ...] = ()
    """Other statuses that it may have when all is well."""
    waits: bool = False
    """Whether its answer may take long: it ends when the token does."""
    counts_for: Literal["client", "agent"] = "client"
    """Whose rate it counts against: that of who asks, or of the agent it reports."""
    reply: Any = None
    """The type that its answer has."""
    tag: str = ""


class Routes:
    """Finds the route of a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.table = tuple(routes)
        self._fixed: dict[str, dict[str, Route]] = {}
        self._patterns: dict[tuple[str, ...], dict[str, Route]] = {}
        self._open_ended: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in self.table:
            parts = tuple(route.path.split("/"))
            if route.open_ended:
                self._open_ended.setdefault(parts, {})[route.method] = route
            elif "{" in route.path:
                self._patterns.setdefault(parts, {})[route.method] = route
            else:
                self._fixed.setdefault(route.path, {})[route.method] = route

    def find(self, scope: Scope) -> tuple[dict[str, Route], dict[str, str]]:
        """Return the routes of the path by method, and its parameters.

        Nothing is found for a path that no route has. Segments are read before they are
        unquoted, so that an id may contain a slash. A slash at the end of a path
        without parameters makes no difference.
        """
        path = scope["path"]
        fixed = self._fixed.get(path) or self._fixed.get(path.removesuffix("/"))
        if fixed is not None:
            return fixed, {}
        parts = scope["raw_path"].decode("latin-1").split("/")
        for pattern, methods in self._patterns.items():
            params = _match(pattern, parts)
            if params is not None:
                return methods, params
        for pattern, methods in self._open_ended.items():
            count = len(pattern) - 1
            rest = [*parts[:count], "/".join(parts[count:])]
            params = _match(pattern, rest)
            if params is not None:
                return methods, params
        return {}, {}


def _match(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    params: dict[str, str] = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted[:1] == "{":
            params[wanted[1:-1]] = unquote(part)
        elif wanted != part:
            return None
    return params
