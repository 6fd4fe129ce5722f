"""What other products get: Splunk, Datadog, Elasticsearch, OpenTelemetry and syslog, each read as it reads."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.keeping import HOME, Clock, event, full_event, opened, record
from tests.receiving import certified
from tests.sinking import managed, only, turn
from whodid import Log, canonical
from whodid.errors import InvalidSetting
from whodid.sinks import SinkWorker

Told = tuple[str, dict[str, str], bytes]
Answering = Callable[[bytes], tuple[int, bytes]]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Open a log whose first entry has everything that an entry can have."""
    with opened("memory", tmp_path, Clock()) as log:
        record(log, [full_event(1), *(event(number) for number in range(2, 31))])
        yield log


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """Write a secret, and return what names it."""
    path = tmp_path / "sink.secret"
    path.write_text("abc-123\n")
    path.chmod(0o600)
    return f"file:{path}"


@contextmanager
def answering(answer: Answering) -> Iterator[tuple[str, list[Told]]]:
    """Run a receiver whose answers follow from what it gets; yield its address and what it got."""
    got: list[Told] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, said = answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def fine(_: bytes) -> tuple[int, bytes]:
    """Take everything."""
    return 200, b"{}"


def wires(log: Log) -> list[dict[str, Any]]:
    """Return the entries as JSON values, in order."""
    return [json.loads(canonical.wire(entry)) for entry in log.read(HOME)]


# --------------------------------------------------------------------------------------------------------------- splunk


def test_splunk_gets_its_events(log: Log, secret: str) -> None:
    """Objects one after another, with time, index and token."""
    with answering(fine) as (url, got):
        managed(log).add(
            "siem", "splunk", f"{url}/services/collector/event", secret=secret, private=True, start=0,
            options={"index": "audit"},
        )  # fmt: skip
        turn(SinkWorker(log))

    ((path, headers, body),) = got
    assert (path, headers["authorization"]) == ("/services/collector/event", "Splunk abc-123")
    events, rest = [], body.decode()
    while rest:
        one, end = json.JSONDecoder().raw_decode(rest)
        events.append(one)
        rest = rest[end:]
    assert [one["event"] for one in events] == wires(log)
    assert {(one["index"], one["sourcetype"], one["source"]) for one in events} == {("audit", "whodid:audit", "whodid")}
    assert float(events[0]["time"]) == pytest.approx(next(log.read(HOME)).occurred_at.timestamp())


# -------------------------------------------------------------------------------------------------------------- datadog


def test_datadog_gets_its_logs(log: Log, secret: str) -> None:
    """An array, each message an entry as text, with key, service and tags."""
    with answering(lambda _: (202, b"{}")) as (url, got):
        managed(log).add(
            "siem", "datadog", f"{url}/api/v2/logs", secret=secret, private=True, start=0, options={"tags": "env:test"}
        )
        turn(SinkWorker(log))

    ((path, headers, body),) = got
    assert (path, headers["dd-api-key"]) == ("/api/v2/logs", "abc-123")
    found = json.loads(body)
    assert [json.loads(one["message"]) for one in found] == wires(log)
    assert {(one["ddsource"], one["service"], one["ddtags"]) for one in found} == {
        ("whodid", "whodid", f"workspace:{HOME},env:test")
    }


@pytest.mark.parametrize("kind", ["splunk", "datadog"])
def test_what_needs_a_secret_says_so(log: Log, kind: str) -> None:
    """Without one nothing would be taken."""
    with pytest.raises(InvalidSetting, match="needs a secret"):
        managed(log).add("siem", kind, "https://siem.example.com/")


# -------------------------------------------------------------------------------------------------------------- elastic


