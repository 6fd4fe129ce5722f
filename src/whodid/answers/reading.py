"""A log as the source of answers: whole, or as somebody may see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from whodid.answers.shape import Kept
from whodid.log import Log
from whodid.model import Entry
from whodid.query import Query, parse

__all__ = ["Reading"]

_MOST_ACTORS = 500


class Reading:
    """One reader's way to the entries that answers rest on.

    Args:
        find: Yields matching entries, newest first, as this reader may see them; all of them by default.
        get: Returns one entry by its id, as this reader may see it.
        personal: Whether this reader sees personal values.
        narrowed: Whether this reader sees a part of the log only.
    """

    def __init__(
        self,
        log: Log,
        workspace: str,
        *,
        find: Callable[[Query], Iterator[Entry]] | None = None,
        get: Callable[[str], Entry] | None = None,
        personal: bool = True,
        narrowed: bool = False,
    ) -> None:
        self._log = log
        self._workspace = workspace
        self._find = find
        self._get = get
        self.personal = personal
        self.narrowed = narrowed

    def find(self, query: Query) -> Iterator[Entry]:
        """Iterate over matching entries, newest first."""
        return self._log.stream(self._workspace, query) if self._find is None else self._find(query)

    def get(self, key: str) -> Entry:
        """Return one entry by its id."""
        return self._log.get(self._workspace, key) if self._get is None else self._get(key)

    def actors(self) -> Iterator[str]:
        """Iterate over the ids of the people who acted, the most active first."""
        found = self._log.facets(self._workspace, Query(), "actor", limit=_MOST_ACTORS)
        yield from (one.value for one in found.values if one.group == "user")

    def kept(self) -> Kept:
        """Say how far back the log reaches."""
        if self._workspace not in self._log.workspaces():
            return Kept(size=0, first=0, since=None, until=None)
        head = self._log.head(self._workspace)
        first = head.first
        oldest = next(self._log.read(self._workspace, first), None)
        records = self._log.find(self._workspace, parse("action:audit.purged", now=self._log.now()), limit=1).entries
        until = (records[0].details or {}).get("until") if records else None
        return Kept(
            size=head.size,
            first=first,
            since=oldest.recorded_at if oldest is not None else None,
            until=until if isinstance(until, str) else None,
        )
