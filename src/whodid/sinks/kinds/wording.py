"""What people read of entries: one line each, for chat and e-mail. What came from outside is text and stays text."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from whodid.catalog import builtin, sentence
from whodid.model import Entry
from whodid.sinks.kinds.base import Message

__all__ = ["LINK", "Line", "lines"]

LINK = {"link": "address of the page that a message leads to, such as that of the alerts"}
"""The option that the kinds for people share."""

_RAISED = "audit.alert_raised"
_LONGEST = 500


class Line(Struct, frozen=True):
    """One entry in words.

    Args:
        grave: Whether it should catch the eye.
        title: A few words.
        text: When, where and about whom.
    """

    grave: bool
    title: str
    text: str


def lines(messages: Sequence[Message]) -> list[Line]:
    """Return entries and tests in words; a sign of life says nothing to people and is left out."""
    return [_line(one) for one in messages if one.action != "whodid.heartbeat"]


def _line(message: Message) -> Line:
    at = f"{message.at:%Y-%m-%d %H:%M:%S} UTC"
    grave = message.severity in {"warning", "critical"}
    if message.index is None:
        return Line(grave, "Test", _plain(f"This is a test of a sink of {message.workspace}, {at}."))
    entry = msgspec.json.decode(message.body, type=Entry)
    if entry.action != _RAISED:
        said = sentence(entry, "en", builtin()).text()
        return Line(grave, _plain(said), _plain(f"{entry.action}, {message.workspace}, entry {message.index}, {at}"))
    named = {one.rel: _plain(one.name or one.id) for one in entry.related}
    details = entry.details or {}
    about = f"about {named['person']}, " if "person" in named else ""
    level = str(details.get("level", ""))
    title = f"{level.capitalize()} alert: {named.get('rule', '')}"
    if details.get("reminder"):
        title = f"Still open: {level} alert: {named.get('rule', '')}"
    seen = len(details.get("entries", ()))
    return Line(grave, _plain(title), _plain(f"{about}{message.workspace}, from {seen} entries, {at}"))


def _plain(text: str) -> str:
    """Return a text as one line without control characters, not too long."""
    shown = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
