"""The languages that live in files: `locales/<language>.json`, one file for each, whole sentences in all of them.

English and Spanish stand beside the declarations. A further language is a file here and its tag in `FURTHER`; a name
or an action that a file lacks is said in English.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec
from msgspec import Struct

from whodid.model import Outcome

__all__ = ["FURTHER", "Language", "Saying", "language_of"]

FURTHER = ("pt", "hi", "ar")
"""Portuguese as written in Brazil, Hindi, Arabic."""


class Saying(Struct, frozen=True, kw_only=True):
    """What one action is called and how it is said, as in `Action` and `Wording`."""

    label: str
    success: str | tuple[str, ...]
    denied: str | tuple[str, ...] = ""
    failed: str | tuple[str, ...] = ""
    summary: str = ""


class Language(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that the package says in one language.

    Args:
        words: How values without a text of their own are written.
        quotes: A quotation, `{}` standing for what is quoted.
        general: The sentence of an action that has none, by outcome.
        actions: By name of the action.
    """

    kinds: dict[str, str]
    outcomes: dict[str, str]
    severities: dict[str, str]
    sources: dict[str, str]
    actors: dict[str, str]
    categories: dict[str, str]
    types: dict[str, str]
    reasons: dict[str, str]
    fields: dict[str, str]
    details: dict[str, str]
    values: dict[str, str]
    rules: dict[str, str]
    words: dict[str, str]
    quotes: str
    general: dict[Outcome, str]
    actions: dict[str, Saying]

    def names(self, of: str) -> Mapping[str, str]:
        """Return one of the tables of short names."""
        table: Mapping[str, str] = getattr(self, of)
        return table


@cache
def language_of(tag: str) -> Language | None:
    """Return the language of a tag (`pt-BR` is served by `pt`), or None when no file speaks it; read once."""
    name = tag.partition("-")[0]
    if name not in FURTHER:
        return None
    file = resources.files("whodid.catalog") / "locales" / f"{name}.json"
    return msgspec.json.decode(file.read_bytes(), type=Language)
