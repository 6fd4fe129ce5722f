"""Entries that come late: the same rules hold for the same entries at the same levels, in any order of arrival."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.alerting import MARIA, alerts, follow, settle, signed_in, wrong
from tests.detecting import START, entry, failed, resumed, saved, sign_in
from tests.keeping import HOME, NOW, STORES, Clock, event, opened
from whodid.detect import Finding, Rule, Run, built_in, look
from whodid.detect.sigma import parse_rules
from whodid.model import Actor, Entry, Resource

RULE = """
title: {name}
name: {name}
level: low
{what}
group: [{group}]
{more}
reason: "{name}"
respond: Look.
fixtures: {{firing: [{{action: a.b}}, {{action: a.b}}], silent: [{{action: c.d}}, {{action: c.d}}]}}
"""
SOURCE = "logsource: {product: auditlog, service: audit}\n"
SINGLE = SOURCE.replace("{", "{{").replace("}", "}}") + "detection: {{wanted: {wanted}, condition: wanted}}"
WRONG = (
    SOURCE
    + "detection: {wanted: {action: auth.login_failed}, grave: {features.signals_1h: renamed}, condition: wanted}"
)
GUESSES = (
    "correlation: {type: event_count, rules: [wrong], group-by: [resource.id], timespan: 10m, condition: {gte: 3}}"
)
SPRAYS = (
    "correlation: {type: value_count, rules: [wrong], group-by: [network], timespan: 10m, "
    "condition: {gte: 2, field: resource.id}}"
)
WORKED = "{action: auth.login, features.signals_15m: [guesses, sprays], features.network_failed: true}"
TEXT = "---".join([
    RULE.format(name="wrong", what=WRONG, group="person", more="raise: {high: grave}"),
    RULE.format(name="guesses", what=GUESSES, group="resource.id", more="raise: {high: 5}"),
    RULE.format(name="sprays", what=SPRAYS, group="network", more=""),
    RULE.format(name="worked", what=SINGLE.format(wanted=WORKED), group="person", more=""),
    RULE.format(
        name="renamed",
        what=SINGLE.format(wanted="{action: user.renamed, features.signals_24h: [worked, key]}"),
        group="person",
        more="",
    ),
    RULE.format(
        name="key",
        what=SINGLE.format(wanted="{action: api_key.created, features.signals_1h_count|gte: 2}"),
        group="actor.id",
        more="",
    ),
])  # fmt: skip
WHO = ("usr_1", "usr_2", "usr_3")


@cache
def rules() -> list[Rule]:
    """Return rules that ask for one another's signals and tell everything, however short a while ago they told it."""
    return [msgspec.structs.replace(one, quiet=0) for one in parse_rules(TEXT, "late.yml")]


def made(kind: int, person: str, minute: int, network: int) -> Entry:
    """Make one entry of a story."""
    at = START + timedelta(minutes=minute)
    where = {"ip": f"203.0.{network}.9"}
    if kind < 4:
        return failed(0, at, person, **where)
    if kind < 6:
        return sign_in(0, at, person, **where)
    action = "user.renamed" if kind == 6 else "api_key.created"
    return entry(0, at, action, actor={"type": "user", "id": person})


