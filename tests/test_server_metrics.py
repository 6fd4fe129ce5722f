"""Metrics: who may read them, and what is counted at every door and in the work of keeping."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock, patch

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests import serving
from tests.serving import (
    ALL,
    AWAY,
    HOME,
    JOAO,
    MARIA,
    SECRET,
    Clock,
    bearer,
    check_problem,
    client,
    finished,
    linked,
    token,
)
from whodid import Log, egress
from whodid.errors import InvalidSetting, StoreUnavailable
from whodid.retention import RetentionWorker, SealingWorker
from whodid.server.compat.syslog import Syslog
from whodid.server.compat.syslog_addresses import read_address
from whodid.server.exports import export_worker
from whodid.server.gate import Gate
from whodid.server.keys import KeyRing
from whodid.server.metrics import PrometheusMeter
from whodid.sinks import Sinks, SinkWorker

clock, log = serving.clock, serving.log

TOKEN = b"a token of the tests, of 32 bytes or more"


@pytest.fixture
def metrics() -> PrometheusMeter:
    """Make a meter."""
    return PrometheusMeter(TOKEN)


@pytest.fixture
def http(log: Log, metrics: PrometheusMeter) -> Iterator[TestClient]:
    """Open a client."""
    with client(log, metrics=metrics) as opened:
        yield opened


def samples(http: TestClient) -> dict[tuple[str, ...], float]:
    """Read the page of metrics: the value by name and labels."""
    answer = http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN.decode()}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


def test_metrics_need_their_token(http: TestClient, log: Log) -> None:
    """Neither nothing nor a viewer's token nor an API key opens them; without a meter there is no such page."""
    key = KeyRing(log, HOME, actor=MARIA).create("all", scopes=("admin",)).text
    for sent in ({}, bearer(token()), bearer(key), bearer("x"), {"Authorization": f"Basic {TOKEN.decode()}"}):
        problem = check_problem(http.get("/metrics", headers=sent), 401, "unauthorised")
        assert "metrics_token_file" in problem["remedy"]
    with client(log) as plain:
        check_problem(plain.get("/metrics", headers=bearer(TOKEN.decode())), 404, "not-found")


def test_a_short_token_is_refused() -> None:
    """It would be guessed."""
    with pytest.raises(InvalidSetting, match="has 5 bytes"):
        PrometheusMeter(b"short")


def test_without_the_package_it_says_what_to_install() -> None:
    """Prometheus is an extra."""
    with patch.dict("sys.modules", {"prometheus_client": None}), pytest.raises(InvalidSetting, match="prometheus"):
        PrometheusMeter(TOKEN)


def test_requests_are_counted_by_pattern(http: TestClient) -> None:
    """By route, method and status; what no route took, and methods nobody knows, are one each."""
    for index in range(3):
        http.get(f"/v1/entries/{index}", headers=bearer(token()))
    http.get("/v1/entries/0")
    http.get("/nowhere/juan")
    http.request("JUAN", "/v1/entries")
    found = samples(http)
    assert found["whodid_http_requests_total", "GET", "/v1/entries/{key}", "200"] == 3
    assert found["whodid_http_requests_total", "GET", "/v1/entries/{key}", "401"] == 1
    assert found["whodid_http_requests_total", "GET", "(none)", "404"] == 1
    assert found["whodid_http_requests_total", "other", "(none)", "405"] == 1
    assert found["whodid_http_request_seconds_count", "GET", "/v1/entries/{key}"] == 4


def test_what_alarms_look_at_is_there_from_the_beginning(http: TestClient) -> None:
    """A count that appears with its first failure is no increase to whoever watches for one."""
    found = samples(http)
    for error in ("StoreUnavailable", "StoreFull", "StoreCorrupt", "StoreVersion", "StoreMoved"):
        assert found["whodid_store_errors_total", error] == 0
    for limit in ("read", "write"):
        assert found["whodid_rate_limited_total", limit] == 0
    assert found["whodid_http_requests_total", "POST", "/v1/events", "503"] == 0
    assert found["whodid_exports_total", "failed"] == 0


