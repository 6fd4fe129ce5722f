"""The writing side of a spool: an event is kept when `take` returns, and no network was in its way.

Every process appends to a file of its own, one call to the system per `take`, on the calling thread, and holds no lock
while it does. A file that has grown to its size is followed by the next. After a fork the child has its own files, and
nothing of its parent's. What the process took survives its end, however it ends; `durability="power"` also waits for
the disk each time.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from whodid.capture.remote.files import Owner, Segment, folder_bytes, open_folder, spool_error, sync_folder
from whodid.capture.remote.frames import LARGEST_FRAME, frame
from whodid.capture.remote.gaps import Gaps
from whodid.errors import InvalidSetting, SpoolFull
from whodid.model import Event

__all__ = ["Live", "Spool"]

_SEGMENT = 8 * 1024 * 1024
_LEAST = 1024 * 1024
_SHUT_SECONDS = 1.0

OnFull = Literal["raise", "gap"]
Durability = Literal["process", "power"]


class Live:
    """What a process has open: its lock, its file, its counts of what was dropped.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.owner = Owner.new(folder)
        try:
            self.gaps = Gaps(self.owner.gaps)
            self.segment = Segment(self.owner.segment(1), 1)
        except OSError:
            self.owner.remove()
            raise
        self.size = 0
        self._followed: dict[int, weakref.ref[Segment]] = {}

    def ended(self, number: int) -> bool:
        """Tell whether nobody writes to a file any more."""
        if number >= self.segment.number:
            return False
        followed = self._followed.get(number)
        return followed is None or followed() is None

    def follow(self, seen: Segment, limit: int, lock: threading.Lock, *, power: bool) -> None:
        """Go on in a new file, unless another thread does so already.

        Args:
            power: Whether the name of the file has to be on the disk before anything is written to it.
        """
        if self.size < limit or self.segment is not seen:
            return
        try:
            new = Segment(self.owner.segment(seen.number + 1), seen.number + 1)
            if power:
                sync_folder(self.owner.folder)
        except OSError:
            return  # another thread made it, or there is no room for one: the present file goes on
        with lock:
            self._followed = {number: ref for number, ref in self._followed.items() if ref() is not None}
            self._followed[seen.number] = weakref.ref(seen)
            self.segment = new
            self.size = 0

    def drop(self) -> None:
        """Close what is open, here only: the files stay."""
        self.gaps.close()
        self.owner.release()


