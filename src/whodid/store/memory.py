"""The store in memory: for tests and for trying things out; everything is gone when the process ends.

Written for plainness: it is the oracle that other engines are compared with.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from msgspec.structs import replace

from whodid import canonical
from whodid.model import Entry
from whodid.proof import tile, tree
from whodid.query import Cursor, Page, Query, compile_query
from whodid.sequence import Batch, Bound, Head, Row, Sealed, Segment
from whodid.store import scan
from whodid.store.base import Assemble, Count, Facets, Histogram, Kept, Problem, Store, restore
from whodid.store.moving import PROGRESS, Mark, Piece, refuse

__all__ = ["MemoryStore"]


class _Log:
    def __init__(self) -> None:
        self.head: Head | None = None
        self.kept: dict[int, Kept] = {}
        self.by_id: dict[bytes, int] = {}
        self.entries: dict[int, Entry] = {}
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.segments: dict[int, Segment] = {}
        self.seals: dict[int, Sealed] = {}
        self.postings: dict[int, bytes] = {}
        self.second: dict[int, bytes] = {}
        self.volumes: dict[int, Bound] = {}
        self.volume_postings: dict[int, bytes] = {}
        self.state: dict[str, bytes] = {}


class MemoryStore(Store):
    """Keep logs in dictionaries under one lock."""

    def __init__(self) -> None:
        self._logs: dict[str, _Log] = {}
        self._lock = threading.RLock()
        self._mark: Mark | None = None

    def append(self, workspace: str, assemble: Assemble, ids: Sequence[bytes] = ()) -> Batch | None:
        return self.forget(workspace, (), assemble, ids)

    def forget(
        self, workspace: str, ranges: Sequence[range], assemble: Assemble, ids: Sequence[bytes] = ()
    ) -> Batch | None:
        with self._lock:
            self._writable()
            log = self._logs.get(workspace) or _Log()
            batch = assemble(log.head, {i: log.kept[log.by_id[i]] for i in ids if i in log.by_id})
            if batch is None:
                return None
            self._logs[workspace] = log
            for gone in ranges:
                for index in gone:
                    kept = log.kept.pop(index, None)
                    if kept is not None:
                        del log.by_id[kept.id], log.entries[index]
            self._write(workspace, log, batch)
            self._trim(log, batch.head)
            return batch

    @staticmethod
    def _keep(workspace: str, log: _Log, rows: Sequence[Row], nodes: Sequence[tree.Nodes]) -> None:
        for row in rows:
            kept = Kept(row.index, row.kind, row.id, row.occurred_at, row.recorded_at, row.seed, row.payload)
            log.kept[row.index] = kept
            log.by_id[row.id] = row.index
            log.entries[row.index] = restore(kept, workspace)
        for gain in tile.additions(nodes):
            place = (gain.level, gain.index)
            log.tiles[place] = log.tiles.get(place, b"") + gain.hashes

    def _write(self, workspace: str, log: _Log, batch: Batch) -> None:
        self._keep(workspace, log, (*batch.rewritten, *batch.rows), batch.nodes)
        for segment in batch.opened:
            log.segments[segment.number] = segment
        if batch.sealed is not None:
            log.seals[batch.sealed.number] = batch.sealed
            log.postings[batch.sealed.number] = batch.postings
            log.second[batch.sealed.number] = batch.second
        if batch.bound is not None:
            log.volumes[batch.bound.number] = batch.bound
            log.volume_postings[batch.bound.number] = batch.postings
            log.second = {at: tags for at, tags in log.second.items() if at >= batch.head.unbound.first}
        log.head = batch.head

    @staticmethod
    def _trim(log: _Log, head: Head) -> None:
        first = head.first
        for level, number in list(log.tiles):
            if level == 0 and (number + 1) * 256 <= first:
                del log.tiles[level, number]
        ordered = sorted(log.segments.values(), key=lambda segment: segment.number)
        for segment, following in pairwise(ordered):
            if following.start <= first and segment.number < head.sealed:
                del log.segments[segment.number], log.postings[segment.number]
                log.second.pop(segment.number, None)
                for number, bound in log.volumes.items():
                    if bound.first <= segment.number and bound.salt is not None:
                        log.volumes[number] = replace(bound, salt=None)
        for number, bound in log.volumes.items():
            if bound.salt is None:
                log.volume_postings.pop(number, None)

    def workspaces(self) -> list[str]:
        with self._lock:
            return sorted(name for name, log in self._logs.items() if log.head is not None)

    def head(self, workspace: str) -> Head | None:
        with self._lock:
            log = self._logs.get(workspace)
            return log.head if log else None

    def get(self, workspace: str, key: int | bytes) -> Kept | None:
        with self._lock:
            log = self._logs.get(workspace)
            if log is None:
                return None
            index = log.by_id.get(key, -1) if isinstance(key, bytes) else key
            return log.kept.get(index)

    def read(self, workspace: str, start: int, stop: int) -> Iterator[Kept]:
        with self._lock:
            log = self._logs.get(workspace)
            kept = [log.kept[index] for index in sorted(log.kept) if start <= index < stop] if log else []
        yield from kept

    def find(self, workspace: str, query: Query, cursor: Cursor | None, limit: int) -> Page:
        below = (cursor.occurred_at, cursor.index) if cursor else None
        found = [
            entry
            for entry in self._matching(workspace, query)
            if below is None or (canonical.micros(entry.occurred_at), entry.index) < below
        ]
        page = found[:limit]
        more = len(found) > limit and bool(page)
        following = Cursor(occurred_at=canonical.micros(page[-1].occurred_at), index=page[-1].index) if more else None
        return Page(entries=tuple(page), next=following)

    def stream(self, workspace: str, query: Query, size: int) -> Iterator[Kept]:
        found = [entry.index for entry in self._matching(workspace, query) if entry.index < size]
        with self._lock:
            kept = [self._logs[workspace].kept.get(index) for index in found]
        yield from (one for one in kept if one is not None)

    def count(self, workspace: str, query: Query, cap: int) -> Count:
        return Count(len(self._matching(workspace, query)), True)

    def histogram(self, workspace: str, query: Query, edges: Sequence[datetime]) -> Histogram:
        return scan.histogram(self._matching(workspace, query), edges, exact=True)

    def facets(self, workspace: str, query: Query, field: str, limit: int, prefix: str = "") -> Facets:
        return scan.facets(self._matching(workspace, query), field, limit, prefix, exact=True)

    def tiles(self, workspace: str, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
        with self._lock:
            log = self._logs.get(workspace)
            return [log.tiles.get(place, b"") if log else b"" for place in wanted]

    def segments(self, workspace: str) -> list[Segment]:
        with self._lock:
            log = self._logs.get(workspace)
            return sorted(log.segments.values(), key=lambda segment: segment.number) if log else []

    def seals(self, workspace: str) -> list[Sealed]:
        with self._lock:
            log = self._logs.get(workspace)
            return sorted(log.seals.values(), key=lambda sealed: sealed.number) if log else []

    def postings(self, workspace: str, number: int) -> bytes | None:
        with self._lock:
            log = self._logs.get(workspace)
            return log.postings.get(number) if log else None

    def second(self, workspace: str, number: int) -> bytes | None:
        with self._lock:
            log = self._logs.get(workspace)
            return log.second.get(number) if log else None

    def volumes(self, workspace: str) -> list[Bound]:
        with self._lock:
            log = self._logs.get(workspace)
            return sorted(log.volumes.values(), key=lambda bound: bound.number) if log else []

    def volume_postings(self, workspace: str, number: int) -> bytes | None:
        with self._lock:
            log = self._logs.get(workspace)
            return log.volume_postings.get(number) if log else None

    def state(self, workspace: str, name: str) -> bytes | None:
        with self._lock:
            log = self._logs.get(workspace)
            return log.state.get(name) if log else None

    def swap_state(self, workspace: str, name: str, old: bytes | None, new: bytes | None) -> bool:
        with self._lock:
            self._writable()
            log = self._logs.setdefault(workspace, _Log())
            if log.state.get(name) != old:
                return False
            if new is None:
                log.state.pop(name, None)
            else:
                log.state[name] = new
            return True

    def states(self, workspace: str) -> dict[str, bytes]:
        with self._lock:
            log = self._logs.get(workspace)
            return dict(log.state) if log else {}

    @property
    def name(self) -> str:
        return "memory"

    def mark(self) -> Mark | None:
        with self._lock:
            return self._mark

    def swap_mark(self, old: Mark | None, new: Mark | None) -> bool:
        with self._lock:
            if self._mark != old:
                return False
            self._mark = new
            return True

    def _writable(self) -> None:
        refuse(self._mark)

    def adopt(self, workspace: str, piece: Piece, old: bytes | None, new: bytes | None) -> bool:
        with self._lock:
            log = self._logs.setdefault(workspace, _Log())
            if log.state.get(PROGRESS) != old:
                return False
            self._keep(workspace, log, piece.rows, piece.nodes)
            log.segments |= {segment.number: segment for segment in piece.segments}
            for sealed, postings in piece.seals:
                log.seals[sealed.number] = sealed
                if postings is not None:
                    log.postings[sealed.number] = postings
            log.second |= piece.second
            for bound, postings in piece.volumes:
                log.volumes[bound.number] = bound
                if postings is not None:
                    log.volume_postings[bound.number] = postings
            log.state |= piece.states
            log.state.pop(PROGRESS, None)
            if new is not None:
                log.state[PROGRESS] = new
            log.head = piece.head or log.head
            return True

    def check(self, workspace: str) -> Iterator[Problem]:
        """Report nothing: this store derives nothing that could disagree."""
        return iter(())

    def compact(self) -> None:
        pass

    def tend(self) -> bool:
        return False

    def stats(self, workspace: str) -> dict[str, int]:
        with self._lock:
            log = self._logs.get(workspace)
            kept = log.kept.values() if log else ()
            return {"entries": len(kept), "bytes": sum(len(k.payload) + len(k.seed) for k in kept)}

    def close(self) -> None:
        """Keep everything: closing forgets nothing."""

    def _matching(self, workspace: str, query: Query) -> list[Entry]:
        with self._lock:
            log = self._logs.get(workspace)
            entries = list(log.entries.values()) if log else []
        wanted = compile_query(query)
        found = [entry for entry in entries if wanted(entry)]
        found.sort(key=lambda entry: (entry.occurred_at, entry.index), reverse=True)
        return found
