"""What rules say, in other languages than that of their files, which is English."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from whodid.catalog import rule_label
from whodid.detect.rule import Rule

__all__ = ["code_in", "translated"]


class _Words(Struct, frozen=True, forbid_unknown_fields=True):
    """What one rule says; its title is in the catalog, because entries name rules."""

    form: str
    reason: str
    respond: str
    harmless: tuple[str, ...]


class _Language(Struct, frozen=True, forbid_unknown_fields=True):
    """What all rules say in one language.

    Args:
        codes: Values of reasons that are codes, such as `revoked`.
        plain: By its English text, the reason of a rule of a workspace that gives none.
    """

    codes: dict[str, str]
    rules: dict[str, _Words]
    plain: dict[str, str]


def translated(rule: Rule, language: str) -> Rule:
    """Return a rule that speaks a language, as far as that is known; what a workspace wrote stays as it is."""
    if language == "en":
        return rule
    said = _language(language)
    words = said.rules.get(rule.name)
    if words is None:
        return replace(rule, reason=said.plain.get(rule.reason, rule.reason))
    return replace(
        rule,
        title=rule_label(rule.name, rule.title, language),
        form=words.form,
        reason=words.reason,
        respond=words.respond,
        harmless=words.harmless,
    )


def code_in(language: str, code: str) -> str:
    """Return a value that is a code as people say it, as far as that is known."""
    return code if language == "en" else _language(language).codes.get(code, code)


@cache
def _language(language: str) -> _Language:
    text = files("whodid.detect").joinpath("languages", f"{language}.json").read_bytes()
    return msgspec.json.decode(text, type=_Language)
