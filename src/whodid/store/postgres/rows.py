"""Rows of the PostgreSQL store: how a workspace, an id, an entry and its words are written into columns, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Any, NamedTuple

from whodid.query import Shape
from whodid.sequence import Row
from whodid.store.base import Kept
from whodid.store.packing import Packer, decode_shape, encode_shape
from whodid.store.postgres.engine import Connection

__all__ = [
    "COLUMNS",
    "ENTRY",
    "TOUCH",
    "Coding",
    "Columns",
    "Keys",
    "Shapes",
    "encode_entry",
    "encode_touch",
    "fields_of",
    "keep",
    "words_of",
]

COLUMNS = "e.index, e.kind, e.id, e.occurred_at, e.recorded_at, e.seed, e.payload, e.shape"

ENTRY = "ws, index, recorded_at, occurred_at, actor, resource, shape, kind, id, seed, payload, words"
"""Columns in the order of `encode_entry`."""
TOUCH = "ws, key, occurred_at, index, recorded_at"
"""Columns in the order of `encode_touch`."""

# Binary COPY: the number of fields, then the length of each before its bytes.
_FIXED = Struct("!h" + "iq" * 6 + "iiih" + "i16s" + "i")
_LENGTH = Struct("!i")
_TOUCH = Struct("!h" + "iq" * 5)
# A tsvector: the number of lexemes, then each with a zero byte and the number of its positions, none.
_LEXEME_END = b"\0\0\0"
_BASE64 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"


class Keys:
    """Hash names of workspaces and ids.

    The hash is keyed, so that nobody can craft ids that collide.

    Args:
        secret: 16 random bytes of this database.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

        @lru_cache(maxsize=65_536)
        def key(ws: int, value: str) -> int:
            return self._hash(b"%x/%s" % (ws, value.encode()))

        self.key = key
        self.workspace = lru_cache(maxsize=4_096)(lambda name: self._hash(name.encode()))

    def _hash(self, value: bytes) -> int:
        return int.from_bytes(blake2b(value, digest_size=8, key=self._secret).digest()) >> 1

    @staticmethod
    def mark(ws: int) -> bytes:
        """Return what stands before each word of a workspace in the index of words: 18 bits of its number."""
        return bytes([_BASE64[ws >> shift & 63] for shift in (0, 6, 12)])


class Shapes:
    """Numbers for the combinations of low-cardinality values of a workspace."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, Shape], int] = {}

    def numbers(self, writer: Connection, ws: int, shapes: set[Shape]) -> dict[Shape, int]:
        """Return the numbers of shapes, giving new ones theirs; the caller holds the lock of the workspace."""
        found = {shape: self._numbers[ws, shape] for shape in shapes if (ws, shape) in self._numbers}
        if len(found) < len(shapes):
            stored = {shape: number for number, shape in self.all(writer, ws).items()}
            for shape in shapes - found.keys():
                if shape in stored:
                    found[shape] = self._numbers[ws, shape] = stored[shape]
                else:
                    # Not remembered: the transaction may yet roll back and the number go to another shape.
                    found[shape] = stored[shape] = max(stored.values(), default=0) + 1
                    writer.execute(
                        "INSERT INTO whodid.shape VALUES (%s, %s, %s)", (ws, found[shape], encode_shape(shape))
                    )
        return found

    def all(self, reader: Connection, ws: int) -> dict[int, Shape]:
        """Return every shape of a workspace by number."""
        rows = reader.rows("SELECT number, value FROM whodid.shape WHERE ws = %s", (ws,))
        return {number: decode_shape(value) for number, value in rows}


class Columns(NamedTuple):
    """The search columns of an entry."""

    ws: int
    shape: int
    actor: int
    resource: int


def encode_entry(row: Row, columns: Columns, payload: bytes, mark: bytes) -> bytes:
    """Write an entry for COPY.

    Args:
        payload: Packed.
        mark: What stands before each word.
    """
    ws, shape, actor, resource = columns
    words = b""
    count = 0
    if row.text:
        count = row.text.count(" ") + 1
        words = mark + row.text.encode().replace(b" ", _LEXEME_END + mark) + _LEXEME_END
    fixed = _FIXED.pack(
        12, 8, ws, 8, row.index, 8, row.recorded_at, 8, row.occurred_at, 8, actor, 8, resource,
        4, shape, 2, row.kind, 16, row.id, len(row.seed),
    )  # fmt: skip
    length = _LENGTH.pack
    return b"".join((fixed, row.seed, length(len(payload)), payload, length(4 + len(words)), length(count), words))


def encode_touch(ws: int, key: int, row: Row) -> bytes:
    """Write for COPY that an entry touched a related resource."""
    return _TOUCH.pack(5, 8, ws, 8, key, 8, row.occurred_at, 8, row.index, 8, row.recorded_at)


def fields_of(encoded: bytes) -> list[bytes]:
    """Return the values of a row that is written for COPY, none of which is NULL."""
    found = []
    at = 2
    while at < len(encoded):
        start = at + 4
        at = start + int.from_bytes(encoded[at:start])
        found.append(encoded[start:at])
    return found


def words_of(data: bytes, mark: bytes) -> set[bytes]:
    """Read the words of a binary tsvector; what is not behind the workspace's mark keeps what stands before it."""
    return {lexeme.removeprefix(mark) for lexeme in data[4:].split(_LEXEME_END) if lexeme}


class Coding(NamedTuple):
    """What turns entries into rows and back, in one database.

    Args:
        has_words: Whether the index of words is there.
    """

    keys: Keys
    packer: Packer
    shapes: Shapes
    has_words: bool


def keep(row: Sequence[Any], packer: Packer) -> Kept:
    """Turn a row of `COLUMNS` into a kept entry."""
    return Kept(row[0], row[1], row[2], row[3], row[4], row[5], packer.unpack(row[6], row[0]))
