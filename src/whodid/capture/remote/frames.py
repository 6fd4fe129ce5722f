"""Frames: how an event lies in a spool file, so that a reader finds it again whatever happened to its neighbours.

A frame is a marker, the length and the CRC-32 of its payload, and the payload: a JSON array of workspace, milliseconds
since 1970 and the event. The marker begins with a byte that UTF-8 never contains, so it cannot stand inside a payload,
and a reader that met damage goes on at the next marker.

CRC-32 (the one of zlib) rather than CRC-32C: both find every error burst of up to 32 bits and all but one in four
billion of the others, and only the first is in the standard library.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from whodid.errors import InvalidEvent
from whodid.model import Event

__all__ = ["LARGEST_FRAME", "Frame", "Part", "frame", "open_payload", "parts"]

_MARKER = b"\xffwd1"
_HEADER = struct.Struct("<4sII")
_LARGEST_EVENT = 256 * 1024
LARGEST_FRAME = _LARGEST_EVENT + 1024
"""Bytes of a frame at most: an event within its limit, a workspace and the header."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, int, msgspec.Raw]).decode


class Frame(NamedTuple):
    """What lies in a frame.

    Args:
        at: Milliseconds since 1970 when it was taken.
        event: The event as JSON.
    """

    workspace: str
    at: int
    event: bytes


class Part(NamedTuple):
    """A stretch of a spool file.

    Args:
        start: Offset of its first byte.
        end: Offset one past its last.
        payload: Of an intact frame; None for bytes that are none.
    """

    start: int
    end: int
    payload: bytes | None


def frame(workspace: str, at: int, event: Event) -> bytes:
    """Write an event as a frame.

    Raises:
        InvalidEvent: It has no JSON form, or is larger than an event may be.
    """
    try:
        payload = _encode((workspace, at, event))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidEvent("", f"It has no JSON form: {type(error).__name__}", "Use JSON values only") from None
    if len(payload) > _LARGEST_EVENT:
        raise InvalidEvent(
            "", "The event takes more than 256 KiB", "Send several events of one batch, and keep files elsewhere"
        )
    return _HEADER.pack(_MARKER, len(payload), zlib.crc32(payload)) + payload


def open_payload(payload: bytes) -> Frame | None:
    """Read a payload; None when an intact frame holds something else than this program writes."""
    try:
        workspace, at, event = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Frame(workspace, at, bytes(event))


def parts(data: bytes, base: int = 0, *, ended: bool) -> Iterator[Part]:
    """Take a piece of a spool file apart.

    Args:
        data: From the beginning of a frame on, or of whatever is there.
        base: Offset of its first byte in the file.
        ended: Whether nothing follows and nobody writes any more: then an unfinished frame is damage. Otherwise it is
            left out, because it may yet be finished or read on.

    Yields:
        Frames and damaged stretches, without gaps, in order.
    """
    start = 0
    while start < len(data):
        end = _intact(data, start)
        if end is not None:
            yield Part(base + start, base + end, data[start + _HEADER.size : end])
            start = end
            continue
        found = _next_intact(data, start + 1)
        if found is None:
            # What looks like a frame that is still being written waits; what cannot become one does not.
            waits = _unfinished(data, start)
            stop = len(data) if ended else start if waits else _last_chance(data, start + 1)
            if stop > start:
                yield Part(base + start, base + stop, None)
            return
        yield Part(base + start, base + found, None)
        start = found


def _intact(data: bytes, start: int) -> int | None:
    """Return where the frame at an offset ends, if there is one and it is intact."""
    if start + _HEADER.size > len(data):
        return None
    marker, length, checksum = _HEADER.unpack_from(data, start)
    end = start + _HEADER.size + length
    if marker != _MARKER or end > len(data) or length > LARGEST_FRAME:
        return None
    return end if zlib.crc32(data[start + _HEADER.size : end]) == checksum else None


def _next_intact(data: bytes, start: int) -> int | None:
    while (start := data.find(_MARKER, start)) >= 0:
        if _intact(data, start) is not None:
            return start
        start += 1
    return None


def _unfinished(data: bytes, start: int) -> bool:
    """Tell whether the bytes from an offset to the end can be the beginning of one frame."""
    if start + _HEADER.size > len(data):
        return _MARKER.startswith(data[start : start + len(_MARKER)])
    marker, length, _ = _HEADER.unpack_from(data, start)
    return bool(marker == _MARKER) and length <= LARGEST_FRAME and start + _HEADER.size + length > len(data)


def _last_chance(data: bytes, start: int) -> int:
    """Return the first offset from which a frame may yet be finished; the end when there is none."""
    while start < len(data):
        at = data.find(_MARKER[:1], start)
        if at < 0:
            return len(data)
        if _unfinished(data, at):
            return at
        start = at + 1
    return len(data)
