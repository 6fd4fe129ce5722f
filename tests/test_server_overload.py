"""More than the server can take: bounds that hold, shares that are fair, and refusals in the words of each client."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from unittest.mock import patch

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests import sending, serving
from tests.sending import wire
from tests.serving import AWAY, HOME, MARIA, SECRET, bearer, check_problem, client, token
from whodid import Log
from whodid.server import asgi, serve
from whodid.server import events as events_module
from whodid.server.bounds import Bound, Drain
from whodid.server.config import Settings
from whodid.server.keys import KeyRing
from whodid.server.meter import Meter
from whodid.server.turns import Job, Turns

clock, log, ring, key, http = serving.clock, serving.log, sending.ring, sending.key, serving.http


class Levels(Meter):
    """Knows how to read each level."""

    def __init__(self) -> None:
        self.read: dict[str, Callable[[], float]] = {}

    def watch(self, level: Any, read: Callable[[], float]) -> None:
        """Remember."""
        self.read[level] = read

    def reaches(self, level: str, count: float) -> None:
        """Wait until there are so many."""
        until = time.monotonic() + 20
        while self.read[level]() != count:
            assert time.monotonic() < until, (level, self.read[level](), count)
            time.sleep(0.005)


class Held(NamedTuple):
    """A store that takes nothing until it is let go, and what is brought to it: workspace and events per commit."""

    release: threading.Event
    commits: list[tuple[str, int]]


@contextmanager
def held(log: Log) -> Iterator[Held]:
    """Let nothing into the store until it is released, or this ends."""
    holding, append, record_many = Held(threading.Event(), []), log._store.append, log.record_many

    def waits(*arguments: Any) -> Any:
        assert holding.release.wait(20)
        return append(*arguments)

    def noted(workspace: str, events: Any) -> Any:
        holding.commits.append((workspace, len(events)))
        return record_many(workspace, events)

    with patch.object(log._store, "append", waits), patch.object(log, "record_many", noted):
        try:
            yield holding
        finally:
            holding.release.set()


def first_done(sent: list[Future[Any]], count: int) -> list[Any]:
    """Wait until so many have an answer, and return those."""
    until = time.monotonic() + 20
    while sum(one.done() for one in sent) < count:
        assert time.monotonic() < until
        time.sleep(0.005)
    return [one.result() for one in sent if one.done()]


# --------------------------------------------------------------------------------------------------------------- bounds


def test_one_alone_gets_its_share_and_no_more() -> None:
    """Half of the whole; what it gives back can be taken again."""
    bound = Bound(lambda: 10)
    assert [bound.take("loud") for _ in range(12)] == [True] * 10 + [False] * 2
    assert (bound.total, bound.held("loud"), bound.full) == (10, 10, False)
    bound.give("loud", 4)
    assert [bound.take("loud", 3), bound.take("loud", 3)] == [True, False]


def test_there_is_room_for_who_brings_little() -> None:
    """Also when the others take as much as they can get."""
    bound = Bound(lambda: 12)
    for who in ("loud", "louder", "loudest"):
        while bound.take(who):
            pass
    assert bound.take("quiet")
    assert [bound.held(who) for who in ("loud", "louder", "loudest", "quiet")] == [12, 6, 3, 1]


def test_what_is_larger_than_everything_gets_in_alone() -> None:
    """It would never be taken otherwise; and there is a bound of nothing, where nothing gets in."""
    bound = Bound(lambda: 10)
    assert bound.take("one", 50)
    assert not bound.take("two")
    assert bound.full
    bound.give("one", 50)
    assert bound.take("two")
    assert not Bound(lambda: 0).take("one")


def test_what_grows_larger_than_everything_stays_in_alone() -> None:
    """A body in parts, or unpacked, is let in like one whose length is announced; two of one sender are not."""
    bound = Bound(lambda: 10)
    assert [bound.take("one", 9, own=own) for own in (0, 9, 18)] == [True] * 3
    assert not bound.take("two")
    assert not bound.take("one", 9)
    bound.give("one", 27)
    assert [bound.take("one", 9), bound.take("one", 9, own=9), bound.take("one", 1)] == [True, True, False]


def test_nothing_takes_no_room_and_is_not_remembered() -> None:
    """The empty end of a body, from whomever: a bound does not grow with the number of those who came by."""
    bound = Bound(lambda: 10)
    assert [bound.take(f"sender {number}", 0) for number in range(3)] == [True] * 3
    assert bound._held == {}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 9)), max_size=60), st.integers(1, 12))
def test_a_bound_holds(asked: list[tuple[str, int]], share: int) -> None:
    """Whoever asks for whatever: no more is inside than the whole, or one thing alone, and all of it is given back."""
    bound = Bound(lambda: share)
    taken = [(who, count) for who, count in asked if bound.take(who, count)]
    assert bound.total == sum(count for _, count in taken)
    assert bound.total <= 2 * share or len(taken) == 1
    for who, count in taken:
        bound.give(who, count)
    assert (bound.total, bound._held) == (0, {})


def test_how_much_may_wait_follows_from_how_fast_it_goes() -> None:
    """Slow and fast logs within the two ends; commits of little teach nothing."""
    drain = Drain(2.0, least=1_000, most=9_000)
    first = drain.share
    drain.learn(999, 1_000.0)
    assert (drain.share, first) == (9_000, 9_000)
    for _ in range(100):
        drain.learn(2_000, 1.0)
    assert drain.share == pytest.approx(4_000, rel=0.01)
    assert (drain.pause(0), drain.pause(5_000)) == (1, 3)
    for _ in range(100):
        drain.learn(1_000, 100.0)
    assert drain.share == 1_000


def job(workspace: str, count: int = 1, size: int = 1) -> Job:
    """Make a job with so many events, none of which matters."""
    return Job(workspace, [None] * count, size)  # type: ignore[list-item]


def test_every_workspace_has_its_turn() -> None:
    """One request of each after the other, in the order in which each sent its own."""
    turns = Turns()
    jobs = [job("loud") for _ in range(4)] + [job("quiet"), job("other"), job("quiet")]
    for one in jobs:
        turns.add(one)
    assert (turns.events, turns.next()) == (7, jobs[0])
    taken = turns.group(100)
    assert [jobs.index(one) for one in taken] == [0, 4, 5, 1, 6, 2, 3]
    assert (turns.events, turns.next(), turns.group(100)) == (0, None, [])


def test_a_commit_holds_no_more_than_it_should() -> None:
    """By events and by bytes; what is larger alone goes alone."""
    turns = Turns()
    for one in (job("a", 1_500), job("a", 500), job("a", 1), job("b", 1, 90), job("b", 1, 20), job("b", 1, 5_000)):
        turns.add(one)
    sizes = []
    while group := turns.group(100):
        sizes.append([(one.workspace, len(one.events), one.size) for one in group])
    assert sizes == [
        [("a", 1_500, 1), ("b", 1, 90)],
        [("a", 500, 1), ("b", 1, 20), ("a", 1, 1)],
        [("b", 1, 5_000)],
    ]


def test_who_has_waited_too_long_is_taken_out() -> None:
    """Of each workspace those in front; nothing is left of a workspace of which nobody waits any more."""
    turns = Turns()
    jobs = [job("a"), job("a"), job("b")]
    for at, one in enumerate(jobs):
        one.since = float(at)
        turns.add(one)
    jobs[2].since = 0.5
    assert turns.since(1.0) == [jobs[0], jobs[2]]
    assert turns.since(1.0) == []
    assert turns.group(100) == [jobs[1]]


# --------------------------------------------------------------------------------------------------------------- events


def test_one_flood_does_not_keep_another_workspace_out(log: Log, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own requests are refused beyond its share, the other's are let in and written in turn; nothing is lost."""
    monkeypatch.setattr(events_module, "_MOST_WAITING", 6)
    other = KeyRing(log, AWAY, actor=MARIA).create("tests").text
    levels = Levels()
    with client(log, metrics=levels) as http, ThreadPoolExecutor(24) as pool:
        for one in (key, other):  # so that no key has to be looked up while nothing gets into the store
            assert http.post("/v1/events", json=wire(90), headers=bearer(one)).status_code == 201

        def send(number: int, who: str) -> Future[Any]:
            return pool.submit(http.post, "/v1/events", json=wire(number), headers=bearer(who))

        with held(log) as store:
            first = send(0, key)
            levels.reaches("events_inside", 1)
            loud = [send(number, key) for number in range(1, 10)]
            levels.reaches("events_inside", 6)
            refused = [one.status_code for one in first_done(loud, 4)]
            quiet = send(50, other)
            levels.reaches("events_waiting", 6)
            store.release.set()
            answers = [one.result() for one in (first, *loud, quiet)]
        levels.reaches("events_inside", 0)
    assert refused == [503] * 4
    statuses = [answer.status_code for answer in answers]
    assert (statuses[0], statuses[-1], statuses.count(201), statuses.count(503)) == (201, 201, 7, 4)
    for answer in answers:
        if answer.status_code == 503:
            check_problem(answer, 503, "busy")
            assert int(answer.headers["retry-after"]) >= 1
    # The first was on its way alone; then all that waited, the other workspace's among them.
    assert store.commits == [(HOME, 1), (HOME, 5), (AWAY, 1)]
    ids = [entry.id for entry in log.read(HOME)]
    told = [answer.json()["id"] for answer in answers[:-1] if answer.status_code == 201]
    assert len(told) == 6
    assert all(ids.count(one) == 1 for one in told)


