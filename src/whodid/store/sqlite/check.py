"""Does every derived structure still say what the content says?

Compares columns, touched resources, the text index and the roll-ups with the entries they derive from, and lets the
engine check its own pages. What cannot be read is reported as a problem, not raised: the point is to name the first
bad entry.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from hashlib import sha256

import apsw

from whodid.errors import StoreCorrupt
from whodid.query import shape_of, words
from whodid.store.base import Problem, restore
from whodid.store.sqlite.engine import Connection, Engine
from whodid.store.sqlite.rows import COLUMNS, ZERO, Coding, index_of, keep, pos_of
from whodid.store.tally import Tally, count_in, folded

__all__ = ["problems"]

_CHUNK = 1_000
_MAX_REPORTED = 20


def problems(
    engine: Engine, coding: Coding, number: Callable[[Connection, str], int | None], workspace: str
) -> Iterator[Problem]:
    """Report what disagrees, entries first in order of index; stops after a few of a sort.

    Args:
        number: Finds the small number of a workspace.
    """
    with engine.reading() as reader:
        ws = number(reader, workspace)
        if ws is None:
            return
        found = _Comparison(coding, reader, workspace, ws)
        yield from found.dictionaries()
        yield from found.entries()
        yield from found.derived()
        try:
            for (fact,) in reader.rows(f"PRAGMA integrity_check({_MAX_REPORTED})"):
                if fact != "ok":
                    yield Problem(None, f"SQLite: {fact}")
        except apsw.Error as error:
            yield Problem(None, f"SQLite: {error}")


class _Comparison:
    def __init__(self, coding: Coding, reader: Connection, workspace: str, ws: int) -> None:
        self.coding = coding
        self.reader = reader
        self.workspace = workspace
        self.ws = ws
        self.tally: Tally = Counter()
        # The text index is compared through an order-free sum over its (token, entry) pairs, one per chunk.
        self.texts: dict[int, int] = {}
        self.touches = 0
        self.unreadable: set[int] = set()

    def dictionaries(self) -> Iterator[Problem]:
        """Compare the dictionaries with their checksums."""
        for number, data, checksum in self.reader.each("SELECT number, bytes, checksum FROM dictionary"):
            if sha256(data).digest() != checksum:
                yield Problem(None, f"Dictionary {number} is damaged")

    def entries(self) -> Iterator[Problem]:
        """Compare the columns of each entry with its content."""
        low, high = pos_of(self.ws, 0), pos_of(self.ws + 1, 0)
        shapes = self.coding.shapes.all(self.reader, self.ws)
        key = self.coding.keys.key
        statement = (
            f"SELECT {COLUMNS}, e.ws, e.actor FROM entry e WHERE e.pos >= ? AND e.pos < ? ORDER BY e.pos LIMIT {_CHUNK}"
        )
        while True:
            try:
                rows = self.reader.rows(statement, (low, high))
            except apsw.Error as error:
                yield Problem(index_of(low), f"The rows from here on cannot be read: {error}")
                return
            for row in rows:
                index = index_of(row[0])
                try:
                    entry = restore(keep(row, self.coding.packer), self.workspace)
                except StoreCorrupt as error:
                    yield Problem(index, error.fact)
                    self.unreadable.add(index)
                    continue
                actor = key(self.ws, entry.actor.id)
                if row[8] != self.ws or row[9] != actor or shapes.get(row[7]) != shape_of(entry):
                    yield Problem(index, "Its search columns do not fit its content")
                count_in(self.tally, row[3], row[7], row[9])
                touched = {entry.resource.id, *(related.id for related in entry.related)}
                for one in touched:
                    self.touches ^= hash((key(self.ws, one), row[3] - ZERO, row[0]))
                chunk = index // _CHUNK
                self.texts[chunk] = self.texts.get(chunk, 0) ^ _tokens(set(words(entry)), row[0])
            if len(rows) < _CHUNK:
                return
            low = rows[-1][0] + 1

    def derived(self) -> Iterator[Problem]:
        """Compare roll-ups, touched resources and the text index as wholes."""
        try:
            stored = {
                (scale, bucket, value): n
                for scale, bucket, value, n in self.reader.each(
                    "SELECT scale, bucket, value, n FROM tally WHERE ws = ?", (self.ws,)
                )
            }
        except apsw.Error as error:
            yield Problem(None, f"The roll-ups cannot be read: {error}")
        else:
            counted = folded(self.tally)
            if stored != counted:
                scale, bucket, _ = min(set(stored.items()) ^ set(counted.items()))[0]
                yield Problem(None, f"The roll-up of scale {scale} does not fit the entries of bucket {bucket}")
        yield from self._compare_touches()
        yield from self._compare_texts()

    def _compare_touches(self) -> Iterator[Problem]:
        try:
            stored = 0
            for row in self.reader.each(
                "SELECT key, occurred_at, pos FROM touch WHERE key >= ? AND key < ?",
                (self.ws << 40, self.ws + 1 << 40),
            ):
                stored ^= hash(row)
        except apsw.Error as error:
            yield Problem(None, f"The index of resources cannot be read: {error}")
            return
        if stored != self.touches:
            yield Problem(None, "The index of resources does not fit the entries")

    def _compare_texts(self) -> Iterator[Problem]:
        stored: dict[int, int] = {}
        try:
            for term, pos in self._seen():
                chunk = index_of(pos) // _CHUNK
                stored[chunk] = stored.get(chunk, 0) ^ hash((term, pos))
            wrong = [
                chunk
                for chunk in sorted(stored.keys() | self.texts.keys())
                if stored.get(chunk, 0) != self.texts.get(chunk, 0)
            ]
            if wrong:
                yield from self._name_texts(range(wrong[0] * _CHUNK, (wrong[0] + 1) * _CHUNK))
        except (apsw.Error, UnicodeDecodeError) as error:
            yield Problem(None, f"The text index cannot be read: {error}")

    def _seen(self) -> Iterator[tuple[str, int]]:
        low, high = pos_of(self.ws, 0), pos_of(self.ws + 1, 0)
        for term, pos in self.reader.each("SELECT term, doc FROM temp.words_seen"):
            if low <= pos < high:
                yield term, pos

    def _name_texts(self, indexes: range) -> Iterator[Problem]:
        """Say which entries of the first chunk that differs are at fault."""
        seen: defaultdict[int, set[str]] = defaultdict(set)
        for term, pos in self._seen():
            if index_of(pos) in indexes:
                seen[index_of(pos)].add(term)
        bounds = (pos_of(self.ws, indexes.start), pos_of(self.ws, indexes.stop))
        for row in self.reader.rows(f"SELECT {COLUMNS} FROM entry e WHERE e.pos >= ? AND e.pos < ?", bounds):
            index = index_of(row[0])
            found = seen.pop(index, set())
            if index in self.unreadable:
                continue
            entry = restore(keep(row, self.coding.packer), self.workspace)
            if found != set(words(entry)):
                yield Problem(index, "The text index does not fit its content")
        for index in sorted(seen)[:_MAX_REPORTED]:
            yield Problem(index, "The text index has words of an entry that is not there")


def _tokens(tokens: set[str], pos: int) -> int:
    total = 0
    for token in tokens:
        total ^= hash((token, pos))
    return total
