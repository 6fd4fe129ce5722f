"""Log records of OpenTelemetry: read from the JSON form of OTLP, and made into events.

Pure. The protobuf form is read in `otlp_wire`; both make the same records. Numbers of 64 bits are texts or numbers,
bytes are base64, ids of traces hexadecimal, members that are not known are not heeded (OTLP 1.x, JSON Protobuf
encoding).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from whodid.canonical import from_micros
from whodid.errors import InvalidEvent
from whodid.model import Severity
from whodid.server.bodies import Refused
from whodid.server.compat.saying import MOST_MESSAGES, Arrived, Said, make_event, nested

__all__ = ["Record", "bound", "make_events", "read_json"]

_NUMBER = re.compile(r"-?[0-9]{1,20}")
_BEYOND = 1 << 64  # times are fixed64
_WARNING, _FATAL = 13, 21


class Record(Struct, frozen=True, kw_only=True):
    """One log record and what its envelopes say.

    Args:
        resource: Attributes of what it comes from.
        scope: Name and version of the library that wrote it.
        time: Nanoseconds since 1970, by the clock of the source; 0 for unknown.
        observed: The same by the clock of whatever collected it.
        severity: 1 to 24, 0 for unknown.
        trace, span: Hexadecimal; empty for none.
    """

    resource: dict[str, Any]
    scope: dict[str, str]
    time: int
    observed: int
    severity: int
    severity_text: str
    event_name: str
    body: Any
    attributes: dict[str, Any]
    trace: str
    span: str


def read_json(data: bytes) -> list[Record | InvalidEvent]:
    """Read the body of a request.

    Raises:
        Refused: It is no JSON of the form that is described, or holds too many records.
    """
    try:
        said = msgspec.json.decode(data)
        if nested(said, 64):
            raise _unreadable()
        records: list[Record | InvalidEvent] = []
        for resource, scope, record in _walked(said):
            bound(len(records) + 1)
            records.append(_read(resource, scope, record))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, ValueError):
        raise _unreadable() from None
    return records


def bound(*counts: int) -> None:
    """Refuse a request that holds too many records, or too many groups of them.

    Raises:
        Refused: 413.
    """
    if max(counts) > MOST_MESSAGES:
        raise Refused(413, f"There are more than {MOST_MESSAGES:,} records", "Send several requests")


def _unreadable() -> Refused:
    return Refused(400, "The body is no ExportLogsServiceRequest in JSON", "Send it as OTLP describes")


def _walked(said: Any) -> Iterator[tuple[dict[str, Any], dict[str, str], Any]]:
    groups = 0
    for group in _list(_object(said), "resourceLogs"):
        groups += 1 + len(_list(_object(group), "scopeLogs"))
        bound(groups)
        resource = _attributes(_object(_object(group).get("resource") or {}))
        for inner in _list(group, "scopeLogs"):
            named = _object(_object(inner).get("scope") or {})
            scope = {name: _text(named, name) for name in ("name", "version") if named.get(name)}
            for record in _list(inner, "logRecords"):
                yield resource, scope, record


def _read(resource: dict[str, Any], scope: dict[str, str], said: Any) -> Record | InvalidEvent:
    try:
        record = _object(said)
        return Record(
            resource=resource,
            scope=scope,
            time=_number(record, "timeUnixNano"),
            observed=_number(record, "observedTimeUnixNano"),
            severity=_number(record, "severityNumber"),
            severity_text=_text(record, "severityText"),
            event_name=_text(record, "eventName"),
            body=_value(record.get("body")),
            attributes=_attributes(record),
            trace=_text(record, "traceId").lower(),
            span=_text(record, "spanId").lower(),
        )
    except TypeError as error:
        return InvalidEvent("", f"The record cannot be read: {error}", "Send it as OTLP describes")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("an object is missing")
    return value


def _list(holder: dict[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    if not isinstance(value, list | None):
        raise TypeError(f"{name} is no list")
    return value or []


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str | None):
        raise TypeError(f"{name} is no text")
    return value or ""


def _number(holder: dict[str, Any], name: str) -> int:
    value = holder.get(name) or 0
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is no number")
    return value


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    pairs = [_object(one) for one in _list(holder, "attributes")]
    return {_text(one, "key"): _value(one.get("value")) for one in pairs}


def _value(said: Any) -> Any:
    """Return a value without its wrapping."""
    if said is None:
        return None
    for kind, inner in _object(said).items():
        match kind:
            case "stringValue" | "bytesValue":
                return _text(said, kind)
            case "boolValue":
                return inner
            case "intValue":
                return _number(said, kind)
            case "doubleValue":
                return inner  # NaN and the infinities are texts
            case "arrayValue":
                return [_value(one) for one in _list(_object(inner), "values")]
            case "kvlistValue":
                pairs = [_object(one) for one in _list(_object(inner), "values")]
                return {_text(one, "key"): _value(one.get("value")) for one in pairs}
    return None


def make_events(records: list[Record | InvalidEvent], now: datetime) -> list[Arrived | InvalidEvent]:
    """Return records as events, and for each one that cannot be an event, why.

    Args:
        now: When those happened that do not say when.
    """
    seen: Counter[bytes] = Counter()
    arrived: list[Arrived | InvalidEvent] = []
    for record in records:
        if isinstance(record, InvalidEvent):
            arrived.append(record)
            continue
        try:
            whole = msgspec.to_builtins(record)
            written = msgspec.json.encode(whole)
            arrived.append(make_event(_said(record, whole, seen[written]), now))
            seen[written] += 1
        except InvalidEvent as fault:
            arrived.append(fault)
    return arrived


def _said(record: Record, whole: dict[str, Any], twin: int) -> Said:
    body = record.body if isinstance(record.body, dict) else {}
    service = record.resource.get("service.name")
    at = record.time or record.observed
    if not 0 <= at < _BEYOND:
        raise InvalidEvent("/occurred_at", "The time is no number of 64 bits", "Send nanoseconds since 1970")
    more = {
        "message": None if body else record.body,
        "service": record.resource,
        "scope": record.scope,
        "level": record.severity_text,
        "trace": record.trace,
        "span": record.span,
    }
    return Said(
        product="otlp",
        record=whole,
        speaker=service if isinstance(service, str) and service.strip() else "opentelemetry",
        attributes=body | record.attributes,
        twin=twin,
        at=from_micros(at // 1000) if at else None,
        action=record.event_name,
        severity=_severity(record.severity),
        more=more,
    )


def _severity(number: int) -> Severity | None:
    if number < _WARNING:
        return None
    return "critical" if number >= _FATAL else "warning"
