"""``POST /otlp/v1/metrics`` and ``/logs``: what agents cost and use, in OTLP.

JSON alone is read: an exporter that sends something else is told which setting helps.
Traces are taken and let be, since products send them as soon as telemetry is on.
"""

import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from server.asgi import Reply, RequestError, dumps
from server.auth import Principal
from server.office import Office
from server.otlp.reading import Export, Use, read_logs, read_metrics
from server.otlp.telemetry import AGENT, SESSION
from server.routes import OWN, Call, Route, Run

REMEDY: Final = "set OTEL_EXPORTER_OTLP_PROTOCOL=http/json"

LARGEST: Final = 16 << 20
"""Bytes of an export, as it comes and as it is unpacked."""

LONGEST: Final = 256
"""Characters of the name of an agent or a session."""


class Metrics(TypedDict, total=False):
    """An ExportMetricsServiceRequest."""

    resourceMetrics: list[dict[str, Any]]


class Logs(TypedDict, total=False):
    """An ExportLogsServiceRequest."""

    resourceLogs: list[dict[str, Any]]


class Partial(TypedDict, total=False):
    """How much of an export did not count though it should, and why."""

    rejectedDataPoints: str
    rejectedLogRecords: str
    errorMessage: str


class Taken(TypedDict, total=False):
    """The answer to an export; empty when all is well."""

    partialSuccess: Partial


Rejected = Callable[[int], Partial]


def _taking(read: Callable[[Mapping[str, Any]], Export], rejected: Rejected) -> Run:
    async def run(office: Office, call: Call) -> Reply:
        body = await _body(call)
        export = read(_object(body))
        principal = call.principal
        for use in export.uses:
            if use.agent:
                office.gate.require(principal, use.agent)
        nobodys = await office.telemetry.take(
            export,
            lambda use: _who(principal, use),
            hashlib.sha256(body).hexdigest(),
            len(body),
        )
        return Reply(dumps(Taken(partialSuccess=rejected(nobodys)) if nobodys else {}))

    return run


async def traces(_office: Office, call: Call) -> Reply:
    """Take traces, whatever they are written in, and let them be."""
    async for _ in call.pieces(LARGEST, "nothing: send less at once"):
        pass
    return Reply(b"{}")


def _who(principal: Principal, use: Use) -> str:
    """Say who a number is of: its own token, its name, its session, else nobody."""
    if principal.role == "agent":
        return AGENT + principal.agent
    for prefix, name in ((AGENT, use.agent), (SESSION, use.session)):
        if name:
            return prefix + name if len(name) <= LONGEST else ""
    return ""


def _points(count: int) -> Partial:
    return Partial(rejectedDataPoints=str(count), errorMessage=_why(count))


def _records(count: int) -> Partial:
    return Partial(rejectedLogRecords=str(count), errorMessage=_why(count))


def _why(count: int) -> str:
    return (
        f"{count} numbers are of no agent, or are none: name it with "
        "OTEL_RESOURCE_ATTRIBUTES=swarm.agent=NAME, or use the agent's own token"
    )


# --- what is read --------------------------------------------------------------------


async def _body(call: Call) -> bytes:
    """Read the body, and unpack it if it is packed.

    Raises:
        RequestError: 413 it is too long, 415 it is not JSON, 400 it is damaged.
    """
    kind = call.head.get(b"content-type").partition(";")[0].strip().lower()
    pieces = [piece async for piece in call.pieces(LARGEST, "nothing: export sooner")]
    body = b"".join(pieces)
    if kind != "application/json":
        raise RequestError(
            415, f"the export is called {kind or 'nothing'!r}, not JSON: {REMEDY}"
        )
    packed = call.head.get(b"content-encoding").strip().lower()
    if packed == "gzip":
        return _unpacked(body)
    if packed not in ("", "identity"):
        raise RequestError(
            415, f"the export is packed with {packed!r}: use gzip, or nothing"
        )
    return body


def _unpacked(body: bytes) -> bytes:
    """Unpack a body, but no more of it than is allowed."""
    packed = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        data = packed.decompress(body, LARGEST + 1)
    except zlib.error as error:
        raise RequestError(
            400, f"the export is not gzip ({error}): send it again"
        ) from None
    if len(data) > LARGEST:
        raise RequestError(
            413, f"the export has more than {LARGEST} bytes unpacked: export sooner"
        )
    if not packed.eof:
        raise RequestError(400, "the export ends too early: send it again")
    return data


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, f"the export is not JSON ({error}): {REMEDY}") from None
    if not isinstance(value, dict):
        raise RequestError(400, f"the export is not an object of JSON: {REMEDY}")
    return value


# --- the table -----------------------------------------------------------------------

ROUTES: Final = (
    Route(
        method="POST",
        path="/otlp/v1/metrics",
        run=_taking(read_metrics, _points),
        summary="Metrics in OTLP: what agents cost and how many tokens they use",
        roles=OWN,
        shape=TypeAdapter(Metrics),
        largest=LARGEST,
        reply=Taken,
        tag="telemetry",
    ),
    Route(
        method="POST",
        path="/otlp/v1/logs",
        run=_taking(read_logs, _records),
        summary="Log records in OTLP: the same, from products that tell it there",
        roles=OWN,
        shape=TypeAdapter(Logs),
        largest=LARGEST,
        reply=Taken,
        tag="telemetry",
    ),
    Route(
        method="POST",
        path="/otlp/v1/traces",
        run=traces,
        summary="Traces in OTLP, which are let be",
        roles=OWN,
        takes=("application/json", "application/x-protobuf"),
        largest=LARGEST,
        reply=Taken,
        tag="telemetry",
    ),
)
