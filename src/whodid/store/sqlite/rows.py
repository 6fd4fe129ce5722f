"""Rows of the SQLite store: how a place, a key, a payload and a shape are written into columns, and back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from importlib import resources
from typing import Any, NamedTuple

import msgspec
import zstandard

from whodid.errors import StoreCorrupt
from whodid.query import Shape
from whodid.sequence import Head
from whodid.store.base import Kept
from whodid.store.sqlite.engine import Connection

__all__ = [
    "ACTOR_SCALES",
    "COLUMNS",
    "SHAPE_SCALES",
    "Coding",
    "Keys",
    "Packer",
    "Shapes",
    "Tally",
    "count_in",
    "decode_head",
    "encode_head",
    "index_of",
    "keep",
    "pos_of",
    "shipped_dictionary",
]

_DAY, _HOUR, _QUARTER = 86_400_000_000, 3_600_000_000, 900_000_000

SHAPE_SCALES = ((0, _DAY), (1, _QUARTER))
ACTOR_SCALES = ((2, _DAY), (3, _HOUR))
"""Scales of the roll-ups, coarse before fine: number and microseconds of a bucket."""

Tally = Counter[tuple[int, int, int]]
"""Entries by (scale, bucket, value)."""
_INDEX_BITS = 40
_INDEX_MASK = (1 << _INDEX_BITS) - 1
_LEVEL = 3
_LARGEST = 1 << 20  # well above what intake lets in

COLUMNS = "e.pos, e.kind, e.id, e.occurred_at, e.recorded_at, e.seed, e.payload, e.shape"

encode_head = msgspec.msgpack.Encoder().encode
_head = msgspec.msgpack.Decoder(Head).decode


def decode_head(data: bytes) -> Head:
    """Read a stored head."""
    try:
        return _head(data)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"The stored head cannot be read: {error}", "Restore a backup") from None


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


class Packer:
    """Compress payloads with a trained dictionary, row by row.

    A payload is one byte, the number of its dictionary, and a zstd frame without magic number. Dictionaries are never
    removed, so what was written stays readable.

    Args:
        load: Returns all dictionaries by number; called again when a payload names one that is not known yet, because
            another process trained it.
    """

    def __init__(self, load: Callable[[], dict[int, bytes]]) -> None:
        self._load = load
        self._local = threading.local()
        self.refresh()

    def refresh(self) -> None:
        """Read the dictionaries again and write with the newest."""
        self._dictionaries = {
            number: zstandard.ZstdCompressionDict(data, dict_type=zstandard.DICT_TYPE_FULLDICT)
            for number, data in self._load().items()
        }
        number = max(self._dictionaries)
        newest = self._dictionaries[number]
        parameters = zstandard.ZstdCompressionParameters.from_level(
            _LEVEL,
            format=zstandard.FORMAT_ZSTD1_MAGICLESS,
            write_content_size=True,
            write_checksum=False,
            write_dict_id=False,
        )
        newest.precompute_compress(compression_params=parameters)
        self._newest = (bytes([number]), zstandard.ZstdCompressor(compression_params=parameters, dict_data=newest))

    def pack(self, data: bytes) -> bytes:
        """Compress; call it under the write lock only."""
        prefix, compressor = self._newest
        return prefix + compressor.compress(data)

    def unpack(self, data: bytes, index: int) -> bytes:
        """Decompress; safe from any thread.

        Raises:
            StoreCorrupt: The bytes are not what `pack` wrote.
        """
        readers: dict[int, zstandard.ZstdDecompressor] | None = getattr(self._local, "readers", None)
        if readers is None:
            readers = self._local.readers = {}
        try:
            number = data[0]
            reader = readers.get(number)
            if reader is None:
                if number not in self._dictionaries:
                    self.refresh()
                reader = readers[number] = zstandard.ZstdDecompressor(
                    dict_data=self._dictionaries[number], format=zstandard.FORMAT_ZSTD1_MAGICLESS
                )
            return reader.decompress(data[1:], max_output_size=_LARGEST)
        except (zstandard.ZstdError, KeyError, IndexError, TypeError, MemoryError) as error:
            raise StoreCorrupt(
                f"The content of entry {index} cannot be decompressed: {error}", "Restore a backup", index=index
            ) from None


def shipped_dictionary() -> bytes:
    """Return the dictionary that a new database starts with, trained on the catalog's examples."""
    return (resources.files("whodid.store") / "payload.dict").read_bytes()


class Shapes:
    """Numbers for the combinations of low-cardinality values of a workspace."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, Shape], int] = {}
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Shape).decode

    def number(self, writer: Connection, ws: int, shape: Shape) -> int:
        """Return the number of a shape, giving it one within the running transaction if it is new."""
        known = self._numbers.get((ws, shape))
        if known is None:
            value = self._encode(shape)
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
        return {number: self._decode(value) for number, value in rows}


def count_in(tally: Tally, occurred_at: int, shape: int, actor: int) -> None:
    """Count one entry in every roll-up."""
    for scale, unit in SHAPE_SCALES:
        tally[scale, occurred_at // unit, shape] += 1
    for scale, unit in ACTOR_SCALES:
        tally[scale, occurred_at // unit, actor] += 1


class Coding(NamedTuple):
    """What turns entries into rows and back, in one database."""

    keys: Keys
    packer: Packer
    shapes: Shapes


class _Id(msgspec.Struct):
    id: str


class _Touched(msgspec.Struct):
    resource: _Id
    related: tuple[_Id, ...] = ()


_decode_touched = msgspec.json.Decoder(_Touched).decode


def touched_by(kept: Kept) -> set[str]:
    """Return the ids of the resource and of the related resources, decoding nothing else.

    Raises:
        StoreCorrupt: The bytes are not what was written.
    """
    try:
        found = _decode_touched(kept.payload)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(
            f"The content of entry {kept.index} cannot be read: {error}", "Restore a backup", index=kept.index
        ) from None
    return {found.resource.id, *(related.id for related in found.related)}


def keep(row: Sequence[Any], packer: Packer) -> Kept:
    """Turn a row of `COLUMNS` into a kept entry."""
    index = index_of(row[0])
    return Kept(index, row[1], row[2], row[3], row[4], row[5], packer.unpack(row[6], index))
