"""A file of foreign records, read one by one.

NDJSON, one JSON array, or one object that begins with a `Records` list (the files that CloudTrail delivers), all in
constant memory; also one record over many lines. gzip is recognised by its first bytes. Nothing is skipped in silence:
whatever cannot be read is yielded as a fault with its number. JSON is read strictly, because a record with a member
twice would lose one of the two.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, NamedTuple

from whodid.errors import InvalidEvent
from whodid.export.import_.elements import Rest, elements

__all__ = ["MAX_DOCUMENT", "MAX_LINE", "Line", "read"]

MAX_LINE = 4 * 1024 * 1024
MAX_DOCUMENT = 256 * 1024 * 1024
_MOST_AFTER = 64 * 1024

_LIST = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:(?P<array>\[)|\{\s*"Records"\s*:\s*\[)')
_UNDECIDED = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*(?:"Records"\s*:?\s*)?')
_DOCUMENT = re.compile(rb'(?:\xef\xbb\xbf)?\s*(\[|\{\s*("Records"\s*:|$))')

_Source = gzip.GzipFile | BufferedReader


class Line(NamedTuple):
    """One record of a file, or why it is none.

    Args:
        number: Line of the file, from 1; number of the record in a file that is one document over many lines.
        record: The record as the product wrote it.
        around: What the line held besides, where the record stood in a member `raw`.
        fault: Why there is no record.
    """

    number: int
    record: dict[str, Any] | None = None
    around: dict[str, Any] | None = None
    fault: InvalidEvent | None = None


def read(file: BufferedReader) -> Iterator[Line]:
    """Read foreign records.

    Args:
        file: Open for reading, at its beginning; it need not be seekable.

    Returns:
        One `Line` per record, in the order of the file; blank lines are passed over.
    """
    source = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == b"\x1f\x8b" else file
    number, begun = 0, False
    try:
        while data := source.readline(MAX_LINE + 1):
            number += 1
            if not data.strip():
                continue
            complete = len(data) <= MAX_LINE or data.endswith(b"\n")
            if not begun and _DOCUMENT.match(data) and not (complete and _is_json(data)):
                for one in _document(data, source):
                    number = one.number
                    yield one
                return
            begun = True
            if complete:
                yield from _line(number, data)
                continue
            while data and not data.endswith(b"\n"):
                data = source.readline(MAX_LINE)
            yield Line(number, fault=_fault(f"The line is longer than {MAX_LINE} bytes", "Split the record"))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield Line(number + 1, fault=_fault(f"The compressed file is damaged here: {error}", "Fetch it again"))


def _document(data: bytes, source: _Source) -> Iterator[Line]:
    """Read a file that is one JSON value over many lines; its records are numbered by themselves.

    Args:
        data: Its first line.
        source: What follows.
    """
    while _UNDECIDED.fullmatch(data) and len(data) <= MAX_LINE and (more := source.readline(MAX_LINE)):
        data += more
    if found := _LIST.match(data):
        yield from _listed(found, data, source)
        return
    try:
        data += source.read(MAX_DOCUMENT + 1 - len(data))
        if len(data) > MAX_DOCUMENT:
            raise _fault(f"The document is larger than {MAX_DOCUMENT} bytes", "Convert it to one record per line")
        document = _parse(data)
    except InvalidEvent as fault:
        yield Line(1, fault=fault)
        return
    for at, record in enumerate(_records(document), 1):
        yield _record(at, record)


def _listed(found: re.Match[bytes], data: bytes, source: _Source) -> Iterator[Line]:
    """Read the elements of a list, and make sure that it ends, and that nothing follows which is a record, too."""
    at, rest = 0, Rest(None)
    for one in elements(data[found.end() :], source.read, MAX_LINE):
        if isinstance(one, Rest):
            rest = one
            break
        at += 1
        try:
            if one.text is None:
                raise _fault(f"The record is longer than {MAX_LINE} bytes", "Split it")
            yield _record(at, _parse(one.text))
        except InvalidEvent as fault:
            yield Line(at, fault=fault)
    try:
        if rest.text is None:
            raise _fault("The document ends within its list", "Fetch it again")
        tail = rest.text + source.read(_MOST_AFTER + 1)
        if len(tail) > _MOST_AFTER:
            raise _fault(f"More than {_MOST_AFTER} bytes follow the list", "Convert it to one record per line")
        _parse((b"[]" if found["array"] else b'{"Records":[]') + tail)
    except InvalidEvent as fault:
        yield Line(at + 1, fault=fault)


def _line(number: int, data: bytes) -> Iterator[Line]:
    try:
        document = _parse(data)
    except InvalidEvent as fault:
        yield Line(number, fault=fault)
        return
    for record in _records(document):
        yield _record(number, record)


def _records(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and isinstance(document.get("Records"), list):
        return document["Records"]  # type: ignore[no-any-return]
    return [document]


def _is_json(data: bytes) -> bool:
    try:
        _parse(data)
    except InvalidEvent:
        return False
    return True


def _record(number: int, value: object) -> Line:
    if not isinstance(value, dict):
        return Line(number, fault=_fault("The record is not a JSON object", "Give one object per record"))
    raw = value.get("raw")
    if isinstance(raw, str) and raw.lstrip().startswith("{"):
        try:
            raw = _parse(raw.encode("utf-8", "surrogatepass"))
        except InvalidEvent as fault:
            return Line(number, fault=fault)
    if isinstance(raw, dict):
        return Line(number, raw, {key: other for key, other in value.items() if key != "raw"})
    return Line(number, value)


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data, object_pairs_hook=_members, parse_constant=_constant)
    except RecursionError:
        raise _fault("The JSON is nested too deeply", "Flatten the record") from None
    except ValueError as error:
        raise _fault(f"This is not JSON: {error}", "Check the record") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has the same member twice")
    return members


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _fault(fact: str, remedy: str) -> InvalidEvent:
    return InvalidEvent("", fact, remedy)