@pytest.mark.parametrize("form", ["announced", "in pieces", "packed"])
def test_bytes_are_bounded_however_they_come(log: Log, key: str, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """What waits is counted in bytes of events: beyond the share a workspace is told to come back."""
    monkeypatch.setattr(events_module, "_LEAST_BYTES", 40_000)
    monkeypatch.setattr(events_module, "_MOST_BYTES", 40_000)
    levels = Levels()
    events = [wire(number, details={"text": "x" * 900}) for number in range(30)]
    body = json.dumps({"events": events}).encode()
    more = {"content-type": "application/json"}
    sent: Any = body
    if form == "packed":
        sent, more = gzip.compress(body, 1), {**more, "content-encoding": "gzip"}
    elif form == "in pieces":
        sent = lambda: iter([body[:9_000], body[9_000:]])  # noqa: E731
    with client(log, metrics=levels) as http, ThreadPoolExecutor(1) as pool:
        assert http.post("/v1/events", json=wire(90), headers=bearer(key)).status_code == 201
        with held(log):
            first = pool.submit(
                http.post, "/v1/events", content=body, headers=bearer(key) | more | {"content-encoding": "identity"}
            )
            levels.reaches("events_inside", 1)
            second = http.post("/v1/events", content=sent() if callable(sent) else sent, headers=bearer(key) | more)
            check_problem(second, 503, "busy")
            assert int(second.headers["retry-after"]) >= 1
            assert levels.read["events_inside"]() == 1
        assert first.result().status_code == 200
        again = http.post("/v1/events", content=sent() if callable(sent) else sent, headers=bearer(key) | more)
    assert {one["status"] for one in again.json()["results"]} == {"known"}


def test_a_key_is_looked_up_once_for_many(log: Log, key: str) -> None:
    """Requests that show the same key at the same moment wait for one answer of the store."""
    found, looks = threading.Event(), []
    state = log._store.state

    def slow(workspace: str, name: str) -> Any:
        if "key" in name:
            looks.append(name)
            assert found.wait(20)
        return state(workspace, name)

    with client(log) as http, ThreadPoolExecutor(8) as pool, patch.object(log._store, "state", slow):
        sent = [pool.submit(http.post, "/v1/events", json=wire(number), headers=bearer(key)) for number in range(8)]
        until = time.monotonic() + 20
        while not looks and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(0.1)
        asked = len(looks)
        found.set()
        assert [one.result().status_code for one in sent] == [201] * 8
    assert asked == 1


def test_keys_are_looked_up_for_so_many_and_no_more(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that nobody knows cannot make an endless queue in front of the store."""
    monkeypatch.setattr(events_module, "_MOST_LOOKING", 0)
    with client(log) as http:
        answer = http.post("/v1/events", json=wire(1), headers=bearer("wk_nobody_nothing"))
    check_problem(answer, 503, "busy")
    assert answer.headers["retry-after"]


def test_a_writing_that_is_broken_off_leaves_nobody_waiting(log: Log, key: str) -> None:
    """Whoever waited for it gets an answer, and the next is written."""
    with client(log) as http:
        with patch.object(events_module.Events, "_commit", side_effect=RuntimeError("no thread")):
            assert http.post("/v1/events", json=wire(1), headers=bearer(key)).status_code == 500
        assert http.post("/v1/events", json=wire(1), headers=bearer(key)).status_code == 201


# ---------------------------------------------------------------------------------------------------------- other doors


DOORS: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/events": ("Bearer", {"status": 503}),
    "/v1/logs": ("Bearer", {"code": 14}),
    "/cloudevents": ("Bearer", {"status": 503}),
    "/services/collector/event": ("Splunk", {"text": "Server is busy", "code": 9}),
    "/audit_logs/events": ("Bearer", {"message": "The server is busy. Try again in a moment."}),
    f"/auditlog/publisher/v1/project/{HOME}/event": ("Token token=", {"type": "UNAVAILABLE", "status": 503}),
}


@pytest.mark.parametrize("path", DOORS)
def test_each_door_says_in_its_own_form_that_there_is_no_room(
    log: Log, key: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """503 and when to come back, which is what the clients of each send again after."""
    scheme, told = DOORS[path]
    for module in ("app", "events"):
        monkeypatch.setattr(f"whodid.server.{module}._MOST_WAITING", 0)
    monkeypatch.setattr("whodid.server.app._MOST_KEEPING", 0)
    size = log.head(HOME).size
    app = asgi(log, secret=SECRET, threads=0, compat=("workos", "retraced", "otlp", "cloudevents", "splunk"))
    with TestClient(app, base_url="http://audit.test") as http:
        headers = {"authorization": f"{scheme} {key}", "content-type": "application/json"}
        answer = http.post(path, content=b"{}", headers=headers)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert told.items() <= answer.json().items()
    assert log.head(HOME).size == size


def test_who_reads_does_not_wait_for_who_sends(log: Log, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood through the door of another product takes threads and places of its own; its excess is refused."""
    monkeypatch.setattr("whodid.server.app._MOST_WAITING", 2)
    levels = Levels()
    with client(log, threads=1, compat=("cloudevents",), metrics=levels) as http, ThreadPoolExecutor(8) as pool:

        def send(number: int) -> int:
            head = {"ce-specversion": "1.0", "ce-id": f"{number}", "ce-source": "/billing", "ce-type": "invoice.sent"}
            sent = http.post("/cloudevents", json={"user": "bob"}, headers=bearer(key) | head)
            return sent.status_code

        reading = bearer(token())
        assert (send(99) < 300, http.get("/v1/entries", headers=reading).status_code) == (True, 200)
        with held(log):
            sent = [pool.submit(send, number) for number in range(8)]
            levels.reaches("requests_inside", 3)
            assert http.get("/v1/entries?limit=5", headers=reading).status_code == 200
            refused = first_done(sent, 5)
        statuses = sorted(one.result() for one in sent)
        levels.reaches("requests_inside", 0)
    assert refused == [503] * 5
    assert statuses[3:] == [503] * 5
    assert all(status < 300 for status in statuses[:3])


def test_bodies_for_other_doors_are_bounded_too(log: Log, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that finds no room is read to its end, not kept, and refused; the next finds room again."""
    monkeypatch.setattr("whodid.server.bounds._MOST_BYTES", 0)
    head = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/billing", "ce-type": "invoice.sent"}
    with client(log, compat=("cloudevents",)) as http:
        answer = http.post("/cloudevents", json={"user": "bob"}, headers=bearer(key) | head)
        check_problem(answer, 503, "busy")
        monkeypatch.setattr("whodid.server.bounds._MOST_BYTES", 1_000)
        assert http.post("/cloudevents", json={"user": "bob"}, headers=bearer(key) | head).status_code < 300


# ---------------------------------------------------------------------------------------------------------- connections


@contextmanager
def served(log: Log, connections: int) -> Iterator[int]:
    """Serve as `whodid serve` does; yield the port."""
    listener = serve._listen("127.0.0.1", 0)
    app = asgi(log, secret=SECRET, crowded=lambda: server.crowded)
    config = serve._uvicorn(Settings(store="memory://", connections=connections), app)
    server = serve._Server(config, drain=0)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.stop()
        thread.join(20)
        listener.close()


def test_too_many_connections_make_room_for_others(log: Log, key: str) -> None:
    """Beyond the number each ends with its answer, which is no refusal; far beyond it none is made."""
    with served(log, 8) as port, httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
        assert "connection" not in http.get("/healthz").headers
        lines = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(8)]
        try:
            until = time.monotonic() + 20
            while "connection" not in (answer := http.get("/healthz")).headers:
                assert (answer.status_code, time.monotonic() < until) == (200, True)
            told = http.post("/v1/events", json=wire(1), headers=bearer(key))
            assert [(one.status_code, one.headers["connection"]) for one in (answer, told)] == [
                (200, "close"),
                (201, "close"),
            ]
            lines += [socket.create_connection(("127.0.0.1", port), 20) for _ in range(9)]
            lines[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            with suppress(ConnectionResetError):  # it closed before it had read that
                assert lines[-1].recv(1) == b""
        finally:
            for line in lines:
                line.close()


def test_a_head_that_does_not_come_ends_the_connection(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither silence nor a head in drips holds a connection; an answer that takes longer is not cut off."""
    monkeypatch.setattr(serve, "_HEAD_SECONDS", 0.2)
    find = log.find

    def slow(*asked: Any, **more: Any) -> Any:
        time.sleep(0.4)
        return find(*asked, **more)

    with served(log, 8) as port, patch.object(log, "find", slow):
        silent, dripping = (socket.create_connection(("127.0.0.1", port), 20) for _ in range(2))
        with silent, dripping:
            dripping.sendall(b"GET /healthz HTTP/1.1\r\nHo")
            assert (silent.recv(1), dripping.recv(1)) == (b"", b"")
        answer = httpx2.get(f"http://127.0.0.1:{port}/v1/entries", headers=bearer(token()), timeout=20)
        assert answer.status_code == 200
