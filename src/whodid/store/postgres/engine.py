"""Connections to PostgreSQL: transactions bound to a workspace, settings that durability rests on, migrations, errors.

Connections are made when they are needed and kept for reuse; there is no thread and no waiting in the background, so a
database that went away is an error at once, and one that came back is used at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from whodid.errors import InvalidSetting, StoreCorrupt, StoreError, StoreFull, StoreUnavailable
from whodid.store import migrate
from whodid.store.postgres.addresses import refuse_cut_login, unreadable
from whodid.store.postgres.gone import ASIDE, END_SILENT, NOTICED, NOTICING, SILENT_WRITING_MS
from whodid.store.postgres.line import Letter, Line
from whodid.store.postgres.older import for_15
from whodid.store.postgres.settings import DURABLE, PLANNED_ONCE, beginning

Values = Sequence[Any] | Mapping[str, Any]

__all__ = ["Connection", "Engine", "Retry", "TookTooLong"]

_OLDEST = 150_000
_SAYS_STORAGE = 160_000  # from here on in CREATE TABLE
_LIMITS_TRANSACTIONS = 170_000
_CONNECTIONS = 10
_CONNECT_S = 10
_CONNECT_ASIDE_S = 2
_WAIT_S = 30
# For a lock it is less than for a whole append: whoever waits for one that nobody gives up is to hear that it is this.
_LOCK_MS, _WRITE_MS, _READ_MS = 25_000, 60_000, 60_000
_LOCK_ASIDE_MS = 500  # what is locked at a replica is being replayed, and can be read at the primary meanwhile
_SILENT_READING_MS = 600_000
# In a pipeline the server counts no silence; from version 17 on it counts the transaction as a whole, though not while
# it waits for the rows of a COPY: see `gone`.
_WHOLE = "SET LOCAL transaction_timeout = {0:.0f}"
# For the beginning on a replica, or on a connection that was idle: the network may have forgotten it since.
_BEGUN_S = 5.0
_MIGRATING = 0x77686F646964  # advisory lock, one per database
_MARKING = 0x6D61726B  # advisory lock, one per database
_ENDINGS = (psycopg.OperationalError, psycopg.InterfaceError)

# Taken before the first statement, so that this one sees the mark that a move left, whoever waited for whom.
_SHARE = f"SELECT pg_advisory_xact_lock_shared({_MARKING})"
_BEGIN_WRITING = (
    *beginning("READ COMMITTED", _LOCK_MS, _WRITE_MS, SILENT_WRITING_MS),
    "SET LOCAL plan_cache_mode = auto",
)


class Retry(StoreUnavailable):
    """The transaction met another one, or a week that came or went: do it again from the beginning."""


class TookTooLong(StoreUnavailable):
    """A statement ran into its limit: elsewhere it would take as long."""


class Connection:
    """A connection within a transaction, whose results are typed as what SQL gives: anything."""

    def __init__(self, raw: Line, begun: Letter | None = None) -> None:
        self.raw = raw
        self.last = Letter()
        """What is said at the end, together with the commit."""
        self.committing = False
        self._begun = begun

    def first(self) -> tuple[Any, ...]:
        """Return the row that was asked for together with the beginning of the transaction."""
        return self._begun.rows(-1)[0] if self._begun is not None else ()

    def rows(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a statement."""
        return self.raw.execute(statement, values, binary=True).fetchall()

    def row(self, statement: str, values: Values = ()) -> tuple[Any, ...] | None:
        """Return the first row of a statement, or None."""
        return self.raw.execute(statement, values, binary=True).fetchone()

    def value(self, statement: str, values: Values = ()) -> Any:
        """Return the only value of a statement that always has one row."""
        row = self.row(statement, values)
        return None if row is None else row[0]

    def execute(self, statement: str, values: Values = ()) -> int:
        """Execute a statement; return how many rows it changed."""
        return self.raw.execute(statement, values).rowcount

    def copy(self, table: str, columns: str, data: bytes) -> None:
        """Write rows that are encoded in PostgreSQL's binary COPY format, without its header and trailer."""
        with (
            self.raw.cursor() as cursor,
            cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT binary)") as copy,
        ):
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + data + b"\xff\xff")

    def try_rewriting(self, table: str) -> list[str] | None:
        """Write a table anew, outside of a transaction.

        Returns:
            The details that the server tells about it, or None when its lock was not to be had in time.
        """
        told: list[str] = []

        def hear(diagnostic: errors.Diagnostic) -> None:
            told.append(diagnostic.message_detail or "")

        self.raw.add_notice_handler(hear)
        try:
            self.raw.execute(f"VACUUM (FULL, VERBOSE) {table}")
        except errors.LockNotAvailable:
            return None
        finally:
            self.raw.remove_notice_handler(hear)
        return told

    def checkpoint(self) -> None:
        """Ask for a checkpoint, which only some roles may, outside of a transaction."""
        with suppress(errors.InsufficientPrivilege):
            self.raw.execute("CHECKPOINT")

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Undo the block alone, and go on after it, when a lock is not to be had in time."""
        self.raw.execute("SAVEPOINT attempt")
        try:
            yield
        except errors.LockNotAvailable:
            self.raw.execute("ROLLBACK TO attempt")
        else:
            self.raw.execute("RELEASE attempt")

    @property
    def broken(self) -> bool:
        """Whether nothing can be said through it any more."""
        return self.raw.closed or self.raw.broken


class Engine:
    """Connections to one database, at most ten at a time.

    Args:
        url: A libpq connection URI.
        aside: Whether it is a copy that is only read: nothing is asked of it before its first use, and whether it is
            there is found out sooner.

    Raises:
        InvalidSetting: The URI cannot be read, or the server must not hold a log.
        StoreUnavailable: The database cannot be reached.
        StoreVersion: It was written by another version of the schema.
    """

    def __init__(self, url: str, *, aside: bool = False) -> None:
        refuse_cut_login(url)
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise unreadable(str(error)) from None
        # Never with the password: this name goes into messages.
        self.name = f"{parts.get('host') or 'localhost'}/{parts.get('dbname') or parts.get('user') or ''}"
        timing = {"connect_timeout": _CONNECT_ASIDE_S, **ASIDE} if aside else {"connect_timeout": _CONNECT_S, **NOTICED}
        self._url = make_conninfo(url, **{**timing, "application_name": "whodid", **parts})
        self._idle: list[Line] = []
        self._idle_lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_CONNECTIONS)
        self._away = False
        self._limits = False
        self._trying = threading.Lock()
        self._closed = False
        self._aside = aside
        self._begin_reading = beginning(
            "REPEATABLE READ READ ONLY", _LOCK_ASIDE_MS if aside else _LOCK_MS, _READ_MS, _SILENT_READING_MS
        )
        if aside:
            return
        try:
            with self.translated():
                self._examine()
                self._migrate()
        except BaseException:
            self.close()
            raise

    # ---------------------------------------------------------------- transactions

    @contextmanager
    def writing(self, ws: int, *, within: float | None = None, first: Letter | None = None) -> Iterator[Connection]:
        """Write within a workspace; commit at the end, roll back on any error.

        The connection's `committing` says whether an error came so late that the outcome is unknown.

        Args:
            within: Seconds that the whole transaction may take, by our clock and, where it can, by the server's.
            first: What is to be asked first: it is sent along, and answered when the block begins.
        """
        whole = [_WHOLE.format(1000 * within)] if within is not None and self._limits else []
        begin = Letter(*_BEGIN_WRITING, *whole, f"SET LOCAL whodid.workspace = '{ws}'")
        begin.add(DURABLE)
        begin.add(_SHARE)
        with self._transaction(begin, within, first) as connection:
            yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """Write what belongs to no workspace once every `writing` has ended, and let none begin before the commit."""
        begin = Letter(*_BEGIN_WRITING, DURABLE, f"SELECT pg_advisory_xact_lock({_MARKING})")
        with self._transaction(begin) as connection:
            yield connection

    @contextmanager
    def reading(self, ws: int, first: str = "") -> Iterator[Connection]:
        """Read within a workspace with one consistent state for the length of the block.

        Args:
            first: A statement without values that is sent along; the connection's `first` has its row.
        """
        asked = (first,) if first else ()
        begin = Letter(*self._begin_reading, f"SET LOCAL whodid.workspace = '{ws}'", *asked)
        with self._transaction(begin) as connection:
            yield connection

    @contextmanager
    def listing(self) -> Iterator[Connection]:
        """Read which workspaces there are, and what belongs to none."""
        with self._transaction(Letter(*self._begin_reading, "SET LOCAL whodid.listing = 'on'")) as connection:
            yield connection

    @contextmanager
    def keeping(self) -> Iterator[Connection]:
        """Write what belongs to no workspace."""
        with self._transaction(Letter(*_BEGIN_WRITING, DURABLE)) as connection:
            yield connection

    def glance(self, ws: int, select: str) -> tuple[Any, ...]:
        """Return the one row of a statement without values within a workspace, with one message to the server."""
        asked = Letter(*self._begin_reading, f"SET LOCAL whodid.workspace = '{ws}'", select, "COMMIT")
        with self._slot():
            raw = self._tried(asked)
            try:
                return asked.rows(-2)[0]
            finally:
                self._take_back(raw)

    @contextmanager
    def _transaction(
        self, begin: Letter, within: float | None = None, first: Letter | None = None
    ) -> Iterator[Connection]:
        with self._slot():
            raw = self._tried(begin, within, first)
            connection = Connection(raw, begin)
            try:
                if first is not None:
                    raw.answer()
                yield connection
                connection.committing = True
                connection.last.add("COMMIT", None)
                raw.send(connection.last)
                raw.answer()
                connection.committing = False
            except BaseException:
                if not connection.broken:
                    connection.committing = False  # it was refused, so that nothing is unknown
                    with suppress(psycopg.Error):
                        connection.raw.rollback()
                raise
            finally:
                self._take_back(raw)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Take one of the places for connections for the length of the block."""
        with self.translated():
            if not self._slots.acquire(timeout=_WAIT_S):
                raise StoreUnavailable(f"All connections to {self.name} are in use", "Try again; nothing was written")
            try:
                yield
            finally:
                self._slots.release()

    def _tried(self, begin: Letter, within: float | None = None, first: Letter | None = None) -> Line:
        """Return what `_begun` does; of a database that was away one at a time finds out whether it is back.

        That may take long. Without this, whoever asks would wait for its own time-out, and more come than go.
        """
        alone = self._away
        if alone and not self._trying.acquire(blocking=False):
            raise StoreUnavailable(f"{self.name} cannot be reached", "Try again later")
        try:
            begun = self._begun(begin, within, first)
        except _ENDINGS:
            self._away = True
            raise
        else:
            self._away = False
            if alone and not self._aside:
                self.end_silent()
            return begun
        finally:
            if alone:
                self._trying.release()

    def _begun(self, begin: Letter, within: float | None, first: Letter | None) -> Line:
        """Return a connection on which this was done, and the first question sent; one that died idle is replaced."""
        whole = None if within is None else time.monotonic() + within
        while True:
            with self._idle_lock:
                if self._closed:
                    raise StoreUnavailable(f"The store at {self.name} was closed", "Open it again")
                raw = self._idle.pop() if self._idle else None
            fresh = raw is None
            if raw is None:
                raw = self._connect()
            # Whoever finds out whether the database is back keeps all others waiting: not as long as a statement may.
            begun_by = time.monotonic() + (_WAIT_S if fresh and not self._aside else _BEGUN_S)
            raw.until = begun_by if whole is None else min(whole, begun_by)
            try:
                raw.send(begin) if first is None else raw.send(begin, first)
                raw.answer()
                raw.until = whole
                return raw
            except BaseException as error:
                raw.close()
                if fresh or not isinstance(error, _ENDINGS):
                    raise
                # What ended this one ended the others, and each may take long to be found out.
                self._drop_idle()

    def apart(self, work: Callable[[Connection], None]) -> None:
        """Do what cannot be done within a transaction, on a connection of its own."""
        with self.translated(), self._connect() as raw:
            work(Connection(raw))

    def end_silent(self) -> None:
        """End sessions of ours that keep locks, and whose other end is gone without a word; see `gone`."""
        # Whether there are any, and whether we may, changes nothing for whoever asks.
        with suppress(psycopg.Error), closing(self._connect()) as raw:
            raw.execute(END_SILENT, prepare=False)

    def _connect(self) -> Line:
        raw = Line.connect(self._url, autocommit=True)
        raw.until = time.monotonic() + _CONNECT_S
        try:
            raw.execute(f"{NOTICING}; {PLANNED_ONCE}", prepare=False)
            raw.until = None
        except BaseException:
            raw.close()
            raise
        return raw

    def _drop_idle(self) -> None:
        with self._idle_lock:
            while self._idle:
                self._idle.pop().close()

    def _take_back(self, raw: Line) -> None:
        raw.until = None
        with self._idle_lock:
            idle = raw.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            if self._closed or not idle:
                raw.close()
            else:
                self._idle.append(raw)

    def wait(self, seconds: float) -> bool:
        """Wait for the database to answer again, at most so long; say whether it does."""
        end = time.monotonic() + seconds
        while True:
            try:
                self._connect().close()
                self._away = False
                return True
            except psycopg.OperationalError:
                if time.monotonic() >= end:
                    return False
                time.sleep(0.2)

    # ---------------------------------------------------------------- errors

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise the driver's errors as ours; unless the commit had begun, nothing was written."""
        try:
            yield
        except (
            errors.DeadlockDetected,
            errors.SerializationFailure,
            errors.UndefinedTable,
            errors.InvalidSqlStatementName,
        ) as error:
            raise Retry(f"{self.name} is changing under this transaction: {error}", "Try again") from error
        except errors.DiskFull as error:
            raise StoreFull(f"The disk of {self.name} is full: {error}", "Free space; nothing was written") from error
        except errors.IoError as error:
            raise StoreUnavailable(
                f"The disk of {self.name} failed: {error}", "Have it examined; nothing was written"
            ) from error
        except (errors.DataCorrupted, errors.IndexCorrupted) as error:
            raise StoreCorrupt(
                f"{self.name} is damaged: {error}", "Run whodid verify, then restore a backup"
            ) from error
        except errors.NotNullViolation as error:
            raise StoreCorrupt(
                f"A tile in {self.name} does not hold the hashes that the head says: {error}", "Restore a backup"
            ) from error
        except (errors.LockNotAvailable, errors.QueryCanceled) as error:
            replaying = self._aside and isinstance(error, errors.LockNotAvailable)
            raise (Retry if replaying else TookTooLong)(
                f"{self.name} did not answer in time: {error}", "Try again; nothing was written"
            ) from error
        except (errors.ReadOnlySqlTransaction, errors.InsufficientResources) as error:
            raise StoreUnavailable(f"{self.name} takes no writes now: {error}", "Try again later") from error
        except errors.InsufficientPrivilege as error:
            raise InvalidSetting(
                f"The role lacks a right on {self.name}: {error}", "Let it own the database or the schema whodid"
            ) from error
        except (*_ENDINGS, errors.IdleInTransactionSessionTimeout, errors.TransactionTimeout) as error:
            # Also what the server says of a transaction that lasted, or was silent, for too long.
            told = "; ".join(line.strip() for line in str(error).splitlines() if line.strip()).rstrip(".?")
            raise StoreUnavailable(
                f"{self.name} cannot be reached: {told}", "See whether it runs and lets this role in, then try again"
            ) from error
        except psycopg.Error as error:
            raise StoreError(f"PostgreSQL refused a statement on {self.name}: {error}") from error

    # ---------------------------------------------------------------- beginning and end

    def _examine(self) -> None:
        """Refuse a server on which an acknowledgement would mean nothing."""
        raw = self._connect()
        try:
            if raw.info.server_version < _OLDEST:
                raise InvalidSetting(
                    f"{self.name} is PostgreSQL {raw.info.server_version // 10_000}", "Use 15 or newer"
                )
            self._limits = raw.info.server_version >= _LIMITS_TRANSACTIONS
            for name in ("fsync", "full_page_writes"):
                if raw.execute("SELECT current_setting(%s)", (name,)).fetchone() != ("on",):
                    raise InvalidSetting(
                        f"{self.name} runs with {name} = off: a crash would lose what was acknowledged",
                        f"Set {name} = on",
                    )
        finally:
            raw.close()

    def _migrate(self) -> None:
        with self._transaction(Letter(*_BEGIN_WRITING)) as writer:
            writer.row("SELECT pg_advisory_xact_lock(%s)", (_MIGRATING,))
            if writer.value("SELECT to_regclass('whodid.migration') IS NULL"):
                # Asked first: without the right to make schemas, IF NOT EXISTS is an error even where it is there.
                if writer.value("SELECT to_regnamespace('whodid') IS NULL"):
                    writer.execute("CREATE SCHEMA whodid")
                writer.execute(
                    "CREATE TABLE whodid.migration "
                    "(number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL)"
                )
            applied = dict(writer.rows("SELECT number, checksum FROM whodid.migration"))
            for step in migrate.pending("postgres", applied):
                old = writer.raw.info.server_version < _SAYS_STORAGE
                writer.raw.execute(for_15(step.text) if old else step.text, prepare=False)
                writer.execute(
                    "INSERT INTO whodid.migration VALUES (%s, %s, %s)", (step.number, step.name, step.checksum)
                )

    def close(self) -> None:
        """Close every idle connection; those in use close when they are done."""
        with self._idle_lock:
            self._closed = True
        self._drop_idle()
