"""Searches on SQLite: which statement gives which run of rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from whodid.query import Query, Term
from whodid.query.terms import TEXT
from whodid.store.base import Kept
from whodid.store.search import AHEAD, ALWAYS, NEVER, PROBE, Edge, Row, Search, Source, Span, newest_first
from whodid.store.sqlite.engine import Connection
from whodid.store.sqlite.rows import COLUMNS, ZERO, Coding, index_of, keep, pos_of
from whodid.store.tally import SHAPE_SCALES

__all__ = ["SQLiteSearch"]

_MANY = 20_000  # places of a word that are sorted in memory
_MOST_WORDS = 1_000  # some 25 µs each to open; words of a longer list are seldom in many entries


class SQLiteSearch(Search):
    """One query against one workspace within one read transaction; places are positions."""

    def __init__(self, coding: Coding, reader: Connection, ws: int, workspace: str, query: Query) -> None:
        super().__init__(workspace, query, coding.shapes.all(reader, ws))
        self._coding = coding
        self.reader = reader
        self.ws = ws

    def place(self, index: int) -> int:
        return pos_of(self.ws, index)

    def index(self, place: int) -> int:
        return index_of(place)

    def keep(self, row: Row) -> Kept:
        return keep(row, self._coding.packer)

    def by_time(self, edge: Edge, size: int) -> list[Row]:
        return self.reader.rows(
            f"SELECT {COLUMNS} FROM entry e INDEXED BY entry_time "
            "WHERE e.ws = ? AND (e.occurred_at, e.pos) < (?, ?) AND e.occurred_at >= ? "
            "ORDER BY e.occurred_at DESC, e.pos DESC LIMIT ?",
            (self.ws, *_below(edge), self.low - ZERO, size),
        )

    def by_shapes(self, numbers: Sequence[int]) -> Source:
        return Source(
            lambda edge, size: self._merged({_SHAPE_RUN: numbers}, (), (), edge, size),
            lambda: self._probe("entry INDEXED BY entry_shape WHERE shape = ?", numbers),
        )

    def by_clues(self, term: Term, wanted: Sequence[str], words: Sequence[Source]) -> Source:
        key = self._coding.keys.key
        keys = sorted({key(self.ws, value) for value in wanted})
        runs: dict[str, Sequence[int]] = {}
        probes = []
        if keys and term.field in ("actor", TEXT):
            runs[_ACTOR_RUN] = keys
            probes.append("entry INDEXED BY entry_actor WHERE actor = ?")
        if keys and term.field in ("resource", "related", TEXT):
            runs[_TOUCH_RUN] = keys
            probes.append("touch WHERE key = ?")
        places = self._by_id(wanted) if term.field == TEXT else []

        def total() -> int:
            return (
                sum(self._probe(where, keys) for where in probes)
                + sum(source.total() for source in words)
                + len(places)
            )

        return Source(lambda edge, size: self._merged(runs, words, places, edge, size), total)

    def _probe(self, where: str, keys: Sequence[int]) -> int:
        """Count the rows of an index that have one of the keys, up to a bound."""
        total = 0
        for key in keys:
            total += self.reader.value(f"SELECT count(*) FROM (SELECT 1 FROM {where} LIMIT {PROBE})", (key,))
        return min(total, PROBE)

    def by_words(self, prefixes: Sequence[str], *, exact: bool) -> Source | None:
        groups = [_quoted([token]) if exact else self._beginning_with(token) for token in prefixes]
        if not all(groups):
            return Source(lambda *_: [], lambda: 0)
        match = " AND ".join(groups)
        low, high = pos_of(self.ws, 0), pos_of(self.ws + 1, 0)

        def total() -> int:
            found: int = self.reader.value(
                "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? AND rowid >= ? AND rowid < ? LIMIT ?)",
                (match, low, high, PROBE),
            )
            return found

        return Source(_WordRun(self, match, low, high).fetch, total)

    def _beginning_with(self, prefix: str) -> str:
        """Return what the text index is asked for all words that begin with a prefix; empty: there is none.

        The index gathers all entries of a prefix before it gives the newest, of every word by itself it reads no more
        than is asked for. So the words are looked up first, where they are not too many.
        """
        found: list[str] = []
        least = prefix
        while len(found) <= _MOST_WORDS:
            row = self.reader.row("SELECT term FROM temp.words_seen WHERE term >= ? LIMIT 1", (least,))
            if row is None or not row[0].startswith(prefix):
                return _quoted(found)
            found.append(row[0])
            least = f"{row[0]}0"  # the least that may follow: the next row of the table is the same word elsewhere
        return f'"{prefix}" *'

    def _by_id(self, wanted: Sequence[str]) -> list[Edge]:
        found = []
        for value in wanted:
            with suppress(ValueError):
                row = self.reader.row(
                    f"SELECT occurred_at + {ZERO}, pos FROM entry INDEXED BY entry_id WHERE ws = ? AND id = ?",
                    (self.ws, UUID(value).bytes),
                )
                if row is not None:
                    found.append((row[0], row[1]))
        return found

    def _merged(
        self,
        runs: Mapping[str, Sequence[int]],
        words: Sequence[Source],
        places: Sequence[Edge],
        edge: Edge,
        size: int,
    ) -> list[Row]:
        """Merge the runs of several keys, of words and single places; an entry that is in two of them comes once."""
        rows: dict[int, Row] = {}
        for run, keys in runs.items():
            for key in keys:
                for row in self.reader.rows(run, (key, *_below(edge), self.low - ZERO, size)):
                    rows[row[0]] = row
        for source in words:
            for row in source.fetch(edge, size):
                rows[row[0]] = row
        for row in self.rows_at([pos for occurred_at, pos in places if (occurred_at, pos) < edge]):
            rows[row[0]] = row
        return newest_first(rows.values())[:size]

    def rows_at(self, positions: Sequence[int]) -> list[Row]:
        """Return the rows at positions, in any order."""
        found: list[Row] = []
        for at in range(0, len(positions), 500):
            wanted = positions[at : at + 500]
            marks = ", ".join("?" * len(wanted))
            found += self.reader.rows(f"SELECT {COLUMNS} FROM entry e WHERE e.pos IN ({marks})", wanted)
        return found

    # ---------------------------------------------------------------- roll-ups

    def days(self) -> tuple[int, int] | None:
        row = self.reader.row(
            "SELECT min(bucket), max(bucket) FROM tally WHERE ws = ? AND scale = ?", (self.ws, SHAPE_SCALES[0][0])
        )
        return None if row is None or row[0] is None else (row[0], row[1])

    def tallied(self, scale: int, spans: Sequence[Span]) -> Iterator[tuple[int, int, int]]:
        for number, first, last in spans:
            for value, n in self.reader.rows(
                "SELECT value, sum(n) FROM tally WHERE ws = ? AND scale = ? AND bucket >= ? AND bucket < ? "
                "GROUP BY value",
                (self.ws, scale, first, last),
            ):
                yield number, value, n

    def counted(self, column: str, spans: Sequence[Span]) -> Iterator[tuple[int, int, int]]:
        for number, low, high in spans:
            for value, n in self.reader.rows(
                f"SELECT {column}, count(*) FROM entry INDEXED BY entry_time "
                f"WHERE ws = ? AND occurred_at >= ? AND occurred_at < ? GROUP BY {column}",
                (self.ws, low - ZERO, high - ZERO),
            ):
                yield number, value, n

    def newest_of(self, actors: Sequence[int]) -> dict[int, Row]:
        newest = (
            f"SELECT {COLUMNS} FROM entry e INDEXED BY entry_actor WHERE e.actor = ? "
            "ORDER BY e.occurred_at DESC, e.pos DESC LIMIT 1"
        )
        rows = ((actor, self.reader.row(newest, (actor,))) for actor in actors)
        return {actor: row for actor, row in rows if row is not None}


class _WordRun:
    """Entries that have certain words, newest first.

    The index of words gives them by index, and the list wants them by occurred_at. Intake admits no event from the
    future, so whatever lies below an index occurred before that index was recorded: what occurred later than that is
    final.
    """

    def __init__(self, search: SQLiteSearch, match: str, low: int, high: int) -> None:
        self._search = search
        self._match = match
        self._low = low
        self._next = high
        self._places: list[Edge] = []
        self._final = ALWAYS  # what occurred after this instant is all there
        self._chunk = 64

    def fetch(self, edge: Edge, size: int) -> list[Row]:
        """Return up to that many rows strictly below an edge, newest first."""
        while True:
            end = bisect_left(self._places, edge)
            ready = [place for place in self._places[max(0, end - size) : end] if place[0] > self._final]
            if len(ready) >= size or self._final == NEVER:
                return newest_first(self._search.rows_at([place for _, place in ready]))
            if len(self._places) > _MANY:
                # So many came late that walking by time is the shorter way; it holds them all as well.
                return self._search.by_time(edge, size)
            found = self._more(self._chunk)
            self._places += [(occurred_at, place) for occurred_at, place, _ in found]
            self._places.sort()
            self._final = NEVER if len(found) < self._chunk else found[-1][2] + AHEAD
            self._chunk *= 4

    def _more(self, size: int) -> list[tuple[int, int, int]]:
        """Return the next (occurred_at, place, recorded_at) by falling index; fewer than `size`: that was all."""
        found = self._search.reader.rows(
            f"SELECT e.occurred_at + {ZERO}, e.pos, e.recorded_at + {ZERO} "
            "FROM words w JOIN entry e ON e.pos = w.rowid "
            "WHERE words MATCH ? AND w.rowid >= ? AND w.rowid < ? ORDER BY w.rowid DESC LIMIT ?",
            (self._match, self._low, self._next, size),
        )
        if found:
            self._next = found[-1][1]
        return [(occurred_at, pos, recorded_at) for occurred_at, pos, recorded_at in found]


def _quoted(words: Sequence[str]) -> str:
    """Return what the text index is asked for any of some words; words are [a-z0-9_] only, so none ends its quotes."""
    return "(" + " OR ".join(f'"{word}"' for word in words) + ")" if words else ""


def _below(edge: Edge) -> Edge:
    """Return an edge as the columns have it."""
    return edge[0] - ZERO, edge[1]


_BELOW = "AND (e.occurred_at, e.pos) < (?, ?) AND e.occurred_at >= ? ORDER BY e.occurred_at DESC, e.pos DESC LIMIT ?"
_ACTOR_RUN = f"SELECT {COLUMNS} FROM entry e INDEXED BY entry_actor WHERE e.actor = ? {_BELOW}"
_SHAPE_RUN = f"SELECT {COLUMNS} FROM entry e INDEXED BY entry_shape WHERE e.shape = ? {_BELOW}"
_TOUCH_RUN = (
    f"SELECT {COLUMNS} FROM touch t JOIN entry e ON e.pos = t.pos WHERE t.key = ? "
    "AND (t.occurred_at, t.pos) < (?, ?) AND t.occurred_at >= ? ORDER BY t.occurred_at DESC, t.pos DESC LIMIT ?"
)
