"""CloudEvents 1.0 on the webhook endpoints: the same payload, as the data of an event.

An event comes structured (`application/cloudevents+json`) or binary (its attributes in
headers that begin with ``ce-``, the data as the body). Its source and id make it one:
sent again it has no second effect. Its subject names the agent, and its time is the
timestamp, where the data leaves them out.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from agentkit.errors import Invalid
from server.asgi import Head, RequestError, dumps
from server.routes import Call
from server.wire import is_plain

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
VERSION: Final = "1.0"
REQUIRED: Final = ("specversion", "id", "source", "type")
OPTIONAL: Final = ("subject", "time")


@dataclass(frozen=True, slots=True)
class Said:
    """What a request to a webhook endpoint says."""

    body: bytes
    """The payload."""
    key: str
    """Its idempotency key; empty when it has none."""
    size: int
    """Bytes that came over the wire."""
    subject: str = ""
    time: str = ""

    @property
    def payload(self) -> bytes:
        """The payload, with what the event tells beside it."""
        beside = {"session_id": self.subject, "timestamp": self.time}
        told = {name: value for name, value in beside.items() if value}
        if not told:
            return self.body
        data = _object(self.body) if self.body else {}
        return self.body if data is None else dumps({**told, **data})

    def query(self, query: Mapping[str, str]) -> dict[str, str]:
        """Return a query that names the agent, if nothing else does."""
        data = _object(self.body) or {}
        if not self.subject or "session_id" in data:
            return dict(query)
        return {"session_id": self.subject, **query}


async def hear(call: Call) -> Said:
    """Read a request, whether it carries an event or the payload alone.

    Raises:
        RequestError: 413 it is too long, 415 it is not JSON, or several events.
        Invalid: it is no event as CloudEvents describes one.
    """
    kind = call.head.get(b"content-type").partition(";")[0].strip().lower()
    if kind == BATCH:
        raise RequestError(
            415, f"the body is called {BATCH!r}: send each event in its own request"
        )
    if call.head.get(b"ce-specversion") and kind != STRUCTURED:
        body = await (call.body() if kind else _untyped(call))
        return _event(call, _binary(call.head), body, len(body))
    body = await call.body()
    if kind == STRUCTURED:
        told = _structured(body)
        return _event(call, told, _data(told), len(body))
    return Said(body, call.key(), len(body))


def _event(call: Call, told: Mapping[str, Any], data: bytes, size: int) -> Said:
    for name in (*REQUIRED, *OPTIONAL):
        value = told.get(name)
        if not isinstance(value, str | None) or (name in REQUIRED and not value):
            raise Invalid(
                f"the event's {name} is {value!r}: CloudEvents {VERSION} wants a text"
            )
    if told["specversion"] != VERSION:
        raise Invalid(
            f"the event is one of CloudEvents {told['specversion']}: send {VERSION}"
        )
    return Said(
        body=data,
        key=_key(call, told["source"], told["id"]),
        size=size,
        subject=told.get("subject") or "",
        time=told.get("time") or "",
    )


def _key(call: Call, source: str, number: str) -> str:
    """Return the idempotency key of an event: each token and endpoint has its own."""
    name = json.dumps([call.scope["path"], source, number])
    return f"{call.principal.token}:ce:{hashlib.sha256(name.encode()).hexdigest()}"


# --- how events come -----------------------------------------------------------------


def _structured(body: bytes) -> dict[str, Any]:
    told = _object(body)
    if told is None:
        raise Invalid(
            "the body is no event as JSON: send an object with specversion, id, "
            "source, type and data"
        )
    return told


def _data(told: Mapping[str, Any]) -> bytes:
    packed = told.get("data_base64")
    if packed is None:
        return dumps(told["data"]) if told.get("data") is not None else b""
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Invalid(
            "the event's data_base64 is not base64: send the payload as data"
        ) from None


async def _untyped(call: Call) -> bytes:
    """Read data that is called nothing, which in an event is JSON.

    No web page can send it so: the headers of an event are not among those that a page
    may set without being asked.
    """
    pieces = [piece async for piece in call.pieces(call.largest, "max_body")]
    return b"".join(pieces)


def _binary(head: Head) -> dict[str, str]:
    names = (*REQUIRED, *OPTIONAL)
    told = {name: unquote(head.get(f"ce-{name}".encode())) for name in names}
    return {name: value for name, value in told.items() if value}


def _object(body: bytes) -> dict[str, Any] | None:
    """Return an object of JSON; None when it is something else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and is_plain(value) else None
