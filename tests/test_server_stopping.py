"""A server that is asked to stop, or is stopped without being asked: nothing that was accepted is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.serving import HOME, MARIA, Clock, bearer, event, finished, open_log
from tests.test_server_serve import running
from whodid import Log
from whodid.query import parse
from whodid.server.keys import KeyRing

pytestmark = pytest.mark.faults

SENDERS, BATCH = 6, 40


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Make a store with the story in it."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with open_log(Clock(), url):
        pass
    return url


@pytest.fixture
def key(store: str) -> str:
    """Make a key that may do everything."""
    with reopened(store) as log:
        return KeyRing(log, HOME, actor=MARIA).create("all", scopes=("write", "admin")).text


def reopened(store: str) -> Log:
    """Open the store as the next process does."""
    import whodid

    return whodid.open(store)


class Sender:
    """Sends batches until it is told that no more is taken, and remembers what was accepted."""

    def __init__(self, address: str, key: str, going: threading.Barrier) -> None:
        self.accepted: list[str] = []
        self.statuses: list[int] = []
        self.again: list[str] = []
        self._address = address
        self._key = key
        self._going = going

    def run(self) -> None:
        """Send, one batch after the other, each on a connection that may be a new one."""
        with httpx2.Client(base_url=self._address, headers=bearer(self._key), timeout=20) as http:
            while True:
                ids = [str(uuid4()) for _ in range(BATCH)]
                try:
                    answer = http.post("/v1/events", json={"events": [made(one) for one in ids]})
                except httpx2.TransportError:
                    self.statuses.append(0)
                    return
                self.statuses.append(answer.status_code)
                if answer.status_code == 200:
                    self.accepted += ids
                    if len(self.accepted) == BATCH:
                        self._going.wait(20)
                else:
                    self.again.append(answer.headers.get("retry-after", ""))
                    if len(self.again) == 3:
                        return


def made(id_: str) -> dict[str, object]:
    """Return an event as a program sends it."""
    return {
        "id": id_,
        "occurred_at": "2026-11-20T13:00:00Z",
        "actor": {"type": "user", "id": "u"},
        "action": "contact.created",
        "resource": {"type": "contact", "id": id_},
    }


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_accepted_is_there(store: str, key: str, how: signal.Signals) -> None:
    """Senders whose batches were answered with 200 find every event; others are told when to return."""
    going = threading.Barrier(SENDERS + 1)
    with running(store, drain_seconds=1) as (process, address, _):
        senders = [Sender(address, key, going) for _ in range(SENDERS)]
        with ThreadPoolExecutor(SENDERS) as pool:
            done = [pool.submit(one.run) for one in senders]
            going.wait(20)
            process.send_signal(how)
            for one in done:
                one.result(30)
        assert process.wait(20) == (0 if how is signal.SIGTERM else -how)
    accepted = {id_ for one in senders for id_ in one.accepted}
    assert len(accepted) >= SENDERS * BATCH
    with reopened(store) as log:
        present = {entry.id for entry in log.stream(HOME, parse("action:contact.created", now=log.now()))}
        assert accepted - present == set()
        assert log.verify(HOME).ok
    statuses = {status for one in senders for status in one.statuses}
    if how is signal.SIGTERM:
        assert statuses <= {200, 503}
        assert {again for one in senders for again in one.again} == {"2"}
    else:
        assert statuses <= {200, 0}


def test_whoever_is_asked_to_stop_says_so_first(store: str, key: str) -> None:
    """For the time of draining readiness says no while reading goes on; a live stream is told why it ends."""
    with running(store, drain_seconds=2) as (process, address, _):
        with httpx2.Client(base_url=address, headers=bearer(key), timeout=20) as http:
            assert http.get("/readyz").status_code == 200
            with http.stream("GET", "/v1/stream") as stream:
                said = events(stream.iter_lines())
                assert next(said) == "head"
                process.send_signal(signal.SIGTERM)
                assert next(said) == "end"
            answer = http.get("/readyz")
            assert (answer.status_code, answer.json()) == (503, {"ready": False, "ending": True})
            assert http.get("/v1/entries").status_code == 200
            assert http.get("/healthz").headers["connection"] == "close"
        assert process.wait(20) == 0


def events(lines: Iterator[str]) -> Iterator[str]:
    """Name the events of a stream; what is recorded meanwhile does not matter here."""
    for line in lines:
        if line.startswith("event: ") and line != "event: entries":
            yield line.removeprefix("event: ")


def test_a_second_signal_does_not_wait(store: str) -> None:
    """Who insists is heeded: the time of draining is cut short."""
    with running(store, drain_seconds=300) as (process, address, _):
        assert httpx2.get(f"{address}/readyz").status_code == 200
        process.send_signal(signal.SIGTERM)
        while httpx2.get(f"{address}/readyz").status_code == 200:
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_an_export_outlives_its_server(store: str, key: str, tmp_path: Path) -> None:
    """Killed or stopped while files are made, the next start makes them: whole, and for their owner only."""
    with reopened(store) as log:
        for result in log.record_many(HOME, (event(1000 + n, "contact.created") for n in range(6000))):
            assert not isinstance(result, Exception)
    sent, ids = bearer(key), []
    for how in (signal.SIGKILL, signal.SIGTERM):
        with running(store) as (process, address, _), httpx2.Client(base_url=address, headers=sent) as http:
            for format, proofs in (("ndjson", True), ("csv", False)):
                ids.append(http.post("/v1/exports", json={"format": format, "proofs": proofs}).json()["id"])
            process.send_signal(how)
            process.wait(20)
    folder = tmp_path / "audit.db.exports"
    with running(store) as (_, address, _), httpx2.Client(base_url=address) as http:
        for id_ in ids:
            job = finished(http, id_, sent)
            body = http.get(f"/v1/exports/{id_}/file", headers=sent).content
            assert (job["state"], job["size"], job["sha256"]) == ("ready", len(body), sha256(body).hexdigest())
            assert len(body.splitlines()) == job["done"] + 1
        modes = {path: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
        assert {modes[path] for path in modes if path.is_file()} == {0o600}
        assert {modes[path] for path in modes if path.is_dir()} == {0o700}
    with reopened(store) as log:
        assert log.verify(HOME).ok
        made = list(log.stream(HOME, parse("action:audit.exported", now=log.now())))
        # Nothing failed: what was interrupted was begun again. What was killed after its record has two.
        assert {entry.outcome for entry in made} == {"success"}
        assert {entry.details["sha256"] for entry in made if entry.details} >= {
            sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.file")
        }
