"""Group commit: whoever holds the door commits for everybody who waits.

No thread and no waiting window: the first caller commits at once; callers that arrive during its fsync queue up, and
the next one through the door commits them all in one transaction per workspace.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from whodid import canonical, sequence
from whodid.errors import ConflictingEvent, StoreUnavailable, WhodidError
from whodid.model import Content, Entry
from whodid.sequence import Batch, Head, Prepared
from whodid.store.base import Kept, Known, Store, restore

__all__ = ["GroupCommit", "Receipt"]

_GROUP = 2_000  # entries in one transaction at most; larger groups only add latency


class Receipt(Struct, frozen=True, gc=False, kw_only=True):
    """The acknowledgement of a durable entry.

    Args:
        duplicate: The same event was recorded before; this is its place.
    """

    id: str
    index: int
    recorded_at: datetime
    duplicate: bool = False


class _Job:
    def __init__(self, workspace: str, prepared: Sequence[Prepared]) -> None:
        self.workspace = workspace
        self.prepared = prepared
        self.results: list[Receipt | WhodidError] | None = None
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.results is not None or self.error is not None


class GroupCommit:
    """Append prepared content from many threads.

    Args:
        clock: Returns now, UTC.
        begin: Makes the head of a workspace that has no log yet.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        begin: Callable[[], Head],
    ) -> None:
        self._store = store
        self._clock = clock
        self._begin = begin
        self._waiting: deque[_Job] = deque()
        self._door = threading.Lock()

    def submit(self, workspace: str, prepared: Sequence[Prepared]) -> list[Receipt | WhodidError]:
        """Append, and return once it is durable.

        Returns:
            For each, in order, its receipt, or the ConflictingEvent that refused it.

        Raises:
            StoreError: Nothing of this call was written.
        """
        job = _Job(workspace, prepared)
        self._waiting.append(job)
        while not job.done:
            with self._door:
                if not job.done:
                    self._commit(self._group())
        if job.error is not None:
            raise job.error
        return job.results or []

    def _group(self) -> list[_Job]:
        """Take waiting jobs of one workspace, oldest first; others keep their place."""
        first = self._waiting.popleft()
        group, entries = [first], len(first.prepared)
        for _ in range(len(self._waiting)):
            job = self._waiting.popleft()
            if job.workspace == first.workspace and entries + len(job.prepared) <= _GROUP:
                group.append(job)
                entries += len(job.prepared)
            else:
                self._waiting.append(job)
        return group

    def _commit(self, group: list[_Job]) -> None:
        workspace = group[0].workspace
        outcomes: list[list[Receipt | WhodidError]] = []
        ids = [ready.id for job in group for ready in job.prepared]

        def assemble(head: Head | None, known: Known) -> Batch | None:
            outcomes.clear()
            return self._assemble(workspace, group, head, known, outcomes)

        try:
            self._store.append(workspace, assemble, ids)
        except BaseException as error:
            interrupted = not isinstance(error, Exception)
            for job in group:
                job.error = (
                    StoreUnavailable("The commit was interrupted", "Send the events again") if interrupted else error
                )
            if interrupted:
                raise
            return
        for job, results in zip(group, outcomes, strict=True):
            job.results = results

    def _assemble(
        self,
        workspace: str,
        group: list[_Job],
        head: Head | None,
        known: Known,
        outcomes: list[list[Receipt | WhodidError]],
    ) -> Batch | None:
        if head is None:
            head = self._begin()
        fresh: dict[bytes, Prepared] = {}
        now = self._clock()
        at = canonical.from_micros(sequence.recorded_at(head, now))
        outcomes.extend(
            [self._place(ready, head, known, fresh, workspace, at=at) for ready in job.prepared] for job in group
        )
        return sequence.assemble(head, list(fresh.values()), now) if fresh else None

    @staticmethod
    def _place(
        ready: Prepared,
        head: Head,
        known: Known,
        fresh: dict[bytes, Prepared],
        workspace: str,
        *,
        at: datetime,
    ) -> Receipt | WhodidError:
        """Tell what becomes of one event: a place of its own, the place it already has, or a conflict."""
        id_ = ready.content.id
        old = known.get(ready.id)
        if old is not None:
            if not _same(old, ready, workspace):
                return ConflictingEvent(id_, old.index)
            before = canonical.from_micros(old.recorded_at)
            return Receipt(id=id_, index=old.index, recorded_at=before, duplicate=True)
        twin = fresh.get(ready.id)
        if twin is None:
            fresh[ready.id] = ready
            return Receipt(id=id_, index=head.size + len(fresh) - 1, recorded_at=at)
        index = head.size + list(fresh).index(ready.id)
        if twin.content != ready.content:
            return ConflictingEvent(id_, index)
        return Receipt(id=id_, index=index, recorded_at=at, duplicate=True)


def _same(kept: Kept, ready: Prepared, workspace: str) -> bool:
    """Tell a repetition from a conflict by what the sender said, not by what the catalog added since."""
    if kept.payload == ready.payload and kept.occurred_at == ready.occurred_at:
        return True
    content: Content = ready.content
    old = restore(kept, workspace)
    if old.erased is not None:
        # What was said of the person is not there to be compared any more; what stays must agree.
        content = canonical.without(
            Entry(
                **msgspec.structs.asdict(content), workspace=workspace, index=kept.index, recorded_at=old.recorded_at
            ),
            old.erased.paths,
            record=old.erased.record,
            at=old.erased.at,
        )
    return all(getattr(old, name) == getattr(content, name) for name in _SAID)


_SAID = (
    "occurred_at", "actor", "action", "resource", "outcome", "related", "changes",
    "reason", "cause", "batch", "details", "context",
)  # fmt: skip
