"""The route that CloudEvents are sent to over HTTP (CloudEvents 1.0, HTTP protocol binding): binary, structured, batch.

A producer makes source and id unique, so both together name an event. The binding has no form for errors: they are
problem documents, as everywhere here, and a batch is recorded whole or not at all.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from whodid.canonical import encode
from whodid.errors import ConflictingEvent, InvalidEvent, WhodidError
from whodid.export.import_.foreign import read_time
from whodid.server.answers import Answer, Call, Handler, media_type_of
from whodid.server.bodies import LARGEST_BODY, MOST_EVENTS, Refused, unpack_body
from whodid.server.compat.saying import Arrived, Said, make_event, nested, settle
from whodid.server.compat.shared import Refusal, Shared, bearer, find_caller, make_buckets
from whodid.server.problems import problem

__all__ = ["CloudEvents"]

_PATH = "/cloudevents"
_STRUCTURED = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"
_VERSIONS = frozenset({"0.3", "1.0"})
_NEEDED = ("id", "source", "specversion", "type")
_KNOWN = frozenset({*_NEEDED, "subject", "time", "datacontenttype", "data", "data_base64"})
_NAME = re.compile(r"[a-z0-9_]{1,100}")
_DOMAIN = re.compile(r"\A(?:ai|app|br|cloud|com|de|dev|es|eu|fr|in|io|net|org|uk)\.[^.]+\.(?=.)")
_VERSION = re.compile(r"\.v[0-9]+\Z")

_Json = Mapping[str, Any]


class CloudEvents:
    """The routes of one application."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._log = shared.log
        self._take = make_buckets(shared, least=MOST_EVENTS)
        self.handlers = [Handler("POST", _PATH, self._answer, largest=LARGEST_BODY, brings=True)]

    def _answer(self, call: Call) -> Answer:
        try:
            admitted = find_caller(self._shared, bearer(call), call, "write", route=f"POST {_PATH}")
            events = _read(call)
            self._take(admitted, max(1, len(events)))
            now = self._log.now()
            told = settle(
                self._log,
                admitted.workspace,
                [_arrived(one, now) for one in events],
                whole=True,
                meter=self._shared.meter,
            )
        except Refusal as refusal:
            return problem(refusal.status, call.request_id, refusal.fact, "", headers=refusal.headers)
        except Refused as refused:
            return problem(refused.status, call.request_id, f"{refused.fact}.", f"{refused.remedy}.")
        return _told(told, call.request_id)


def _told(told: list[WhodidError | None], request_id: str) -> Answer:
    faults = [_fault(at, fault) for at, fault in enumerate(told) if fault is not None]
    if not faults:
        return Answer(status=204)
    status = 422 if any(isinstance(one, InvalidEvent) for one in told) else 409
    kept = "Nothing was recorded." if status == 422 else "The others were recorded."
    fact = f"{len(faults)} of {len(told)} events cannot be recorded: {faults[0]['fault']} {kept}"
    answer = problem(status, request_id, fact, faults[0]["remedy"])
    assert isinstance(answer.body, bytes)  # noqa: S101 - a problem is no stream
    return msgspec.structs.replace(answer, body=encode(msgspec.json.decode(answer.body) | {"errors": faults}))


def _fault(at: int, fault: WhodidError) -> dict[str, Any]:
    told: dict[str, Any] = {"index": at, "fault": f"{fault.fact}.", "remedy": f"{fault.remedy}."}
    if isinstance(fault, InvalidEvent):
        told["pointer"] = fault.pointer
    elif isinstance(fault, ConflictingEvent):
        told["entry"] = fault.index
    return told


