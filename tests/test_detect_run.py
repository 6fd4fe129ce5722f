"""Runs: the built-in detections on stories of entries, and that where and when a run stops changes nothing."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests import shell
from tests.detecting import SAFARI, START, entry, failed, findings, history, resumed, rule_text, saved, sign_in, story
from tests.keeping import STORES, Clock, event, opened
from tests.shell import Run as Command
from whodid.detect import Finding, Run, built_in, look, read
from whodid.model import Actor, Context, Entry, Resource

run, store = shell.run, shell.store

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
THEN = START + 60 * DAY
NIGHT = THEN + timedelta(hours=12)


def by_rule(entries: list[Entry]) -> dict[str, Finding]:
    """Return what the built-in rules find, the last finding per rule."""
    return {finding.rule: finding for finding in findings(built_in(), entries)}


def test_usual_days_are_silent() -> None:
    """Sixty ordinary days of two people make no finding."""
    assert findings(built_in(), history()) == []


def test_a_new_country_is_found_with_its_numbers() -> None:
    """The reason counts the sign-ins; an unknown device raises the level."""
    usual = by_rule(story(sign_in(0, THEN, country="RO")))["new_country"]
    strange = by_rule(story(sign_in(0, THEN, country="RO", user_agent=SAFARI, ip="198.51.100.7")))

    assert usual.level == "medium"
    assert usual.reason == "First sign-in from RO in 60 sign-ins of usr_1 over 60 days; countries known before: 1."
    assert usual.numbers["features.sessions"] == 60
    assert strange["new_country"].level == "high"
    assert strange["unknown_device"].group == {"person": "usr_1"}


def test_guessing_that_worked_is_found_from_entries_alone() -> None:
    """Five failures, then a success from their network; ten raise the level of the guessing."""
    fails = [failed(0, THEN + one * MINUTE / 2) for one in range(10)]
    found = findings(built_in(), story(*fails, sign_in(0, THEN + 6 * MINUTE, ip="203.0.113.200")))
    names = [(one.rule, one.level) for one in found if "guess" in one.rule]

    assert names == [("password_guessing", "low"), ("password_guessing", "medium"), ("guessed_password", "critical")]
    assert found[0].entries == tuple(range(120, 125))
    assert "guessed_password" not in by_rule(story(*fails, sign_in(0, THEN + 21 * MINUTE, ip="203.0.113.200")))


def test_spraying_reaches_those_whom_it_tried() -> None:
    """Five accounts from one network; one of them then signs in from it."""
    fails = [failed(0, THEN + one * MINUTE, f"usr_{one + 1}", ip=f"203.0.113.{one}") for one in range(5)]
    found = by_rule(story(*fails, sign_in(0, THEN + 9 * MINUTE, "usr_2", ip="203.0.113.200")))

    assert found["password_spraying"].group == {"network": "203.0.113.0/24"}
    assert found["guessed_password"].group == {"person": "usr_2"}


def test_an_unusual_hour_alone_is_a_signal_and_with_an_act_a_finding() -> None:
    """A key that is made within the hour is told as medium."""
    at = NIGHT + 20 * MINUTE
    key = entry(0, at, "api_key.created", kind="security", resource={"type": "api_key", "id": "key_1"})
    found = by_rule(story(sign_in(0, NIGHT), key))

    assert (found["unusual_hour"].level, found["unusual_hour_act"].level) == ("info", "medium")
    assert "takeover" not in found
    assert "unusual_hour_act" not in by_rule(
        story(sign_in(0, NIGHT), msgspec.structs.replace(key, occurred_at=NIGHT + 61 * MINUTE))
    )


def test_a_takeover_is_a_sign_in_that_was_noticed_and_an_act() -> None:
    """New country and device, then a role; then removal in bulk is critical, too."""
    came = sign_in(0, THEN, country="RO", user_agent=SAFARI, ip="198.51.100.7")
    role = entry(
        0, THEN + MINUTE, "user.role_changed", kind="security", resource={"type": "user", "id": "usr_9"},
        changes=[{"path": "role", "before": "Agent", "after": "Owner"}],
    )  # fmt: skip
    gone = [entry(0, THEN + 2 * MINUTE + one * MINUTE / 60, "contact.deleted", kind="delete") for one in range(20)]
    found = by_rule(story(came, role, *gone))

    assert found["takeover"].level == "critical"
    assert found["power_granted"].level == "high"
    assert found["bulk_removal"].level == "critical"
    assert found["bulk_removal"].numbers["features.deletes_10m"] == 20


def test_a_finding_is_told_once_until_its_level_rises() -> None:
    """The same country on the same day is one finding; the day after it is known anyway."""
    text = rule_text("action: a.b", level="low").replace("reason:", "raise: {high: grave}\nquiet: 10m\nreason:")
    text = text.replace("  condition:", "  grave: {outcome: denied}\n  condition:")
    made = [entry(one, START + one * MINUTE, "a.b", outcome="denied" if one == 3 else "success") for one in range(20)]

    assert [(one.index, one.level) for one in findings(text, made)] == [(0, "low"), (3, "high"), (14, "low")]


# ---------------------------------------------------------------------------------------------- stopping and going on


def mixed(seed: int, count: int = 700) -> list[Entry]:
    """Make a long story with everything in it, some of it late, some of it very late."""
    chance = random.Random(seed)
    at, made = START, []
    for index in range(count):
        at += timedelta(seconds=40_000 if chance.random() < 0.06 else chance.choice((2, 10, 40)))
        when = at - chance.choice((0, 0, 0, 1, 2_000)) * MINUTE
        person = f"usr_{chance.randrange(4)}"
        draw = chance.random()
        if draw < 0.3:
            country, ip = chance.choice(("ES", "ES", "ES", "RO", None)), chance.choice(("83.45.112.20", "203.0.113.5"))
            made.append(sign_in(index, when, person, country=country, ip=ip))
        elif draw < 0.7:
            made.append(failed(index, when, person, ip=f"203.0.113.{index % 200}"))
        elif draw < 0.8:
            made.append(entry(index, when, "contact.deleted", kind="delete", actor={"type": "user", "id": person}))
        else:
            made.append(
                entry(
                    index, when, chance.choice(("api_key.created", "api_key.denied", "sso.deleted")), kind="security",
                    actor={"type": "user", "id": person}, resource={"type": "api_key", "id": "key_1"},
                    details={"cause": "revoked"}, context={"ip": f"198.51.{index % 3}.1"},
                )
            )  # fmt: skip
        made[-1] = msgspec.structs.replace(made[-1], recorded_at=at)
    return made


@pytest.mark.parametrize("seed", range(3))
def test_a_run_may_stop_anywhere_and_go_on_from_its_saved_state(seed: int) -> None:
    """Saved and restored after every single entry, it finds the same as in one go; entries seen twice count once."""
    entries = mixed(seed)
    whole = findings(built_in(), entries)
    pieces: list[Finding] = []
    kept = saved(Run(built_in()))
    for place, one in enumerate(entries):
        work = resumed(built_in(), kept)
        if place % 7 == 0 and place:
            assert work.take(entries[place - 1]) == []
        pieces += work.take(one)
        kept = saved(work)

    assert pieces == whole
    assert len({finding.rule for finding in whole}) >= 5


def test_the_index_by_action_changes_nothing_but_the_speed() -> None:
    """Every rule on every entry finds the same."""
    entries = mixed(9)
    slow = Run(built_in(), index=False)

    assert [finding for one in entries for finding in slow.take(one)] == findings(built_in(), entries)


def test_shuffled_within_a_day_windows_find_the_same_groups() -> None:
    """Failures that arrive in any order make the same finding, only noticed at another entry."""
    fails = [failed(0, START + one * MINUTE) for one in range(5)]
    for seed in range(5):
        random.Random(seed).shuffle(fails)
        arrived = [msgspec.structs.replace(one, index=place) for place, one in enumerate(fails)]
        (found,) = [one for one in findings(built_in(), arrived) if one.rule == "password_guessing"]
        assert found.entries == (0, 1, 2, 3, 4)


def test_what_comes_a_day_late_is_judged_by_itself() -> None:
    """It opens no window, teaches no habit, and a rule on the entry alone still sees it."""
    now = entry(0, START + 9 * DAY)
    old = [
        msgspec.structs.replace(failed(one + 1, START + one * MINUTE), recorded_at=now.recorded_at) for one in range(9)
    ]
    removed = entry(10, START, "sso.deleted", recorded_at=now.recorded_at)
    work = Run(built_in())
    found = [finding.rule for one in (now, *old, removed) for finding in work.take(one)]

    assert found == ["protection_weakened"]
    assert set(work.state.people) == {"usr_1"}
    assert work.state.people["usr_1"].failures == ()


def test_the_future_is_not_believed() -> None:
    """A sender whose clock is years ahead does not make everybody else late."""
    ahead = msgspec.structs.replace(entry(0, START + 9_000 * DAY), recorded_at=START)
    fails = [failed(one + 1, START + one * MINUTE) for one in range(5)]

    assert [one.rule for one in findings(built_in(), [ahead, *fails])] == ["password_guessing"]


def test_state_stays_bounded() -> None:
    """Ten thousand networks, groups and findings leave when their time is over."""
    work = Run(built_in())
    for index in range(4_096):
        at = START + index * timedelta(hours=1)
        work.take(failed(index, at, f"usr_{index}", ip=f"10.{index // 250}.{index % 250}.1"))
    held = work.state

    assert sum(len(groups) for groups in held.windows.values()) < 300
    assert held.signals == {}
    assert len(held.people) < 300


# ------------------------------------------------------------------------------------------------- faults and erasure


def test_a_rule_that_fails_is_disabled_and_keeps_nobody_out() -> None:
    """Three times, then it is left out; the others find what they find."""

    def broken(_: object) -> bool:
        raise ZeroDivisionError

    bad = msgspec.structs.replace(read(rule_text("action: a.b"), "x.yml")[0], name="bad", test=broken)
    good = read(rule_text("action: a.b").replace("respond:", "quiet: 1s\nrespond:"), "x.yml")[0]
    work = Run([bad, good])
    found = [finding.rule for index in range(5) for finding in work.take(entry(index, action="a.b"))]

    assert found == ["tested"] * 5
    assert work.state.failures == {"bad": 3}
    assert "ZeroDivisionError" in work.state.disabled["bad"]
    assert resumed([bad, good], saved(work)).state.disabled == work.state.disabled


def test_a_chain_that_fails_keeps_nothing_from_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain is disabled by name; the part that it is made of goes on."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("whodid.detect.run.add", broken)
    work = Run(built_in())
    for index in range(4):
        assert work.take(failed(index)) == []

    assert set(work.state.disabled) == {"password_guessing", "password_spraying"}


def test_erasing_a_person_leaves_nothing_of_them() -> None:
    """Not in baselines, signals, windows, networks or what was told."""
    entries = mixed(4)
    work = Run(built_in())
    for one in entries:
        work.take(one)
    assert b"usr_2" in saved(work)

    work.erase("usr_2")

    assert b"usr_2" not in saved(work)
    assert b"usr_1" in saved(work)


# --------------------------------------------------------------------------------------------------- logs and command


@pytest.mark.parametrize("kind", STORES)
def test_looking_back_finds_what_following_found(kind: str, tmp_path: Path) -> None:
    """A follower takes entries as they are recorded, restarting each time; one look afterwards finds the same."""
    clock = Clock()
    live: list[Finding] = []
    with opened(kind, tmp_path, clock) as log:
        kept = saved(Run(built_in()))
        for number in range(1, 13):
            log.record(
                "w",
                event(
                    number, "auth.login_failed", clock.now, outcome="failed", details={"cause": "wrong_password"},
                    actor=Actor(type="anonymous", id="anonymous"), resource=Resource(type="user", id="usr_1"),
                    context=Context(ip="203.0.113.9"),
                ),
            )  # fmt: skip
            clock.advance(seconds=40)
            work = resumed(built_in(), kept)
            live += look(log, "w", built_in(), run=work)
            kept = saved(work)

        assert list(look(log, "w", built_in())) == live
        assert [finding.level for finding in live] == ["low", "medium"]
        assert list(look(log, "w", built_in(), wanted=lambda one: one.index > 100)) == []


def test_the_command_shows_what_a_rule_finds(run: Command, store: str, tmp_path: Path) -> None:
    """As lines and as JSON, with numbers; a date leaves out what is older; a bad rule is refused."""
    text = rule_text(
        "action|contains: '.'", "{action: contact.created}", "{action: nothing}", reason="{action} it was."
    )
    (tmp_path / "mine.yml").write_text(text.replace("respond:", "quiet: 1s\nrespond:"))
    (tmp_path / "bad.yml").write_text(text[: text.index("fixtures:")])
    lines = run("detect", "--rule", "mine.yml")
    found = [msgspec.json.decode(line) for line in run("detect", "--rule", "mine.yml", "--json").out.splitlines()]

    assert lines.code == 0
    assert len(lines.out.splitlines()) == len(found) >= 1
    assert {one["rule"] for one in found} == {"tested"}
    assert found[0]["reason"].endswith(" it was.")
    assert found[0]["numbers"]["action"]
    assert run("detect", "--rule", "mine.yml", "--since", "2999-01-01").out == ""
    assert run("detect").code == 0
    refused = run("detect", "--rule", "bad.yml")
    assert refused.code == 2
    assert "It has no fixtures" in refused.err
