"""Rows as they stand in the database: read in one statement per table and hundred keys, on the connection that writes.

Nothing here goes through the session: no object is loaded, refreshed or flushed for the sake of an entry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import sqlalchemy as sa

from whodid.capture.sqlalchemy.plan import Plan

__all__ = ["CHUNK", "chunks", "key_is", "rows_by_key"]

CHUNK = 500

Identity = tuple[Any, ...]


def rows_by_key(
    connection: sa.Connection, plan: Plan, keys: Collection[str], identities: Iterable[Identity]
) -> dict[Identity, dict[str, Any]]:
    """Read columns of rows by their primary keys.

    Args:
        connection: The one that writes them.
        plan: Of their mapper.
        keys: The attributes to read.
        identities: The primary keys.

    Returns:
        Primary key → attribute → value; rows that do not exist are missing.
    """
    wanted = [key for key in plan.columns if key in keys]
    query = _query(plan, tuple(wanted))
    found: dict[Identity, dict[str, Any]] = {}
    size = len(plan.keys)
    for some in chunks(identities, CHUNK):
        given = [one[0] for one in some] if size == 1 else list(some)
        for row in connection.execute(query, {"keys": given}):
            found[tuple(row[:size])] = dict(zip(wanted, row[size:], strict=True))
    return found


def key_is(columns: Sequence[sa.Column[Any]], keys: sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that some columns together are one of the given keys."""
    return columns[0].in_(keys) if len(columns) == 1 else sa.tuple_(*columns).in_(keys)


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield items in lists of at most that many."""
    steps = iter(items)
    while some := list(islice(steps, size)):
        yield some


@lru_cache(maxsize=1024)
def _queries(mapper: Any, wanted: tuple[sa.Column[Any], ...]) -> sa.Select[Any]:
    primary = mapper.primary_key
    return (
        sa.select(*(column.label(None) for column in (*primary, *wanted)))
        .select_from(mapper.persist_selectable)
        .where(key_is(primary, sa.bindparam("keys", expanding=True)))
    )


def _query(plan: Plan, wanted: tuple[str, ...]) -> sa.Select[Any]:
    return _queries(plan.mapper, tuple(plan.columns[key].column for key in wanted))
