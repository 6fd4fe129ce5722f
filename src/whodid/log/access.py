"""What every way into the logs of a deployment shares: store, key, clock, and how something is looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from whodid.errors import NotFound, Purged
from whodid.log.keys import DeploymentKey
from whodid.log.proving import Prover, existing
from whodid.query import Query, parse
from whodid.sequence import Head
from whodid.store.base import Kept, Store

__all__ = ["Access"]


class Access:
    """Look up what the logs of a deployment hold.

    Args:
        store: The engine.
        key: The deployment key.
        clock: Returns now, UTC.
    """

    def __init__(self, store: Store, key: DeploymentKey, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._reads = store  # what whoever only reads is answered from
        self._key = key
        self._clock = clock

    def _query(self, query: Query | str) -> Query:
        return parse(query, now=self._clock()) if isinstance(query, str) else query

    def _existing(self, workspace: str) -> Head:
        return existing(self._reads, workspace)

    def _kept(self, workspace: str, key: int | str) -> Kept:
        if isinstance(key, str):
            with suppress(ValueError):
                kept = self._reads.get(workspace, UUID(key).bytes)
                if kept is not None:
                    return kept
            raise NotFound(f"There is no entry with the id {key}", "It may have been purged")
        kept = self._reads.get(workspace, key)
        if kept is not None:
            return kept
        head = self._reads.head(workspace)
        if head is not None and 0 <= key < head.size:
            raise Purged(key)
        raise NotFound(f"There is no entry {key}", f"The newest is {head.size - 1}" if head and head.size else "")

    def _snapshot(self, workspace: str, query: Query | str) -> Iterator[Kept]:
        head = self._reads.head(workspace)
        if head is not None:
            yield from self._reads.stream(workspace, self._query(query), head.size)

    def _prover(self, workspace: str) -> Prover:
        return Prover(self._reads, workspace, self._existing(workspace), self._key)
