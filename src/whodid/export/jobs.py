"""Exports that are made in the background, on the disk: what was asked, how far it is, and the finished file.

A folder is all there is: no other store, no table of who runs what. Each job is a small JSON file that is replaced as a
whole, and a file of entries that appears under its name only when it is complete. Whoever makes it holds a lock on it
that the system takes back when the process ends, however it ends, so another process can begin again at once. What
stands in the files may be personal: folder and files are their owner's alone, and go after a day.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
from msgspec import Struct

from whodid.errors import InvalidSetting
from whodid.export.layout import Format, Split
from whodid.files.folders import sync_folder
from whodid.model import Actor, Context

__all__ = ["KEPT_FOR", "MOST_KEPT", "MOST_WAITING", "Job", "JobFolder", "State", "default_folder", "forget_exports"]

_logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(hours=24)
"""How long a job and its file are kept after its end; one that never ends goes after as long."""

MOST_WAITING = 5
"""How many jobs of one workspace may wait or run."""

MOST_KEPT = 50
"""How many jobs of one workspace there may be."""

State = Literal["waiting", "running", "ready", "failed"]

_SQLITE = "sqlite:///"
_ID = re.compile(r"[0-9a-f]{32}")
_JOB, _PART, _FILE, _ASIDE = ".job", ".part", ".file", ".aside"


class Job(Struct, frozen=True, kw_only=True):
    """One export.

    Fields that are not known are left alone: a process of the next version may work on the same folder.

    Args:
        id: 32 hexadecimal digits, random.
        maker: Who knows how to make it; the server's own exports when empty.
        asked: What that maker needs to know besides.
        query: Canonical text.
        locked: Canonical text of what narrows whatever this viewer sees.
        personal: Whether personal values are in the file.
        columns: Some of the columns in the order wanted; all when empty.
        split: Where files of an archive end; one plain file when not given.
        zone: IANA time zone of the months.
        about: Bytes that the file will have, more or less.
        hide: Fields that are hidden in the file.
        hide_people: Whose own values are hidden in it, `TYPE:ID`.
        of: How many entries matched when it was ordered; at least that many when not `exact`.
        done: How many entries are in the file so far.
        tries: How often making it was begun.
        tag: Names the finished file, and no other; random.
        index: Place of the `audit.exported` entry.
        fault: Why it failed, with the remedy beside it.
        links: Digests of links whose download began.
    """

    id: str
    workspace: str
    created_at: datetime
    format: Format
    query: str
    filename: str
    actor: Actor
    context: Context | None = None
    maker: str = ""
    asked: dict[str, Any] = {}
    locked: str | None = None
    personal: bool = False
    proofs: bool = False
    bom: bool = False
    columns: tuple[str, ...] = ()
    split: Split | None = None
    zone: str = "UTC"
    about: int = 0
    hide: tuple[str, ...] = ()
    hide_people: tuple[str, ...] = ()
    of: int = 0
    exact: bool = True
    state: State = "waiting"
    done: int = 0
    tries: int = 0
    finished_at: datetime | None = None
    size: int | None = None
    sha256: str | None = None
    tag: str | None = None
    index: int | None = None
    fault: str = ""
    remedy: str = ""
    links: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether it came to its end."""
        return self.state in {"ready", "failed"}

    @property
    def expires_at(self) -> datetime:
        """When it is removed."""
        return (self.finished_at or self.created_at) + KEPT_FOR


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Job).decode

Change = Callable[[Job], Job | None]


