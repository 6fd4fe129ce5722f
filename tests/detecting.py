"""Entries, rules and runs for the tests of detection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from whodid.detect import Finding, Rule, Run, State, read
from whodid.model import Entry

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 Safari/605.1.15"

PEOPLE = ((0, "usr_1"), (1, "usr_2"))

RULE = """
title: Under test
name: tested
status: test
level: {level}
logsource: {{product: auditlog, service: audit}}
detection:
  wanted:
    {wanted}
  condition: {condition}
reason: "{reason}"
respond: Look at it.
fixtures:
  firing: [{firing}, {firing}]
  silent: [{silent}, {silent}]
"""


def saved(run: Run) -> bytes:
    """Return what a run has to keep, as it is stored."""
    return msgspec.json.encode(run.state)


def resumed(rules: Sequence[Rule], kept: bytes, **more: Any) -> Run:
    """Return a run that goes on where another one was saved.

    Args:
        more: As for a new run: `geo`, `recall`.
    """
    return Run(rules, msgspec.json.decode(kept, type=State), **more)


def entry(index: int, at: datetime | None = None, action: str = "contact.updated", **more: Any) -> Entry:
    """Make an entry; without a time it occurs one minute after the one of the index before."""
    at = at if at is not None else START + timedelta(minutes=index)
    members: dict[str, Any] = {
        "id": f"00000000-0000-7000-8000-{index:012x}",
        "index": index,
        "occurred_at": at,
        "recorded_at": at,
        "workspace": "wsp_1",
        "action": action,
        "kind": "update",
        "severity": "info",
        "actor": {"type": "user", "id": "usr_1"},
        "resource": {"type": "contact", "id": f"con_{index}"},
    }
    return msgspec.convert({**members, **more}, Entry)


def sign_in(index: int, at: datetime | None = None, person: str = "usr_1", **more: Any) -> Entry:
    """Make a sign-in from Madrid with Firefox; members of the context may be given by name."""
    context: dict[str, Any] = {"ip": "83.45.112.20", "country": "ES", "user_agent": FIREFOX}
    context |= {name: more.pop(name) for name in ("ip", "country", "user_agent") if name in more}
    members = {
        "action": "auth.login",
        "kind": "security",
        "actor": {"type": "user", "id": person},
        "resource": {"type": "user", "id": person},
        "context": {name: value for name, value in context.items() if value is not None},
    }
    return entry(index, at, **{**members, **more})


def failed(index: int, at: datetime | None = None, person: str = "usr_1", **more: Any) -> Entry:
    """Make a sign-in that failed for a wrong password."""
    members: dict[str, Any] = {
        "action": "auth.login_failed",
        "outcome": "failed",
        "actor": {"type": "anonymous", "id": "anonymous"},
        "details": {"cause": "wrong_password"},
        "ip": "203.0.113.9",
        "country": None,
        "user_agent": None,
    }
    return sign_in(index, at, person, **{**members, **more})


def rule_text(
    wanted: str,
    firing: str = "{action: a.b}",
    silent: str = "{action: c.d}",
    *,
    condition: str = "wanted",
    level: str = "low",
    reason: str = "It was {action}.",
) -> str:
    """Write a rule on single entries."""
    return RULE.format(wanted=wanted, firing=firing, silent=silent, condition=condition, level=level, reason=reason)


def holds(wanted: str, one: Entry, features: dict[str, Any] | None = None, *, condition: str = "wanted") -> bool:
    """Tell whether a rule with this detection finds something in an entry; it is not tried on fixtures."""
    from whodid.detect.sigma import parse_rules  # the reader alone, whose rules nobody tried

    rules = parse_rules(rule_text(wanted, condition=condition), "test.yml")
    return bool(Run(rules).take(one, features))


def findings(rules: Any, entries: list[Entry]) -> list[Finding]:
    """Return all that rules find in entries."""
    run = Run(rules if not isinstance(rules, str) else read(rules, "test.yml"))
    return [finding for one in entries for finding in run.take(one)]


def history() -> list[Entry]:
    """Sixty sign-ins of two people at nine, from Madrid."""
    days = [
        (START + day * timedelta(days=1) + timedelta(seconds=second), person)
        for day in range(60)
        for second, person in PEOPLE
    ]
    return [sign_in(index, at, person) for index, (at, person) in enumerate(days)]


def story(*made: Entry) -> list[Entry]:
    """Put entries after the history."""
    past = history()
    return past + [msgspec.structs.replace(one, index=len(past) + place) for place, one in enumerate(made)]
