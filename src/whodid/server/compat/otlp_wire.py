"""The protobuf form of OTLP logs: requests in, answers out.

The only file that imports protobuf messages.
"""

from __future__ import annotations

import base64
import math
import threading
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from whodid.errors import InvalidEvent
from whodid.server.bodies import Refused
from whodid.server.compat.otlp_records import Record, bound

__all__ = ["read_protobuf", "write_answer"]

# Many empty messages fit into few bytes and take much memory: one request is taken apart at a time, which costs
# nothing, because one interpreter does no more than that anyway.
_reading = threading.Lock()


def read_protobuf(data: bytes) -> list[Record | InvalidEvent]:
    """Read the body of a request.

    Raises:
        Refused: It is no such message, or holds too many records.
    """
    with _reading:
        try:
            request = ExportLogsServiceRequest.FromString(data)
        except DecodeError:
            raise Refused(400, "The body is no ExportLogsServiceRequest", "Send it as OTLP describes") from None
        records: list[Record | InvalidEvent] = []
        groups = 0
        bound(len(request.resource_logs))
        for group in request.resource_logs:
            resource = _pairs(group.resource.attributes)
            groups += 1 + len(group.scope_logs)
            for inner in group.scope_logs:
                bound(groups, len(records) + len(inner.log_records))
                named = {"name": inner.scope.name, "version": inner.scope.version}
                scope = {name: value for name, value in named.items() if value}
                records += [_record(resource, scope, one) for one in inner.log_records]
        return records


def _record(resource: dict[str, Any], scope: dict[str, str], said: Any) -> Record:
    return Record(
        resource=resource,
        scope=scope,
        time=said.time_unix_nano,
        observed=said.observed_time_unix_nano,
        severity=said.severity_number,
        severity_text=said.severity_text,
        event_name=said.event_name,
        body=_value(said.body),
        attributes=_pairs(said.attributes),
        trace=said.trace_id.hex(),
        span=said.span_id.hex(),
    )


def _pairs(pairs: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in pairs}


def _value(said: Any) -> Any:
    match said.WhichOneof("value"):
        case "bytes_value":
            return base64.b64encode(said.bytes_value).decode()
        case "double_value":
            return _double(said.double_value)
        case "array_value":
            return [_value(one) for one in said.array_value.values]
        case "kvlist_value":
            return _pairs(said.kvlist_value.values)
        case None:
            return None
        case kind:
            return getattr(said, kind)


def _double(number: float) -> float | str:
    """Return what JSON can hold, spelt as the JSON form of protobuf does."""
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else "Infinity" if number > 0 else "-Infinity"


def write_answer(rejected: int, message: str) -> bytes:
    """Write the answer to a request that was taken, all of it or a part.

    Args:
        rejected: How many records were not recorded.
        message: Why; empty when there is nothing to say.
    """
    answer = ExportLogsServiceResponse()
    if rejected:
        answer.partial_success.rejected_log_records = rejected
        answer.partial_success.error_message = message
    written: bytes = answer.SerializeToString()
    return written
