"""Rules that a workspace wrote: what sentences become, what is remembered for them, and how a person leaves them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.alerting import MARIA, alerts, follow
from tests.detecting import entry
from tests.keeping import HOME, NOW, Clock, event, opened
from whodid.detect import (
    Draft,
    RuleSettings,
    Run,
    Sentence,
    built_in,
    compiled,
    erase,
    is_personal,
    look,
    read_settings,
    rules_of,
    written,
)
from whodid.errors import InvalidSetting
from whodid.log import Log
from whodid.model import Actor, Event, Resource

OWNER = Actor(type="user", id="usr_aisha", name="Aisha Khan")
EXPORTS = Sentence(title="Exports", actions=("*.exported",))


@pytest.fixture
def clock() -> Clock:
    """Return a clock an hour after what happens."""
    return Clock(NOW + timedelta(hours=1))


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log."""
    with opened("memory", tmp_path, clock) as made:
        yield made


def write(log: Log, sentence: Sentence = EXPORTS, name: str | None = None) -> str:
    """Let the owner write a rule."""
    draft = Draft(sentence=sentence)
    text = written(draft)
    settings = RuleSettings(log, HOME, actor=OWNER)
    return settings.write(sentence, "", sentence.title, text, personal=is_personal(draft, text), name=name)


def exported(number: int, actor: Actor = OWNER) -> Event:
    """Make an export."""
    return event(number, "contact.exported", NOW + timedelta(minutes=number), actor=actor)


@pytest.mark.parametrize(
    "odd", ["a*b", "a?b", "a\\b", "a\\*", '"', "'", "a: b", "#x", "- x", "{x}", "\u202e", "é", "😀"]
)
def test_whatever_stands_in_a_sentence_is_looked_for_as_it_is(odd: str) -> None:
    """Signs that mean something in Sigma or YAML mean nothing in an id."""
    text = written(Draft(sentence=Sentence(title=odd, respond=odd, resource_id=odd)))
    (rule,) = compiled("own_1", text)
    assert (rule.title, rule.respond) == (odd, odd)
    assert Run([rule]).take(entry(0, resource={"type": "contact", "id": odd}))
    assert not Run([rule]).take(entry(0, resource={"type": "contact", "id": odd.replace("a", "aa") + "x"}))


def test_parts_are_called_after_their_rule() -> None:
    """So two rules may have parts of one name, and none is mistaken for a built-in one."""
    text = written(Draft(sentence=Sentence(title="Many", actions=("contact.deleted",), count=3)))
    first, second = compiled("own_1", text), compiled("own_2", text)
    assert [rule.name for rule in (*first, *second)] == ["own_1/one", "own_1", "own_2/one", "own_2"]
    entries = [entry(n, action="contact.deleted") for n in range(3)]
    run = Run([*built_in(), *first, *second])
    assert [found.rule for one in entries for found in run.take(one)] == ["own_1", "own_2"]


def test_a_rule_that_changed_begins_anew(log: Log) -> None:
    """Hits of the old one count for nothing in the new one; the built-in rules forget nothing."""
    wanted = Sentence(title="Exports", actions=("contact.exported",), count=3, minutes=60)
    write(log, wanted)
    log.record_many(HOME, [exported(1), exported(2)])
    follow(log)
    write(log, Sentence(title="Exports", actions=("contact.exported",), count=3, minutes=59), "own_1")
    log.record(HOME, exported(3))
    follow(log)
    assert alerts(log) == []
    log.record_many(HOME, [exported(4), exported(5)])
    follow(log)
    assert [one.rule for one in alerts(log)] == ["own_1"]


@pytest.mark.parametrize("stops", [False, True])
def test_a_rule_looks_at_what_comes_after_it(log: Log, clock: Clock, stops: bool) -> None:
    """Whether the follower stopped in between or not, and not at what was there before."""
    log.record(HOME, exported(1))
    if stops:
        follow(log)
    clock.advance(seconds=1)
    write(log)
    log.record(HOME, exported(2))
    follow(log)
    (alert,) = alerts(log)
    assert alert.index == 2


