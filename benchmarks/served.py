"""A real `whodid serve` as a process, on either engine, and what it takes of the machine: for `overload` and `soak`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import httpx2

import whodid
from benchmarks.flood import event_id
from benchmarks.measure import percentile
from tests import postgresing
from whodid import Actor
from whodid.server.keys import KeyRing

__all__ = ["ACTOR", "Prober", "Served", "Taken", "insist", "place", "slope"]

ACTOR = Actor(type="system", id="benchmarks", name="Benchmarks")
_PATIENCE = 60.0


class Taken(NamedTuple):
    """What a process takes: bytes in memory, open handles and the connections among them, threads."""

    rss: int
    handles: int
    connections: int
    threads: int


class Place(NamedTuple):
    """Where a store is.

    Args:
        server: PostgreSQL, if that is the engine.
    """

    url: str
    folder: Path
    server: postgresing.Server | None


@contextmanager
def place(engine: str) -> Iterator[Place]:
    """Make a place for a store, and remove it in the end.

    Args:
        engine: `sqlite` or `postgres`; the server of the latter is started here.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whodid-bench-")))
        if engine == "sqlite":
            yield Place(f"sqlite:///{folder}/audit.db", folder, None)
            return
        programs = postgresing.programs()
        if programs is None:
            sys.exit(postgresing.MISSING)
        server = postgresing.Server(programs)
        stack.callback(server.stop)
        yield Place(server.database("bench"), folder, server)


class Served:
    """The server; a context that starts and stops it.

    Args:
        settings: As of `--set`.
    """

    def __init__(self, where: Place, *settings: str) -> None:
        self._where = where
        self.url = where.url
        self._settings = settings
        self.key_file = where.folder / "log.key"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        more = [part for one in self._settings for part in ("--set", one)]
        command = [sys.executable, "-m", "whodid", "serve", "--store", self.url, "--port", "0"]
        command += ["--key-file", str(self.key_file), "--secret-file", str(self._where.folder / "secret"), *more]
        self._said = self._where.folder / "server.err"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(command, stdout=said, stderr=said)
        until = time.monotonic() + _PATIENCE
        while (found := re.search(r"Address\s+http://127\.0\.0\.1:(\d+)/", self._said.read_text())) is None:
            insist(time.monotonic() < until and self._process.poll() is None, self._said.read_text()[-2_000:])
            time.sleep(0.05)
        self.port = int(found[1])
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE)
            finally:
                self._process.kill()
                self._process = None

    def log(self) -> whodid.Log:
        """Open the log of the store in this process."""
        return whodid.open(self.url, key=self.key_file)

    def key(self, workspace: str, *scopes: str) -> str:
        """Make an API key."""
        with self.log() as log:
            return KeyRing(log, workspace, actor=ACTOR).create("benchmarks", scopes=scopes).text

    def taken(self) -> Taken:
        """Look at what the process takes now."""
        assert self._process is not None
        proc = Path(f"/proc/{self._process.pid}")
        handles = []
        for one in (proc / "fd").iterdir():
            try:
                handles.append(str(one.readlink()))
            except FileNotFoundError:  # closed meanwhile
                continue
        resident = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        threads = len(list((proc / "task").iterdir()))
        return Taken(resident, len(handles), sum(one.startswith("socket:") for one in handles), threads)

    def check(self, workspace: str, told: Sequence[int], batch: int) -> int:
        """Insist that every acknowledged event is in the log once, and that the log is whole; return its size.

        Args:
            told: The first number of every request that was acknowledged.
        """
        with self.log() as log:
            size = log.head(workspace).size
            ids = [entry.id for entry in log.read(workspace)]
            insist(len(ids) == len(set(ids)), "an event is there twice")
            kept = set(ids)
            lost = [one for first in told for one in range(first, first + batch) if event_id(one) not in kept]
            insist(not lost, f"{len(lost)} acknowledged events are not in the log")
            report = log.verify(workspace)
            insist(report.ok, f"verify: {report.problems[:3]}")
        return size


class Prober:
    """Somebody who asks for something again and again, each time after the answer, from a thread.

    Args:
        make: Returns the method, address and JSON of the next request.
        every: Seconds between two requests.
    """

    def __init__(
        self, port: int, key: str, make: Callable[[int], tuple[str, str, object | None]], *, every: float = 0.2
    ) -> None:
        self._make = make
        self._every = every
        self._client = httpx2.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=_PATIENCE
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.times: list[float] = []
        self.refused = 0
        self.broken = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            method, address, sent = self._make(number)
            began = time.perf_counter()
            try:
                status = self._client.request(method, address, json=sent).status_code
            except httpx2.TransportError:
                self.broken += 1
                status = 0
            if status in {200, 201}:
                number += 1
                self.times.append(1e3 * (time.perf_counter() - began))
            elif status:
                self.refused += 1
            self._stopping.wait(self._every)

    def told(self) -> tuple[str, ...]:
        """Return cells of a table: answered, refused, broken, p50 and p99 in milliseconds."""
        shares = [f"{percentile(self.times, share):,.0f}" if self.times else "–" for share in (0.5, 0.99)]
        return (f"{len(self.times):,}", f"{self.refused:,}", f"{self.broken:,}", *shares)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return how much a value grows per minute, by least squares over (seconds, value)."""
    count = len(points)
    middle, mean = sum(at for at, _ in points) / count, sum(value for _, value in points) / count
    spread = sum((at - middle) ** 2 for at, _ in points)
    return 60 * sum((at - middle) * (value - mean) for at, value in points) / spread if spread else 0.0


def insist(holds: object, what: str) -> None:
    """Stop the measurement when something is not as it must be."""
    if not holds:
        raise AssertionError(what)
