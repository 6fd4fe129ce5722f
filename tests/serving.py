"""A small world for the tests of the viewer and the server: two workspaces, a clock, tokens and a client."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from starlette.testclient import TestClient

import whodid
from tests.describing import CheckedClient
from tests.keeping import HOME, MARIA, NOW, Clock
from whodid import Actor, Change, Context, Event, Log, Reason, Related, Resource
from whodid.server import asgi, mint_token

__all__ = [
    "ALL", "AWAY", "EXPORT", "GUARD", "HIDDEN_ADDRESS", "HOME", "JOAO", "MANAGE", "MARIA", "NOW", "PII", "READ",
    "SECRET", "SHOWN_ADDRESS", "Clock", "bearer", "check_problem", "client", "clock", "dump", "event", "finished",
    "http", "linked", "log", "open_log", "record", "story", "token",
]  # fmt: skip

SECRET = b"a secret of the tests, 32 bytes or more"
AWAY = "wsp_away"
READ, EXPORT, PII, MANAGE = "audit:read", "audit:export", "audit:pii", "audit:manage"
ALL = (READ, EXPORT, PII, MANAGE)

JOAO = Actor(type="user", id="usr_joao", name="João Silva", email="joao.private@lumen.example", role="Agent")
GUARD = Actor(type="system", id="guard", name="Campaign guard")

SHOWN_ADDRESS, HIDDEN_ADDRESS = "83.45.112.7", "198.51.100.77"


def event(number: int, action: str, actor: Actor = MARIA, *, ago: timedelta = timedelta(), **more: Any) -> Event:
    """Make an event with a fixed id, some time before NOW."""
    more.setdefault("resource", Resource(type="contact", id=f"con_{number}", name=f"Contact {number}"))
    return Event(id=str(UUID(int=number)), occurred_at=NOW - ago, actor=actor, action=action, **more)


def story() -> list[Event]:
    """List what happened in the workspace HOME, in the order of recording."""
    web = Context(source="web", ip=SHOWN_ADDRESS, country="ES", city="Madrid", request="req_1", user_agent="Firefox")
    return [
        event(
            1,
            "contact.updated",
            ago=timedelta(days=3),
            resource=Resource(type="contact", id="con_ana", name="Ana García"),
            changes=(
                Change(path="email", before="ana.old@mail.example", after="ana.new@mail.example", class_="personal"),
                Change(path="consent.marketing", before="opted_in", after="opted_out"),
            ),
            context=web,
        ),
        event(
            2,
            "contact.deleted",
            ago=timedelta(days=2),
            resource=Resource(type="contact", id="con_juan", name="Juan Pérez"),
            reason=Reason(code="request", text="Asked to be removed by phone, ticket #2231"),
            context=web,
        ),
        event(
            3,
            "template.status_changed",
            Actor(type="provider", id="whatsapp", name="WhatsApp"),
            ago=timedelta(days=1, seconds=1),
            resource=Resource(type="template", id="tpl_1", name="diwali_offer_2026"),
            changes=(Change(path="status", before="approved", after="paused"),),
            reason=Reason(code="low_quality", text="First pause, 3 hours"),
        ),
        event(
            4,
            "campaign.paused",
            GUARD,
            ago=timedelta(days=1),
            resource=Resource(type="campaign", id="cmp_1", name="Diwali early access"),
            related=(Related(type="template", id="tpl_1", rel="cause", name="diwali_offer_2026"),),
            changes=(Change(path="status", before="running", after="paused"),),
            reason=Reason(code="template_paused", text="Template diwali_offer_2026 was paused by WhatsApp"),
            cause=str(UUID(int=3)),
            details={"sent": 8214, "audience": 20000},
        ),
        event(
            5,
            "contact.merged",
            JOAO,
            ago=timedelta(hours=5),
            resource=Resource(type="contact", id="con_ana", name="Ana García"),
            related=(Related(type="contact", id="con_9", rel="absorbed", name="+34 611 204 880"),),
            changes=(Change(path="phone_e164", op="add", after="+34611204880", class_="personal"),),
            details={
                "fields": [{"path": "birthday", "class": "personal", "survivor": "--05-12", "winner": "survivor"}],
                "sent_to": "archive@lumen.example",
                "phone": "0611 204880",
                "moved": {"messages": 38},
            },
            context=Context(source="api", ip=HIDDEN_ADDRESS, forwarded_ip="203.0.113.9", country="PT"),
        ),
        event(
            6,
            "auth.login",
            JOAO,
            ago=timedelta(hours=4),
            resource=Resource(type="user", id="usr_joao", name="joao.private@lumen.example"),
            context=Context(source="web", ip=HIDDEN_ADDRESS, country="PT", city="Lisbon"),
        ),
        event(
            7,
            "contact.created",
            ago=timedelta(hours=3),
            resource=Resource(type="contact", id="con_xss", name="<img src=x onerror=alert(1)>"),
            changes=(Change(path="city", op="add", after="=cmd|' /C calc'!A0"),),
            context=web,
        ),
    ]


def open_log(clock: Clock, url: str = "memory://") -> Log:
    """Open a log with the story in HOME and three entries in AWAY."""
    log = whodid.open(url, clock=clock)
    record(log, HOME, story())
    record(log, AWAY, [event(100 + n, "contact.created", ago=timedelta(hours=n)) for n in range(3)])
    return log


def record(log: Log, workspace: str, events: Iterable[Event]) -> None:
    """Record events and insist that each was taken."""
    for result in log.record_many(workspace, events):
        if isinstance(result, Exception):
            raise result


def token(workspace: str = HOME, permissions: Iterable[str] = ALL, **more: Any) -> str:
    """Mint a token as a host's back end would."""
    more.setdefault("viewer", MARIA)
    more.setdefault("now", NOW)
    return mint_token(SECRET, workspace=workspace, permissions=permissions, **more)


