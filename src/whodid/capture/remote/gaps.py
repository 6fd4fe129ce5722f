"""What was dropped: counted per workspace and action in a file of fixed size that was reserved beforehand.

A full disk cannot keep a count from being kept, and neither can the end of the process: the file is mapped into memory
and the system writes it. It has two tables. One counts; when the counts are to be told, it is sealed and the other one
counts on. What a sealed table says is fixed, its id included, so that telling it twice is the same as once.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from whodid.model import Actor, Event, Resource

__all__ = ["GAP", "Gaps"]

GAP = "audit.events_dropped"
"""The action of the entry that tells what was dropped."""

_SLOTS = 128
_HEADER = struct.Struct("<B7x16s8x")
_SLOT = struct.Struct("<Qqq100s100s")
_TABLE = _HEADER.size + _SLOTS * _SLOT.size
_SIZE = 2 * _TABLE
_COUNTING, _SEALED = 0, 1
_REST = "*"
_ACTOR = Actor(type="system", id="whodid.client", name="whodid client")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 253_402_300_799_000  # the last second of the year 9999: a damaged file tells a time all the same


class _Slot(NamedTuple):
    number: int
    first: int
    last: int
    workspace: str
    action: str


class Gaps:
    """The file of one owner; safe between threads.

    Args:
        path: Made when it is not there.

    Raises:
        OSError: It cannot be made or reserved.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _SIZE)
            self._map = mmap.mmap(descriptor, _SIZE)
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise
        finally:
            os.close(descriptor)
        self._lock = threading.Lock()
        self._places: list[dict[tuple[str, str], int]] = [
            {(slot.workspace, slot.action): number for number, slot in self._slots(table)} for table in (0, 1)
        ]
        for table in (0, 1):
            state, identity = _HEADER.unpack_from(self._map, table * _TABLE)
            if not any(identity):
                _HEADER.pack_into(self._map, table * _TABLE, state, os.urandom(16))
        self._counting = 1 if self._state(0) == _SEALED else 0

    def count(self, workspace: str, action: str, at: int, number: int = 1) -> None:
        """Count what was dropped.

        Args:
            at: Milliseconds since 1970.
        """
        # Neither is checked yet: what is no name is counted with the rest.
        place = (_plain(workspace), _plain(action))
        with self._lock:
            places = self._places[self._counting]
            if place not in places and len(places) >= _SLOTS - 1:
                place = next((one for one in places if one[1] == _REST), (place[0], _REST))
            new = place not in places
            slot = places.setdefault(place, len(places))
            where = self._where(self._counting, slot)
            old = _SLOT.unpack_from(self._map, where)
            first = at if new else min(old[1], at)
            last = at if new else max(old[2], at)
            # The count goes last: until it is there, the slot is empty.
            struct.pack_into("<qq100s100s", self._map, where + 8, first, last, place[0].encode(), place[1].encode())
            struct.pack_into("<Q", self._map, where, old[0] + number)

    def total(self) -> int:
        """Return how many were dropped and are not told yet."""
        return sum(slot.number for table in (0, 1) for _, slot in self._slots(table))

    def untold(self) -> list[tuple[str, Event]]:
        """Return events that tell what was dropped, by workspace: the same ones until `told` is called."""
        with self._lock:
            other = 1 - self._counting
            if self._state(other) != _SEALED:
                if not self._places[self._counting]:
                    return []
                self._seal(self._counting)
                self._counting, other = other, self._counting
        return list(self._events(other))

    def told(self) -> None:
        """Forget the sealed table: the log has what it said."""
        with self._lock:
            other = 1 - self._counting
            start = other * _TABLE
            for number in range(_SLOTS):
                struct.pack_into("<Q", self._map, self._where(other, number), 0)
            self._map[start + _HEADER.size : start + _TABLE] = bytes(_TABLE - _HEADER.size)
            _HEADER.pack_into(self._map, start, _COUNTING, os.urandom(16))
            self._places[other] = {}

    def sync(self) -> None:
        """Wait until the counts are on the disk."""
        self._map.flush()

    def close(self) -> None:
        """Let the file go; idempotent."""
        self._map.close()

    def _state(self, table: int) -> int:
        state: int = self._map[table * _TABLE]
        return state

    def _seal(self, table: int) -> None:
        self._map[table * _TABLE] = _SEALED

    @staticmethod
    def _where(table: int, slot: int) -> int:
        return table * _TABLE + _HEADER.size + slot * _SLOT.size

    def _slots(self, table: int) -> Iterator[tuple[int, _Slot]]:
        for number in range(_SLOTS):
            count, first, last, workspace, action = _SLOT.unpack_from(self._map, self._where(table, number))
            if count:
                names = (
                    workspace.rstrip(b"\0").decode("ascii", "replace"),
                    action.rstrip(b"\0").decode("ascii", "replace"),
                )
                yield number, _Slot(count, first, last, *map(_plain, names))

    def _events(self, table: int) -> Iterator[tuple[str, Event]]:
        _, identity = _HEADER.unpack_from(self._map, table * _TABLE)
        by_workspace: dict[str, list[_Slot]] = {}
        for _, slot in self._slots(table):
            by_workspace.setdefault(slot.workspace, []).append(slot)
        for workspace, slots in by_workspace.items():
            last = max(slot.last for slot in slots)
            yield (
                workspace,
                Event(
                    id=_derived(identity, workspace),
                    occurred_at=_instant(last),
                    actor=_ACTOR,
                    action=GAP,
                    resource=Resource(type="log", id=workspace),
                    details={
                        "count": sum(slot.number for slot in slots),
                        "actions": {slot.action: slot.number for slot in slots},
                        "first_at": _instant(min(slot.first for slot in slots)).isoformat(),
                        "last_at": _instant(last).isoformat(),
                    },
                ),
            )


def _read(name: bytes) -> str:
    return _plain(name.rstrip(b"\0").decode("ascii", "replace"))


def _plain(name: object) -> str:
    text = name if isinstance(name, str) else _REST
    return text if text.isascii() and text.isprintable() and 0 < len(text) <= 100 else _REST


def _instant(milliseconds: int) -> datetime:
    return _BEGINNING + timedelta(milliseconds=min(max(0, milliseconds), _LATEST))


def _derived(identity: bytes, workspace: str) -> str:
    """Make the id of an event (a version 8 UUID) of what tells the table and the workspace."""
    value = int.from_bytes(hashlib.sha256(identity + workspace.encode()).digest()[:16], "big")
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(UUID(int=value))
