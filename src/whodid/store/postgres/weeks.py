"""Weeks of recording: the partitions of the tables that belong to entries.

A batch has one time of recording, so it falls into one week and is copied straight into that week's tables.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from whodid.store.postgres.engine import Connection

__all__ = ["WEEK", "Weeks", "drop_whole", "empty_before", "name_of", "start_of", "week_of"]

WEEK = 7 * 86_400_000_000
"""Microseconds."""

_MONDAY = 4 * 86_400_000_000  # 5 January 1970 was the first Monday
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAKING = 0x77656B73  # advisory lock, one per database
_PATIENCE = "2s"  # how long dropping may wait for readers; everybody who comes later waits behind it
_TABLES = ("entry", "touch")


def week_of(recorded_at: int) -> int:
    """Return the number of the week of an instant in microseconds since 1970; weeks begin on Monday, UTC."""
    return (recorded_at - _MONDAY) // WEEK


def start_of(week: int) -> int:
    """Return the first instant of a week."""
    return week * WEEK + _MONDAY


@lru_cache
def name_of(table: str, week: int) -> str:
    """Return the name of a week's table, which tells its Monday."""
    monday = _EPOCH + timedelta(microseconds=start_of(week))
    return f"whodid.{table}_{monday:%Y_%m_%d}"


class Weeks:
    """Which weeks have their tables, as far as this process has seen."""

    def __init__(self) -> None:
        self._there: set[int] = set()

    def forget(self) -> None:
        """Look again next time: somebody dropped a week."""
        self._there.clear()

    def ensure(self, writer: Connection, week: int) -> None:
        """Have the tables of a week and, ahead of time, of the next one.

        They are made within the running transaction: attaching needs no lock that readers or writers of other weeks
        would wait for, and processes that come to it at once take turns.
        """
        if week in self._there:
            return
        wanted = [one for one in (week, week + 1) if not _exists(writer, one)]
        if not wanted:
            self._there.add(week)
            return
        writer.row("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
        # Not remembered as there before a later transaction finds them: this one may yet roll back.
        for one in wanted:
            if not _exists(writer, one):
                for table in _TABLES:
                    name = name_of(table, one)
                    writer.execute(f"CREATE TABLE {name} (LIKE whodid.{table} INCLUDING ALL)")
                    writer.execute(
                        f"ALTER TABLE whodid.{table} ATTACH PARTITION {name} "
                        f"FOR VALUES FROM ({start_of(one)}) TO ({start_of(one + 1)})"
                    )

    @staticmethod
    def all(reader: Connection) -> list[int]:
        """Return the weeks that have tables, newest first, and keep them there until the transaction ends."""
        reader.execute("LOCK TABLE ONLY whodid.entry IN ACCESS SHARE MODE")
        found = reader.rows(
            "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = 'whodid.entry'::regclass ORDER BY 1 DESC"
        )
        mondays = [datetime.strptime(name, "entry_%Y_%m_%d").replace(tzinfo=UTC) for (name,) in found]
        return [week_of((monday - _EPOCH) // timedelta(microseconds=1)) for monday in mondays]


def _exists(connection: Connection, week: int) -> bool:
    # Read from the catalog: to_regclass may answer from memory until the transaction ends.
    return bool(
        connection.row(
            "SELECT 1 FROM pg_class WHERE relnamespace = 'whodid'::regnamespace AND relname = %s",
            (name_of("touch", week).removeprefix("whodid."),),
        )
    )


def drop_whole(writer: Connection, week: int, entries: int) -> bool:
    """Drop a week if it holds so many entries and no more, which the caller knows to go; say whether it was dropped."""
    # The week's own table, because a week belongs to all workspaces and a policy would hide the others.
    held = f"SELECT count(*) FROM (SELECT 1 FROM {name_of('entry', week)} LIMIT {entries + 1}) AS counted"
    if writer.value(held) != entries:
        return False
    dropped = False
    with writer.attempt():
        writer.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        for table in _TABLES:
            writer.execute(f"LOCK TABLE ONLY whodid.{table} IN ACCESS EXCLUSIVE MODE")
        if writer.value(held) == entries:
            for table in _TABLES:
                writer.execute(f"DROP TABLE {name_of(table, week)}")
            dropped = True
    return dropped


def empty_before(reader: Connection, week: int) -> int | None:
    """Return a week before the given one that has tables and no entries, or None."""
    for one in reversed(Weeks.all(reader)):
        if one < week and not reader.value(f"SELECT EXISTS (SELECT 1 FROM {name_of('entry', one)})"):
            return one
    return None