def held(entries: list[Entry], *, stops: tuple[int, ...] = ()) -> dict[tuple[str, str, str], str]:
    """Let entries arrive in an order; return the level at which rules hold in the end, by rule, group and entry.

    Args:
        stops: Where the run ends and another one goes on.
    """
    arrived = [msgspec.structs.replace(one, index=place) for place, one in enumerate(entries)]

    def recall(index: int) -> Entry:
        return arrived[index]

    run = Run(rules(), recall=recall)
    found: dict[tuple[str, str, str], str] = {}
    for one in arrived:
        if one.index in stops:
            run = resumed(rules(), saved(run), recall=recall)
        for finding in run.take(one):
            assert finding.seen == one.index
            assert finding.at == arrived[finding.index].occurred_at
            assert finding.index in finding.entries
            found[finding.rule, repr(finding.group), arrived[finding.index].id] = finding.level
    assert run.state.disabled == {}
    return found


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.sampled_from(WHO), st.integers(1, 2)), min_size=3, max_size=40),
    st.integers(0, 2**32),
)
def test_whatever_the_order_the_same_rules_hold_for_the_same_entries(
    drawn: list[tuple[int, str, int]], seed: int
) -> None:
    """Shuffled within the day that is allowed, in one piece or taken up again: what one who was there in order sees."""
    chance = random.Random(seed)
    minutes = sorted(chance.sample(range(1, 3 * len(drawn) + 1), len(drawn)))
    story = [
        msgspec.structs.replace(
            made(kind, person, minute, network), id=f"{place:032x}", recorded_at=START + timedelta(hours=20)
        )
        for place, ((kind, person, network), minute) in enumerate(zip(drawn, minutes, strict=True))
    ]
    shuffled = chance.sample(story, len(story))
    stops = tuple(chance.sample(range(len(story)), 2))
    assert held(shuffled, stops=stops) == held(story)


def attack() -> list[Any]:
    """Make what a stranger does: six guesses, the one that worked, and an act that gives lasting power."""
    at = NOW - timedelta(hours=2)
    person = Actor(type="user", id=MARIA.id, name=MARIA.name)
    role = Resource(type="user", id="usr_else", name="Somebody Else")
    return [
        *[wrong(100 + one, at + timedelta(seconds=20 * one)) for one in range(6)],
        signed_in(120, at + timedelta(minutes=4), ip="203.0.113.9"),
        event(130, "user.role_changed", at + timedelta(minutes=9), actor=person, resource=role),
    ]


@pytest.mark.parametrize("store", STORES)
def test_guesses_that_come_after_what_they_explain_are_no_excuse(store: str, tmp_path: Path) -> None:
    """A spool brings the guesses an hour late: the sign-in and the act are told as if they had come in time.

    A back-test finds what was told live, and a crash between the two tells nothing twice.
    """
    *guesses, worked, act = attack()
    told = []
    for late in (False, True):
        folder = tmp_path / str(late)
        folder.mkdir()
        with opened(store, folder, Clock(NOW)) as log:
            settle(log, at=NOW - timedelta(days=1))
            parts = ([worked, act], guesses) if late else (guesses, [worked, act])
            for part in parts:
                log.record_many(HOME, part)
                follow(log)
            found = {one.rule: one for one in alerts(log)}
            again = list(look(log, HOME, built_in()))
            follow(log)
            assert [one.id for one in alerts(log)] == sorted((one.id for one in found.values()), reverse=True)
            told.append({one.rule: (one.level, one.person, entry_id(log.get(HOME, one.index))) for one in alerts(log)})
            assert {one.rule for one in again} >= set(found)
    assert told[0] == told[1]
    assert set(told[0]) == {"password_guessing", "guessed_password", "takeover"}


def entry_id(found: Entry) -> str:
    """Return what is the same in both logs of an entry: what happened, and when."""
    return f"{found.action} {found.occurred_at}"


def test_what_is_remembered_is_bounded_and_goes() -> None:
    """A person's last 64 entries and last 64 that failed; two days later none, and none of somebody who was erased."""
    run = Run(rules(), recall=lambda _: None)
    findings: list[Finding] = []
    for index in range(300):
        at = START + timedelta(seconds=index)
        findings += run.take(sign_in(index, at) if index % 2 else failed(index, at))
    assert findings
    assert (len(run.state.acts["usr_1"]), len(run.state.tries["usr_1"])) == (64, 64)
    run.take(sign_in(4_095, START + timedelta(days=4), "usr_2"))
    assert set(run.state.acts) == {"usr_2"}
    assert run.state.tries == {}
    run.erase("usr_2")
    assert run.state.acts == {}