def test_events_are_counted_by_fate(http: TestClient, log: Log) -> None:
    """Recorded, known and refused ones, and the commit that made them durable."""
    key = KeyRing(log, HOME, actor=MARIA).create("writer", scopes=("write",)).text
    good = {
        "id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "occurred_at": "2026-11-20T13:00:00Z",
        "actor": {"type": "user", "id": "u"},
        "action": "contact.created",
        "resource": {"type": "contact", "id": "c"},
    }
    batch = {"events": [good, good, {"action": "x"}]}
    for _ in range(2):
        assert http.post("/v1/events", json=batch, headers=bearer(key)).status_code == 200
    found = samples(http)
    assert [found["whodid_events_total", fate] for fate in ("recorded", "known", "refused")] == [1, 3, 2]
    assert found["whodid_commit_seconds_count",] == 2
    assert found["whodid_commit_events_sum",] == 4
    with patch.object(Log, "record_many", side_effect=StoreUnavailable("Locked")):
        assert http.post("/v1/events", json=good, headers=bearer(key)).status_code == 503
    with patch.object(Log, "find", side_effect=StoreUnavailable("Locked")):
        assert http.get("/v1/entries", headers=bearer(token())).status_code == 503
    found = samples(http)
    assert found["whodid_store_errors_total", "StoreUnavailable"] == 2
    assert (found["whodid_events_waiting",], found["whodid_events_inside",]) == (0, 0)


def test_events_of_other_products_are_counted(log: Log, metrics: PrometheusMeter) -> None:
    """What their clients sent, once however often it was sent."""
    key = KeyRing(log, HOME, actor=MARIA).create("writer", scopes=("write",)).text
    said = {
        "action": "contact.created",
        "occurred_at": "2026-11-20T13:00:00Z",
        "actor": {"type": "user", "id": "u"},
        "targets": [{"type": "contact", "id": "c"}],
        "context": {"location": "127.0.0.1"},
    }
    with client(log, metrics=metrics, compat=["workos", "retraced"]) as http:
        for _ in range(2):
            sent = bearer(key) | {"Idempotency-Key": "one"}
            answer = http.post("/audit_logs/events", json={"organization_id": HOME, "event": said}, headers=sent)
            assert answer.status_code in {200, 201}, answer.text
        found = samples(http)
    assert (found["whodid_events_total", "recorded"], found["whodid_events_total", "known"]) == (1, 1)


def test_messages_are_counted(log: Log, metrics: PrometheusMeter) -> None:
    """CloudEvents, log records and Splunk's events: new, known, and refused with all of their batch; and commits."""
    key = KeyRing(log, HOME, actor=MARIA).create("writer", scopes=("write",)).text
    said = {"specversion": "1.0", "type": "invoice.sent", "source": "/b", "id": "1"}
    attributes = [{"key": "user.id", "value": {"stringValue": "u"}}]
    record = {"timeUnixNano": "1764200000000000000", "eventName": "invoice.sent", "attributes": attributes}
    with client(log, metrics=metrics, compat=["otlp", "cloudevents", "splunk"]) as http:
        batch = bearer(key) | {"Content-Type": "application/cloudevents-batch+json"}
        assert http.post("/cloudevents", json=[said], headers=batch).status_code == 204
        assert http.post("/cloudevents", json=[said], headers=batch).status_code == 204
        assert http.post("/cloudevents", json=[said | {"id": "2"}, {}], headers=batch).status_code == 422
        records = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, record]}]}]}
        assert http.post("/v1/logs", json=records, headers=bearer(key)).status_code == 200
        assert (
            http.post(
                "/services/collector/raw", content="a line", headers={"Authorization": f"Splunk {key}"}
            ).status_code
            == 200
        )
        found = samples(http)
    assert [found["whodid_events_total", fate] for fate in ("recorded", "known", "refused")] == [4, 1, 2]
    assert (found["whodid_commit_events_count",], found["whodid_commit_events_sum",]) == (4, 5)


