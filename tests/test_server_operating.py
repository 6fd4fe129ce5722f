"""What operators ask a server: whether it lives, whether it is ready, what it writes, how it leaves."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from tests import serving
from tests.serving import (
    HOME,
    MARIA,
    READ,
    SECRET,
    Clock,
    bearer,
    check_problem,
    client,
    open_log,
    token,
)
from whodid import Log
from whodid.errors import StoreFull, StoreUnavailable
from whodid.model import Actor
from whodid.server import asgi
from whodid.server.compat import PRODUCTS
from whodid.server.health import KEPT_SECONDS, Health
from whodid.server.keys import KeyRing
from whodid.server.logs import Failures, written_as_lines
from whodid.server.traces import Tracer

clock, log, http = serving.clock, serving.log, serving.http


# --------------------------------------------------------------------------------------------------------------- health


def test_alive_and_ready_without_a_key(http: TestClient) -> None:
    """Both answer whoever asks, with facts and without a word about anybody."""
    assert http.get("/healthz").json() == {"alive": True}
    answer = http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "ending": False, "store": "ok", "key": "ok"}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("error", [StoreFull("The disk is full"), StoreUnavailable("Locked")])
def test_a_store_that_takes_no_write_is_not_ready(http: TestClient, error: Exception) -> None:
    """A disk that is full reads perfectly well, so readiness writes; alive it is all the same."""
    with patch.object(Log, "swap_shared_state", side_effect=error):
        answer = http.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.json() == {"ready": False, "ending": False, "store": type(error).__name__, "key": "ok"}
        assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize("harm", ["gone", "another", "rubbish"])
def test_a_key_file_that_the_next_start_would_not_find_is_not_ready(tmp_path: Path, harm: str) -> None:
    """The key in memory still signs; who restarts the server must know before."""
    with open_log(Clock(), f"sqlite:///{tmp_path}/audit.db") as log, client(log) as http:
        assert http.get("/readyz").json()["key"] == "ok"
        key = tmp_path / "audit.db.key"
        if harm == "gone":
            key.unlink()
        elif harm == "another":
            with open_log(Clock(), f"sqlite:///{tmp_path}/other.db"):
                key.write_bytes((tmp_path / "other.db.key").read_bytes())
        else:
            key.write_text("rubbish")
        with client(log) as again:  # it has not looked yet
            answer = again.get("/readyz")
            assert (answer.status_code, answer.json()["key"]) == (503, "InvalidSetting")


def test_a_look_is_good_for_some_seconds(log: Log) -> None:
    """However often everybody asks, the store is written to once; then it is looked at again."""
    at = [100.0]
    health = Health(log, ending=lambda: False, tick=lambda: at[0])
    with patch.object(Log, "swap_shared_state", return_value=True) as written:
        for _ in range(50):
            assert health._look() == {"store": "ok", "key": "ok"}
        assert written.call_count == 1
        at[0] += KEPT_SECONDS
        health._look()
        assert written.call_count == 2


def test_health_does_not_wait_for_those_that_work_on_the_store(log: Log) -> None:
    """A server whose threads are all busy is busy, not dead."""
    inside, leave = threading.Semaphore(0), threading.Event()
    real = Log.find

    def slow(self: Log, *args: Any, **more: Any) -> Any:
        inside.release()
        assert leave.wait(20)
        return real(self, *args, **more)

    with client(log, threads=1) as http, patch.object(Log, "find", slow):
        asker = threading.Thread(target=lambda: http.get("/v1/entries", headers=bearer(token())))
        asker.start()
        assert inside.acquire(timeout=20)
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
        leave.set()
        asker.join(20)


# ----------------------------------------------------------------------------------------------------------------- logs


PLANTED = Actor(type="user", id="usr_planted", name="Planted Person", email="planted@person.example")
SECRETS = ("planted", "Planted", "198.51.100.99", "Bearer", "q=", "ticket-of-mine", "wk_", "agent-of-mine")


def test_lines_hold_nothing_of_anybody(log: Log) -> None:
    """Names, addresses, tokens, query strings, bodies and texts of unexpected errors are in no line."""
    written = io.StringIO()
    key = KeyRing(log, HOME, actor=PLANTED).create("planted", scopes=("write", "read")).text
    sent = bearer(token(viewer=PLANTED)) | {"User-Agent": "agent-of-mine", "X-Forwarded-For": "198.51.100.99"}
    with written_as_lines("info", written), client(log, trusted_proxies=1) as http:
        http.get("/v1/entries?q=planted@person.example", headers=sent)
        http.get("/v1/entries?q=planted:x", headers=sent)
        http.get("/v1/resources/contact/planted/history", headers=sent)
        http.get("/planted/nowhere", headers=sent)
        http.get("/report/ticket-of-mine", headers=sent)
        http.post("/v1/events", content=b"planted", headers=bearer(key))
        http.post("/v1/events", json={"action": "planted"}, headers=bearer(key) | sent)
        for target, error in ((Log.find, ValueError("planted")), (Log.record_many, KeyError("planted"))):
            with patch.object(Log, target.__name__, side_effect=error):
                http.get("/v1/entries", headers=sent)
                http.post("/v1/events", json=sendable(), headers=bearer(key))
        logging.getLogger("somebody.else").warning("from %s", "planted")
        logging.getLogger("somebody.else").info("daily work")
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [word for word in SECRETS if word in written.getvalue()] == []
    requests = [line for line in lines if line["message"] == "request"]
    assert {line["route"] for line in requests} >= {"/v1/entries", "/v1/events", "(none)", "/report/{ticket}"}
    assert all(line["request_id"].startswith("req_") and line["ms"] >= 0 for line in requests)
    errors = [line for line in lines if "error" in line]
    assert {line["error"][0]["class"] for line in errors} == {"builtins.ValueError", "builtins.KeyError"}
    assert all("app.py" in str(line["error"]) or "events.py" in str(line["error"]) for line in errors)
    assert [line["message"] for line in lines if line["logger"] == "somebody.else"] == ["from %s"]


def sendable() -> dict[str, Any]:
    """Return an event as a program sends it."""
    return {
        "id": "01890a5d-ac96-774b-bcce-b302099a8058",
        "occurred_at": "2026-11-20T13:00:00Z",
        "actor": {"type": "user", "id": "usr_planted", "name": "Planted Person"},
        "action": "contact.created",
        "resource": {"type": "contact", "id": "c"},
    }


def test_a_request_id_leads_to_its_lines(log: Log) -> None:
    """The id in the answer is the one in the line."""
    written = io.StringIO()
    with written_as_lines("info", written), client(log) as http:
        sent = http.get("/v1/entries", headers=bearer(token())).headers["x-request-id"]
    (line,) = [json.loads(one) for one in written.getvalue().splitlines()]
    assert (line["request_id"], line["status"], line["method"], line["whole"]) == (sent, 200, "GET", True)


def test_a_level_leaves_requests_out(log: Log) -> None:
    """At `warning` only what goes wrong is written."""
    written = io.StringIO()
    with written_as_lines("warning", written), client(log) as http:
        http.get("/v1/entries", headers=bearer(token()))
        with patch.object(Log, "find", side_effect=StoreUnavailable("Locked")):
            http.get("/v1/entries", headers=bearer(token()))
    (line,) = [json.loads(one) for one in written.getvalue().splitlines()]
    assert (line["level"], line["logger"]) == ("error", "whodid.server")
    assert "StoreUnavailable: Locked" in line["message"]


class Stuck(io.StringIO):
    """A stream that nobody reads from, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        """Wait."""
        assert self.go.wait(20)
        return super().write(text)


