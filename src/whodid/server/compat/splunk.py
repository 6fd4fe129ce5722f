"""The routes of Splunk's HTTP Event Collector: events, raw lines, health and acknowledgements.

A request is recorded whole or not at all: the answer has room for the number of one event at fault. What may pass by
itself is told as a server that is busy. An acknowledgement is a number that only this server could have given out, and
only for what was durable by then, so that it needs no memory and holds after a restart.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
import secrets
from collections.abc import Callable
from typing import Any

from whodid.errors import StoreError, WhodidError
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.bodies import LARGEST_BODY, Refused, unpack_body
from whodid.server.compat.saying import MOST_MESSAGES, settle
from whodid.server.compat.shared import Refusal, Shared, Told, bearer, find_caller, make_buckets, retold
from whodid.server.compat.splunk_events import Fault, make_events, read_events, read_lines, sources
from whodid.server.gate import Admitted
from whodid.server.signing import mac

__all__ = ["Splunk"]

_BASE = "/services/collector"
_EVENT, _RAW, _HEALTH, _ACK = f"{_BASE}/event", f"{_BASE}/raw", f"{_BASE}/health", f"{_BASE}/ack"
_CHANNEL = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TEXTS = {
    0: "Success",
    2: "Token is required",
    3: "Invalid authorization",
    4: "Invalid token",
    5: "No data",
    6: "Invalid data format",
    8: "Internal server error",
    9: "Server is busy",
    10: "Data channel is missing",
    11: "Invalid data channel",
    12: "Event field is required",
    13: "Event field cannot be blank",
    15: "Error in handling indexed fields",
    16: "Query string authorization is not enabled",
    17: "HEC is healthy",
    18: "HEC is unhealthy, queues are full",
    27: "Request entity too large",
}
_STATUS = {2: 401, 3: 401, 4: 403, 8: 500, 9: 503, 18: 503, 27: 413}
_BUSY = frozenset({408, 429, 503})
_MOST_ACKS = 10_000
_SERIALS = 1 << 21


class _Told(Exception):
    """An answer other than success.

    Args:
        code: Of Splunk's.
        more: Further members of the answer.
    """

    def __init__(self, code: int, more: dict[str, Any] | None = None) -> None:
        self.answer = _answer(code, more)
        super().__init__(code)


class Splunk:
    """The routes of one application."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._log = shared.log
        self._take = make_buckets(shared, least=MOST_MESSAGES)
        self._serial = itertools.count(secrets.randbelow(_SERIALS))
        self.handlers = [
            *(
                Handler(
                    "POST", path, self._guarded(path, self._events), largest=LARGEST_BODY, spoken=_spoken, keeps=True
                )
                for path in (_BASE, _EVENT, f"{_EVENT}/1.0")
            ),
            *(
                Handler(
                    "POST", path, self._guarded(path, self._lines), largest=LARGEST_BODY, spoken=_spoken, keeps=True
                )
                for path in (_RAW, f"{_RAW}/1.0")
            ),
            *(Handler("GET", path, self._health, spoken=_spoken) for path in (_HEALTH, f"{_HEALTH}/1.0")),
            Handler("POST", _ACK, self._guarded(_ACK, self._acks), spoken=_spoken),
        ]

    def _guarded(self, path: str, inner: Callable[[Call, Admitted], Answer]) -> Callable[[Call], Answer]:
        def answer(call: Call) -> Answer:
            try:
                return inner(call, self._admitted(call, path))
            except _Told as told:
                return told.answer
            except Fault as fault:
                return _answer(fault.code, {"invalid-event-number": fault.at})
            except Refused as refused:
                return _answer(27 if refused.status == 413 else 6)
            except Refusal as refusal:
                return _answer(9, again=refusal.again)  # the rate; keys were judged before

        return answer

    def _admitted(self, call: Call, path: str) -> Admitted:
        if any(name == "token" for name, _ in call.query):
            raise _Told(16)
        if not call.headers.get("authorization"):
            raise _Told(2)
        text = bearer(call, "splunk") or _password(bearer(call, "basic"))
        if not text:
            raise _Told(3)
        try:
            return find_caller(self._shared, text, call, "write", route=f"POST {path}", despite=True)
        except Refusal:
            raise _Told(4) from None

    def _events(self, call: Call, admitted: Admitted) -> Answer:
        return self._recorded(call, admitted, read_events(_body(call), dict(call.query)))

    def _lines(self, call: Call, admitted: Admitted) -> Answer:
        return self._recorded(call, admitted, read_lines(_body(call), sources(dict(call.query))))

    def _recorded(self, call: Call, admitted: Admitted, events: list[Any]) -> Answer:
        channel = _channel(call)
        if not events:
            raise _Told(5)
        self._take(admitted, len(events))
        told = settle(
            self._log,
            admitted.workspace,
            [*make_events(events, self._log.now())],
            whole=True,
            meter=self._shared.meter,
            waiting=self._shared.waiting,
        )
        for at, fault in enumerate(told):
            if fault is not None:
                raise _Told(6, {"invalid-event-number": at, "reason": _reason(fault)})
        if channel is None:
            return _answer(0)
        return _answer(0, {"ackId": self._ack(admitted, channel, next(self._serial) % _SERIALS)})

    def _ack(self, admitted: Admitted, channel: str, serial: int) -> int:
        """Return a number of at most 53 bits, which is what every reader of JSON can hold."""
        named = f"{admitted.key.id}\0{channel}\0{serial}".encode()
        return serial << 32 | int.from_bytes(mac(self._shared.secret, "whodid splunk ack 1", named)[:4])

    def _acks(self, call: Call, admitted: Admitted) -> Answer:
        channel = _channel(call)
        if channel is None:
            raise _Told(10)
        asked = read_events(_body(call), {})
        ids = asked[0].get("acks") if len(asked) == 1 else None
        if not isinstance(ids, list) or len(ids) > _MOST_ACKS or not all(type(one) is int for one in ids):
            raise _Told(6)
        known = {str(one): 0 <= one < 1 << 53 and one == self._ack(admitted, channel, one >> 32) for one in ids}
        return answer_json({"acks": known})

    def _health(self, call: Call) -> Answer:
        try:
            self._log.shared_state("splunk_health")
        except StoreError:
            return _answer(18)
        return _answer(17)


def _password(text: str) -> str:
    """Return the password of basic authorization, which is where clients put the token."""
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _body(call: Call) -> bytes:
    body = unpack_body(call.body, call.headers.get("content-encoding", ""))
    if not body.strip():
        raise _Told(5)
    return body


def _channel(call: Call) -> str | None:
    shown = call.headers.get("x-splunk-request-channel") or dict(call.query).get("channel")
    if not shown:
        return None
    if not _CHANNEL.fullmatch(shown):
        raise _Told(11)
    return shown.lower()


def _reason(fault: WhodidError) -> str:
    return f"{fault.fact}. {fault.remedy}."


def _answer(code: int, more: dict[str, Any] | None = None, *, again: int | None = None) -> Answer:
    status = _STATUS.get(code, 200 if code in {0, 17} else 400)
    headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"),)
    if status == 503:
        headers = (*headers, ("Retry-After", str(again or 1)))
    return answer_json({"text": _TEXTS[code], "code": code} | (more or {}), status=status, headers=headers)


@retold
def _spoken(told: Told, _made: Answer, _asked: str) -> Answer:
    """Say a problem in the form that clients read."""
    code = 9 if told.status in _BUSY else 27 if told.status == 413 else 8 if told.status >= 500 else 6
    return _answer(code)
