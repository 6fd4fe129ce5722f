"""The folder of a spool: names, locks, positions, and what was refused.

Every process that records is an owner with a random name. Its files are `<owner>.<number>.spool` (frames, numbered
from 1), `<owner>.gaps` (what was dropped) and `<owner>.owner`: the file that it holds locked for as long as it lives,
and in which the place up to which its frames were delivered is written. Whoever gets the lock of an owner knows that
the owner is dead and may deliver for it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from whodid.errors import InvalidSetting, SpoolError, SpoolFull

__all__ = [
    "Owner",
    "Place",
    "Segment",
    "folder_bytes",
    "forget_refused",
    "keyed",
    "open_folder",
    "owners",
    "set_aside",
    "spool_error",
    "spool_key",
    "sync_folder",
    "take_refused",
]

_OWNER = re.compile(r"(?P<owner>[0-9]+-[0-9]+-[0-9a-f]{16})\.owner")
_SEGMENT = re.compile(r"(?P<owner>[0-9]+-[0-9]+-[0-9a-f]{16})\.(?P<number>[0-9]{8})\.spool")
_PLACE = re.compile(rb"([0-9]{8}) ([0-9]{12})\n")
_REFUSED = "refused.ndjson"
_KEY = "fingerprint.key"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Place(NamedTuple):
    """How far an owner's frames were delivered.

    Args:
        number: Of the file.
        offset: In it.
    """

    number: int
    offset: int


class Segment:
    """A spool file that is open for appending; it closes when nobody holds it any more.

    Whoever is about to write holds it, so that a file that was followed by another is never closed under a write, and
    no lock is needed for that.
    """

    __slots__ = ("__weakref__", "_descriptor", "number", "path")

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        self.number = number
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes) -> int:
        """Append in one call to the system, and return how many bytes it took."""
        return os.write(self._descriptor, data)

    def sync(self) -> None:
        """Wait until what was appended is on the disk."""
        os.fdatasync(self._descriptor)

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            os.close(self._descriptor)


class Owner:
    """An owner whose lock this process holds: itself, or a dead one that it delivers for."""

    def __init__(self, folder: Path, name: str, descriptor: int) -> None:
        self.folder = folder
        self.name = name
        self._descriptor = descriptor

    @classmethod
    def new(cls, folder: Path) -> Owner:
        """Become an owner.

        Raises:
            OSError: The folder cannot be written.
        """
        while True:
            name = f"{os.getpid()}-{int(time.time())}-{secrets.token_hex(8)}"
            path = folder / f"{name}.owner"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            # Between making and locking, somebody may have taken it for the file of a dead owner.
            if _locked(descriptor) and _still_there(path, descriptor):
                owner = cls(folder, name, descriptor)
                try:
                    owner.move(Place(1, 0))
                except OSError:
                    owner.remove()
                    raise
                return owner
            os.close(descriptor)

    @classmethod
    def claim(cls, folder: Path, name: str) -> Owner | None:
        """Take over a dead owner; None when it lives, or another process was faster."""
        path = folder / f"{name}.owner"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if _locked(descriptor) and _still_there(path, descriptor):
            return cls(folder, name, descriptor)
        os.close(descriptor)
        return None

    @property
    def gaps(self) -> Path:
        """The file of what was dropped."""
        return self.folder / f"{self.name}.gaps"

    def segment(self, number: int) -> Path:
        """Return the path of a spool file."""
        return self.folder / f"{self.name}.{number:08}.spool"

    def numbers(self) -> list[int]:
        """List the numbers of the spool files that are there, ascending."""
        found = (_SEGMENT.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(one["number"]) for one in found if one is not None and one["owner"] == self.name)

    def place(self) -> Place:
        """Return how far the frames were delivered; the beginning when that is not known."""
        match = _PLACE.match(os.pread(self._descriptor, 64, 0))
        return Place(int(match[1]), int(match[2])) if match else Place(1, 0)

    def move(self, place: Place) -> None:
        """Remember how far the frames were delivered."""
        os.pwrite(self._descriptor, b"%08d %012d\n" % place, 0)

    def remove(self) -> None:
        """Remove what is left of an owner whose frames were all delivered, and give up its lock."""
        for number in self.numbers():
            self.segment(number).unlink(missing_ok=True)
        self.gaps.unlink(missing_ok=True)
        (self.folder / f"{self.name}.owner").unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Give up the lock, or the copy of it that a fork left here; idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)


def open_folder(path: Path) -> Path:
    """Make the folder of a spool where it is missing.

    Raises:
        InvalidSetting: It cannot be made, or belongs to others.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise InvalidSetting(
            f"The spool {path} cannot be used: {error.strerror}", "Name a folder of your own"
        ) from None
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise InvalidSetting(
            f"Others may use the folder {path}", f"Run: chown {os.geteuid()} {path} && chmod 700 {path}"
        )
    return path


