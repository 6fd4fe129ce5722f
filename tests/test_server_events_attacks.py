"""`POST /v1/events` under attack and under stress: keys, bodies that never end or burst, a store that fails."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import anyio
import pytest
import zstandard
from starlette.testclient import TestClient

from tests import sending, serving
from tests.sending import wire
from tests.serving import ALL, AWAY, HOME, NOW, SECRET, Clock, bearer, check_problem, client, token
from whodid import Log
from whodid.errors import StoreCorrupt, StoreFull, StoreUnavailable
from whodid.server import asgi
from whodid.server import events as events_module
from whodid.server.bodies import LARGEST_BODY, Refused, unpack_body
from whodid.server.gate import Buckets
from whodid.server.keys import KeyRing

clock, log, ring, key, http = serving.clock, serving.log, sending.ring, sending.key, serving.http


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
    causes = [(entry.details or {})["cause"] for entry in log.find(HOME, "action:api_key.denied").entries]
    assert sorted(causes) == ["expired", "revoked", "secret"]


def test_a_refused_key_leaves_one_entry_an_hour(http: TestClient, log: Log, ring: KeyRing, clock: Clock) -> None:
    """Trying again and again does not flood the log; the entry says which key, why and from where, and no secret."""
    gone = ring.create("gone")
    ring.revoke(gone.key.id)
    for _ in range(20):
        http.post("/v1/events", json=wire(1), headers=bearer(gone.text) | {"User-Agent": "evil\x00 agent" * 90})
    (entry,) = log.find(HOME, "action:api_key.denied").entries
    assert entry.details == {"cause": "revoked", "route": "POST /v1/events"}
    assert entry.resource.id == f"wk_{gone.key.id}"
    assert entry.outcome == "denied"
    assert gone.text.split("_", 2)[2] not in str(entry)
    clock.advance(hours=1)
    http.post("/v1/events", json=wire(1), headers=bearer(gone.text))
    assert len(log.find(HOME, "action:api_key.denied").entries) == 2


def test_a_key_without_the_scope_is_told_so(http: TestClient, log: Log, ring: KeyRing) -> None:
    """403 for a key that only reads; it is an entry as well."""
    reader = ring.create("reader", scopes=("read", "export")).text
    body = check_problem(http.post("/v1/events", json=wire(1), headers=bearer(reader)), 403, "denied")
    assert body["permission"] == "write"
    (entry,) = log.find(HOME, "action:api_key.denied").entries
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
    answer = http.post("/v1/events", json=wire(2, workspace=AWAY), headers=bearer(key))
    assert check_problem(answer, 422, "invalid-event")["pointer"] == "/workspace"
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
    refused = check_problem(http.get("/v1/entries", headers=bearer(key)), 403, "denied")
    assert (refused["permission"], refused["remedy"]) == ("audit:read", "Use a key with the scope read.")
    assert http.get("/v1/entries", headers=exporter).status_code == 403
    hidden = http.get("/v1/entries/0", headers=reader)
    assert hidden.status_code == 200
    assert "ana.old@mail.example" not in hidden.text
    assert "ana.old@mail.example" in http.get("/v1/entries/0", headers=admin).text
    assert http.post("/v1/exports", json={"format": "csv"}, headers=reader).status_code == 403
    assert http.post("/v1/exports", json={"format": "csv"}, headers=admin).status_code == 201
    opened = log.find(HOME, "action:audit.viewer_opened").entries
    assert {entry.actor.type for entry in opened} == {"api_key"}


@pytest.mark.parametrize("name", [AWAY, "wsp_nowhere", ""])
def test_who_asks_for_another_workspace_gets_no_answer_from_this_one(
    http: TestClient, log: Log, ring: KeyRing, name: str
) -> None:
    """Reading as writing: the header is heeded, and whether the other one exists is not said."""
    key = bearer(ring.create("reader", scopes=("read", "export")).text)
    asked = {"X-Whodid-Workspace": name}
    for headers in (key, bearer(token(permissions=["audit:read"]))):
        for route in ("/v1/entries", "/v1/entries/0", "/v1/checkpoint", "/v1/histogram", "/v1/tlog/checkpoint"):
            body = check_problem(http.get(route, headers=headers | asked), 403, "other-workspace")
            assert not name or name not in json.dumps(body)
            assert http.get(route, headers=headers | {"X-Whodid-Workspace": HOME}).status_code == 200
    exports = http.post("/v1/exports", json={"format": "csv"}, headers=key | asked)
    check_problem(exports, 403, "other-workspace")
    assert not log.find(HOME, "action:audit.exported").entries


def test_a_key_that_sends_too_much_is_slowed_down(log: Log, ring: KeyRing) -> None:
    """429 with when to come back; another key is not touched."""
    one, other = ring.create("one").text, ring.create("other").text
    with client(log, rate=100) as http:
        batch = {"events": [wire(number) for number in range(1000)]}
        assert http.post("/v1/events", json=batch, headers=bearer(one)).status_code == 200
        refused = http.post("/v1/events", json=batch, headers=bearer(one))
        check_problem(refused, 429, "too-many")
        assert 1 <= int(refused.headers["retry-after"]) <= 10  # some came back while a busy machine answered
        assert http.post("/v1/events", json=wire(1), headers=bearer(other)).status_code == 200


def test_tokens_come_back_with_time() -> None:
    """A bucket refills at its rate, and holds a full batch."""
    now = 0.0
    buckets = Buckets(10, least=1000, tick=lambda: now)
    assert buckets.take("K", 1000) == 0
    assert buckets.take("K", 5) == 0.5
    now = 0.5
    assert buckets.take("K", 5) == 0
    now = 1000.0
    assert buckets.take("K", 1000) == 0
    assert Buckets(0, least=1).take("K", 10**9) == 0


@pytest.mark.parametrize(("server", "own", "held"), [(10, 4, 4), (10, 40, 10), (0, 4, 4), (10, None, 10)])
def test_a_key_has_its_own_rate_where_that_is_less(server: int, own: int | None, held: int) -> None:
    """The rate of a key slows it down, and never lets it send more than the server lets every key send."""
    buckets = Buckets(server, least=1, tick=lambda: 0.0)
    assert buckets.take("K", 2 * held, rate=own) == 0
    assert buckets.take("K", held, rate=own) == 1.0


# -------------------------------------------------------------------------------------------------------------- attacks


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


def test_a_body_that_is_too_large_is_not_read_to_its_end(http: TestClient, log: Log, key: str) -> None:
    """By its declared length, or by what came when none was declared."""
    headers = bearer(key) | {"Content-Type": "application/json"}
    check_problem(http.post("/v1/events", content=bytes(LARGEST_BODY + 1), headers=headers), 413, "too-large")
    read = 0

    async def endless() -> Any:
        nonlocal read
        read += 65536
        return {"type": "http.request", "body": b" " * 65536, "more_body": read < 10 * LARGEST_BODY}

    sent = raw(endless, [(b"authorization", f"Bearer {key}".encode())], asgi(log, secret=SECRET))
    assert sent[0]["status"] == 413
    assert LARGEST_BODY < read <= LARGEST_BODY + 1024 * 1024 + 65536


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_large_body_is_let_in_alone(log: Log, key: str, encoding: str) -> None:
    """More than may wait at the pace of the log: in parts whose length nobody announced, or only as it is unpacked."""
    text = "".join(chr(0x4E00 + number % 20_000) for number in range(10_000))
    body = json.dumps({"events": [wire(number, details={"text": text}) for number in range(60)]}).encode()
    assert 2_000_000 < len(body) < LARGEST_BODY
    if encoding:
        body = gzip.compress(body, 1)
    parts = [body[at : at + 65536] for at in range(0, len(body), 65536)]

    async def pieces() -> Any:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")]
    headers += [(b"content-encoding", encoding.encode())] if encoding else []
    sent = raw(pieces, headers, asgi(log, secret=SECRET), patience=60)
    assert sent[0]["status"] == 200
    assert {one["status"] for one in json.loads(sent[1]["body"])["results"]} == {"recorded"}


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
    "case",
    [(StoreUnavailable("Busy"), 503), (StoreFull("Full"), 503), (StoreCorrupt("Bad"), 500), (RuntimeError("x"), 500)],
)
def test_a_store_that_fails_acknowledges_nothing(
    http: TestClient, log: Log, key: str, case: tuple[Exception, int], caplog: pytest.LogCaptureFixture
) -> None:
    """503 and when to come back, or 500; afterwards the very same request is recorded."""
    error, status = case
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

    def held(*arguments: Any) -> Any:
        opened.wait(10)
        return append(*arguments)

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