class JobFolder:
    """The jobs of a deployment; safe between threads and between processes of one machine.

    Args:
        path: Its own folder; made when it is not there.
        most_bytes: What all files may take together; those of one workspace may take half of it.

    Raises:
        InvalidSetting: The folder cannot be made, or others may look into it.
    """

    def __init__(self, path: Path, *, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = path.stat().st_mode
        except OSError as error:
            raise InvalidSetting(
                f"The folder {path} for exports cannot be made: {error.strerror}", "Name another as exports_folder"
            ) from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InvalidSetting(f"Others may look into the folder {path} of exports", f"Run: chmod 700 {path}")

    def add(self, job: Job) -> bool:
        """Keep a new job; False when its workspace has as many as it may have."""
        with self._alone():
            present = self._read_all(self._place(job.workspace))
            waiting = sum(not one.over for one in present)
            if waiting >= MOST_WAITING or len(present) >= MOST_KEPT:
                return False
            self._place(job.workspace).mkdir(mode=0o700, exist_ok=True)
            self._write(job)
        return True

    def change(self, workspace: str, id_: str, change: Change) -> Job | None:
        """Change a job and return it as it is then; None when there is no such job (any more)."""
        with self._alone():
            job = self.get(workspace, id_)
            changed = change(job) if job is not None else None
            if changed is not None:
                self._write(changed)
            return changed

    def get(self, workspace: str, id_: str) -> Job | None:
        """Return a job, or None."""
        return self._read(self._place(workspace) / f"{id_}{_JOB}") if _ID.fullmatch(id_) else None

    def all(self, workspace: str) -> list[Job]:
        """Return the jobs of a workspace, newest first."""
        return sorted(self._read_all(self._place(workspace)), key=lambda one: (one.created_at, one.id), reverse=True)

    def everything(self) -> Iterator[Job]:
        """Iterate over the jobs of all workspaces."""
        for place in self._places():
            yield from self._read_all(place)

    def has_room(self, workspace: str) -> bool:
        """Tell whether files may grow."""
        own = _bytes(self._place(workspace))
        return own <= self._most_bytes // 2 and sum(map(_bytes, self._places())) <= self._most_bytes

    def open(self, job: Job) -> IO[bytes] | None:
        """Open the finished file for reading; None when it is not what was made."""
        try:
            file = (self._place(job.workspace) / f"{job.id}{_FILE}").open("rb")
        except FileNotFoundError:
            return None
        if os.fstat(file.fileno()).st_size != job.size:
            file.close()
            return None
        return file

    def claim(self, job: Job) -> IO[bytes] | None:
        """Open the file of a job for making it; None when somebody is making it."""
        path = self._place(job.workspace) / f"{job.id}{_PART}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            return None
        file = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                file.truncate(0)
                return file
        except (BlockingIOError, FileNotFoundError):
            pass
        file.close()
        return None

    def finish(self, job: Job, file: IO[bytes]) -> None:
        """Give a file that is complete its name; it is on the disk then."""
        file.flush()
        os.fsync(file.fileno())
        place = self._place(job.workspace)
        (place / f"{job.id}{_PART}").replace(place / f"{job.id}{_FILE}")
        sync_folder(place)

    def drop_part(self, job: Job) -> None:
        """Remove what was made so far; only for who holds it."""
        (self._place(job.workspace) / f"{job.id}{_PART}").unlink(missing_ok=True)

    def drop(self, job: Job) -> None:
        """Remove whatever was made of a job that is not there any more; only for who holds it."""
        self._remove(self._place(job.workspace), job.id)

    def remove(self, workspace: str, id_: str) -> bool:
        """End a job and remove its file, whatever its state; say whether there was one."""
        with self._alone():
            found = self.get(workspace, id_) is not None
            if found:
                self._remove(self._place(workspace), id_)
            return found

    def remove_all(self, workspace: str) -> int:
        """End all jobs of a workspace and remove their files: what is in them must not be anywhere any more.

        Returns:
            How many there were.
        """
        with self._alone():
            place = self._place(workspace)
            ids = {path.name.partition(".")[0] for path in _listed(place)}
            for id_ in ids:
                self._remove(place, id_)
            return len(ids)

    def sweep(self, now: datetime) -> None:
        """Remove what is over for a day, and whatever belongs to no job."""
        with self._alone():
            for place in self._places():
                kept = {job.id for job in self._read_all(place) if job.expires_at > now}
                for path in _listed(place):
                    if path.name.partition(".")[0] not in kept:
                        path.unlink(missing_ok=True)
                if not kept:
                    with suppress(OSError):  # somebody was about to begin
                        place.rmdir()

    def _place(self, workspace: str) -> Path:
        # Names of workspaces may differ in case only, and `..` is one.
        return self._path / hashlib.sha256(workspace.encode()).hexdigest()[:32]

    def _places(self) -> list[Path]:
        return [path for path in _listed(self._path) if path.is_dir() and _ID.fullmatch(path.name)]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other thread or process change a job meanwhile."""
        descriptor = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read_all(self, place: Path) -> list[Job]:
        found = (self._read(path) for path in _listed(place) if path.suffix == _JOB)
        return [job for job in found if job is not None]

    def _read(self, path: Path) -> Job | None:
        """Read a job; one that is damaged belongs to nobody, and goes with the next sweep."""
        try:
            return _decode(path.read_bytes())
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            _logger.exception("the job %s of an export is damaged; it will be removed", path.stem)
            return None

    def _write(self, job: Job) -> None:
        path = self._place(job.workspace) / f"{job.id}{_JOB}"
        aside = path.with_suffix(_ASIDE)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_encode(job))
            if job.over or not job.tries:
                # How far it is may be forgotten in a power cut; that it was ordered, and its end, may not.
                file.flush()
                os.fsync(descriptor)
        aside.replace(path)

    @staticmethod
    def _remove(place: Path, id_: str) -> None:
        for suffix in (_JOB, _ASIDE, _FILE, _PART):
            (place / f"{id_}{suffix}").unlink(missing_ok=True)


def default_folder(store: str, name: str = "exports") -> Path | None:
    """Return where a folder of a store lies unless somebody says otherwise: beside the database, if it is a file."""
    path = store.removeprefix(_SQLITE)
    return Path(f"{path}.{name}") if path and path != store else None


def forget_exports(folder: Path, workspace: str) -> int:
    """Remove the files of exports of a workspace in which values of an erased person may stand.

    Whoever is making one of them finds it gone, and stops.

    Args:
        folder: See `default_folder`; nothing happens when it is not there.

    Returns:
        How many exports there were.
    """
    return JobFolder(folder, most_bytes=0).remove_all(workspace) if folder.is_dir() else 0


def _listed(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except FileNotFoundError:
        return []


def _bytes(place: Path) -> int:
    total = 0
    for path in _listed(place):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue  # it went meanwhile
    return total
