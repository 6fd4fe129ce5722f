"""Rules: what Sigma means on our entries, what is refused, and that nothing loads untried."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.detecting import entry, holds, rule_text
from whodid.detect import built_in, load, read
from whodid.detect.view import FEATURES
from whodid.errors import InvalidRule, InvalidSetting

ONE = entry(
    7,
    action="contact.exported",
    actor={"type": "user", "id": "usr_1", "name": "María Torres", "role": "Owner"},
    resource={"type": "contact", "id": "usr_1", "name": "Line one\nline two"},
    context={"ip": "83.45.112.20", "country": "ES"},
    changes=[
        {"path": "days", "before": None, "after": 30},
        {"path": "hours", "before": 8, "after": 720},
        {"path": "sso.enforced", "before": True, "after": False},
        {"path": "url", "before": "https://a.example/x", "after": "https://b.example/x"},
        {"path": "networks", "before": ["192.0.2.0/24"], "after": []},
        {"path": "tags", "op": "set", "added": ["vip", "press"], "removed": []},
    ],
    related=[{"type": "file", "id": "f_1", "rel": "cause"}],
    details={"count": 8310, "deep": {"note": r"a*b\c"}, "seen_at": "2026-11-20T23:59:00+02:00", "safe": False},
    batch="imp_1",
)

MATCHES: list[tuple[str, bool]] = [
    ("action: contact.exported", True),
    ("action: CONTACT.Exported", True),
    ("action|cased: CONTACT.Exported", False),
    ("action: [a.b, contact.exported]", True),
    ("action: contact.*", True),
    ("action: '*.exported'", True),
    ("action: 'con*ported'", True),
    ("action: 'contac?.exported'", True),
    ("action: 'contac??.exported'", False),
    ("action: exported", False),
    ("action|contains: act.exp", True),
    ("action|startswith: contact", True),
    ("action|endswith: contact", False),
    ("action|contains|all: [cont, port]", True),
    ("action|contains|all: [cont, nope]", False),
    ("action|re: '^contact\\.ex'", True),
    ("action|re: '^CONTACT'", False),
    ("action|re|i: '^CONTACT'", True),
    ("resource.name|re: '^line two'", False),
    ("resource.name|re|i|m: '^line two'", True),
    ("resource.name|re: 'one.line'", False),
    ("resource.name|re|s: 'one.line'", True),
    ("resource.name: 'Line*two'", True),
    ("actor.name|contains: MARÍA", True),
    ("context.ip|cidr: 83.45.0.0/16", True),
    ("context.ip|cidr: 84.0.0.0/8", False),
    ("actor.name|cidr: 84.0.0.0/8", False),
    ("context.city: null", True),
    ("context.country: null", False),
    ("context.city|exists: false", True),
    ("context.country|exists: true", True),
    ("actor.id|fieldref: resource.id", True),
    ("actor.id|fieldref: related.id", False),
    ("actor.id|fieldref|startswith: resource.id", True),
    ("details.count: 8310", True),
    ("details.count: '8310'", True),
    ("details.count|gte: 8310", True),
    ("details.count|gt: 8310", False),
    ("details.count|lt: 8311", True),
    ("details.count|lte: 8309", False),
    ("details.count|neq: 8310", False),
    ("action|neq: a.b", True),
    ("actor.name|lt: 5", False),
    ("details.safe: false", True),
    ("details.safe: true", False),
    (r"details.deep.note: 'a\*b\\c'", True),
    (r"details.deep.note: 'a\*\*b\\c'", False),
    ("details.deep.none: x", False),
    ("details.seen_at|hour: 21", True),
    ("details.seen_at|day: 20", True),
    ("details.seen_at|month: 10", False),
    ("occurred_at|year: 2026", True),
    ("occurred_at|week: 10", True),
    ("occurred_at|minute: 7", True),
    ("actor.name|minute: 7", False),
    ("related.rel: cause", True),
    ("change.days.after: 30", True),
    ("change.sso.enforced.after: false", True),
    ("change.tags.added: press", True),
    ("change.tags.added|all: [press, vip]", True),
    ("change.tags.removed: press", False),
    ("changes.path: hours", True),
    ("changes.lowered: days", True),
    ("changes.lowered: hours", False),
    ("changes.raised: hours", True),
    ("changes.switched_off: sso.enforced", True),
    ("changes.switched_on: sso.enforced", False),
    ("changes.moved: url", True),
    ("changes.emptied: networks", True),
    ("network: 83.45.112.0/24", True),
    ("person: usr_1", True),
    ("category: contact", True),
    ("who: María Torres", True),
    ("what|endswith: two", True),
    ("features.sessions|gte: 3", True),
    ("features.missing: country", True),
    ("features.new_country: true", False),
    ("action|base64: x", False),
    ("action|windash|contains: ' -x'", False),
    ("action|wide|base64offset|contains: x", False),
]


@pytest.mark.parametrize(("wanted", "expected"), MATCHES)
def test_a_comparison_means_what_sigma_says(wanted: str, expected: bool) -> None:
    """Texts without regard to case, wildcards, numbers, networks, references, absent fields, lists, what changed."""
    features = {"sessions": 3, "missing": ["country"]}

    assert holds(wanted, ONE, features) is expected
    assert holds(wanted, ONE, features, condition="not wanted") is not expected


def test_keywords_are_looked_for_everywhere() -> None:
    """A value without a field is looked for in every text of the entry, details included."""
    assert holds("- '*line two*'\n    - nothing", ONE)
    assert holds(r"- 'a\*b\\c'", ONE)
    assert not holds("- usr_9", ONE)


def test_conditions_are_and_or_not_and_some_of() -> None:
    """Conditions over several selections."""
    both = "action: contact.exported\n  other:\n    actor.role: Admin\n  third:\n    batch: imp_1"

    assert not holds(both, ONE, condition="wanted and other")
    assert holds(both, ONE, condition="wanted or other")
    assert holds(both, ONE, condition="wanted and not other")
    assert holds(both, ONE, condition="1 of them")
    assert not holds(both, ONE, condition="all of them")
    assert holds(both, ONE, condition="all of wan* and third")


@pytest.mark.parametrize(
    ("wanted", "actions"),
    [
        ("action: [a.b, C.d]", {"a.b", "c.d"}),
        ("action: a.b\n    kind: delete", {"a.b"}),
        ("action: a.*", None),
        ("kind: delete", None),
    ],
)
def test_the_index_knows_for_which_actions_a_rule_can_hold(wanted: str, actions: set[str] | None) -> None:
    """And says "any" when it is not sure."""
    (rule,) = read(rule_text(wanted, "{action: a.b, kind: delete}", "{action: z.z, kind: create}"), "x.yml")

    assert rule.actions == actions


def test_an_expression_that_would_explode_ends_at_once() -> None:
    """Nested repetition takes exponential time with backtracking; RE2 does not backtrack."""
    victim = entry(1, details={"text": "a" * 5_000 + "!"})
    began = time.perf_counter()

    assert not holds("details.text|re: '^(a+)+$'", victim)
    assert time.perf_counter() - began < 2


CORRELATION = """
title: Part
name: part
logsource: {product: auditlog}
detection:
  wanted: {action: a.b}
  condition: wanted