def test_one_that_cannot_be_read_any_more_keeps_nothing_from_the_others(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported, and the rest looks on."""
    write(log)
    write(log, Sentence(title="Deletions", actions=("*.deleted",)))
    real = compiled
    monkeypatch.setattr(
        "whodid.detect.own.compiled",
        lambda name, text: real(name, text.replace("action", "nothing") if name == "own_1" else text),
    )
    rules = rules_of(read_settings(log, HOME))
    assert "no field nothing" in rules.broken["own_1"]
    log.record(HOME, event(1, "contact.deleted", NOW))
    follow(log)
    assert [one.rule for one in alerts(log)] == ["own_2"]
    assert set(read_settings(log, HOME).failed) == {"own_1"}


def test_there_are_only_so_many(log: Log) -> None:
    """And the message says what to do."""
    for number in range(50):
        write(log, Sentence(title=f"Rule {number}", actions=("contact.exported",)))
    with pytest.raises(InvalidSetting, match=r"50 rules already\. Delete one first"):
        write(log)


def test_a_person_leaves_rules_with_everything_else(log: Log) -> None:
    """A rule about them is gone, one that they wrote has no name any more, and others stay."""
    write(log, Sentence(title="Hers", names=(MARIA.id,)))
    write(log, Sentence(title="Of somebody like her", names=(f"{MARIA.id}_2",)))
    RuleSettings(log, HOME, actor=Actor(type="user", id=MARIA.id, name="Maria Torres")).write(
        EXPORTS, "", "Exports", written(Draft(sentence=EXPORTS)), personal=False
    )
    assert erase(log, HOME, f"user:{MARIA.id}") == 1
    left = read_settings(log, HOME).own
    assert [(one.name, one.by.name) for one in left] == [("own_2", "Aisha Khan"), ("own_3", None)]
    assert [one.type for one in log.get(HOME, 0).related] == ["rule", "user"]
    assert log.get(HOME, 0).changes[0].class_ == "personal"


def test_hours_and_days_are_those_of_the_zone() -> None:
    """A rule for the night of Kolkata, half an hour off; from Saturday to Sunday."""
    text = written(
        Draft(sentence=Sentence(title="Night", actions=("a.b",), hours=(22, 6), weekdays=(6,), zone="Asia/Kolkata"))
    )
    (rule,) = compiled("own_1", text)

    def fires(at: str) -> bool:
        moment = NOW.fromisoformat(at)
        return bool(Run([rule]).take(entry(0, moment, action="a.b", resource=Resource(type="x", id="y"))))

    assert [fires(f"2026-03-07T{time}:00+00:00") for time in ("16:29", "16:30", "18:29", "18:30", "12:00")] == [
        False, True, True, False, False,
    ]  # fmt: skip


def test_looking_back_finds_what_following_found(log: Log, clock: Clock) -> None:
    """With rules of the workspace and other numbers: a rule looks at nothing older than itself."""
    settings = RuleSettings(log, HOME, actor=OWNER)
    settings.number("many_keys", "Many keys", {"keys": 1}, {"keys": 3})
    log.record(HOME, exported(1))
    clock.advance(seconds=1)
    write(log)
    keys = [event(10 + n, "api_key.created", NOW + timedelta(minutes=10 + n), actor=OWNER) for n in range(2)]
    log.record_many(HOME, [exported(2), *keys])
    follow(log)
    found = list(look(log, HOME, rules_of(read_settings(log, HOME)).all))
    assert {(one.rule, one.index) for one in found if one.level != "info"} == {
        (one.rule, one.index) for one in alerts(log)
    }
    assert {"own_1", "many_keys"} == {one.rule for one in found} - {"risky_key"}
