"""Lists: which index leads to the newest matching entries with the least work.

Every search has one *source*, a descending run of rows by (occurred_at, pos) that surely contains all matches: the
entries of an actor, of a resource, of a few shapes, of rare words, or simply all by time. Whatever the source does not
decide is decided by looking at the entry, with the same predicate as every other store.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

from whodid import canonical
from whodid.model import Entry
from whodid.query import Cursor, Page, Query, Term, compile_query, ids, matches_shape, tokens
from whodid.query.terms import TEXT
from whodid.store.base import Kept, restore
from whodid.store.sqlite.engine import Connection
from whodid.store.sqlite.rows import COLUMNS, Coding, index_of, keep, pos_of

__all__ = ["Search"]

_NEVER, _ALWAYS = -(1 << 62), 1 << 62
_FEW_SHAPES = 16
_SHORTEST = 3  # a shorter prefix stands for too many words
_PROBE = 1_000  # how far sources are counted to compare them
_MANY = 20_000  # places of a word that are sorted in memory
_AHEAD = 3_600_000_000  # an hour: far more than an event's clock may be ahead of the log's
_CHUNK = 1_000
_SCAN_LIMIT = 20_000  # entries that one call may look at

Row = tuple[Any, ...]
Edge = tuple[int, int]
"""(occurred_at, pos): rows strictly below it are still to come."""


Fetch = Callable[[Edge, int], list[Row]]


class Source(NamedTuple):
    """A descending run of rows.

    Args:
        fetch: Returns up to that many rows strictly below an edge, newest first.
        total: How many it holds, counted up to a bound.
    """

    fetch: Fetch
    total: int


class Search:
    """One query against one workspace within one read transaction."""

    def __init__(self, coding: Coding, reader: Connection, ws: int, workspace: str, query: Query) -> None:
        self._coding = coding
        self.reader = reader
        self.ws = ws
        self.workspace = workspace
        self.query = query
        self.low = _NEVER if query.since is None else canonical.micros(query.since)
        self.high = _ALWAYS if query.until is None else canonical.micros(query.until)
        self.known = coding.shapes.all(reader, ws)
        self.shapes = self._allowed_shapes()
        self.only_shapes = self._only_shapes
        self._accept = compile_query(query)

    def _allowed_shapes(self) -> frozenset[int] | None:
        """Return the shapes that the shape terms leave, or None when there is no such term."""
        self._only_shapes = True
        deciding: list[Term] = []
        sample = next(iter(self.known.values()), None)
        for term in self.query.terms:
            if sample is None or matches_shape(term, sample) is None:
                self._only_shapes = False
            else:
                deciding.append(term)
        if not deciding:
            return None
        return frozenset(
            number for number, shape in self.known.items() if all(matches_shape(term, shape) for term in deciding)
        )

    def entry(self, row: Row) -> Entry:
        """Decode a row of `COLUMNS`."""
        return restore(keep(row, self._coding.packer), self.workspace)

    def page(self, cursor: Cursor | None, limit: int) -> Page:
        """Return the next page; see `Store.find`."""
        edge = (self.high, _NEVER) if cursor is None else (cursor.occurred_at, pos_of(self.ws, cursor.index))
        if edge[0] > self.high:
            edge = (self.high, _NEVER)
        found: list[Entry] = []
        looked, chunk = 0, limit + 1
        source = self._source()
        while len(found) <= limit:
            rows = source.fetch(edge, chunk) if looked < _SCAN_LIMIT else None
            if rows is None:
                # The bound is reached: hand back what there is, and where to go on.
                return Page(entries=tuple(found), next=Cursor(occurred_at=edge[0], index=index_of(edge[1])))
            for row in rows:
                if row[3] < self.low:
                    return Page(entries=tuple(found), next=None)
                edge = (row[3], row[0])
                if self.shapes is not None and row[7] not in self.shapes:
                    continue
                entry = self.entry(row)
                if self.only_shapes or self._accept(entry):
                    found.append(entry)
                    if len(found) > limit:
                        break
            if len(rows) < chunk:
                break
            looked += len(rows)
            chunk = min(chunk * 4, 2_000)
        if len(found) <= limit:
            return Page(entries=tuple(found), next=None)
        last = found[limit - 1]
        return Page(
            entries=tuple(found[:limit]),
            next=Cursor(occurred_at=canonical.micros(last.occurred_at), index=last.index),
        )

    def chunk(self, edge: Edge | None, size: int) -> tuple[list[Kept], Edge | None]:
        """Return the matching entries among the next rows below an edge, and the edge to go on from (None: the end)."""
        rows = self._source().fetch(edge or (self.high, _NEVER), _CHUNK)
        stop = pos_of(self.ws, size)
        found: list[Kept] = []
        for row in rows:
            if row[3] < self.low:
                return found, None
            if row[0] >= stop or (self.shapes is not None and row[7] not in self.shapes):
                continue
            kept = keep(row, self._coding.packer)
            if self.only_shapes or self._accept(restore(kept, self.workspace)):
                found.append(kept)
        return found, (rows[-1][3], rows[-1][0]) if len(rows) == _CHUNK else None

    def walk(self, bound: int) -> Iterator[tuple[Row, Entry]]:
        """Iterate over matching rows and entries, newest first, looking at no more than `bound` candidates.

        The generator's return value says whether the bound was not reached.
        """
        edge, looked = (self.high, _NEVER), 0
        source = self._source()
        while looked < bound:
            size = min(2_000, bound - looked)
            rows = source.fetch(edge, size)
            for row in rows:
                if row[3] < self.low:
                    self.exhausted = True
                    return
                edge = (row[3], row[0])
                if self.shapes is not None and row[7] not in self.shapes:
                    continue
                entry = self.entry(row)
                if self.only_shapes or self._accept(entry):
                    yield row, entry
            if len(rows) < size:
                self.exhausted = True
                return
            looked += len(rows)
        self.exhausted = False

    exhausted = True
    """Whether the last `walk` saw everything."""

    # ---------------------------------------------------------------- sources

    def _source(self) -> Source:
        """Choose the source that holds least, by counting each a little way."""
        if self.shapes is not None and not self.shapes:
            return Source(lambda *_: [], 0)
        sources = [source for term in self.query.terms if (source := self._by_clues(term)) is not None]
        if self.shapes is not None and len(self.shapes) <= _FEW_SHAPES:
            sources.append(self._by_shapes(sorted(self.shapes)))
        sources.append(Source(self.by_time, _PROBE + 1))
        return min(sources, key=lambda source: source.total)

    def by_time(self, edge: Edge, size: int) -> list[Row]:
        """Fetch from all entries."""
        return self.reader.rows(
            f"SELECT {COLUMNS} FROM entry e INDEXED BY entry_time "
            "WHERE e.ws = ? AND (e.occurred_at, e.pos) < (?, ?) AND e.occurred_at >= ? "
            "ORDER BY e.occurred_at DESC, e.pos DESC LIMIT ?",
            (self.ws, *edge, self.low, size),
        )

    def _by_shapes(self, numbers: Sequence[int]) -> Source:
        total = self._probe("entry INDEXED BY entry_shape WHERE shape = ?", numbers)
        return Source(lambda edge, size: self._merged({_SHAPE_RUN: numbers}, (), (), edge, size), total)

    def _by_clues(self, term: Term) -> Source | None:
        """Return the entries that carry one of the term's ids or the words of one of its groups."""
        groups, wanted = tokens(term), ids(term)
        if groups is None or wanted is None:
            return None
        key = self._coding.keys.key
        keys = sorted({key(self.ws, value) for value in wanted})
        runs: dict[str, Sequence[int]] = {}
        total = 0
        if keys and term.field in ("actor", TEXT):
            runs[_ACTOR_RUN] = keys
            total += self._probe("entry INDEXED BY entry_actor WHERE actor = ?", keys)
        if keys and term.field in ("resource", "related", TEXT):
            runs[_TOUCH_RUN] = keys
            total += self._probe("touch WHERE key = ?", keys)
        # The tokens of an address are short and complete; elsewhere a token may be the beginning of one.
        words = [self._by_words(group, exact=term.field == "ip") for group in groups]
        if None in words:
            return None
        fetches = [source.fetch for source in words if source is not None]
        total += sum(source.total for source in words if source is not None)
        places = self._by_id(wanted) if term.field == TEXT else []
        return Source(lambda edge, size: self._merged(runs, fetches, places, edge, size), total + len(places))

    def _probe(self, where: str, keys: Sequence[int]) -> int:
        """Count the rows of an index that have one of the keys, up to a bound."""
        total = 0
        for key in keys:
            total += self.reader.value(f"SELECT count(*) FROM (SELECT 1 FROM {where} LIMIT {_PROBE})", (key,))
        return min(total, _PROBE)

    def _by_words(self, group: Sequence[str], *, exact: bool) -> Source | None:
        """Return the entries that have a word for every prefix; None when the prefixes are too short to narrow."""
        telling = [token for token in group if exact or len(token) >= _SHORTEST]
        if not telling:
            return None
        # Tokens are [a-z0-9_] only, so nothing in them can end the quotes.
        match = " AND ".join(f'"{token}"' if exact else f'"{token}" *' for token in telling)
        low, high = pos_of(self.ws, 0), pos_of(self.ws + 1, 0)
        total = self.reader.value(
            "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? AND rowid >= ? AND rowid < ? LIMIT ?)",
            (match, low, high, _PROBE),
        )
        return Source(_WordRun(self, match, low, high).fetch, total)

    def _by_id(self, wanted: Sequence[str]) -> list[Edge]:
        found = []
        for value in wanted:
            with suppress(ValueError):
                row = self.reader.row(
                    "SELECT occurred_at, pos FROM entry INDEXED BY entry_id WHERE ws = ? AND id = ?",
                    (self.ws, UUID(value).bytes),
                )
                if row is not None:
                    found.append((row[0], row[1]))
        return found

    def _merged(
        self,
        runs: Mapping[str, Sequence[int]],
        fetches: Sequence[Fetch],
        places: Sequence[Edge],
        edge: Edge,
        size: int,
    ) -> list[Row]:
        """Merge the runs of several keys, of words and single places; an entry that is in two of them comes once."""
        rows: dict[int, Row] = {}
        for run, keys in runs.items():
            for key in keys:
                for row in self.reader.rows(run, (key, *edge, self.low, size)):
                    rows[row[0]] = row
        for fetch in fetches:
            for row in fetch(edge, size):
                rows[row[0]] = row
        for row in self.rows_at([pos for occurred_at, pos in places if (occurred_at, pos) < edge]):
            rows[row[0]] = row
        return sorted(rows.values(), key=lambda row: (row[3], row[0]), reverse=True)[:size]

    def rows_at(self, positions: Sequence[int]) -> list[Row]:
        """Return the rows at positions, in any order."""
        found: list[Row] = []
        for at in range(0, len(positions), 500):
            wanted = positions[at : at + 500]
            marks = ", ".join("?" * len(wanted))
            found += self.reader.rows(f"SELECT {COLUMNS} FROM entry e WHERE e.pos IN ({marks})", wanted)
        return found