class Bulk:
    """As much of Elasticsearch as the bulk interface shows: documents by id, created once, each with its own status."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.statuses: dict[str, int] = {}

    def __call__(self, body: bytes) -> tuple[int, bytes]:
        """Answer a bulk request."""
        assert body.endswith(b"\n")
        lines = [json.loads(line) for line in body.split(b"\n")[:-1]]
        items = []
        for place, document in zip(lines[::2], lines[1::2], strict=True):
            key = place["create"]["_id"]
            status = self.statuses.get(key) or (409 if key in self.kept else 201)
            if status == 201:
                self.kept[key] = document
            items.append({"create": {"_id": key, "status": status, "error": {"type": f"e{status}"}}})
        return 200, json.dumps({"took": 1, "errors": True, "items": items}).encode()


def elastic(log: Log, url: str, secret: str) -> None:
    """Add the sink."""
    managed(log).add(
        "siem", "elastic", url, secret=secret, private=True, start=0, options={"index": "audit"}, heartbeat=0
    )


def test_elastic_keeps_each_entry_once(log: Log, secret: str) -> None:
    """Under its own id, in ECS; what is there already counts as arrived."""
    bulk = Bulk()
    with answering(bulk) as (url, got):
        elastic(log, url, secret)
        turn(SinkWorker(log))
        managed(log).backfill("siem", 5)
        turn(SinkWorker(log))

    assert {(path, headers["authorization"], headers["content-type"]) for path, headers, _ in got} == {
        ("/_bulk", "ApiKey abc-123", "application/x-ndjson")
    }
    assert [one["whodid"] for one in bulk.kept.values()] == wires(log)
    assert only(log).position.refused == 0
    first = bulk.kept[f"{HOME}:{next(log.read(HOME)).id}"]
    assert first["event"]["kind"] == "event"
    assert (first["organization"]["id"], first["source"]["ip"]) == (HOME, "203.0.113.9")


def test_elastic_refuses_some_for_good(log: Log, secret: str) -> None:
    """What cannot be mapped goes into quarantine, and nothing else."""
    bulk = Bulk()
    entries = list(log.read(HOME))
    bulk.statuses = {f"{HOME}:{entries[at].id}": 400 for at in (2, 7)}
    with answering(bulk) as (url, _):
        elastic(log, url, secret)
        turn(SinkWorker(log))

    assert [(one.index, one.fault) for one in only(log).position.quarantine] == [
        (2, 'status 400: “{"type":"e400"}”'),
        (7, 'status 400: “{"type":"e400"}”'),
    ]
    assert len(bulk.kept) == 29


def test_elastic_that_is_busy_is_waited_for(log: Log, secret: str) -> None:
    """What it did not take is sent again, and what it did take is not there twice."""
    bulk = Bulk()
    bulk.statuses = {f"{HOME}:{list(log.read(HOME))[3].id}": 429}
    with answering(bulk) as (url, _):
        elastic(log, url, secret)
        turn(SinkWorker(log))
        assert (only(log).status, only(log).position.next) == ("failing", 0)
        bulk.statuses.clear()
        managed(log).resume("siem")
        turn(SinkWorker(log))

    assert sorted(one["whodid"]["index"] for one in bulk.kept.values()) == [*range(31)]


@pytest.mark.parametrize("said", [b"", b"<html>", b'{"errors":false}', b'{"items":[]}', b'{"items":[{}]}'])
def test_an_answer_that_elastic_would_not_give_is_not_believed(log: Log, secret: str, said: bytes) -> None:
    """A proxy that says 200 to everything does not swallow the log."""
    with answering(lambda _: (200, said)) as (url, _):
        elastic(log, url, secret)
        turn(SinkWorker(log))
    assert "bulk interface" in only(log).position.fault


def test_elastic_needs_an_index(log: Log) -> None:
    """There is no usual one."""
    with pytest.raises(InvalidSetting, match="needs an index"):
        managed(log).add("siem", "elastic", "https://elastic.example.com/")


# ----------------------------------------------------------------------------------------------------------------- otlp


def test_otlp_is_read_by_its_own_definitions(log: Log, secret: str) -> None:
    """The published protobuf definitions take the JSON without anything unknown in it."""
    with answering(fine) as (url, got):
        managed(log).add("otel", "otlp", f"{url}/v1/logs", secret=secret, private=True, start=0)
        turn(SinkWorker(log))

    ((path, headers, body),) = got
    assert (path, headers["authorization"]) == ("/v1/logs", "Bearer abc-123")
    request = json_format.Parse(body, ExportLogsServiceRequest())
    records = request.resource_logs[0].scope_logs[0].log_records
    assert [json.loads(one.body.string_value) for one in records] == wires(log)
    assert records[2].event_name == "audit.contact.updated"
    assert records[2].time_unix_nano == canonical.micros(list(log.read(HOME))[2].occurred_at) * 1_000
    assert {one.key: one.value.int_value for one in records[2].attributes}["whodid.index"] == 2


@pytest.mark.parametrize("number", [1, "1"])
def test_otlp_that_rejects_a_record_sets_it_aside(log: Log, number: int | str) -> None:
    """A partial success does not say which it was, so it is looked for."""

    def answer(body: bytes) -> tuple[int, bytes]:
        if b"con_20" in body:
            told = {"partialSuccess": {"rejectedLogRecords": number, "errorMessage": "no con_20"}}
            return 200, json.dumps(told).encode()
        return 200, b'{"partialSuccess":{}}'

    with answering(answer) as (url, _):
        managed(log).add("otel", "otlp", f"{url}/v1/logs", private=True, start=0)
        turn(SinkWorker(log))

    (one,) = only(log).position.quarantine
    assert one.fault == "The receiver rejected records: “no con_20”"
    assert list(log.read(HOME))[one.index].resource.id == "con_20"


# --------------------------------------------------------------------------------------------------------------- syslog


class Collector:
    """A syslog receiver that keeps whole messages."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.got: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        connection, _ = self._listening.accept()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as stream:
            while length := stream.read(1):
                while (more := stream.read(1)) != b" ":
                    length += more
                self.got.append(stream.read(int(length)))

    def ended(self) -> list[bytes]:
        """Return what came, when the connection has ended."""
        self._thread.join(10)
        self._listening.close()
        return self.got


