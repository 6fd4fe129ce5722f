"""`POST /v1/events`: one event, a batch, lines; what is refused and how; and whoever tries to get past it."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import anyio
import pytest
import zstandard
from starlette.testclient import TestClient

import whodid
from tests.serving import ALL, AWAY, HOME, MARIA, NOW, SECRET, Clock, bearer, check_problem, client, open_log, token
from whodid import Log
from whodid.errors import StoreCorrupt, StoreFull, StoreUnavailable
from whodid.server import asgi
from whodid.server import events as events_module
from whodid.server.bodies import LARGEST_BODY, Refused, unpack_body
from whodid.server.gate import Buckets
from whodid.server.keys import KeyRing


def wire(number: int, **more: Any) -> dict[str, Any]:
    """Write an event as a sender would."""
    return {
        "id": str(UUID(int=1000 + number)),
        "occurred_at": NOW.isoformat(),
        "actor": {"type": "user", "id": "usr_1", "name": "Aisha"},
        "action": "contact.created",
        "resource": {"type": "contact", "id": f"con_{number}"},
        **more,
    }


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def log(clock: Clock) -> Iterator[Log]:
    """Open the story."""
    with open_log(clock) as opened:
        yield opened


@pytest.fixture
def ring(log: Log) -> KeyRing:
    """Return the keys of HOME."""
    return KeyRing(log, HOME, actor=MARIA)


@pytest.fixture
def key(ring: KeyRing) -> str:
    """Make a key that may write to HOME."""
    return ring.create("tests").text


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client."""
    with client(log) as opened:
        yield opened


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
    pack = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress, "identity": bytes}[encoding]
    headers = bearer(key) | {"Content-Type": "application/json", "Content-Encoding": encoding}
    answer = http.post("/v1/events", content=pack(body), headers=headers)
    assert [one["status"] for one in answer.json()["results"]] == ["recorded"] * 1000


def test_requests_that_wait_together_are_recorded_together(tmp_path: Path) -> None:
    """Forty clients at once: every event once, answers in place, and fewer commits than requests."""
    with whodid.open(f"sqlite:///{tmp_path}/audit.db", clock=Clock()) as log:
        key = KeyRing(log, HOME, actor=MARIA).create("tests").text
        commits = []
        append = log._store.append

        def slow(workspace: str, assemble: Any) -> Any:
            commits.append(1)
            time.sleep(0.02)
            return append(workspace, assemble)

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


# --------------------------------------------------------------------------------------------------------- what is wrong


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


@pytest.mark.parametrize(("body", "status", "part"), BROKEN)
def test_a_body_that_cannot_be_told_apart_is_a_problem(
    http: TestClient, log: Log, key: str, body: bytes, status: int, part: str
) -> None:
    """Nothing of it is recorded, and the problem says what is wrong."""
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


# ----------------------------------------------------------------------------------------------------------------- keys


def test_whatever_is_not_a_good_key_is_answered_alike(
    http: TestClient, log: Log, ring: KeyRing, key: str, clock: Clock
) -> None:
    """Missing, garbled, unknown, false, expired, revoked, and a viewer token: the same answer to the letter."""
    expired = ring.create("short", expires_at=NOW + timedelta(hours=1)).text
    revoked = ring.create("gone")
    ring.revoke(revoked.key.id)
    clock.advance(hours=2)
    false = key[:-1] + ("A" if key[-1] != "A" else "B")
    shown = [
        {},
        {"Authorization": f"Basic {key}"},
        bearer(""),
        bearer("wk_0"),
        bearer("wk_000000000000_" + "A" * 43),
        bearer(key.upper()),
        bearer(key + "A"),
        bearer(false),
        bearer(expired),
        bearer(revoked.text),
        bearer(token(HOME, ALL, now=clock.now)),
    ]
    answers = {
        json.dumps({**http.post("/v1/events", json=wire(1), headers=one).json(), "request_id": ""}) for one in shown
    }
    assert len(answers) == 1
    (answer,) = answers
    assert json.loads(answer)["status"] == 401
    assert "expired" not in answer
    causes = [(entry.details or {})["cause"] for entry in log.find(HOME, "action:api_key.denied").items]
    assert sorted(causes) == ["expired", "revoked", "secret"]