def bearer(sent: str) -> dict[str, str]:
    """Return the headers that carry a token."""
    return {"Authorization": f"Bearer {sent}"}


@contextmanager
def client(log: Log, **settings: Any) -> Iterator[TestClient]:
    """Open a client of the application."""
    with CheckedClient(asgi(log, secret=SECRET, **settings), base_url="http://audit.test") as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at NOW."""
    return Clock()


@pytest.fixture
def log(clock: Clock) -> Iterator[Log]:
    """Open the story."""
    with open_log(clock) as opened:
        yield opened


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client."""
    with client(log) as opened:
        yield opened


def finished(http: Any, id_: str, sent: dict[str, str]) -> dict[str, Any]:
    """Wait for a job of an export to end, and return it."""
    job: dict[str, Any] = {}
    for _ in range(4_000):
        job = http.get(f"/v1/exports/{id_}", headers=sent).json()
        if job["state"] in {"ready", "failed"}:
            return job
        time.sleep(0.005)
    raise AssertionError(job)


def linked(http: Any, sent: dict[str, str], **wish: Any) -> str:
    """Order an export, wait for it, and return a link to its file."""
    answer = http.post("/v1/exports", json={"format": "csv"} | wish, headers=sent)
    assert answer.status_code == 201, answer.text
    job = finished(http, answer.json()["id"], sent)
    assert job["state"] == "ready", job
    href: str = http.post(f"/v1/exports/{job['id']}/link", headers=sent).json()["href"]
    return href


def dump(value: Any) -> str:
    """Write a value as JSON text, to look for what must not be in it."""
    return msgspec.json.encode(value).decode()


def check_problem(answer: Any, status: int, name: str) -> dict[str, Any]:
    """Insist on the shape of RFC 9457, with remedy and request id, and return the members."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:whodid:problem:{name}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"].endswith(".")
    assert "remedy" in body
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    return body
