"""A workspace in which somebody guesses passwords, for the tests of alerts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.keeping import HOME, NOW, event
from whodid.detect import Alert, Alerts, DetectionWorker
from whodid.log import Log
from whodid.model import Actor, Context, Event, Resource

STRANGER = Actor(type="anonymous", id="anonymous")
MARIA = Resource(type="user", id="usr_maria", name="Maria Torres")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"


def signed_in(number: int, at: datetime, person: Resource = MARIA, **context: Any) -> Event:
    """Make a sign-in from Madrid with Firefox."""
    where: dict[str, Any] = {"ip": "83.45.112.20", "country": "ES", "user_agent": FIREFOX, **context}
    actor = Actor(type="user", id=person.id, name=person.name)
    return event(number, "auth.login", at, actor=actor, resource=person, context=Context(**where))


def wrong(number: int, at: datetime, person: Resource = MARIA, ip: str = "203.0.113.9") -> Event:
    """Make a sign-in that failed for a wrong password."""
    return event(
        number, "auth.login_failed", at, actor=STRANGER, outcome="failed", resource=person,
        details={"cause": "wrong_password"}, context=Context(ip=ip),
    )  # fmt: skip


def settle(log: Log, days: int = 20, at: datetime = NOW) -> None:
    """Let Maria sign in on the days before a time, so that her habits are known."""
    log.record_many(HOME, [signed_in(5_000 + day, at - timedelta(days=days - day)) for day in range(days)])


def guess(log: Log, start: int = 0, times: int = 5, at: datetime = NOW, person: Resource = MARIA) -> None:
    """Let a stranger try passwords of a person, half a minute apart."""
    tries = [wrong(start + one, at + timedelta(seconds=30 * one), person) for one in range(times)]
    log.record_many(HOME, tries)


def follow(log: Log, **more: Any) -> int:
    """Follow the log up to its end, as a process that then ends would."""
    worker = DetectionWorker(log, **more)
    try:
        return worker.round()
    finally:
        worker.stop()


def alerts(log: Log, status: str = "all") -> list[Alert]:
    """Return the alerts of the workspace, newest first."""
    return list(Alerts(log, HOME).page(status).items)


def told(log: Log, action: str = "audit.alert_raised") -> list[str]:
    """Return the ids of the alerts that entries of an action name, oldest first."""
    found = [one for one in log.read(HOME) if one.action == action]
    return [(one.details or {})["alert"] for one in found]