def test_a_refused_key_leaves_one_entry_an_hour(http: TestClient, log: Log, ring: KeyRing, clock: Clock) -> None:
    """Trying again and again does not flood the log; the entry says which key, why and from where, and no secret."""
    gone = ring.create("gone")
    ring.revoke(gone.key.id)
    for _ in range(20):
        http.post("/v1/events", json=wire(1), headers=bearer(gone.text) | {"User-Agent": "evil\u00e9 agent"})
    (entry,) = log.find(HOME, "action:api_key.denied").items
    assert entry.details == {"cause": "revoked", "route": "POST /v1/events"}
    assert entry.resource.id == f"wk_{gone.key.id}"
    assert entry.outcome == "denied"
    assert gone.text.rpartition("_")[2] not in str(entry)
    clock.advance(hours=1)
    http.post("/v1/events", json=wire(1), headers=bearer(gone.text))
    assert len(log.find(HOME, "action:api_key.denied").items) == 2


def test_a_key_without_the_scope_is_told_so(http: TestClient, log: Log, ring: KeyRing) -> None:
    """403 for a key that only reads; it is an entry as well."""
    reader = ring.create("reader", scopes=("read", "export")).text
    body = check_problem(http.post("/v1/events", json=wire(1), headers=bearer(reader)), 403, "denied")
    assert body["permission"] == "write"
    (entry,) = log.find(HOME, "action:api_key.denied").items
    assert (entry.details or {})["cause"] == "scope"
    admin = ring.create("admin", scopes=("admin",)).text
    assert http.post("/v1/events", json=wire(1), headers=bearer(admin)).status_code == 201


def test_a_key_writes_to_its_own_workspace_only(http: TestClient, log: Log, key: str) -> None:
    """Nothing in the request leads elsewhere; naming another workspace is refused without saying whether it exists."""
    before = log.head(AWAY).size
    for name in (AWAY, "wsp_nowhere"):
        answer = http.post("/v1/events", json=wire(1), headers=bearer(key) | {"X-Whodid-Workspace": name})
        body = check_problem(answer, 403, "other-workspace")
        assert name not in json.dumps(body)
    headers = bearer(key) | {"X-Whodid-Workspace": HOME, "X-Workspace": AWAY}
    assert http.post("/v1/events", json=wire(1), headers=headers).status_code == 201
    body = http.post("/v1/events", json=wire(2, workspace=AWAY), headers=bearer(key))
    assert check_problem(body, 422, "invalid-event")["pointer"] == "/workspace"
    assert log.head(AWAY).size == before


def test_a_revoked_key_is_refused_within_a_second(log: Log, ring: KeyRing) -> None:
    """A key that was just used is remembered for a second, and then not."""
    made = ring.create("tests")
    with client(log) as http:
        assert http.post("/v1/events", json=wire(1), headers=bearer(made.text)).status_code == 201
        ring.revoke(made.key.id)
        until = time.monotonic() + 1.5
        while http.post("/v1/events", json=wire(1), headers=bearer(made.text)).status_code != 401:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_reading_keys_read_what_they_may(http: TestClient, log: Log, ring: KeyRing, key: str) -> None:
    """`read` lists without personal values, `export` exports, `admin` sees all, `write` sees nothing."""
    reader = bearer(ring.create("reader", scopes=("read",)).text)
    exporter = bearer(ring.create("exporter", scopes=("export",)).text)
    admin = bearer(ring.create("admin", scopes=("admin",)).text)
    assert http.get("/v1/entries", headers=bearer(key)).status_code == 403
    assert http.get("/v1/entries", headers=exporter).status_code == 403
    hidden = http.get("/v1/entries/0", headers=reader)
    assert hidden.status_code == 200
    assert "ana.old@mail.example" not in hidden.text
    assert "ana.old@mail.example" in http.get("/v1/entries/0", headers=admin).text
    assert http.post("/v1/exports", json={"format": "csv"}, headers=reader).status_code == 403
    assert http.post("/v1/exports", json={"format": "csv"}, headers=admin).status_code == 200
    opened = log.find(HOME, "action:audit.viewer_opened").items
    assert {entry.actor.type for entry in opened} == {"api_key"}