def test_sealing_is_counted(log: Log, metrics: PrometheusMeter, http: TestClient) -> None:
    """Segments that were sealed, and what failed."""
    rounds = threading.Semaphore(0)

    def counted(segments: int) -> None:
        metrics.sealed(segments)
        rounds.release()

    sealing = {"awaits_seal": Mock(return_value=True), "seal": Mock(return_value=("one", "two"))}
    with patch.multiple(Log, **sealing), SealingWorker(log, on_round=counted):
        assert rounds.acquire(timeout=20)
    metrics.seal_failed()
    found = samples(http)
    assert found["whodid_sealed_segments_total",] == 2 * len(log.workspaces())
    assert found["whodid_seal_errors_total",] == 1


def test_rounds_of_detection_are_counted(log: Log, metrics: PrometheusMeter, http: TestClient) -> None:
    """How many findings there were, when it last looked, and what failed."""
    metrics.detected(3)
    metrics.detected(2)
    metrics.detection_failed()
    found = samples(http)
    assert found["whodid_findings_total",] == 5
    assert found["whodid_detection_errors_total",] == 1
    assert found["whodid_detection_round_timestamp_seconds",] > 0


def test_exports_are_counted(log: Log, metrics: PrometheusMeter) -> None:
    """Jobs that ended, what is in their files, and how many there are by state."""
    with export_worker(log, meter=metrics) as worker, client(log, metrics=metrics, exports=worker) as http:
        assert http.get(linked(http, bearer(token()), q="-category:audit")).status_code == 200
        with patch.object(Log, "stream", side_effect=StoreUnavailable("Locked")):
            made = http.post("/v1/exports", json={"format": "csv"}, headers=bearer(token())).json()
            finished(http, made["id"], bearer(token()))
        # A job is counted after it ended, which is when its state tells of it.
        assert worker.settle(20)
        found = samples(http)
    assert (found["whodid_exports_total", "ready"], found["whodid_exports_total", "failed"]) == (1, 1)
    assert (found["whodid_exported_entries_total",], found["whodid_export_seconds_count",]) == (7, 1)
    assert [found["whodid_export_jobs", state] for state in ("waiting", "running", "ready", "failed")] == [0, 0, 1, 1]


def test_retention_is_counted(log: Log, metrics: PrometheusMeter, http: TestClient) -> None:
    """Rounds, what they removed, when the last one was, and what failed."""
    rounds = threading.Semaphore(0)

    def counted(entries: int) -> None:
        metrics.purged(entries)
        rounds.release()

    with RetentionWorker(log, on_round=counted):
        assert rounds.acquire(timeout=20)
    metrics.purge_failed()
    found = samples(http)
    assert found["whodid_purge_rounds_total",] == 1
    assert found["whodid_purged_entries_total",] == 0
    assert found["whodid_purge_round_timestamp_seconds",] > 1_700_000_000
    assert found["whodid_purge_errors_total",] == 1


def test_no_label_names_a_workspace_or_a_person(http: TestClient, log: Log) -> None:
    """Whatever was asked, the page holds patterns, statuses and names of classes only."""
    for path in ("/v1/entries", f"/v1/entries?q={JOAO.email}", "/v1/resources/contact/con_ana/history", f"/{AWAY}"):
        http.get(path, headers=bearer(token(permissions=ALL)))
    page = http.get("/metrics", headers=bearer(TOKEN.decode())).text
    for planted in (HOME, AWAY, "usr_", "con_ana", "lumen", "João", "Maria"):
        assert planted not in page


