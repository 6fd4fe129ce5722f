"""The follower: it finds what stored entries hold, whatever stops it in between, and nobody is told twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.alerting import MARIA, alerts, follow, guess, settle, signed_in, told, wrong
from tests.detecting import rule_text
from tests.keeping import HOME, NOW, STORES, Clock, opened
from whodid.detect import Alerts, DetectionWorker, Rule, Run, built_in, erase, look, reach, read, read_settings
from whodid.errors import StoreUnavailable
from whodid.log import Log
from whodid.model import Actor, Event, Reason, Resource
from whodid.retention import erase_person

HOUR = timedelta(hours=1)
LATER = NOW + 2 * HOUR
OWNER = Actor(type="user", id="usr_aisha", name="Aisha Khan")


@pytest.fixture
def clock() -> Clock:
    """Return a clock two hours after what happens."""
    return Clock(LATER)


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log."""
    with opened(request.param, tmp_path, clock) as made:
        yield made


def attack(log: Log) -> None:
    """Guessing that works, from a country that is new, and a key that the intruder makes."""
    guess(log, times=10)
    at = NOW + timedelta(minutes=6)
    log.record(HOME, signed_in(20, at, ip="203.0.113.77", country="RO", user_agent="curl/8.5"))
    key = Resource(type="api_key", id="key_9", name="backup")
    made = signed_in(21, at + timedelta(minutes=1), ip="203.0.113.77", country="RO")
    log.record(HOME, replace(made, action="api_key.created", resource=key))


def test_what_it_tells_is_what_stored_entries_hold(log: Log) -> None:
    """Every finding of a back-test at an alert's level is in an alert, with its entry, and the other way round."""
    settle(log)
    attack(log)
    follow(log)

    found = {(one.rule, tuple(one.group.items())) for one in look(log, HOME, built_in()) if one.level != "info"}
    held = {(one.rule, tuple(one.group.items())) for one in alerts(log)}
    assert held == found
    assert {"guessed_password", "takeover", "new_country"} <= {one.rule for one in alerts(log)}
    assert [one.rule for one in alerts(log, "open")] == ["takeover"]


def test_each_alert_is_an_entry_that_names_its_cause(log: Log) -> None:
    """The entry has the rule, the person and the entries, and its cause is the entry that completed the finding."""
    guess(log)
    assert follow(log) == 1
    (alert,) = alerts(log)
    raised = log.get(HOME, 5)

    assert (raised.action, raised.actor.id, raised.severity) == ("audit.alert_raised", "detection", "info")
    assert {one.rel: one.id for one in raised.related} == {"rule": "password_guessing", "person": "usr_maria"}
    assert raised.details == {"alert": alert.id, "level": "low", "entries": [0, 1, 2, 3, 4]}
    assert raised.cause == log.get(HOME, 4).id
    assert alert.reason == "5 failed sign-ins for Maria Torres within 10 minutes."


def test_it_goes_on_where_it_stopped(log: Log) -> None:
    """Stopped after every entry, it tells what it tells in one go."""
    worker = DetectionWorker(log)
    for one in range(12):
        log.record(HOME, wrong(one, NOW + timedelta(seconds=20 * one)))
        follow(log)
    assert reach(log, HOME) == log.head(HOME).size
    (alert,) = alerts(log)
    assert (alert.level, alert.times, len(alert.entries)) == ("medium", 2, 10)
    assert told(log) == [alert.id, alert.id]
    assert worker.round() == 0


def test_a_level_that_rises_opens_an_alert_again(log: Log) -> None:
    """Somebody looked after five guesses; at ten they are told again."""
    guess(log)
    follow(log)
    Alerts(log, HOME, actor=OWNER).acknowledge(alerts(log)[0].id)
    guess(log, 5, 5, NOW + timedelta(minutes=3))
    follow(log)
    (alert,) = alerts(log)
    assert (alert.status, alert.level) == ("open", "medium")