@pytest.mark.parametrize("scheme", ["tls", "tcp"])
def test_syslog_messages_are_framed_by_their_length(log: Log, tmp_path: Path, scheme: str) -> None:
    """RFC 5424 with the priority of an audit log, over TLS and TCP, the entry as JSON."""
    tls, authority = certified(tmp_path)
    collector = Collector(tls if scheme == "tls" else None)
    managed(log).add(
        "siem", "syslog", f"{scheme}://localhost:{collector.port}", private=True, start=0, heartbeat=0,
        options={"host": "audit-1", **({"ca": str(authority)} if scheme == "tls" else {})},
    )  # fmt: skip
    turn(SinkWorker(log))

    found = collector.ended()
    heads = [re.fullmatch(rb"<(\d+)>1 (\S+Z) audit-1 whodid - (\S+) - (\{.*\})", line) for line in found]
    assert [json.loads(head[4]) for head in heads if head] == wires(log)
    assert heads[2] is not None
    assert heads[2].group(1, 3) == (b"110", b"contact.updated")
    assert only(log).position.next == 31


def test_syslog_that_is_not_there_is_waited_for(log: Log) -> None:
    """A connection that is refused, and one that the receiver ended, are faults."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    managed(log).add("siem", "syslog", f"tcp://127.0.0.1:{port}", private=True, start=0)
    turn(SinkWorker(log))
    assert only(log).position.fault == "The connection failed: Connection refused"
    assert only(log).position.next == 0


@pytest.mark.parametrize(
    ("address", "options", "told"),
    [
        ("udp://siem.example.com", {}, "no address to send to"),
        ("tcp://siem.example.com", {}, "in the clear"),
        ("tls://siem.example.com", {"host": "a b"}, "host cannot be 'a b'"),
    ],
)
def test_syslog_settings_that_cannot_work(log: Log, address: str, options: dict[str, str], told: str) -> None:
    """They are refused when the sink is added."""
    with pytest.raises(InvalidSetting, match=told):
        managed(log).add("siem", "syslog", address, options=options)