def test_syslog_is_counted(log: Log, metrics: PrometheusMeter, http: TestClient) -> None:
    """What was recorded and what was refused, the connections, and how often the store did not take them."""
    key = KeyRing(log, HOME, actor=MARIA).create("writer", scopes=("write",)).text
    wrong = '{"action": "a.b", "actor": {"type": "user", "id": "u"}, "resource": {"type": "r", "id": "r"}, "id": "no"}'
    gate, real, open_, tries = Gate(log, secret=SECRET), log.record_many, [], iter([StoreUnavailable("Locked")])

    def record_many(*given: Any) -> Any:
        open_.append(listener.connections)
        if (error := next(tries, None)) is not None:
            raise error
        return real(*given)

    listener = Syslog(read_address("tcp://127.0.0.1:0"), log, gate, rate=0, ending_seconds=5, meter=metrics)
    here = ("127.0.0.1", int(listener.where.rpartition(":")[2]))
    # Whoever leaves the listener's block has read what was sent, and has recorded it.
    with patch.object(log, "record_many", record_many), listener, socket.create_connection(here) as sent:
        for text in ("one", wrong):
            shown = f'<13>1 2026-11-01T00:00:00Z h a - thing.made [whodid@1 key="{key}"] {text}\n'
            sent.sendall(shown.encode())
    found = samples(http)
    assert (open_[-1], listener.connections) == (1, 0)
    assert [found["whodid_events_total", fate] for fate in ("recorded", "known", "refused")] == [1, 0, 1]
    assert found["whodid_store_errors_total", "StoreUnavailable"] == 1


def test_sinks_are_shown_by_their_ids(
    http: TestClient, log: Log, metrics: PrometheusMeter, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far behind, for how long, what was taken, refused and set aside; no name of a sink or a workspace."""
    monkeypatch.setattr(egress, "resolve", lambda host, port: ["127.0.0.1"])
    worker = SinkWorker(log)
    metrics.watch_sinks(worker.healths)
    assert not any(name[0].startswith("whodid_sink_") for name in samples(http))
    sinks = Sinks(log, HOME, actor=MARIA)
    sink = sinks.add("secret project", "otlp", "https://otel.example.com/v1/logs", start=2)
    worker.round()
    worker.wait()
    sinks.pause("secret project")
    clock.advance(seconds=30)
    found, size = samples(http), log.head(HOME).size
    labels = ("otlp", sink.id)
    assert found["whodid_sink_behind", *labels] == size - 2
    assert found["whodid_sink_lag_seconds", *labels] == 30
    # It never took anything: 0 would be the silence of one that is well.
    assert found["whodid_sink_silence_seconds", *labels] == 30
    assert (found["whodid_sink_paused_seconds", *labels], found["whodid_sink_delivered_total", *labels]) == (30, 0)
    assert found["whodid_sink_failed_deliveries", *labels] == 1
    assert (found["whodid_sink_refused", *labels], found["whodid_sink_quarantined", *labels]) == (0, 0)
    page = metrics.page().decode()
    assert "secret project" not in page
    assert HOME not in page


def test_sinks_are_shown_while_the_store_is_away(http: TestClient, log: Log, metrics: PrometheusMeter) -> None:
    """As they were: one that is not told of would be taken for one that is well, and nothing else could be read."""
    worker = SinkWorker(log, on_error=lambda _workspace, _error: None)
    metrics.watch_sinks(worker.healths)
    sink = Sinks(log, HOME, actor=MARIA).add("pager", "otlp", "https://otel.example.com/v1/logs")
    Sinks(log, HOME, actor=MARIA).pause("pager")
    worker.round()
    before = samples(http)["whodid_sink_behind", "otlp", sink.id]
    away = StoreUnavailable("The database cannot be reached", "Try again later")
    with patch.object(log, "state", side_effect=away), patch.object(log, "head", side_effect=away):
        for _ in range(3):
            worker.round()
            assert samples(http)["whodid_sink_behind", "otlp", sink.id] == before
    worker.round()
    assert samples(http)["whodid_sink_paused_seconds", "otlp", sink.id] >= 0
