"""An overdue review: an alert once for each week, through the sinks of alerts, until somebody signs."""

from __future__ import annotations

from datetime import timedelta

from starlette.testclient import TestClient

from tests import serving
from tests.alerting import alerts, told
from tests.serving import HOME, MARIA, Clock, bearer, token
from whodid import Log
from whodid.detect import Alerts, DetectionWorker
from whodid.review import Reviews
from whodid.server import remind_of_review

clock, log, http = serving.clock, serving.log, serving.http

HERS = bearer(token(HOME))
WEEK = timedelta(days=7)


def sign(log: Log) -> None:
    """Begin a review and sign it unseen."""
    reviews = Reviews(log, HOME, actor=MARIA)
    reviews.begin()
    reviews.sign(unseen="A test")


def test_where_nobody_reviews_nobody_is_reminded(log: Log, clock: Clock) -> None:
    """However late it would be."""
    clock.advance(days=100)
    assert Reviews(log, HOME, actor=MARIA).standing().overdue
    assert not remind_of_review(log, HOME)
    assert alerts(log) == []


def test_once_a_week_until_somebody_signs(log: Log, clock: Clock) -> None:
    """The alert rests on the last signed review; the weeks after it are reminders of the same, each an entry."""
    sign(log)
    clock.advance(days=7)
    assert not remind_of_review(log, HOME)
    clock.advance(minutes=1)
    assert remind_of_review(log, HOME)
    assert not remind_of_review(log, HOME)
    (alert,) = alerts(log)
    assert (alert.rule, alert.level, alert.status, alert.person) == ("review_overdue", "medium", "open", None)
    assert log.get(HOME, alert.index).action == "audit.review_signed"
    clock.advance(days=6)
    assert not remind_of_review(log, HOME)
    clock.advance(days=1)
    assert [remind_of_review(log, HOME) for _ in range(3)] == [True, False, False]
    assert [one.id for one in alerts(log)] == [alert.id]
    assert told(log) == [alert.id] * 2
    last = [one for one in log.read(HOME) if one.action == "audit.alert_raised"][-1]
    assert (last.details or {})["reminder"] == 1
    Alerts(log, HOME, actor=MARIA).resolve(alert.id, "harmless", "On holiday")
    assert not remind_of_review(log, HOME)
    clock.advance(days=21)
    assert [remind_of_review(log, HOME) for _ in range(3)] == [True, False, False]
    assert len(alerts(log)) == 2


def test_who_signs_closes_it(http: TestClient, log: Log, clock: Clock) -> None:
    """In the name of who signed; the next one is due a week later."""
    sign(log)
    clock.advance(days=8)
    remind_of_review(log, HOME)
    mine = bearer(token(HOME, now=clock()))
    found = http.get("/v1/alerts?lang=es", headers=mine).json()["items"]
    assert [(one["title"], one["template"]) for one in found] == [
        ("La revisión está atrasada", "Nadie firmó a tiempo la revisión semanal de este espacio de trabajo.")
    ]
    assert found[0]["respond"].startswith("Mira lo que pasó")
    assert http.post("/v1/reviews", json={}, headers=mine).status_code == 201
    assert http.post("/v1/reviews/open/sign", json={"unseen": "A test"}, headers=mine).status_code == 200
    (alert,) = alerts(log)
    assert (alert.status, alert.verdict) == ("resolved", "harmless")
    assert alert.resolved is not None
    assert (alert.resolved.by.id, alert.resolved.note) == (MARIA.id, "Review 2 was signed")
    assert not remind_of_review(log, HOME)


def test_whoever_follows_the_log_reminds(log: Log, clock: Clock) -> None:
    """Detection asks every five minutes, for each workspace that it follows."""
    sign(log)
    worker = DetectionWorker(log, beside=remind_of_review)
    try:
        worker.round()
        clock.advance(days=8)
        worker.round()
        worker.round()
        assert [one.rule for one in alerts(log)] == ["review_overdue"]
    finally:
        worker.stop()
