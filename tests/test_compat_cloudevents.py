"""The published CloudEvents SDK, unchanged, against a real server; and what it never sends."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from starlette.testclient import TestClient

from tests import compatting, serving
from tests.compatting import CompatServer
from tests.serving import HOME, MARIA, check_problem, client
from whodid import Log
from whodid.errors import StoreUnavailable
from whodid.server.keys import KeyRing

clock, log, server = serving.clock, serving.log, compatting.server

AT = datetime(2026, 11, 19, 12, 0, 0, 123_456, tzinfo=UTC)
BATCH = {"content-type": "application/cloudevents-batch+json"}
STRUCTURED = {"content-type": "application/cloudevents+json"}


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client with a key."""
    with client(log, compat=("cloudevents",)) as opened:
        opened.headers["authorization"] = f"Bearer {KeyRing(log, HOME, actor=MARIA).create('t').text}"
        yield opened


def said(data: Any = None, **more: Any) -> CloudEvent:
    """Make an event."""
    attributes: dict[str, Any] = {
        "id": "e1",
        "source": "/crm/ñ",
        "type": "com.example.invoice.sent.v2",
        "specversion": "1.0",
        "subject": "inv 1%",
        "time": AT,
        "tier": "gold",
    }
    if data is None:
        data = {"actor": {"id": "usr_1", "name": "Ana"}, "reason": "asked", "seats": 3}
        attributes["datacontenttype"] = "application/json"
    return CloudEvent(attributes=attributes | more, data=data)


def send(server: CompatServer, message: HTTPMessage) -> int:
    """Send what the SDK made, as an application does with a client of its own."""
    headers = message.headers | {"Authorization": f"Bearer {server.key}"}
    return httpx2.post(f"{server.url}/cloudevents", content=message.body, headers=headers).status_code


@pytest.mark.parametrize("mode", [to_binary_event, to_structured_event])
def test_an_event_arrives_whole(server: CompatServer, mode: Callable[[CloudEvent], HTTPMessage]) -> None:
    """The type without its domain is the action, the subject the resource, the data has the rest."""
    assert send(server, mode(said())) == 204
    (entry,) = server.entries("invoice.sent")
    assert (entry.actor.type, entry.actor.id, entry.actor.name) == ("user", "usr_1", "Ana")
    assert (entry.resource.type, entry.resource.id) == ("invoice", "inv 1%")
    assert entry.reason is not None
    assert entry.reason.text == "asked"
    assert entry.occurred_at == AT
    assert entry.details == {
        "attributes": {"seats": 3},
        "event": "e1",
        "extensions": {"tier": "gold"},
        "source": "/crm/ñ",
        "type": "com.example.invoice.sent.v2",
    }


def test_the_modes_of_one_event_are_one_event(server: CompatServer) -> None:
    """Binary, structured, and cut off before the answer: source and id name it, so it is recorded once."""
    server.faults = ["cut"]
    with pytest.raises(httpx2.RemoteProtocolError):
        send(server, to_binary_event(said()))
    assert send(server, to_binary_event(said())) == 204
    assert send(server, to_structured_event(said())) == 204
    assert len(server.entries("invoice.sent")) == 1


@pytest.mark.parametrize(
    ("data", "kept"), [("text ñ", "text ñ"), (b"\xff\x00", base64.b64encode(b"\xff\x00").decode())]
)
def test_data_that_is_no_object_is_kept(server: CompatServer, data: Any, kept: str) -> None:
    """Text as text, bytes as base64, with no content type or their own."""
    kind = "text/plain" if isinstance(data, str) else "application/octet-stream"
    assert send(server, to_binary_event(said(data, datacontenttype=kind))) == 204
    (entry,) = server.entries("invoice.sent")
    assert entry.details is not None
    assert entry.details["data"] == kept
    assert entry.actor.id == "/crm/ñ"


# --------------------------------------------------------------------------------------------------------- by hand


def plain(id_: str = "e1", **more: Any) -> dict[str, Any]:
    """Make an event as JSON."""
    return {
        "specversion": "1.0",
        "id": id_,
        "source": "/a",
        "type": "invoice.sent",
        "time": "2026-11-19T12:00:00Z",
    } | more


def count(log: Log) -> int:
    """Count what was recorded."""
    return sum(entry.action == "invoice.sent" for entry in log.read(HOME))


def test_a_batch_is_recorded_once(http: TestClient, log: Log) -> None:
    """Sent twice, packed the second time; an empty batch is nothing."""
    body = json.dumps([plain("1"), plain("2"), plain("1")]).encode()
    assert http.post("/cloudevents", content=body, headers=BATCH).status_code == 204
    packed = BATCH | {"content-encoding": "gzip"}
    assert http.post("/cloudevents", content=gzip.compress(body), headers=packed).status_code == 204
    assert count(log) == 2
    assert http.post("/cloudevents", content=b"[]", headers=BATCH).status_code == 204


