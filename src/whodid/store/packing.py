"""Stored bytes: payloads compressed with a trained dictionary, heads and shapes encoded; the same in every engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import resources

import msgspec
import zstandard

from whodid.errors import StoreCorrupt
from whodid.query import Shape
from whodid.sequence import Head

__all__ = [
    "Packer",
    "decode_head",
    "decode_shape",
    "encode_head",
    "encode_shape",
    "pack_postings",
    "shipped_dictionary",
    "unpack_postings",
]

_LEVEL = 3  # of what is compressed as a whole
_LARGEST = 1 << 20  # well above what intake lets in

encode_head = msgspec.msgpack.Encoder().encode
encode_shape = msgspec.msgpack.Encoder().encode
_head = msgspec.msgpack.Decoder(Head).decode
_shape = msgspec.msgpack.Decoder(Shape).decode


def decode_head(data: bytes) -> Head:
    """Read a stored head."""
    try:
        return _head(data)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"The stored head cannot be read: {error}", "Restore a backup") from None


def decode_shape(data: bytes) -> Shape:
    """Read a stored shape."""
    try:
        return _shape(data)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"A stored shape cannot be read: {error}", "Restore a backup") from None


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
        # Longer matches only, looked for further back than by a level: entries are short, and the dictionary holds
        # whole phrases of them. In the corpus of the benchmarks 145 bytes in 4.3 µs; by level 3 157 in 1.9, by level 9
        # 143 in 10.
        parameters = zstandard.ZstdCompressionParameters(
            window_log=17,
            hash_log=15,
            chain_log=15,
            search_log=5,
            min_match=6,
            target_length=0,
            strategy=zstandard.STRATEGY_GREEDY,
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


def pack_postings(data: bytes) -> bytes:
    """Compress the index of a segment or of a volume."""
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)


def unpack_postings(data: bytes, what: str) -> bytes:
    """Decompress the index of a segment or of a volume.

    Args:
        what: Whose index it is, such as `segment 3`.

    Raises:
        StoreCorrupt: The bytes are not what `pack_postings` wrote.
    """
    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except (zstandard.ZstdError, MemoryError) as error:
        raise StoreCorrupt(f"The index of {what} cannot be decompressed: {error}", "Restore a backup") from None


def shipped_dictionary() -> bytes:
    """Return the dictionary that a new database starts with, trained on the catalog's examples."""
    return (resources.files("whodid.store") / "payload.dict").read_bytes()
