"""What people do about alerts: acknowledge, resolve, mute, switch rules; and what stands for what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.alerting import MARIA, alerts, follow, guess, settle, signed_in, told
from tests.keeping import HOME, NOW, STORES, Clock, opened
from whodid.detect import ALWAYS, Alerts, DetectionWorker, RuleSettings, read_settings
from whodid.detect import alert as values
from whodid.errors import InvalidSetting, NotFound
from whodid.log import Log
from whodid.model import Actor, Context, Reason, Resource

OWNER = Actor(type="user", id="usr_aisha", name="Aisha Khan")
WEB = Context(source="web", ip="83.45.112.20")
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> Clock:
    """Return a clock two hours after what happens."""
    return Clock(NOW + timedelta(hours=2))


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log in which a password was guessed at five times."""
    with opened(request.param, tmp_path, clock) as made:
        guess(made)
        follow(made)
        yield made


def by_owner(log: Log) -> Alerts:
    """Return the alerts as the owner acts on them."""
    return Alerts(log, HOME, actor=OWNER, context=WEB)


def settings(log: Log) -> RuleSettings:
    """Return the settings of the rules as the owner changes them."""
    return RuleSettings(log, HOME, actor=OWNER, context=WEB)


def test_who_looks_after_an_alert_is_an_entry(log: Log) -> None:
    """`audit.alert_acknowledged` has the person, the rule and the note; a second time changes nothing."""
    (alert,) = alerts(log)
    done = by_owner(log).acknowledge(alert.id, "I am calling her")
    by_owner(log).acknowledge(alert.id, "Me too")
    (entry,) = [one for one in log.read(HOME) if one.action == "audit.alert_acknowledged"]

    assert (done.status, done.acknowledged and done.acknowledged.note) == ("acknowledged", "I am calling her")
    assert (entry.actor, entry.context, entry.reason) == (OWNER, WEB, Reason(text="I am calling her"))
    assert {one.rel: one.id for one in entry.related} == {"rule": "password_guessing", "person": "usr_maria"}
    assert by_owner(log).active() == (done,)


def test_what_an_alert_was_is_an_entry(log: Log) -> None:
    """`audit.alert_resolved` says what it was; the alert is kept, and closed."""
    (alert,) = alerts(log)
    done = by_owner(log).resolve(alert.id, "harmless", "Her new phone")
    (entry,) = [one for one in log.read(HOME) if one.action == "audit.alert_resolved"]

    assert (entry.details or {})["verdict"] == "harmless"
    assert by_owner(log).active() == ()
    assert alerts(log, "resolved") == [done] == [by_owner(log).get(alert.id)]
    for act in (by_owner(log).acknowledge, lambda id_: by_owner(log).resolve(id_, "mine")):
        with pytest.raises(InvalidSetting, match="resolved already"):
            act(alert.id)


def test_an_alert_that_is_not_there(log: Log) -> None:
    """It is said, and a long note is refused."""
    with pytest.raises(NotFound, match="no alert 'alt_1'"):
        by_owner(log).get("alt_1")
    with pytest.raises(InvalidSetting, match="1,001 characters"):
        by_owner(log).acknowledge(alerts(log)[0].id, "x" * 1_001)


def test_a_matter_that_comes_again_after_it_was_resolved_is_a_new_alert(log: Log, clock: Clock) -> None:
    """The old one stays resolved."""
    by_owner(log).resolve(alerts(log)[0].id, "harmless")
    clock.advance(hours=25)
    guess(log, 10, 5, NOW + DAY + timedelta(hours=1))
    follow(log)
    assert [one.status for one in alerts(log)] == ["open", "resolved"]


def test_a_rule_is_muted_for_a_person_until_its_time_is_over(log: Log, clock: Clock) -> None:
    """The alert is kept as muted and nobody is told; a rule is silent about that person only."""
    by_owner(log).resolve(alerts(log)[0].id, "harmless")
    settings(log).mute("password_guessing", "Guessing", MARIA, 7, "Penetration test")
    clock.advance(days=2)
    guess(log, 10, 5, NOW + 2 * DAY)
    guess(log, 20, 5, NOW + 2 * DAY, Resource(type="user", id="usr_joao"))
    follow(log)
    assert [(one.status, one.person and one.person.id) for one in alerts(log)] == [
        ("open", "usr_joao"), ("muted", "usr_maria"), ("resolved", "usr_maria"),
    ]  # fmt: skip
    clock.advance(days=6)
    guess(log, 30, 5, NOW + 8 * DAY)
    follow(log)
    assert alerts(log)[0].status == "open"
    (entry,) = [one for one in log.read(HOME) if one.action == "audit.alert_rule_changed"]
    assert (entry.changes[0].path, entry.reason) == ("muted_until", Reason(text="Penetration test"))


