"""What people read of entries: one line each, for chat and e-mail, in the language of the sink.

What came from outside is text and stays text; every channel escapes it in its own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from whodid.catalog import Catalog, rule_label, sentence
from whodid.errors import InvalidSetting
from whodid.model import Entry
from whodid.sinks.kinds.base import Message, Opening
from whodid.sinks.kinds.schedule import SCHEDULE
from whodid.sinks.kinds.words import LANG, Words, read_words

__all__ = ["PEOPLE", "Line", "Wording"]

PEOPLE = {
    "link": "address of the page that a message leads to, such as that of the alerts",
    **LANG,
    **SCHEDULE,
}
"""The options that the kinds for people share."""

_RAISED = "audit.alert_raised"
_LEVELS = frozenset({"low", "medium", "high", "critical"})
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


class Wording:
    """Puts entries into words.

    Raises:
        InvalidSetting: The options of the sink cannot be used.
    """

    def __init__(self, opening: Opening) -> None:
        self.words: Words = read_words(opening.sink.options, opening.lang)
        self.link = opening.option("link")
        self._catalog: Catalog = opening.catalog
        if self.link and urlsplit(self.link).scheme not in {"https", "http"}:
            raise InvalidSetting(f"The option link cannot be {self.link!r}", "Begin it with https://")

    def lines(self, messages: Sequence[Message]) -> list[Line]:
        """Return entries and tests in words; a sign of life says nothing to people and is left out."""
        return [self._line(one) for one in messages if one.action != "whodid.heartbeat"]

    def title(self, said: Sequence[Line]) -> str:
        """Return the title of several lines (at least one) together."""
        first = said[0].title
        return self.words.say("more", title=first, count=str(len(said) - 1)) if len(said) > 1 else first

    def _line(self, message: Message) -> Line:
        say, at = self.words.say, self.words.time(message.at)
        grave = message.severity in {"warning", "critical"}
        if message.index is None:
            return Line(grave, say("test"), say("test.of", workspace=message.workspace, at=at))
        entry = msgspec.json.decode(message.body, type=Entry)
        if entry.action == _RAISED:
            return Line(grave, *self._alert(entry, at))
        told = sentence(entry, self.words.lang, self._catalog)
        said = self.words.fill(told.template, {name: _plain(part.text) for name, part in told.parts.items()})
        index = str(entry.index)
        return Line(grave, said, say("entry", action=entry.action, workspace=message.workspace, index=index, at=at))

    def _alert(self, entry: Entry, at: str) -> tuple[str, str]:
        """Return title and text of an alert."""
        named = {one.rel: one for one in entry.related}
        details = entry.details or {}
        rule = named.get("rule")
        title = _plain(rule_label(rule.id, rule.name or rule.id, self.words.lang)) if rule is not None else ""
        level = details.get("level")
        key = f"{'reminder' if details.get('reminder') else 'alert'}.{level if level in _LEVELS else 'low'}"
        rests = len(details.get("entries", ()))
        person = named.get("person")
        if person is None:
            text = self.words.counted("alert.rests", rests, workspace=entry.workspace, at=at)
        else:
            name = _plain(person.name or person.id)
            text = self.words.counted("alert.about", rests, person=name, workspace=entry.workspace, at=at)
        return self.words.say(key, rule=title), text


def _plain(text: str) -> str:
    """Return a text as one line without control characters, not too long."""
    shown = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
