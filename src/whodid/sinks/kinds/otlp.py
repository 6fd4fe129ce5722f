"""OpenTelemetry logs over HTTP, in the JSON encoding of OTLP 1: a record per entry, its body the entry as text."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct, field

from whodid import canonical
from whodid.sinks.formats import JSON_FORMATS
from whodid.sinks.kinds.base import TAKEN, Kind, Message, Opening, Result
from whodid.sinks.kinds.http import OPTIONS, Way
from whodid.sinks.said import said_by

__all__ = ["OTLP"]

_SEVERITIES = {"info": 9, "notice": 10, "warning": 13, "critical": 21}


class _Partial(Struct):
    rejected: int | str = field(default=0, name="rejectedLogRecords")  # 64-bit integers may be text in their JSON
    message: str = field(default="", name="errorMessage")


class _Answer(Struct):
    partial: _Partial | None = field(default=None, name="partialSuccess")


_decoder = msgspec.json.Decoder(_Answer)


class _Otlp:
    """Wraps and posts."""

    def __init__(self, opening: Opening) -> None:
        self._way = Way(opening)
        self._service = opening.option("service", "whodid")
        self._headers = {"Content-Type": "application/json"}
        if opening.secrets:
            self._headers["Authorization"] = f"Bearer {opening.secrets[0]}"

    def send(self, messages: Sequence[Message]) -> Result:
        """Post the messages; what is rejected in part is looked for like what is refused as a whole."""
        scope = {"scope": {"name": "whodid"}, "logRecords": [_record(message) for message in messages]}
        resource = {"attributes": [_attribute("service.name", self._service)]}
        body = msgspec.json.encode({"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]})
        answer = self._way.post(body, self._headers)
        result = answer.result()
        if result.fault:
            return result
        with suppress(msgspec.DecodeError, UnicodeDecodeError, ValueError):
            partial = _decoder.decode(answer.body).partial
            if partial is not None and int(partial.rejected) > 0:
                return Result(fault=f"The receiver rejected records: {said_by(partial.message)}", lasting=True)
        return TAKEN

    def close(self) -> None:
        """Close the connection."""
        self._way.close()


def _record(message: Message) -> dict[str, Any]:
    at = str(canonical.micros(message.at) * 1_000)
    return {
        "timeUnixNano": at,
        "observedTimeUnixNano": at,
        "severityNumber": _SEVERITIES[message.severity],
        "severityText": message.severity,
        "eventName": f"audit.{message.action}",
        "body": {"stringValue": message.body.decode()},
        "attributes": [
            _attribute("event.id", message.id),
            _attribute("whodid.workspace", message.workspace),
            *([] if message.index is None else [_attribute("whodid.index", message.index)]),
        ],
    }


def _attribute(key: str, value: str | int) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}}


OTLP = Kind(
    formats=JSON_FORMATS,
    options={**OPTIONS, "service": "name of the service (whodid)"},
    batch=200,
    most=5_000,
    secret=False,
    open=_Otlp,
)