@pytest.mark.parametrize("days", [0, 91])
def test_nobody_is_muted_for_ever(log: Log, days: int) -> None:
    """One day to ninety."""
    with pytest.raises(InvalidSetting, match=f"for {days} days"):
        settings(log).mute("password_guessing", "Guessing", MARIA, days)


def test_a_rule_that_is_off_makes_no_alert(log: Log, clock: Clock) -> None:
    """Switching is an entry; switching twice is one."""
    for _ in range(2):
        settings(log).switch("password_guessing", "Guessing", on=False)
    clock.advance(days=2)
    guess(log, 10, 5, NOW + 2 * DAY)
    follow(log)
    settings(log).switch("password_guessing", "Guessing", on=True)

    assert len(alerts(log)) == 1
    said = [one.changes[0] for one in log.read(HOME) if one.action == "audit.alert_rule_changed"]
    assert [(one.path, one.before, one.after) for one in said] == [("active", True, False), ("active", False, True)]
    assert read_settings(log, HOME).off == ()
    with pytest.raises(InvalidSetting, match="cannot be switched off"):
        settings(log).switch(ALWAYS, "Log touched", on=False)


def test_the_graver_alert_stands_for_its_parts(log: Log) -> None:
    """Guessing that worked inhibits the guessing, and takes up what is guessed after it."""
    log.record(HOME, signed_in(30, NOW + timedelta(minutes=3), ip="203.0.113.9"))
    guess(log, 40, 5, NOW + timedelta(minutes=4))
    follow(log)
    more, worked, guessing = alerts(log)
    assert (worked.rule, worked.status) == ("guessed_password", "open")
    assert (guessing.rule, guessing.status, guessing.within) == ("password_guessing", "inhibited", worked.id)
    assert (more.status, more.within, worked.times) == ("inhibited", worked.id, 2)
    assert told(log) == [guessing.id, worked.id]


