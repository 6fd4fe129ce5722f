"""A file that any agent can collect: one line per entry, on the disk before it counts as delivered.

A crash leaves no line there twice: the end of the file is read when it is opened, and what is there is not written
again. A line that a crash cut is completed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from io import SEEK_END, SEEK_SET
from pathlib import Path
from typing import IO

from whodid.errors import InvalidSetting
from whodid.files.folders import sync_folder
from whodid.sinks.formats import LINE_FORMATS
from whodid.sinks.kinds.base import TAKEN, Kind, Message, Opening, Result, option_number

__all__ = ["FILE"]

_LONGEST = 4 * 1024 * 1024
_MEGABYTE = 1_000_000


class _File:
    """Writes lines at the end of a file."""

    def __init__(self, opening: Opening) -> None:
        self._path = Path(opening.sink.address)
        if not self._path.is_absolute():
            raise InvalidSetting(f"{self._path} is no whole path", "Begin it with /")
        self._largest = option_number(opening, "rotate_mb", 100, 1_000_000) * _MEGABYTE
        self._keep = option_number(opening, "keep", 0, 100_000)
        mode = opening.option("mode", "600")
        if mode not in {"600", "640", "644"}:
            raise InvalidSetting(f"The mode of the file cannot be {mode!r}", "Use 600, 640 or 644")
        self._mode = int(mode, 8)
        self._again = opening.again
        self._out: IO[bytes] | None = None
        self._last = b""
        self._cut = b""

    def send(self, messages: Sequence[Message]) -> Result:
        """Write what is not there yet, and sync it to the disk."""
        try:
            out = self._opened()
            bodies = [message.body for message in messages]
            if self._last in bodies and not self._again:
                bodies = bodies[bodies.index(self._last) + 1 :]
            self._last = b""
            text = b"".join(b"%b\n" % body for body in bodies)
            if self._cut:
                text = text[len(self._cut) :] if text.startswith(self._cut) else b"\n" + text
                self._cut = b""
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
            if self._largest and out.tell() >= self._largest:
                self._rotate(messages[-1])
        except OSError as error:
            # How much of it was written is unknown now; opening the file again finds out.
            self.close()
            return Result(fault=f"{self._path} cannot be written: {error.strerror}")
        return TAKEN

    def close(self) -> None:
        """Close the file."""
        if self._out is not None:
            # Nothing waits in a buffer: it is either on the disk, or failed.
            out, self._out = self._out, None
            out.close()

    def _opened(self) -> IO[bytes]:
        if self._out is None:
            fresh = not self._path.exists()
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, self._mode)
            out = os.fdopen(descriptor, "r+b", buffering=0)
            try:
                # The lease of a process that was stopped and goes on may have ended.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if fresh:
                    sync_folder(self._path.parent)
                self._last, self._cut = _ending(out)
            except BaseException:
                out.close()
                raise
            self._out = out
        return self._out

    def _rotate(self, last: Message) -> None:
        """Give the file a name that ends with when its last line was written, and begin a new one."""
        self.close()
        number = 0
        while (away := self._path.with_name(f"{self._path.name}.{last.at:%Y%m%dT%H%M%S}-{number:03d}")).exists():
            number += 1
        self._path.rename(away)
        sync_folder(self._path.parent)
        if self._keep:
            old = sorted(self._path.parent.glob(f"{self._path.name}.[0-9]*T[0-9]*-[0-9]*"), key=_age)
            for path in old[: -self._keep]:
                path.unlink()


def _age(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name


def _ending(file: IO[bytes]) -> tuple[bytes, bytes]:
    """Return the last whole line of a file, and what stands after it."""
    size = file.seek(0, SEEK_END)
    file.seek(max(0, size - _LONGEST), SEEK_SET)
    tail = file.read(_LONGEST)
    file.seek(0, SEEK_END)
    whole, _, cut = tail.rpartition(b"\n")
    return whole.rpartition(b"\n")[2], cut


FILE = Kind(
    formats=LINE_FORMATS,
    options={
        "rotate_mb": "begin a new file after so many megabytes; 0 never does (100)",
        "keep": "how many old files stay; 0 keeps all (0)",
        "mode": "who may read it: 600, 640 or 644 (600)",
    },
    batch=500,
    most=10_000,
    secret=False,
    open=_File,
)
