"""What people are told in each language, and how it writes times and numbers: a file each in `locales`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

import msgspec

from whodid.catalog import LANGUAGES, write
from whodid.errors import InvalidSetting
from whodid.sinks.kinds.schedule import read_zone

__all__ = ["LANG", "Words", "read_words"]

LANG = {"lang": f"language in which people are told: {', '.join(LANGUAGES)} (that of the workspace)"}
"""The option that the kinds for people share."""

_RIGHT_TO_LEFT = frozenset({"ar"})
_SLOT = re.compile(r"\{(\w+)\}")
_ISOLATE, _POP = "\u2068", "\u2069"
"""FIRST STRONG ISOLATE, POP DIRECTIONAL ISOLATE (Unicode Standard Annex 9)."""


class Words:
    """The texts of one language.

    Args:
        lang: One of `LANGUAGES`.
        zone: In which times are told.
    """

    def __init__(self, lang: str, zone: ZoneInfo) -> None:
        self.lang = lang
        self.right_to_left = lang in _RIGHT_TO_LEFT
        self._zone = zone
        self._said = _texts(lang)

    def say(self, key: str, /, **parts: str) -> str:
        """Return a text with its parts filled in."""
        return self.fill(self._said[key], parts)

    def counted(self, key: str, count: int, /, **parts: str) -> str:
        """Return a text in the form that a number wants."""
        return self.say(f"{key}.{'one' if count == 1 else 'other'}", count=write(count, self.lang), **parts)

    def fill(self, template: str, parts: Mapping[str, str]) -> str:
        """Fill parts into a template; one that is written the other way does not carry the text around it along."""
        return _SLOT.sub(lambda found: self._isolated(parts[found[1]]), template)

    def time(self, at: datetime) -> str:
        """Write a moment, with its zone."""
        local = at.astimezone(self._zone)
        zone = f"{local:%Z}"
        return self.say(
            "moment",
            day=str(local.day),
            month=self._said[f"month.{local.month}"],
            year=str(local.year),
            time=f"{local:%H:%M:%S}",
            zone=zone if zone[:1].isalpha() else f"UTC{zone}",
        )

    def _isolated(self, part: str) -> str:
        away = {"L"} if self.right_to_left else {"R", "AL"}
        if away.isdisjoint(map(unicodedata.bidirectional, part)):
            return part
        return f"{_ISOLATE}{part}{_POP}"


def read_words(options: Mapping[str, str], usual: str) -> Words:
    """Return the texts of a sink's language.

    Args:
        usual: The language of the workspace, for a sink that names none.

    Raises:
        InvalidSetting: There is no such language, or no such time zone.
    """
    lang = options.get("lang", usual)
    if lang not in LANGUAGES:
        raise InvalidSetting(f"The option lang cannot be {lang[:60]!r}", f"Use one of {', '.join(LANGUAGES)}")
    return Words(lang, read_zone(options))


@cache
def _texts(lang: str) -> dict[str, str]:
    file = resources.files("whodid.sinks") / "locales" / f"{lang}.json"
    return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