def test_what_fails_in_every_round_is_told_once_a_minute() -> None:
    """All of it is counted; a store that is away is told of without the places in the code, another error with them."""
    stream, counted, now = io.StringIO(), [0], [0.0]

    def count() -> None:
        counted[0] += 1

    failed = Failures("Detection", count, tick=lambda: now[0])
    away = StoreUnavailable("db/audit cannot be reached", "Try again later")
    with written_as_lines("info", stream):
        for _ in range(3):
            failed("", away)
        failed("wsp_home", away)
        failed("", StoreFull("The disk is full", "Free space"))
        now[0] = 30
        failed("", away)
        failed("", away)
        now[0] = 90
        failed("", away)
        failed("wsp_home", ValueError("Juan"))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert counted == [9]
    assert [line["message"].partition(": db")[0] for line in lines] == [
        "Detection of the deployment failed: StoreUnavailable",
        "Detection of wsp_home failed: StoreUnavailable",
        "Detection of the deployment failed: StoreFull: The disk is full. Free space.",
        "Detection of the deployment failed: StoreUnavailable",
        "Detection of the deployment failed: StoreUnavailable",
        "Detection of wsp_home failed",
    ]
    assert ["error" in line for line in lines] == [False] * 5 + [True]
    assert "Juan" not in stream.getvalue()


def test_who_does_not_read_the_lines_stops_nothing() -> None:
    """Lines that find no room are dropped and counted; nobody waits."""
    stuck = Stuck()
    with patch("whodid.server.logs._MOST_LINES", 3), written_as_lines("info", stuck):
        logger = logging.getLogger("whodid.server")
        for number in range(20):
            logger.warning("line %d", number)
        dropped = 20 - logging.getLogger().handlers[0]._lines.qsize()  # type: ignore[attr-defined]
        assert dropped >= 16
        stuck.go.set()
        while logging.getLogger().handlers[0]._lines.qsize():  # type: ignore[attr-defined]
            pass
        logger.warning("the last")
    lines = [json.loads(line)["message"] for line in stuck.getvalue().splitlines()]
    assert lines[-1] == "the last"
    assert lines[-2].endswith("lines were dropped")
    assert len(lines) - 2 + int(lines[-2].split()[0]) == 20


