"""The embedded store: one SQLite file, written natively.

One transaction writes an entry with its columns, search structures, roll-ups, tiles and the new head, so that no crash
can part them. Writing lives in `write`, searching in `find` and `rollup`, comparing in `check`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from whodid.errors import InvalidSetting
from whodid.query import Cursor, Page, Query
from whodid.sequence import Batch, Bound, Head, Sealed, Segment
from whodid.store import dictionary, rollup, scan
from whodid.store.base import Assemble, Count, Facets, Histogram, Kept, Problem, Store
from whodid.store.moving import PROGRESS, Mark, Piece, decode_mark, encode_mark, refuse
from whodid.store.packing import (
    Packer,
    decode_head,
    shipped_dictionary,
    unpack_postings,
)
from whodid.store.search import Edge
from whodid.store.sqlite import check
from whodid.store.sqlite.engine import Connection, Engine
from whodid.store.sqlite.find import SQLiteSearch
from whodid.store.sqlite.rows import COLUMNS, TILE, Coding, Keys, Shapes, index_of, keep, pos_of
from whodid.store.sqlite.write import Writing

__all__ = ["SQLiteStore"]

_RECLAIM_PAGES = 2_000
_READ_CHUNK = 500
_LOOK_UPS = 500  # ids in one statement
_DICTIONARY_SIZES = (5_000, 100_000)  # entries from which the second and the third dictionary are trained
_MAX_WORKSPACES = 1 << 22


class SQLiteStore(Store):
    """Keep logs in one SQLite file.

    Args:
        path: The file; created when it does not exist, its folder must.

    Raises:
        InvalidSetting: The folder does not exist.
        StoreVersion: The file was written by another version of the schema.
        StoreCorrupt: The file is not a database.
    """

    def __init__(self, path: str) -> None:
        self.engine = Engine(path)
        with self.engine.transaction() as writer:
            found = writer.row("SELECT value FROM setting WHERE name = 'key'")
            if found is None:
                found = (os.urandom(16),)
                writer.execute("INSERT INTO setting VALUES ('key', ?)", found)
                self._add_dictionary(writer, 1, shipped_dictionary())
        self.coding = Coding(Keys(found[0]), Packer(self._dictionaries), Shapes())
        self._writing = Writing(self.coding)
        self._numbers: dict[str, int] = {}

    # ---------------------------------------------------------------- writing

    def append(self, workspace: str, assemble: Assemble, ids: Sequence[bytes] = ()) -> Batch | None:
        with self.engine.transaction() as writer:
            refuse(_mark_in(writer))
            ws, head = self._open(writer, workspace)
            batch = assemble(head, self._known(writer, ws, ids))
            if batch is not None:
                self._writing.write(writer, ws, batch)
        return batch

    def forget(
        self, workspace: str, ranges: Sequence[range], assemble: Assemble, ids: Sequence[bytes] = ()
    ) -> Batch | None:
        with self.engine.transaction() as writer:
            refuse(_mark_in(writer))
            ws, head = self._open(writer, workspace)
            batch = assemble(head, self._known(writer, ws, ids))
            if batch is None:
                return None
            for gone in ranges:
                self._writing.remove(writer, workspace, ws, gone)
            first = batch.head.first
            writer.execute("DELETE FROM tile WHERE ws = ? AND level = 0 AND number < ?", (ws, first // 256))
            below = writer.value("SELECT max(number) FROM segment WHERE ws = ? AND start <= ?", (ws, first))
            below = min(below or 0, batch.head.sealed)
            for table in ("segment", "postings", "second"):
                writer.execute(f"DELETE FROM {table} WHERE ws = ? AND number < ?", (ws, below))
            writer.execute("DELETE FROM volume_index WHERE ws = ? AND first < ?", (ws, below))
            self._writing.write(writer, ws, batch)
        return batch

    def _open(self, writer: Connection, workspace: str) -> tuple[int, Head | None]:
        row = writer.row("SELECT ws, head FROM log WHERE name = ?", (workspace,))
        if row is None:
            writer.execute("INSERT INTO log (name) VALUES (?)", (workspace,))
            number = writer.last_insert_rowid()
            if number >= _MAX_WORKSPACES:
                raise InvalidSetting(f"A SQLite file holds at most {_MAX_WORKSPACES} workspaces", "Use PostgreSQL")
            return number, None
        return row[0], None if row[1] is None else decode_head(row[1])

    def _known(self, writer: Connection, ws: int, ids: Sequence[bytes]) -> dict[bytes, Kept]:
        found = {}
        for at in range(0, len(ids), _LOOK_UPS):
            wanted = ids[at : at + _LOOK_UPS]
            marks = ", ".join("?" * len(wanted))
            for row in writer.rows(
                f"SELECT {COLUMNS} FROM entry e INDEXED BY entry_id WHERE e.ws = ? AND e.id IN ({marks})", (ws, *wanted)
            ):
                found[row[2]] = keep(row, self.coding.packer)
        return found

    # ---------------------------------------------------------------- reading

    def number(self, reader: Connection, workspace: str) -> int | None:
        """Return the small number of a workspace, or None when it has no log."""
        known = self._numbers.get(workspace)
        if known is None:
            row = reader.row("SELECT ws FROM log WHERE name = ?", (workspace,))
            if row is None:
                return None
            known = self._numbers[workspace] = int(row[0])
        return known

    def workspaces(self) -> list[str]:
        with self.engine.reading() as reader:
            return [name for (name,) in reader.rows("SELECT name FROM log WHERE head IS NOT NULL ORDER BY name")]

    def head(self, workspace: str) -> Head | None:
        with self.engine.reading() as reader:
            row = reader.row("SELECT head FROM log WHERE name = ?", (workspace,))
        return decode_head(row[0]) if row and row[0] is not None else None

    def get(self, workspace: str, key: int | bytes) -> Kept | None:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            if ws is None:
                return None
            if isinstance(key, bytes):
                return self._known(reader, ws, [key]).get(key)
            row = reader.row(f"SELECT {COLUMNS} FROM entry e WHERE e.pos = ?", (pos_of(ws, key),))
        return keep(row, self.coding.packer) if row else None

    def read(self, workspace: str, start: int, stop: int) -> Iterator[Kept]:
        statement = f"SELECT {COLUMNS} FROM entry e WHERE e.pos >= ? AND e.pos < ? ORDER BY e.pos LIMIT {_READ_CHUNK}"
        while start < stop:
            # A chunk at a time: a reader that stays open would keep the WAL from being reset.
            with self.engine.reading() as reader:
                ws = self.number(reader, workspace)
                if ws is None:
                    return
                rows = reader.rows(statement, (pos_of(ws, start), pos_of(ws, stop)))
            for row in rows:
                yield keep(row, self.coding.packer)
            if len(rows) < _READ_CHUNK:
                return
            start = (rows[-1][0] & ((1 << 40) - 1)) + 1

    def find(self, workspace: str, query: Query, cursor: Cursor | None, limit: int) -> Page:
        with self._search(workspace, query) as search:
            return search.page(cursor, limit) if search else Page(entries=(), next=None)

    def stream(self, workspace: str, query: Query, size: int) -> Iterator[Kept]:
        edge: Edge | None = None
        while True:
            # A chunk at a time: a reader that stays open would keep the WAL from being reset.
            with self._search(workspace, query) as search:
                if search is None:
                    return
                chunk, edge = search.chunk(edge, size)
            yield from chunk
            if edge is None:
                return

    def count(self, workspace: str, query: Query, cap: int) -> Count:
        with self._search(workspace, query) as search:
            return rollup.count(search, cap) if search else Count(0, True)

    def histogram(self, workspace: str, query: Query, edges: Sequence[datetime]) -> Histogram:
        with self._search(workspace, query) as search:
            return rollup.histogram(search, edges) if search else scan.histogram((), edges, exact=True)

    def facets(self, workspace: str, query: Query, field: str, limit: int, prefix: str = "") -> Facets:
        with self._search(workspace, query) as search:
            return rollup.facets(search, field, limit, prefix) if search else Facets((), True)

    @contextmanager
    def _search(self, workspace: str, query: Query) -> Iterator[SQLiteSearch | None]:
        """Begin a search with one consistent state; None when the workspace has no log."""
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            yield None if ws is None else SQLiteSearch(self.coding, reader, ws, workspace, query)

    def tiles(self, workspace: str, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            rows = [
                reader.row(f"SELECT hashes FROM tile WHERE {TILE}", (ws, *place))
                or reader.row(f"SELECT hashes FROM growing WHERE {TILE}", (ws, *place))
                for place in wanted
            ]
        return [row[0] if row else b"" for row in rows]

    def segments(self, workspace: str) -> list[Segment]:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            rows = reader.rows("SELECT number, start, salt FROM segment WHERE ws = ? ORDER BY number", (ws,))
            return [Segment(number=number, start=start, salt=salt) for number, start, salt in rows]

    def seals(self, workspace: str) -> list[Sealed]:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            rows = reader.rows("SELECT number, pos, bytes FROM seal WHERE ws = ? ORDER BY number", (ws,))
            return [Sealed(number=number, index=index_of(pos), seal=seal) for number, pos, seal in rows]

    def postings(self, workspace: str, number: int) -> bytes | None:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            row = reader.row("SELECT bytes FROM postings WHERE ws = ? AND number = ?", (ws, number))
        return unpack_postings(row[0], f"segment {number}") if row else None

    def second(self, workspace: str, number: int) -> bytes | None:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            row = reader.row("SELECT bytes FROM second WHERE ws = ? AND number = ?", (ws, number))
        return row[0] if row else None

    def volumes(self, workspace: str) -> list[Bound]:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            rows = reader.rows(
                "SELECT v.number, v.pos, v.bytes, v.first, i.salt FROM volume v "
                "LEFT JOIN volume_index i ON i.ws = v.ws AND i.number = v.number WHERE v.ws = ? ORDER BY v.number",
                (ws,),
            )
        return [
            Bound(number=number, index=index_of(pos), volume=volume, first=first, salt=salt)
            for number, pos, volume, first, salt in rows
        ]

    def volume_postings(self, workspace: str, number: int) -> bytes | None:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            row = reader.row("SELECT bytes FROM volume_index WHERE ws = ? AND number = ?", (ws, number))
        return unpack_postings(row[0], f"volume {number}") if row else None

    # ---------------------------------------------------------------- keeping

    def state(self, workspace: str, name: str) -> bytes | None:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            row = reader.row("SELECT value FROM state WHERE ws = ? AND name = ?", (ws, name))
        return row[0] if row else None

    def swap_state(self, workspace: str, name: str, old: bytes | None, new: bytes | None) -> bool:
        with self.engine.transaction() as writer:
            refuse(_mark_in(writer))
            ws, _ = self._open(writer, workspace)
            row = writer.row("SELECT value FROM state WHERE ws = ? AND name = ?", (ws, name))
            if (row[0] if row else None) != old:
                return False
            if new is None:
                writer.execute("DELETE FROM state WHERE ws = ? AND name = ?", (ws, name))
            else:
                writer.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (ws, name, new))
            return True

    def states(self, workspace: str) -> dict[str, bytes]:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            return dict(reader.rows("SELECT name, value FROM state WHERE ws = ?", (ws,)))

    @property
    def name(self) -> str:
        return self.engine.path

    def mark(self) -> Mark | None:
        with self.engine.reading() as reader:
            return _mark_in(reader)

    def swap_mark(self, old: Mark | None, new: Mark | None) -> bool:
        with self.engine.transaction() as writer:
            if _mark_in(writer) != old:
                return False
            writer.execute("DELETE FROM setting WHERE name = 'mark'")
            if new is not None:
                writer.execute("INSERT INTO setting VALUES ('mark', ?)", (encode_mark(new),))
            return True

    def adopt(self, workspace: str, piece: Piece, old: bytes | None, new: bytes | None) -> bool:
        with self.engine.transaction() as writer:
            ws, _ = self._open(writer, workspace)
            row = writer.row("SELECT value FROM state WHERE ws = ? AND name = ?", (ws, PROGRESS))
            if (row[0] if row else None) != old:
                return False
            self._writing.adopt(writer, ws, piece)
            if new is None:
                writer.execute("DELETE FROM state WHERE ws = ? AND name = ?", (ws, PROGRESS))
            else:
                writer.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (ws, PROGRESS, new))
            return True

    def check(self, workspace: str) -> Iterator[Problem]:
        return check.problems(self.engine, self.coding, self.number, workspace)

    def tend(self) -> bool:
        if self._improve_dictionary():
            return True
        with self.engine.transaction() as writer:
            writer.rows(f"PRAGMA incremental_vacuum({_RECLAIM_PAGES})")
            left = writer.value("PRAGMA freelist_count")
        return bool(left)

    def compact(self) -> None:
        with self.engine.transaction() as writer:
            # Merges the segments of the index: words of entries that went still stand in those they were written to.
            writer.execute("INSERT INTO words (words) VALUES ('optimize')")
        self.engine.compact()

    def back_up(self, path: Path) -> None:
        self.engine.copy_to(path)

    def _improve_dictionary(self) -> bool:
        """Train the next dictionary once enough entries are there to learn from; say whether one was added."""
        with self.engine.reading() as reader:
            number = reader.value("SELECT max(number) FROM dictionary")
            if number > len(_DICTIONARY_SIZES):
                return False
            entries = reader.value("SELECT coalesce(sum(n), 0) FROM tally WHERE scale = 0")
            if entries < _DICTIONARY_SIZES[number - 1]:
                return False
            rows = reader.rows(f"SELECT {COLUMNS} FROM entry e ORDER BY e.pos DESC LIMIT ?", (dictionary.SAMPLES,))
            payloads = [keep(row, self.coding.packer).payload for row in rows]
        # Training takes about a second, so it happens outside the write transaction.
        trained = dictionary.train(payloads, seed=number)
        with self.engine.transaction() as writer:
            self._add_dictionary(writer, number + 1, trained or shipped_dictionary())
        self.coding.packer.refresh()
        return True

    @staticmethod
    def _add_dictionary(writer: Connection, number: int, data: bytes) -> None:
        writer.execute("INSERT OR IGNORE INTO dictionary VALUES (?, ?, ?)", (number, data, sha256(data).digest()))

    def _dictionaries(self) -> dict[int, bytes]:
        with self.engine.reading() as reader:
            return dict(reader.rows("SELECT number, bytes FROM dictionary"))

    def stats(self, workspace: str) -> dict[str, int]:
        with self.engine.reading() as reader:
            ws = self.number(reader, workspace)
            entries = reader.value("SELECT coalesce(sum(n), 0) FROM tally WHERE ws = ? AND scale = 0", (ws,))
            pages = reader.value("PRAGMA page_count")
            free = reader.value("PRAGMA freelist_count")
            size = reader.value("PRAGMA page_size")
        return {"entries": entries, "bytes": pages * size, "free_bytes": free * size}

    def close(self) -> None:
        self.engine.close()


def _mark_in(connection: Connection) -> Mark | None:
    return decode_mark(connection.value("SELECT value FROM setting WHERE name = 'mark'"))
