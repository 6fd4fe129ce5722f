"""From the spool to the log in a thread of its own, for this process and for dead ones in the same folder.

Pauses grow while nobody answers. Nothing here holds a lock while it reads, writes or sends.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from whodid.capture.remote.courier import LONGEST_PAUSE, Carrier, Counts, Courier, pause_after
from whodid.capture.remote.files import Owner, owners
from whodid.capture.remote.shelf import Shelf
from whodid.capture.remote.spool import Live, Spool
from whodid.capture.remote.transport import Later

__all__ = ["Sender"]

_log = logging.getLogger("whodid.capture")

_LINGER = 0.02
_IDLE = 30.0
_SYNC_EVERY = 0.2


class Sender:
    """Delivers what a spool holds, in a thread that begins with the first event and ends with the process.

    Args:
        carrier: Makes the connection.
        workspace: See `Courier`.
        in_order: Whether what dead processes left goes first, so that all goes in the order in which it was taken, and
            no file stays when all of it was delivered; otherwise this process's own goes first.
        longest: Seconds between two attempts at most, unless the log asks for more.
    """

    def __init__(
        self,
        spool: Spool,
        carrier: Callable[[], Carrier],
        workspace: str | None = None,
        *,
        in_order: bool = False,
        longest: float = LONGEST_PAUSE,
    ) -> None:
        self._spool = spool
        self._make = carrier
        self._workspace = workspace
        self._in_order = in_order
        self._longest = longest
        self.counts = Counts()
        self.settled = 0
        self._begin()

    def _begin(self) -> None:
        """Begin as if nothing had been started: at first, and after a fork."""
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._new = threading.Event()
        self._nudge = threading.Event()
        self._ending = threading.Event()
        self._answer = threading.Condition(threading.Lock())
        self._asked = self._answered = self._failed = 0
        self._own: tuple[Live, Shelf] | None = None
        self._adopted: list[Shelf] = []
        self._inherited = 0
        self._looked = 0.0
        self._courier = Courier(self._spool.folder, self._make, self.counts, self._workspace)

    def forked(self) -> None:
        """Let go of what belongs to the parent."""
        self.counts = Counts()
        self.settled = 0
        for shelf in self._adopted:
            shelf.close()
        self._begin()

    def start(self) -> None:
        """Take over what dead processes left, and begin to deliver it without waiting for an event."""
        self._adopt()
        self.wake()

    def wake(self) -> None:
        """Say that something was taken; starts the thread if need be."""
        if self._pid != os.getpid():
            self.forked()
        if self._thread is None:
            self._start()
        if not self._new.is_set():
            self._new.set()

    def flush(self, timeout: float, *, once: bool = False) -> bool:
        """Wait until what was taken before is settled.

        Args:
            timeout: Seconds to wait for that.
            once: Give up at the first failure.

        Returns:
            Whether it is.
        """
        until = time.monotonic() + timeout
        if self._pid != os.getpid():
            self.forked()
        if self._thread is None or not self._thread.is_alive():
            return self._inline(until, once=once)
        with self._answer:
            self._asked += 1
            ticket, failed = self._asked, self._failed
            self._nudge.set()
            self._new.set()
            while self._answered < ticket and (left := until - time.monotonic()) > 0:
                if once and self._failed > failed:
                    return False
                self._answer.wait(left)
            return self._answered >= ticket

    def stop(self) -> None:
        """End the thread after the delivery in hand, and let go of what dead processes left."""
        self._ending.set()
        self._nudge.set()
        self._new.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(2.0)
        if thread is None or not thread.is_alive():
            self._let_go()

    def waiting(self) -> int:
        """Return how many events are not settled, those that were taken over included."""
        return max(0, self._spool.accepted - self.settled) + max(0, self._inherited)

    def oldest(self) -> int | None:
        """Return when the oldest event that is not settled was taken, in milliseconds since 1970."""
        own, live = self._own, self._spool.live
        shelves = self._adopted[:1] if self._in_order else []
        with suppress(OSError):  # delivered and removed meanwhile
            if live is not None:
                shelves.append(own[1] if own is not None and own[0] is live else self._shelf(live))
            return min((at for shelf in shelves if (at := shelf.oldest()) is not None), default=None)
        return None

    def _start(self) -> None:
        with self._starting:
            if self._thread is not None or self._ending.is_set():
                return
            thread = threading.Thread(target=self._run, name="whodid-sender", daemon=True)
            syncer = threading.Thread(target=self._sync, name="whodid-spool", daemon=True)
            try:
                thread.start()
                self._thread = thread
                syncer.start()
            except RuntimeError:
                return  # the interpreter is ending: what was taken is on the disk, and somebody will send it

    def _inline(self, until: float, *, once: bool) -> bool:
        """Deliver in the calling thread: at the end of the interpreter no other can be started."""
        self._courier.until = until
        attempts = 0
        try:
            while time.monotonic() < until:
                try:
                    if not self._own_step():
                        return True
                    attempts = 0
                except (Later, OSError) as error:
                    self._note(error)
                    attempts += 1
                    if once:
                        return False
                    pause = pause_after(error, attempts, self._longest)
                    time.sleep(max(0.0, min(pause, until - time.monotonic())))
            return False
        finally:
            self._courier.until = None

    def _run(self) -> None:
        attempts = 0
        while not self._ending.is_set():
            try:
                self._round()
                attempts = 0
            except Exception as error:  # noqa: BLE001 - a thread that ends would leave the events where they are
                self._note(error)
                attempts += 1
                self._nudge.clear()
                with self._answer:
                    self._failed += 1
                    self._answer.notify_all()
                self._nudge.wait(pause_after(error, attempts, self._longest))
                continue
            if not self._new.wait(_IDLE):
                continue
            if not self._nudge.is_set():
                self._nudge.wait(_LINGER)
        self._let_go()

    def _round(self) -> None:
        """Deliver until nothing is left."""
        self._new.clear()
        self._nudge.clear()
        with self._answer:
            asked = self._asked
        if self._in_order:
            self._deliver_adopted(lambda: False)
            if self._ending.is_set():
                return
        while self._own_step():
            if self._ending.is_set():
                return
        if self._in_order and self._spool.clear(self.settled):
            self._own = None
            self._spool.look_around()
        with self._answer:
            self._answered = asked
            self._answer.notify_all()
        self._deliver_adopted(self._new.is_set)

    def _deliver_adopted(self, until: Callable[[], bool]) -> None:
        """Deliver what dead processes left, as long as nothing else is to be done first."""
        self._adopt()
        while self._adopted and not self._ending.is_set():
            shelf = self._adopted[0]
            before = self._counted()
            more = self._courier.step(shelf)
            self._inherited -= self._counted() - before
            if not more:
                shelf.owner.remove()
                shelf.close()
                del self._adopted[0]
                if not self._adopted:
                    self._inherited = 0
                self._spool.look_around()
            if until():
                return

    def _own_step(self) -> bool:
        live = self._spool.live
        if live is None:
            return False
        if self._own is None or self._own[0] is not live:
            self._own = (live, self._shelf(live))
        before = self._counted()
        more = self._courier.step(self._own[1])
        self.settled += self._counted() - before
        return more

    def _counted(self) -> int:
        return self.counts.delivered + self.counts.quarantined

    def _shelf(self, live: Live) -> Shelf:
        return Shelf(live.owner, live.gaps, ended=live.ended, freed=self._spool.freed)

    def _adopt(self) -> None:
        """Take over what dead processes left."""
        now = time.monotonic()
        if self._adopted or (self._looked and now - self._looked < _IDLE):
            return
        self._looked = now
        live = self._spool.live
        for name in owners(self._spool.folder):
            if live is not None and name == live.owner.name:
                continue
            owner = Owner.claim(self._spool.folder, name)
            if owner is not None:
                shelf = Shelf.of_dead(owner)
                self._inherited += shelf.waiting() if self._in_order else 0
                self._adopted.append(shelf)
        if self._in_order:
            self._adopted.sort(key=lambda shelf: shelf.oldest() or 0)
        self._spool.look_around()

    def _let_go(self) -> None:
        for shelf in self._adopted:
            shelf.close()
        self._adopted.clear()
        self._courier.close()

    def _sync(self) -> None:
        """Bring what was taken to the disk, a few times a second at most: that much the end of power may cost."""
        seen = 0
        while not self._ending.wait(_SYNC_EVERY):
            if self._spool.accepted == seen:
                continue
            seen = self._spool.accepted
            try:
                self._spool.sync()
            except OSError as error:
                self._note(error)

    def _note(self, error: Exception) -> None:
        self.counts.failures += 1
        if isinstance(error, Later):
            self.counts.fault = error.fault
        else:
            self.counts.fault = f"A delivery stopped: {type(error).__name__}"
            _log.exception("a delivery stopped; it is tried again", exc_info=error)
