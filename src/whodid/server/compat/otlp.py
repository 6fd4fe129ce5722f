"""The route that OpenTelemetry exporters and collectors send log records to (OTLP/HTTP 1.x).

Exporters try again after 503 and drop what they hold after most other errors: whatever may pass by itself is 503 here,
also what is 429 or 500 elsewhere. Records that cannot be recorded are told as a partial success, the rest is kept.
"""

from __future__ import annotations

from typing import Any

from whodid.canonical import encode
from whodid.errors import InvalidEvent, InvalidSetting, WhodidError
from whodid.server.answers import Answer, Call, Handler, answer_json, media_type_of
from whodid.server.bodies import LARGEST_BODY, Refused, unpack_body
from whodid.server.compat.otlp_records import make_events, read_json
from whodid.server.compat.saying import MOST_MESSAGES, settle
from whodid.server.compat.shared import Refusal, Shared, Told, bearer, find_caller, make_buckets, retold

__all__ = ["OTLP"]

_PATH = "/v1/logs"
_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_PASSING = frozenset({408, 429, 500, 502, 504})
_CODES = {400: 3, 401: 16, 403: 7, 413: 8, 415: 3, 503: 14}
_INTERNAL = 13


class OTLP:
    """The routes of one application."""

    def __init__(self, shared: Shared) -> None:
        try:
            from whodid.server.compat import otlp_wire
        except ImportError:
            raise InvalidSetting(
                "Clients of OpenTelemetry need opentelemetry-proto, which is not installed",
                "Run: pip install 'whodid[otlp]'",
            ) from None
        self._wire = otlp_wire
        self._shared = shared
        self._log = shared.log
        self._take = make_buckets(shared, least=MOST_MESSAGES)
        self.handlers = [Handler("POST", _PATH, self._answer, largest=LARGEST_BODY, spoken=_spoken, brings=True)]

    def _answer(self, call: Call) -> Answer:
        asked = media_type_of(call.headers.get("content-type", ""))
        try:
            return self._taken(call, asked)
        except Refusal as refusal:
            return _refused(refusal, asked)
        except Refused as refused:
            return _refused(Refusal(refused.status, f"{refused.fact}. {refused.remedy}."), asked)

    def _taken(self, call: Call, asked: str) -> Answer:
        admitted = find_caller(self._shared, bearer(call), call, "write", route=f"POST {_PATH}")
        if asked not in {_PROTOBUF, _JSON}:
            raise Refusal(415, f"The body is neither {_PROTOBUF} nor {_JSON}. Send one of these.")
        body = unpack_body(call.body, call.headers.get("content-encoding", ""))
        records = read_json(body) if asked == _JSON else self._wire.read_protobuf(body)
        self._take(admitted, max(1, len(records)))
        told = settle(
            self._log,
            admitted.workspace,
            [*make_events(records, self._log.now())],
            whole=False,
            meter=self._shared.meter,
        )
        faults = [(at, one) for at, one in enumerate(told) if one is not None]
        message = _message(*faults[0], len(faults)) if faults else ""
        if asked == _PROTOBUF:
            return Answer(body=self._wire.write_answer(len(faults), message), media_type=_PROTOBUF)
        partial = {"partialSuccess": {"rejectedLogRecords": str(len(faults)), "errorMessage": message}}
        return answer_json(partial if faults else {})


def _message(at: int, fault: WhodidError, count: int) -> str:
    more = f" {count - 1} more were refused." if count > 1 else ""
    place = f"{fault.pointer}: " if isinstance(fault, InvalidEvent) and fault.pointer else ""
    fact = fault.fact.removeprefix(place) if place else fault.fact.removeprefix("The event: ")
    return f"Record {at} was refused: {place}{fact}. {fault.remedy}.{more}"


def _refused(refusal: Refusal, asked: str) -> Answer:
    """Answer with a Status (google.rpc): the code and the message, in the form of the request."""
    status = 503 if refusal.status in _PASSING else refusal.status
    code = _CODES.get(status, _INTERNAL)
    headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"),)
    if status == 503:
        headers = (*headers, ("Retry-After", str(refusal.again or 1)))
    if asked != _PROTOBUF:
        return Answer(status=status, body=encode(_status(code, refusal.fact)), media_type=_JSON, headers=headers)
    message = refusal.fact.encode()
    # Field 1 is a number, field 2 a text; no message here takes more than two bytes to say how long it is.
    length = bytes([len(message) & 0x7F | 0x80, len(message) >> 7]) if len(message) > 0x7F else bytes([len(message)])
    body = b"\x08" + bytes([code]) + b"\x12" + length + message
    return Answer(status=status, body=body, media_type=_PROTOBUF, headers=headers)


def _status(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


@retold
def _spoken(told: Told, answer: Answer, asked: str) -> Answer:
    """Say a problem in the form that exporters read."""
    again = next((int(value) for name, value in answer.headers if name == "Retry-After" and value.isdigit()), None)
    return _refused(Refusal(told.status, told.fact, again=again), asked)
