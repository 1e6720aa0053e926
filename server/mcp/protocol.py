"""The words of the Model Context Protocol (MCP), in both of its eras; no I/O.

Until 2025-11-25 a client shakes hands (``initialize``) and then calls. From 2026-07-28
on there is no handshake: every request says in ``params._meta`` which version it is
written in, and over HTTP its headers repeat what it is about. What a frame says of
itself decides which era it belongs to, so that one endpoint serves both.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from agentkit.errors import AgentkitError
from server.asgi import Head, RequestError, dumps

HANDSHAKE: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""The versions that begin with a handshake, newest first."""

MODERN: Final = ("2026-07-28",)
"""The versions without one, newest first."""

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
SERVER_KEY: Final = "io.modelcontextprotocol/serverInfo"

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022

NAMED_BY: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The parameter that the header Mcp-Name repeats, by method."""

KEEP: Final = {"ttlMs": 60_000, "cacheScope": "private"}
"""How long a client may keep what it was told: it is told so in the modern era."""

Id: TypeAlias = str | int


class ProtocolError(AgentkitError):
    """A frame is refused before anything was called."""

    def __init__(
        self,
        code: int,
        text: str,
        *,
        status: int = 400,
        id: Id | None = None,  # noqa: A002 - JSON-RPC's word
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.number = code
        self.status = status
        """Of HTTP."""
        self.id = id
        self.data = data

    @property
    def body(self) -> bytes:
        """The answer that tells of it."""
        return error(self.id, self.number, str(self), self.data)


@dataclass(frozen=True, slots=True)
class Frame:
    """A request or a notification of JSON-RPC 2.0."""

    method: str
    params: Mapping[str, Any]
    id: Id | None
    """None is a notification: nobody waits for an answer."""

    @property
    def meta(self) -> Mapping[str, Any]:
        """What it says of itself."""
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}

    @property
    def token(self) -> Id | None:
        """Under which token its progress is wanted; None when it is not."""
        return plain_id(self.meta.get("progressToken"))

    def refuse(
        self,
        code: int,
        text: str,
        *,
        status: int = 400,
        data: Mapping[str, Any] | None = None,
    ) -> ProtocolError:
        """Return the error that answers it."""
        return ProtocolError(code, text, status=status, id=self.id, data=data)


def read_frame(body: bytes) -> Frame:
    """Return the frame that a body is.

    Raises:
        ProtocolError: it is not JSON, or not one request or notification.
    """
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(
            PARSE_ERROR, f"this is not JSON ({error}): send one object"
        ) from None
    if not isinstance(said, dict):
        raise ProtocolError(
            INVALID_REQUEST, "this is not an object: send requests one at a time"
        )
    key = plain_id(said.get("id"))
    wrong = _fault(said, key)
    if wrong:
        raise ProtocolError(INVALID_REQUEST, wrong, id=key)
    return Frame(said["method"], said.get("params") or {}, key)


def _fault(said: dict[str, Any], key: Id | None) -> str:
    """Say why an object is no frame; empty when it is one."""
    if said.get("jsonrpc") != "2.0":
        return 'jsonrpc is not "2.0": send frames of JSON-RPC 2.0'
    if not isinstance(said.get("method"), str):
        return "there is no method: send a request or a notification"
    if "id" in said and key is None:
        return "the id is neither a text nor a whole number: send one that is"
    if not isinstance(said.get("params") or {}, dict):
        return "params is not an object: send them by name"
    return ""


def plain_id(value: object) -> Id | None:
    """Return a value that may be an id, else None; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return value


# --- which era -----------------------------------------------------------------------


def is_modern(frame: Frame, head: Head) -> bool:
    """Say whether a frame belongs to the era without a handshake.

    Raises:
        ProtocolError: it belongs to none that is served here, or contradicts itself.
    """
    header = head.get(b"mcp-protocol-version")
    if frame.method == "initialize":
        return False
    if VERSION_KEY not in frame.meta and header not in MODERN:
        if header and header not in HANDSHAKE:
            raise _unsupported(frame, header)
        return False
    if frame.id is not None:
        _check_envelope(frame, head, header)
    return True


def _check_envelope(frame: Frame, head: Head, header: str) -> None:
    missing = [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in frame.meta]
    if missing:
        raise frame.refuse(
            INVALID_PARAMS, f"params._meta has no {' and no '.join(missing)}: add it"
        )
    version = frame.meta[VERSION_KEY]
    if header != version:
        raise _mismatch(frame, "MCP-Protocol-Version", header)
    if decoded(head.get(b"mcp-method")) != frame.method:
        raise _mismatch(frame, "Mcp-Method", head.get(b"mcp-method"))
    name = frame.params.get(NAMED_BY.get(frame.method, ""))
    if name is not None and decoded(head.get(b"mcp-name")) != name:
        raise _mismatch(frame, "Mcp-Name", head.get(b"mcp-name"))
    if version not in MODERN:
        raise _unsupported(frame, version)


def _mismatch(frame: Frame, name: str, value: str) -> ProtocolError:
    return frame.refuse(
        HEADER_MISMATCH,
        f"the header {name} is {value[:60]!r} and the request says something else: "
        "send what the request says",
    )


def _unsupported(frame: Frame, version: str) -> ProtocolError:
    supported = (*MODERN, *HANDSHAKE)
    return frame.refuse(
        UNSUPPORTED_VERSION,
        f"version {version[:60]!r} is not spoken here: use {supported[0]}",
        data={"supported": supported, "requested": version},
    )


def decoded(header: str) -> str:
    """Return what a header stands for: what is not plain ASCII comes as base64."""
    if not (header.startswith("=?base64?") and header.endswith("?=")):
        return header
    try:
        return base64.b64decode(header[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return header


def negotiated(asked: object) -> str:
    """Return the version for a client that shakes hands and asks for this one."""
    return asked if asked in HANDSHAKE and isinstance(asked, str) else HANDSHAKE[0]


# --- answers -------------------------------------------------------------------------


def answer(
    frame: Frame, result: Mapping[str, Any], *, modern: bool, server: Mapping[str, str]
) -> bytes:
    """Return a result as the answer to a request, in the words of its era."""
    said = dict(result)
    if modern:
        said |= {"resultType": "complete", "_meta": {SERVER_KEY: server}}
    return dumps({"jsonrpc": "2.0", "id": frame.id, "result": said})


def error(id: Id | None, code: int, text: str, data: object = None) -> bytes:  # noqa: A002
    """Return an error as the answer to a request."""
    said = {"code": code, "message": text, **({"data": data} if data else {})}
    return dumps({"jsonrpc": "2.0", "id": id, "error": said})


def at_the_door(refusal: AgentkitError, status: int) -> bytes:
    """Return what is said to whoever was not let in: clients show it to people."""
    code = INTERNAL_ERROR if status >= 500 else INVALID_REQUEST
    text = refusal.detail if isinstance(refusal, RequestError) else str(refusal)
    return error(None, code, text)


def progress(token: Id, done: float, total: float, text: str) -> bytes:
    """Return the notification of how far a request is."""
    params = {
        "progressToken": token,
        "progress": round(done, 1),
        "total": total,
        "message": text,
    }
    return dumps(
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
    )


def event(data: bytes) -> bytes:
    """Return a frame as a server-sent event."""
    return b"event: message\ndata: %b\n\n" % data
