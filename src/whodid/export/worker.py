"""Who makes the exports of a folder of jobs: a few threads that come when there is work and go when there is none.

A job that a process left behind, because it was stopped or killed, is begun again by whichever process looks next.
"""

from __future__ import annotations

import errno
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import IO, Self

import msgspec

from whodid.errors import StoreError, WhodidError
from whodid.export.jobs import Job, JobFolder
from whodid.export.run import Exported, Progress, Suspended

__all__ = ["ExportWorker", "Make"]

_logger = logging.getLogger(__name__)

Make = Callable[[Job, IO[bytes], Progress], Exported]
"""Writes the file of a job and records it."""

_TELL_SECONDS = 0.25
_LOOK_SECONDS = 2.0
_SWEEP_SECONDS = 60.0
_LAST_SECONDS = 5.0
_MOST_TRIES = 3
_AGAIN = "Start the export again"


class _Gone(Exception):
    """The job was removed while it was made."""


class _NoRoom(Exception):
    """The files of exports take as much as they may."""


class ExportWorker:
    """Make exports.

    It may be used without `start`; threads come with the first order, and look after what is on the disk until nothing
    is. `start` also takes up what an earlier process left.

    Args:
        folder: Where jobs are.
        clock: Returns now, UTC.
        threads: How many exports may be made at once.
        on_end: Called with each job that came to its end and the seconds it took.
    """

    def __init__(
        self,
        folder: JobFolder,
        *,
        clock: Callable[[], datetime],
        threads: int = 4,
        on_end: Callable[[Job, float], None] = lambda _job, _seconds: None,
    ) -> None:
        self.folder = folder
        self.makers: dict[str, Make] = {}
        self._clock = clock
        self._threads = threads
        self._on_end = on_end
        self._changed = threading.Condition()
        self._active: dict[str, tuple[str, threading.Thread]] = {}
        self._keeper: threading.Thread | None = None
        self._news = False
        self._stopping = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Take up what is there."""
        with self._changed:
            self._stopping = False
            self._wake()

    def stop(self) -> None:
        """Let what is being made wait for the next process, and end; one that does not answer in time is left alone."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            threads = [thread for _, thread in self._active.values()]
            threads += [self._keeper] if self._keeper is not None else []
        limit = time.monotonic() + _LAST_SECONDS
        for thread in threads:
            thread.join(max(0.0, limit - time.monotonic()))

    def order(self, job: Job) -> bool:
        """Take an order; False when its workspace has as many as it may have."""
        taken = self.folder.add(job)
        with self._changed:
            self._wake()
        return taken

    def settle(self, seconds: float) -> bool:
        """Wait until nothing waits or runs here; say whether that was so in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._active and not self._waiting(), seconds)

    def counts(self) -> dict[str, int]:
        """Count the jobs of the folder by state."""
        found = Counter(job.state for job in self.folder.everything())
        return {state: found[state] for state in ("waiting", "running", "ready", "failed")}

    def _wake(self) -> None:
        self._news = True
        self._changed.notify_all()
        if self._keeper is None and not self._stopping:
            self._keeper = threading.Thread(target=self._keep, name="whodid-exports", daemon=True)
            self._keeper.start()

    def _keep(self) -> None:
        """Begin what waits and sweep, as long as there is anything."""
        swept = -_SWEEP_SECONDS
        while True:
            try:
                if time.monotonic() - swept >= _SWEEP_SECONDS:
                    swept = time.monotonic()
                    self.folder.sweep(self._clock())
                with self._changed:
                    if not self._goes_on():
                        self._keeper = None
                        self._changed.notify_all()
                        return
            except OSError:
                _logger.exception("the folder of exports cannot be worked on")
                with self._changed:
                    self._rest(_SWEEP_SECONDS)
                    if self._stopping:
                        self._keeper = None
                        return

    def _goes_on(self) -> bool:
        """Begin what may begin, rest until something happens, and say whether there is a reason to look again."""
        self._news = False
        self._begin()
        if self._stopping or not (self._active or any(True for _ in self.folder.everything())):
            return False
        self._rest(_LOOK_SECONDS if self._active or self._waiting() else _SWEEP_SECONDS)
        return True

    def _rest(self, seconds: float) -> None:
        self._changed.wait_for(lambda: self._news or self._stopping, seconds)

    def _waiting(self) -> list[Job]:
        return [job for job in self.folder.everything() if not job.over and job.id not in self._active]

    def _begin(self) -> None:
        """Begin as many as may be: of the workspace with the fewest first, then the oldest."""
        waiting = self._waiting()
        while waiting and len(self._active) < self._threads and not self._stopping:
            running = Counter(workspace for workspace, _ in self._active.values())
            job = min(waiting, key=lambda one: (running[one.workspace], one.created_at, one.id))
            waiting.remove(job)
            file = self.folder.claim(job)
            if file is None:
                continue  # another process makes it
            thread = threading.Thread(target=self._run, args=(job, file), name="whodid-export", daemon=True)
            self._active[job.id] = (job.workspace, thread)
            thread.start()

    def _run(self, job: Job, file: IO[bytes]) -> None:
        try:
            with file:
                self._make(job, file)
        except Exception:
            # The file of the job could not be written: it is still there, and so is the next look.
            _logger.exception("the export %s was left alone", job.id)
        finally:
            with self._changed:
                del self._active[job.id]
                self._news = True
                self._changed.notify_all()

    def _make(self, job: Job, file: IO[bytes]) -> None:
        began = time.monotonic()
        running = self._changed_job(job, state="running", tries=job.tries + 1, done=0)
        if running is None:
            self.folder.drop_part(job)
            return
        try:
            if running.tries > _MOST_TRIES:
                ended = self._failed(
                    running, f"The server ended {_MOST_TRIES} times while it made this export", "Narrow it down"
                )
            elif running.maker not in self.makers:
                ended = self._failed(running, "This server does not make such exports any more", _AGAIN)
            else:
                done = self.makers[running.maker](running, file, self._progress(running))
                self.folder.finish(running, file)
                ended = self._changed_job(
                    running,
                    state="ready",
                    finished_at=self._clock(),
                    done=done.count,
                    size=done.size,
                    sha256=done.sha256,
                    index=done.index,
                    tag=secrets.token_hex(12),
                )
        except Suspended:
            self._changed_job(running, state="waiting", tries=running.tries - 1)
            return
        except _Gone:
            ended = None
        except Exception as error:  # noqa: BLE001 - whatever it is, the job says that it failed
            ended = self._fault(running, error)
        if ended is not None:
            self._on_end(ended, time.monotonic() - began)
        elif self.folder.get(job.workspace, job.id) is None:
            # It was removed while it was made: nothing of it stays.
            self.folder.drop(job)
            self._on_end(msgspec.structs.replace(running, state="failed"), time.monotonic() - began)

    def _progress(self, job: Job) -> Progress:
        """Return what is called after every piece: it tells how far the job is, and whether to go on."""
        told = time.monotonic()

        def progress(count: int) -> None:
            nonlocal told
            if self._stopping:
                raise Suspended
            if time.monotonic() - told < _TELL_SECONDS:
                return
            if self._changed_job(job, done=count) is None:
                raise _Gone
            if not self.folder.has_room(job.workspace):
                raise _NoRoom
            told = time.monotonic()

        return progress

    def _changed_job(self, job: Job, **fields: object) -> Job | None:
        return self.folder.change(
            job.workspace, job.id, lambda now: None if now.over else msgspec.structs.replace(now, **fields)
        )

    def _fault(self, job: Job, error: Exception) -> Job | None:
        if self._stopping or self.folder.get(job.workspace, job.id) is None:
            return None  # it was removed, or the store was closed beneath it and the next process begins again
        full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
        if full or isinstance(error, _NoRoom):
            return self._failed(job, "There is no room for the file", "Remove exports that nobody needs, or narrow it")
        if isinstance(error, StoreError) or not isinstance(error, WhodidError):
            # What a store says names files and machines; it belongs into the server's own log.
            _logger.error("the export %s failed", job.id, exc_info=error)
            return self._failed(job, "The export could not be made", _AGAIN)
        return self._failed(job, error.fact, error.remedy or _AGAIN)

    def _failed(self, job: Job, fault: str, remedy: str) -> Job | None:
        self.folder.drop_part(job)
        return self._changed_job(job, state="failed", finished_at=self._clock(), fault=f"{fault}.", remedy=f"{remedy}.")
