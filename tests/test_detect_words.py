"""What rules say in other languages: every rule, with the same slots as in English."""

from __future__ import annotations

import pytest

from whodid.catalog import LANGUAGES, rule_label
from whodid.catalog.rules import RULES
from whodid.detect import Rule, built_in, code_in, compiled, slots, translated
from whodid.detect.alerts import BY_HAND

TOLD = [rule for rule in built_in() if rule.told]
OTHERS = [language for language in LANGUAGES if language != "en"]


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("rule", TOLD, ids=lambda rule: rule.name)
def test_every_rule_speaks_every_language(rule: Rule, language: str) -> None:
    """Title, sentence, reason, what to do and harmless causes are said; no slot is lost, none is new."""
    said = translated(rule, language)
    for name in ("title", "form", "reason", "respond"):
        text, english = getattr(said, name), getattr(rule, name)
        assert text, name
        assert text != english, name
        assert slots(text) == slots(english), name
    assert len(said.harmless) == len(rule.harmless)
    assert not set(said.harmless) & set(rule.harmless)
    assert (said.test, said.chain, said.level) == (rule.test, rule.chain, rule.level)


@pytest.mark.parametrize("rule", TOLD, ids=lambda rule: rule.name)
def test_a_sentence_names_numbers_that_there_are(rule: Rule) -> None:
    """Every slot is a number of the rule; only how often the same is told again stands in none."""
    assert rule.form
    assert slots(rule.form) == {one.name for one in rule.numbers} - {"again"}


@pytest.mark.parametrize("language", OTHERS)
def test_a_rule_of_a_workspace_keeps_its_words(language: str) -> None:
    """What somebody wrote is not translated; a reason that nobody wrote is."""
    text = "title: Mine\nlogsource: {product: auditlog}\ndetection: {a: {action: b.c}, condition: a}\n"
    (plain,) = compiled("own_1", text)
    (written,) = compiled("own_2", text + 'reason: "It was {who}."\n')
    assert translated(plain, language).title == "Mine"
    assert slots(translated(plain, language).reason) == slots(plain.reason)
    assert translated(written, language) == written


def test_codes_are_said_as_people_say_them() -> None:
    """An unknown one, and English, stay as they are."""
    assert (code_in("es", "revoked"), code_in("en", "revoked"), code_in("es", "other")) == (
        "revocada",
        "revoked",
        "other",
    )


def test_entries_name_the_rules_as_the_rules_name_themselves() -> None:
    """The catalog knows the title of every rule that makes alerts, and of what a person raises; of no other."""
    titles = {rule.name: rule.title for rule in TOLD} | {BY_HAND: "Raised by a person"}
    assert {name: rule_label(name, "", "en") for name in RULES} == titles
    assert rule_label("own_1", "Mine", "es") == "Mine"
