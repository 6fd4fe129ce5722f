"""A database that is slow, silent or cut off: answers in bounded time, nothing piles up, nothing is lost or doubled."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import whodid
from tests.faults.writer import event
from tests.proxying import Network
from tests.remoting import ROOT, WORKSPACE, Server, serving
from tests.sending import wire
from tests.serving import bearer
from whodid import Log, Receipt
from whodid.errors import StoreUnavailable

if TYPE_CHECKING:
    from tests.postgresing import Server as Postgres

httpx2 = pytest.importorskip("httpx2", reason="the client is missing: pip install 'whodid[client]'")
pytestmark = [pytest.mark.faults, pytest.mark.postgres]

SENDERS = 12


@pytest.fixture
def network(
    postgres: Postgres, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Network]:
    """Put a network before the database."""
    from whodid.store.postgres import engine

    assert postgres_url
    monkeypatch.setenv("WHODID_KEY_FILE", str(tmp_path / "whodid.key"))
    monkeypatch.setattr(engine, "_CONNECT_S", 2)
    made = Network(postgres.folder / ".s.PGSQL.5432")
    yield made
    made.close()


@pytest.fixture
def url(network: Network, postgres_url: str) -> str:
    """Return the address of the database beyond the network."""
    return network.url("whodid", postgres_url.rpartition("@/")[2].partition("?")[0])


@pytest.fixture
def server(url: str, tmp_path: Path) -> Iterator[Server]:
    """Run a server on the other side of the network."""
    with serving(tmp_path, url) as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes failures be found out in less time than usual from then on."""
    from whodid.store.postgres import engine, line

    def hurry() -> None:
        monkeypatch.setattr(line, "_ANSWER_S", 1.5)
        monkeypatch.setattr(engine, "_BEGUN_S", 1.0)
        begin = tuple(part.replace("lock_timeout = 25000", "lock_timeout = 600") for part in engine._BEGIN_WRITING)
        monkeypatch.setattr(engine, "_BEGIN_WRITING", begin)

    return hurry


def send(server: Server, number: int) -> tuple[int, str | None, float]:
    """Send one event; return the status, when to come again, and how long the answer took."""
    begun = time.monotonic()
    answer = httpx2.post(f"{server.url}/v1/events", json=wire(number), headers=bearer(server.key), timeout=60)
    return answer.status_code, answer.headers.get("retry-after"), time.monotonic() - begun


def insist(server: Server, numbers: range) -> None:
    """Send each event until it is taken, as every sender does."""
    until = time.monotonic() + 120
    for number in numbers:
        while send(server, number)[0] not in {200, 201}:
            assert time.monotonic() < until


def send_together(server: Server, numbers: range) -> list[tuple[int, str | None, float]]:
    """Send events at the same time."""
    with ThreadPoolExecutor(len(numbers)) as pool:
        return list(pool.map(lambda number: send(server, number), numbers))


def recorded(log: Log) -> list[str]:
    """Return which events are there, as often as they are; insist that the log is whole."""
    report = log.verify(WORKSPACE)
    assert report.ok, report.problems
    return [entry.resource.id for entry in log.read(WORKSPACE) if entry.action == "contact.created"]


def check_recorded(log: Log, numbers: range) -> None:
    """Insist that each of these events is there once, and no other."""
    assert sorted(recorded(log)) == sorted(f"con_{number}" for number in numbers)


