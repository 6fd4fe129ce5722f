"""Entries that have certain words, newest first, found week by week in the weeks' own tables.

Behind a policy the planner may not use an index of words, because its operator could tell about rows that the policy
hides. Only places come from here; the entries at them are then read through the policy like all others.

A week is searched in one of two ways. *Looking* takes a bounded number of entries from the index of times and asks each
for the words: a few hundred of them hold a page of what is frequent, however large the log. *Gathering* takes from the
index of words all that a week has: for what is rare. The planner is not asked which: it knows how frequent single words
are, not which of them come together. What a first look finds tells how densely they lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from whodid.store.postgres.engine import Connection
from whodid.store.postgres.weeks import name_of, start_of
from whodid.store.search import AHEAD, ALWAYS, NEVER, PROBE, Edge, Row, Source, newest_first

__all__ = ["Place", "Window", "word_run"]

_GLANCE = 1_000  # entries of a week that the first look takes
_LOOK = 8_192  # and every later one: where more would be needed, gathering takes less
_LEAST = 64  # places that are asked for at once, so that a few missing ones are no way to the server each
_TELLING = 4  # places that suffice to estimate how densely all of them lie
_BOTTOM: Edge = (NEVER, NEVER)

_BELOW = "(occurred_at, index) < (%(at{n})s, %(index{n})s) AND occurred_at >= %(low)s"
_ORDER = "ORDER BY occurred_at DESC, index DESC"
# The last of the entries that were looked at comes along even without the words: the next look goes on below it.
_LOOKED = (
    "(SELECT {n}, occurred_at, index, recorded_at, hit, place FROM (SELECT occurred_at, index, recorded_at, "
    f"words @@ %(match)s::tsquery AS hit, row_number() OVER ({_ORDER}) AS place FROM {{table}} "
    f"WHERE ws = %(ws)s AND {_BELOW} {_ORDER} LIMIT %(most)s) AS looked "
    f"WHERE hit OR place = %(most)s {_ORDER} LIMIT %(size)s)"
)
# Apart, so that no index but that of words can seem to serve.
_GATHERED = (
    "(WITH gathered AS MATERIALIZED (SELECT occurred_at, index, recorded_at FROM {table} "
    "WHERE ws = %(ws)s AND words @@ %(match)s::tsquery) SELECT {n}, occurred_at, index, recorded_at, true, 0 "
    f"FROM gathered WHERE {_BELOW} {_ORDER} LIMIT %(size)s)"
)


class Place(NamedTuple):
    """Where an entry is, in the order of lists, and by which time its week is found."""

    occurred_at: int
    index: int
    recorded_at: int


class Window(NamedTuple):
    """Where to search.

    Args:
        weeks: Those that have tables and are not over before the period begins, newest first.
        low: The first instant of the period.
        high: The first instant after it.
    """

    weeks: Sequence[int]
    low: int
    high: int


def word_run(
    reader: Connection,
    ws: int,
    match: str,
    window: Callable[[], Window],
    rows_at: Callable[[Sequence[Place]], list[Row]],
) -> Source:
    """Return the run of entries that have words.

    Args:
        match: The words as a `tsquery`.
        window: Tells where to search; asked when the search begins.
        rows_at: Returns the entries at places, in any order.
    """
    run = _WordRun(reader, ws, match, window)
    return Source(lambda edge, size: newest_first(rows_at(run.places(edge, size))), run.total)


class _WordRun:
    """What was found below an edge, and where each week was not searched yet."""

    def __init__(self, reader: Connection, ws: int, match: str, window: Callable[[], Window]) -> None:
        self._reader = reader
        self._ws = ws
        self._match = match
        self._window = window
        self._edge: Edge = (ALWAYS, ALWAYS)
        self._found: list[Place] = []
        self._open: dict[int, Edge] = {}  # week → the place below which it was not searched
        self._rest: list[int] | None = None  # older weeks, newest first; None before the beginning
        self._glanced = self._frequent = False

    def total(self) -> int:
        """Estimate how many there are, up to a bound, from how densely the newest ones lie."""
        weeks, low, high = self._window()
        newest = self.places((high, NEVER), _TELLING)
        final = self._final()
        found = sum(place[:2] >= final for place in self._found)
        if final == _BOTTOM or not newest:
            return min(PROBE, found)
        begun = newest[0].occurred_at if high == ALWAYS else high
        return min(PROBE, found * (begun - max(low, start_of(weeks[-1]))) // max(1, begun - final[0]))

    def places(self, edge: Edge, size: int) -> list[Place]:
        """Return the newest places strictly below an edge, up to that many, newest first."""
        if self._rest is None or edge < self._final():
            self._begin(edge)
        while True:
            final = self._final()
            ready = sorted((place for place in self._found if final <= place[:2] < edge), reverse=True)
            if len(ready) >= size or final == _BOTTOM:
                return ready[:size]
            self._more(max(size - len(ready), _LEAST))

    def _begin(self, edge: Edge) -> None:
        weeks = self._window().weeks
        # Weeks that began after the edge have below it what came late, if anything. Of the others the newest may be
        # there ahead of its time, and the one before it have only just begun.
        first = max(1, sum(start_of(week) > edge[0] for week in weeks)) + 2
        self._edge = edge
        self._found.clear()
        self._open, self._rest = dict.fromkeys(weeks[:first], edge), list(weeks[first:])
        self._glanced = self._frequent = False

    def _final(self) -> Edge:
        """Return the place from which on upwards everything was found."""
        return max(self._late(), max(self._open.values(), default=_BOTTOM))

    def _late(self) -> Edge:
        """Return the place above which the weeks that were not opened have nothing.

        Intake admits no event from the future, so nothing in a week occurred after its end.
        """
        return (start_of(self._rest[0] + 1) + AHEAD, NEVER) if self._rest else _BOTTOM

    def _more(self, wanted: int) -> None:
        """Find more places: about so many are needed."""
        rest = self._rest or []
        rare = self._glanced and not self._frequent
        # What nothing was found of is rare: then all weeks are asked at once.
        if rest and self._glanced and (self._late() >= max(self._open.values(), default=_BOTTOM) or not self._found):
            opened = len(rest) if rare else 2
            self._open.update(dict.fromkeys(rest[:opened], self._edge))
            del rest[:opened]
        # Only what holds the list up; the others wait until it comes to them.
        weeks = {week: border for week, border in self._open.items() if border > self._late()}
        if rare:
            self._ask(_GATHERED, weeks, wanted)
            return
        hits, looked = self._ask(_LOOKED, weeks, wanted, _LOOK if self._glanced else _GLANCE)
        self._glanced, self._frequent = True, hits > 0 and wanted * looked <= hits * _LOOK

    def _ask(self, statement: str, weeks: dict[int, Edge], size: int, most: int = 0) -> tuple[int, int]:
        """Search below the borders of weeks, one statement for all, and move the borders.

        Returns:
            In those weeks that are not done: how many have the words, of how many that were looked at.
        """
        values: dict[str, Any] = {"ws": self._ws, "match": self._match, "low": self._window().low}
        parts = []
        for n, (week, (at, index)) in enumerate(weeks.items()):
            values |= {f"at{n}": at, f"index{n}": index}
            parts.append(statement.format(n=n, table=name_of("entry", week)))
        rows = self._reader.rows(" UNION ALL ".join(parts), {**values, "size": size, "most": most})
        rows.sort(key=lambda row: (row[0], -row[1], -row[2]))
        by_week = {n: list(group) for n, group in groupby(rows, key=lambda row: int(row[0]))}
        hits = looked = 0
        for n, week in enumerate(weeks):
            found = by_week.get(n, [])
            self._found += [Place(*row[1:4]) for row in found if row[4]]
            if found and (len(found) == size or found[-1][5] == most):
                self._open[week] = (found[-1][1], found[-1][2])
                hits, looked = hits + sum(row[4] for row in found), looked + found[-1][5]
            else:
                del self._open[week]
        return hits, looked
