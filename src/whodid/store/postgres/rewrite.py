"""Tables whose dead rows still hold what was erased are written anew, so that their bytes leave the files.

An erasure notes the weeks that it touched within its own transaction; the note goes once the week's table is rewritten.
What a plain vacuum frees keeps its bytes until other rows take the space.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable

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


def rewrite(connection: Connection) -> None:
    """Rewrite the tables of the noted weeks, each under a lock that readers and writers of that week wait for.

    Args:
        connection: One of its own, outside of a transaction.

    Raises:
        StoreUnavailable: A table is in use, or an old transaction may still look at what was erased; the note stays.
    """
    noted = connection.rows("SELECT name, value FROM whodid.setting WHERE starts_with(name, %s)", (_NOTE,))
    connection.execute(f"SET lock_timeout = '{_PATIENCE}'")
    for name, value in sorted(noted):
        table = name_of("entry", int(name.removeprefix(_NOTE)))
        # A week that was purged meanwhile has no table any more.
        if connection.value("SELECT to_regclass(%s) IS NOT NULL", (table,)):
            _rewritten(connection, table)
        connection.execute("DELETE FROM whodid.setting WHERE name = %s AND value = %b", (name, value))
    connection.execute("VACUUM whodid.touch, whodid.entry_id")
    if noted:
        # The files that were left are removed with the next checkpoint.
        connection.checkpoint()


def _rewritten(connection: Connection, table: str) -> None:
    told: list[str] | None = None
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_REST_S)
        told = connection.try_rewriting(table)
        if told is not None and not _looked_at(told):
            return
    if told is None:
        raise StoreUnavailable(
            f"{table} is in use all the time",
            "Erase again when it is quieter: until then the erased bytes may still be in its files",
        )
    raise StoreUnavailable(
        f"An old transaction may still look at dead rows of {table}",
        "End it (a backup, a replication slot, a forgotten session) and erase again",
    )


def _looked_at(told: list[str]) -> bool:
    """Tell whether rows were carried over that are dead, as the detail says whose first number counts them."""
    counts = [_NUMBER.search(detail) for detail in told if detail]
    return any(count is not None and int(count[0]) for count in counts)
