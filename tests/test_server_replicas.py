"""A server whose reads a replica answers: the same answers, never older, and what operators are told of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

import whodid
from tests.replicating import looked_at, paused, state_of
from tests.serving import ALL, HOME, MARIA, Clock, bearer, client, event, linked, record, story, token
from tests.test_server_live import Listener, call, live
from whodid import Log, Resource
from whodid.catalog import builtin
from whodid.errors import InvalidSetting, StoreUnavailable
from whodid.evidence import ask, make
from whodid.log import DeploymentKey
from whodid.query import Query
from whodid.server.config import explain, load
from whodid.server.keys import KeyRing
from whodid.server.metrics import PrometheusMeter
from whodid.store.base import Store
from whodid.store.memory import MemoryStore
from whodid.testing import append, prepared

if TYPE_CHECKING:
    from tests.postgresing import Server
    from whodid.store.postgres import PostgresStore

needs_postgres = pytest.mark.postgres

METRICS = b"a token of the tests, of 32 bytes or more"
ASKED = [
    "/v1/entries",
    "/v1/entries?q=contact&limit=2",
    "/v1/entries/1",
    "/v1/entries/1/proof",
    "/v1/proofs?at=0..4",
    "/v1/checkpoint",
    "/v1/consistency?from=3",
    "/v1/hashes?level=0",
    "/v1/histogram",
    "/v1/facets?field=actor",
    "/v1/insights",
    "/v1/suggest?term=actor:ma",
    "/v1/resources/contact/con_ana/history",
    "/v1/retention",
    "/v1/answers/deletion?subject=contact:con_juan",
    "/v1/tlog/checkpoint",
]


class World(NamedTuple):
    """A log over a primary and its replica, and the servers of both."""

    log: Log
    store: PostgresStore
    primary: Server
    replica: Server

    @property
    def read(self) -> tuple[int, int]:
        """How many reads the replica answered, and how many the primary in its place."""
        return state_of(self.store).answered, self.store.replicas().elsewhere


@pytest.fixture
def world(replicated: tuple[Server, Server], replicated_url: tuple[str, str], tmp_path: Path) -> Iterator[World]:
    """Open the story on a primary with a replica that has caught up."""
    from whodid.store.postgres import PostgresStore

    url, replica = replicated_url
    store = PostgresStore(url, replicas=[replica], replica_lag=3_600.0, replica_wait=60.0, replica_look=None)
    with Log(store, DeploymentKey.at(tmp_path / "key", create=True), builtin(), clock=Clock()) as log:
        record(log, HOME, story())
        looked_at(store)
        yield World(log, store, *replicated)


@needs_postgres
def test_every_route_that_reads_is_answered_by_the_replica(world: World) -> None:
    """With what the primary would say, to the letter."""
    from whodid.store.postgres import PostgresStore

    with client(world.log) as http:
        http.get("/v1/entries", headers=bearer(token()))  # whoever opens the log is recorded once
        answers = {}
        for path in ASKED:
            before = world.read
            answer = http.get(path, headers=bearer(token()))
            assert answer.status_code == 200, (path, answer.text)
            assert world.read[0] > before[0], path
            assert world.read[1] == before[1], path
            answers[path] = answer.text
    url = world.primary.url(f"t_{Path(__file__).stem}")
    alone = PostgresStore(url)
    key = world.log._key
    with Log(alone, key, builtin(), clock=Clock()) as log, client(log) as http:
        assert {path: http.get(path, headers=bearer(token())).text for path in ASKED} == answers


@needs_postgres
def test_what_a_key_sent_is_in_its_next_list(world: World) -> None:
    """Through the same server, while the replica replays nothing, and the list says up to where it is complete."""
    key = KeyRing(world.log, HOME, actor=MARIA).create("sender", scopes=("write", "read")).text
    world.replica.follow(world.primary)
    with client(world.log) as http:
        http.get("/v1/entries", headers=bearer(key))
        assert world.store.copies is not None
        world.store.copies._wait = 0.0
        with paused(world.replica):
            sent = {"id": "00000000-0000-0000-0000-000000000077", "action": "contact.created"}
            sent |= {"occurred_at": "2026-11-20T13:59:00Z"}
            more = {"actor": {"type": "user", "id": "usr_1"}, "resource": {"type": "contact", "id": "con_77"}}
            answer = http.post("/v1/events", json=sent | more, headers=bearer(key))
            assert answer.json()["index"] == world.log.head(HOME).size - 1, answer.text
            before = world.read
            page = http.get("/v1/entries?q=con_77", headers=bearer(key)).json()
            assert [item["resource"]["id"] for item in page["items"]] == ["con_77"]
            assert page["head"]["size"] == world.log.head(HOME).size
            assert (world.read[0], world.read[1] > before[1]) == (before[0], True)


@needs_postgres
def test_what_was_erased_is_not_shown_by_a_replica_that_still_has_it(world: World) -> None:
    """Neither in the list nor by itself, from the very next request on."""
    with client(world.log) as http:
        http.get("/v1/entries", headers=bearer(token()))
        world.replica.follow(world.primary)
        assert world.store.copies is not None
        world.store.copies._wait = 0.0
        assert "Juan Pérez" in http.get("/v1/entries/1", headers=bearer(token())).text
        with paused(world.replica):
            said = event(90_001, "audit.erased", resource=Resource(type="log", id=HOME))
            assert world.log.erase(HOME, {1: ["resource.name"]}, said) is not None
            for path in ("/v1/entries", "/v1/entries/1", "/v1/resources/contact/con_juan/history", "/v1/proofs?at=1"):
                assert "Juan Pérez" not in http.get(path, headers=bearer(token())).text


@needs_postgres
def test_exports_and_evidence_are_read_at_the_replica(world: World) -> None:
    """What takes longest is what relieves the primary most."""
    with client(world.log) as http:
        http.get("/v1/entries", headers=bearer(token(permissions=ALL)))
        before = world.read
        file = http.get(linked(http, bearer(token()), format="ndjson", proofs=True)).text
        assert file.count("\n") >= 8
        assert world.read[0] > before[0]
        answer = http.post("/v1/evidence", json={"ask": ["resource:contact:con_juan"]}, headers=bearer(token()))
        assert answer.status_code == 200, answer.text
        assert world.read[1] == before[1]
    before = world.read
    made = make(world.log.reading(), HOME, ask(["action:contact.deleted"], catalog=builtin()), actor=MARIA)
    assert made.count == 1
    assert world.read == (world.read[0], before[1])
    assert world.read[0] > before[0]


@needs_postgres
def test_the_live_stream_stays_at_the_primary(world: World) -> None:
    """It tells what is recorded while the replica replays nothing, and asks nobody else."""
    listener = Listener(live(world.log), call(token()))
    assert listener.next() is not None
    before = world.read
    with paused(world.replica):
        world.log.record(HOME, event(50, "contact.created"))
        told = listener.next()
        assert told is not None
        assert [item["action"] for item in told[1]["items"]] == ["contact.created"]
    assert world.read == before


@needs_postgres
def test_operators_are_told_how_the_replica_stands(world: World) -> None:
    """Readiness names it and does not depend on it; the metrics count what it answered."""
    metrics = PrometheusMeter(METRICS)
    metrics.watch_replicas(world.log.replicas)
    with client(world.log, metrics=metrics) as http:
        ready = http.get("/readyz")
        assert (ready.status_code, ready.json()["replicas"]) == (200, ["ok"])
        http.get("/v1/entries", headers=bearer(token()))
        found = samples(http)
        assert found["whodid_replica_up", "1"] == 1
        assert found["whodid_replica_behind_seconds", "1"] >= 0
        answered, elsewhere = world.read
        assert found["whodid_replica_reads_total", "1"] == answered > 0
        assert found[("whodid_replica_reads_elsewhere_total",)] == elsewhere
        world.replica.kill()
        try:
            answer = http.get("/v1/entries", headers=bearer(token()))
            assert (answer.status_code, len(answer.json()["items"])) == (200, 8)
            ready = http.get("/readyz")
            assert (ready.status_code, ready.json()["ready"], ready.json()["replicas"]) == (200, True, ["unreachable"])
            found = samples(http)
            assert found["whodid_replica_up", "1"] == 0
            assert ("whodid_replica_behind_seconds", "1") not in found
            assert found[("whodid_replica_reads_elsewhere_total",)] == world.read[1] > 0
        finally:
            world.replica.start()


def test_without_replicas_nothing_is_said_of_them() -> None:
    """Neither by readiness nor by metrics, and a log reads by itself."""
    metrics = PrometheusMeter(METRICS)
    with whodid.open("memory://", clock=Clock()) as log, client(log, metrics=metrics) as http:
        metrics.watch_replicas(log.replicas)
        assert "replicas" not in http.get("/readyz").json()
        assert not any("replica" in name[0] for name in samples(http))
        assert log.reading() is log


def samples(http: TestClient) -> dict[tuple[str, ...], float]:
    """Read the page of metrics: the value by name and labels."""
    answer = http.get("/metrics", headers=bearer(METRICS.decode()))
    assert answer.status_code == 200
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


# ---------------------------------------------------------------- settings, and what is never done


def test_replicas_are_a_setting_and_show_no_password() -> None:
    """One text or a list; what the server tells of its settings has no password in it."""
    around = {
        "WHODID_STORE": "postgresql://u@db/x",
        "WHODID_SERVE_REPLICAS": "postgresql://u:hush@r1/x, postgresql://u@r2/x",
    }
    loaded = load({}, environment=around)
    assert loaded.replicas == ("postgresql://u:hush@r1/x", "postgresql://u@r2/x")
    assert (loaded.replica_lag_seconds, loaded.replica_wait_ms) == (10, 200)
    told = {name: value for name, value, _ in explain({}, environment=around)}
    assert told["replicas"] == ("postgresql://u:***@r1/x", "postgresql://u@r2/x")


def test_only_postgresql_has_replicas(tmp_path: Path) -> None:
    """A setting that would do nothing is refused."""
    for url in ("memory://", f"sqlite:///{tmp_path}/audit.db"):
        with pytest.raises(InvalidSetting, match="no replicas"):
            whodid.open(url, replicas=["postgresql://u@r1/x"])


@needs_postgres
def test_an_opened_log_looks_at_its_replicas_by_itself(replicated_url: tuple[str, str], tmp_path: Path) -> None:
    """`whodid.open` is all that an application needs."""
    url, replica = replicated_url
    with whodid.open(url, key=tmp_path / "key", replicas=[replica], replica_wait=60.0, clock=Clock()) as log:
        record(log, HOME, story())
        while log.replicas().replicas[0].standing != "ok":
            time.sleep(0.01)
        assert len(log.reading().find(HOME).entries) == 7
        assert log.replicas().replicas[0].answered == 1


class Copied(MemoryStore):
    """A store in memory that says to be a copy of another one."""

    def __init__(self, origin: Store) -> None:
        super().__init__()
        self.origin = origin

    @property
    def deciding(self) -> Store:
        """The other one."""
        return self.origin


def test_no_head_is_signed_that_only_a_replica_has(tmp_path: Path) -> None:
    """A replica with another history, or with more than the log has, does not get a signature out of us."""

    class Origin(MemoryStore):
        """A store whose reads another one answers."""

        def reading(self) -> Store:
            return copied

    origin = Origin()
    copied: Store = Copied(origin)
    key = DeploymentKey.at(tmp_path / "key", create=True)
    with Log(origin, key, builtin(), clock=Clock()) as log:
        batch = append(origin, HOME, prepared(0, 5))
        for number in range(5):
            append(copied, HOME, prepared(100 + number, 1))
        with pytest.raises(StoreUnavailable, match="does not have"):
            log.reading().checkpoint(HOME)
        append(copied, HOME, prepared(200, 1))
        with pytest.raises(StoreUnavailable, match="does not have"):
            log.reading().checkpoint(HOME)
        assert batch is not None
        assert origin.state(HOME, "checkpoint") is None
        assert log.reading().count(HOME, Query()) == (6, True)
        log.checkpoint(HOME)
        assert origin.state(HOME, "checkpoint") is not None
