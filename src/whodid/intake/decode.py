"""From bytes to events: JSON that is read alike by everybody, or a refusal.

JSON leaves open what a repeated key means, how deep a text may nest and how large a number may be, and readers differ.
All three are refused here, before anything is believed. What a well-formed event contains is judged by `check`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import accumulate, islice
from typing import Any, NoReturn, get_args

import msgspec

from whodid.errors import InvalidEvent
from whodid.intake.limits import EVENT_BYTES, FLOAT_TO, KEY, MAX_DEPTH, invalid, pointer
from whodid.model import (
    KINDS,
    OUTCOMES,
    SEVERITIES,
    Actor,
    ActorType,
    Change,
    Context,
    Event,
    FieldClass,
    Reason,
    Related,
    Resource,
    Source,
)

__all__ = ["decode_batch", "decode_event", "decode_parts"]

_RAW_BYTES = 4 * EVENT_BYTES
"""An event may be written with spaces and escapes; what is larger than this is not even read."""

_event = msgspec.json.Decoder(Event).decode
_value = msgspec.json.Decoder().decode
_whole = msgspec.json.Decoder(msgspec.Raw).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_OTHER = bytes(set(range(256)) - set(b"{}[]"))
_STEP = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
# A string that never ends runs to the end of the text, so that every byte is looked at once.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[{}\[\],:]', re.DOTALL)

_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_PATH = re.compile(r"\.(\w+)|\[(\d+)\]")
_QUOTED = re.compile(r"`(.*?)`", re.DOTALL)
_WORDS = {
    "array": "a list",
    "bool": "true or false",
    "datetime": "a time as text",
    "float": "a number",
    "int": "a number",
    "null": "null",
    "object": "an object",
    "str": "text",
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "class": get_args(FieldClass),
    "kind": KINDS,
    "op": ("add", "remove", "replace", "set"),
    "outcome": OUTCOMES,
    "severity": SEVERITIES,
    "source": get_args(Source),
    "type": get_args(ActorType),
}
_STRUCTS: dict[str, type[msgspec.Struct]] = {
    "": Event,
    "actor": Actor,
    "changes": Change,
    "context": Context,
    "on_behalf_of": Actor,
    "reason": Reason,
    "related": Related,
    "resource": Resource,
}
_ALIASES = {
    "diff": "changes",
    "event": "action",
    "metadata": "details",
    "object": "resource",
    "subject": "resource",
    "target": "resource",
    "targets": "resource",
    "timestamp": "occurred_at",
    "user": "actor",
}


def decode_event(raw: bytes) -> Event:
    """Read one event in wire form.

    Args:
        raw: JSON in UTF-8.

    Returns:
        The event, still unchecked.

    Raises:
        InvalidEvent: With the JSON Pointer to the fault where there is one, and never with a value of the event.
    """
    if len(raw) > _RAW_BYTES:
        raise InvalidEvent("", "The event takes more than 1 MiB as sent", "Keep an event below 256 KiB")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        raise InvalidEvent(_deep_place(raw), f"Values are nested deeper than {MAX_DEPTH} levels", "Flatten them")
    # A repeated key is lost in reading, and with it at least the two quotation marks around it. So is a member that
    # says what goes without saying; then only the text as a whole tells the two apart.
    event: Event | None = None
    try:
        event = _event(raw)
        if _quotes(_encode(event)) == _quotes(raw):
            return event
    except _UNREADABLE:
        pass  # told below, in the order in which a reader finds it
    try:
        value = _value(raw)
    except _UNREADABLE as error:
        _explain(raw, error)
    again = _encode(value)
    if again != raw and _quotes(again) != _quotes(raw):
        _explain(raw, None)
    try:
        return msgspec.convert(value, Event) if event is None else event
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None


def decode_batch(raw: bytes, *, limit: int = 1_000) -> list[Event | InvalidEvent]:
    """Read many events: one JSON object per line, or one JSON array (a text that begins with `[`).

    A bad event becomes its refusal and never spoils another one. In lines, that holds whatever a line contains; in an
    array, from an element that does not end properly nothing more can be told apart, and its refusal covers the rest.

    Args:
        raw: JSON in UTF-8; empty lines do not count.
        limit: Events that one batch may hold.

    Returns:
        For each event, in order, the event (still unchecked) or why it was refused.

    Raises:
        InvalidEvent: The batch holds more events than the limit; none was read.
    """
    if raw.lstrip()[:1] == b"[":
        parts = _elements_of(raw)
    else:
        lines = [line for line in raw.split(b"\n") if line.strip()]
        alone = len(lines) > 1 and not lines[0].rstrip().endswith(b"}") and _is_one(raw)
        parts = iter([raw] if alone else lines)
    return decode_parts(parts, limit=limit)


def decode_parts(parts: Iterable[bytes | InvalidEvent], *, limit: int = 1_000) -> list[Event | InvalidEvent]:
    """Read events that are taken apart already, as `decode_batch` does.

    Args:
        parts: Each one event as JSON in UTF-8, or why it could not be told from the others.
        limit: Events that one batch may hold.

    Raises:
        InvalidEvent: There are more events than the limit; none was read.
    """
    taken = list(islice(parts, limit + 1))
    if len(taken) > limit:
        raise InvalidEvent("", f"The batch holds more than {limit:,} events", "Send several smaller batches")
    return [_event_or_refusal(part) if isinstance(part, bytes) else part for part in taken]


def _event_or_refusal(raw: bytes) -> Event | InvalidEvent:
    try:
        return decode_event(raw)
    except InvalidEvent as refusal:
        return refusal


def _is_one(raw: bytes) -> bool:
    """Tell whether a text of many lines is one JSON value, as a person would write it."""
    try:
        _whole(raw)
    except _UNREADABLE:
        return False
    return True


def _elements_of(raw: bytes) -> Iterator[bytes | InvalidEvent]:
    """Take an array apart; a refusal stands for what cannot be told apart."""
    try:
        elements = _elements(raw)
    except _UNREADABLE:
        return _elements_of_broken(raw)
    return (bytes(element) for element in elements)


def _elements_of_broken(raw: bytes) -> Iterator[bytes | InvalidEvent]:
    """Tell elements apart by brackets, commas and strings alone, whatever else is wrong inside them."""
    depth = 0
    start = raw.index(b"[") + 1
    for match in _TOKEN.finditer(raw):
        token = match[0]
        depth += _STEP.get(token[0], 0)
        closed = depth == 0
        if closed or (token == b"," and depth == 1):
            element = raw[start : match.start()]
            if not closed or element.strip():
                yield element
            start = match.end()
        if closed:
            if raw[start:].strip():
                yield InvalidEvent("", "Text follows the end of the list", "Send one list, or one event per line")
            return
    if raw[start:].strip():
        yield raw[start:]
    yield InvalidEvent("", "The list does not end, so events may be missing from here on", "Send the rest again")


def _quotes(raw: bytes) -> int:
    """Count the quotation marks that begin or end a string of well-formed JSON."""
    count = raw.count(b'"')
    if b"\\" in raw:
        count -= raw.replace(b"\\\\", b"").count(b'\\"')
    return count


def _depth(raw: bytes) -> int:
    """Return how deep a text nests, without reading it; right up to the first fault of a malformed one."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(raw.split(b'"')[::2]).translate(None, _OTHER)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def _deep_place(raw: bytes) -> str:
    """Return the pointer to the first value that is nested too deep."""
    levels: list[tuple[bool, str | int]] = []
    text = b""
    for match in _TOKEN.finditer(raw):
        token = match[0]
        if token in {b"{", b"["}:
            if len(levels) == MAX_DEPTH:
                break
            levels.append((token == b"[", 0))
        elif token in {b"}", b"]"}:
            del levels[-1:]
        elif token == b"," and levels and levels[-1][0]:
            levels[-1] = (True, int(levels[-1][1]) + 1)
        elif token == b":" and levels:
            levels[-1] = (False, text[1:-1].decode("utf-8", "backslashreplace")[:KEY])
        else:
            text = token
    return pointer(*(token for _, token in levels))


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, repeated keys and all."""


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


_written = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_float=_Number, parse_int=_Number, parse_constant=_Number, strict=False
).decode


def _explain(raw: bytes, error: Exception | None) -> NoReturn:
    """Say what is wrong with a text that could not be read or repeats a key: the slow and patient way."""
    malformed = InvalidEvent("", "The text is not JSON" if error is None else _fact(error), "Send one JSON object")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise InvalidEvent("", "The text begins with a byte order mark", "Send plain UTF-8 without it")
    try:
        written = _written(raw.decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise InvalidEvent("", f"The text is not UTF-8 (byte {fault.start})", "Send UTF-8") from None
    except (ValueError, RecursionError):
        raise malformed from None
    raise _fault_in(written) or malformed


def _fault_in(value: Any, *at: str | int) -> InvalidEvent | None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            if key in seen:
                return invalid("The key is there twice", "Send every key once", *at, key[:KEY])
            seen.add(key)
            if _half_pair(key):
                return invalid("A key holds half of a surrogate pair", "Send valid Unicode", *at)
            found = _fault_in(item, *at, key[:KEY])
            if found:
                return found
        return None
    if isinstance(value, list):
        faults = (_fault_in(item, *at, index) for index, item in enumerate(value))
        return next((fault for fault in faults if fault), None)
    if isinstance(value, _Number):
        if value.lstrip("-")[:1] in {"N", "I"}:
            return invalid("NaN and Infinity are not JSON", "Send null or text", *at)
        if abs(float(value)) >= FLOAT_TO:
            return invalid("The number is too large", "Send it as text", *at)
        return None
    if isinstance(value, str) and _half_pair(value):
        return invalid("Text holds half of a surrogate pair", "Send valid Unicode", *at)
    return None


def _half_pair(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _fact(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "The text is not UTF-8"
    if isinstance(error, RecursionError):
        return "The text is nested too deep to be read here"
    return str(error).rstrip(".")


def _refusal(message: str) -> InvalidEvent:
    """Turn a complaint of the decoder into a refusal: with a pointer, in our words, and without the value."""
    match = _MESSAGE.fullmatch(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    tokens = [name or int(index) for name, index in _PATH.findall(path)]
    quoted = _QUOTED.findall(what)
    if what.startswith("Object missing required field"):
        return invalid("The field is missing", "Add it", *tokens, quoted[0])
    if what.startswith("Object contains unknown field"):
        return invalid("There is no such field", _advice(tokens, quoted[0]), *tokens, quoted[0][:KEY])
    if what.startswith("Invalid enum value"):
        choices = _CHOICES.get(str(tokens[-1]) if tokens else "", ())
        return invalid(f"This is none of {', '.join(choices)}", "Send one of them", *tokens)
    if "RFC3339" in what:
        return invalid("This is not a time", "Write it as RFC 3339, such as 2026-11-20T13:21:41.118Z", *tokens)
    if what.startswith("Expected") and len(quoted) == 2:
        wanted = " or ".join(_WORDS.get(word, word) for word in quoted[0].split(" | ") if word != "null")
        return invalid(f"This is {_WORDS.get(quoted[1], quoted[1])}", f"Send {wanted}", *tokens)
    return invalid("This cannot be read", "Compare it with the schema of an event", *tokens)


def _advice(tokens: list[str | int], name: str) -> str:
    names = [token for token in tokens if isinstance(token, str)]
    struct = _STRUCTS.get(names[-1] if names else "", Event)
    known = struct.__struct_encode_fields__
    alias = _ALIASES.get(name)
    near = [alias] if alias in known else get_close_matches(name[:KEY], known, n=1)
    return (
        f"Did you mean '{near[0]}'? What has no field of its own goes into details" if near else "Put it into details"
    )