@pytest.mark.parametrize("mode", ["no answer to COMMIT", "no COMMIT"])
def test_a_commit_that_the_network_swallowed_is_settled(
    network: Network, url: str, impatient: Callable[[], None], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Whether it arrived is found out on another connection; who repeats it gets the place, and it is there once."""
    with whodid.open(url) as log:
        if mode == "no COMMIT" and not log._store.engine._limits:  # type: ignore[attr-defined]
            pytest.skip("PostgreSQL 16 and older do not limit a transaction; use 17 or newer to enable this")
        log.record("w", event("a", 0))
        impatient()
        if mode == "no COMMIT":
            monkeypatch.setattr("whodid.store.postgres.store._APPEND_S", 1.0)
        network.mode = mode
        refused = 0
        receipt: Receipt | None = None
        while receipt is None:
            # The database keeps the lock of whoever it cannot hear for a while, and not for longer.
            try:
                receipt = log.record("w", event("a", 1))
            except StoreUnavailable:
                refused += 1
        assert receipt.index == 1
        assert network.swallowed.is_set()
        if mode == "no COMMIT":
            assert refused
            assert not receipt.duplicate
        assert log.record("w", event("a", 1)).duplicate
        assert [entry.id for entry in log.read("w")] == [event("a", number).id for number in range(2)]
        assert log.verify("w").ok


def test_a_silent_network_is_refused_in_bounded_time_and_recovered_from(
    network: Network, server: Server, impatient: Callable[[], None]
) -> None:
    """Nothing is forwarded and nothing closed: every request gets its 503, and the next after it is healed its 201."""
    assert [status for status, _, _ in send_together(server, range(SENDERS))] == [201] * SENDERS
    threads = threading.active_count()
    impatient()
    network.mode = "silent"
    refused = send_together(server, range(SENDERS, 2 * SENDERS))
    assert {(status, again is not None) for status, again, _ in refused} == {(503, True)}
    network.heal()
    insist(server, range(SENDERS, 2 * SENDERS))
    check_recorded(server.log, range(2 * SENDERS))
    assert network.open <= 10
    assert threading.active_count() <= threads + 2 * 10


def test_a_connection_that_the_network_forgot_is_replaced(
    network: Network, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found out soon, and once for all of those that are idle: who asks is answered, not refused."""
    monkeypatch.setattr("whodid.store.postgres.engine._BEGUN_S", 0.5)
    with whodid.open(url) as log:
        log.record("w", event("a", 0))
        threads = [threading.Thread(target=lambda: log.find("w", "")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        network.forget()
        assert log.record("w", event("a", 1)).index == 1
        assert len(log.find("w", "").entries) == 2


def test_a_network_that_is_cut_and_healed(network: Network, server: Server, tmp_path: Path) -> None:
    """A client with a spool goes on while the database cannot be reached; in the end all is there, once."""
    with whodid.connect(server.url, server.key, spool=tmp_path / "spool") as client:
        for number in range(3):
            network.cut()
            for part in range(20):
                client.take(WORKSPACE, [event(f"cut {number}", part)])
            assert send(server, number)[:2] == (503, "2")
            assert httpx2.get(f"{server.url}/healthz").status_code == 200
            network.heal()
            assert client.flush(60)
    ids = [entry.id for entry in server.log.read(WORKSPACE) if entry.action == "contact.updated"]
    assert sorted(ids) == sorted(event(f"cut {number}", part).id for number in range(3) for part in range(20))
    assert recorded(server.log) == []


def test_a_slow_network_answers_everybody_and_piles_nothing_up(network: Network, server: Server) -> None:
    """With milliseconds on every packet everybody is answered, what was acknowledged is there, and nothing is left."""
    assert send(server, 0)[0] == 201
    threads = threading.active_count()
    network.mode = "slow"
    answered = send_together(server, range(1, SENDERS))
    assert {status for status, _, _ in answered} <= {201, 503}
    network.heal()
    done = [0, *(number for number, (status, _, _) in enumerate(answered, 1) if status == 201)]
    assert set(recorded(server.log)) >= {f"con_{number}" for number in done}
    insist(server, range(SENDERS))
    check_recorded(server.log, range(SENDERS))
    assert network.open <= 10
    assert threading.active_count() <= threads + 2 * 10


def test_who_waited_too_long_at_the_door_is_told_and_not_written(
    server: Server,
    postgres: Postgres,
    postgres_url: str,
    impatient: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One commit waits for a lock; requests behind it that ran out of patience get 503 and are not written later."""
    assert send(server, 0)[0] == 201
    impatient()
    with postgres.connect(postgres_url.rpartition("@/")[2].partition("?")[0]) as holder, holder.transaction():
        holder.execute("SELECT 1 FROM whodid.log FOR UPDATE")
        monkeypatch.setattr("whodid.server.events._PATIENCE_S", 0.0)
        answers = send_together(server, range(1, SENDERS))
    assert {(status, again is not None) for status, again, _ in answers} == {(503, True)}
    monkeypatch.setattr("whodid.server.events._PATIENCE_S", 60.0)
    insist(server, range(1, 2))
    check_recorded(server.log, range(2))


@pytest.fixture
def dropping(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Callable[[bool], None]]]:
    """Lend a host and port of the database in a network namespace, and what makes it drop its answers, or not."""
    monkeypatch.setenv("WHODID_KEY_FILE", str(tmp_path / "whodid.key"))
    name = f"wf{os.getpid()}"
    ours, theirs = "10.213.77.1", "10.213.77.2"

    def ip(*words: str, check: bool = True) -> None:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode and check:
            pytest.skip(f"cannot make a network ({done.stderr.strip()}); run the tests as root to enable this")

    if shutil.which("ip") is None:
        pytest.skip("ip is missing; install it (apt-get install iproute2) to enable this")
    inside = ("netns", "exec", name, "ip")
    try:
        ip("netns", "add", name)
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
        ip("addr", "add", f"{ours}/30", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip(*inside, "addr", "add", f"{theirs}/30", "dev", f"{name}b")
        ip(*inside, "link", "set", f"{name}b", "up")
        command = ["ip", "netns", "exec", name, sys.executable, "-m", "tests.proxying", theirs]
        command.append(str(postgres.folder / ".s.PGSQL.5432"))
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as forwarder:
            assert forwarder.stdout is not None

            def drop(drops: bool) -> None:
                ip(*inside, "route", "add" if drops else "del", "blackhole", f"{ours}/32")

            yield f"{theirs}:{int(forwarder.stdout.readline())}", drop
            forwarder.kill()
    finally:
        ip("netns", "del", name, check=False)


def test_packets_that_are_dropped_are_noticed_by_the_kernel(
    dropping: tuple[str, Callable[[bool], None]], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real network that answers nothing any more: refused, and recorded when it is back, once."""
    from whodid.store.postgres import engine
    from whodid.store.postgres.gone import NOTICED

    monkeypatch.setattr("whodid.store.postgres.engine.NOTICED", NOTICED | {"tcp_user_timeout": 500})
    monkeypatch.setattr(engine, "_CONNECT_S", 2)
    place, drop = dropping
    with whodid.open(f"postgresql://whodid@{place}/{postgres_url.rpartition('@/')[2].partition('?')[0]}") as log:
        log.record("w", event("a", 0))
        drop(True)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                log.record("w", event("a", 1))
        drop(False)
        receipt: Receipt | None = None
        while receipt is None:
            with suppress(StoreUnavailable):
                receipt = log.record("w", event("a", 1))
        assert (receipt.index, receipt.duplicate) == (1, False)
        assert log.verify("w").ok


def test_the_line_is_watched_by_our_end(network: Network, url: str) -> None:
    """The kernel is told to find out about a network that is gone in seconds; the operator's own settings stay."""
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("this system has no TCP_USER_TIMEOUT; run the tests on Linux to enable this")
    from whodid.store.postgres.engine import Engine

    for address, seconds in ((url, 20), (f"{url}?tcp_user_timeout=3000", 3)):
        engine = Engine(address)
        with engine.reading(1) as reader:
            line = socket.socket(fileno=reader.raw.pgconn.socket)
            try:
                assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000 * seconds
                assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
            finally:
                line.detach()
        engine.close()
    assert network.port
