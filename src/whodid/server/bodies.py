"""From the body of a request to events: unpacked within bounds, and taken apart without guessing.

Pure functions on bytes. A body that cannot be told apart is refused as a whole; an event in it that is at fault is
refused alone.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable

import msgspec
import zstandard

from whodid.errors import InvalidEvent
from whodid.intake import decode_batch, decode_event, decode_parts
from whodid.model import Event
from whodid.server.answers import media_type_of
from whodid.server.reserved import reserved

__all__ = ["LARGEST_BODY", "MOST_EVENTS", "Refused", "Sent", "read_events", "unpack_body"]

MOST_EVENTS = 1_000
"""Events that one request may hold."""
LARGEST_BODY = 5 * 1024 * 1024
"""Bytes of a body, as it came and unpacked."""

_RATIO = 100
"""How many times its size a body may unpack to.

Every event has an id of its own, of which ten bytes or so do not pack: honest batches stay below sixty.
"""
_FREE = 64 * 1024
"""Bytes that may be unpacked from however few."""
_STEP = 64 * 1024
_WINDOW = 8 * 1024 * 1024  # RFC 8878, section 3.1.1.1.2: what a decoder is expected to support

_OPENING = re.compile(rb'\s*\{\s*"events"\s*:')
_whole = msgspec.json.Decoder(msgspec.Raw).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Refused(Exception):
    """A body that is refused as a whole.

    Args:
        status: 400, 413 or 415.
    """

    def __init__(self, status: int, fact: str, remedy: str) -> None:
        self.status = status
        self.fact = fact
        self.remedy = remedy
        super().__init__(fact)


class Sent(msgspec.Struct, frozen=True):
    """What a body held.

    Args:
        single: One event by itself, rather than a batch.
    """

    single: bool
    events: list[Event | InvalidEvent]


def unpack_body(data: bytes, encoding: str, *, largest: int = LARGEST_BODY) -> bytes:
    """Undo the Content-Encoding of a body, step by step, and stop at the bounds.

    Args:
        encoding: The header; empty when there is none.
        largest: Bytes that it may unpack to.

    Raises:
        Refused: 415 for another encoding, 413 past a bound, 400 for bytes that are not of the encoding.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return data
        case "gzip" | "x-gzip":
            return _inflated(data, "gzip", 31, largest)
        case "deflate":
            return _inflated(data, "deflate", 15, largest)  # RFC 9110, section 8.4.1.2: in the format of zlib
        case "zstd":
            return _unzstd(data, largest)
    raise Refused(415, "The encoding of the body is not known here", "Send it plain, or as gzip, deflate or zstd")


def _inflated(data: bytes, encoding: str, wbits: int, largest: int) -> bytes:
    unpacked = bytearray()
    rest = data
    try:
        while rest:
            stream = zlib.decompressobj(wbits=wbits)
            while not stream.eof:
                part = stream.decompress(rest, _STEP)
                rest = stream.unconsumed_tail
                if not part and not rest and not stream.eof:
                    raise _garbled(encoding)
                unpacked += part
                _bounded(len(unpacked), len(data), largest)
            rest = stream.unused_data
    except zlib.error:
        raise _garbled(encoding) from None
    return bytes(unpacked)


def _unzstd(data: bytes, largest: int) -> bytes:
    unpacked = bytearray()
    reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(
        io.BytesIO(data), read_across_frames=True
    )
    try:
        while part := reader.read(_STEP):
            unpacked += part
            _bounded(len(unpacked), len(data), largest)
    except zstandard.ZstdError:
        raise _garbled("zstd") from None
    # A frame that was cut off reads like one that ended; only its own declaration tells.
    if not _ends_well(data):
        raise _garbled("zstd")
    return bytes(unpacked)


def _ends_well(data: bytes) -> bool:
    """Tell whether the last frame is there to its end; what it unpacks to is known to be within the bounds."""
    rest = data
    while rest:
        frame = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
        frame.decompress(rest)
        if not frame.eof:
            return False
        rest = frame.unused_data
    return True


def _garbled(encoding: str) -> Refused:
    return Refused(400, f"The body is not {encoding} from beginning to end", "Send it again, whole")


def _bounded(unpacked: int, packed: int, largest: int) -> None:
    if unpacked > largest:
        raise Refused(413, f"The body unpacks to more than {largest:,} bytes", "Send less at once")
    if unpacked > _FREE and unpacked > packed * _RATIO:
        raise Refused(413, f"The body unpacks to more than {_RATIO} times its size", "Pack it less tightly")


def read_events(body: bytes, media_type: str) -> Sent:
    """Read the events of a body: one object, `{"events": […]}`, or one object per line.

    Args:
        media_type: The Content-Type header.

    Returns:
        For each event, in order, the event (still unchecked) or why it cannot be read.

    Raises:
        Refused: The body cannot be told apart, or holds too many events.
    """
    match media_type_of(media_type):
        case "application/json":
            return _of_json(body)
        case "application/x-ndjson":
            return Sent(single=False, events=_within(lambda: decode_batch(body, limit=MOST_EVENTS)))
    raise Refused(
        415, "The body is neither JSON nor lines of JSON", "Send Content-Type: application/json or application/x-ndjson"
    )


def _of_json(body: bytes) -> Sent:
    opened = _OPENING.match(body)
    if opened is None:
        try:
            first = bytes(_whole(body)).lstrip()[:1]
        except _UNREADABLE:
            raise Refused(400, "The body is not JSON", "Send one JSON value in UTF-8") from None
        if first != b"{":
            raise Refused(400, "The body is not an object", 'Send one event, or {"events": […]}')
        try:
            event = decode_event(body)
        except InvalidEvent as refusal:
            return Sent(single=True, events=[refusal])
        return Sent(single=True, events=[reserved(event) or event])
    inner, brace, after = body[opened.end() :].rpartition(b"}")
    try:
        # Whatever else the object holds (a second list too) is no JSON array and ends here.
        if not brace or after.strip():
            raise msgspec.DecodeError
        elements = _list(inner)
    except _UNREADABLE:
        raise Refused(
            400, 'The body is not JSON of the form {"events": […]}', "Send that, with nothing else beside it"
        ) from None
    return Sent(single=False, events=_within(lambda: decode_parts(map(bytes, elements), limit=MOST_EVENTS)))


def _within(read: Callable[[], list[Event | InvalidEvent]]) -> list[Event | InvalidEvent]:
    try:
        events = read()
    except InvalidEvent as refusal:
        raise Refused(413, refusal.fact.removeprefix("The event: "), refusal.remedy) from None
    return [one if isinstance(one, InvalidEvent) else reserved(one) or one for one in events]
