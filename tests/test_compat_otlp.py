"""The published OpenTelemetry SDK and exporter, unchanged, against a real server; and what no exporter sends."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import requests
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from starlette.testclient import TestClient

from tests import compatting, serving
from tests.compatting import CompatServer
from tests.serving import HOME, MARIA, SECRET, client
from whodid import Change, Log
from whodid.errors import InvalidSetting, StoreFull, StoreUnavailable
from whodid.server import asgi
from whodid.server.bodies import LARGEST_BODY
from whodid.server.compat.otlp_records import read_json
from whodid.server.compat.otlp_wire import read_protobuf
from whodid.server.keys import KeyRing

clock, log, server = serving.clock, serving.log, compatting.server

AT = 1_795_000_000_123_456_789
SENT: dict[str, Any] = {
    "user.id": "usr_1",
    "user.name": "Ana",
    "user.email": "ana@mail.example",
    "resource.type": "invoice",
    "resource.id": "inv_1",
    "client.address": "203.0.113.7",
    "user_agent.original": "Chrome/104",
    "session.id": "ses_1",
    "outcome": "denied",
    "reason": "no budget",
    "before.total": 10,
    "after.total": 12,
    "seats": 3,
}


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client with a key."""
    with client(log, compat=("otlp",)) as opened:
        key = KeyRing(log, HOME, actor=MARIA).create("t").text
        opened.headers["authorization"] = f"Bearer {key}"
        yield opened


def emit(
    server: CompatServer,
    *records: LogRecord,
    key: str | None = None,
    how: Compression | None = None,
    session: requests.Session | None = None,
) -> None:
    """Send records as an application does: through a provider, a batch processor and the exporter."""
    provider = LoggerProvider(resource=Resource({"service.name": "billing"}))
    exporter = OTLPLogExporter(
        endpoint=f"{server.url}/v1/logs",
        headers={"Authorization": f"Bearer {key or server.key}"},
        compression=how,
        session=session,
    )
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("app", "1.0")
    for record in records:
        logger.emit(record)
    provider.force_flush()
    provider.shutdown()


def said(at: int = AT, **more: Any) -> LogRecord:
    """Make a record."""
    values: dict[str, Any] = {"event_name": "invoice.sent", "body": "Sent it", "attributes": SENT} | more
    return LogRecord(timestamp=at, severity_number=SeverityNumber.WARN, severity_text="WARN", **values)


def test_an_event_arrives_whole(server: CompatServer) -> None:
    """Action, actor, resource, change, reason, outcome and context stand where entries have them; the rest is kept."""
    emit(server, said())
    (entry,) = server.entries("invoice.sent")
    assert (entry.actor.type, entry.actor.id, entry.actor.name) == ("user", "usr_1", "Ana")
    assert entry.actor.email == "ana@mail.example"
    assert (entry.resource.type, entry.resource.id) == ("invoice", "inv_1")
    assert entry.changes == (Change(path="total", before=10, after=12),)
    assert (entry.outcome, entry.severity) == ("denied", "warning")
    assert entry.reason is not None
    assert entry.reason.text == "no budget"
    assert entry.context is not None
    assert (entry.context.ip, entry.context.user_agent, entry.context.session) == (
        "203.0.113.7",
        "Chrome/104",
        "ses_1",
    )
    assert entry.details == {
        "attributes": {"seats": 3},
        "message": "Sent it",
        "level": "WARN",
        "scope": {"name": "app", "version": "1.0"},
        "service": {"service.name": "billing"},
    }
    assert entry.occurred_at.isoformat() == "2026-11-18T11:06:40.123456+00:00"


def test_a_plain_log_record_is_what_its_service_says(server: CompatServer) -> None:
    """No name, no attributes: the action is message.logged, service and actor are the service."""
    emit(server, LogRecord(timestamp=AT, body="hello"))
    (entry,) = server.entries("message.logged")
    assert (entry.actor.type, entry.actor.id, entry.resource.type, entry.resource.id) == (
        "system",
        "billing",
        "service",
        "billing",
    )
    assert entry.details is not None
    assert entry.details["message"] == "hello"


