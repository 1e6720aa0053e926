"""Finds in an export of OTLP what counts; the rest of it is nobody's mistake.

An export is JSON as OTLP maps it: whole numbers may be texts, attributes are lists of
keys and values. What is not as it should be is passed over and told of in the answer.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from server.otlp.products import (
    AGENT,
    METERS,
    RECORDS,
    SESSION,
    Counted,
    Meter,
    Record,
    Source,
)

Attributes: TypeAlias = Mapping[str, Any]

CUMULATIVE: Final = (2, "AGGREGATION_TEMPORALITY_CUMULATIVE")
"""How OTLP says that a point is a total since its start, and not what is new."""

SHAPES: Final = ("sum", "histogram", "exponentialHistogram")
"""The kinds of metrics that add up; a gauge does not."""

MOST: Final = 1e12
"""What nobody uses between two exports."""

LONGEST_TIME: Final = 20
"""Digits of a time in nanoseconds: as many as 64 bits have."""

SERVICE: Final = 64
"""Characters of the name of a service that tell it from others."""

VALUES: Final = ("stringValue", "intValue", "doubleValue", "boolValue")


class Series(NamedTuple):
    """What a point that is a total belongs to."""

    key: bytes
    """A digest of what tells one series from the others."""
    start: int
    """When it began, in nanoseconds since 1970 by the sender's clock."""


class Use(NamedTuple):
    """One number that counts, and of whom."""

    agent: str
    """The agent that it names; empty when it names none."""
    session: str
    service: str
    source: Source
    counted: Counted
    amount: float
    series: Series | None = None
    """Of a total; None when the amount is what is new."""


@dataclass
class Export:
    """What counts in an export, and how much of it did not."""

    uses: list[Use] = field(default_factory=list)
    other: int = 0
    """Points or records that tell of something else."""
    bad: int = 0
    """Points or records that should count, and cannot be read."""


def read_metrics(body: Mapping[str, Any]) -> Export:
    """Find what counts in the body of an ExportMetricsServiceRequest."""
    export = Export()
    for resource, entry in _entries(body, "resourceMetrics"):
        for scope in _objects(entry, "scopeMetrics"):
            for metric in _objects(scope, "metrics"):
                _read_metric(export, resource, metric)
    return export


def read_logs(body: Mapping[str, Any]) -> Export:
    """Find what counts in the body of an ExportLogsServiceRequest."""
    export = Export()
    for resource, entry in _entries(body, "resourceLogs"):
        for scope in _objects(entry, "scopeLogs"):
            for record in _objects(scope, "logRecords"):
                _read_record(export, resource, record)
    return export


# --- metrics -------------------------------------------------------------------------


def _read_metric(
    export: Export, resource: Attributes, metric: Mapping[str, Any]
) -> None:
    name = metric.get("name")
    meter = METERS.get(name) if isinstance(name, str) else None
    for shape in SHAPES:
        data = metric.get(shape)
        if not isinstance(data, dict):
            continue
        for point in _objects(data, "dataPoints"):
            if meter is None:
                export.other += 1
                continue
            total = data.get("aggregationTemporality") in CUMULATIVE
            said = {**resource, **_attributes(point)}
            series = _series(str(name), said, point) if total else None
            _read_point(export, said, meter, point, series)


def _read_point(
    export: Export,
    said: Attributes,
    meter: Meter,
    point: Mapping[str, Any],
    series: Series | None,
) -> None:
    counted = meter.kinds.get(str(said.get(meter.by, ""))) if meter.by else meter.all
    amount = _amount(point)
    if counted is None:
        export.other += 1
    elif amount is None:
        export.bad += 1
    else:
        export.uses.append(_use(said, meter.source, counted, amount, series))


def _amount(point: Mapping[str, Any]) -> float | None:
    for name in ("asDouble", "asInt", "sum"):
        if name in point:
            return _number(point[name])
    return None


def _series(name: str, said: Attributes, point: Mapping[str, Any]) -> Series:
    start = _nanoseconds(point.get("startTimeUnixNano"))
    told = orjson.dumps([name, said], option=orjson.OPT_SORT_KEYS)
    return Series(hashlib.blake2b(told, digest_size=16).digest(), start)


# --- logs ----------------------------------------------------------------------------


def _read_record(
    export: Export, resource: Attributes, entry: Mapping[str, Any]
) -> None:
    said = {**resource, **_attributes(entry)}
    record = _record(entry, said)
    if record is None or not _applies(record, said):
        export.other += 1
        return
    for name, counted in record.counts.items():
        if name not in said:
            continue
        amount = _number(said[name])
        if amount is None:
            export.bad += 1
        else:
            export.uses.append(_use(said, "log", counted, amount))


def _record(entry: Mapping[str, Any], said: Attributes) -> Record | None:
    """Return what a record tells, by any of the names that it goes by."""
    names = entry.get("eventName"), said.get("event.name"), _value(entry.get("body"))
    known = (RECORDS.get(name) for name in names if isinstance(name, str))
    return next((record for record in known if record), None)


def _applies(record: Record, said: Attributes) -> bool:
    name, value = record.when
    return not name or said.get(name) == value


# --- both ----------------------------------------------------------------------------


def _use(
    said: Attributes,
    source: Source,
    counted: Counted,
    amount: float,
    series: Series | None = None,
) -> Use:
    session = next((said[name] for name in SESSION if said.get(name)), "")
    return Use(
        agent=str(said.get(AGENT, "")),
        session=str(session),
        service=str(said.get("service.name", ""))[:SERVICE],
        source=source,
        counted=counted,
        amount=amount,
        series=series,
    )


def _entries(
    body: Mapping[str, Any], name: str
) -> Iterator[tuple[Attributes, Mapping[str, Any]]]:
    """Yield what each resource tells, with the attributes of the resource."""
    for entry in _objects(body, name):
        resource = entry.get("resource")
        yield _attributes(resource if isinstance(resource, dict) else {}), entry


def _objects(parent: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    found = parent.get(name)
    for item in found if isinstance(found, list) else ():
        if isinstance(item, dict):
            yield item


def _attributes(parent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that have plain values."""
    return {
        item["key"]: value
        for item in _objects(parent, "attributes")
        if isinstance(item.get("key"), str)
        and (value := _value(item.get("value"))) is not None
    }


def _value(value: object) -> str | float | None:
    """Return a plain value; a list, or an object of several, is none."""
    if isinstance(value, dict):
        for name in VALUES:
            if isinstance(value.get(name), str | int | float):
                plain: str | float = value[name]
                return plain
    return None


def _number(value: object) -> float | None:
    """Return an amount, which may be told as a text; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= MOST else None


def _nanoseconds(value: object) -> int:
    """Return a time as OTLP tells it; 0 when it is none."""
    told = str(value)
    return int(told) if told.isdecimal() and len(told) <= LONGEST_TIME else 0
