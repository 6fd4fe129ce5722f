"""Where else values of people may stand: whoever keeps such a place says here how a person leaves it.

An erasure reaches every place that is known to the log it erases from: files of exports, the memory of detection. What
is not known here stays, so whoever opens a place says so when it does. Backups are reached by nobody; for them every
erasure is noted in a file beside the key, which is no part of them, so that an older copy of the database finds there
what has to go again.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from whodid.errors import StoreFull, StoreUnavailable

__all__ = ["Elsewhere", "Forget"]

_logger = logging.getLogger(__name__)

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}

Forget = Callable[[str, str], int]
"""Takes a workspace and a person (`type:id`), removes what may hold values of that person, returns how many things."""


class Elsewhere:
    """The places of one log; safe between threads.

    Args:
        register: The file of what was erased; None for a log that lives in memory.
    """

    def __init__(self, register: Path | None) -> None:
        self._register = register
        self._lock = threading.Lock()
        self._places: dict[str, list[Forget]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """What kinds of places there are."""
        with self._lock:
            return tuple(sorted(self._places))

    def add(self, name: str, forget: Forget) -> None:
        """Make a place known, for as long as the log is open.

        Args:
            name: Its kind, in the words of a record: `exports`, `findings`.
            forget: How a person leaves it. It may be asked again for a person who left.
        """
        with self._lock:
            self._places.setdefault(name, []).append(forget)

    def forget(self, workspace: str, person: str) -> dict[str, int]:
        """Make a person leave every place.

        Returns:
            How many things were removed, by kind; only kinds of which there was something.
        """
        with self._lock:
            places = {name: tuple(known) for name, known in sorted(self._places.items())}
        removed = {name: sum(forget(workspace, person) for forget in known) for name, known in places.items()}
        return {name: count for name, count in removed.items() if count}

    def note(self, lines: bytes) -> None:
        """Add lines to the register; they are on the disk then.

        Where the file cannot be written (a key on a read-only mount) nothing is noted, and a warning says so.

        Raises:
            StoreFull: There is no room for them.
            StoreUnavailable: They cannot be written.
        """
        if self._register is None:
            return
        try:
            descriptor = os.open(self._register, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                file.write(lines)
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            if error.errno in _READ_ONLY:
                _logger.warning("the erasure is not noted: %s cannot be written", self._register)
                return
            fact = f"{self._register} cannot be written: {error.strerror}"
            family = StoreFull if error.errno in _FULL else StoreUnavailable
            raise family(fact, "Nothing was erased; make room and erase again") from None

    def noted(self) -> bytes:
        """Return the register; empty where nothing was noted.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        if self._register is None or not self._register.exists():
            return b""
        try:
            return self._register.read_bytes()
        except OSError as error:
            raise StoreUnavailable(f"{self._register} cannot be read: {error.strerror}", "Check who may") from None
