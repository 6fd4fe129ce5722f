"""The published handler for Splunk's event collector, unchanged, against a real server; and what it never sends."""

from __future__ import annotations

import base64
import gzip
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from splunk_hec_handler import SplunkHecHandler
from starlette.testclient import TestClient

from tests import compatting, serving
from tests.compatting import CompatServer
from tests.serving import HOME, MARIA, client
from whodid import Log
from whodid.errors import StoreUnavailable
from whodid.server.keys import KeyRing

clock, log, server = serving.clock, serving.log, compatting.server

CHANNEL = "FE0ECFAD-13D5-401B-847D-77833BD77131"
EVENT = {"time": 1_795_000_000.25, "host": "web1", "event": {"action": "invoice.sent", "user": "bob"}}


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client with a key."""
    with client(log, compat=("splunk",)) as opened:
        opened.headers["authorization"] = f"Splunk {KeyRing(log, HOME, actor=MARIA).create('t').text}"
        yield opened


def handler(server: CompatServer, key: str | None = None, **more: Any) -> SplunkHecHandler:
    """Make the handler as an application does."""
    return SplunkHecHandler("127.0.0.1", key or server.key, port=server.port, proto="http", source="billing", **more)


def say(made: SplunkHecHandler, message: Any, created: float = 1_795_000_000.123456) -> None:
    """Log a message through the handler."""
    record = logging.LogRecord("app", logging.ERROR, __file__, 1, message, None, None)
    record.created = created
    made.emit(record)


SAID = {
    "action": "deleted",
    "user": "bob",
    "resource": {"type": "Contact", "id": 7, "name": "Ana"},
    "src_ip": "203.0.113.7",
    "before": {"name": "Ana"},
    "after": {},
    "fields": {"region": "eu"},
}


def test_an_event_arrives_whole(server: CompatServer) -> None:
    """What the handler makes of a dictionary becomes an entry with actor, resource, change and address."""
    say(handler(server), SAID)
    (entry,) = server.entries("contact.deleted")
    assert (entry.actor.type, entry.actor.id) == ("user", "bob")
    assert (entry.resource.type, entry.resource.id, entry.resource.name) == ("contact", "7", "Ana")
    assert [(one.path, one.op, one.before) for one in entry.changes] == [("name", "remove", "Ana")]
    assert entry.context is not None
    assert entry.context.ip == "203.0.113.7"
    assert entry.details is not None
    assert entry.details["attributes"] == {"region": "eu", "resource": {"type": "Contact"}}
    assert (entry.details["level"], entry.details["splunk_action"]) == ("ERROR", "deleted")
    assert (entry.kind, entry.occurred_at.microsecond) == ("delete", 123_456)


def test_an_event_in_our_own_form_is_taken_as_it_is(server: CompatServer) -> None:
    """The level that the handler adds does not stand in the way."""
    own = {"action": "a.b", "actor": {"type": "system", "id": "s"}, "resource": {"type": "t", "id": "r"}}
    say(handler(server), own | {"reason": {"code": "x"}})
    (entry,) = server.entries("a.b")
    assert entry.reason is not None
    assert entry.reason.code == "x"


@pytest.mark.parametrize("endpoint", ["event", "raw"])
def test_a_text_is_a_message(server: CompatServer, endpoint: str) -> None:
    """A plain log message is message.logged by its source, by either address."""
    say(handler(server, endpoint=endpoint), "it works")
    (entry,) = server.entries("message.logged")
    assert (entry.actor.type, entry.actor.id) == ("system", "billing")
    assert entry.details is not None
    assert entry.details["attributes"] == {"message": "it works"}


@pytest.mark.parametrize("fault", ["503", "cut"])
def test_what_the_application_sends_again_is_recorded_once(server: CompatServer, fault: str) -> None:
    """The handler raises and does not try again; the application that does so adds nothing."""
    made = handler(server)
    server.faults = [fault]
    with pytest.raises(requests.exceptions.RequestException):
        say(made, SAID)
    say(made, SAID)
    say(made, SAID)
    assert len(server.entries("contact.deleted")) == 1


def test_a_false_key_arrives_as_the_exception_of_the_handler(server: CompatServer) -> None:
    """403 with Splunk's words."""
    with pytest.raises(requests.exceptions.HTTPError) as refused:
        say(handler(server, key="wk_no"), SAID)
    assert refused.value.response is not None
    assert refused.value.response.json() == {"text": "Invalid token", "code": 4}


