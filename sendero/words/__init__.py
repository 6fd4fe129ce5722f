"""The languages of the workspace: English texts are the keys, the folder of a language translates them, file by file.

A text with a number has two forms. A text that a catalogue lacks stays English; a test sees to it that none lacks.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["LANGUAGES", "Words", "choose"]

LANGUAGES = {"en": "English", "es": "Español"}

_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"),
}


class Words:
    """Speak one language.

    Args:
        lang: One of `LANGUAGES`.
        zone: Time zone of the workspace (IANA).
    """

    def __init__(self, lang: str, zone: str = "UTC") -> None:
        self.lang = lang
        self._texts = _catalogue(lang)
        self._zone = ZoneInfo(zone)

    def __call__(self, text: str, **parts: Any) -> str:
        """Translate a text and fill its parts in."""
        translated = self._texts.get(text, text)
        return translated.format(**parts) if parts else translated

    def count(self, one: str, many: str, number: int) -> str:
        """Translate the form that fits a number; both forms have a part `{n}`."""
        return self(one if number == 1 else many, n=self.number(number))

    def number(self, number: int) -> str:
        """Write a whole number."""
        if self.lang == "es":
            # Spanish groups from five digits on.
            return f"{number:,}".replace(",", ".") if abs(number) >= 10_000 else str(number)
        return f"{number:,}"

    def day(self, at: datetime | None) -> str:
        """Write the day of an instant, in the zone of the workspace; a dash when there is none."""
        if at is None:
            return "–"
        local = at.astimezone(self._zone)
        return f"{local.day} {_MONTHS[self.lang][local.month - 1]} {local.year}"

    def moment(self, at: datetime | None) -> str:
        """Write an instant to the minute, in the zone of the workspace; a dash when there is none."""
        return "–" if at is None else f"{self.day(at)}, {at.astimezone(self._zone):%H:%M}"


def choose(wish: str | None, accepted: str) -> str:
    """Return the language to speak.

    Args:
        wish: What the person chose before.
        accepted: The header `Accept-Language`.
    """
    if wish in LANGUAGES:
        return wish
    for part in accepted.split(","):
        tag = part.partition(";")[0].strip().partition("-")[0].lower()
        if tag in LANGUAGES:
            return tag
    return "en"


@cache
def _catalogue(lang: str) -> dict[str, str]:
    if lang == "en":
        return {}
    texts: dict[str, str] = {}
    for part in sorted((resources.files(__name__) / lang).iterdir(), key=lambda part: part.name):
        texts |= json.loads(part.read_text(encoding="utf-8"))
    return texts
