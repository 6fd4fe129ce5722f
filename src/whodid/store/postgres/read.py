"""Everything that is read from the tables, wherever they stand: at the primary, or at a replica of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from whodid.query import Cursor, Page, Query
from whodid.sequence import Bound, Head, Sealed, Segment
from whodid.store import rollup
from whodid.store.base import Count, Facets, Histogram, Kept, Store
from whodid.store.packing import decode_head, unpack_postings
from whodid.store.postgres.engine import Connection
from whodid.store.postgres.find import PostgresSearch
from whodid.store.postgres.rows import COLUMNS, Coding, keep
from whodid.store.search import Edge

__all__ = ["PLACES", "Reading", "kept_at"]

_READ_CHUNK = 1_000

_Found = TypeVar("_Found")


PLACES = "SELECT index, recorded_at FROM whodid.entry_id WHERE ws = %s AND id = ANY(%b::bytea[])"
"""Where the entries of a workspace are that have one of some ids."""


def kept_at(reader: Connection, ws: int, places: Sequence[tuple[int, int]], coding: Coding) -> dict[bytes, Kept]:
    """Return the entries of a workspace at what `PLACES` gave, by id, within the same transaction."""
    if not places:
        return {}
    times = [recorded_at for _, recorded_at in places]
    rows = reader.rows(
        f"SELECT {COLUMNS} FROM whodid.entry e "
        "WHERE e.ws = %s AND e.index = ANY(%b::int8[]) AND e.recorded_at >= %s AND e.recorded_at <= %s",
        (ws, [index for index, _ in places], min(times), max(times)),
    )
    return {row[2]: keep(row, coding.packer) for row in rows}


class Reading(Store):
    """The half of the promise that only reads; each answer comes from one transaction, and so from one state."""

    coding: Coding

    @abstractmethod
    def within(self, ws: int, work: Callable[[Connection], _Found]) -> _Found:
        """Do something within a transaction that reads a workspace; it may be done again elsewhere if that fails."""

    def _row(self, ws: int, statement: str, *values: Any) -> tuple[Any, ...] | None:
        return self.within(ws, lambda reader: reader.row(statement, (ws, *values)))

    def _rows(self, ws: int, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.within(ws, lambda reader: reader.rows(statement, (ws, *values)))

    def head(self, workspace: str) -> Head | None:
        row = self._row(self.coding.keys.workspace(workspace), "SELECT head FROM whodid.log WHERE ws = %s")
        return decode_head(row[0]) if row and row[0] is not None else None

    def get(self, workspace: str, key: int | bytes) -> Kept | None:
        ws = self.coding.keys.workspace(workspace)
        if isinstance(key, bytes):
            id_ = key
            return self.within(
                ws, lambda reader: kept_at(reader, ws, reader.rows(PLACES, (ws, [id_])), self.coding)
            ).get(id_)
        row = self._row(ws, f"SELECT {COLUMNS} FROM whodid.entry e WHERE e.ws = %s AND e.index = %s", key)
        return keep(row, self.coding.packer) if row else None

    def read(self, workspace: str, start: int, stop: int) -> Iterator[Kept]:
        ws = self.coding.keys.workspace(workspace)
        statement = (
            f"SELECT {COLUMNS} FROM whodid.entry e WHERE e.ws = %s AND e.index >= %s AND e.index < %s "
            f"ORDER BY e.index LIMIT {_READ_CHUNK}"
        )
        while start < stop:
            # A chunk at a time: a transaction that stays open keeps the database from cleaning up.
            rows = self._rows(ws, statement, start, stop)
            for row in rows:
                yield keep(row, self.coding.packer)
            if len(rows) < _READ_CHUNK:
                return
            start = rows[-1][0] + 1

    def find(self, workspace: str, query: Query, cursor: Cursor | None, limit: int) -> Page:
        return self._search(workspace, query, lambda search: search.page(cursor, limit))

    def stream(self, workspace: str, query: Query, size: int) -> Iterator[Kept]:
        def chunk(below: Edge | None) -> tuple[list[Kept], Edge | None]:
            return self._search(workspace, query, lambda search: search.chunk(below, size))

        edge: Edge | None = None
        while True:
            found, edge = chunk(edge)
            yield from found
            if edge is None:
                return

    def count(self, workspace: str, query: Query, cap: int) -> Count:
        return self._search(workspace, query, lambda search: rollup.count(search, cap))

    def histogram(self, workspace: str, query: Query, edges: Sequence[datetime]) -> Histogram:
        return self._search(workspace, query, lambda search: rollup.histogram(search, edges))

    def facets(self, workspace: str, query: Query, field: str, limit: int, prefix: str = "") -> Facets:
        return self._search(workspace, query, lambda search: rollup.facets(search, field, limit, prefix))

    def _search(self, workspace: str, query: Query, ask: Callable[[PostgresSearch], _Found]) -> _Found:
        """Put one question to one consistent state."""
        ws = self.coding.keys.workspace(workspace)
        return self.within(ws, lambda reader: ask(PostgresSearch(self.coding, reader, ws, workspace, query)))

    def tiles(self, workspace: str, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
        rows = self._rows(
            self.coding.keys.workspace(workspace),
            "SELECT level, number, string_agg(hashes, ''::bytea ORDER BY start) FROM whodid.tile WHERE ws = %s "
            "AND (level, number) IN (SELECT * FROM unnest(%b::int2[], %b::int8[])) GROUP BY level, number",
            [level for level, _ in wanted],
            [number for _, number in wanted],
        )
        found = {(level, number): hashes for level, number, hashes in rows}
        return [found.get((level, number), b"") for level, number in wanted]

    def segments(self, workspace: str) -> list[Segment]:
        rows = self._rows(
            self.coding.keys.workspace(workspace),
            "SELECT number, start, salt FROM whodid.segment WHERE ws = %s ORDER BY number",
        )
        return [Segment(number=number, start=start, salt=salt) for number, start, salt in rows]

    def seals(self, workspace: str) -> list[Sealed]:
        rows = self._rows(
            self.coding.keys.workspace(workspace),
            "SELECT number, index, bytes FROM whodid.seal WHERE ws = %s ORDER BY number",
        )
        return [Sealed(number=number, index=index, seal=seal) for number, index, seal in rows]

    def postings(self, workspace: str, number: int) -> bytes | None:
        row = self._numbered("postings", workspace, number)
        return unpack_postings(row[0], f"segment {number}") if row else None

    def second(self, workspace: str, number: int) -> bytes | None:
        row = self._numbered("second", workspace, number)
        return row[0] if row else None

    def volumes(self, workspace: str) -> list[Bound]:
        rows = self._rows(
            self.coding.keys.workspace(workspace),
            "SELECT v.number, v.index, v.bytes, v.first, i.salt FROM whodid.volume v "
            "LEFT JOIN whodid.volume_index i USING (ws, number) WHERE ws = %s ORDER BY v.number",
        )
        return [
            Bound(number=number, index=index, volume=volume, first=first, salt=salt)
            for number, index, volume, first, salt in rows
        ]

    def volume_postings(self, workspace: str, number: int) -> bytes | None:
        row = self._numbered("volume_index", workspace, number)
        return unpack_postings(row[0], f"volume {number}") if row else None

    def _numbered(self, table: str, workspace: str, number: int) -> tuple[Any, ...] | None:
        ws = self.coding.keys.workspace(workspace)
        return self._row(ws, f"SELECT bytes FROM whodid.{table} WHERE ws = %s AND number = %s", number)