class Spool:
    """Events on their way, on this machine's disk.

    Args:
        folder: Of this program's own; made when it is not there.
        max_bytes: What the folder may take, the leftovers of other processes and what was refused included.
        on_full: Whether an event that finds no room raises, after waiting, or is dropped and counted.
        wait_ms: How long to wait for room before raising.
        durability: Whether what was taken outlives the process, or the power as well.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        on_full: OnFull = "raise",
        wait_ms: int = 50,
        durability: Durability = "process",
    ) -> None:
        if max_bytes < _LEAST:
            raise InvalidSetting(f"A spool of {max_bytes} bytes is too small", f"Give it at least {_LEAST:,}")
        if on_full not in {"raise", "gap"} or durability not in {"process", "power"} or wait_ms < 0:
            raise InvalidSetting("A setting of the spool is unknown", "Use raise or gap, process or power, 0 or more")
        self.folder = open_folder(folder)
        self.max_bytes = max_bytes
        self._segment_bytes = min(_SEGMENT, max_bytes // 8)
        self._on_full = on_full
        self._wait = wait_ms / 1000
        self._power = durability == "power"
        self._fresh()
        _spools.add(self)

    def _fresh(self) -> None:
        """Begin as if nothing had been opened: at first, and after a fork."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._room = threading.Condition(threading.Lock())
        self.live: Live | None = None
        self.accepted = 0
        self.dropped = 0
        self._used = 0
        self._others = 0
        self._inside = 0
        self._shut = False

    def forked(self) -> None:
        """Let go of what belongs to the parent."""
        if self.live is not None:
            self.live.drop()
        self._fresh()

    def take(self, workspace: str, events: Sequence[Event]) -> None:
        """Keep events; they are on their way when this returns.

        Raises:
            InvalidEvent: One of them has no JSON form or is too large; none was kept.
            SpoolFull: There is no room; those that were kept, if any, are sent, and may be taken again all the same.
            SpoolError: The disk failed.
        """
        at = int(time.time() * 1000)
        frames = [frame(workspace, at, event) for event in events]
        if self._pid != os.getpid():
            self.forked()
        with self._lock:
            if self._shut:
                raise InvalidSetting("The client was closed", "Record before close(), or connect again")
            self._inside += 1
        try:
            self._take(workspace, events, frames, at)
        finally:
            with self._lock:
                self._inside -= 1

    def _take(self, workspace: str, events: Sequence[Event], frames: list[bytes], at: int) -> None:
        try:
            live = self.live or self._open()
        except OSError as error:
            raise spool_error(error, self.folder) from None
        if self._on_full == "raise":
            self._reserve_or_wait(sum(map(len, frames)))
            self._append(live, frames)
            return
        fitting = [self._reserve(len(one)) for one in frames]
        kept = [one for one, fits in zip(frames, fitting, strict=True) if fits]
        for event, fits in zip(events, fitting, strict=True):
            if not fits:
                self._drop(live, workspace, event, at)
        done = 0
        try:
            done = self._append(live, kept)
        except SpoolFull as full:
            done = full.kept
            taken = [event for event, fits in zip(events, fitting, strict=True) if fits]
            for event in taken[done:]:
                self._drop(live, workspace, event, at)

    def sync(self) -> None:
        """Wait until what was taken so far is on the disk."""
        live = self.live
        if live is not None:
            live.segment.sync()

    def freed(self, size: int) -> None:
        """Say that a delivered file is gone."""
        with self._lock:
            self._used = max(0, self._used - size)
        with self._room:
            self._room.notify_all()

    def look_around(self) -> None:
        """Measure again what others left in the folder."""
        live = self.live
        others = folder_bytes(self.folder, without=live.owner.name if live is not None else "")
        with self._lock:
            self._others = others
        with self._room:
            self._room.notify_all()

    def fits(self) -> bool:
        """Tell whether there is room for one more event, however large."""
        return self.used() + LARGEST_FRAME <= self.max_bytes

    def used(self) -> int:
        """Return how many bytes of the limit are taken."""
        with self._lock:
            return self._used + self._others

    def shut(self) -> None:
        """Take nothing more, and wait until what is being taken is kept."""
        with self._lock:
            self._shut = True
        until = time.monotonic() + _SHUT_SECONDS
        while self._inside and time.monotonic() < until:
            time.sleep(0.001)

    def clear(self, settled: int) -> bool:
        """Remove this process's files if nothing is left in them; the next event begins new ones.

        Args:
            settled: How many of the events that were taken are settled.

        Returns:
            Whether they were removed.
        """
        with self._lock:
            live = self.live
            if live is None or self._inside or self.accepted != settled:
                return False
            self.live = None
            self._used = 0
        live.owner.remove()
        live.drop()
        return True

    def close(self, *, delivered: bool) -> None:
        """Let go of this process's files.

        Args:
            delivered: Whether nothing is left in them; otherwise they stay for whoever comes next.
        """
        live, self.live = self.live, None
        if live is not None:
            if delivered and not self._inside:
                live.owner.remove()
            live.drop()

    def _open(self) -> Live:
        live = Live(self.folder)
        if self._power:
            sync_folder(self.folder)
        with self._lock:
            if self.live is None:
                self.live = live
        if self.live is not live:
            live.owner.remove()
            live.drop()
            return self.live
        self.look_around()
        return live

    def _reserve(self, size: int) -> bool:
        with self._lock:
            if self._used + self._others + size > self.max_bytes:
                return False
            self._used += size
            return True

    def _reserve_or_wait(self, size: int) -> None:
        if self._reserve(size):
            return
        until = time.monotonic() + self._wait
        while (left := until - time.monotonic()) > 0:
            with self._room:
                self._room.wait(left)
            if self._reserve(size):
                return
        raise SpoolFull(
            f"The spool {self.folder} holds its limit of {self.max_bytes:,} bytes",
            "Look why nothing is delivered, raise max_bytes= (a server: spool_bytes), or look into its refused.ndjson",
        )

    def _append(self, live: Live, frames: list[bytes]) -> int:
        """Append frames and return how many; a frame that the disk cut short is written again, whole."""
        done = 0
        try:
            while done < len(frames):
                segment = live.segment
                written = segment.write(b"".join(frames[done:]))
                with self._lock:
                    live.size += written
                while done < len(frames) and written >= len(frames[done]):
                    written -= len(frames[done])
                    done += 1
                if self._power:
                    segment.sync()
                if live.size >= self._segment_bytes:
                    live.follow(segment, self._segment_bytes, self._lock, power=self._power)
        except OSError as error:
            self.freed(sum(map(len, frames[done:])))
            failure = spool_error(error, self.folder)
            if isinstance(failure, SpoolFull):
                failure.kept = done
            raise failure from None
        finally:
            with self._lock:
                self.accepted += done
        return done

    def _drop(self, live: Live, workspace: str, event: Event, at: int) -> None:
        live.gaps.count(workspace, event.action, at)
        if self._power:
            live.gaps.sync()
        with self._lock:
            self.dropped += 1


_spools: weakref.WeakSet[Spool] = weakref.WeakSet()


def _after_fork() -> None:
    for spool in list(_spools):
        spool.forked()


os.register_at_fork(after_in_child=_after_fork)
