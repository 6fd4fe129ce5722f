"""Events as they are sent to Splunk's HTTP Event Collector: read one after the other, and made into ours. Pure."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from whodid.errors import InvalidEvent
from whodid.export.import_.foreign import read_time
from whodid.model import Severity
from whodid.server.bodies import Refused
from whodid.server.compat.saying import MOST_MESSAGES, Arrived, Said, make_event, nested

__all__ = ["Fault", "make_events", "read_events", "read_lines", "sources"]

_SOURCES = ("host", "source", "sourcetype", "index")
_LEVELS: dict[str, Severity] = {
    "notice": "notice",
    "warn": "warning",
    "warning": "warning",
    "error": "warning",
    "critical": "critical",
    "fatal": "critical",
    "alert": "critical",
    "emergency": "critical",
}


class Fault(Exception):
    """An event at fault.

    Args:
        code: Of Splunk's.
        at: Number of the event in its request.
    """

    def __init__(self, code: int, at: int) -> None:
        self.code = code
        self.at = at
        super().__init__(code, at)


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


_raw_decode = json.JSONDecoder(parse_constant=_constant).raw_decode


def read_events(body: bytes, given: Mapping[str, str]) -> list[dict[str, Any]]:
    """Read JSON objects that stand one after the other, with or without space between them.

    Args:
        given: Parameters of the address: what an event does not say itself.

    Raises:
        Fault: The number of the first event that cannot be read.
        Refused: There are too many.
    """
    events: list[dict[str, Any]] = []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Fault(6, 0) from None
    at, end = _skipped(text, 0), len(text)
    while at < end:
        if len(events) == MOST_MESSAGES:
            raise Refused(413, f"There are more than {MOST_MESSAGES:,} events", "Send several requests")
        try:
            event, at = _raw_decode(text, at)
        except (ValueError, RecursionError):
            raise Fault(6, len(events)) from None
        if not isinstance(event, dict):
            raise Fault(6, len(events))
        events.append(sources(given) | event)
        at = _skipped(text, at)
    return events


def _skipped(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def read_lines(body: bytes, given: dict[str, Any]) -> list[dict[str, Any]]:
    """Read lines, each an event; one that is an object with the member `event` is read as that.

    Raises:
        Fault: The lines are not UTF-8.
        Refused: There are too many.
    """
    try:
        lines = [line for line in body.decode().splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise Fault(6, 0) from None
    if len(lines) > MOST_MESSAGES:
        raise Refused(413, f"There are more than {MOST_MESSAGES:,} lines", "Send several requests")
    return [given | _line(line) for line in lines]


def _line(line: str) -> dict[str, Any]:
    if line.lstrip().startswith("{"):
        try:
            said = json.loads(line, parse_constant=_constant)
        except (ValueError, RecursionError):
            return {"event": line}
        if "event" in said:
            return said  # type: ignore[no-any-return]
        return {"event": said}
    return {"event": line}


def sources(given: Mapping[str, str]) -> dict[str, Any]:
    """Return what the address of a request says about all its events."""
    return {name: given[name] for name in (*_SOURCES, "time") if given.get(name)}


def make_events(events: list[dict[str, Any]], now: datetime) -> list[Arrived | InvalidEvent]:
    """Return what was read as events.

    Args:
        now: When those happened that do not say when.

    Raises:
        Fault: One has no event, a time that is none, or fields that are none.
    """
    seen: Counter[str] = Counter()
    arrived: list[Arrived | InvalidEvent] = []
    for at, one in enumerate(events):
        if nested(one):
            raise Fault(6, at)
        written = json.dumps(one, sort_keys=True)
        try:
            arrived.append(make_event(_said(one, at, seen[written]), now))
        except InvalidEvent as fault:
            arrived.append(fault)
        seen[written] += 1
    return arrived


def _said(one: dict[str, Any], at: int, twin: int) -> Said:
    event, fields = one.get("event"), one.get("fields") or {}
    if event is None:
        raise Fault(12, at)
    if event == "" or (isinstance(event, str) and not event.strip()):
        raise Fault(13, at)
    if not isinstance(fields, dict) or any(isinstance(value, dict) for value in fields.values()):
        raise Fault(15, at)
    attributes = dict(event) if isinstance(event, dict) else {}
    level = attributes.pop("log_level", None)
    named = {name: str(one[name]) for name in _SOURCES if one.get(name) is not None}
    return Said(
        product="splunk",
        record=one,
        speaker=named.get("source") or named.get("host") or "splunk",
        attributes=attributes | fields,
        twin=twin,
        at=_time(one.get("time"), at),
        severity=_LEVELS.get(level.lower()) if isinstance(level, str) else None,
        more={"message": None if isinstance(event, dict) else event, "level": level, **named},
    )


def _time(said: Any, at: int) -> datetime | None:
    """Read seconds since 1970, as a number or a text."""
    if said is None:
        return None
    try:
        seconds = float(said) if isinstance(said, str | int | float) and not isinstance(said, bool) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    read = read_time(seconds) if math.isfinite(seconds) else None
    if read is None:
        raise Fault(6, at)
    return read