@pytest.mark.parametrize(
    ("bad", "pointer"),
    [
        (7, ""),
        (plain(source=""), "/source"),
        (plain(specversion="2.0"), "/specversion"),
        (plain(time="soon"), "/time"),
        (plain(time="2999-01-01T00:00:00Z"), "/occurred_at"),
        (plain(subject=1), "/subject"),
        (plain(Upper="x"), ""),
        (plain(data_base64="!"), "/data_base64"),
        (plain(data_base64="eA==", datacontenttype="application/json"), "/data_base64"),
        (
            plain(data={"action": "a.b", "actor": {"type": "x", "id": "1"}, "resource": {"type": "t", "id": "r"}}),
            "/actor/type",
        ),
        (plain(data={"a": "x" * 300_000}), ""),
    ],
)
def test_a_batch_with_a_fault_is_refused_whole(http: TestClient, log: Log, bad: Any, pointer: str) -> None:
    """Which event, where, why and what to do; the good one beside it is not recorded."""
    answer = http.post("/cloudevents", json=[plain("good"), bad], headers=BATCH)
    body = check_problem(answer, 422, "invalid-body")
    (fault,) = body["errors"]
    assert (fault["index"], fault["pointer"]) == (1, pointer)
    assert fault["remedy"]
    assert count(log) == 0


def test_an_id_that_names_another_event_is_told(http: TestClient, log: Log) -> None:
    """409: the same source and id with other data is a mistake of the producer; without a time nobody can tell."""
    assert http.post("/cloudevents", json=plain(), headers=STRUCTURED).status_code == 204
    body = check_problem(
        http.post("/cloudevents", json=plain(data={"x": 1}), headers=STRUCTURED), 409, "conflicting-event"
    )
    assert body["errors"][0]["index"] == 0
    for _ in range(2):
        assert http.post("/cloudevents", json=plain("2", time=None), headers=STRUCTURED).status_code == 204
    assert count(log) == 2


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"authorization": "Bearer wk_no"} | STRUCTURED, 401),
        (b"{}", {}, 415),
        (b"{}", {"content-type": "application/cloudevents+avro"}, 415),
        (b"{}", STRUCTURED | {"content-encoding": "br"}, 415),
        (b"{", STRUCTURED, 400),
        (b"[" * 9_000, BATCH, 400),
        (b"{}", BATCH, 400),
        (b"{", {"ce-id": "1", "content-type": "application/json"}, 400),
        (b"", {"ce-id": "%ff"}, 400),
        (json.dumps([1] * 1_001).encode(), BATCH, 413),
        (gzip.compress(bytes(3_000_000)), STRUCTURED | {"content-encoding": "gzip"}, 413),
    ],
)
def test_a_request_that_cannot_be_read_is_a_problem(
    http: TestClient, log: Log, body: bytes, headers: dict[str, str], status: int
) -> None:
    """The binding has no form for errors, so they have ours."""
    answer = http.post("/cloudevents", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert count(log) == 0


def test_a_binary_event_without_a_type_of_content(http: TestClient, log: Log) -> None:
    """JSON is seen as JSON, text is text, bytes are bytes, nothing is nothing."""
    head = {"ce-specversion": "1.0", "ce-source": "/a", "ce-type": "invoice.sent"}
    for at, body in enumerate([b'{"user": "bob"}', b"plain", b"\xff", b""]):
        assert http.post("/cloudevents", content=body, headers=head | {"ce-id": str(at)}).status_code == 204
    found = [entry for entry in log.read(HOME) if entry.action == "invoice.sent"]
    assert [entry.actor.id for entry in found] == ["bob", "/a", "/a", "/a"]
    assert [(entry.details or {}).get("data") for entry in found] == [None, "plain", "/w==", None]


def test_a_producer_is_told_to_come_back(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 with Retry-After for a rate that is used up, 503 for a store that is away."""
    key = {"authorization": f"Bearer {KeyRing(log, HOME, actor=MARIA).create('t').text}"}
    with client(log, compat=("cloudevents",), rate=1) as http:
        many = [plain(str(number)) for number in range(900)]
        answers = [http.post("/cloudevents", json=many, headers=BATCH | key) for _ in range(2)]
        assert [one.status_code for one in answers] == [204, 429]
        assert int(answers[1].headers["retry-after"]) > 1
    with client(log, compat=("cloudevents",)) as http:

        def failing(*_: Any) -> None:
            raise StoreUnavailable("away")

        monkeypatch.setattr(log, "record_many", failing)
        answer = http.post("/cloudevents", json=plain(), headers=STRUCTURED | key)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
