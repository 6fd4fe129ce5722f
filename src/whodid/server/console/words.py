"""What the console says, by language, and how it writes times, numbers and spans."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources

import msgspec

from whodid.catalog import write
from whodid.server.console.markup import Child, Markup, fill, tag

__all__ = ["Words", "words_for"]

_STEPS = ("B", "KB", "MB", "GB", "TB")


class Words:
    """The sentences of one language."""

    def __init__(self, lang: str, said: Mapping[str, str]) -> None:
        self.lang = lang
        self._said = said

    def text(self, key: str, /) -> str:
        """Return a sentence without slots, as a text."""
        return self._said[key]

    def named(self, key: str, otherwise: str) -> str:
        """Return a sentence without slots, or another text where there is none."""
        return self._said.get(key, otherwise)

    def __call__(self, key: str, /, **slots: Child) -> Markup:
        """Return a sentence with its slots filled."""
        return fill(self._said[key], **slots)

    def counted(self, key: str, count: int, /, **slots: Child) -> Markup:
        """Return a sentence in the form that a number wants."""
        return self(f"{key}_one" if count == 1 else key, count=self.number(count), **slots)

    def number(self, count: int) -> str:
        """Write a whole number."""
        return write(count, self.lang)

    def span(self, days: int | None) -> Markup:
        """Write how long something is kept."""
        return self("for_good") if days is None else self.counted("days", days)

    def size(self, count: int) -> str:
        """Write a number of bytes."""
        shown, step = float(count), 0
        while shown >= 1000 and step < len(_STEPS) - 1:
            shown, step = shown / 1000, step + 1
        return f"{shown:.{1 if step and shown < 100 else 0}f} {_STEPS[step]}"

    def time(self, at: datetime | None, otherwise: str = "none") -> Markup:
        """Write a moment, in UTC and saying so."""
        if at is None:
            return self(otherwise)
        stamp = at.astimezone(UTC)
        return tag("time", f"{stamp:%Y-%m-%d %H:%M} UTC", datetime=f"{stamp:%Y-%m-%dT%H:%M:%SZ}")


@cache
def words_for(lang: str) -> Words:
    """Return the words of a language; English where there is none."""
    file = resources.files("whodid.server.console") / "words.json"
    known = msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, str]])
    chosen = lang if lang in known else "en"
    return Words(chosen, known[chosen])