class _WordRun:
    """Entries that have certain words, newest first.

    The text index gives them by index, and the list wants them by occurred_at. Intake admits no event from the future,
    so whatever lies below an index occurred before that index was recorded: what occurred later than that is final.
    """

    def __init__(self, search: Search, match: str, low: int, high: int) -> None:
        self._search = search
        self._match = match
        self._low = low
        self._next = high
        self._places: list[Edge] = []
        self._final = _ALWAYS  # what occurred after this instant is all there
        self._chunk = 64

    def fetch(self, edge: Edge, size: int) -> list[Row]:
        """Return up to that many rows strictly below an edge, newest first."""
        while True:
            end = bisect_left(self._places, edge)
            ready = [place for place in self._places[max(0, end - size) : end] if place[0] > self._final]
            if len(ready) >= size or self._final == _NEVER:
                rows = self._search.rows_at([pos for _, pos in ready])
                rows.sort(key=lambda row: (row[3], row[0]), reverse=True)
                return rows
            if len(self._places) > _MANY:
                # So many came late that walking by time is the shorter way; it holds them all as well.
                return self._search.by_time(edge, size)
            self._more()

    def _more(self) -> None:
        found = self._search.reader.rows(
            "SELECT e.occurred_at, e.pos, e.recorded_at FROM words w JOIN entry e ON e.pos = w.rowid "
            "WHERE words MATCH ? AND w.rowid >= ? AND w.rowid < ? ORDER BY w.rowid DESC LIMIT ?",
            (self._match, self._low, self._next, self._chunk),
        )
        self._places += [(occurred_at, pos) for occurred_at, pos, _ in found]
        self._places.sort()
        if len(found) < self._chunk:
            self._final = _NEVER
        else:
            self._next = found[-1][1]
            self._final = found[-1][2] + _AHEAD
        self._chunk *= 4


_BELOW = "AND (e.occurred_at, e.pos) < (?, ?) AND e.occurred_at >= ? ORDER BY e.occurred_at DESC, e.pos DESC LIMIT ?"
_ACTOR_RUN = f"SELECT {COLUMNS} FROM entry e INDEXED BY entry_actor WHERE e.actor = ? {_BELOW}"
_SHAPE_RUN = f"SELECT {COLUMNS} FROM entry e INDEXED BY entry_shape WHERE e.shape = ? {_BELOW}"
_TOUCH_RUN = (
    f"SELECT {COLUMNS} FROM touch t JOIN entry e ON e.pos = t.pos WHERE t.key = ? "
    "AND (t.occurred_at, t.pos) < (?, ?) AND t.occurred_at >= ? ORDER BY t.occurred_at DESC, t.pos DESC LIMIT ?"
)
