"""Searches on PostgreSQL: which statement gives which run of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any
from uuid import UUID

from whodid.query import Query, Term
from whodid.query.terms import TEXT
from whodid.store.base import Kept
from whodid.store.postgres.engine import Connection
from whodid.store.postgres.rows import COLUMNS, Coding, keep
from whodid.store.postgres.weeks import Weeks, week_of
from whodid.store.postgres.words import Found, Window, word_run
from whodid.store.search import AHEAD, NEVER, PROBE, SCAN_LIMIT, Edge, Row, Search, Source, Span, newest_first
from whodid.store.tally import SHAPE_SCALES

__all__ = ["PostgresSearch"]


class PostgresSearch(Search):
    """One query against one workspace within one read transaction; a place is an index."""

    def __init__(self, coding: Coding, reader: Connection, ws: int, workspace: str, query: Query) -> None:
        super().__init__(workspace, query, coding.shapes.all(reader, ws))
        self._coding = coding
        self.reader = reader
        self.ws = ws
        # What occurred since then was not recorded before it: weeks that ended earlier need not be opened.
        self.since = NEVER if self.low == NEVER else self.low - AHEAD

    def place(self, index: int) -> int:
        return index

    def index(self, place: int) -> int:
        return place

    def keep(self, row: Row) -> Kept:
        return keep(row, self._coding.packer)

    def by_time(self, edge: Edge, size: int) -> list[Row]:
        return self.reader.rows(
            f"SELECT {COLUMNS} FROM whodid.entry e WHERE e.ws = %(ws)s {_BELOW}", self._values(edge, size)
        )

    def by_shapes(self, numbers: Sequence[int]) -> Source:
        return Source(
            lambda edge, size: self._merged([(_SHAPE_RUN, numbers)], (), (), edge, size),
            lambda: self._probe([_SHAPE_PROBE], numbers),
        )

    def by_clues(self, term: Term, wanted: Sequence[str], words: Sequence[Source]) -> Source:
        keys = sorted({self._coding.keys.key(self.ws, value) for value in wanted})
        runs: list[tuple[str, Sequence[int]]] = []
        probes: list[str] = []
        if keys and term.field in ("actor", TEXT):
            runs.append((_ACTOR_RUN if self.shapes is None else _ACTOR_SHAPES_RUN, keys))
            probes.append(_ACTOR_PROBE)
        if keys and term.field in ("resource", "related", TEXT):
            # A resource that an entry names twice stands in the first index alone.
            runs += [(_RESOURCE_RUN, keys), (_TOUCH_RUN, keys)]
            probes += [_RESOURCE_PROBE, _TOUCH_PROBE]
        places = self._by_id(wanted) if term.field == TEXT else []

        def total() -> int:
            found = len(places) + self._probe(probes, keys)
            for source in words:
                # Words cost most: what is too much already is not counted further.
                found += source.total() if found < PROBE else 0
            return found

        return Source(lambda edge, size: self._merged(runs, words, places, edge, size), total)

    def _probe(self, probes: Sequence[str], keys: Sequence[int]) -> int:
        """Count the rows of indexes that have one of the keys and occurred in the period, each up to a bound."""
        if not probes:
            return 0
        found: int = self.reader.value(
            f"SELECT {' + '.join(probes)}", {"ws": self.ws, "keys": list(keys), "low": self.low, "high": self.high}
        )
        return min(found, PROBE)

    def by_words(self, prefixes: Sequence[str], *, exact: bool) -> Source | None:
        if not self._coding.has_words:
            return None
        # Tokens are [a-z0-9_] only, so nothing in them can end the quotes.
        mark = self._coding.keys.mark(self.ws).decode()
        match = " & ".join(f"'{mark}{token}'" if exact else f"'{mark}{token}':*" for token in prefixes)
        return word_run(self.reader, self.ws, match, lambda: self._window, self.rows_at)

    @cached_property
    def _window(self) -> Window:
        """Where words are searched: what several of them need is asked once."""
        oldest = week_of(self.since) if self.since != NEVER else NEVER
        return Window([week for week in Weeks.all(self.reader) if week >= oldest], self.low, self.high)

    def _by_id(self, wanted: Sequence[str]) -> list[Found]:
        ids = []
        for value in wanted:
            with suppress(ValueError):
                ids.append(UUID(value).bytes)
        found = self.reader.rows(
            "SELECT e.occurred_at, e.index, e.recorded_at FROM whodid.entry_id i JOIN whodid.entry e "
            "ON e.ws = i.ws AND e.index = i.index AND e.recorded_at = i.recorded_at WHERE i.ws = %s AND i.id = ANY(%s)",
            (self.ws, ids),
        ) if ids else []  # fmt: skip
        return [Found(*row) for row in found]

    def _merged(
        self,
        runs: Sequence[tuple[str, Sequence[int]]],
        words: Sequence[Source],
        places: Sequence[Found],
        edge: Edge,
        size: int,
    ) -> list[Row]:
        """Merge the runs of several keys, of words and single places; an entry that is in two of them comes once."""
        rows: dict[int, Row] = {}
        for run, keys in runs:
            values = {**self._values(edge, size), "keys": list(keys)}
            found = self.reader.rows(run, values)
            if run == _ACTOR_SHAPES_RUN and len(found) < size and self.reader.value(_ACTOR_GOES_ON, values):
                found = self.reader.rows(_ACTOR_RUN, values)
            for row in found:
                rows[row[0]] = row
        for source in words:
            for row in source.fetch(edge, size):
                rows[row[0]] = row
        for row in self.rows_at([place for place in places if place[:2] < edge]):
            rows[row[0]] = row
        return newest_first(rows.values())[:size]

    def _values(self, edge: Edge, size: int) -> dict[str, Any]:
        at, index = edge
        bounds = {"low": self.low, "since": self.since, "size": size, "through": SCAN_LIMIT}
        return {"ws": self.ws, "at": at, "index": index, "shapes": sorted(self.shapes or ()), **bounds}

    def rows_at(self, places: Sequence[Found]) -> list[Row]:
        """Return the rows at places, in any order."""
        if not places:
            return []
        # Each is looked for in the week that has it, not in all of them.
        return self.reader.rows(
            f"SELECT {COLUMNS} FROM unnest(%b::int8[], %b::int8[]) AS p(index, recorded_at) JOIN whodid.entry e "
            "ON e.ws = %s AND e.index = p.index AND e.recorded_at = p.recorded_at",
            ([found.place for found in places], [found.recorded_at for found in places], self.ws),
        )

    # ---------------------------------------------------------------- roll-ups

    def days(self) -> tuple[int, int] | None:
        row = self.reader.row(
            "SELECT min(bucket), max(bucket) FROM whodid.tally WHERE ws = %s AND scale = %s",
            (self.ws, SHAPE_SCALES[0][0]),
        )
        return None if row is None or row[0] is None else (row[0], row[1])

    def tallied(self, scale: int, spans: Sequence[Span]) -> Iterable[tuple[int, int, int]]:
        return self._summed(
            "SELECT t.value, sum(t.n)::int8 FROM whodid.tally t WHERE t.ws = %s AND t.scale = %s "
            "AND t.bucket >= s.low AND t.bucket < s.high GROUP BY 1",
            spans,
            (self.ws, scale),
        )

    def counted(self, column: str, spans: Sequence[Span]) -> Iterable[tuple[int, int, int]]:
        return self._summed(
            f"SELECT e.{column}, count(*) FROM whodid.entry e WHERE e.ws = %s "
            "AND e.occurred_at >= s.low AND e.occurred_at < s.high GROUP BY 1",
            spans,
            (self.ws,),
        )

    def _summed(self, statement: str, spans: Sequence[Span], values: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        numbers, lows, highs = zip(*spans, strict=True)
        # Span by span, each from the index: a join would compare every span with every bucket.
        found = self.reader.rows(
            "SELECT s.number, f.* FROM unnest(%b::int8[], %b::int8[], %b::int8[]) AS s(number, low, high) "
            f"CROSS JOIN LATERAL ({statement}) AS f",
            (list(numbers), list(lows), list(highs), *values),
        )
        return ((number, value, n) for number, value, n in found)

    def newest_of(self, actors: Sequence[int]) -> dict[int, Row]:
        # One statement for all: each would have every week to plan for, and a way to the server and back.
        found = self.reader.rows(
            "SELECT f.*, k.actor FROM unnest(%s::int8[]) AS k(actor) CROSS JOIN LATERAL ("
            f"SELECT {COLUMNS} FROM whodid.entry e WHERE e.ws = %s AND e.actor = k.actor "
            "ORDER BY e.occurred_at DESC, e.index DESC LIMIT 1) AS f",
            (list(actors), self.ws),
        )
        return {row[-1]: row for row in found}


_BELOW = (
    "AND (e.occurred_at, e.index) < (%(at)s, %(index)s) AND e.occurred_at >= %(low)s AND e.recorded_at >= %(since)s "
    "ORDER BY e.occurred_at DESC, e.index DESC LIMIT %(size)s"
)
# By what the indexes have, so that no row is looked up.
_PROBE = (
    "(SELECT count(*) FROM unnest(%(keys)s::int8[]) AS k(key) CROSS JOIN LATERAL (SELECT FROM whodid.{table} e "
    "WHERE e.ws = %(ws)s AND e.{column} = k.key AND e.occurred_at >= %(low)s AND e.occurred_at < %(high)s "
    f"LIMIT {PROBE}) AS counted)"
)
_ACTOR_PROBE = _PROBE.format(table="entry", column="actor")
_RESOURCE_PROBE = _PROBE.format(table="entry", column="resource")
_SHAPE_PROBE = _PROBE.format(table="entry", column="shape")
_TOUCH_PROBE = _PROBE.format(table="touch", column="key")
# A bounded run per key, merged: one condition with all keys would sort everything that has one of them.
_EACH = "SELECT {distinct} f.* FROM unnest(%(keys)s::int8[]) AS k(key) CROSS JOIN LATERAL ({run}) AS f"
_FIRST = "ORDER BY occurred_at DESC, index DESC LIMIT %(size)s"


def _by_column(column: str) -> str:
    run = f"SELECT {COLUMNS} FROM whodid.entry e WHERE e.ws = %(ws)s AND e.{column} = k.key {_BELOW}"
    return f"{_EACH.format(distinct='', run=run)} {_FIRST}"


def _by_touch() -> str:
    run = f"SELECT e.index, e.recorded_at FROM whodid.touch e WHERE e.ws = %(ws)s AND e.key = k.key {_BELOW}"
    return (
        f"SELECT {COLUMNS} FROM ({_EACH.format(distinct='DISTINCT', run=run)}) AS t JOIN whodid.entry e "
        "ON e.ws = %(ws)s AND e.index = t.index AND e.recorded_at = t.recorded_at "
        f"{_FIRST.replace('occurred_at', 'e.occurred_at').replace('index', 'e.index')}"
    )


_ACTOR_RUN, _RESOURCE_RUN, _SHAPE_RUN = _by_column("actor"), _by_column("resource"), _by_column("shape")
_TOUCH_RUN = _by_touch()

# What the query's shapes leave of a run is all that is wanted of it. Yet only so much is looked through here: beyond
# that the run is read as it is, so that the search knows how far it came when its own bound is reached.
_ACTOR = "FROM whodid.entry e WHERE e.ws = %(ws)s AND e.actor = k.key"
_SHAPES = f"SELECT {COLUMNS} FROM (SELECT * {_ACTOR} {_BELOW.replace('%(size)s', '%(through)s')}) AS e"
_ACTOR_SHAPES_RUN = (
    f"{_EACH.format(distinct='', run=f'{_SHAPES} WHERE e.shape = ANY(%(shapes)s::int4[]) LIMIT %(size)s')} {_FIRST}"
)
_ACTOR_GOES_ON = (
    f"SELECT EXISTS (SELECT FROM unnest(%(keys)s::int8[]) AS k(key) CROSS JOIN LATERAL (SELECT {_ACTOR} "
    f"{_BELOW.replace('%(size)s', '1 OFFSET %(through)s')}) AS f)"
)
