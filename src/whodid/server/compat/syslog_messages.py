"""Syslog messages made into events, and the key that a message shows. Pure."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from whodid.model import Severity
from whodid.server.compat.rfc5424 import Message
from whodid.server.compat.saying import Arrived, Said, make_event

__all__ = ["Twins", "shown_key", "taken"]

_OWN = "whodid"
_KEY = "key"
_REGISTERED = frozenset({"meta", "origin", "timeQuality"})
_MOST_TWINS = 4_096
_CEE = "@cee:"
_LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
_SEVERITIES: tuple[Severity | None, ...] = (
    "critical",
    "critical",
    "critical",
    "warning",
    "warning",
    "notice",
    None,
    None,
)


class Twins:
    """Counts how often the same message came on one connection: whoever repeats it there means it."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, int] = OrderedDict()

    def count(self, raw: bytes) -> int:
        """Return how often a message came before."""
        digest = sha256(raw).digest()
        before = self._seen.pop(digest, 0)
        self._seen[digest] = before + 1
        if len(self._seen) > _MOST_TWINS:
            self._seen.popitem(last=False)
        return before


def shown_key(message: Message) -> str:
    """Return the API key that a message shows, empty for none: `[whodid@32473 key="wk_…"]`, with any number."""
    for id_, pairs in message.elements.items():
        if id_.partition("@")[0] == _OWN:
            return next((value for name, value in pairs if name == _KEY), "")
    return ""


def taken(message: Message, twin: int, now: datetime) -> Arrived:
    """Return a message as an event; the key is nowhere in it.

    Args:
        twin: How often the same message came before on its connection.
        now: When it happened, if it does not say so.

    Raises:
        InvalidEvent: It is in our own form and cannot be read.
    """
    attributes, structured = _sorted(message)
    said = _json(message.text)
    record = msgspec.to_builtins(message) | {
        "elements": {id_: _without_key(id_, pairs) for id_, pairs in message.elements.items()}
    }
    more = {
        "message": None if said else message.text,
        "structured": structured,
        "host": message.host,
        "app": message.app,
        "process": message.process,
        "facility": message.facility,
        "level": _LEVELS[message.severity],
        "unparsed": True if not message.parsed else None,
    }
    merged = attributes | said
    return make_event(
        Said(
            product="syslog",
            record=record,
            speaker=message.app or message.host or "syslog",
            attributes=merged,
            twin=twin,
            at=message.at,
            action="" if isinstance(merged.get("action"), str) else message.name,
            severity=_SEVERITIES[message.severity],
            more=more,
        ),
        now,
    )


def _without_key(id_: str, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    own = id_.partition("@")[0] == _OWN
    return [(name, value) for name, value in pairs if not (own and name == _KEY)]


def _sorted(message: Message) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell parameters that say what happened from those about the message, and from those whose name is taken."""
    attributes: dict[str, Any] = {}
    structured: dict[str, Any] = {}
    for id_, pairs in message.elements.items():
        for name, value in _without_key(id_, pairs):
            if id_ in _REGISTERED or name in attributes:
                structured.setdefault(id_, {}).setdefault(name, []).append(value)
            else:
                attributes[name] = value
    return attributes, structured


def _json(text: str) -> dict[str, Any]:
    """Return the object that a text is, also behind the mark of CEE; empty for other texts."""
    written = text.removeprefix(_CEE).strip()
    if not written.startswith("{"):
        return {}
    try:
        said = msgspec.json.decode(written)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
