"""Syslog messages as bytes: cut out of a stream (RFC 6587), and read (RFC 5424). Pure."""

from __future__ import annotations

import re
from datetime import datetime

from msgspec import Struct

from whodid.export.import_.foreign import read_time

__all__ = ["LARGEST_MESSAGE", "Frames", "Message", "read_message"]

LARGEST_MESSAGE = 64 * 1024
"""Bytes of a message; RFC 5425, section 4.3.1, asks for 8,192 at least."""

_COUNTED = re.compile(rb"([1-9][0-9]{0,8}) <")
_MAYBE_COUNTED = re.compile(rb"[1-9][0-9]{0,8} ?\Z")
_END = re.compile(rb"[\n\x00]")
_BETWEEN = b"\n\x00\r "

_HEADER = re.compile(
    r"<(?P<priority>[0-9]{1,3})>1 (?P<time>-|[0-9]{4}-[0-9]{2}-[0-9]{2}T\S{1,40})"
    r" (?P<host>\S{1,255}) (?P<app>\S{1,255}) (?P<process>\S{1,255}) (?P<name>\S{1,255}) "
)
_PARAM = r'[^\s=\]"]{1,255}="(?:[^"\\\]]|\\[\s\S])*+"'
_ELEMENT = re.compile(rf'\[(?P<id>[^\s=\]"]{{1,255}})(?P<params>(?: {_PARAM})*+)\]')
_PAIR = re.compile(r' (?P<name>[^\s=\]"]{1,255})="(?P<value>(?:[^"\\\]]|\\[\s\S])*+)"')
_ESCAPED = re.compile(r'\\(["\\\]])')
_PRIORITY = re.compile(r"<([0-9]{1,3})>")
_USUAL = 13  # user, notice: RFC 3164, section 4.3.3, for what has none
_HIGHEST = 191


class Message(Struct, frozen=True, kw_only=True):
    """One message.

    Args:
        severity: 0 (emergency) to 7 (debug).
        at: None when the message does not say when it happened.
        host, app, process, name: Empty for a nil value; `name` is the MSGID.
        elements: Structured data: by id of the element, its parameters in their order.
        parsed: Whether this is RFC 5424; all of what is not is `text`.
    """

    facility: int
    severity: int
    text: str
    at: datetime | None = None
    host: str = ""
    app: str = ""
    process: str = ""
    name: str = ""
    elements: dict[str, list[tuple[str, str]]] = {}
    parsed: bool = True


def read_message(raw: bytes) -> Message:
    """Read a message; bytes that are not UTF-8 become escapes, and what is not RFC 5424 is taken as a plain text."""
    text = raw.decode("utf-8", "backslashreplace").rstrip("\r\n\0")
    head = _HEADER.match(text)
    if head is None or int(head["priority"]) > _HIGHEST:
        return _plain(text)
    at = None if head["time"] == "-" else read_time(head["time"])
    place = head.end()
    elements: dict[str, list[tuple[str, str]]] = {}
    if text.startswith("-", place):
        place += 1
    else:
        while (found := _ELEMENT.match(text, place)) is not None:
            pairs = [(one["name"], _ESCAPED.sub(r"\1", one["value"])) for one in _PAIR.finditer(found["params"])]
            elements.setdefault(found["id"], []).extend(pairs)
            place = found.end()
        if not elements:
            return _plain(text)
    if (at is None and head["time"] != "-") or (place < len(text) and text[place] != " "):
        return _plain(text)
    facility, severity = divmod(int(head["priority"]), 8)
    host, app, process, name = ("" if one == "-" else one for one in head.group("host", "app", "process", "name"))
    return Message(
        facility=facility,
        severity=severity,
        at=at,
        host=host,
        app=app,
        process=process,
        name=name,
        elements=elements,
        text=text[place + 1 :].removeprefix("\ufeff"),
    )


def _plain(text: str) -> Message:
    found = _PRIORITY.match(text)
    priority = int(found[1]) if found else _USUAL
    if found is None or priority > _HIGHEST:
        return Message(facility=_USUAL // 8, severity=_USUAL % 8, text=text, parsed=False)
    return Message(facility=priority // 8, severity=priority % 8, text=text[found.end() :], parsed=False)


class Frames:
    """Cuts the bytes of a connection into messages: those that say how long they are, and those that end with a line.

    Both may come on one connection. A message that is too large is left out and counted.
    """

    def __init__(self) -> None:
        self.lost = 0
        """Messages that were too large."""
        self._buffer = bytearray()
        self._over = 0
        self._over_line = False

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer) or self._over > 0 or self._over_line

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that end within some more bytes."""
        self._buffer += data
        messages: list[bytes] = []
        while self._buffer:
            if self._over:
                gone = min(self._over, len(self._buffer))
                del self._buffer[:gone]
                self._over -= gone
            elif self._buffer[0] in _BETWEEN and not self._over_line:
                del self._buffer[:1]
            elif not self._next(messages):
                break
        return messages

    def _next(self, messages: list[bytes]) -> bool:
        """Take one message; say whether it has ended."""
        if not self._over_line:
            found = _COUNTED.match(self._buffer)
            if found is not None:
                return self._counted(found, messages)
            if _MAYBE_COUNTED.match(self._buffer):
                return False
        return self._line(messages)

    def _counted(self, found: re.Match[bytes], messages: list[bytes]) -> bool:
        """Take a message that says how long it is."""
        start, size = found.end() - 1, int(found[1])
        if size > LARGEST_MESSAGE:
            self.lost += 1
            self._over = size
            del self._buffer[:start]
            return True
        if len(self._buffer) < start + size:
            return False
        messages.append(bytes(self._buffer[start : start + size]))
        del self._buffer[: start + size]
        return True

    def _line(self, messages: list[bytes]) -> bool:
        """Take a message that ends with a line."""
        found = _END.search(self._buffer)
        if found is None:
            if len(self._buffer) > LARGEST_MESSAGE and not self._over_line:
                self.lost += 1
                self._over_line = True
            if self._over_line:
                self._buffer.clear()
            return False
        if self._over_line:
            self._over_line = False
        elif found.start() > LARGEST_MESSAGE:
            self.lost += 1
        else:
            messages.append(bytes(self._buffer[: found.start()]))
        del self._buffer[: found.end()]
        return True