def test_a_key_that_sends_too_much_is_slowed_down(log: Log, ring: KeyRing) -> None:
    """429 with when to come back; another key is not touched."""
    one, other = ring.create("one").text, ring.create("other").text
    with client(log, rate=100) as http:
        batch = {"events": [wire(number) for number in range(1000)]}
        assert http.post("/v1/events", json=batch, headers=bearer(one)).status_code == 200
        refused = http.post("/v1/events", json=batch, headers=bearer(one))
        check_problem(refused, 429, "too-many")
        assert 9 <= int(refused.headers["retry-after"]) <= 10
        assert http.post("/v1/events", json=wire(1), headers=bearer(other)).status_code == 200


def test_tokens_come_back_with_time() -> None:
    """A bucket refills at its rate, and holds a full batch."""
    now = 0.0
    buckets = Buckets(10, least=1000, tick=lambda: now)
    assert buckets.take("k", 1000) == 0
    assert buckets.take("k", 5) == 0.5
    now = 0.5
    assert buckets.take("k", 5) == 0
    now = 1000.0
    assert buckets.take("k", 1000) == 0
    assert Buckets(0, least=1).take("k", 10**9) == 0


# -------------------------------------------------------------------------------------------------------------- attacks


def test_a_body_that_is_too_large_is_not_read_to_its_end(http: TestClient, key: str) -> None:
    """By its declared length, or by what came when none was declared."""
    headers = bearer(key) | {"Content-Type": "application/json"}
    check_problem(http.post("/v1/events", content=bytes(LARGEST_BODY + 1), headers=headers), 413, "too-large")
    read = 0

    def endless() -> Iterable[bytes]:
        nonlocal read
        while read < 10 * LARGEST_BODY:
            read += 65536
            yield b" " * 65536

    check_problem(http.post("/v1/events", content=endless(), headers=headers), 413, "too-large")


def zstd_bomb() -> bytes:
    """Pack 200 MB of nothing."""
    return zstandard.ZstdCompressor(level=19).compress(bytes(200_000_000))


def gzip_bomb() -> bytes:
    """Pack 50 MB of nothing."""
    return gzip.compress(bytes(50_000_000))


@pytest.mark.parametrize(("encoding", "bomb"), [("gzip", gzip_bomb), ("zstd", zstd_bomb)])
def test_a_bomb_does_not_go_off(http: TestClient, key: str, encoding: str, bomb: Any) -> None:
    """Unpacking stops at the bound, whatever the ratio."""
    headers = bearer(key) | {"Content-Type": "application/json", "Content-Encoding": encoding}
    answer = http.post("/v1/events", content=bomb(), headers=headers)
    assert "unpacks to more than" in check_problem(answer, 413, "too-large")["detail"]


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_packed_bodies_are_whole_or_refused(encoding: str) -> None:
    """Cut off, garbled, with something after it, in several pieces: whole ones are read, others are a problem."""
    pack = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}[encoding]
    data = json.dumps([wire(number) for number in range(30)]).encode()
    packed = pack(data)
    assert unpack_body(packed, encoding) == data
    assert unpack_body(pack(b"a") + pack(b"b"), encoding) == b"ab"
    assert unpack_body(pack(b""), encoding) == b""
    for broken in (packed[:-3], packed[:20], packed + b"more", b"\0" + packed, b"garbage"):
        with pytest.raises(Refused) as refused:
            unpack_body(broken, encoding)
        assert refused.value.status == 400
    with pytest.raises(Refused, match="100 times"):
        unpack_body(pack(bytes(4_000_000)), encoding)


