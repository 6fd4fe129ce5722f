"""From the spool to the log in a thread of its own: first for this process, then for dead ones in the same folder.

Pauses grow while nobody answers. Nothing here holds a lock while it reads, writes or sends.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from whodid.capture.remote.courier import Counts, Courier, pause_after
from whodid.capture.remote.files import Owner, owners
from whodid.capture.remote.shelf import Shelf
from whodid.capture.remote.spool import Live, Spool
from whodid.capture.remote.transport import Later, Transport

__all__ = ["Sender"]

_log = logging.getLogger("whodid.capture")

_LINGER = 0.02
_IDLE = 30.0
_SYNC_EVERY = 0.2


class Sender:
    """Delivers what a spool holds, in a thread that begins with the first event and ends with the process.

    Args:
        transport: Makes the connection.
        workspace: See `Courier`.
    """

    def __init__(self, spool: Spool, transport: Callable[[], Transport], workspace: str | None = None) -> None:
        self._spool = spool
        self._make = transport
        self._workspace = workspace
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
        self._looked = 0.0
        self._courier = Courier(self._spool.folder, self._make, self.counts, self._workspace)

    def forked(self) -> None:
        """Let go of what belongs to the parent."""
        self.counts = Counts()
        self.settled = 0
        for shelf in self._adopted:
            shelf.close()
        self._begin()

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

    def oldest(self) -> int | None:
        """Return when the oldest event that is not settled was taken, in milliseconds since 1970."""
        own = self._own
        live = self._spool.live
        if live is None:
            return None
        shelf = own[1] if own is not None and own[0] is live else self._shelf(live)
        return shelf.oldest()

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
                    time.sleep(max(0.0, min(pause_after(error, attempts), until - time.monotonic())))
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
                self._nudge.wait(pause_after(error, attempts))
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
        while self._own_step():
            if self._ending.is_set():
                return
        with self._answer:
            self._answered = asked
            self._answer.notify_all()
        self._adopt()
        while self._adopted and not self._ending.is_set():
            shelf = self._adopted[0]
            if not self._courier.step(shelf):
                shelf.owner.remove()
                shelf.close()
                del self._adopted[0]
                self._spool.look_around()
            if self._new.is_set():
                return

    def _own_step(self) -> bool:
        live = self._spool.live
        if live is None:
            return False
        if self._own is None or self._own[0] is not live:
            self._own = (live, self._shelf(live))
        before = self.counts.delivered + self.counts.quarantined
        more = self._courier.step(self._own[1])
        self.settled += self.counts.delivered + self.counts.quarantined - before
        return more

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
                self._adopted.append(Shelf.of_dead(owner))
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
