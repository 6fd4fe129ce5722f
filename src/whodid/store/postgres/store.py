"""The server's store: one PostgreSQL database for many servers, written natively.

One transaction writes an entry with its columns, search structures, roll-ups, tiles and the new head, so that no crash
can part them; the row of its workspace in `log` is the lock under which it does. Writing lives in `write`, reading in
`read` and `find`, comparing in `check`, replicas in `replicas` and `aside`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from whodid.canonical import from_micros
from whodid.errors import StoreUnavailable
from whodid.sequence import Batch
from whodid.store import dictionary
from whodid.store.base import Assemble, Problem, ReplicaReport, Store
from whodid.store.moving import PROGRESS, Mark, Piece, encode_mark, refuse
from whodid.store.packing import Packer, decode_head, shipped_dictionary
from whodid.store.postgres import check
from whodid.store.postgres.aside import ReplicaReading
from whodid.store.postgres.engine import Connection, Engine, Retry, TookTooLong
from whodid.store.postgres.read import Reading, kept_at
from whodid.store.postgres.replicas import Replicas
from whodid.store.postgres.rewrite import rewrite
from whodid.store.postgres.rows import COLUMNS, Coding, Keys, Shapes, keep
from whodid.store.postgres.weeks import Weeks, drop_whole, empty_before, week_of
from whodid.store.postgres.write import Asked, Writing, locked, mark_in

__all__ = ["PostgresStore"]

_Found = TypeVar("_Found")

_logger = logging.getLogger(__name__)
_UNBOUND = "SELECT rolname::text FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)"
_TURNS = 5  # times that a transaction is begun before somebody else's conflict is an error
_APPEND_S = 30.0  # for a whole append: who sent the events has given up by then, and others wait behind it
_SETTLE_S = 10  # how long to wait for the database when it went away during a commit
_DICTIONARY_SIZES = (5_000, 100_000)  # entries from which the second and the third dictionary are trained
_SAMPLED_LOGS = 50


class PostgresStore(Reading):
    """Keep logs in one PostgreSQL database, in the schema `whodid`.

    Args:
        url: A libpq connection URI (`postgresql://user@host/database`).
        replicas: Addresses of streaming replicas of that database, which answer what `reading()` is asked.
        replica_lag: Seconds that a replica may be behind; one that is further behind is left out.
        replica_wait: Seconds that a read may wait for a replica to have what the primary has.
        replica_look: Seconds between two looks at the replicas; None looks only when told to.

    Raises:
        InvalidSetting: An address cannot be read, the role lacks a right, or the server is not durable.
        StoreUnavailable: The database cannot be reached.
        StoreVersion: The database was written by another version of the schema.
    """

    def __init__(
        self,
        url: str,
        *,
        replicas: Sequence[str] = (),
        replica_lag: float = 10.0,
        replica_wait: float = 0.2,
        replica_look: float | None = 1.0,
    ) -> None:
        self.engine = Engine(url)
        with self.engine.keeping() as writer:
            writer.execute("INSERT INTO whodid.setting VALUES ('key', %b) ON CONFLICT DO NOTHING", (os.urandom(16),))
            self._add_dictionary(writer, 1, shipped_dictionary())
            secret = writer.value("SELECT value FROM whodid.setting WHERE name = 'key'")
            has_words = writer.value("SELECT to_regclass('whodid.entry_words') IS NOT NULL")
            unbound = writer.row(_UNBOUND)
        if unbound is not None:
            _logger.warning(
                "The role %s of %s is exempt from row-level security: the second wall between workspaces is missing. "
                "Use a role that is NOSUPERUSER and NOBYPASSRLS.",
                *unbound,
                self.engine.name,
            )
        self.coding = Coding(Keys(secret), Packer(self._dictionaries), Shapes(), has_words)
        self._weeks = Weeks()
        self._writing = Writing(self.coding, self._weeks)
        self._written: dict[int, object] = {}  # another object with every commit to a workspace
        self.copies: Replicas | None = None
        if replicas:
            try:
                self.copies = Replicas(self.engine, replicas, lag=replica_lag, wait=replica_wait, every=replica_look)
            except BaseException:
                self.engine.close()
                raise

    # ---------------------------------------------------------------- writing

    def append(self, workspace: str, assemble: Assemble, ids: Sequence[bytes] = ()) -> Batch | None:
        return self.forget(workspace, (), assemble, ids)

    def forget(
        self, workspace: str, ranges: Sequence[range], assemble: Assemble, ids: Sequence[bytes] = ()
    ) -> Batch | None:
        turn = 1
        while True:
            try:
                return self._turn(workspace, ranges, assemble, ids)
            except Retry:
                self._weeks.forget()
                turn += 1
                if turn > _TURNS:
                    raise

    def _turn(self, workspace: str, ranges: Sequence[range], assemble: Assemble, ids: Sequence[bytes]) -> Batch | None:
        ws = self.coding.keys.workspace(workspace)
        batch: Batch | None = None
        connection: Connection | None = None
        try:
            asked = Asked(ws, ids)
            with self.engine.writing(ws, within=None if ranges else _APPEND_S, first=asked) as connection:
                head = locked(connection, ws, workspace, asked)
                batch = assemble(head, kept_at(connection, ws, asked.places, self.coding))
                if batch is not None:
                    if ranges:
                        self._writing.remove(connection, ws, ranges, batch)
                    self._writing.write(connection, ws, batch)
        except StoreUnavailable as error:
            if isinstance(error, TookTooLong):
                # Whoever has the lock may be gone.
                self.engine.end_silent()
            if batch is None or connection is None or not connection.committing:
                raise
            if not self._settled(ws, workspace, batch, error):
                raise
        finally:
            # Also when it failed: what became of it may be unknown.
            self._written[ws] = object()
        return batch

    def _settled(self, ws: int, workspace: str, batch: Batch, error: StoreUnavailable) -> bool:
        """Find out whether a commit whose answer was lost took place."""
        doubt = StoreUnavailable(
            f"The connection was lost during a commit, and whether it took place is unknown: {error.fact}",
            "Send the events again with the same ids: what was recorded is recognised",
        )
        if not self.engine.wait(_SETTLE_S):
            raise doubt from error
        try:
            with self.engine.writing(ws) as writer:
                # Waits for the lock, and so until the server has ended the lost transaction one way or the other.
                locked(writer, ws, workspace)
                if not batch.rows:
                    row = writer.row("SELECT head FROM whodid.log WHERE ws = %s", (ws,))
                    now = decode_head(row[0]) if row and row[0] is not None else None
                    return now is not None and now.segment.number >= batch.head.segment.number
                last = batch.rows[-1]
                row = writer.row("SELECT seed FROM whodid.entry WHERE ws = %s AND index = %s", (ws, last.index))
        except StoreUnavailable:
            raise doubt from error
        return row is not None and row[0] == last.seed  # random bytes: nobody else's entry has them

    # ---------------------------------------------------------------- reading

    def within(self, ws: int, work: Callable[[Connection], _Found]) -> _Found:
        with self.engine.reading(ws) as reader:
            return work(reader)

    def reading(self) -> Store:
        return self if self.copies is None else ReplicaReading(self, self.copies, self._written.get)

    def replicas(self) -> ReplicaReport:
        return ReplicaReport() if self.copies is None else self.copies.report()

    def workspaces(self) -> list[str]:
        with self.engine.listing() as reader:
            found = reader.rows("SELECT name FROM whodid.log WHERE head IS NOT NULL")
        return sorted(name for (name,) in found)

    # ---------------------------------------------------------------- keeping

    def now(self) -> datetime:
        with self.engine.listing() as reader:
            return from_micros(reader.value("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8"))

    def state(self, workspace: str, name: str) -> bytes | None:
        ws = self.coding.keys.workspace(workspace)
        with self.engine.reading(ws) as reader:
            row = reader.row("SELECT value FROM whodid.state WHERE ws = %s AND name = %s", (ws, name))
        return row[0] if row else None

    def swap_state(self, workspace: str, name: str, old: bytes | None, new: bytes | None) -> bool:
        ws = self.coding.keys.workspace(workspace)
        with self.engine.writing(ws) as writer:
            refuse(mark_in(writer))
            if old is None and new is None:
                return writer.row("SELECT 1 FROM whodid.state WHERE ws = %s AND name = %s", (ws, name)) is None
            if old is None:
                statement = "INSERT INTO whodid.state VALUES (%s, %s, %b) ON CONFLICT (ws, name) DO NOTHING"
                return writer.execute(statement, (ws, name, new)) == 1
            same = "ws = %s AND name = %s AND value = %b"
            if new is None:
                return writer.execute(f"DELETE FROM whodid.state WHERE {same}", (ws, name, old)) == 1
            return writer.execute(f"UPDATE whodid.state SET value = %b WHERE {same}", (new, ws, name, old)) == 1

    def states(self, workspace: str) -> dict[str, bytes]:
        ws = self.coding.keys.workspace(workspace)
        with self.engine.reading(ws) as reader:
            return dict(reader.rows("SELECT name, value FROM whodid.state WHERE ws = %s", (ws,)))

    @property
    def name(self) -> str:
        return self.engine.name

    def mark(self) -> Mark | None:
        with self.engine.listing() as reader:
            return mark_in(reader)

    def swap_mark(self, old: Mark | None, new: Mark | None) -> bool:
        with self.engine.alone() as writer:
            if mark_in(writer) != old:
                return False
            writer.execute("DELETE FROM whodid.setting WHERE name = 'mark'")
            if new is not None:
                writer.execute("INSERT INTO whodid.setting VALUES ('mark', %b)", (encode_mark(new),))
            return True

    def adopt(self, workspace: str, piece: Piece, old: bytes | None, new: bytes | None) -> bool:
        ws = self.coding.keys.workspace(workspace)
        self._written[ws] = object()
        with self.engine.writing(ws) as writer:
            locked(writer, ws, workspace, copying=True)
            row = writer.row("SELECT value FROM whodid.state WHERE ws = %s AND name = %s", (ws, PROGRESS))
            if (row[0] if row else None) != old:
                return False
            states = dict(piece.states) if new is None else {**piece.states, PROGRESS: new}
            self._writing.adopt(writer, ws, piece._replace(states=states))
            if new is None:
                writer.execute("DELETE FROM whodid.state WHERE ws = %s AND name = %s", (ws, PROGRESS))
            return True

    def check(self, workspace: str) -> Iterator[Problem]:
        return check.problems(self.engine, self.coding, workspace)

    def tend(self) -> bool:
        if self._improve_dictionary():
            return True
        with self.engine.keeping() as writer:
            now: int = writer.value("SELECT (extract(epoch FROM now() - interval '8 days') * 1000000)::int8")
            week = empty_before(writer, week_of(now))
            return week is not None and drop_whole(writer, week, 0)

    def compact(self) -> None:
        self.engine.apart(rewrite)

    def _improve_dictionary(self) -> bool:
        """Train the next dictionary once enough entries are there to learn from; say whether one was added."""
        with self.engine.listing() as reader:
            number = reader.value("SELECT max(number) FROM whodid.dictionary")
            entries = reader.value("SELECT coalesce(sum(size), 0)::int8 FROM whodid.log")
            if number > len(_DICTIONARY_SIZES) or entries < _DICTIONARY_SIZES[number - 1]:
                return False
            largest = reader.rows(
                f"SELECT name, ws, size FROM whodid.log WHERE size > 0 ORDER BY size DESC LIMIT {_SAMPLED_LOGS}"
            )
        payloads: list[bytes] = []
        total = sum(size for _, _, size in largest)
        for _, ws, size in largest:
            with self.engine.reading(ws) as reader:
                rows = reader.rows(
                    f"SELECT {COLUMNS} FROM whodid.entry e WHERE e.ws = %s ORDER BY e.index DESC LIMIT %s",
                    (ws, -(-dictionary.SAMPLES * size // total)),
                )
            payloads += [keep(row, self.coding.packer).payload for row in rows]
        # Training takes about a second, so it happens outside any transaction.
        trained = dictionary.train(payloads, seed=number)
        with self.engine.keeping() as writer:
            self._add_dictionary(writer, number + 1, trained or shipped_dictionary())
        self.coding.packer.refresh()
        return True

    @staticmethod
    def _add_dictionary(writer: Connection, number: int, data: bytes) -> None:
        writer.execute(
            "INSERT INTO whodid.dictionary VALUES (%s, %b, %b) ON CONFLICT DO NOTHING",
            (number, data, sha256(data).digest()),
        )

    def _dictionaries(self) -> dict[int, bytes]:
        with self.engine.listing() as reader:
            return dict(reader.rows("SELECT number, bytes FROM whodid.dictionary"))

    def stats(self, workspace: str) -> dict[str, int]:
        ws = self.coding.keys.workspace(workspace)
        with self.engine.reading(ws) as reader:
            entries = reader.value(
                "SELECT coalesce(sum(n), 0)::int8 FROM whodid.tally WHERE ws = %s AND scale = 0", (ws,)
            )
            size = reader.value(
                "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::int8 FROM pg_class "
                "WHERE relnamespace = 'whodid'::regnamespace AND relkind = 'r'"
            )
        return {"entries": entries, "bytes": size}

    def close(self) -> None:
        if self.copies is not None:
            self.copies.close()
        self.engine.close()