---
title: Whole
name: whole
correlation: %s
reason: "{count} in {span}."
respond: Look.
fixtures:
  firing: [[{action: a.b}, {action: a.b}], [{action: a.b}, {action: a.b}, {action: a.b}]]
  silent: [[{action: a.b}], [{action: c.d}, {action: c.d}]]
"""
GOOD = "{type: event_count, rules: [part], group-by: [actor.id], timespan: 5m, condition: {gte: 2}}"
LINE = rule_text("action: a.b")

REFUSED: list[tuple[str, str, str]] = [
    (LINE.replace("action: a.b\n", "actoin: a.b\n"), "An entry has no field actoin", "docs/reference/rules.md"),
    (LINE.replace("action: a.b\n", "features.mood: 1\n"), "no field features.mood", "docs/reference/rules.md"),
    (LINE.replace("action: a.b\n", "action|nope: a.b\n"), "Unknown modifier", "Sigma specification"),
    (LINE.replace("action: a.b\n", "action|re: '(?=x)'\n"), "pySigma refuses it", "Sigma specification"),
    (LINE.replace("action: a.b\n", "action|re: '('\n"), "pySigma refuses it", "Sigma specification"),
    (LINE.replace("action: a.b\n", "action|expand: '%x%'\n"), "It has a placeholder", "the values themselves"),
    (LINE.replace("{action}", "{nothing}"), "An entry has no field nothing", "docs/reference/rules.md"),
    (LINE.replace("product: auditlog", "product: windows"), "for the product windows", "product: auditlog"),
    (LINE.replace("level: low", "level: grave"), "pySigma refuses it", "Sigma specification"),
    (LINE.replace("respond: Look at it.", ""), "does not say why and what to do", "a respond text"),
    (LINE.replace("respond:", "colour: red\nrespond:"), "The field colour is not known", "leave it out"),
    (LINE[: LINE.index("fixtures:")], "It has no fixtures", "two that fire and two that stay silent"),
    (
        rule_text("action: a.b").replace("[{action: a.b}, {action: a.b}]", "[{action: a.b}]"),
        "fewer than two firing",
        "",
    ),
    (
        rule_text("action: a.b").replace("[{action: c.d}, {action: c.d}]", "[{action: c.d}]"),
        "fewer than two silent",
        "",
    ),
    (rule_text("action: a.b", firing="{action: c.d}"), "firing fixture 1 it stays silent", "Correct the rule"),
    (rule_text("action: '*'"), "silent fixture 1 it fires", "Correct the rule"),
    (rule_text("action: a.b", firing="{action: a.b, colour: red}"), "firing fixture 1", "Correct the event"),
    (rule_text("action: a.b", firing="{action: a.b, features: {mood: 1}}"), "there is no feature mood", ""),
    (rule_text("action: a.b", reason="From {context.country}."), "the reason asks for context.country", "Let the rule"),
    (rule_text("action: a.b\n  two:\n    action: c.d", condition="wanted and two"), "It can never hold", ""),
    ("", "The file holds no rule", ""),
    ("a: [", "pySigma refuses it", ""),
    ("just a text", "pySigma refuses it", ""),
    (LINE + "\n---" + LINE, "Two rules have the same name", "a name of its own"),
    ("x" * 300_000, "longer than", "several files"),
    (CORRELATION % GOOD.replace("event_count", "value_avg").replace("gte: 2", "gte: 2, field: index"), "value_avg", ""),
    (CORRELATION % GOOD.replace("gte: 2", "lt: 2"), "a window begins empty", "gte or gt"),
    (CORRELATION % GOOD.replace("gte: 2", "gte: 0"), "always holds", "at least 1"),
    (CORRELATION % GOOD.replace("group-by: [actor.id], ", ""), "no group-by", "the same"),
    (CORRELATION % GOOD.replace("actor.id", "actor.mood"), "no field actor.mood", ""),
    (CORRELATION % GOOD.replace("[part]", "[other]"), "pySigma refuses it", ""),
    (CORRELATION % GOOD.replace("5m", "5 minutes"), "pySigma refuses it", ""),
    (
        CORRELATION % "{type: temporal, rules: [part], group-by: [actor.id], timespan: 5m, condition: part}",
        "an expression of rules",
        "",
    ),
]


@pytest.mark.parametrize(("text", "fact", "remedy"), REFUSED, ids=[fact for _, fact, _ in REFUSED])
def test_a_bad_rule_is_refused_with_reason_and_remedy(text: str, fact: str, remedy: str) -> None:
    """The message says the file, what is wrong, and what to do about it."""
    with pytest.raises(InvalidRule) as refused:
        read(text, "mine.yml")

    assert str(refused.value).startswith("mine.yml")
    assert fact in refused.value.fact
    assert remedy in refused.value.remedy


def test_a_good_correlation_loads() -> None:
    """What the refused ones were made of."""
    assert [rule.name for rule in read(CORRELATION % GOOD, "mine.yml")] == ["part", "whole"]


def test_a_name_is_given_once(tmp_path: Path) -> None:
    """A rule cannot take the place of a built-in one, nor can a file be read that is none."""
    text = LINE.replace("name: tested", "name: new_country")
    (tmp_path / "mine.yml").write_text(text)
    (tmp_path / "bytes.yml").write_bytes(b"\xff\xfe")

    with pytest.raises(InvalidRule, match="a rule of that name already"):
        load(tmp_path / "mine.yml", beside=built_in())
    for name in ("bytes.yml", "absent.yml"):
        with pytest.raises(InvalidRule, match="cannot be read"):
            load(tmp_path / name)


def test_aliases_that_multiply_are_refused() -> None:
    """A few lines of YAML that expand to billions of nodes do not get far."""
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )

    with pytest.raises(InvalidRule):
        read(bomb + LINE, "mine.yml")


def told() -> list[Any]:
    """List the built-in rules that make findings."""
    return [rule for rule in built_in() if rule.told]


@pytest.mark.parametrize("rule", told(), ids=lambda rule: rule.name)
def test_a_built_in_rule_says_what_it_must(rule: Any) -> None:
    """Fixtures (tried when it was loaded), a reason with a value, what to do, harmless causes, tags."""
    assert len(rule.firing) >= 2
    assert len(rule.silent) >= 2
    assert "{" in rule.reason
    assert rule.respond
    assert rule.harmless
    assert any(tag.startswith("whodid.d") for tag in rule.tags)
    assert any(tag.startswith("attack.") for tag in rule.tags)


def test_the_page_of_rules_is_complete_and_its_example_works() -> None:
    """Every built-in rule and every feature stands in it, and the rule that it shows loads."""
    page = (Path(__file__).parent.parent / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]

    assert [rule.name for rule in told() if f"`{rule.name}`" not in page] == []
    assert [name for name in FEATURES if f"`{name}`" not in page] == []
    assert [rule.name for rule in read(example, "page")] == ["night_export"]


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback of a missing module."""
    monkeypatch.setitem(sys.modules, "re2", None)
    monkeypatch.delitem(sys.modules, "whodid.detect.sigma")

    with pytest.raises(InvalidSetting, match=r"re2 is not installed.*whodid\[detect\]"):
        importlib.import_module("whodid.detect.sigma")
