"""The store promise: what the log needs of an engine, in the log's own words.

An engine implements `Store` natively; nothing here mentions SQL. Everything is per workspace, and nothing is ever
promised across two workspaces. `whodid.testing.StoreContract` is the promise as tests: an engine that passes it is a
store.

Reading functions see one consistent state each; a page or an iterator that is continued later may see newer entries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from whodid import canonical
from whodid.errors import InvalidSetting
from whodid.model import Entry, Kind
from whodid.query import Cursor, Page, Query
from whodid.sequence import Batch, Bound, Head, Sealed, Segment
from whodid.store.moving import Mark, Piece

__all__ = [
    "Assemble",
    "Count",
    "Facet",
    "Facets",
    "Histogram",
    "Kept",
    "Known",
    "Problem",
    "ReplicaReport",
    "ReplicaState",
    "Standing",
    "Store",
    "restore",
    "utc_now",
]


class Kept(Struct, frozen=True):
    """An entry as it is kept.

    Args:
        kind: Leaf kind.
        id: The event id, 16 bytes.
        occurred_at: Microseconds since 1970.
        recorded_at: Microseconds since 1970.
        seed: Random bytes, never disclosed, or what stays of them (`leaf.puncture`).
        payload: What `canonical.payload` wrote.
    """

    index: int
    kind: int
    id: bytes
    occurred_at: int
    recorded_at: int
    seed: bytes
    payload: bytes


def restore(kept: Kept, workspace: str) -> Entry:
    """Decode a kept entry.

    Raises:
        StoreCorrupt: Its bytes are not what was written.
    """
    return canonical.restore(
        kept.payload,
        workspace=workspace,
        index=kept.index,
        entry_id=str(UUID(bytes=kept.id)),
        occurred_at=kept.occurred_at,
        recorded_at=kept.recorded_at,
    )


class Count(NamedTuple):
    """How many entries match; when not `exact`, at least that many."""

    value: int
    exact: bool


class Facet(Struct, frozen=True):
    """A value of a field and how many entries carry it.

    Args:
        label: How people call it (the newest name of an actor); the value itself where it has no other name.
        group: Type of the actor or resource; empty for other fields.
    """

    value: str
    label: str
    group: str
    count: int


class Facets(NamedTuple):
    """The most frequent values of a field, most frequent first; counts are lower bounds when not `exact`."""

    values: tuple[Facet, ...]
    exact: bool


class Histogram(NamedTuple):
    """Entries per interval: per kind, and how many of them were denied; lower bounds when not `exact`."""

    buckets: tuple[dict[Kind, int], ...]
    denied: tuple[int, ...]
    exact: bool


class Problem(Struct, frozen=True):
    """Something stored that is not what it should be.

    Args:
        index: The entry at fault, or None when it is not one entry.
    """

    index: int | None
    fact: str


Standing = Literal["ok", "unknown", "unreachable", "promoted", "foreign", "behind"]
"""Whether a replica is read, or why not: not yet seen to follow, gone, a primary now, of other data, too far behind."""


class ReplicaState(Struct, frozen=True):
    """How a replica stands.

    Args:
        name: What people call it; never with a password.
        behind: Seconds since the primary had what the replica shows, as far as is known.
        answered: Reads that it answered since the store was opened.
    """

    name: str
    standing: Standing
    behind: float | None
    answered: int


class ReplicaReport(Struct, frozen=True):
    """How the replicas stand.

    Args:
        elsewhere: Reads that a replica might have answered and the primary did.
    """

    replicas: tuple[ReplicaState, ...] = ()
    elsewhere: int = 0


Known = Mapping[bytes, Kept]
"""Those kept entries of the workspace whose event ids (16 bytes) were named, as they are inside the transaction."""

Assemble = Callable[[Head | None, Known], Batch | None]
"""Makes a batch from the head (None: the workspace has no log yet); None writes nothing. Pure; may be called again."""


def utc_now() -> datetime:
    """Return the time by the clock of this machine, UTC."""
    return datetime.now(UTC)


class Store(ABC):
    """An engine behind the logs of many workspaces."""

    def now(self) -> datetime:
        """Return the time, UTC, by a clock that is the same for all processes on the store.

        Raises:
            StoreError: The clock cannot be read.
        """
        return utc_now()

    @abstractmethod
    def append(self, workspace: str, assemble: Assemble, ids: Sequence[bytes] = ()) -> Batch | None:
        """Add a batch at the end of a log.

        The store takes the workspace's head under its own lock, calls `assemble` (again after a conflict) and writes
        rows, tiles, roll-ups, search structures, opened segments, a seal or a volume with its index, and the new head:
        all or nothing, durable before it returns. A batch may have no rows. The second tags of a segment stay until a
        volume holds it. Appends to one workspace happen one after the other, whatever the number of threads and
        processes.

        Args:
            ids: Event ids whose kept entries `assemble` is to know.

        Returns:
            The batch that was written, or None when `assemble` returned None.

        Raises:
            StoreFull: No space; nothing was written.
            StoreMoved: The store has a mark; nothing was written.
            StoreUnavailable: The engine is busy or gone; nothing was written.
        """

    @abstractmethod
    def forget(
        self, workspace: str, ranges: Sequence[range], assemble: Assemble, ids: Sequence[bytes] = ()
    ) -> Batch | None:
        """Remove the content of entries and append the batch that records it, in one transaction.

        The only operation that removes content. Tiles of level 0 that lie wholly below the batch's `head.first` go
        too, and so do the salts, the indexes and the second tags of sealed segments that do, and the salt and the
        index of every volume that holds one of them; every other hash stays, because a proof for an entry at or above
        `first` may need it, and so does every seal and every volume.

        Entries of the ranges that the batch has as `rewritten` stay, with that content instead of theirs: this is how
        a part of an entry is erased.

        Args:
            ranges: Index ranges whose content goes; entries without content are skipped.
            assemble: As in `append`; nothing is removed when it returns None.
            ids: As in `append`.
        """

    def reading(self) -> Store:
        """Return a store for one request or one job, whose reads may be answered by a replica.

        They are as new as the store was when the request began (a job: a second ago at most), they never go back, and
        they see what this process wrote. Everything but entries and hashes (states, marks, names), and whatever
        writes, is the store itself. It need not be closed.
        """
        return self

    @property
    def deciding(self) -> Store:
        """The store itself, for whoever decides by what it reads."""
        return self

    def replicas(self) -> ReplicaReport:
        """Tell how the replicas stand that answer reads, if there are any."""
        return ReplicaReport()

    @abstractmethod
    def workspaces(self) -> list[str]:
        """Name the workspaces that have a log, sorted."""

    @abstractmethod
    def head(self, workspace: str) -> Head | None:
        """Return the newest durable head, or None when the workspace has no log."""

    @abstractmethod
    def get(self, workspace: str, key: int | bytes) -> Kept | None:
        """Return the entry with this index or this event id (16 bytes), or None when its content is not there."""

    @abstractmethod
    def read(self, workspace: str, start: int, stop: int) -> Iterator[Kept]:
        """Iterate over the entries with content in [start, stop), by index, in constant memory."""

    @abstractmethod
    def find(self, workspace: str, query: Query, cursor: Cursor | None, limit: int) -> Page:
        """Return matching entries below the cursor, newest first by (occurred_at, index).

        Entries recorded meanwhile neither repeat nor displace entries of later pages. A page may hold fewer entries
        than `limit` and still have a `next` cursor: the store bounds the work of one call.
        """

    @abstractmethod
    def stream(self, workspace: str, query: Query, size: int) -> Iterator[Kept]:
        """Iterate over the matching entries with an index below `size`, in the order of `find`, in constant memory."""

    @abstractmethod
    def count(self, workspace: str, query: Query, cap: int) -> Count:
        """Count matching entries: exactly where roll-ups answer, else exactly up to a bound of at most `cap`."""

    @abstractmethod
    def histogram(self, workspace: str, query: Query, edges: Sequence[datetime]) -> Histogram:
        """Count matching entries per kind in each interval between two neighbouring edges (ascending, half open)."""

    @abstractmethod
    def facets(self, workspace: str, query: Query, field: str, limit: int, prefix: str = "") -> Facets:
        """Count matching entries per value of a field, keeping values whose label begins with `prefix`.

        Args:
            field: actor, action, kind, category, type, outcome, severity, via, country or resource.
        """

    @abstractmethod
    def tiles(self, workspace: str, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return tiles by (level, number), each as long as it is at the newest head; empty when there is none."""

    @abstractmethod
    def segments(self, workspace: str) -> list[Segment]:
        """Return the segments that still have their salt, ascending."""

    @abstractmethod
    def seals(self, workspace: str) -> list[Sealed]:
        """Return the seals of all segments, purged ones included, ascending."""

    @abstractmethod
    def postings(self, workspace: str, number: int) -> bytes | None:
        """Return the stored index of a sealed segment that still has its salt, or None."""

    @abstractmethod
    def second(self, workspace: str, number: int) -> bytes | None:
        """Return the second tags of a sealed segment that is not bound yet, or None."""

    @abstractmethod
    def volumes(self, workspace: str) -> list[Bound]:
        """Return all volumes, ascending; those whose index has gone are without salt."""

    @abstractmethod
    def volume_postings(self, workspace: str, number: int) -> bytes | None:
        """Return the stored index of a volume that still has its salt, or None."""

    @abstractmethod
    def state(self, workspace: str, name: str) -> bytes | None:
        """Return a small named value (policy, follower position …), or None."""

    @abstractmethod
    def swap_state(self, workspace: str, name: str, old: bytes | None, new: bytes | None) -> bool:
        """Replace a named value if it still is `old` (None: absent), durably; say whether it was.

        Raises:
            StoreMoved: The store has a mark; nothing was written.
        """

    @abstractmethod
    def states(self, workspace: str) -> dict[str, bytes]:
        """Return all named values."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What people call this store in messages; never with a password."""

    @abstractmethod
    def mark(self) -> Mark | None:
        """Return the mark that keeps the store from being written, or None."""

    @abstractmethod
    def swap_mark(self, old: Mark | None, new: Mark | None) -> bool:
        """Replace the mark if it still is `old`, durably; say whether it was.

        While there is one, `append`, `forget` and `swap_state` write nothing, in any process; those that were under
        way are over when this returns.
        """

    @abstractmethod
    def adopt(self, workspace: str, piece: Piece, old: bytes | None, new: bytes | None) -> bool:
        """Write a piece of a log that is copied from another store, whatever mark there is, all or nothing and durable.

        Search structures and roll-ups follow from the entries.

        Args:
            old: What the state `PROGRESS` must still be (None: absent), so that of two copies at once one goes on.
            new: What it becomes.

        Returns:
            Whether it was `old`; otherwise nothing was written.
        """

    @abstractmethod
    def check(self, workspace: str) -> Iterator[Problem]:
        """Compare every derived structure (columns, search, roll-ups) with the content it derives from."""

    @abstractmethod
    def tend(self) -> bool:
        """Do a bounded amount of upkeep (give freed space back, compress better); say whether more is left to do."""

    @abstractmethod
    def compact(self) -> None:
        """Clear content that went out of whatever space still holds it, as far as the engine can.

        Takes as long as copying the whole store may take, and writers may have to wait for it.
        """

    def back_up(self, path: Path) -> None:
        """Write a consistent copy of everything to a new file, readable by its owner only, while others go on writing.

        Raises:
            InvalidSetting: The file exists, its folder does not, or the engine has tools of its own for this.
            StoreFull: There is no room for it; nothing of it is left.
        """
        raise InvalidSetting(
            f"{self.name} is not backed up by this program", "Use the tools of the database: docs/operate/backup.md"
        )

    @abstractmethod
    def stats(self, workspace: str) -> dict[str, int]:
        """Return figures for people, such as entries kept and bytes used by the whole store."""

    @abstractmethod
    def close(self) -> None:
        """Release files and connections; idempotent."""