def owners(folder: Path) -> list[str]:
    """Name the owners that left something in a folder, oldest first."""
    found = (_OWNER.fullmatch(path.name) for path in folder.iterdir())
    names = [one["owner"] for one in found if one is not None]
    return sorted(names, key=lambda name: (int(name.split("-")[1]), name))


def sync_folder(folder: Path) -> None:
    """Wait until the names of new files are on the disk, without which their bytes would not be found."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folder_bytes(folder: Path, *, without: str = "") -> int:
    """Return what a spool takes on the disk.

    Args:
        without: Name of an owner whose spool files do not count.
    """
    total = 0
    with os.scandir(folder) as found:
        for one in found:
            match = _SEGMENT.fullmatch(one.name)
            if (match is None or match["owner"] != without) and one.name != _KEY:
                with suppress(FileNotFoundError):
                    total += one.stat(follow_symlinks=False).st_size
    return total


def set_aside(folder: Path, lines: list[dict[str, Any]]) -> None:
    """Keep refused events with the reasons, for somebody to look at."""
    _append(folder, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def _append(folder: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(folder / _REFUSED, flags, 0o600)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def take_refused(folder: Path) -> list[Path]:
    """Take what was set aside out of the way of what is being set aside, and return the files to look through.

    They include those that an earlier taker left when it was ended.
    """
    path = folder / _REFUSED
    with suppress(FileNotFoundError):
        path.rename(folder / f"refused.{secrets.token_hex(8)}.ndjson")
    return sorted(folder.glob("refused.*.ndjson"))


def forget_refused(folder: Path, workspace: str, person: str) -> int:
    """Remove the events that were set aside of a workspace and name a person: as actor, resource or related.

    Args:
        folder: Of a spool; nothing happens when it is not there.
        person: `type:id`.

    Returns:
        How many they were.
    """
    if not folder.is_dir():
        return 0
    type_, _, id_ = person.partition(":")
    gone = 0
    for path in take_refused(folder):
        kept = []
        for line in path.read_bytes().splitlines(keepends=True):
            try:
                said = msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # a line that was cut when its process ended is an event that nobody can send again
            if said.get("workspace") == workspace and _names(said.get("event"), type_, id_):
                gone += 1
            else:
                kept.append(line)
        if kept:
            _append(folder, b"".join(kept))
        path.unlink(missing_ok=True)
    return gone


def _names(value: Any, type_: str, id_: str) -> bool:
    """Tell whether somebody or something of this id stands anywhere in an event, whatever shape it has."""
    if isinstance(value, list):
        return any(_names(one, type_, id_) for one in value)
    if not isinstance(value, dict):
        return False
    return (value.get("type"), value.get("id")) == (type_, id_) or _names([*value.values()], type_, id_)


def spool_error(error: OSError, folder: Path) -> SpoolError:
    """Turn a refusal of the system into an error of the family."""
    if error.errno in _FULL:
        return SpoolFull(f"The disk of the spool {folder} is full: {error.strerror}", "Make room; nothing was kept")
    return SpoolError(f"The spool {folder} cannot be written: {error.strerror}", "Check the folder and its disk")


def spool_key(folder: Path) -> bytes:
    """Return the key of fingerprints that lies beside a spool, making it at first use.

    Raises:
        InvalidSetting: It cannot be made or is damaged.
    """
    path = folder / _KEY
    try:
        if not path.exists():
            # Written aside and linked: of two processes that start at once one wins, and nobody reads half a key.
            aside = folder / f"{_KEY}.{secrets.token_hex(8)}"
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, secrets.token_hex(32).encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            with suppress(FileExistsError):
                os.link(aside, path)
            aside.unlink()
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise InvalidSetting(
            f"The file {path} cannot be used: {error}", "Restore it, or give fingerprint_key="
        ) from None
    if len(key) != 32:
        raise InvalidSetting(f"The file {path} is damaged", "Restore it, or give fingerprint_key=")
    return key


def keyed(key: bytes, workspace: str, value: bytes) -> str:
    """Return a keyed fingerprint: 64 bits, comparable within a workspace only."""
    own = hmac.digest(key, b"whodid/client fingerprint/v1\n" + workspace.encode(), hashlib.sha256)
    return hmac.digest(own, value, hashlib.sha256)[:8].hex()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _still_there(path: Path, descriptor: int) -> bool:
    """Tell whether a file that was locked is still the one under its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
