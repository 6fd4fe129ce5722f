"""What one transaction writes and removes: entries with everything derived from them, tiles, seals and the head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from whodid.errors import StoreCorrupt
from whodid.proof import tile
from whodid.proof.tree import HASH_SIZE
from whodid.query import words
from whodid.sequence import Batch, Bound, Row, Sealed, Segment
from whodid.store.base import restore
from whodid.store.moving import Piece
from whodid.store.packing import encode_head, pack_postings
from whodid.store.sqlite.engine import Connection
from whodid.store.sqlite.rows import COLUMNS, TILE, ZERO, Coding, keep, pos_of
from whodid.store.tally import Tally, count_in, folded

__all__ = ["Writing"]


class Writing:
    """Write batches and remove content."""

    def __init__(self, coding: Coding) -> None:
        self._coding = coding

    def write(self, writer: Connection, ws: int, batch: Batch) -> None:
        """Write a batch; everything up to the commit."""
        self._rows(writer, ws, (*batch.rewritten, *batch.rows))
        for gain in tile.additions(batch.nodes):
            self._grow_tile(writer, ws, gain)
        self._segments(writer, ws, batch.opened)
        if batch.sealed is not None:
            self._seal(writer, ws, batch.sealed, batch.postings)
            writer.execute("INSERT INTO second VALUES (?, ?, ?)", (ws, batch.sealed.number, batch.second))
        if batch.bound is not None:
            self._volume(writer, ws, batch.bound, batch.postings)
            writer.execute("DELETE FROM second WHERE ws = ? AND number < ?", (ws, batch.head.unbound.first))
        writer.execute("UPDATE log SET head = ? WHERE ws = ?", (encode_head(batch.head), ws))

    def adopt(self, writer: Connection, ws: int, piece: Piece) -> None:
        """Write a piece of a log that comes from another store; everything up to the commit."""
        self._rows(writer, ws, piece.rows)
        for gain in tile.additions(piece.nodes):
            self._grow_tile(writer, ws, gain)
        self._segments(writer, ws, piece.segments)
        for sealed, postings in piece.seals:
            self._seal(writer, ws, sealed, postings)
        writer.executemany("INSERT INTO second VALUES (?, ?, ?)", [(ws, *one) for one in piece.second.items()])
        for bound, postings in piece.volumes:
            self._volume(writer, ws, bound, postings)
        writer.executemany(
            "INSERT OR REPLACE INTO state VALUES (?, ?, ?)", [(ws, *state) for state in piece.states.items()]
        )
        if piece.head is not None:
            writer.execute("UPDATE log SET head = ? WHERE ws = ?", (encode_head(piece.head), ws))

    def remove(self, writer: Connection, workspace: str, ws: int, gone: range) -> None:
        """Remove content together with everything derived from it, counting the roll-ups down exactly."""
        bounds = (pos_of(ws, gone.start), pos_of(ws, gone.stop))
        tally: Tally = Counter()
        touches: list[tuple[int, int, int]] = []
        texts: list[tuple[int, str]] = []
        key = self._coding.keys.key
        for row in writer.rows(f"SELECT {COLUMNS}, e.actor FROM entry e WHERE e.pos >= ? AND e.pos < ?", bounds):
            kept = keep(row, self._coding.packer)
            entry = restore(kept, workspace)
            count_in(tally, kept.occurred_at, row[7], row[8])
            touched = {entry.resource.id, *(related.id for related in entry.related)}
            touches.extend((key(ws, one), kept.occurred_at - ZERO, row[0]) for one in touched)
            texts.append((row[0], " ".join(words(entry))))
        touches.sort()
        writer.executemany("DELETE FROM touch WHERE key = ? AND occurred_at = ? AND pos = ?", touches)
        # The index has no copy of the texts: what it is to forget must be what it was told.
        writer.executemany("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", texts)
        same = "ws = ? AND scale = ? AND bucket = ? AND value = ?"
        whole = folded(tally)
        writer.executemany(f"UPDATE tally SET n = n - ? WHERE {same}", [(n, ws, *place) for place, n in whole.items()])
        writer.executemany(f"DELETE FROM tally WHERE {same} AND n <= 0", [(ws, *place) for place in whole])
        writer.execute("DELETE FROM entry WHERE pos >= ? AND pos < ?", bounds)

    def _rows(self, writer: Connection, ws: int, rows: Sequence[Row]) -> None:
        """Write entries with everything derived from them."""
        key, pack = self._coding.keys.key, self._coding.packer.pack
        entries: list[tuple[Any, ...]] = []
        touches: list[tuple[int, int, int]] = []
        texts: list[tuple[int, str]] = []
        tally: Tally = Counter()
        numbers: dict[object, int] = {}
        for row in rows:
            pos = pos_of(ws, row.index)
            shape = numbers.get(row.shape)
            if shape is None:
                shape = numbers[row.shape] = self._coding.shapes.number(writer, ws, row.shape)
            actor = key(ws, row.actor)
            occurred_at, recorded_at = row.occurred_at - ZERO, row.recorded_at - ZERO
            entries.append(
                (pos, ws, occurred_at, recorded_at, shape, actor, row.kind, row.id, row.seed, pack(row.payload))
            )
            touches.extend((key(ws, touched), occurred_at, pos) for touched in row.touched)
            texts.append((pos, row.text))
            count_in(tally, row.occurred_at, shape, actor)
        writer.insert("INSERT INTO entry", entries)
        writer.insert("INSERT OR IGNORE INTO touch", sorted(touches))
        writer.insert("INSERT INTO words (rowid, text)", texts)
        writer.insert(
            "INSERT INTO tally",
            [(ws, *place, n) for place, n in folded(tally).items()],
            "ON CONFLICT (ws, scale, bucket, value) DO UPDATE SET n = n + excluded.n",
        )

    @staticmethod
    def _segments(writer: Connection, ws: int, segments: Sequence[Segment]) -> None:
        writer.executemany(
            "INSERT INTO segment VALUES (?, ?, ?, ?)", [(ws, s.number, s.start, s.salt) for s in segments]
        )

    @staticmethod
    def _seal(writer: Connection, ws: int, sealed: Sealed, postings: bytes | None) -> None:
        pos = pos_of(ws, sealed.index)
        writer.execute("INSERT INTO seal VALUES (?, ?, ?, ?)", (ws, sealed.number, pos, sealed.seal))
        if postings is not None:
            writer.execute("INSERT INTO postings VALUES (?, ?, ?)", (ws, sealed.number, pack_postings(postings)))

    @staticmethod
    def _volume(writer: Connection, ws: int, bound: Bound, postings: bytes | None) -> None:
        pos = pos_of(ws, bound.index)
        writer.execute("INSERT INTO volume VALUES (?, ?, ?, ?, ?)", (ws, bound.number, bound.first, pos, bound.volume))
        if bound.salt is not None and postings is not None:
            row = (ws, bound.number, bound.first, bound.salt, pack_postings(postings))
            writer.execute("INSERT INTO volume_index VALUES (?, ?, ?, ?, ?)", row)

    @staticmethod
    def _grow_tile(writer: Connection, ws: int, gain: tile.Addition) -> None:
        place = (ws, gain.level, gain.index)
        hashes = gain.hashes
        if gain.start:
            row = writer.row(f"SELECT hashes FROM growing WHERE {TILE}", place)
            if row is None or len(row[0]) != gain.start * HASH_SIZE:
                raise StoreCorrupt(
                    f"Tile {gain.index} of level {gain.level} does not hold the {gain.start} hashes that the head says",
                    "Restore a backup",
                )
            hashes = row[0] + hashes
        if len(hashes) == tile.TILE * HASH_SIZE:
            writer.execute("DELETE FROM growing WHERE ws = ? AND level = ?", place[:2])
            writer.execute("INSERT INTO tile VALUES (?, ?, ?, ?)", (*place, hashes))
        else:
            writer.execute("INSERT OR REPLACE INTO growing VALUES (?, ?, ?, ?)", (*place, hashes))
