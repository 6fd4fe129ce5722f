"""Connections to the SQLite file: settings that durability rests on, migrations, and errors in our own words.

The only file that opens the database. The file belongs to this library alone: never open it with another SQLite
library in the same process, because closing any descriptor of a file drops the process's locks on it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import apsw

from whodid.errors import InvalidSetting, StoreCorrupt, StoreError, StoreFull, StoreUnavailable
from whodid.files.folders import sync_folder
from whodid.store import migrate

__all__ = ["Connection", "Engine", "translated"]

_BUSY_MS = 30_000
_MOST_IDLE = 10  # each may hold its cache
_AT_ONCE = (64, 8, 1)
_MINIMUM = 3_051_003  # earlier versions can lose the WAL at a reset
_OURS = frozenset({"migration", "log"})  # tables of every schema that there was


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Raise the engine's errors as ours; each says whether something was written (never)."""
    try:
        yield
    except apsw.FullError as error:
        raise StoreFull(
            f"The disk or the quota of {path} is full: {error}", "Free space; nothing was written"
        ) from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreUnavailable(
            f"{path} is locked by another process for more than {_BUSY_MS // 1000} s", "Try again; nothing was written"
        ) from error
    except apsw.NotADBError as error:
        raise StoreCorrupt(
            f"{path} is no SQLite database, or its beginning is damaged: {error}",
            "Check the address, or restore a backup",
        ) from error
    except (apsw.CorruptError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"{path} is damaged: {error}", "Run whodid verify, then restore a backup") from error
    except (apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StoreUnavailable(
            f"{path} cannot be read or written: {error}",
            "Check the disk, the permissions, and how many files a process may have open (ulimit -n)"
            if isinstance(error, apsw.CantOpenError)
            else "Check the disk and the permissions",
        ) from error
    except apsw.Error as error:
        raise StoreError(f"SQLite refused a statement on {path}: {error}") from error


@contextmanager
def _read_from(path: str) -> Iterator[None]:
    """Say of what was read that it is damaged, where something else is written."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError):
        with translated(path):
            raise


class Connection(apsw.Connection):
    """A connection whose results are typed as what SQL gives: anything."""

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a statement."""
        return self.execute(statement, values).fetchall()

    def each(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Iterate over the rows of a statement without holding them all."""
        return self.execute(statement, values)

    def insert(self, into: str, rows: Sequence[tuple[Any, ...]], then: str = "") -> None:
        """Insert rows, many with each statement: a step of a statement lets other threads go first.

        Args:
            into: Such as `INSERT INTO entry`.
            rows: All of one length.
            then: What follows the values, such as ON CONFLICT.
        """
        at = 0
        for many in _AT_ONCE:
            if len(rows) - at < many:
                continue
            marks = f"({', '.join('?' * len(rows[0]))})"
            statement = f"{into} VALUES {', '.join([marks] * many)} {then}"
            stop = at + (len(rows) - at) // many * many
            self.executemany(
                statement, [tuple(chain.from_iterable(rows[one : one + many])) for one in range(at, stop, many)]
            )
            at = stop

    def row(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a statement, or None."""
        return self.execute(statement, values).fetchone()

    def value(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Return the only value of a statement that always has one row."""
        row = self.execute(statement, values).fetchone()
        return None if row is None else row[0]


class Engine:
    """One writer connection and as many reader connections as threads need at once.

    Args:
        path: The database file; its folder must exist.
    """

    def __init__(self, path: str) -> None:
        if apsw.SQLITE_VERSION_NUMBER < _MINIMUM:
            raise InvalidSetting(f"SQLite {apsw.sqlite_lib_version()} can lose data", "Install a newer apsw")
        if not Path(path).resolve().parent.is_dir():
            raise InvalidSetting(f"The folder of {path} does not exist", "Create it first")
        self.path = path
        self.lock = threading.RLock()
        self._idle: list[Connection] = []
        self._idle_lock = threading.Lock()
        self._closed = False
        self._known = 0  # until it is migrated
        self._schema_version: int | None = None
        # A new file is its owner's alone, as its key is; SQLite gives its -wal and -shm the same rights, and says why
        # where it cannot be made.
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with translated(path):
            self.writer = self._connect(ours=False)
            self._migrate()
            self._known = migrate.newest("sqlite")

    def _connect(self, *, ours: bool = True) -> Connection:
        """Open the file.

        Args:
            ours: Whether it is known to be ours; nothing is changed in the database of another program.
        """
        connection = Connection(self.path)
        connection.set_busy_timeout(_BUSY_MS)
        if not ours:
            self._check_ours(connection)
        # auto_vacuum must be set before the first table exists, and WAL before anybody writes. Said again later it
        # writes the file's header: readers would wait for writers, and on a full disk nobody could read any more.
        if connection.value("PRAGMA page_count") == 0:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: the WAL is synced before a commit returns. NORMAL would lose acknowledged entries in a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def _check_ours(self, connection: Connection) -> None:
        tables = [name for (name,) in connection.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        if tables and not _OURS.issubset(tables):
            connection.close()
            raise InvalidSetting(
                f"{self.path} is the database of another program: it has a table {min(tables)}, and no log",
                "Name a file of its own for the log",
            )

    def _check_version(self, connection: Connection) -> None:
        """Refuse a database that a newer program has migrated while it was open here."""
        # The number in the file's header changes with any change of any table; it is there without reading a page.
        version = connection.value("PRAGMA schema_version")
        if version != self._schema_version:
            if self._known:
                migrate.check_current(connection.value("SELECT max(number) FROM migration"), self._known)
            self._schema_version = version

    def _migrate(self) -> None:
        writer = self.writer
        with self.transaction():
            writer.execute(
                "CREATE TABLE IF NOT EXISTS migration "
                "(number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
            )
            applied = dict(writer.rows("SELECT number, checksum FROM migration"))
            for step in migrate.pending("sqlite", applied):
                writer.execute(step.text)
                writer.execute("INSERT INTO migration VALUES (?, ?, ?)", (step.number, step.name, step.checksum))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Hold the write lock of this process and of the file; commit at the end, roll back on any error."""
        with self.lock, translated(self.path):
            if self._closed:
                raise StoreUnavailable(f"{self.path} was closed", "Open it again")
            # IMMEDIATE: a deferred transaction that reads first can fail to upgrade when another process writes.
            self.writer.execute("BEGIN IMMEDIATE")
            try:
                self._check_version(self.writer)
                yield self.writer
                self.writer.execute("COMMIT")
            except BaseException:
                if not self.writer.get_autocommit():
                    self.writer.execute("ROLLBACK")
                raise

    def compact(self) -> None:
        """Write the file anew without what was deleted, and empty the write-ahead log.

        Raises:
            StoreUnavailable: Somebody reads for too long; the write-ahead log still holds what was deleted.
        """
        with self.lock, translated(self.path):
            if self._closed:
                raise StoreUnavailable(f"{self.path} was closed", "Open it again")
            self.writer.execute("VACUUM")
            busy = self.writer.value("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise StoreUnavailable(
                f"The write-ahead log of {self.path} cannot be emptied: somebody reads from it",
                "Stop long exports, and try again",
            )

    def copy_to(self, path: Path) -> None:
        """Write the database to a new file as it is at this moment; see `Store.back_up`.

        What was deleted is not in it: only pages in use are written.
        """
        aside = path.with_name(f"{path.name}.part")
        try:
            if path.exists():
                raise InvalidSetting(f"{path} exists already", "Name a new file")
            os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            with translated(str(path)):
                connection = self._connect()
                try:
                    with _read_from(self.path):
                        connection.execute("VACUUM INTO ?", (str(aside),))
                finally:
                    connection.close()
            descriptor = os.open(aside, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            aside.rename(path)
            sync_folder(path.parent)
        except OSError as error:
            raise InvalidSetting(f"{path} cannot be written: {error.strerror}", "Name a place that can be") from None
        finally:
            aside.unlink(missing_ok=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a reader connection with one consistent state for the length of the block."""
        with translated(self.path):
            with self._idle_lock:
                if self._closed:
                    raise StoreUnavailable(f"{self.path} was closed", "Open it again")
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._connect()
                # A view of the text index by words; temporary, so that it is made before writing is forbidden.
                connection.execute("CREATE VIRTUAL TABLE temp.words_seen USING fts5vocab(main, words, instance)")
                connection.execute("PRAGMA cache_size = -4096")
                connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            try:
                self._check_version(connection)
                yield connection
            finally:
                connection.execute("COMMIT")
                self._take_back(connection)

    def _take_back(self, connection: Connection) -> None:
        with self._idle_lock:
            if self._closed or len(self._idle) >= _MOST_IDLE:
                connection.close()
            else:
                self._idle.append(connection)

    def close(self) -> None:
        """Close every idle connection and the writer."""
        with self.lock, self._idle_lock:
            if self._closed:
                return
            self._closed = True
            for connection in self._idle:
                connection.close()
            self._idle.clear()
            self.writer.close()