def _read(call: Call) -> list[Any]:
    """Return the events of a request as JSON, each still unchecked."""
    body = unpack_body(call.body, call.headers.get("content-encoding", ""))
    media_type = media_type_of(call.headers.get("content-type", ""))
    if media_type == _STRUCTURED:
        return [_json(body)]
    if media_type == _BATCH:
        events = _json(body)
        if not isinstance(events, list):
            raise Refused(400, "The body is no list of events", f"Send one event as {_STRUCTURED}")
        if len(events) > MOST_EVENTS:
            raise Refused(413, f"There are more than {MOST_EVENTS:,} events", "Send several requests")
        return events
    if media_type.startswith("application/cloudevents"):
        raise Refused(415, "The format of the events is not known here", f"Send {_STRUCTURED} or {_BATCH}")
    return [_binary(call.headers, body, media_type)]


def _json(body: bytes) -> Any:
    try:
        said = msgspec.json.decode(body)
        if not nested(said, 64):
            return said
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    raise Refused(400, "The body is not JSON, or nested too deeply", "Send one JSON value in UTF-8")


def _binary(headers: Mapping[str, str], body: bytes, media_type: str) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for name, value in headers.items():
        if name.startswith("ce-"):
            try:
                # Python hands over headers as Latin-1; what is not ASCII in them is percent-encoded.
                event[name.removeprefix("ce-")] = unquote(value, errors="strict")
            except UnicodeDecodeError:
                raise Refused(400, f"The header {name} is not UTF-8 in percent encoding", "Encode it") from None
    if not event:
        raise Refused(415, "The request has neither headers of an event nor a body of events", f"Send {_STRUCTURED}")
    if media_type:
        event["datacontenttype"] = media_type
    if not body:
        return event
    if not media_type or media_type == "application/json" or media_type.endswith("+json"):
        try:
            return event | {"data": _json(body)}
        except Refused:
            if media_type:
                raise
    try:
        return event | {"data": body.decode()}
    except UnicodeDecodeError:
        return event | {"data_base64": base64.b64encode(body).decode()}


def _arrived(event: Any, now: datetime) -> Arrived | InvalidEvent:
    try:
        return make_event(_said(event), now)
    except InvalidEvent as fault:
        return fault


def _said(event: Any) -> Said:
    if not isinstance(event, dict):
        raise InvalidEvent("", "This is no object", "Send a CloudEvent")
    for name in _NEEDED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise InvalidEvent(f"/{name}", "The attribute is missing or no text", "Every CloudEvent needs it")
    if event["specversion"] not in _VERSIONS:
        raise InvalidEvent("/specversion", "The version is not known here", "Send CloudEvents 1.0")
    for name in ("subject", "time", "datacontenttype", "data_base64"):
        if not isinstance(event.get(name), str | None):
            raise InvalidEvent(f"/{name}", "The attribute is no text", "Send text")
    for name in event:
        if not _NAME.fullmatch(name):
            raise InvalidEvent("", "An attribute has a name that is none", "Use small letters and digits")
    at = read_time(event["time"]) if event.get("time") else None
    if event.get("time") and at is None:
        raise InvalidEvent("/time", "This is no time", "Write 2026-01-31T12:00:00Z (RFC 3339)")
    data = _data(event)
    return Said(
        product="cloudevents",
        record=event,
        speaker=event["source"],
        attributes=data if isinstance(data, dict) else {},
        uid=f"{event['source']}\0{event['id']}",
        at=at,
        action=_VERSION.sub("", _DOMAIN.sub("", event["type"])),
        resource_id=event.get("subject") or "",
        more={
            "type": event["type"],
            "source": event["source"],
            "event": event["id"],
            "data": None if isinstance(data, dict) else data,
            "extensions": {name: value for name, value in event.items() if name not in _KNOWN},
        },
    )


def _data(event: _Json) -> Any:
    if event.get("data_base64") is None:
        return event.get("data")
    try:
        raw = base64.b64decode(event["data_base64"], validate=True)
    except (binascii.Error, ValueError):
        raise InvalidEvent("/data_base64", "This is no base64", "Encode the data again") from None
    if "json" in (event.get("datacontenttype") or ""):
        try:
            return _json(raw)
        except Refused:
            raise InvalidEvent("/data_base64", "The data is not JSON, as it says", "Correct the type") from None
    return event["data_base64"]
