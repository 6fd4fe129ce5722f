"""The published Retraced client, which never sends again, while the store is away and the server is killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

import whodid
from tests.compatting import WORKSPACE, CompatServer, needs_clients, run_node
from tests.remoting import OPERATOR, SECRET
from whodid import Log
from whodid.server import asgi
from whodid.server.keys import KeyRing
from whodid.server.meter import Meter
from whodid.server.waiting import Waiting

if TYPE_CHECKING:
    from tests.postgresing import Server as Postgres

BATCH = 5


class KeepingServer(CompatServer):
    """A server with a spool beside its database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(folder)

    def application(self) -> Any:
        """Make what answers."""
        self.waiting = Waiting(self.log, self.folder / "spool", most_bytes=2**20, meter=Meter())
        return asgi(self.log, secret=SECRET, rate=0, compat=("retraced",), waiting=self.waiting)


def report(url: str, key: str, first: int) -> list[str]:
    """Report one event, then some together, through the published client; return the ids that it was told."""
    events = [
        {"action": "thing.made", "crud": "c", "actor": {"id": "u"}, "external_id": str(number)}
        for number in range(first, first + BATCH)
    ]
    config = {"apiKey": key, "projectId": WORKSPACE, "endpoint": f"{url}/auditlog"}
    results = run_node(
        "retraced.mjs", {"config": config, "calls": [["reportEvent", events[0]], ["reportEvents", events[1:]]]}
    )
    assert [one for one in results if "error" in one] == []
    return [results[0]["result"], *results[1]["result"]]


def recorded(log: Log) -> list[tuple[str, str]]:
    """Return id and number of what the client reported, in the order of the log."""
    return [
        (one.id, str((one.details or {})["external_id"])) for one in log.read(WORKSPACE) if one.action == "thing.made"
    ]


def numbered(ids: list[str]) -> list[tuple[str, str]]:
    """Return what `recorded` returns for events that were reported in this order."""
    return [(id_, str(number)) for number, id_ in enumerate(ids)]


@needs_clients
def test_events_that_came_while_the_database_was_locked_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told success for each, and the log has each once, in order, under the id that it was told."""
    monkeypatch.setattr("whodid.store.sqlite.engine._BUSY_MS", 50)
    server = KeepingServer(tmp_path)
    server.start()
    try:
        with server.waiting:
            ids = report(server.url, server.key, 0)
            locker = apsw.Connection(str(tmp_path / "audit.db"))
            locker.execute("BEGIN IMMEDIATE")
            ids += report(server.url, server.key, BATCH)
            ids += report(server.url, server.key, 2 * BATCH)
            assert server.waiting.depth == 2 * BATCH
            assert len(recorded(server.log)) == BATCH
            locker.execute("ROLLBACK")
            locker.close()
            assert server.waiting._sender.flush(30)
            assert recorded(server.log) == numbered(ids)
            assert server.log.verify(WORKSPACE).ok
    finally:
        server.stop()
        server.log.close()


@contextmanager
def serving(store: str, spool: Path, key: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `whodid serve` as a process of its own; yield it and its address."""
    command = [sys.executable, "-m", "whodid", "serve", "--store", store, "--port", "0", "--compat", "retraced"]
    command += [
        "--set",
        f"spool_folder={spool}",
        "--set",
        f"key={key}",
        "--set",
        "detect=false",
        "--workspace",
        WORKSPACE,
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    try:
        found = next((found for line in process.stderr if (found := re.match(r"Address +(http\S+)/", line))), None)
        assert found is not None
        yield process, found[1]
    finally:
        process.kill()
        process.wait(20)
        process.stderr.close()


@needs_clients
@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_a_server_that_is_killed_while_postgresql_is_away_loses_nothing(
    tmp_path: Path, postgres: Postgres, postgres_url: str
) -> None:
    """PostgreSQL stops, the client goes on, the server is killed, both come back: every event once, in order."""
    spool, key = tmp_path / "spool", tmp_path / "log.key"
    with whodid.open(postgres_url, key=key) as log:
        app = KeyRing(log, WORKSPACE, actor=OPERATOR).create("app").text
    with serving(postgres_url, spool, key) as (process, url):
        ids = report(url, app, 0)
        postgres.kill()
        try:
            ids += report(url, app, BATCH)
            ids += report(url, app, 2 * BATCH)
            process.kill()
            process.wait(20)
        finally:
            postgres.start()
    with serving(postgres_url, spool, key) as (_, url), whodid.open(postgres_url, key=key) as log:
        ids += report(url, app, 3 * BATCH)
        # What was reported last waits behind the rest: when it is there, everything is.
        while len(found := recorded(log)) < len(ids):
            pass
        assert found == numbered(ids)
        assert log.verify(WORKSPACE).ok
