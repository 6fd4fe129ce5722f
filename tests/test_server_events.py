"""`POST /v1/events`: one event, a batch, lines; what is refused and how; and whoever tries to get past it."""

from __future__ import annotations

import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import zstandard
from starlette.testclient import TestClient

import whodid
from tests import sending, serving
from tests.sending import wire
from tests.serving import HOME, MARIA, Clock, bearer, check_problem, client
from whodid import Log
from whodid.server.keys import KeyRing

clock, log, ring, key, http = serving.clock, serving.log, sending.ring, sending.key, serving.http


# ------------------------------------------------------------------------------------------------------------ recording


def test_one_event_is_recorded_once(http: TestClient, log: Log, key: str) -> None:
    """201 for the first time, 200 for the second, with the same place; the entry is what was sent and no more."""
    sent = wire(1, context={"ip": "192.0.2.1"}, details={"n": 1})
    first = http.post("/v1/events", json=sent, headers=bearer(key))
    again = http.post("/v1/events", json=sent, headers=bearer(key))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == {"id": sent["id"], "status": "recorded", "index": log.head(HOME).size - 1}
    assert again.json() == {**first.json(), "status": "known"}
    entry = log.get(HOME, sent["id"])
    assert entry.context is not None
    assert (entry.context.ip, entry.context.user_agent, entry.context.request) == ("192.0.2.1", None, None)
    assert entry.actor.id == "usr_1"


def test_a_batch_is_answered_event_by_event(http: TestClient, log: Log, key: str) -> None:
    """Good, repeated, wrong and conflicting events of one batch: each its own answer in its own place."""
    events = [
        wire(1),
        wire(2, action="Contact created"),
        wire(1),
        wire(1, action="contact.deleted"),
        {"id": "nothing else"},
        wire(3),
    ]
    answer = http.post("/v1/events", json={"events": events}, headers=bearer(key))

    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [one["status"] for one in results] == ["recorded", "refused", "known", "refused", "refused", "recorded"]
    assert results[5]["index"] == results[0]["index"] + 1
    assert results[2]["index"] == results[0]["index"]
    assert (results[1]["pointer"], results[1]["id"]) == ("/action", events[1]["id"])
    assert results[1]["fault"] == "The action is not of the form noun.verb."
    assert results[1]["remedy"].startswith("Use lower-case")
    assert results[3]["index"] == results[0]["index"]
    assert "already belongs to entry" in results[3]["fault"]
    assert results[4]["fault"] == "The field is missing."
    assert log.get(HOME, events[0]["id"]).action == "contact.created"


def test_lines_are_a_batch_too(http: TestClient, key: str) -> None:
    """One object per line; a line that is not JSON is refused alone."""
    body = "\n".join([json.dumps(wire(1)), "{broken", "", json.dumps(wire(2))])
    answer = http.post(
        "/v1/events", content=body, headers=bearer(key) | {"Content-Type": "application/x-ndjson; charset=utf-8"}
    )
    assert [one["status"] for one in answer.json()["results"]] == ["recorded", "refused", "recorded"]


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
def test_packed_bodies_are_unpacked(http: TestClient, key: str, encoding: str) -> None:
    """A full batch in each encoding."""
    body = json.dumps({"events": [wire(number) for number in range(1000)]}).encode()
    packed = {"gzip": gzip.compress(body), "zstd": zstandard.ZstdCompressor().compress(body), "identity": body}
    headers = bearer(key) | {"Content-Type": "application/json", "Content-Encoding": encoding}
    answer = http.post("/v1/events", content=packed[encoding], headers=headers)
    assert [one["status"] for one in answer.json()["results"]] == ["recorded"] * 1000


