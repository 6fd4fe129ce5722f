"""Tables of values as files (CSV): how they were encoded and separated, their rows one by one, and cells that are safe.

Reading goes on from any position of a file, and a row that is broken costs that row and no other. Nothing here knows
what the values mean.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from msgspec import Struct

from sendero.errors import Invalid

__all__ = [
    "BROKEN",
    "DELIMITERS",
    "PIECE",
    "Row",
    "decoded",
    "encoding_of",
    "opened",
    "pieces",
    "rows",
    "safe",
    "sniffed",
]

PIECE = 256 * 1024
"""Bytes of a piece of a file."""

DELIMITERS = (",", ";", "\t")

BROKEN = "This row cannot be read: a quotation mark lacks its other half, or a value is far too long."

_LONGEST_LINE = 1024 * 1024
_MOST_LINES = 100
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PHONE = re.compile(r"\+[1-9][0-9]{7,14}")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Row(Struct, frozen=True, kw_only=True):
    """One row of a file.

    Args:
        line: The line it begins in, counted from 1.
        cells: Its values; none when it is broken.
        fault: What is wrong with it, in words for people.
        position: Where the next row begins, in bytes.
        next_line: The line where the next row begins.
    """

    line: int
    cells: list[str]
    fault: str | None
    position: int
    next_line: int


def encoding_of(file: BinaryIO) -> str:
    """Return how a file is encoded: what its first bytes say, else UTF-8, else Windows-1252.

    Raises:
        Invalid: It is no text in any of them.
    """
    file.seek(0)
    head = file.read(4)
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Invalid({"file": "This is a spreadsheet, not CSV. Open it and save it as CSV (UTF-8)."})
    told = next((name for mark, name in _BOMS if head.startswith(mark)), None)
    for name in (told,) if told else ("utf-8", "cp1252"):
        try:
            for _ in decoded(file, name):
                pass
        except UnicodeError:
            continue
        return name
    raise Invalid({"file": "The letters of this file cannot be read. Save it as CSV in UTF-8."})


def decoded(file: BinaryIO, encoding: str) -> Iterator[str]:
    r"""Yield the text of a file piece by piece; every line ends with \n."""
    file.seek(0)
    reader = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    while part := file.read(PIECE):
        yield reader.decode(part)
    yield reader.decode(b"", final=True)


def pieces(texts: Iterator[str]) -> Iterator[bytes]:
    """Cut a text into pieces of `PIECE` bytes of UTF-8, the last one shorter."""
    held = bytearray()
    for text in texts:
        held += text.encode()
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    if held:
        yield bytes(held)


def sniffed(line: str) -> str:
    """Return what separates the values of a first line: what it has most of, outside of quotation marks."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(DELIMITERS, key=bare.count)


def rows(piece: Callable[[int], bytes], delimiter: str, *, position: int = 0, line: int = 1) -> Iterator[Row]:
    """Yield the rows of a file.

    Args:
        piece: Returns a piece of the file by its number; empty past its end.
        position: Where to begin, in bytes.
        line: The line that begins there.
    """
    lines = _Lines(piece, position, line)
    while True:
        begun = lines.line
        lines.begin()
        try:
            cells = next(csv.reader(lines, delimiter=delimiter, strict=True))
            fault = None
        except StopIteration:
            return
        except (csv.Error, _Broken):
            # A quotation mark that has no other half would swallow what follows: go on after the first line.
            lines.rewind()
            cells = []
            fault = BROKEN
        yield Row(line=begun, cells=cells, fault=fault, position=lines.position, next_line=lines.line)


def opened(cell: str) -> str:
    """Return a cell as it was meant: `safe` puts an apostrophe before what a spreadsheet would calculate."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet calculates: an apostrophe before what begins like a formula.

    A phone number with its plus is none and stays as it is.
    """
    return f"'{cell}" if cell.startswith(_FORMULA) and not _PHONE.fullmatch(cell) else cell


class _Broken(Exception):
    """A line or a row is longer than anybody types."""


class _Lines:
    """The lines of a file, as the reader of rows takes them: never more than the row needs."""

    def __init__(self, piece: Callable[[int], bytes], position: int, line: int) -> None:
        self._piece = piece
        self._held = (-1, b"")
        self.position = position
        self.line = line
        self.begin()

    def begin(self) -> None:
        """Begin a row."""
        self._taken = 0
        self._after_first = (self.position, self.line)

    def rewind(self) -> None:
        """Go back to the second line of the row."""
        self.position, self.line = self._after_first

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._taken == _MOST_LINES:
            raise _Broken
        found = self._line()
        if not found:
            raise StopIteration
        self._taken += 1
        if self._taken == 1:
            self._after_first = (self.position, self.line)
        if len(found) > _LONGEST_LINE:
            raise _Broken
        return found.decode()

    def _line(self) -> bytes:
        """Read up to the end of the line; of a line without measure, only the beginning is kept."""
        found = b""
        while True:
            number, offset = divmod(self.position, PIECE)
            if self._held[0] != number:
                self._held = (number, self._piece(number))
            data = self._held[1]
            if offset >= len(data):
                break
            end = data.find(b"\n", offset) + 1
            part = data[offset : end or len(data)]
            self.position += len(part)
            if len(found) <= _LONGEST_LINE:
                found += part
            if end:
                break
        if found:
            self.line += 1
        return found