# --------------------------------------------------------------------------------------------------------- by hand


def count(log: Log) -> int:
    """Count what was recorded."""
    return sum(entry.action == "invoice.sent" for entry in log.read(HOME))


def text(*events: Any) -> bytes:
    """Write events as clients do: one after the other."""
    return "".join(json.dumps(one) for one in events).encode()


def test_a_batch_is_recorded_once_and_twins_in_it_are_two(http: TestClient, log: Log) -> None:
    """Sent again, packed this time, it adds nothing; an event without a time is there as often as it came."""
    body = text(EVENT, EVENT, EVENT | {"time": "1795000001.5"})
    assert http.post("/services/collector/event", content=body).json() == {"text": "Success", "code": 0}
    packed = http.post("/services/collector", content=gzip.compress(body), headers={"content-encoding": "gzip"})
    assert packed.json()["code"] == 0
    assert count(log) == 3
    for _ in range(2):
        http.post("/services/collector/event/1.0", content=text({"event": EVENT["event"]}))
    assert count(log) == 5


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, {"code": 5}),
        (b" \n ", 400, {"code": 5}),
        (b"nonsense", 400, {"code": 6, "invalid-event-number": 0}),
        (text(EVENT) + b"{", 400, {"code": 6, "invalid-event-number": 1}),
        (text(EVENT) + b"[]", 400, {"code": 6, "invalid-event-number": 1}),
        (text(EVENT, {"time": 1}), 400, {"code": 12, "invalid-event-number": 1}),
        (text(EVENT, EVENT, {"event": " "}), 400, {"code": 13, "invalid-event-number": 2}),
        (text(EVENT | {"fields": {"a": {}}}), 400, {"code": 15, "invalid-event-number": 0}),
        (text(EVENT | {"fields": []}, EVENT | {"fields": [1]}), 400, {"code": 15, "invalid-event-number": 1}),
        (text(EVENT | {"time": "soon"}), 400, {"code": 6, "invalid-event-number": 0}),
        (text(EVENT | {"time": True}), 400, {"code": 6, "invalid-event-number": 0}),
        (b'{"event": NaN}', 400, {"code": 6, "invalid-event-number": 0}),
        (b'{"event": {"a": ' + b"9" * 5000 + b"}}", 400, {"code": 6, "invalid-event-number": 0}),
        (b'{"event": ' + b"[" * 50_000, 400, {"code": 6, "invalid-event-number": 0}),
        (b"\xff", 400, {"code": 6, "invalid-event-number": 0}),
        (text(EVENT, EVENT | {"time": 9_999_999_999}), 400, {"code": 6, "invalid-event-number": 1}),
        (text(EVENT) * 10_001, 413, {"code": 27}),
        (b" " * (5 * 1024 * 1024 + 1), 413, {"code": 27}),
    ],
)
def test_a_batch_with_a_fault_is_refused_whole(
    http: TestClient, log: Log, body: bytes, status: int, told: dict[str, Any]
) -> None:
    """The code and the number of the first event at fault; nothing is recorded."""
    answer = http.post("/services/collector/event", content=body)
    assert answer.status_code == status
    assert {name: answer.json().get(name) for name in told} == told
    assert count(log) == 0


def test_raw_lines_are_messages_of_what_the_address_says(http: TestClient, log: Log) -> None:
    """One entry per line that is not empty; an object is looked into."""
    lines = b'first\r\n\n{"action": "invoice.sent", "user": "bob"}\n'
    told = http.post("/services/collector/raw?source=app&host=h&time=1795000000&index=main", content=lines)
    assert told.json() == {"text": "Success", "code": 0}
    plain, sent = [entry for entry in log.read(HOME) if entry.details and entry.details.get("source") == "app"]
    assert (plain.action, plain.actor.id, plain.details and plain.details["message"]) == (
        "message.logged",
        "app",
        "first",
    )
    assert (sent.action, sent.actor.id) == ("invoice.sent", "bob")
    assert http.post("/services/collector/raw/1.0", content=b"\xff").json()["code"] == 6
    assert http.post("/services/collector/raw", content=b"a\n" * 10_001).status_code == 413


