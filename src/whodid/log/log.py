"""The hall: everything that can be asked of the logs of a deployment, over any store.

`Log` drives the way in (intake → sequence → store) and the way back (store → entries, proofs). It keeps no state of its
own but a key and caches; every answer comes from the store. The wings talk to this class only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Self
from uuid import UUID

from whodid import canonical, sequence
from whodid.catalog import Catalog
from whodid.errors import InvalidQuery, WhodidError
from whodid.intake import Intake
from whodid.log.anchoring import AnchorLog
from whodid.log.binding import Binder, BoundVolume
from whodid.log.carrying import Carrying
from whodid.log.commit import GroupCommit, Receipt
from whodid.log.elsewhere import Elsewhere
from whodid.log.erasing import Erasure, erase
from whodid.log.forgetting import Forgotten, Making, forget
from whodid.log.keys import DeploymentKey
from whodid.log.naming import ANCHORS, check_name
from whodid.log.owning import DEPLOYMENT, own
from whodid.log.proofs import Proofs
from whodid.log.proving import Prover, existing
from whodid.log.sealing import SealedSegment, Sealer
from whodid.model import Content, Context, Entry, Event
from whodid.proof import leaf
from whodid.proof.checkpoint import parse_checkpoint
from whodid.proof.note import parse_note
from whodid.query import Cursor, Page, Query
from whodid.sequence import Head
from whodid.store.base import Count, Facets, Histogram, ReplicaReport, Store, restore, utc_now
from whodid.store.moving import refuse

__all__ = ["Log"]


class Log(Proofs):
    """The logs of all workspaces of one deployment.

    Use `whodid.open` to make one. Safe to share between threads; several processes may open the same store.

    Args:
        store: The engine.
        key: The deployment key.
        catalog: The declared actions.
        name: The deployment's name, first part of every new log's origin; it must not name a customer.
        strict: Whether undeclared actions are refused.
        clock: Returns now, UTC; the machine's clock when not given, and for leases that of the store.
        draw: Returns that many random bytes.
    """

    def __init__(
        self,
        store: Store,
        key: DeploymentKey,
        catalog: Catalog,
        *,
        name: str = "localhost",
        strict: bool = False,
        clock: Callable[[], datetime] | None = None,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._shared_clock = clock or store.now
        clock = clock or utc_now
        super().__init__(store, key, clock)
        self.catalog = catalog
        self.elsewhere = Elsewhere(key.register)
        self.vault = key.vault
        self._draw = draw
        self._intake = Intake(catalog, strict=strict, fingerprint=key.fingerprint)
        self._commit = GroupCommit(store, clock, lambda: sequence.begin(name, (draw(32), draw(32))))
        own(store, key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the store; idempotent."""
        self._store.close()

    def reading(self) -> Self:
        """Return the same log for one request or one job, whose reads may be answered by a replica of the database.

        It is as new as the log was when it was first asked (a job: a second ago at most), never goes back, and has what
        this process recorded. Whatever writes or decides goes where it always goes. It need not be closed.
        """
        reads = self._store.reading()
        if reads is self._reads:
            return self
        view = copy(self)
        view._reads = reads  # noqa: SLF001 - a copy of itself
        return view

    def replicas(self) -> ReplicaReport:
        """Tell how the replicas stand that answer reads, if there are any."""
        return self._store.replicas()

    def now(self) -> datetime:
        """Return the log's present time, UTC."""
        return self._clock()

    def shared_now(self) -> datetime:
        """Return the time by the clock that all processes on the store share, UTC: what leases are counted by."""
        return self._shared_clock()

    def fingerprint(self, workspace: str, value: bytes) -> str:
        """Return the keyed fingerprint of a secret value, the same that intake would write."""
        return self._key.fingerprint(workspace, value)

    def check_key(self) -> None:
        """Look whether the deployment key can still be read where it lies.

        Raises:
            InvalidSetting: The next start would not find it.
        """
        self._key.check()

    def check_place(self) -> None:
        """Look whether entries can be recorded here.

        Raises:
            StoreMoved: The logs are kept in another store now, or are on their way there.
        """
        refuse(self._store.mark())

    # ---------------------------------------------------------------- the way in

    def check(self, workspace: str, event: Event) -> Event:
        """Refuse now what `record` would refuse; return the event without secrets, to be kept until it is recorded.

        Raises:
            InvalidSetting: The workspace's name is not a name.
            InvalidEvent: The event would be refused; `pointer` says where the fault is.
        """
        check_name(workspace)
        content = self._intake.check(event, workspace, self._clock())
        return Event(**{name: getattr(content, name) for name in Event.__struct_fields__})

    def record(self, workspace: str, event: Event) -> Receipt:
        """Record an event durably.

        Args:
            workspace: The customer space: 1 to 100 letters, digits, `_ . : -`.
            event: What happened. The same event (same id) may be sent again; it is recorded once.

        Returns:
            The receipt; the entry is on disk.

        Raises:
            InvalidEvent: The event was refused; `pointer` says where the fault is.
            ConflictingEvent: Its id belongs to another event.
            StoreError: It could not be written; send it again later.
        """
        (result,) = self.record_many(workspace, (event,))
        if isinstance(result, WhodidError):
            raise result
        return result

    def record_many(self, workspace: str, events: Iterable[Event]) -> list[Receipt | WhodidError]:
        """Record events durably, in order; a bad one does not keep the others out.

        Returns:
            For each event, in order, its receipt, or the InvalidEvent or ConflictingEvent that refused it.

        Raises:
            InvalidSetting: The workspace's name is not a name.
            StoreError: None of them was written; send them again later.
        """
        check_name(workspace)
        now = self._clock()
        results: list[Receipt | WhodidError | None] = []
        checked: list[tuple[Content, bytes]] = []
        for event in events:
            try:
                checked.append(self._intake.encoded(event, workspace, now))
                results.append(None)
            except WhodidError as refusal:
                results.append(refusal)
        # Drawn at once: each draw asks the system, and lets other threads go first.
        seeds, size = self._draw(leaf.SEED_SIZE * len(checked)), leaf.SEED_SIZE
        ready = [
            sequence.prepare(content, seeds[at * size : (at + 1) * size], payload=payload)
            for at, (content, payload) in enumerate(checked)
        ]
        placed = iter(self._commit.submit(workspace, ready) if ready else ())
        return [next(placed) if result is None else result for result in results]

    def forget(
        self,
        workspace: str,
        ranges: Sequence[range],
        event: Event,
        *,
        still: Callable[[], bool] = lambda: True,
    ) -> Forgotten | None:
        """Remove the content of entries and record it, in one transaction: one bounded step of a purge.

        Records of earlier purges go only together with everything below them, so that whatever is missing is always
        covered by a record that is still there; so do seals, so that every kept segment is covered by a seal.

        Args:
            ranges: Index ranges, ascending and disjoint; what has no content any more is skipped.
            event: The `audit.purged` event; its details gain what went (`ranges`, `entries`), where content begins
                (`first`, and `before` this step), the `root` of the tree of `first` leaves, and the newest `seal`
                whose segment went as a whole, with its path.
            still: Called inside the transaction; nothing is removed when it says that it may not any more.

        Returns:
            What was done, or None when nothing was left to remove or it may not be removed any more.
        """
        check = partial(self._intake.check, workspace=workspace, now=self._clock())
        seed = self._draw(leaf.SEED_SIZE)
        return forget(
            self._store, self._decider(workspace), ranges, event, Making(check, self._clock, seed), still=still
        )

    def seal(self, workspace: str, *, close: bool = False, context: Context | None = None) -> tuple[SealedSegment, ...]:
        """Seal every closed segment that has no seal, and the open one when its day is over; bind what is due.

        Appends go on meanwhile; two processes may seal at once, and one of them does it.

        Args:
            close: Close and seal whatever the open segment holds as well, so that no entry recorded before this call
                is left without an index; ten times in ten minutes at most.
            context: Where from, if a person asked for it.

        Returns:
            What this call sealed, oldest first.

        Raises:
            NotFound: Nothing was ever recorded for this workspace.
            StoreError: A step failed; the steps before it stand, and the next call goes on after them.
        """
        carrying = self._carrying(workspace)
        binder = Binder(carrying)
        sealer = Sealer(carrying, sealed=lambda: binder.run(everything=False, context=None))
        return tuple(sealer.run(close=close, context=context))

    def bind(self, workspace: str, *, context: Context | None = None) -> tuple[BoundVolume, ...]:
        """Bind all sealed segments that no volume holds, two at least, so that one proof answers for all of them.

        `seal` does it by itself when there are many.

        Args:
            context: Where from, if a person asked for it.

        Returns:
            What this call bound, oldest first.

        Raises:
            NotFound: Nothing was ever recorded for this workspace.
            StoreError: A step failed; the steps before it stand.
        """
        return tuple(Binder(self._carrying(workspace)).run(everything=True, context=context))

    def anchor(self, on_error: Callable[[str, WhodidError], None] = lambda _workspace, _error: None) -> int | None:
        """Put the newest heads of all workspaces into the anchor log of the deployment, if there is a newer one.

        Witnesses and time stamp authorities may then be asked for that one log, under the name `ANCHORS`.

        Args:
            on_error: Called with each workspace whose head cannot be signed; the one that it had there stays.

        Returns:
            The index of the new entry of the anchor log, or None.

        Raises:
            StoreError: Nothing was written.
        """
        heads = []
        for workspace in self.workspaces():
            try:
                heads.append(parse_checkpoint(parse_note(self.checkpoint(workspace))[0]))
            except WhodidError as error:
                on_error(workspace, error)
        check = partial(self._intake.check, workspace=ANCHORS, now=self._clock())
        making = Making(check, self._clock, self._draw(leaf.SEED_SIZE))
        salts = (self._draw(32), self._draw(32))
        # As the other logs are called, whatever the deployment is called to whoever happens to begin this one.
        name = heads[0].origin.rsplit("/", 2)[0] if heads else ""
        anchors = AnchorLog(self._store, self._key)
        return anchors.add(heads, lambda: sequence.begin(name, salts, "anchors"), making)

    def has_anchors(self) -> bool:
        """Tell whether the deployment has an anchor log."""
        return self._store.head(ANCHORS) is not None

    def awaits_seal(self, workspace: str) -> bool:
        """Tell, from the head alone, whether `seal` has something to do without being told to close."""
        head = existing(self._store, workspace)
        return head.next is None or sequence.due(head, self._clock())

    def erase(self, workspace: str, paths: Mapping[int, Collection[str]], event: Event) -> Erasure | None:
        """Erase fields of entries and record it, in one transaction: one bounded step of an erasure.

        Values and salts go, commitments stay: every proof holds as before. Call `compact` after the last step.

        Args:
            paths: Index → paths of fields (docs/spec/entry-encoding.md). What is not there any more is skipped.
            event: The `audit.erased` event; its details gain `entries`, `ranges` and `fields`.

        Returns:
            What was done, or None when nothing was left to erase.

        Raises:
            StoreError: Nothing of this step was done.
        """
        return erase(
            self._store,
            workspace,
            paths,
            event,
            check=lambda said: self._intake.check(said, workspace, self._clock()),
            clock=self._clock,
            draw=self._draw,
        )

    def compact(self) -> None:
        """Clear content that went out of whatever space of the store still holds it.

        It may take as long as copying the store, and writers may have to wait for it.

        Raises:
            StoreUnavailable: Somebody reads for too long; content that went may still be in the files.
        """
        self._store.compact()

    def tend(self) -> bool:
        """Do a bounded amount of upkeep (give freed space back, compress better); say whether more is left to do."""
        return self._store.tend()

    # ---------------------------------------------------------------- the way back

    def get(self, workspace: str, key: int | str) -> Entry:
        """Return one entry.

        Args:
            key: Its index or its id.

        Raises:
            NotFound: There is no such entry.
            Purged: There was, and its content left by retention.
        """
        kept = self._kept(workspace, key)
        return restore(kept, workspace)

    def find(self, workspace: str, query: Query | str = "", *, cursor: Cursor | None = None, limit: int = 50) -> Page:
        """Return matching entries, newest first by (occurred_at, index).

        Args:
            query: A query, or its text with times in UTC.
            cursor: Where the previous page ended.
            limit: 1 to 1,000.

        Returns:
            A page. Its `next` cursor neither repeats nor loses entries, whatever is recorded meanwhile.
        """
        if not 1 <= limit <= 1_000:
            raise InvalidQuery(f"A page of {limit} entries cannot be had", "Ask for 1 to 1,000")
        return self._reads.find(workspace, self._query(query), cursor, limit)

    def count(self, workspace: str, query: Query | str = "", *, cap: int = 10_000) -> Count:
        """Count matching entries: exact for filters by action, kind, type, outcome and time, else up to a bound."""
        return self._reads.count(workspace, self._query(query), cap)

    def histogram(self, workspace: str, query: Query | str, edges: Sequence[datetime]) -> Histogram:
        """Count matching entries per kind in each interval between neighbouring edges (at least two, ascending)."""
        if len(edges) < 2 or any(low >= high for low, high in pairwise(edges)):
            raise InvalidQuery("A histogram needs at least two edges in ascending order")
        return self._reads.histogram(workspace, self._query(query), edges)

    def facets(self, workspace: str, query: Query | str, field: str, *, limit: int = 50, prefix: str = "") -> Facets:
        """Count matching entries per value of a field, most frequent first; see `Store.facets` for the fields."""
        return self._reads.facets(workspace, self._query(query), field, limit, prefix)

    def stream(self, workspace: str, query: Query | str = "") -> Iterator[Entry]:
        """Iterate over all matching entries that are recorded now, newest first, in constant memory."""
        for kept in self._snapshot(workspace, query):
            yield restore(kept, workspace)

    def stream_wire(self, workspace: str, query: Query | str = "") -> Iterator[bytes]:
        """Iterate like `stream`, over the wire form, without decoding what need not be decoded."""
        for kept in self._snapshot(workspace, query):
            yield canonical.wire_from_payload(
                kept.payload,
                workspace=workspace,
                index=kept.index,
                entry_id=str(UUID(bytes=kept.id)),
                occurred_at=kept.occurred_at,
                recorded_at=kept.recorded_at,
            )

    def read(self, workspace: str, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """Iterate over the entries with content in [start, stop), by index: what a follower reads."""
        head = self._reads.head(workspace)
        size = head.size if head else 0
        for kept in self._reads.read(workspace, start, size if stop is None else min(stop, size)):
            yield restore(kept, workspace)

    def workspaces(self) -> list[str]:
        """Name the workspaces that have a log, sorted."""
        return [name for name in self._store.workspaces() if name != ANCHORS]

    def head(self, workspace: str) -> Head:
        """Return the newest head.

        Raises:
            NotFound: Nothing was ever recorded for this workspace.
        """
        return self._existing(workspace)

    def stats(self, workspace: str) -> dict[str, int]:
        """Return figures for people about a workspace and its store."""
        head = existing(self._store, workspace)
        return {"size": head.size, "first": head.first, **self._store.stats(workspace)}

    def state(self, workspace: str, name: str) -> bytes | None:
        """Return a small named value of a workspace (policy, follower position …), or None."""
        return self._store.state(workspace, name)

    def swap_state(self, workspace: str, name: str, old: bytes | None, new: bytes | None) -> bool:
        """Replace a named value if it still is `old` (None: absent); say whether it was."""
        if workspace != ANCHORS:
            check_name(workspace)
        return self._store.swap_state(workspace, name, old, new)

    def shared_state(self, name: str) -> bytes | None:
        """Return a small named value of the deployment as a whole, or None."""
        return self._store.state(DEPLOYMENT, f"shared {name}")

    def swap_shared_state(self, name: str, old: bytes | None, new: bytes | None) -> bool:
        """Replace a named value of the deployment if it still is `old` (None: absent); say whether it was."""
        return self._store.swap_state(DEPLOYMENT, f"shared {name}", old, new)

    # ---------------------------------------------------------------- helpers

    def _decider(self, workspace: str) -> Prover:
        return Prover(self._store, workspace, existing(self._store, workspace), self._key)

    def _carrying(self, workspace: str) -> Carrying:
        existing(self._store, workspace)
        check = partial(self._intake.check, workspace=workspace, now=self._clock())
        return Carrying(self._store, workspace, check, self._clock, self._draw)
