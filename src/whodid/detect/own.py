"""The rules of one workspace: those that come with whodid, with its numbers, and those that it wrote in the interface.

What a workspace wrote is Sigma, or a sentence that is written out as Sigma. It has no fixtures: whoever writes it looks
at what it would have found instead (`preview`). One that cannot be read any more keeps nothing from the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from whodid.canonical import micros
from whodid.detect.loading import built_in, read
from whodid.detect.rule import Chain, Rule
from whodid.detect.sentence import LONGEST, Sentence, sigma
from whodid.detect.settings import OwnRule, Settings
from whodid.detect.view import View
from whodid.errors import InvalidRule, InvalidSetting
from whodid.model import Entry

__all__ = ["Draft", "Rules", "compiled", "is_personal", "rules_of", "written"]

_SOURCE = "The rule"
_PERSONAL = ("actor.id", "actor.name", "actor.email", "context.ip", "network", "person", "resource.id", "resource.name")
_PROBES: tuple[dict[str, Any], ...] = (
    {"action": "contact.updated", "kind": "update", "resource": {"type": "contact", "id": "con_1"}},
    {
        "action": "auth.login_failed", "kind": "security", "outcome": "failed", "severity": "warning",
        "actor": {"type": "anonymous", "id": "anonymous"}, "resource": {"type": "user", "id": "usr_1"},
        "occurred_at": datetime(2025, 8, 3, 23, tzinfo=UTC),
    },
    {
        "action": "campaign.paused", "kind": "status", "actor": {"type": "system", "id": "sys_1"},
        "resource": {"type": "campaign", "id": "cmp_1"}, "occurred_at": datetime(2024, 2, 29, 4, tzinfo=UTC),
    },
    {
        "action": "file.exported", "kind": "create", "outcome": "denied", "actor": {"type": "api_key", "id": "key_1"},
        "resource": {"type": "file", "id": "fil_1"}, "context": {"ip": "192.0.2.1", "source": "api"},
        "occurred_at": datetime(2023, 12, 15, 15, tzinfo=UTC),
    },
)  # fmt: skip
"""Entries that have nothing in common: what holds for all of them holds for everything."""


class Draft(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A rule as somebody writes it: one of the two.

    Args:
        sentence: As choices.
        text: As Sigma.
    """

    sentence: Sentence | None = None
    text: str = ""


class Rules(Struct, frozen=True, kw_only=True):
    """The rules of a workspace, and those of its own that cannot be read any more, with the reason."""

    all: tuple[Rule, ...]
    broken: dict[str, str]


def written(draft: Draft | OwnRule) -> str:
    """Return the Sigma of a rule.

    Raises:
        InvalidSetting: It is neither a sentence nor Sigma, or both, or too long, or the sentence says nothing.
    """
    if (draft.sentence is None) is not bool(draft.text.strip()):
        raise InvalidSetting("A rule is a sentence or Sigma", "Give one of the two")
    text = draft.text if draft.sentence is None else sigma(draft.sentence)
    if len(text) > LONGEST:
        raise InvalidSetting(f"The rule has {len(text):,} characters", f"Use at most {LONGEST:,}")
    return text


@lru_cache(maxsize=1_024)
def compiled(name: str, text: str) -> tuple[Rule, ...]:
    """Read a rule of a workspace, parts before what is made of them.

    Args:
        name: What it is to be called; its parts are called after it.
        text: Sigma.

    Raises:
        InvalidRule: It cannot be read, makes no finding or several, or holds for every entry.
    """
    rules = read(text, _SOURCE, kind="own")
    told = [rule for rule in rules if rule.told]
    if len(told) != 1:
        raise InvalidRule(_SOURCE, "", f"It makes {len(told)} kinds of findings", "Write one rule at a time")
    (top,) = told
    if top.chain is None and _holds_always(top):
        raise InvalidRule(
            _SOURCE, "", "It holds for every entry", "Ask for an action, an outcome, a person or a resource"
        )
    if top.chain is not None and top.chain.least == 1:
        raise InvalidRule(_SOURCE, "", "A correlation of one entry is none", "Ask for 2, or write a rule on one entry")
    names = {rule.name: name if rule.told else f"{name}/{rule.name}" for rule in rules}
    more = {"digest": sha256(text.encode()).hexdigest()[:16], "reads": frozenset().union(*(one.reads for one in rules))}
    return tuple(replace(rule, name=names[rule.name], chain=_renamed(rule.chain, names), **more) for rule in rules)


def is_personal(draft: Draft | OwnRule, text: str) -> bool:
    """Tell whether the text of a rule may name somebody: then it is a personal value.

    Args:
        text: Its Sigma.
    """
    if draft.sentence is not None:
        return bool(draft.sentence.persons or draft.sentence.resource_id)
    return any(field in text for field in _PERSONAL)


def rules_of(settings: Settings) -> Rules:
    """Return the rules of a workspace; one that it wrote looks at nothing that was recorded before.

    Raises:
        InvalidSetting: The extra `detect` is not installed.
    """
    found: list[Rule] = list(built_in(settings.numbers))
    broken: dict[str, str] = {}
    for own in settings.own:
        try:
            found += (replace(rule, since=micros(own.at)) for rule in compiled(own.name, written(own)))
        except (InvalidRule, InvalidSetting) as error:
            broken[own.name] = str(error)
    return Rules(all=tuple(found), broken=broken)


def _renamed(chain: Chain | None, names: Mapping[str, str]) -> Chain | None:
    return None if chain is None else replace(chain, parts=tuple(names[part] for part in chain.parts))


def _holds_always(rule: Rule) -> bool:
    return rule.test is not None and all(rule.test(View(one, {})) for one in _probes())


def _probes() -> Sequence[Entry]:
    base: dict[str, Any] = {
        "id": "00000000-0000-7000-8000-000000000000", "index": 0, "workspace": "probe", "severity": "info",
        "actor": {"type": "user", "id": "usr_2"}, "occurred_at": datetime(2026, 5, 11, 9, tzinfo=UTC),
        "recorded_at": datetime(2026, 5, 11, 9, tzinfo=UTC),
    }  # fmt: skip
    return [msgspec.convert({**base, **one}, Entry) for one in _PROBES]
