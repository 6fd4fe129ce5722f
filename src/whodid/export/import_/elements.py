"""The elements of one JSON list, cut out of its text as it is read: a file of any size in constant memory.

Only brackets and strings are looked at. Whether an element is JSON is for whoever parses it to say, so that one that is
not spoils none of its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Element", "Rest", "elements"]

_CHUNK = 64 * 1024
_WITHIN = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_BETWEEN = re.compile(rb'(?:[^"\[\]{},]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_OPEN, _CLOSE, _QUOTE, _BACKSLASH, _COMMA, _END = (
    frozenset(b"[{"),
    frozenset(b"]}"),
    ord('"'),
    ord("\\"),
    ord(","),
    ord("]"),
)


class Element(NamedTuple):
    """The text of one element; None when it is longer than it may be."""

    text: bytes | None


class Rest(NamedTuple):
    """What follows the list, as far as it was read; None when the text ends within the list."""

    text: bytes | None


def elements(begun: bytes, more: Callable[[int], bytes], longest: int) -> Iterator[Element | Rest]:
    """Cut a list into its elements.

    Args:
        begun: What was read already, from the byte after the opening bracket on.
        more: Reads up to so many further bytes; nothing at the end.
        longest: Bytes that an element may have; of a longer one nothing is kept.

    Returns:
        The elements in order, and in the end the rest. An empty list has none; a comma too many makes an empty one.
    """
    cut = _Cut(longest)
    chunk = begun
    empty = True
    while chunk or (chunk := more(_CHUNK)):
        at = 0
        while at < len(chunk):
            at, ended = cut.scan(chunk, at)
            if ended is None:
                continue
            text = cut.take()
            if ended == _COMMA or not (empty and text is not None and not text.strip()):
                yield Element(text)
            empty = False
            if ended == _END:
                yield Rest(chunk[at:])
                return
        chunk = b""
    yield Rest(None)


class _Cut:
    """The element in hand."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0
        self._depth = 0
        self._inside = False
        self._escaped = False

    def take(self) -> bytes | None:
        """Return the element, and begin the next one."""
        text = b"".join(self._parts) if self._size <= self._longest else None
        self._parts.clear()
        self._size = 0
        return text

    def scan(self, chunk: bytes, at: int) -> tuple[int, int | None]:
        """Go on to what matters next; return the place after it, and what ended the element, if it ended."""
        begin = at
        if self._inside:
            at = self._string(chunk, at)
            self._keep(chunk[begin:at])
            return at, None
        found = (_WITHIN if self._depth else _BETWEEN).match(chunk, at)
        at = found.end() if found else at
        if at == len(chunk):
            self._keep(chunk[begin:at])
            return at, None
        met = chunk[at]
        if not self._depth and met in {_COMMA, _END}:
            self._keep(chunk[begin:at])
            return at + 1, met
        if met in _OPEN:
            self._depth += 1
        elif met in _CLOSE:
            self._depth = max(0, self._depth - 1)
        else:
            self._inside = True  # a string that goes on in the next chunk
        self._keep(chunk[begin : at + 1])
        return at + 1, None

    def _string(self, chunk: bytes, at: int) -> int:
        if self._escaped:
            self._escaped = False
            at += 1
        found = _STRING.match(chunk, at)
        at = found.end() if found else at
        if at == len(chunk):
            return at
        if chunk[at] == _QUOTE:
            self._inside = False
        else:
            self._escaped = chunk[at] == _BACKSLASH  # the last byte of the chunk
        return at + 1

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._longest:
            self._parts.clear()
        elif part:
            self._parts.append(part)
