"""Bad input to the engine: late, shuffled and repeated entries, rules that hold for everything, hostile names."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import msgspec
import pytest

from tests.detecting import START, entry, failed, findings, resumed, rule_text, saved, story
from whodid.detect import LEVELS, Run, built_in
from whodid.model import Entry

MINUTE = timedelta(minutes=1)
THEN = START + timedelta(days=60)


def attacks(at: datetime = THEN) -> list[Entry]:
    """Everything that takes several entries: guessing, spraying, keys, dead keys, removal and export in bulk."""
    owner = {"type": "user", "id": "usr_1"}
    guesses = [failed(0, at + one * MINUTE, "usr_7", ip=f"203.0.{one}.1") for one in range(10)]
    sprays = [failed(0, at + one * MINUTE, f"usr_{one + 20}", ip=f"198.51.100.{one}") for one in range(6)]
    keys = [
        entry(
            0,
            at + one * MINUTE,
            "api_key.created",
            kind="create",
            actor=owner,
            resource={"type": "api_key", "id": f"k{one}"},
        )
        for one in range(4)
    ]
    dead = [
        entry(
            0, at + one * MINUTE, "api_key.denied", kind="security", outcome="denied", details={"cause": "revoked"},
            actor={"type": "api_key", "id": "k9"}, resource={"type": "api_key", "id": "k9"},
            context={"ip": f"192.0.{one}.1"},
        )
        for one in range(3)
    ]  # fmt: skip
    gone = [entry(0, at + one * MINUTE / 3, "contact.deleted", kind="delete", actor=owner) for one in range(25)]
    slow = [
        entry(0, at + one * MINUTE, "template.deleted", kind="delete", actor={"type": "user", "id": "usr_2"})
        for one in range(25)
    ]
    taken = [
        entry(0, at + one * MINUTE, "contact.exported", kind="create", actor=owner, details={"count": 300})
        for one in range(4)
    ]
    made = sorted([*guesses, *sprays, *keys, *dead, *gone, *slow, *taken], key=lambda one: one.occurred_at)
    return [msgspec.structs.replace(one, id=f"{place:032x}") for place, one in enumerate(made)]


def told(entries: list[Entry]) -> set[tuple[str, str, str]]:
    """Return what is told of entries in their order: rule, group and the highest level of each."""
    highest: dict[tuple[str, str], str] = {}
    for one in findings(built_in(), entries):
        key = (one.rule, repr(sorted(one.group.items())))
        highest[key] = max(one.level, highest.get(key, "info"), key=LEVELS.index)
    return {(*key, level) for key, level in highest.items()}


def test_attacks_are_what_they_seem() -> None:
    """In order: six rules, and the one who deletes slowly is not told."""
    found = told(story(*attacks()))
    assert {rule for rule, *_ in found} == {
        "password_guessing", "password_spraying", "many_keys", "dead_key", "dead_key_networks", "bulk_removal",
        "bulk_export",
    }  # fmt: skip
    assert ("password_guessing", "[('resource.id', 'usr_7')]", "medium") in found
    assert all("usr_2'" not in group for _, group, _ in found)


@pytest.mark.parametrize("seed", range(6))
def test_late_and_shuffled_entries_tell_the_same(seed: int) -> None:
    """In any order, in one piece or in two, up to a day late: the same rules, groups and levels."""
    chance, made = random.Random(seed), attacks()
    if seed % 2:
        chance.shuffle(made)
    else:
        late = [one for one in made if chance.random() < 0.4]
        made = [one for one in made if one not in late] + late
    arrived = [msgspec.structs.replace(one, recorded_at=THEN + timedelta(hours=20)) for one in made]
    assert told(story(*arrived)) == told(story(*attacks()))


def test_entries_that_come_twice_count_once() -> None:
    """Whoever takes up a log somewhere sees entries again: nothing is told or counted twice."""
    once = story(*attacks())
    work, twice = Run(built_in()), []
    for one in once:
        twice += work.take(one)
        twice += work.take(one)
    assert twice == findings(built_in(), once)


@pytest.mark.parametrize("wanted", ["action: '*'", "action|contains: ''", "action|re: '.*'", "kind|exists: true"])
def test_a_rule_that_holds_for_everything_harms_nobody(wanted: str) -> None:
    """It tells each group once in its time, its state stays small, and the others find what they find."""
    from whodid.detect.sigma import parse_rules  # what the reader takes; the interface refuses such a rule

    (always,) = parse_rules(rule_text(wanted), "always.yml")
    entries = story(*attacks())
    found = findings([*built_in(), always], entries)
    others = [one for one in found if one.rule != always.name]
    assert others == findings(built_in(), entries)
    assert 0 < len(found) - len(others) <= 60 * len({one.group["person"] for one in found if one.rule == always.name})


HOSTILE = [
    "<img src=x onerror=alert(1)>", "{who}", "{features.country}", "'; DROP TABLE logs; --", "=cmd|' /C calc'!A0",
    "\u202eevil", "a" * 5_000, "${jndi:ldap://x}", "%s%n", "\n\r\t\x00", "*", "\\", '"', "__proto__", "null", "",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_only_a_name(name: str) -> None:
    """As name, id, user agent, country and network: told as it is, once, and in no other's group."""
    person = {"type": "user", "id": name or "usr_x", "name": name}
    fails = [failed(one, START + one * MINUTE, resource=person, ip=name, user_agent=name) for one in range(5)]
    other = [failed(5 + one, START + one * MINUTE, "usr_9") for one in range(4)]
    found = findings(built_in(), [*fails, *other])
    guessing = [one for one in found if one.rule == "password_guessing"]
    assert [one.group for one in guessing] == [{"resource.id": person["id"]}]
    shown = name or person["id"]
    assert guessing[0].reason == f"5 failed sign-ins for {shown} within 10 minutes."
    assert guessing[0].numbers["what"] == shown
    assert resumed(built_in(), saved(Run(built_in()))).take(fails[0]) == []