def raw(body: Any, headers: list[tuple[bytes, bytes]], app: Any, patience: float = 5) -> list[Any]:
    """Send a request as plain ASGI messages and return what was answered."""
    sent: list[Any] = []
    scope = {
        "type": "http", "method": "POST", "path": "/v1/events", "raw_path": b"/v1/events", "query_string": b"",
        "headers": headers, "scheme": "http", "server": ("x", 80), "client": ("192.0.2.9", 5), "http_version": "1.1",
        "root_path": "",
    }  # fmt: skip

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        with anyio.fail_after(patience):
            await app(scope, body, send)

    anyio.run(run)
    return sent


def test_a_slow_body_is_given_up(log: Log, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that never ends its body is answered 408 and holds nothing up."""
    monkeypatch.setattr(events_module, "_BODY_SECONDS", 0.2)

    async def dripping() -> Any:
        await anyio.sleep(0.05)
        return {"type": "http.request", "body": b" ", "more_body": True}

    sent = raw(dripping, [(b"authorization", f"Bearer {key}".encode())], asgi(log, secret=SECRET))
    assert sent[0]["status"] == 408


def test_a_stranger_cannot_make_it_read(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key, at most a little is taken in before the line is closed."""
    monkeypatch.setattr(events_module, "_DRAIN_SECONDS", 0.2)
    read = 0

    async def endless() -> Any:
        nonlocal read
        read += 65536
        return {"type": "http.request", "body": bytes(65536), "more_body": True}

    sent = raw(endless, [], asgi(log, secret=SECRET))
    assert sent[0]["status"] == 401
    assert read <= 1024 * 1024 + 65536


def test_a_client_that_leaves_is_forgotten(log: Log, key: str) -> None:
    """A disconnect in the middle of the body records nothing."""
    before = log.head(HOME).size

    async def leaving() -> Any:
        return {"type": "http.disconnect"}

    raw(leaving, [(b"authorization", f"Bearer {key}".encode())], asgi(log, secret=SECRET))
    assert log.head(HOME).size == before


# ----------------------------------------------------------------------------------------------------------- the store


@pytest.mark.parametrize(
    ("error", "status"),
    [(StoreUnavailable("Busy"), 503), (StoreFull("Full"), 503), (StoreCorrupt("Bad"), 500), (RuntimeError("x"), 500)],
)
def test_a_store_that_fails_acknowledges_nothing(
    http: TestClient, log: Log, key: str, error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """503 and when to come back, or 500; afterwards the very same request is recorded."""
    body = {"events": [wire(1), wire(2, action="Wrong")]}
    assert http.post("/v1/events", json=wire(9), headers=bearer(key)).status_code == 201
    with caplog.at_level(logging.CRITICAL), patch.object(log._store, "append", side_effect=error):
        answer = http.post("/v1/events", json=body, headers=bearer(key))
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status == 503)
    assert str(error) not in answer.text
    again = http.post("/v1/events", json=body, headers=bearer(key)).json()["results"]
    assert [one["status"] for one in again] == ["recorded", "refused"]


def test_keys_that_cannot_be_read_are_not_a_401(
    http: TestClient, log: Log, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """While the store is away nobody is told that his key is wrong."""
    with (
        caplog.at_level(logging.CRITICAL),
        patch.object(log._store, "state", side_effect=StoreUnavailable("Away", "Wait")),
    ):
        answer = http.post("/v1/events", json=wire(1), headers=bearer(key))
    check_problem(answer, 503, "store-unavailable")
    assert answer.headers["retry-after"]


def test_too_many_at_once_are_asked_to_come_back(log: Log, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound it is 503 with Retry-After at once; those inside are recorded."""
    monkeypatch.setattr(events_module, "_MOST_WAITING", 3)
    opened, append = threading.Event(), log._store.append

    def held(workspace: str, assemble: Any) -> Any:
        opened.wait(10)
        return append(workspace, assemble)

    with client(log) as http:
        assert http.post("/v1/events", json=wire(99), headers=bearer(key)).status_code == 201
        with patch.object(log._store, "append", held), ThreadPoolExecutor(12) as pool:
            sent = [
                pool.submit(http.post, "/v1/events", json=wire(number), headers=bearer(key)) for number in range(12)
            ]
            time.sleep(0.5)
            opened.set()
            answers = [one.result() for one in sent]
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * 3 + [503] * 9
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