@pytest.mark.parametrize(
    ("headers", "query", "status", "code"),
    [
        ({"authorization": ""}, "", 401, 2),
        ({"authorization": "Bearer x"}, "", 401, 3),
        ({"authorization": "Basic !"}, "", 401, 3),
        ({"authorization": "Splunk wk_no"}, "", 403, 4),
        ({}, "?token=wk_x", 400, 16),
        ({"x-splunk-request-channel": "x"}, "", 400, 11),
    ],
)
def test_keys_and_channels_are_refused_in_the_words_of_splunk(
    http: TestClient, headers: dict[str, str], query: str, status: int, code: int
) -> None:
    """A key in an address is refused even where it is a good one."""
    answer = http.post(f"/services/collector/event{query}", content=text(EVENT), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_password_of_basic_authorization_is_a_key(http: TestClient, log: Log) -> None:
    """As `curl -u x:<key>` sends it."""
    key = http.headers["authorization"].partition(" ")[2]
    basic = base64.b64encode(f"x:{key}".encode()).decode()
    answer = http.post("/services/collector", content=text(EVENT), headers={"authorization": f"Basic {basic}"})
    assert answer.status_code == 200
    assert count(log) == 1


def test_acknowledgements_hold_for_what_was_recorded(http: TestClient, log: Log) -> None:
    """Every request on a channel gets a number of its own; it is true in that channel and by that key alone."""
    headers = {"X-Splunk-Request-Channel": CHANNEL}
    sent = [http.post("/services/collector/event", content=text(EVENT), headers=headers).json() for _ in range(3)]
    ids = [one["ackId"] for one in sent]
    assert len(set(ids)) == 3
    asked = {"acks": [*ids, 0, -1, 1 << 60]}
    told = http.post(f"/services/collector/ack?channel={CHANNEL.lower()}", json=asked).json()["acks"]
    assert told == {str(one): True for one in ids} | {"0": False, "-1": False, str(1 << 60): False}
    other = {"X-Splunk-Request-Channel": CHANNEL.replace("F", "0")}
    assert http.post("/services/collector/ack", json=asked, headers=other).json()["acks"][str(ids[0])] is False
    key = KeyRing(log, HOME, actor=MARIA).create("other").text
    foreign = headers | {"authorization": f"Splunk {key}"}
    assert http.post("/services/collector/ack", json=asked, headers=foreign).json()["acks"][str(ids[0])] is False
    assert http.post("/services/collector/ack", json=asked).json()["code"] == 10
    for body in ({"acks": 1}, {"acks": ["1"]}, {}, {"acks": [True]}):
        assert http.post("/services/collector/ack", json=body, headers=headers).json()["code"] == 6
    with client(log, compat=("splunk",)) as restarted:
        again = restarted.post("/services/collector/ack", json=asked, headers=dict(http.headers) | headers)
        assert again.json()["acks"] == told


def test_a_store_that_is_away_is_a_busy_server(http: TestClient, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with code 9, and health says so too."""
    assert http.get("/services/collector/health", headers={"authorization": ""}).json()["code"] == 17

    def failing(*_: Any) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(log, "record_many", failing)
    monkeypatch.setattr(log, "shared_state", failing)
    key = http.headers["authorization"]
    answer = http.post("/services/collector/event", content=text(EVENT), headers={"authorization": key})
    assert (answer.status_code, answer.json()) == (503, {"text": "Server is busy", "code": 9})
    assert answer.headers["retry-after"] == "1"
    answer = http.get("/services/collector/health/1.0")
    assert (answer.status_code, answer.json()["code"]) == (503, 18)


def test_a_rate_that_is_used_up_is_a_busy_server(log: Log) -> None:
    """503 with code 9, which clients come back after."""
    with client(log, compat=("splunk",), rate=1) as http:
        key = {"authorization": f"Splunk {KeyRing(log, HOME, actor=MARIA).create('t').text}"}
        body = text({"event": "x"}) * 6_000
        codes = [http.post("/services/collector", content=body, headers=key).json()["code"] for _ in range(2)]
        assert codes == [0, 9]
