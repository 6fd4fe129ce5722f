"""Rows of the SQLite store: how a place, a key, a payload and a shape are written into columns, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from whodid.query import Shape
from whodid.store.base import Kept
from whodid.store.packing import Packer, decode_shape, encode_shape
from whodid.store.sqlite.engine import Connection

__all__ = ["COLUMNS", "TILE", "ZERO", "Coding", "Keys", "Shapes", "index_of", "keep", "pos_of"]

_INDEX_BITS = 40
_INDEX_MASK = (1 << _INDEX_BITS) - 1

ZERO = 1_893_456_000_000_000
"""From where columns of time count: 2030 in microseconds since 1970. SQLite keeps 4.4 years to both sides in six bytes,
and what is further away in eight."""

COLUMNS = f"e.pos, e.kind, e.id, e.occurred_at + {ZERO}, e.recorded_at + {ZERO}, e.seed, e.payload, e.shape"
TILE = "ws = ? AND level = ? AND number = ?"


def pos_of(ws: int, index: int) -> int:
    """Return the position of an entry of a workspace."""
    return ws << _INDEX_BITS | index


def index_of(pos: int) -> int:
    """Return the index within its workspace."""
    return pos & _INDEX_MASK


class Keys:
    """Hash ids to keys that stay within the range of their workspace.

    The hash is keyed, so that nobody can craft ids that collide.

    Args:
        secret: 16 random bytes of this database.
    """

    def __init__(self, secret: bytes) -> None:
        @lru_cache(maxsize=65_536)
        def key(ws: int, value: str) -> int:
            digest = blake2b(value.encode(), digest_size=_INDEX_BITS // 8, key=secret).digest()
            return ws << _INDEX_BITS | int.from_bytes(digest)

        self.key = key


class Shapes:
    """Numbers for the combinations of low-cardinality values of a workspace."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, Shape], int] = {}

    def number(self, writer: Connection, ws: int, shape: Shape) -> int:
        """Return the number of a shape, giving it one within the running transaction if it is new."""
        known = self._numbers.get((ws, shape))
        if known is None:
            value = encode_shape(shape)
            found = writer.row("SELECT number FROM shape WHERE ws = ? AND value = ?", (ws, value))
            if found is None:
                writer.execute("INSERT INTO shape (ws, value) VALUES (?, ?)", (ws, value))
                # Not remembered: the transaction may yet roll back and the number go to another shape.
                return writer.last_insert_rowid()
            known = self._numbers[ws, shape] = int(found[0])
        return known

    def all(self, reader: Connection, ws: int) -> dict[int, Shape]:
        """Return every shape of a workspace by number."""
        rows = reader.rows("SELECT number, value FROM shape WHERE ws = ?", (ws,))
        return {number: decode_shape(value) for number, value in rows}


class Coding(NamedTuple):
    """What turns entries into rows and back, in one database."""

    keys: Keys
    packer: Packer
    shapes: Shapes


def keep(row: Sequence[Any], packer: Packer) -> Kept:
    """Turn a row of `COLUMNS` into a kept entry."""
    index = index_of(row[0])
    return Kept(index, row[1], row[2], row[3], row[4], row[5], packer.unpack(row[6], index))
