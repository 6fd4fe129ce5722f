"""What one transaction writes and removes: rows, tiles, roll-ups and the head, under the lock of the workspace."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from whodid.errors import InvalidSetting
from whodid.proof import tile
from whodid.sequence import Batch, Bound, Head, Row, Sealed, Segment
from whodid.store import migrate
from whodid.store.moving import Mark, Piece, decode_mark, refuse
from whodid.store.packing import decode_head, encode_head, pack_postings
from whodid.store.postgres.engine import Connection
from whodid.store.postgres.line import Letter
from whodid.store.postgres.read import PLACES
from whodid.store.postgres.rewrite import note_rewriting
from whodid.store.postgres.rows import ENTRY, TOUCH, Coding, Columns, encode_entry, encode_touch, fields_of
from whodid.store.postgres.weeks import Weeks, drop_whole, name_of, start_of, week_of
from whodid.store.tally import Tally, count_in, folded

__all__ = ["REMOVE_IDS", "Asked", "Writing", "locked", "mark_in"]

_MARK = "SELECT value FROM whodid.setting WHERE name = 'mark'"
_VERSION = "SELECT max(number) FROM whodid.migration"
_LOOK = f"SELECT name, head, ({_MARK}), ({_VERSION}) FROM whodid.log WHERE ws = %s FOR UPDATE"
_KNOWN = migrate.newest("postgres")
# By value: joined with the entries, the planner read the ids of the whole log for every step of a purge.
REMOVE_IDS = "DELETE FROM whodid.entry_id WHERE ws = %s AND id = ANY(%b::bytea[])"
_SPANS = "unnest(%b::int8[], %b::int8[]) AS r(low, high)"
_INSIDE = "e.ws = %s AND e.index >= r.low AND e.index < r.high"
_FEW = 4  # rows of a table that are not worth a copy
_CLOSED = 86_400_000_000  # a week is over a day after its end, whatever the clocks of servers say


def mark_in(connection: Connection) -> Mark | None:
    """Return the mark that keeps the store from being written, or None."""
    row = connection.row(_MARK)
    return decode_mark(row[0] if row else None)


class Asked(Letter):
    """What takes the lock of a workspace, to be sent with the beginning of a transaction.

    Args:
        ids: Event ids whose places are looked up under the lock.
    """

    def __init__(self, ws: int, ids: Sequence[bytes]) -> None:
        super().__init__()
        self.add(_LOOK, (ws,))
        self._looked = bool(ids)
        if ids:
            self.add(PLACES, (ws, ids))

    @property
    def log(self) -> tuple[Any, ...] | None:
        """The row of the workspace, once answered; None where it has none."""
        return next(iter(self.rows(0)), None)

    @property
    def places(self) -> list[tuple[Any, ...]]:
        """Where entries with those ids are, once answered."""
        return self.rows(1) if self._looked else []


def locked(
    writer: Connection, ws: int, workspace: str, asked: Asked | None = None, *, copying: bool = False
) -> Head | None:
    """Take the lock of a workspace and return its head; a new workspace gets its row.

    Args:
        asked: Was answered already; without it, the lock is taken now.
        copying: Whether a mark is no hindrance.
    """
    row = writer.row(_LOOK, (ws,)) if asked is None else asked.log
    if row is None:
        writer.execute(
            "INSERT INTO whodid.log (ws, name, size) VALUES (%s, %s, 0) ON CONFLICT (ws) DO NOTHING", (ws, workspace)
        )
        row = writer.row(_LOOK, (ws,))
    if row is None or row[0] != workspace:
        raise InvalidSetting(f"The workspace {workspace} has the same number as another one", "Use another name")
    migrate.check_current(row[3], _KNOWN)
    if not copying:
        refuse(decode_mark(row[2]))
    return None if row[1] is None else decode_head(row[1])


class Writing:
    """Write batches and remove content."""

    def __init__(self, coding: Coding, weeks: Weeks) -> None:
        self._coding = coding
        self._packing = threading.Lock()  # appends to different workspaces run at once, and a compressor serves one
        self._weeks = weeks

    def write(self, writer: Connection, ws: int, batch: Batch) -> None:
        """Write a batch: what is many now, the rest with the commit."""
        note_rewriting(writer, {week_of(row.recorded_at) for row in batch.rewritten})
        letter = writer.last
        tally = self._by_week(writer, ws, (*batch.rewritten, *batch.rows))
        self._ids(letter, ws, batch.rows)
        if batch.rewritten:
            letter.add(
                "INSERT INTO whodid.entry_id SELECT ws, id, index, recorded_at FROM whodid.entry "
                "WHERE ws = %s AND index = ANY(%b::int8[])",
                (ws, [row.index for row in batch.rewritten]),
            )
        self._count_up(letter, ws, tally)
        for gain in tile.additions(batch.nodes):
            self._grow_tile(letter, ws, gain)
        seals = () if batch.sealed is None else ((batch.sealed, batch.postings),)
        self._segments(letter, ws, batch.opened, seals)
        if batch.sealed is not None:
            self._second(letter, ws, {batch.sealed.number: batch.second})
        if batch.bound is not None:
            self._volume(letter, ws, batch.bound, batch.postings)
            letter.add("DELETE FROM whodid.second WHERE ws = %s AND number < %s", (ws, batch.head.unbound.first))
        self._set_head(letter, ws, batch.head)

    def adopt(self, writer: Connection, ws: int, piece: Piece) -> None:
        """Write a piece of a log that comes from another store: what is many now, the rest with the commit."""
        letter = writer.last
        tally = self._by_week(writer, ws, piece.rows)
        self._ids(letter, ws, piece.rows)
        self._count_up(letter, ws, tally)
        for gain in tile.additions(piece.nodes):
            self._grow_tile(letter, ws, gain)
        if piece.rows:
            # How much there is to learn from, for whoever trains the next dictionary.
            letter.add("UPDATE whodid.log SET size = %s WHERE ws = %s", (piece.rows[-1].index + 1, ws))
        self._segments(letter, ws, piece.segments, piece.seals)
        self._second(letter, ws, piece.second)
        for bound, postings in piece.volumes:
            self._volume(letter, ws, bound, postings)
        for name, value in piece.states.items():
            letter.add(
                "INSERT INTO whodid.state VALUES (%s, %s, %b) "
                "ON CONFLICT (ws, name) DO UPDATE SET value = excluded.value",
                (ws, name, value),
            )
        if piece.head is not None:
            self._set_head(letter, ws, piece.head)

    def _by_week(self, writer: Connection, ws: int, rows: Sequence[Row]) -> Tally:
        """Write entries into their weeks, many now and a few with the commit; return what they count."""
        tally: Tally = Counter()
        for week, inside in groupby(rows, lambda row: week_of(row.recorded_at)):
            tally += self._rows(writer, ws, week, list(inside))
        return tally

    @staticmethod
    def _ids(letter: Letter, ws: int, rows: Sequence[Row]) -> None:
        if rows:
            letter.add(
                "INSERT INTO whodid.entry_id SELECT ws, id, index, recorded_at FROM whodid.entry "
                "WHERE ws = %s AND index >= %s AND index <= %s AND recorded_at >= %s AND recorded_at <= %s",
                (ws, rows[0].index, rows[-1].index, rows[0].recorded_at, rows[-1].recorded_at),
            )

    @staticmethod
    def _count_up(letter: Letter, ws: int, tally: Tally) -> None:
        if tally:
            letter.add(
                "INSERT INTO whodid.tally SELECT %s, * FROM unnest(%b::int2[], %b::int4[], %b::int8[], %b::int8[]) "
                "ON CONFLICT (ws, scale, bucket, value) DO UPDATE SET n = tally.n + excluded.n",
                (ws, *_columns(tally)),
            )

    @staticmethod
    def _segments(
        letter: Letter, ws: int, segments: Sequence[Segment], seals: Sequence[tuple[Sealed, bytes | None]]
    ) -> None:
        for one in segments:
            letter.add("INSERT INTO whodid.segment VALUES (%s, %s, %s, %b)", (ws, one.number, one.start, one.salt))
        for sealed, postings in seals:
            letter.add(
                "INSERT INTO whodid.seal VALUES (%s, %s, %s, %b)", (ws, sealed.number, sealed.index, sealed.seal)
            )
            if postings is not None:
                letter.add(
                    "INSERT INTO whodid.postings VALUES (%s, %s, %b)", (ws, sealed.number, pack_postings(postings))
                )

    @staticmethod
    def _set_head(letter: Letter, ws: int, head: Head) -> None:
        letter.add("UPDATE whodid.log SET head = %b, size = %s WHERE ws = %s", (encode_head(head), head.size, ws))

    def _rows(self, writer: Connection, ws: int, week: int, rows: Sequence[Row]) -> Tally:
        self._weeks.ensure(writer, week)
        shapes = self._coding.shapes.numbers(writer, ws, {row.shape for row in rows})
        key, mark = self._coding.keys.key, self._coding.keys.mark(ws)
        with self._packing:
            payloads = [self._coding.packer.pack(row.payload) for row in rows]
        entries: list[bytes] = []
        touches: list[bytes] = []
        tally: Tally = Counter()
        for row, payload in zip(rows, payloads, strict=True):
            shape, actor = shapes[row.shape], key(ws, row.actor)
            resource, *related = [key(ws, touched) for touched in row.touched]
            entries.append(encode_entry(row, Columns(ws, shape, actor, resource), payload, mark))
            touches += [encode_touch(ws, one, row) for one in set(related) - {resource}]
            count_in(tally, row.occurred_at, shape, actor)
        for table, columns, encoded in (("entry", ENTRY, entries), ("touch", TOUCH, touches)):
            if len(encoded) > _FEW:
                writer.copy(name_of(table, week), columns, b"".join(encoded))
            else:
                # Copying needs messages of its own, and more work at the server before the first row.
                marks = ", ".join(["%s"] * (columns.count(",") + 1))
                statement = f"INSERT INTO {name_of(table, week)} ({columns}) VALUES ({marks})"
                for one in encoded:
                    writer.last.add(statement, fields_of(one))
        return tally

    @staticmethod
    def _second(letter: Letter, ws: int, second: Mapping[int, bytes]) -> None:
        for number, tags in second.items():
            letter.add("INSERT INTO whodid.second VALUES (%s, %s, %b)", (ws, number, tags))

    @staticmethod
    def _volume(letter: Letter, ws: int, bound: Bound, postings: bytes | None) -> None:
        letter.add(
            "INSERT INTO whodid.volume VALUES (%s, %s, %s, %s, %b)",
            (ws, bound.number, bound.first, bound.index, bound.volume),
        )
        if bound.salt is not None and postings is not None:
            letter.add(
                "INSERT INTO whodid.volume_index VALUES (%s, %s, %s, %b, %b)",
                (ws, bound.number, bound.first, bound.salt, pack_postings(postings)),
            )

    @staticmethod
    def _grow_tile(letter: Letter, ws: int, gain: tile.Addition) -> None:
        """Add a piece to a tile; where it does not fit it has no start, which the table refuses."""
        place = (ws, gain.level, gain.index)
        letter.add(
            "INSERT INTO whodid.tile SELECT %s, %s, %s, CASE WHEN %s = coalesce((SELECT start + length(hashes) / 32 "
            "FROM whodid.tile WHERE ws = %s AND level = %s AND number = %s ORDER BY start DESC LIMIT 1), 0) "
            "THEN %s::smallint END, %b",
            (*place, gain.start, *place, gain.start, gain.hashes),
        )
        if gain.start and gain.start + len(gain.hashes) // 32 == tile.TILE:
            letter.add(
                "WITH pieces AS (DELETE FROM whodid.tile WHERE ws = %s AND level = %s AND number = %s "
                "RETURNING start, hashes) "
                "INSERT INTO whodid.tile "
                "SELECT %s, %s, %s, 0, string_agg(hashes, ''::bytea ORDER BY start) FROM pieces",
                (*place, *place),
            )

    # ---------------------------------------------------------------- removing

    def remove(self, writer: Connection, ws: int, ranges: Sequence[range], batch: Batch) -> None:
        """Remove content together with everything derived from it, counting the roll-ups down exactly."""
        spans = ([one.start for one in ranges], [one.stop for one in ranges])
        tally: Tally = Counter()
        weeks: Counter[int] = Counter()
        ids: list[bytes] = []
        for id_, recorded_at, occurred_at, shape, actor in writer.rows(
            "SELECT e.id, e.recorded_at, e.occurred_at, e.shape, e.actor "
            f"FROM {_SPANS} JOIN whodid.entry e ON {_INSIDE}",
            (*spans, ws),
        ):
            ids.append(id_)
            weeks[week_of(recorded_at)] += 1
            count_in(tally, occurred_at, shape, actor)
        writer.execute(REMOVE_IDS, (ws, ids))
        for week, entries in sorted(weeks.items()):
            end = start_of(week + 1)
            if batch.head.recorded_at >= end + _CLOSED and drop_whole(writer, week, entries):
                self._weeks.forget()
                continue
            for table in ("entry", "touch"):
                writer.execute(
                    f"DELETE FROM whodid.{table} e USING {_SPANS} "
                    f"WHERE {_INSIDE} AND e.recorded_at >= %s AND e.recorded_at < %s",
                    (*spans, ws, start_of(week), end),
                )
        self._count_down(writer, ws, tally)
        first = batch.head.first
        writer.execute("DELETE FROM whodid.tile WHERE ws = %s AND level = 0 AND number < %s", (ws, first // tile.TILE))
        below = writer.value(
            "SELECT coalesce(max(number), 0) FROM whodid.segment WHERE ws = %s AND start <= %s", (ws, first)
        )
        below = min(below, batch.head.sealed)
        for table in ("segment", "postings", "second"):
            writer.execute(f"DELETE FROM whodid.{table} WHERE ws = %s AND number < %s", (ws, below))
        writer.execute("DELETE FROM whodid.volume_index WHERE ws = %s AND first < %s", (ws, below))

    @staticmethod
    def _count_down(writer: Connection, ws: int, tally: Tally) -> None:
        if not tally:
            return
        columns = _columns(tally)
        same = "t.ws = %s AND t.scale = g.scale AND t.bucket = g.bucket AND t.value = g.value"
        gone = "unnest(%b::int2[], %b::int4[], %b::int8[], %b::int8[]) AS g(scale, bucket, value, n)"
        writer.execute(f"UPDATE whodid.tally t SET n = t.n - g.n FROM {gone} WHERE {same}", (*columns, ws))
        writer.execute(f"DELETE FROM whodid.tally t USING {gone} WHERE {same} AND t.n <= 0", (*columns, ws))


def _columns(counted: Tally) -> tuple[list[int], list[int], list[int], list[int]]:
    tally = folded(counted)
    places = list(tally)
    return (
        [scale for scale, _, _ in places],
        [bucket for _, bucket, _ in places],
        [value for _, _, value in places],
        list(tally.values()),
    )
