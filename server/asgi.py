"""The little of ASGI that every endpoint needs: headers, bodies, answers, refusals."""

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.types import Receive, Scope, Send

from agentkit.errors import AgentkitError

JSON: Final = b"application/json"
PROBLEM: Final = b"application/problem+json"

Headers = tuple[tuple[bytes, bytes], ...]


class RequestError(AgentkitError):
    """A request is refused before it became a wish."""

    def __init__(self, status: int, detail: str, headers: Headers = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


DEFECT: Final = RequestError(
    500, "the hub met an error of its own: its log has the details, send again"
)


class Head:
    """The headers of a request; names are lower case."""

    __slots__ = ("_values", "hosts")

    def __init__(self, scope: Scope) -> None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._values = dict(headers)
        self.hosts = sum(name == b"host" for name, _ in headers)

    def get(self, name: bytes) -> str:
        """Return a header's value, empty when it was not sent."""
        return self._values.get(name, b"").decode("latin-1")


def address_of(scope: Scope) -> str:
    """Return the address that a request came from; empty when it has none."""
    client = scope.get("client")
    return str(client[0]) if client else ""


async def read_body(head: Head, receive: Receive, limit: int) -> bytes:
    """Read a body of JSON of at most `limit` bytes.

    Raises:
        RequestError: 413 it is too long, 415 it says that it is something else.
    """
    chunks = [chunk async for chunk in read_pieces(head, receive, limit, "max_body")]
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if body:
        _check_type(head)
    return body


async def read_pieces(
    head: Head, receive: Receive, limit: int, setting: str
) -> AsyncIterator[bytes]:
    """Read a body of at most `limit` bytes, of any kind, as it comes.

    Args:
        head: the headers of the request.
        receive: gives what comes.
        limit: how many bytes are allowed.
        setting: which setting says so.

    Raises:
        RequestError: 413 it is too long, 400 it ended too early.
    """
    length = head.get(b"content-length")
    if length.isdecimal() and int(length) > limit:
        raise _too_long(int(length), limit, setting)
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError(400, "the body ended too early: send it again")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_long(size, limit, setting)
        yield chunk
        more = message.get("more_body", False)


def _too_long(size: int, limit: int, setting: str) -> RequestError:
    return RequestError(
        413,
        f"the body has {size} bytes or more and {limit} are allowed: shorten it, or "
        f"raise {setting}",
        ((b"connection", b"close"),),
    )


def _check_type(head: Head) -> None:
    kind = head.get(b"content-type").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return
    raise RequestError(
        415,
        f"the body is called {kind or 'nothing'!r}: send JSON with "
        "Content-Type: application/json",
    )


async def respond(
    send: Send, status: int, body: bytes, headers: Headers = (), kind: bytes = JSON
) -> None:
    """Send a whole answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-length", b"%d" % len(body)),
                (b"content-type", kind),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def problem(status: int, code: str, detail: str) -> bytes:
    """Return a problem document (RFC 9457) with the word that clients know it by."""
    return dumps(
        {
            "type": f"urn:swarmtui:problem:{code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "code": code,
        }
    )


CODES: Final[Mapping[int, str]] = {
    400: "bad_request",
    401: "unauthorized",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    415: "unsupported_media_type",
    421: "misdirected",
    422: "invalid",
    429: "too_many",
    431: "too_large",
    503: "hub_unavailable",
    507: "no_room",
}
"""The word for each status that a refusal may have."""


def dumps(value: Any) -> bytes:
    """Return JSON; records and times come out as `agentkit.codec` writes them."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


class Reply:
    """A whole answer, on its way."""

    __slots__ = ("body", "headers", "kind", "status")

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        headers: Headers = (),
        kind: bytes = JSON,
    ) -> None:
        self.body = body
        self.status = status
        self.headers = headers
        self.kind = kind
