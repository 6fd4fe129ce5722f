"""The sentences of answers, in every language: one file each in `locales`, the same keys in all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

import msgspec

from whodid.answers.shape import Part, Said, Subject
from whodid.catalog import LANGUAGES, Catalog, actor_label, sentence, type_label
from whodid.model import Actor

__all__ = ["Speaker", "title"]

_PART = re.compile(r"\{(\w+)\}")


@cache
def _texts(lang: str) -> dict[str, str]:
    name = lang.partition("-")[0]
    file = resources.files("whodid.answers") / "locales" / f"{name if name in LANGUAGES else 'en'}.json"
    return msgspec.json.decode(file.read_bytes(), type=dict[str, str])


def title(question: str, lang: str) -> str:
    """Return a question as people ask it."""
    return _texts(lang)[f"title.{question}"]


class Speaker:
    """Says sentences in a language.

    Args:
        catalog: Has the sentences of entries.
        lang: One of `LANGUAGES`.
        zone: In which times are told.
    """

    def __init__(self, catalog: Catalog, lang: str, zone: ZoneInfo) -> None:
        self._catalog = catalog
        self._lang = lang
        self._zone = zone

    def say(self, said: Said) -> str:
        """Return one sentence."""
        text = self._fill(said)
        return text[:1].upper() + text[1:]

    def line(self, said: Iterable[Said]) -> str:
        """Return several in one line."""
        return "; ".join(self._fill(one) for one in said)

    def name(self, subject: Subject) -> str:
        """Return what something is called: its type, and its name or id."""
        return f"{type_label(subject.type, self._lang)} {subject.name or subject.id}"

    def about(self, subject: Subject) -> dict[str, str | None]:
        """Return a subject with what it is called."""
        return {"type": subject.type, "id": subject.id, "name": subject.name, "label": self.name(subject)}

    def _fill(self, said: Said) -> str:
        template = _texts(self._lang)[said.code]
        return _PART.sub(lambda found: self._part(said.parts[found[1]]), template)

    def _part(self, part: Part) -> str:
        if isinstance(part, datetime):
            return f"{part.astimezone(self._zone):%Y-%m-%d %H:%M} {part.astimezone(self._zone):%Z}"
        if isinstance(part, Subject):
            return self.name(part)
        if isinstance(part, Actor):
            return part.name or (actor_label(part.type, self._lang) if part.type == "anonymous" else part.id)
        if isinstance(part, str | int):
            return str(part)
        return sentence(part, self._lang, self._catalog).text()