# --------------------------------------------------------------------------------------------------------------- ending


def test_a_server_that_ends_takes_nothing_in(log: Log) -> None:
    """What writes is told to come back, reading goes on, no connection lives on, and readiness says so."""
    ending = False
    key = KeyRing(log, HOME, actor=MARIA).create("writer", scopes=("write",)).text
    with TestClient(asgi(log, secret=SECRET, ending=lambda: ending), base_url="http://audit.test") as http:
        assert "connection" not in http.get("/healthz").headers
        ending = True
        answer = http.post("/v1/events", json=sendable(), headers=bearer(key))
        check_problem(answer, 503, "stopping")
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("2", "close")
        check_problem(http.post("/v1/exports", json={"format": "csv"}, headers=bearer(token())), 503, "stopping")
        assert http.get("/v1/entries", headers=bearer(token())).status_code == 200
        check_problem(http.get("/v1/stream", headers=bearer(token(permissions=[READ]))), 503, "busy")
        answer = http.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"ready": False, "ending": True})
        assert http.get("/healthz").status_code == 200
    assert log.count(HOME, f"id:{sendable()['id']}").value == 0


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/services/collector/ack", {"text": "Server is busy", "code": 9}),
        ("/v1/logs", {"code": 14}),
        ("/audit_logs/events", {"message"}),
        ("/auditlog/viewer/v1/viewersession", {"type": "UNAVAILABLE", "status": 503}),
    ],
)
def test_each_door_says_in_its_own_form_that_the_server_ends(log: Log, path: str, told: Any) -> None:
    """As its clients know a server that is busy, with when to come back; nobody looks at a key or a body any more."""
    app = asgi(log, secret=SECRET, compat=PRODUCTS, ending=lambda: True)
    with TestClient(app, base_url="http://audit.test") as http:
        answer = http.post(path, content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["connection"]) == (503, "close")
    assert int(answer.headers["retry-after"]) in {1, 2}
    body = answer.json()
    assert told <= set(body) if isinstance(told, set) else told.items() <= body.items()


# --------------------------------------------------------------------------------------------------------------- traces


def test_where_time_goes_is_measured(log: Log) -> None:
    """A request is part of the trace that it names; reading, commit and question are parts of the request."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    key = KeyRing(log, HOME, actor=PLANTED).create("planted", scopes=("write",)).text
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    carried = {"traceparent": f"00-{trace}-{parent}-01"}
    with patch("whodid.server.app.Tracer", lambda: Tracer(provider)), client(log) as http:
        http.post("/v1/events", json=sendable(), headers=bearer(key) | carried)
        http.get("/v1/entries?q=planted", headers=bearer(token(viewer=PLANTED)))
        with patch.object(Log, "find", side_effect=ValueError("planted")):
            http.get("/v1/entries", headers=bearer(token(viewer=PLANTED)))
    spans = memory.get_finished_spans()
    assert [one.name for one in spans] == [
        "whodid.intake",
        "whodid.commit",
        "POST /v1/events",
        "whodid.query",
        "GET /v1/entries",
        "whodid.query",
        "GET /v1/entries",
    ]
    request = spans[2]
    assert request.parent is not None
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (trace, parent)
    for one in spans[:2]:
        assert one.parent is not None
        assert one.parent.span_id == request.context.span_id
    assert spans[4].parent is None
    assert dict(spans[1].attributes or {}) == {"whodid.events": 1}
    assert (
        dict(spans[4].attributes or {}).items()
        >= {"http.route": "/v1/entries", "http.response.status_code": 200}.items()
    )
    assert [one.status.status_code.name for one in spans] == ["UNSET"] * 6 + ["ERROR"]
    assert [word for word in SECRETS if word in "".join(one.to_json() for one in spans)] == []


def test_a_garbled_trace_is_not_heeded(log: Log) -> None:
    """What is no traceparent begins a new trace."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    with patch("whodid.server.app.Tracer", lambda: Tracer(provider)), client(log) as http:
        assert http.get("/healthz", headers={"traceparent": "00-xyz"}).status_code == 200
    assert memory.get_finished_spans()[-1].parent is None


def test_nothing_is_measured_without_the_package(log: Log) -> None:
    """The API of OpenTelemetry is an extra, and its absence is no error, also where the extra `otlp` is there."""
    with patch.dict(sys.modules, {"opentelemetry.trace": None}):
        tracer = Tracer()
    with tracer.request("GET", []) as span, tracer.span("whodid.query") as inner:
        span.tell({"a": 1}, failed=True)
        span.named("x")
        inner.tell({})
    assert span._span is None
