"""S18: the remote client loses nothing, whatever ends the process and however the server behaves."""

from __future__ import annotations

import json
import os
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import whodid
from tests.remoting import WORKSPACE, Server, child, cutting, event, ids, serving, shipped

pytestmark = pytest.mark.faults

COUNT = 300
LONGEST_EXIT = 2.5
WANTED = sorted(event(number).id for number in range(COUNT))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run a server."""
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Name the folder of the spool."""
    return tmp_path / "spool"


def finish(server: Server, spool: Path, ending: str) -> str:
    """Run a process to its end and return what it printed."""
    process = child(server, spool, ending)
    out, err = process.communicate(timeout=120)
    assert "recorded" in out, err
    return out


def settle(server: Server, spool: Path, tmp_path: Path) -> None:
    """Ship what is left; afterwards the log has every event once and the spool has none."""
    done = shipped(server, spool, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["finished"]
    assert sorted(ids(server.log)) == WANTED
    assert [path.name for path in spool.iterdir()] == ["fingerprint.key"]


ENDINGS = ("clean", "exception", "sigterm", "sigkill", "_exit", "fork", "shutdown", "threads", "gevent")


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_end_of_the_process_loses_an_event(server: Server, spool: Path, tmp_path: Path, ending: str) -> None:
    """Whatever ends it: after shipping what was left, the log has exactly the 300 events, once each."""
    finish(server, spool, ending)

    settle(server, spool, tmp_path)


@pytest.mark.parametrize("ending", ["clean", "sigkill", "fork", "gevent"])
def test_a_server_that_is_down_loses_nothing(server: Server, spool: Path, tmp_path: Path, ending: str) -> None:
    """Nobody listens while the process lives; nothing of it is missing later, and its end was not held up."""
    server.stop()
    out = finish(server, spool, ending)
    held = re.search(r"held ([0-9.]+)", out)
    assert held is None or float(held[1]) <= LONGEST_EXIT
    server.start()

    settle(server, spool, tmp_path)


@pytest.mark.parametrize("mode", ["slow", "503", "429", "deaf", "forgetful"])
def test_a_server_that_misbehaves_loses_nothing(server: Server, spool: Path, tmp_path: Path, mode: str) -> None:
    """Busy, slow, silent, or answering 500 after it recorded: the end comes in time, and every event is there once."""
    server.mode = mode
    out = finish(server, spool, "clean")
    held = re.search(r"held ([0-9.]+)", out)
    assert held is not None
    assert float(held[1]) <= LONGEST_EXIT
    server.mode = "fine"

    settle(server, spool, tmp_path)


def test_cut_connections_lose_nothing(server: Server, spool: Path, tmp_path: Path) -> None:
    """Every connection is cut in the middle of the request."""
    server.stop()
    with cutting(server.port):
        out = finish(server, spool, "clean")
    held = re.search(r"held ([0-9.]+)", out)
    assert held is not None
    assert float(held[1]) <= LONGEST_EXIT
    server.start()

    settle(server, spool, tmp_path)


def test_a_process_that_lives_delivers_when_the_server_is_back(server: Server, spool: Path) -> None:
    """Through an outage and a busy spell, the same process delivers in the end; nothing is recorded twice."""
    with whodid.connect(server.url, server.key, spool=spool) as client:
        server.stop()
        for number in range(COUNT // 2):
            client.take(WORKSPACE, [event(number)])
        assert not client.flush(1.5)
        status = client.status()
        assert status.waiting == COUNT // 2
        assert status.failures > 0
        assert "cannot be reached" in status.fault
        assert status.oldest_seconds >= 1
        server.mode = "503"
        server.start()
        assert not client.flush(1.5)
        assert "503" in client.status().fault
        server.mode = "fine"
        client.take(WORKSPACE, [event(number) for number in range(COUNT // 2, COUNT)])
        assert client.flush(30)
        status = client.status()
        assert (status.accepted, status.delivered, status.waiting, status.oldest_seconds) == (COUNT, COUNT, 0, 0)
    assert sorted(ids(server.log)) == WANTED


def test_the_next_process_sends_what_a_dead_one_left(server: Server, spool: Path) -> None:
    """A process that starts later on the same spool delivers for one that was killed, by itself."""
    server.stop()
    finish(server, spool, "sigkill")
    server.start()
    with whodid.connect(server.url, server.key, spool=spool) as client:
        client.take(WORKSPACE, [event(COUNT)])
        until = time.monotonic() + 30
        while client.status().delivered <= COUNT and time.monotonic() < until:
            time.sleep(0.05)
        assert client.status().delivered == COUNT + 1
    assert sorted(ids(server.log)) == sorted([*WANTED, event(COUNT).id])
    assert [path.name for path in spool.iterdir()] == ["fingerprint.key"]


def test_a_process_that_runs_is_left_alone(server: Server, spool: Path, tmp_path: Path) -> None:
    """`whodid ship` beside a running process touches none of its files, and says so."""
    server.stop()
    with whodid.connect(server.url, server.key, spool=spool, exit_flush_s=10) as client:
        client.take(WORKSPACE, [event(number) for number in range(COUNT)])
        server.start()
        server.mode = "503"
        done = shipped(server, spool, tmp_path)
        assert json.loads(done.stdout) | {"fault": ""} == {
            "delivered": 0,
            "quarantined": 0,
            "dropped": 0,
            "damaged": 0,
            "finished": True,
            "running": 1,
            "fault": "",
        }
        server.mode = "fine"
        assert client.flush(30)
    assert sorted(ids(server.log)) == WANTED


def test_a_child_has_nothing_of_its_parent(server: Server, spool: Path) -> None:
    """After a fork the child counts from nothing, writes to a file of its own and delivers it; so does the parent."""
    with whodid.connect(server.url, server.key, spool=spool) as client:
        client.take(WORKSPACE, [event(1)])
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of what this test is about
            pid = os.fork()
        if not pid:
            status = 1
            try:
                before = client.status()
                client.take(WORKSPACE, [event(2)])
                fine = client.flush(20) and (before.accepted, client.status().accepted) == (0, 1)
                os.write(writer, b"fine" if fine else repr(client.status()).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        assert os.read(reader, 4096) == b"fine"
        os.close(reader)
        os.waitpid(pid, 0)
        client.take(WORKSPACE, [event(3)])
        assert client.flush(20)
    assert sorted(ids(server.log)) == sorted(event(number).id for number in (1, 2, 3))