def test_requests_that_wait_together_are_recorded_together(tmp_path: Path) -> None:
    """Forty clients at once: every event once, answers in place, and fewer commits than requests."""
    with whodid.open(f"sqlite:///{tmp_path}/audit.db", clock=Clock()) as log:
        key = KeyRing(log, HOME, actor=MARIA).create("tests").text
        commits = []
        append = log._store.append

        def slow(*arguments: Any) -> Any:
            commits.append(1)
            time.sleep(0.02)
            return append(*arguments)

        with client(log) as http, patch.object(log._store, "append", slow):

            def send(number: int) -> list[dict[str, Any]]:
                events = [wire(number), wire(number, action="Wrong"), wire(number + 500)]
                answer = http.post("/v1/events", json={"events": events}, headers=bearer(key))
                results: list[dict[str, Any]] = answer.json()["results"]
                return results

            with ThreadPoolExecutor(40) as pool:
                answers = list(pool.map(send, range(40)))
        assert len(commits) < 30
        for number, (one, wrong, two) in enumerate(answers):
            assert (one["status"], wrong["status"], two["status"]) == ("recorded", "refused", "recorded")
            assert log.get(HOME, one["index"]).resource.id == f"con_{number}"
            assert log.get(HOME, two["index"]).resource.id == f"con_{number + 500}"
        assert log.verify(HOME).ok


# -------------------------------------------------------------------------------------------------------- what is wrong


BROKEN = [
    (b"", 400, "not JSON"),
    (b"{", 400, "not JSON"),
    (b"\xff\xfe", 400, "not JSON"),
    (b"[]", 400, "not an object"),
    (b'"text"', 400, "not an object"),
    (b'{"events": [}', 400, "of the form"),
    (b'{"events": {}}', 400, "of the form"),
    (b'{"events": [], "more": 1}', 400, "of the form"),
    (b'{"events": [], "events": []}', 400, "of the form"),
    (b'{"events": []} {}', 400, "of the form"),
    (b'{"events": []', 400, "of the form"),
    (b"{}", 422, "missing"),
    (b'{"id": 1, "id": 2}', 422, "twice"),
    (b'{"a":' * 50 + b"1" + b"}" * 50, 422, "nested deeper"),
    (b'{"events": [' + b"{}," * 1000 + b"{}]}", 413, "more than 1,000"),
]


@pytest.mark.parametrize("case", BROKEN)
def test_a_body_that_cannot_be_told_apart_is_a_problem(
    http: TestClient, log: Log, key: str, case: tuple[bytes, int, str]
) -> None:
    """Nothing of it is recorded, and the problem says what is wrong."""
    body, status, part = case
    before = log.head(HOME).size
    answer = http.post("/v1/events", content=body, headers=bearer(key) | {"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert part in answer.json()["detail"]
    assert log.head(HOME).size == before


def test_other_media_types_and_encodings_are_refused(http: TestClient, key: str) -> None:
    """415 with what is taken."""
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "multipart/form-data"}):
        answer = http.post("/v1/events", content=json.dumps(wire(1)), headers=bearer(key) | headers)
        check_problem(answer, 415, "media-type")
    headers = {"Content-Type": "application/json", "Content-Encoding": "br"}
    check_problem(http.post("/v1/events", content=b"x", headers=bearer(key) | headers), 415, "media-type")


def test_a_single_refusal_is_a_problem(http: TestClient, key: str) -> None:
    """422 with the pointer; 409 with the index when the id is another event's."""
    wrong = http.post("/v1/events", json=wire(1, outcome="maybe"), headers=bearer(key))
    assert check_problem(wrong, 422, "invalid-event")["pointer"] == "/outcome"
    http.post("/v1/events", json=wire(2), headers=bearer(key))
    taken = http.post("/v1/events", json=wire(2, action="contact.deleted"), headers=bearer(key))
    assert "index" in check_problem(taken, 409, "conflicting-event")


def test_this_route_takes_no_parameters_and_no_other_method(http: TestClient, key: str) -> None:
    """A key in the address is not a key, and reading has its own routes."""
    check_problem(http.post(f"/v1/events?key={key}", json=wire(1)), 400, "bad-request")
    check_problem(http.get("/v1/events", headers=bearer(key)), 405, "method-not-allowed")
