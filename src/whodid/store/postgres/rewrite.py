"""Tables whose dead rows still hold what was erased are written anew, so that their bytes leave the files.

An erasure notes the weeks that it touched within its own transaction; the note goes once the week's table is rewritten.
What a plain vacuum frees keeps its bytes until other rows take the space.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow

from whodid.errors import StoreUnavailable
from whodid.store.postgres.engine import Connection
from whodid.store.postgres.weeks import name_of

__all__ = ["note_rewriting", "rewrite"]

_NOTE = "rewrite "
_PATIENCE = "2s"  # how long it waits for readers; everybody who comes later waits behind it
_TRIES = 5
_REST_S = 0.5
_NUMBER = re.compile(r"\d+")


def note_rewriting(writer: Connection, weeks: Iterable[int]) -> None:
    """Note, within a transaction that takes values out of entries, in which weeks these stand."""
    for week in sorted(weeks):
        writer.execute(
            "INSERT INTO whodid.setting VALUES (%s, %b) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (f"{_NOTE}{week}", os.urandom(16)),
        )


def rewrite(raw: psycopg.Connection[TupleRow]) -> None:
    """Rewrite the tables of the noted weeks, each under a lock that readers and writers of that week wait for.

    Args:
        raw: A connection of its own, outside of a transaction.

    Raises:
        StoreUnavailable: A table is in use, or an old transaction may still look at what was erased; the note stays.
    """
    noted = raw.execute("SELECT name, value FROM whodid.setting WHERE starts_with(name, %s)", (_NOTE,)).fetchall()
    raw.execute(f"SET lock_timeout = '{_PATIENCE}'")
    for name, value in sorted(noted):
        table = name_of("entry", int(name.removeprefix(_NOTE)))
        # A week that was purged meanwhile has no table any more.
        if raw.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone() == (True,):
            _rewritten(raw, table)
        raw.execute("DELETE FROM whodid.setting WHERE name = %s AND value = %b", (name, value))
    raw.execute("VACUUM whodid.touch, whodid.entry_id")
    if noted:
        # The files that were left are removed with the next checkpoint, which only some roles may ask for.
        with suppress(errors.InsufficientPrivilege):
            raw.execute("CHECKPOINT")


def _rewritten(raw: psycopg.Connection[TupleRow], table: str) -> None:
    told: list[str] = []

    def hear(diagnostic: errors.Diagnostic) -> None:
        told.append(diagnostic.message_detail or "")

    raw.add_notice_handler(hear)
    try:
        for left in reversed(range(_TRIES)):
            told.clear()
            try:
                raw.execute(f"VACUUM (FULL, VERBOSE) {table}")
            except errors.LockNotAvailable:
                if not left:
                    raise StoreUnavailable(
                        f"{table} is in use all the time",
                        "Erase again when it is quieter: until then the erased bytes may still be in its files",
                    ) from None
            else:
                if not _looked_at(told):
                    return
                if not left:
                    raise StoreUnavailable(
                        f"An old transaction may still look at dead rows of {table}",
                        "End it (a backup, a replication slot, a forgotten session) and erase again",
                    )
            time.sleep(_REST_S)
    finally:
        raw.remove_notice_handler(hear)


def _looked_at(told: list[str]) -> bool:
    """Tell whether rows were carried over that are dead, as the detail says whose first number counts them."""
    counts = [_NUMBER.search(detail) for detail in told if detail]
    return any(count is not None and int(count[0]) for count in counts)
