"""The reading side of a spool: the frames of one owner in order, from the place up to which they were delivered."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import NamedTuple, Self

from whodid.capture.remote.files import Owner, Place
from whodid.capture.remote.frames import LARGEST_FRAME, Frame, open_payload, parts
from whodid.capture.remote.gaps import Gaps

__all__ = ["Batch", "Shelf"]

_log = logging.getLogger("whodid.capture")

_CHUNK = 1024 * 1024
_MOST = 500


class Batch(NamedTuple):
    """Frames to deliver next.

    Args:
        end: The place after them.
        damaged: Bytes among them that are no frames.
    """

    frames: list[Frame]
    end: Place
    damaged: int


class Shelf:
    """One owner's frames; for one thread.

    Args:
        owner: Whose lock this process holds.
        gaps: What the owner dropped, or None.
        ended: Tells of a file's number whether nobody writes to it any more.
        freed: Called with the size of a file that is gone.
    """

    def __init__(
        self, owner: Owner, gaps: Gaps | None, *, ended: Callable[[int], bool], freed: Callable[[int], None]
    ) -> None:
        self.owner = owner
        self.gaps = gaps
        self._ended = ended
        self._freed = freed
        self._place = owner.place()

    @classmethod
    def of_dead(cls, owner: Owner) -> Self:
        """Return the frames of an owner that was claimed; gives up its lock when they cannot be read.

        Raises:
            OSError: What it dropped cannot be read.
        """
        try:
            gaps = Gaps(owner.gaps) if owner.gaps.exists() else None
        except OSError:
            owner.release()
            raise
        return cls(owner, gaps, ended=lambda _: True, freed=lambda _: None)

    def close(self) -> None:
        """Give up the lock of the owner."""
        if self.gaps is not None:
            self.gaps.close()
        self.owner.release()

    def next(self) -> Batch | None:
        """Return what to deliver next: at most 500 events and 1 MiB; None when nothing is left for now."""
        while True:
            # Asked before reading: whoever ended a file had written all of it.
            ended = self._ended(self._place.number)
            data = self._read()
            if data is None:
                later = [number for number in self.owner.numbers() if number > self._place.number]
                if not later:
                    return None
                self._place = Place(later[0], 0)
                continue
            last = ended and len(data) < _CHUNK + LARGEST_FRAME
            if not data and ended:
                self._finish()
                continue
            batch = self._batch(data, ended=last)
            if batch.damaged:
                path = self.owner.segment(self._place.number)
                _log.warning("%s: %d bytes from %d on are damaged; skipped", path, batch.damaged, self._place.offset)
            return batch if batch.end != self._place else None

    def done(self, batch: Batch) -> None:
        """Say that a batch is settled: it is not read again, after a restart either."""
        self._place = batch.end
        self.owner.move(batch.end)

    def oldest(self) -> int | None:
        """Return when the first frame that is not settled was taken, in milliseconds since 1970."""
        data = self._read(LARGEST_FRAME) or b""
        for part in parts(data, ended=False):
            found = open_payload(part.payload) if part.payload is not None else None
            if found is not None:
                return found.at
        return None

    def waiting(self) -> int:
        """Count the frames that are not settled; reads all of them."""
        count = 0
        for number in self.owner.numbers():
            if number >= self._place.number:
                data = self.owner.segment(number).read_bytes()
                start = self._place.offset if number == self._place.number else 0
                count += sum(part.payload is not None for part in parts(data[start:], ended=True))
        return count

    def _read(self, size: int = _CHUNK + LARGEST_FRAME) -> bytes | None:
        try:
            descriptor = os.open(self.owner.segment(self._place.number), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return os.pread(descriptor, size, self._place.offset)
        finally:
            os.close(descriptor)

    def _batch(self, data: bytes, *, ended: bool) -> Batch:
        frames: list[Frame] = []
        at = self._place.offset
        size = damaged = 0
        for part in parts(data, at, ended=ended):
            if len(frames) >= _MOST or (frames and size + part.end - part.start > _CHUNK):
                break
            at = part.end
            opened = open_payload(part.payload) if part.payload is not None else None
            if opened is None:
                damaged += part.end - part.start
            else:
                frames.append(opened)
                size += len(opened.event)
        return Batch(frames, Place(self._place.number, at), damaged)

    def _finish(self) -> None:
        """Remove a file that was delivered to its end, and go on with the next."""
        path = self.owner.segment(self._place.number)
        size = path.stat().st_size
        self.done(Batch([], Place(self._place.number + 1, 0), 0))
        path.unlink()
        self._freed(size)
