"""Events on their way into the log: what waits to be written, every workspace in its turn.

Nothing here is safe between threads: it belongs to the event loop.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque

from whodid.errors import WhodidError
from whodid.log import Receipt
from whodid.model import Event
from whodid.server.concurrency import Event as Signal

__all__ = ["Job", "Turns"]

_GROUP = 2_000


class Job:
    """Events of one request on their way into the log."""

    def __init__(self, workspace: str, events: list[Event], size: int) -> None:
        self.workspace = workspace
        self.events = events
        self.size = size
        self.turn = Signal()
        """Set when it is done, and when it is on it to write for everybody who waits."""
        self.results: list[Receipt | WhodidError] | None = None
        self.error: Exception | None = None
        self.since = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether it is written, or is known not to be."""
        return self.results is not None or self.error is not None


class Turns:
    """What waits to be written: every workspace in its turn."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()

    @property
    def events(self) -> int:
        """How many events wait."""
        return sum(len(job.events) for jobs in list(self._waiting.values()) for job in list(jobs))

    def add(self, job: Job) -> None:
        """Put a job behind those of its workspace."""
        self._waiting.setdefault(job.workspace, deque()).append(job)

    def since(self, moment: float) -> list[Job]:
        """Take out those that wait since before a moment (monotonic seconds)."""
        late: list[Job] = []
        for workspace, jobs in list(self._waiting.items()):
            while jobs and jobs[0].since < moment:
                late.append(jobs.popleft())
            if not jobs:
                del self._waiting[workspace]
        return late

    def next(self) -> Job | None:
        """Return the job whose turn it is; it stays."""
        return next(iter(self._waiting.values()))[0] if self._waiting else None

    def group(self, size: float) -> list[Job]:
        """Take what is written next: from each workspace one request after the other, as much as a commit may hold.

        Args:
            size: Bytes that it should not go beyond.
        """
        group: list[Job] = []
        count = 0
        while (job := self.next()) is not None and (
            not group or (count + len(job.events) <= _GROUP and job.size <= size)
        ):
            jobs = self._waiting.pop(job.workspace)
            group.append(jobs.popleft())
            count += len(job.events)
            size -= job.size
            if jobs:
                self._waiting[job.workspace] = jobs
        return group
