"""Does every derived structure still say what the content says?

Compares columns, words, ids, touched resources and the roll-ups with the entries they derive from. What cannot be read
is reported as a problem, not raised: the point is to name the first bad entry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from uuid import UUID

from whodid.errors import StoreCorrupt
from whodid.model import Entry
from whodid.query import shape_of, words
from whodid.store.base import Problem, restore
from whodid.store.postgres.engine import Connection, Engine
from whodid.store.postgres.rows import COLUMNS, Coding, keep, words_of
from whodid.store.search import Row
from whodid.store.tally import Tally, count_in, folded

__all__ = ["problems"]

_CHUNK = 1_000
_MAX_REPORTED = 20
_MORE = "e.actor, e.resource, e.words"


def problems(engine: Engine, coding: Coding, workspace: str) -> Iterator[Problem]:
    """Report what disagrees, entries first in order of index; stops after a few of a sort."""
    ws = coding.keys.workspace(workspace)
    with engine.reading(ws) as reader:
        found = _Comparison(coding, reader, workspace, ws)
        yield from found.dictionaries()
        yield from found.entries()
        yield from found.derived()


class _Comparison:
    def __init__(self, coding: Coding, reader: Connection, workspace: str, ws: int) -> None:
        self.coding = coding
        self.reader = reader
        self.workspace = workspace
        self.ws = ws
        self.mark = coding.keys.mark(ws)
        self.shapes = coding.shapes.all(reader, ws)
        self.tally: Tally = Counter()
        self.seen = 0
        self.strays: list[int] = []  # where the index of related resources names an entry that is not there

    def dictionaries(self) -> Iterator[Problem]:
        """Compare the dictionaries with their checksums."""
        for number, data, checksum in self.reader.rows("SELECT number, bytes, checksum FROM whodid.dictionary"):
            if sha256(data).digest() != checksum:
                yield Problem(None, f"Dictionary {number} is damaged")

    def entries(self) -> Iterator[Problem]:
        """Compare what stands beside each entry with its content."""
        low = 0
        while True:
            rows = self.reader.rows(
                f"SELECT {COLUMNS}, {_MORE} FROM whodid.entry e WHERE e.ws = %s AND e.index >= %s "
                f"ORDER BY e.index LIMIT {_CHUNK}",
                (self.ws, low),
            )
            # Asked apart: an outer join of these two takes a coordinator of Citus 13 down.
            places = {
                id_: place
                for id_, *place in self.reader.rows(
                    "SELECT id, index, recorded_at FROM whodid.entry_id WHERE ws = %s AND id = ANY(%b::bytea[])",
                    (self.ws, [row[2] for row in rows]),
                )
            }
            touched = self._touched(low, rows)
            for row in rows:
                index = row[0]
                count_in(self.tally, row[3], row[7], row[8])
                self.seen += 1
                try:
                    entry = restore(keep(row, self.coding.packer), self.workspace)
                except StoreCorrupt as error:
                    yield Problem(index, error.fact)
                    continue
                for fact in self._faults(row, entry, touched.get(index, set()), places.get(row[2])):
                    yield Problem(index, fact)
            if len(rows) < _CHUNK:
                return
            low = rows[-1][0] + 1

    def _touched(self, low: int, rows: list[Row]) -> dict[int, set[tuple[int, int, int]]]:
        high = rows[-1][0] + 1 if len(rows) == _CHUNK else 1 << 62
        found: dict[int, set[tuple[int, int, int]]] = {}
        for index, key, occurred_at, recorded_at in self.reader.rows(
            "SELECT index, key, occurred_at, recorded_at FROM whodid.touch "
            "WHERE ws = %s AND index >= %s AND index < %s",
            (self.ws, low, high),
        ):
            found.setdefault(index, set()).add((key, occurred_at, recorded_at))
        self.strays += sorted(found.keys() - {row[0] for row in rows})
        return found

    def _faults(
        self, row: Row, entry: Entry, touched: set[tuple[int, int, int]], place: list[int] | None
    ) -> Iterator[str]:
        key = self.coding.keys.key
        resource = key(self.ws, entry.resource.id)
        columns = (key(self.ws, entry.actor.id), resource)
        if (row[8], row[9]) != columns or self.shapes.get(row[7]) != shape_of(entry):
            yield "Its search columns do not fit its content"
        if words_of(row[10], self.mark) != {word.encode() for word in words(entry)}:
            yield "The text index does not fit its content"
        if place != [row[0], row[4]]:
            yield f"The id {UUID(bytes=row[2])} does not lead to it"
        related = {key(self.ws, one.id) for one in entry.related} - {resource}
        if touched != {(one, row[3], row[4]) for one in related}:
            yield "The index of related resources does not fit its content"

    def derived(self) -> Iterator[Problem]:
        """Compare roll-ups, ids and sizes as wholes."""
        for index in self.strays[:_MAX_REPORTED]:
            yield Problem(index, "The index of related resources names an entry that is not there")
        stored = {
            (scale, bucket, value): n
            for scale, bucket, value, n in self.reader.rows(
                "SELECT scale, bucket, value, n FROM whodid.tally WHERE ws = %s", (self.ws,)
            )
        }
        counted = folded(self.tally)
        if stored != counted:
            scale, bucket, _ = min(set(stored.items()) ^ set(counted.items()))[0]
            yield Problem(None, f"The roll-up of scale {scale} does not fit the entries of bucket {bucket}")
        if self.reader.value("SELECT count(*) FROM whodid.entry_id WHERE ws = %s", (self.ws,)) != self.seen:
            yield Problem(None, "There are ids of entries that are not there")