def test_a_body_in_our_own_form_is_taken_as_it_is(server: CompatServer) -> None:
    """What an attribute cannot say, an event in the body can."""
    body = {
        "action": "invoice.sent",
        "actor": {"type": "api_key", "id": "k1"},
        "resource": {"type": "invoice", "id": "inv_1"},
        "related": [{"type": "customer", "id": "c1", "rel": "member"}],
    }
    emit(server, said(body=body, attributes={}))
    (entry,) = server.entries("invoice.sent")
    assert entry.actor.type == "api_key"
    assert entry.related[0].id == "c1"
    assert entry.occurred_at.microsecond == 123_456


@pytest.mark.parametrize("how", [None, Compression.Gzip, Compression.Deflate])
def test_every_encoding_of_the_exporter_is_read(server: CompatServer, how: Compression | None) -> None:
    """Plain, gzip and deflate."""
    emit(server, *(said(AT + n) for n in range(50)), how=how)
    assert len(server.entries("invoice.sent")) == 50


@pytest.mark.parametrize("fault", ["429", "503", "cut", "ending"])
def test_what_the_exporter_repeats_is_recorded_once(server: CompatServer, fault: str) -> None:
    """Refused once, or recorded and cut off before the answer: the exporter repeats, and there is one entry each."""
    server.faults = [fault]
    emit(server, said(), said(), said(AT + 1000))
    assert server.requests == 2
    # Two that are the same in one request are two; the request that came again added nothing.
    assert len(server.entries("invoice.sent")) == 3


