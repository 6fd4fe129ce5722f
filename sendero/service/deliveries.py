"""Deliveries: how events get to webhooks, and what happens when they do not.

Each is tried up to four times, later and later. Then it is given up and the webhook is failing, until something gets
through again. A delivery that a stop interrupted is sent once more: a receiver tells by its id that it had it already.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, cast

import sqlalchemy as sa
from msgspec import Struct

from sendero import outgoing
from sendero.egress import Answer, post
from sendero.installation import Installation
from sendero.tables import Delivery, Webhook
from sendero.work import Work, begin, resource_of
from whodid import Actor, Change, Event, Reason
from whodid.capture import current

__all__ = ["SENDER", "TRIES", "Parcel", "deliver", "forget", "give_up", "newest", "signature", "trial_body"]

SENDER = Actor(type="system", id="webhook_sender", name="Webhook sender")
PAUSES = (timedelta(seconds=30), timedelta(minutes=5), timedelta(minutes=30))
TRIES = 1 + len(PAUSES)
KEPT = timedelta(days=30)

_TOGETHER = 8
"""Webhooks that are sent to at the same time."""
_AT_ONCE = 20
"""Deliveries that a webhook gets in one turn."""
_LEASE = timedelta(minutes=5)
_GONE = 410


class Parcel(Struct, frozen=True, kw_only=True):
    """A delivery that this process has to itself, with everything that sending it needs."""

    delivery: str
    webhook: str
    url: str
    event: str
    body: str
    headers: dict[str, str]
    secret: str
    tries: int


def signature(secret: str, at: int, body: bytes) -> str:
    """Return what `X-Webhook-Signature` says: the HMAC-SHA256 of the seconds, a dot, and the body.

    Args:
        at: What `X-Webhook-Timestamp` says: seconds since 1970.
    """
    return "sha256=" + hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()


def trial_body(work: Work) -> str:
    """Return what a test says; it names whoever asked for it."""
    scope = current()
    who = scope.actor if scope is not None and scope.actor is not None else SENDER
    event = Event(
        id=work.new_id("evt"),
        occurred_at=work.now(),
        actor=who,
        action=outgoing.TEST,
        resource=resource_of(work.workspace),
    )
    return outgoing.body_of(event, work.workspace.id)


def newest(work: Work, webhook: Webhook, limit: int = 20) -> list[Delivery]:
    """Return the newest deliveries of a webhook."""
    query = sa.select(Delivery).where(Delivery.webhook_id == webhook.id)
    return list(
        work.session.execute(query.order_by(Delivery.created_at.desc(), Delivery.id.desc()).limit(limit)).scalars()
    )


def give_up(work: Work, webhook: str) -> None:
    """Give up what waits for a webhook that wants nothing any more."""
    work.session.execute(
        sa.update(Delivery)
        .where(Delivery.webhook_id == webhook, Delivery.status == "waiting")
        .values(status="failed", last_fault="switched_off", body="")
    )


def forget(home: Installation) -> bool:
    """Forget deliveries that are over for thirty days."""
    with home.sessions.begin() as session:
        old = sa.delete(Delivery).where(Delivery.status != "waiting", Delivery.created_at < home.clock() - KEPT)
        session.execute(old)
    return False


def deliver(home: Installation, send: Callable[[Installation, Parcel], Answer] | None = None) -> bool:
    """Send what is due.

    Args:
        send: Sends one parcel; over the network when not given.

    Returns:
        Whether there may be more.
    """
    shares: dict[str, list[Parcel]] = {}
    for parcel in _taken(home):
        shares.setdefault(parcel.webhook, []).append(parcel)
    if not shares:
        return False
    with ThreadPoolExecutor(min(len(shares), _TOGETHER), "sendero-webhooks") as pool:
        list(pool.map(partial(_send_all, home, send or _send), shares.values()))
    return True


def _taken(home: Installation) -> list[Parcel]:
    """Take what is due, so that no other process sends it meanwhile."""
    now = home.clock()
    due = sa.and_(Delivery.status == "waiting", Delivery.due_at <= now)
    with home.session() as session:
        if not session.execute(sa.select(sa.exists().where(due))).scalar():
            return []
    place = sa.func.row_number().over(partition_by=Delivery.webhook_id, order_by=(Delivery.created_at, Delivery.id))
    ranked = sa.select(Delivery.id, place.label("place")).where(due).subquery()
    query = (
        sa.select(Delivery)
        .join(ranked, ranked.c.id == Delivery.id)
        .where(ranked.c.place <= _AT_ONCE)
        .order_by(Delivery.created_at, Delivery.id)
        .limit(_TOGETHER * _AT_ONCE)
    )
    parcels = []
    with home.sessions.begin() as session:
        for row in session.execute(query).scalars().all():
            lease = sa.update(Delivery).where(
                Delivery.id == row.id, Delivery.status == "waiting", Delivery.due_at == row.due_at
            )
            if _rows(session.execute(lease.values(due_at=now + _LEASE))):
                parcels.append(_parcel(home, row))
    return parcels


def _parcel(home: Installation, row: Delivery) -> Parcel:
    opened = home.vault.open
    return Parcel(
        delivery=row.id,
        webhook=row.webhook_id,
        url=row.webhook.url,
        event=row.event,
        body=row.body,
        headers={name: opened(value) for name, value in row.webhook.headers.items()},
        secret=opened(row.webhook.secret),
        tries=row.tries + 1,
    )


def _send_all(home: Installation, send: Callable[[Installation, Parcel], Answer], parcels: Sequence[Parcel]) -> None:
    """Send to one webhook, one after the other, until it fails."""
    for at, parcel in enumerate(parcels):
        answer = send(home, parcel)
        with begin(home) as work, work.acting(actor=SENDER, source="job"):
            if answer.taken:
                _succeeded(work, parcel, answer)
                continue
            _failed(work, parcel, answer)
            # The others wait as long, whatever their turn was: each would only run into the same wall.
            rest = [other.delivery for other in parcels[at + 1 :]]
            waiting = sa.update(Delivery).where(Delivery.id.in_(rest), Delivery.status == "waiting")
            work.session.execute(waiting.values(due_at=work.now() + PAUSES[0]))
        return


def _send(home: Installation, parcel: Parcel) -> Answer:
    at, body = int(home.clock().timestamp()), parcel.body.encode()
    headers = parcel.headers | {
        "Content-Type": "application/json",
        "User-Agent": "Sendero-Webhooks/1",
        "X-Webhook-Id": parcel.delivery,
        "X-Webhook-Event": parcel.event,
        "X-Webhook-Timestamp": str(at),
        "X-Webhook-Signature": signature(parcel.secret, at, body),
    }
    return post(parcel.url, body, headers, loopback=home.settings.private_webhooks)


def _succeeded(work: Work, parcel: Parcel, answer: Answer) -> None:
    _settle(
        work, parcel, status="delivered", last_status=answer.status, last_fault=None, body="", delivered_at=work.now()
    )
    mine = sa.update(Webhook).where(Webhook.id == parcel.webhook)
    work.session.execute(mine.where(Webhook.consecutive_failures > 0).values(consecutive_failures=0))
    if _rows(work.session.execute(mine.where(Webhook.health == "failing").values(health="ok"))):
        changes = [Change(path="health", before="failing", after="ok")]
        _record(
            work, parcel, changes, f"HTTP {answer.status}", {"attempts": parcel.tries, "http_status": answer.status}
        )


def _failed(work: Work, parcel: Parcel, answer: Answer) -> None:
    test, gone = parcel.event == outgoing.TEST, answer.status == _GONE
    over = test or gone or parcel.tries >= TRIES
    told: dict[str, Any] = {"last_status": answer.status, "last_fault": answer.fault or _fault(answer.status)}
    if over:
        _settle(work, parcel, status="failed", body="", **told)
    else:
        _settle(work, parcel, due_at=work.now() + PAUSES[parcel.tries - 1], **told)
    if test:
        return
    mine = sa.update(Webhook).where(Webhook.id == parcel.webhook)
    work.session.execute(mine.values(consecutive_failures=Webhook.consecutive_failures + 1))
    changes = []
    if over and _rows(work.session.execute(mine.where(Webhook.health == "ok").values(health="failing"))):
        changes.append(Change(path="health", before="ok", after="failing"))
    if gone and _rows(work.session.execute(mine.where(Webhook.active).values(active=False))):
        changes.append(Change(path="active", before=True, after=False))
        give_up(work, parcel.webhook)
    if changes:
        said = f"HTTP {answer.status}" if answer.status is not None else str(answer.fault)
        times = 1 if gone else parcel.tries
        details = {"attempts": times, "http_status": answer.status, "fault": answer.fault}
        known = {name: value for name, value in details.items() if value is not None}
        _record(work, parcel, changes, f"{times} × {said}", known)


def _settle(work: Work, parcel: Parcel, **values: Any) -> None:
    """Write down what became of a delivery, unless it was given up meanwhile."""
    mine = sa.update(Delivery).where(Delivery.id == parcel.delivery, Delivery.status == "waiting")
    work.session.execute(mine.values(tries=parcel.tries, **values))


def _record(work: Work, parcel: Parcel, changes: list[Change], text: str, details: dict[str, Any]) -> None:
    webhook = work.get(Webhook, parcel.webhook)
    work.record(
        "webhook.health_changed",
        resource_of(webhook),
        changes=changes,
        reason=Reason(text=text),
        details=details,
    )


def _fault(status: int | None) -> str | None:
    if status == _GONE:
        return "gone"
    return "redirect" if status is not None and 300 <= status < 400 else None


def _rows(result: sa.Result[Any]) -> int:
    return cast("sa.CursorResult[Any]", result).rowcount
