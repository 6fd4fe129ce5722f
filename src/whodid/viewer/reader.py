"""The log as one viewer may see it.

A `Reader` is bound to one workspace, one locked filter and one set of eyes; everything that a page shows comes through
it. So no route can forget to narrow or to hide: what it gets is narrowed and hidden already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from whodid.canonical import micros
from whodid.errors import NotFound, Purged
from whodid.log import Count, Facets, Histogram, Log, scan
from whodid.model import Entry
from whodid.query import Cursor, Query, compile_query, narrow
from whodid.viewer.sight import split
from whodid.viewer.veil import bare, covered, formed_personal, open_wire, veiled_wire

__all__ = ["STRETCH", "Reader", "Seen", "SeenPage"]

STRETCH = 4_000
"""How many entries one call tries veiled terms on; a page that ends there says where to go on."""

_STEP = 200
_WIDE = 1_000


class Seen(Struct, frozen=True, kw_only=True):
    """An entry as its viewer sees it.

    Args:
        entry: Without the values that are hidden.
        shown: With a cover over each of them.
        wire: In wire form; hidden values say that they are.
    """

    entry: Entry
    shown: Entry
    wire: dict[str, Any]


class SeenPage(NamedTuple):
    """A page of a list, newest first; `next` is where it goes on, or None at the end."""

    items: tuple[Seen, ...]
    next: Cursor | None


Accept = Callable[[Entry], bool]


class _Plan(NamedTuple):
    asked: Query
    accept: Accept | None


class Reader:
    """One viewer's way into one log.

    Args:
        locked: Narrows everything; what it leaves out does not exist for this viewer.
        personal: Whether the viewer sees personal values.
    """

    def __init__(self, log: Log, workspace: str, *, locked: Query | None = None, personal: bool = False) -> None:
        self.log = log
        self.workspace = workspace
        self.personal = personal
        self.locked = locked
        self._within: Accept = compile_query(locked if locked is not None else Query())

    def head(self) -> tuple[int, int]:
        """Return the size of the log and the first index that may still have content; (0, 0) for an empty log."""
        try:
            head = self.log.head(self.workspace)
        except NotFound:
            return 0, 0
        return head.size, head.first

    def get(self, key: int | str) -> Seen:
        """Return one entry.

        Raises:
            NotFound: There is no such entry, or not for this viewer; the two answers are the same.
            Purged: There was one, and its content left by retention.
        """
        return self.seen(self.entry(key))

    def entry(self, key: int | str) -> Entry:
        """Return one entry with everything in it, for proofs and for looking up causes; see `get`."""
        try:
            found = self.log.get(self.workspace, key)
        except Purged:
            # Whether a purged entry was within the filter cannot be known any more.
            if self.locked is None:
                raise
            found = None
        except NotFound:
            found = None
        if found is None or not self._within(found):
            raise NotFound("There is no such entry in this log", "Check its number or id")
        return found

    def find(self, query: Query, *, cursor: Cursor | None = None, limit: int = 50) -> SeenPage:
        """Return matching entries, newest first; a page may be short, or empty, and still go on."""
        plan = self._plan(query)
        if plan.accept is None:
            page = self.log.find(self.workspace, plan.asked, cursor=cursor, limit=limit)
            return SeenPage(tuple(self.seen(entry) for entry in page.entries), page.next)
        # One more than wanted tells whether there is another page.
        found, following = self._stretch(plan.asked, plan.accept, cursor, limit + 1)
        return self._page(found, following, limit)

    def find_and_count(self, query: Query, *, cursor: Cursor | None, limit: int) -> tuple[SeenPage, Count]:
        """Return what `find` and `count` return, looking at a stretch once where both need the same one."""
        plan = self._plan(query)
        if plan.accept is None or cursor is not None:
            page, count = self.find(query, cursor=cursor, limit=limit), self.count(query)
            if cursor is None and not count.exact:
                # The first page may have looked further than the count: no list says less than it shows.
                shown = len(page.items)
                count = Count(max(count.value, shown), False) if page.next else Count(shown, True)
            return page, count
        found, following = self._stretch(plan.asked, plan.accept)
        return self._page(found, following, limit), Count(len(found), following is None)

    def count(self, query: Query, *, cap: int = 10_000) -> Count:
        """Count matching entries; when not exact, there are at least that many."""
        plan = self._plan(query)
        if plan.accept is None:
            return self.log.count(self.workspace, plan.asked, cap=cap)
        found, following = self._stretch(plan.asked, plan.accept)
        return Count(len(found), following is None)

    def histogram(self, query: Query, edges: Sequence[datetime]) -> Histogram:
        """Count matching entries per kind and interval; when not exact, there are at least that many."""
        plan = self._plan(query)
        if plan.accept is None:
            return self.log.histogram(self.workspace, plan.asked, edges)
        found, following = self._stretch(plan.asked, plan.accept)
        return scan.histogram(found, edges, exact=following is None)

    def facets(self, query: Query, field: str, *, limit: int = 50, prefix: str = "") -> Facets:
        """Count matching entries per value of a field, most frequent first."""
        plan = self._plan(query)
        if plan.accept is None:
            # Values with hidden labels are taken out below; they must not take the place of others before that.
            wide = limit if self.personal else max(limit, _WIDE)
            facets = self.log.facets(self.workspace, plan.asked, field, limit=wide, prefix=prefix)
        else:
            found, following = self._stretch(plan.asked, plan.accept)
            seen = [bare(entry, self.log.catalog) for entry in found]
            facets = scan.facets(seen, field, limit, prefix, exact=following is None)
        if self.personal:
            return facets
        # A label in the form of an address is hidden like everywhere else, and cannot be found by its first letters.
        named = [
            msgspec.structs.replace(one, label=one.value.removeprefix(f"{one.group}:"))
            if formed_personal(one.label)
            else one
            for one in facets.values
        ]
        return scan.rank(named, limit, prefix, exact=facets.exact)

    def stream(self, query: Query) -> Iterator[Entry]:
        """Iterate over all matching entries that are recorded now, newest first, as an export may hold them."""
        plan = self._plan(query)
        for entry in self.log.stream(self.workspace, plan.asked):
            if self.personal:
                yield entry
            elif plan.accept is None or plan.accept(bare(entry, self.log.catalog)):
                yield covered(entry, self.log.catalog)

    def check(self, query: Query) -> None:
        """Refuse a query that asks for values which this viewer may not see.

        Raises:
            Denied: A term asks for hidden values only.
        """
        self._plan(query)

    def within(self, query: Query) -> Query:
        """Return a query narrowed by the locked filter, as it is written into the record of an export."""
        return narrow(query, self.locked) if self.locked is not None else query

    def seen(self, entry: Entry) -> Seen:
        """Hide what this viewer may not see of an entry that it may read."""
        if self.personal:
            return Seen(entry=entry, shown=entry, wire=open_wire(entry))
        catalog = self.log.catalog
        return Seen(entry=bare(entry, catalog), shown=covered(entry, catalog), wire=veiled_wire(entry, catalog))

    def _plan(self, query: Query) -> _Plan:
        if self.personal:
            return _Plan(self.within(query), None)
        open_part, veiled = split(query)
        accept = compile_query(veiled) if veiled.terms else None
        return _Plan(self.within(open_part), accept)

    def _page(self, found: list[Entry], following: Cursor | None, limit: int) -> SeenPage:
        if len(found) > limit:
            following = _after(found[limit - 1])
        return SeenPage(tuple(self.seen(entry) for entry in found[:limit]), following)

    def _stretch(
        self, asked: Query, accept: Accept, cursor: Cursor | None = None, limit: int = STRETCH
    ) -> tuple[list[Entry], Cursor | None]:
        """Try veiled terms on a stretch of the log.

        Returns:
            Up to `limit` entries, and where to go on. Where the stretch ends does not depend on hidden values.
        """
        found: list[Entry] = []
        for _ in range(STRETCH // _STEP):
            page = self.log.find(self.workspace, asked, cursor=cursor, limit=_STEP)
            for entry in page.entries:
                if accept(bare(entry, self.log.catalog)):
                    found.append(entry)
                    if len(found) == limit:
                        return found, _after(entry)
            cursor = page.next
            if cursor is None or len(page.entries) < _STEP:
                break
        return found, cursor


def _after(entry: Entry) -> Cursor:
    return Cursor(occurred_at=micros(entry.occurred_at), index=entry.index)
