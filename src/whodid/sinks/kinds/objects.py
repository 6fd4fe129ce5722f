"""What stands in an object of a bucket: lines of JSON under zstd, or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import zstandard

from whodid.errors import InvalidSetting
from whodid.files import parquet
from whodid.model import Entry
from whodid.sinks.kinds.base import Message

__all__ = ["FILES", "File"]

_LARGEST = 64 * 1024 * 1024


class File(Protocol):
    """A form of object.

    Args:
        ending: Of its name, without the first dot.
    """

    ending: str
    media_type: str

    def write(self, messages: Sequence[Message]) -> bytes:
        """Return the bytes of an object with messages."""
        ...

    def known(self, body: bytes) -> frozenset[bytes]:
        """Return the marks of what is in an object; empty for one that is not of this form."""
        ...

    def mark(self, message: Message) -> bytes:
        """Return what a message is known by in an object."""
        ...


class _Lines:
    """Lines of JSON, compressed."""

    media_type = "application/zstd"

    def __init__(self, format: str) -> None:
        self.ending = f"{format}.ndjson.zst"

    def write(self, messages: Sequence[Message]) -> bytes:
        """Write a line for each message."""
        return zstandard.ZstdCompressor().compress(b"".join(b"%b\n" % message.body for message in messages))

    def known(self, body: bytes) -> frozenset[bytes]:
        """Return the lines."""
        try:
            text = zstandard.ZstdDecompressor().decompress(body, max_output_size=_LARGEST)
        except zstandard.ZstdError:
            return frozenset()
        return frozenset(text.split(b"\n"))

    def mark(self, message: Message) -> bytes:
        """Return the line."""
        return message.body


class _Parquet:
    """The columns of a Parquet export; a test is an object without a row."""

    media_type = "application/vnd.apache.parquet"
    ending = "parquet"

    def __init__(self, format: str) -> None:
        if format != "whodid":
            raise InvalidSetting(f"A Parquet file has no format {format!r}", "Leave out the format, or write ndjson")
        parquet.require()

    def write(self, messages: Sequence[Message]) -> bytes:
        """Write a row for each entry."""
        entries = [_entry(message.body) for message in messages if message.index is not None]
        return b"".join(parquet.render(entries))

    def known(self, body: bytes) -> frozenset[bytes]:
        """Return the ids."""
        return frozenset(one.encode() for one in parquet.read_ids(body))

    def mark(self, message: Message) -> bytes:
        """Return the id."""
        return message.id.encode()


_entry = msgspec.json.Decoder(Entry).decode

FILES: dict[str, Callable[[str], File]] = {"ndjson": _Lines, "parquet": _Parquet}
"""By name: makes the form for a format of the sink."""
