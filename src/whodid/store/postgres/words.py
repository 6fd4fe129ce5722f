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
from whodid.store.postgres.weeks import WEEK, name_of, start_of
from whodid.store.search import AHEAD, ALWAYS, NEVER, PROBE, Edge, Row, Source, newest_first

__all__ = ["Found", "Window", "word_run"]

_GLANCE = 1_000  # entries of a week that the first look takes
_LOOK = 16_384  # and every later one at most
_LEAST = 64  # places that are asked for at once, so that a few missing ones are no way to the server each
_LOOKING, _GATHERING = 1, 6  # what an entry costs that is looked at, and one that is gathered: a page of its own
_KEPT = 500  # places that are gathered from a week at once
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
    "WHERE ws = %(ws)s AND words @@ %(match)s::tsquery) "
    "SELECT {n}, occurred_at, index, recorded_at, true, -1 "
    f"FROM gathered WHERE {_BELOW} {_ORDER} LIMIT %(size)s)"
)


class Found(NamedTuple):
    """Where an entry is, in the order of lists, and by which time its week is found."""

    occurred_at: int
    place: int
    recorded_at: int


class _Asked(NamedTuple):
    """What looking came upon in those weeks that have more.

    Args:
        hits: Entries that have the words.
        entries: How many were looked at.
        week: About how many entries such a week has.
    """

    hits: int
    entries: int
    week: int

    @property
    def per_week(self) -> int:
        """About how many entries of such a week have the words."""
        return self.hits * self.week // max(1, self.entries)

    def needed(self, wanted: int) -> int:
        """Return in how many entries so many have the words."""
        return wanted * self.entries // max(1, self.hits)


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
    rows_at: Callable[[Sequence[Found]], list[Row]],
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
        self._found: list[Found] = []
        self._below: dict[int, Edge] | None = None  # week → the place below which it may have more
        self._next = 0  # how many weeks the next statement searches
        self._looked: _Asked | None = None  # what the newest look told

    def total(self) -> int:
        """Estimate how many there are, up to a bound, from how densely the newest ones lie."""
        weeks, low, high = self._window()
        newest = self.places((high, NEVER), _TELLING)
        final = self._final()
        found = sum(place[:2] >= final for place in self._found)
        if final == _BOTTOM or not newest:
            return min(PROBE, found)
        begun = newest[0].occurred_at if high == ALWAYS else high
        whole = found * (begun - max(low, start_of(weeks[-1]))) // max(1, begun - final[0])
        return min(PROBE, max(found, whole))

    def places(self, edge: Edge, size: int) -> list[Found]:
        """Return the newest places strictly below an edge, up to that many, newest first."""
        if self._below is None or edge < self._final():
            self._begin(edge)
        while True:
            final = self._final()
            ready = sorted((place for place in self._found if final <= place[:2] < edge), reverse=True)
            if len(ready) >= size or final == _BOTTOM:
                return ready[:size]
            self._more(max(size - len(ready), _LEAST))

    def _begin(self, edge: Edge) -> None:
        weeks = self._window().weeks
        self._found.clear()
        self._below = dict.fromkeys(weeks, edge)
        # Weeks that began after the edge have below it what came late, if anything. Of the others the newest may be
        # there ahead of its time, and the one before it have only just begun.
        self._next = max(1, sum(start_of(week) > edge[0] for week in weeks)) + 2
        self._looked = None

    def _final(self) -> Edge:
        """Return the place from which on upwards everything was found."""
        return max(map(self._border, self._below or ()), default=_BOTTOM)

    def _border(self, week: int) -> Edge:
        """Return the place above which a week has nothing that was not found."""
        # Intake admits no event from the future, so nothing in a week occurred after its end.
        return min((self._below or {})[week], (start_of(week + 1) + AHEAD, NEVER))

    def _more(self, wanted: int) -> None:
        """Find more places: about so many are needed."""
        # What holds the list up comes first.
        weeks = sorted(self._below or (), key=lambda week: (self._border(week), week), reverse=True)[: self._next]
        before = self._looked
        if before is None:
            looked = self._looked = self._ask(_LOOKED, weeks, wanted, _GLANCE)
            self._next = 1 + wanted // looked.per_week if looked.per_week else self._next
        elif _LOOKING * before.needed(wanted) < _GATHERING * before.per_week and before.needed(wanted) <= _LOOK:
            looked = self._ask(_LOOKED, weeks, wanted, min(2 * before.needed(wanted), _LOOK))
            # Without any entries these weeks are done, and the next are like them.
            self._looked, self._next = looked if looked.entries else before, 1
        else:
            # All are gathered in any case: what is not needed yet is kept for the next chunk.
            self._ask(_GATHERED, weeks, max(wanted, _KEPT))
            self._next = 1 if weeks[0] in (self._below or ()) else 2 * self._next

    def _ask(self, statement: str, weeks: Sequence[int], size: int, most: int = 0) -> _Asked:
        """Search weeks below where that was done, one statement for all.

        Args:
            size: How many places to take from each week.
            most: How many of its entries to look at.
        """
        below = self._below or {}
        values: dict[str, Any] = {"ws": self._ws, "match": self._match, "low": self._window().low}
        parts = []
        for n, week in enumerate(weeks):
            values[f"at{n}"], values[f"index{n}"] = below[week]
            parts.append(statement.format(n=n, table=name_of("entry", week)))
        rows = self._reader.rows(" UNION ALL ".join(parts), {**values, "size": size, "most": most})
        rows.sort(key=lambda row: (row[0], -row[1], -row[2]))
        by_week = {n: list(group) for n, group in groupby(rows, key=lambda row: int(row[0]))}
        asked = _Asked(0, 0, 0)
        for n, week in enumerate(weeks):
            found = by_week.get(n, [])
            self._found += [Found(*row[1:4]) for row in found if row[4]]
            if not found or (len(found) < size and found[-1][5] != most):
                del below[week]
                continue
            last = found[-1]
            below[week] = (last[1], last[2])
            if most:
                # As many as came between the first and the last of these come all week long.
                rate = (last[5] - found[0][5]) * WEEK // max(1, found[0][1] - last[1])
                asked = _Asked(
                    asked.hits + sum(row[4] for row in found), asked.entries + last[5], max(asked.week, rate)
                )
        return asked
