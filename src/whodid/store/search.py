"""One query against one workspace: what every engine with indexes does the same way.

Every search has one *source*, a descending run of rows by (occurred_at, place) that surely contains all matches: the
entries of an actor, of a resource, of a few shapes, of rare words, or simply all by time. Whatever the source does not
decide is decided by looking at the entry, with the same predicate as every other store. An engine says which sources it
has and what its roll-ups hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from whodid import canonical
from whodid.model import Entry
from whodid.query import Cursor, Page, Query, Shape, Term, compile_query, ids, matches_shape, tokens
from whodid.store.base import Kept, restore

__all__ = [
    "AHEAD",
    "ALWAYS",
    "NEVER",
    "PROBE",
    "SCAN_LIMIT",
    "Edge",
    "Fetch",
    "Row",
    "Search",
    "Source",
    "Span",
    "newest_first",
    "whole_words",
]

NEVER, ALWAYS = -(1 << 62), 1 << 62
PROBE = 1_000
"""How far sources are counted to compare them."""
SCAN_LIMIT = 20_000
"""Entries that one call may look at."""
AHEAD = 3_600_000_000
"""An hour: far more than an event's clock may be ahead of the log's."""

_FEW_SHAPES = 16
_WITHIN = ("reason", "before", "after")
_SHORTEST = 3  # a shorter prefix stands for too many words
_CHUNK = 1_000

Row = tuple[Any, ...]
"""(place, kind, id, occurred_at, recorded_at, seed, payload, shape, …); a greater place is a greater index."""

Edge = tuple[int, int]
"""(occurred_at, place): rows strictly below it are still to come."""

Span = tuple[int, int, int]
"""(number, low, high): of several spans [low, high), each with a number of its own."""

Fetch = Callable[[Edge, int], list[Row]]


class Source(NamedTuple):
    """A descending run of rows.

    Args:
        fetch: Returns up to that many rows strictly below an edge, newest first.
        total: Tells about how many it holds; asked only when there is a choice.
    """

    fetch: Fetch
    total: Callable[[], int]


class Search(ABC):
    """One query against one workspace within one read transaction.

    Args:
        known: Every shape of the workspace by number.
    """

    def __init__(self, workspace: str, query: Query, known: Mapping[int, Shape]) -> None:
        self.workspace = workspace
        self.query = query
        self.low = NEVER if query.since is None else canonical.micros(query.since)
        self.high = ALWAYS if query.until is None else canonical.micros(query.until)
        self.known = known
        self.only_shapes = True
        self.shapes = self._allowed_shapes()
        self.exhausted = True
        """Whether the last `walk` saw everything."""
        self._accept = compile_query(query)

    # ---------------------------------------------------------------- what an engine says

    @abstractmethod
    def place(self, index: int) -> int:
        """Return the place of an index."""

    @abstractmethod
    def index(self, place: int) -> int:
        """Return the index of a place."""

    @abstractmethod
    def keep(self, row: Row) -> Kept:
        """Turn a row into a kept entry."""

    @abstractmethod
    def by_time(self, edge: Edge, size: int) -> list[Row]:
        """Fetch from all entries."""

    @abstractmethod
    def by_shapes(self, numbers: Sequence[int]) -> Source:
        """Return the entries that have one of the shapes."""

    @abstractmethod
    def by_clues(self, term: Term, wanted: Sequence[str], words: Sequence[Source]) -> Source:
        """Return the entries that carry one of the ids where the term looks for them, or are in a run of words."""

    @abstractmethod
    def by_words(self, prefixes: Sequence[str], *, exact: bool) -> Source | None:
        """Return the entries that have a word for every prefix (`exact`: every whole word); None: no index of words."""

    @abstractmethod
    def days(self) -> tuple[int, int] | None:
        """Return the first and the last day that has entries, as buckets of the roll-ups; None when there are none."""

    @abstractmethod
    def tallied(self, scale: int, spans: Sequence[Span]) -> Iterable[tuple[int, int, int]]:
        """Sum a roll-up per (number of the span, value) over the buckets of each span."""

    @abstractmethod
    def counted(self, column: str, spans: Sequence[Span]) -> Iterable[tuple[int, int, int]]:
        """Count entries per (number of the span, value of the column shape or actor) that occurred in each span."""

    @abstractmethod
    def newest_of(self, actors: Sequence[int]) -> dict[int, Row]:
        """Return the newest entry of each actor that has one."""

    # ---------------------------------------------------------------- reading

    def _allowed_shapes(self) -> frozenset[int] | None:
        """Return the shapes that the shape terms leave, or None when there is no such term."""
        deciding: list[Term] = []
        sample = next(iter(self.known.values()), None)
        for term in self.query.terms:
            if sample is None or matches_shape(term, sample) is None:
                self.only_shapes = False
            else:
                deciding.append(term)
        if not deciding:
            return None
        return frozenset(
            number for number, shape in self.known.items() if all(matches_shape(term, shape) for term in deciding)
        )

    def entry(self, row: Row) -> Entry:
        """Decode a row."""
        return restore(self.keep(row), self.workspace)

    def page(self, cursor: Cursor | None, limit: int) -> Page:
        """Return the next page; see `Store.find`."""
        edge = (self.high, NEVER) if cursor is None else (cursor.occurred_at, self.place(cursor.index))
        if edge[0] > self.high:
            edge = (self.high, NEVER)
        found: list[Entry] = []
        looked, chunk = 0, limit + 1
        source = self._source()
        while len(found) <= limit:
            rows = source.fetch(edge, chunk) if looked < SCAN_LIMIT else None
            if rows is None:
                # The bound is reached: hand back what there is, and where to go on.
                return Page(entries=tuple(found), next=Cursor(occurred_at=edge[0], index=self.index(edge[1])))
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
            # Twice what holds the missing ones if it goes on like this; four times as many as before where nothing is.
            likely = 2 * (limit + 1 - len(found)) * looked // max(1, len(found))
            chunk = min(chunk * 4, 2_000, max(likely, limit + 1))
        if len(found) <= limit:
            return Page(entries=tuple(found), next=None)
        last = found[limit - 1]
        return Page(
            entries=tuple(found[:limit]),
            next=Cursor(occurred_at=canonical.micros(last.occurred_at), index=last.index),
        )

    def chunk(self, edge: Edge | None, size: int) -> tuple[list[Kept], Edge | None]:
        """Return the matching entries among the next rows below an edge, and the edge to go on from (None: the end)."""
        rows = self._source().fetch(edge or (self.high, NEVER), _CHUNK)
        stop = self.place(size)
        found: list[Kept] = []
        for row in rows:
            if row[3] < self.low:
                return found, None
            if row[0] >= stop or (self.shapes is not None and row[7] not in self.shapes):
                continue
            kept = self.keep(row)
            if self.only_shapes or self._accept(restore(kept, self.workspace)):
                found.append(kept)
        return found, (rows[-1][3], rows[-1][0]) if len(rows) == _CHUNK else None

    def walk(self, bound: int) -> Iterator[Entry]:
        """Iterate over matching entries, newest first, looking at no more than `bound` candidates."""
        edge, looked = (self.high, NEVER), 0
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
                    yield entry
            if len(rows) < size:
                self.exhausted = True
                return
            looked += len(rows)
        self.exhausted = False

    # ---------------------------------------------------------------- sources

    def _source(self) -> Source:
        """Choose the source that holds least, by counting each a little way."""
        if self.shapes is not None and not self.shapes:
            return Source(lambda *_: [], lambda: 0)
        sources = [source for term in self.query.terms if (source := self._clued(term)) is not None]
        if self.shapes is not None and len(self.shapes) <= _FEW_SHAPES:
            sources.append(self.by_shapes(sorted(self.shapes)))
        if len(sources) == 1:
            return sources[0]
        sources.append(Source(self.by_time, lambda: PROBE + 1))
        return min(sources, key=lambda source: source.total()) if len(sources) > 1 else sources[0]

    def _clued(self, term: Term) -> Source | None:
        """Return the entries that carry one of the term's ids or the words of one of its groups."""
        groups, wanted = tokens(term), ids(term)
        if groups is None or wanted is None:
            return None
        exact = whole_words(term)
        words = []
        for group in groups:
            telling = [token for token in group if exact or len(token) >= _SHORTEST]
            source = self.by_words(telling, exact=exact) if telling else None
            if source is None:
                return None
            words.append(source)
        return self.by_clues(term, wanted, words)


def whole_words(term: Term) -> bool:
    """Tell whether the words of a term are whole words of the entries it finds, not only beginnings of them.

    A value in quotes is made of whole words. A free word, and a value with a `*`, may go on; a text within a reason or
    a changed value may begin and end within a word.
    """
    return term.field not in _WITHIN and not any(value.prefix for value in term.values)


def newest_first(rows: Iterable[Row]) -> list[Row]:
    """Sort rows in the order of lists."""
    return sorted(rows, key=lambda row: (row[3], row[0]), reverse=True)