def test_pages_of_alerts_follow_one_another(log: Log, clock: Clock) -> None:
    """Newest first, none twice, none left out; and those of purged entries go."""
    for day in range(1, 6):
        by_owner(log).resolve(alerts(log, "open")[0].id, "harmless")
        clock.advance(days=1)
        guess(log, day * 10, 5, NOW + day * DAY)
        follow(log)
    seen, after = [], None
    while True:
        page = by_owner(log).page("all", after=after, limit=2)
        seen += [one.id for one in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [one.id for one in alerts(log)]
    assert len(seen) == 6
    assert [one.status for one in by_owner(log).page("active").items] == ["open"]


def test_alerts_that_rest_on_some_entries_are_found_without_reading_the_others(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of closed ones the pages that reach there are read, be there ever so many; and of the log no entry at all."""
    monkeypatch.setattr("whodid.detect.alerts._PAGE", 2)
    log.record_many(HOME, [signed_in(100 + one, NOW) for one in range(40)])
    raised = {}
    for index in range(10, 30):
        alert = by_owner(log).raise_by_hand(log.get(HOME, index), "Odd", entries=[index - 5])
        by_owner(log).resolve(alert.id, "harmless")
        raised[index] = alert.id
    active = by_owner(log).raise_by_hand(log.get(HOME, 20), "Odd again")
    read = pages_read(monkeypatch)
    monkeypatch.setattr(Log, "read", lambda *_: pytest.fail("an entry was read"))
    monkeypatch.setattr("whodid.detect.alerts._pages", None)  # with which every alert of a page is read

    found = by_owner(log).page("all", over=[20])
    assert {one.id for one in found.items} == {raised[20], raised[25], active.id}
    assert len(read) <= 4
    assert [one.id for one in by_owner(log).page("open", over={20, 21}).items] == [active.id]
    read.clear()
    assert by_owner(log).page("all", over=[60]).items == by_owner(log).page("all", over=()).items == ()
    assert read == []


def test_the_newest_alerts_are_found_without_reading_the_older_ones(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever order they were closed, they come newest first."""
    monkeypatch.setattr("whodid.detect.alerts._PAGE", 2)
    log.record_many(HOME, [signed_in(100 + one, NOW) for one in range(40)])
    raised = [by_owner(log).raise_by_hand(log.get(HOME, index), "Odd", entries=[index - 5]) for index in range(10, 30)]
    for alert in [*raised[3:12], *raised[:3], *reversed(raised[12:])]:
        by_owner(log).resolve(alert.id, "harmless")
    read = pages_read(monkeypatch)

    page = by_owner(log).page("resolved", limit=4)
    assert [one.id for one in page.items] == [one.id for one in raised[:15:-1]]
    assert len(read) <= 4
    assert [one.id for one in by_owner(log).page("resolved", after=page.next).items] == [
        one.id for one in raised[15::-1]
    ]


def pages_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the pages of closed alerts that are read from now on."""
    read: list[str] = []
    state = Log.state

    def watched(log: Log, workspace: str, name: str) -> bytes | None:
        if name.startswith("alerts.page."):
            read.append(name)
        return state(log, workspace, name)

    monkeypatch.setattr(Log, "state", watched)
    return read


def test_a_page_of_which_nobody_noted_where_it_reaches_is_read(log: Log) -> None:
    """A book that an earlier version wrote loses nothing."""
    (alert,) = alerts(log)
    by_owner(log).resolve(alert.id, "harmless")
    noted = log.state(HOME, "alerts")
    assert noted is not None
    old = re.sub(rb',"reach":\{[^}]*\}', b"", noted)
    assert old != noted
    assert log.swap_state(HOME, "alerts", noted, old)
    assert [one.id for one in by_owner(log).page("all", over=[alert.entries[0]]).items] == [alert.id]


def test_the_least_grave_gives_way(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Active alerts are bounded; the one that goes is resolved, with a note, as an entry."""
    monkeypatch.setattr("whodid.detect.alerts.MOST_ACTIVE", 3)
    settle(log)
    for number in range(3):
        guess(log, 10 * number + 10, 5, NOW, Resource(type="user", id=f"usr_{number}"))
    follow(log)
    assert len(by_owner(log).active()) == 3
    gone = alerts(log, "resolved")
    assert [one.person and one.person.id for one in gone] == ["usr_maria"]
    assert len(told(log, "audit.alert_resolved")) == 1
    assert values.MOST_ACTIVE == 200


def test_alerts_go_with_the_entries_that_they_rest_on(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page whose entries were all removed by retention is removed; an active alert stays."""
    by_owner(log).resolve(alerts(log)[0].id, "harmless")
    by_owner(log).clear()
    assert len(alerts(log)) == 1
    head = log.head(HOME)
    monkeypatch.setattr(Log, "head", lambda *_: type("Head", (), {"first": head.size, "size": head.size})())
    by_owner(log).clear()
    assert alerts(log) == []


def test_people_are_told_again_of_what_nobody_looked_at(log: Log, clock: Clock) -> None:
    """Once a day while a grave alert is open, a week at most; what somebody looks after is left to them."""
    (low,) = alerts(log)
    grave = by_owner(log).raise_by_hand(log.get(HOME, 0), "This is odd", level="high")
    other = by_owner(log).raise_by_hand(log.get(HOME, 1), "This is odd, too", level="critical")
    assert by_owner(log).remind() == 0
    clock.advance(hours=24)
    by_owner(log).acknowledge(other.id)
    assert Alerts(log, HOME).remind() == 1
    assert Alerts(log, HOME).remind() == 0
    clock.advance(hours=24)
    assert Alerts(log, HOME).remind() == 1
    raised = [entry for entry in log.read(HOME) if entry.action == "audit.alert_raised"]
    assert [(one.details or {}).get("reminder") for one in raised] == [None, None, None, 1, 2]
    assert {(one.details or {})["alert"] for one in raised[3:]} == {grave.id}
    assert (raised[-1].severity, raised[-1].actor.id) == ("warning", "detection")
    for _ in range(10):
        clock.advance(hours=24)
        Alerts(log, HOME).remind()
    assert by_owner(log).get(grave.id).reminders == values.MOST_REMINDERS
    assert by_owner(log).get(low.id).reminders == by_owner(log).get(other.id).reminders == 0


def test_whoever_follows_the_log_reminds(log: Log, clock: Clock) -> None:
    """Without a new entry in it; one of two processes does, once."""
    by_owner(log).raise_by_hand(log.get(HOME, 0), "This is odd", level="high")
    first, second = DetectionWorker(log), DetectionWorker(log)
    try:
        for worker in (first, second, first, second):
            clock.advance(hours=12, minutes=1)
            worker.round()
    finally:
        first.stop()
        second.stop()
    found = [(entry.details or {}).get("reminder") for entry in log.read(HOME) if entry.action == "audit.alert_raised"]
    assert found[-1] is not None
    assert found[2:] == [*range(1, len(found) - 1)]