def test_the_exporter_waits_for_a_store_that_is_away(server: CompatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store fails once: the answer is 503 with Retry-After, and the exporter comes back."""
    real, calls = server.log.record_many, []

    def failing(workspace: str, events: Any) -> Any:
        calls.append(workspace)
        if len(calls) == 1:
            raise StoreFull("The disk is full", "Make room")
        return real(workspace, events)

    monkeypatch.setattr(server.log, "record_many", failing)
    emit(server, said())
    assert len(calls) == 2
    assert len(server.entries("invoice.sent")) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code"), [("full", 503, 14), ("ending", 503, 14), ("busy", 503, 14), ("key", 401, 16)]
)
def test_the_exporter_is_refused_in_protobuf(
    server: CompatServer, monkeypatch: pytest.MonkeyPatch, fault: str, status: int, code: int
) -> None:
    """Whoever refuses, the route or what is around it: a Status (google.rpc), as OTLP/HTTP asks; then it comes back."""
    real = server.log.record_many
    answers: list[requests.Response] = []

    def failing(workspace: str, events: Any) -> Any:
        if fault == "full" and not answers:
            raise StoreFull("The disk is full", "Make room")
        return real(workspace, events)

    def heard(answer: requests.Response, **_: Any) -> None:
        answers.append(answer)
        monkeypatch.setattr("whodid.server.app._MOST_WAITING", 128)

    monkeypatch.setattr(server.log, "record_many", failing)
    server.faults = [fault] if fault == "ending" else []
    if fault == "busy":
        monkeypatch.setattr("whodid.server.app._MOST_WAITING", -1_000)
    session = requests.Session()
    session.hooks["response"].append(heard)
    emit(server, said(), key="wk_false" if fault == "key" else None, session=session)
    assert (answers[0].status_code, answers[0].headers["content-type"]) == (status, "application/x-protobuf")
    told = Status.FromString(answers[0].content)
    assert told.code == code
    assert len(told.message) > 10
    assert ("retry-after" in answers[0].headers) is (status == 503)
    assert len(server.entries("invoice.sent")) == (1 if status == 503 else 0)


def test_what_is_too_large_is_refused_in_the_form_of_the_request(http: TestClient) -> None:
    """Before anybody reads it, too."""
    large = b" " * (LARGEST_BODY + 1)
    answer = http.post("/v1/logs", content=large, headers={"content-type": "application/x-protobuf; v=1"})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/x-protobuf")
    assert Status.FromString(answer.content).code == 8
    answer = http.post("/v1/logs", content=large, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, 8)


def test_one_bad_record_keeps_no_other_out(server: CompatServer) -> None:
    """A record that is too large is told as rejected, the others are recorded, and the exporter is content."""
    emit(server, said(AT + 1), said(AT + 2, attributes={"x": ["y" * 30_000] * 10}), said(AT + 3))
    assert len(server.entries("invoice.sent")) == 2
    assert server.requests == 1


# --------------------------------------------------------------------------------------------------------- by hand


def request(*records: dict[str, Any]) -> dict[str, Any]:
    """Make a body."""
    scopes = [{"scope": {"name": "app"}, "logRecords": list(records)}]
    service = [{"key": "service.name", "value": {"stringValue": "billing"}}]
    return {"resourceLogs": [{"resource": {"attributes": service}, "scopeLogs": scopes}]}


def plain(at: int = AT, **more: Any) -> dict[str, Any]:
    """Make a record."""
    return {"timeUnixNano": str(at), "eventName": "invoice.sent", "severityNumber": 9} | more


def count(log: Log) -> int:
    """Count what was recorded."""
    return sum(entry.action == "invoice.sent" for entry in log.read(HOME))


def test_both_forms_make_the_same_records() -> None:
    """JSON and protobuf of one request are read alike: numbers, bytes, lists, maps and ids."""
    message = ExportLogsServiceRequest()
    group = message.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "billing"
    inner = group.scope_logs.add()
    inner.scope.name = "app"
    record = inner.log_records.add(time_unix_nano=AT, severity_number=17, severity_text="ERROR", event_name="a.b")
    record.trace_id, record.span_id = bytes(range(16)), bytes(range(8))
    record.body.string_value = "text ñ"
    for key, kind, value in (
        ("i", "int_value", -(2**62)),
        ("b", "bool_value", True),
        ("d", "double_value", 1.5),
        ("nan", "double_value", float("nan")),
        ("big", "double_value", float("inf")),
        ("raw", "bytes_value", b"\xff\x00"),
    ):
        setattr(record.attributes.add(key=key).value, kind, value)
    record.attributes.add(key="list").value.array_value.values.add(string_value="x")
    record.attributes.add(key="map").value.kvlist_value.values.add(key="k").value.int_value = 1
    record.attributes.add(key="none")
    told = MessageToDict(message)
    written = told["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
    written |= {"traceId": record.trace_id.hex().upper(), "spanId": record.span_id.hex(), "severityNumber": 17}
    (ours,) = read_protobuf(message.SerializeToString())
    assert read_json(json.dumps(told).encode()) == [ours]


def test_a_partial_success_is_told_in_the_form_of_the_request(http: TestClient, log: Log) -> None:
    """The number of the first record at fault, why, and how many there are."""
    late = plain(1 << 63)
    answer = http.post("/v1/logs", json=request(plain(), late, late))
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "2"
    assert answer.json()["partialSuccess"]["errorMessage"].startswith("Record 1 was refused: /occurred_at: ")
    assert count(log) == 1
    message = ExportLogsServiceRequest()
    message.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=2**63, event_name="invoice.sent")
    headers = {"content-type": "application/x-protobuf"}
    answer = http.post("/v1/logs", content=message.SerializeToString(), headers=headers)
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert ExportLogsServiceResponse.FromString(answer.content).partial_success.rejected_log_records == 1
    assert http.post("/v1/logs", content=b"", headers=headers).content == b""


def test_a_record_with_an_id_of_its_own_is_recorded_once(http: TestClient, log: Log) -> None:
    """log.record.uid is the id, also where there is no time; without either it is there as often as it came."""
    uid = [{"key": "log.record.uid", "value": {"stringValue": "01J"}}]
    for _ in range(2):
        http.post("/v1/logs", json=request(plain(0, attributes=uid)))
    assert count(log) == 1
    for _ in range(2):
        http.post("/v1/logs", json=request(plain(0)))
    assert count(log) == 3


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"authorization": ""}, 401),
        (b"{}", {"authorization": "Bearer wk_no"}, 401),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-encoding": "br"}, 415),
        (b"[]", {}, 400),
        (b'{"resourceLogs": 1}', {}, 400),
        (b"[" * 5000, {}, 400),
        (b"\xff\xff", {"content-type": "application/x-protobuf"}, 400),
        (gzip.compress(bytes(3_000_000)), {"content-encoding": "gzip"}, 413),
        (zlib.compress(bytes(3_000_000)), {"content-encoding": "deflate"}, 413),
        (b" " * (LARGEST_BODY + 1), {}, 413),
    ],
)
def test_refusals_are_statuses_that_exporters_read(
    http: TestClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    """The status says whether to come back, the body is a Status in the form of the request."""
    answer = http.post("/v1/logs", content=body, headers={"content-type": "application/json"} | headers)
    assert answer.status_code == status
    if answer.headers["content-type"] == "application/x-protobuf":
        assert b"Export" in answer.content
        assert answer.content[:3] == b"\x08\x03\x12"
    else:
        assert set(answer.json()) == {"code", "message"}


def test_load_is_always_503(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate that is used up, a store that is away and a mistake of ours: exporters come back after 503 only."""
    key = {"authorization": f"Bearer {KeyRing(log, HOME, actor=MARIA).create('t').text}"}
    with client(log, compat=("otlp",), rate=1) as http:
        many = request(*(plain(AT + n) for n in range(10_000)))
        assert http.post("/v1/logs", json=many, headers=key).status_code == 200
        told = http.post("/v1/logs", json=many, headers=key)
        assert (told.status_code, told.json()["code"]) == (503, 14)
        assert int(told.headers["retry-after"]) >= 1
    with client(log, compat=("otlp",)) as http:
        for error in (StoreUnavailable("away"), StoreFull("full"), RuntimeError("a mistake")):

            def failing(*_: Any, error: Exception = error) -> None:
                raise error

            monkeypatch.setattr(log, "record_many", failing)
            answer = http.post("/v1/logs", json=request(plain()), headers=key)
            assert answer.status_code == 503
            assert 1 <= int(answer.headers["retry-after"]) <= 2


def test_too_many_records_are_refused_whole(http: TestClient, log: Log) -> None:
    """Nothing of more than 10,000 records is recorded."""
    answer = http.post("/v1/logs", json=request(*(plain(AT + n) for n in range(10_001))))
    assert answer.status_code == 413
    message = ExportLogsServiceRequest()
    inner = message.resource_logs.add().scope_logs.add()
    for _ in range(10_001):
        inner.log_records.add()
    headers = {"content-type": "application/x-protobuf"}
    assert http.post("/v1/logs", content=message.SerializeToString(), headers=headers).status_code == 413
    for body, kind in (
        (b"\x0a\x00" * 10_001, "x-protobuf"),
        (json.dumps({"resourceLogs": [{}] * 10_001}).encode(), "json"),
    ):
        answer = http.post("/v1/logs", content=body, headers={"content-type": f"application/{kind}"})
        assert answer.status_code == 413
    assert count(log) == 0


def test_a_key_that_may_not_write_is_refused(http: TestClient, log: Log) -> None:
    """403, with an entry that tells."""
    key = KeyRing(log, HOME, actor=MARIA).create("r", scopes=("read",)).text
    answer = http.post("/v1/logs", json=request(plain()), headers={"authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["code"]) == (403, 7)
    assert [entry.details for entry in log.read(HOME) if entry.action == "api_key.denied"] == [
        {"cause": "scope", "route": "POST /v1/logs"}
    ]


def test_a_server_without_the_extra_says_so(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The door needs opentelemetry-proto; the start fails with the command that installs it."""
    monkeypatch.delitem(sys.modules, "whodid.server.compat.otlp_wire")
    monkeypatch.delattr("whodid.server.compat.otlp_wire")
    monkeypatch.setitem(sys.modules, "google.protobuf.message", None)
    with pytest.raises(InvalidSetting, match=r"whodid\[otlp\]"):
        asgi(log, secret=SECRET, compat=("otlp",))


def test_a_chunked_body_is_read(server: CompatServer) -> None:
    """The exporter for Node.js sends JSON in chunks, without a length."""
    raw = json.dumps(request(plain())).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {server.key}"}
    answer = httpx2.post(f"{server.url}/v1/logs", content=iter([raw[:10], raw[10:]]), headers=headers)
    assert answer.status_code == 200
    assert len(server.entries("invoice.sent")) == 1