def test_whatever_write_fails_nothing_is_lost_or_told_twice(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies before or after each of its writes in turn; another one then goes on."""

    def story(dies: int, *, after: bool) -> tuple[bool, list[Any]]:
        """Return whether it died, and the alerts and entries in the end."""
        counted = 0

        def dying(real: Any) -> Any:
            def call(self: Log, *arguments: Any) -> Any:
                nonlocal counted
                counted += 1
                if counted == dies and not after:
                    raise KeyboardInterrupt
                done = real(self, *arguments)
                if counted == dies:
                    raise KeyboardInterrupt
                return done

            return call

        clock.now = LATER
        with opened("memory", tmp_path, clock) as log:
            attack(log)
            died = False
            with monkeypatch.context() as patched:
                patched.setattr(Log, "swap_state", dying(Log.swap_state))
                patched.setattr(Log, "record", dying(Log.record))
                try:
                    DetectionWorker(log).round()
                except KeyboardInterrupt:
                    died = True
            clock.advance(seconds=90)
            follow(log)
            held = sorted((one.rule, one.status, one.times, one.entries) for one in alerts(log))
            return died, [held, told(log)]

    _, whole = story(0, after=False)
    assert len(whole[0]) >= 3
    number = 0
    while True:
        number += 1
        before, after = story(number, after=False), story(number, after=True)
        if not before[0]:
            break
        assert before[1] == after[1] == whole, number
    assert number > 15


def test_one_process_at_a_time_follows(log: Log, clock: Clock) -> None:
    """A second one leaves the workspace alone, until the first has been silent for a minute."""
    guess(log, times=4)
    first, second = DetectionWorker(log), DetectionWorker(log)
    first.round()
    guess(log, 4, 1, NOW + timedelta(minutes=2))
    assert second.round() == 0
    clock.advance(seconds=61)
    assert second.round() == 1
    assert first.round() == 0
    assert len(told(log)) == 1


def test_what_occurred_before_it_was_there_makes_no_alert(log: Log) -> None:
    """The history of a log teaches what is usual; only its last day is news."""
    guess(log, at=NOW - timedelta(hours=25))
    guess(log, 5, 5, NOW, Resource(type="user", id="usr_joao"))
    assert follow(log) == 2
    assert [one.group for one in alerts(log)] == [{"resource.id": "usr_joao"}]


def test_a_failing_rule_is_disabled_and_reported(log: Log) -> None:
    """It is an entry, once; the other rules go on."""

    def broken(_: object) -> bool:
        raise ZeroDivisionError

    (rule,) = read(rule_text("action: contact.deleted", "{action: contact.deleted}"), "own.yml")
    bad = Rule(name="bad", title="Bad", level="low", test=broken, told=True)
    errors: list[str] = []
    guess(log, times=4)
    for _ in range(2):
        follow(log, rules=[bad, rule], on_error=lambda _, error: errors.append(str(error)))

    said = [one for one in log.read(HOME) if one.action == "audit.alert_rule_changed"]
    assert [(one.related[0].id, (one.reason or Reason()).code) for one in said] == [("bad", "rule_failed")]
    assert errors == ["Rule bad was disabled: It failed 3 times, the last time with ZeroDivisionError()"]
    assert set(read_settings(log, HOME).failed) == {"bad"}
    follow(log)
    assert read_settings(log, HOME).failed == {}


def test_an_entry_of_an_alert_raises_none(log: Log) -> None:
    """A rule that holds for everything is not told of its own alerts, and of those not again."""
    rule = Rule(name="all", title="All", level="low", reason="It was {action}.", told=True, test=lambda _: True)
    guess(log, times=1)
    for _ in range(3):
        follow(log, rules=[rule])
    assert len(told(log)) == 1


# ------------------------------------------------------------------------------------------------------------ feedback


def sign_in_from_romania(log: Log) -> None:
    """Let Maria, who is always in Spain, sign in from Romania."""
    settle(log)
    log.record(HOME, signed_in(30, NOW, country="RO", ip="198.51.100.7"))
    follow(log)


def baseline(log: Log) -> Any:
    """Return Maria's baseline as a back-test makes it."""
    run = Run(built_in())
    list(look(log, HOME, built_in(), run=run))
    return run.state.people["usr_maria"]


def test_somebody_else_teaches_nothing(log: Log, clock: Clock) -> None:
    """After "that was a stranger", their country is as new as before, live and in a back-test."""
    sign_in_from_romania(log)
    known = baseline(log)
    Alerts(log, HOME, actor=OWNER).resolve(alerts(log, "open")[0].id, "confirmed", "Called her")
    after = baseline(log)

    assert set(known.countries) == {"ES", "RO"}
    assert set(after.countries) == {"ES"}
    assert (known.sessions, after.sessions) == (21, 20)
    assert len(after.networks) == 1
    clock.advance(hours=25)
    log.record(HOME, signed_in(31, NOW + 25 * HOUR, country="RO", ip="198.51.100.7"))
    follow(log)
    assert [one.rule for one in alerts(log, "open")] == ["new_country"]


def test_it_was_me_is_no_signal_any_more(log: Log) -> None:
    """A key made after a journey that was explained is no takeover."""
    sign_in_from_romania(log)
    Alerts(log, HOME, actor=OWNER).resolve(alerts(log, "open")[0].id, "mine")
    made = signed_in(31, NOW + HOUR, country="RO", ip="198.51.100.7")
    log.record(HOME, replace(made, action="api_key.created", resource=Resource(type="api_key", id="key_9")))
    follow(log)

    assert set(baseline(log).countries) == {"ES", "RO"}
    assert "takeover" not in {one.rule for one in alerts(log)}


# ------------------------------------------------------------------------------------------------------------- erasure


def kept_texts(log: Log) -> str:
    """Return all that detection keeps of the workspace, packed things unpacked."""
    import zlib

    texts = [zlib.decompress(log.state(HOME, "detection") or zlib.compress(b""))]
    names = ["alerts", "alerts.rules", *(f"alerts.page.{one}" for one in range(3))]
    texts += [log.state(HOME, name) or b"" for name in names]
    return b"".join(texts).decode()


def test_an_erased_person_is_in_no_baseline_and_no_alert(log: Log) -> None:
    """Their name goes from alerts, their habits from what is kept, and whoever follows lets go of them at once."""
    settle(log)
    guess(log)
    worker = DetectionWorker(log)
    worker.round()
    follow(log)
    assert "Maria" in kept_texts(log)

    erase_person(log, HOME, "user:usr_maria", actor=OWNER, reason=Reason(text="Asked on the phone"))
    erase(log, HOME, "user:usr_maria")
    worker.round()
    worker.stop()

    assert "Maria" not in kept_texts(log)
    assert '"usr_maria":' not in kept_texts(log)
    (alert,) = alerts(log)
    assert (alert.reason, alert.numbers, alert.person) == ("", {}, Resource(type="user", id="usr_maria"))


def test_the_entry_of_an_erasure_is_enough_for_a_run(log: Log) -> None:
    """Stored entries still name the id; a run forgets them when it comes to the erasure."""
    settle(log)
    erase_person(log, HOME, "user:usr_maria", actor=OWNER, reason=Reason(text="Asked on the phone"))
    run = Run(built_in())
    list(look(log, HOME, built_in(), run=run))
    assert "usr_maria" not in run.state.people


def test_a_store_that_fails_is_tried_again(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is told, and the next round makes the alert."""
    guess(log)
    errors: list[Exception] = []
    worker = DetectionWorker(log, on_error=lambda _, error: errors.append(error))

    def refuse(*_: Any) -> Event:
        raise StoreUnavailable("No", "Wait")

    with monkeypatch.context() as patched:
        patched.setattr(Log, "record", refuse)
        worker.round()
    assert len(errors) == 1
    worker.round()
    worker.stop()
    assert len(alerts(log)) == len(told(log)) == 1
    assert MARIA.id in {one.person.id for one in alerts(log) if one.person}
