"""S15, Django: the right actor, always, in synchronous and asynchronous code, threads and requests that fail."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import djangoing
from tests.djangoing import AISHA, events
from whodid import Event
from whodid.capture import context, current, wrap

REQUESTS = 200


@pytest.fixture
def alias(request: pytest.FixtureRequest) -> str:
    """Prepare a database; nobody acts."""
    return djangoing.prepared("default", request)


def headers(number: int) -> dict[str, str]:
    """Return what a request says; some of it is broken or made up."""
    forwarded = ["{}", "6.6.6.6, {}", "garbage, {}:4711", "'; DROP TABLE, [2001:db8::1], {}"][number % 4]
    return {
        "X-User": str(number),
        "X-Forwarded-For": forwarded.format(f"10.0.{number // 250}.{number % 250 + 1}"),
        "X-Request-Id": f"r-{number}",
        "User-Agent": f"agent {number}",
    }


def wrong(said: list[Event]) -> list[Event]:
    """Return the events that carry anything of another request."""
    found = []
    for event in said:
        number = int((event.resource.name or "").split("-")[0])
        place = event.context
        right = (
            event.actor.id == str(number)
            and place is not None
            and place.ip == f"10.0.{number // 250}.{number % 250 + 1}"
            and place.request == f"r-{number}"
            and place.user_agent == f"agent {number}"
            and place.source == "web"
        )
        if not right:
            found.append(event)
    return found


def test_many_requests_at_once(alias: str) -> None:
    """Two hundred, mixed, a fifth raising, some cancelled: not one of twenty thousand events has another's actor."""
    from django.test import AsyncClient

    draw = random.Random(15)

    async def ask(number: int) -> None:
        client = AsyncClient(raise_request_exception=False)
        query = "?fail=1" if number % 5 == 0 else ""
        where = "atags" if draw.random() < 0.5 else "tags"
        if number % 20 == 7:
            task = asyncio.ensure_future(client.get(f"/atags/{number}/?wait=1", headers=headers(number)))
            await asyncio.sleep(1.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await client.get(f"/{where}/{number}/{query}", headers=headers(number))

    async def all_of_them() -> None:
        await asyncio.gather(*(ask(number) for number in range(REQUESTS)))

    asyncio.run(all_of_them())
    said = events(alias)
    assert len(said) >= REQUESTS * 95
    assert wrong(said) == []
    assert current() is None


@pytest.mark.postgres
def test_many_threads(request: pytest.FixtureRequest) -> None:
    """Sixteen threads serve two hundred requests."""
    from django.db import connections
    from django.test import Client

    alias = djangoing.prepared("pg", request)

    def ask(number: int) -> None:
        Client(raise_request_exception=False).get(
            f"/tags/{number}/{'?fail=1' if number % 5 == 0 else ''}", headers=headers(number)
        )

    with ThreadPoolExecutor(16, initializer=lambda: None) as pool:
        list(pool.map(ask, range(REQUESTS)))
        ended = threading.Barrier(16)

        def close() -> None:
            connections.close_all()
            ended.wait()

        for done in [pool.submit(close) for _ in range(16)]:
            done.result()
    said = events(alias)
    assert len(said) == REQUESTS * 100
    assert wrong(said) == []


def test_nesting_threads_and_background(alias: str) -> None:
    """The outer actor is back afterwards; a plain thread knows nobody, a wrapped one the right one."""
    from django.db import connections

    from tests.django_host.shop.models import Tag
    from whodid import Actor

    def work(name: str) -> None:
        Tag.objects.create(name=name)
        connections.close_all()

    with context(actor=AISHA):
        with context(actor=Actor(type="user", id="inner")):
            Tag.objects.create(name="inner")
        Tag.objects.create(name="outer")
        for target in (lambda: work("plain"), wrap(lambda: work("wrapped"))):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert [(event.resource.name, event.actor.id) for event in events(alias)] == [
        ("inner", "inner"),
        ("outer", "usr_1"),
        ("plain", "unknown"),
        ("wrapped", "usr_1"),
    ]


def test_a_scope_that_ends_before_the_commit_does_not_make_it_a_job(alias: str) -> None:
    """What was changed under a scope is told as it was then."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    with transaction.atomic():
        with context(actor=AISHA, source="web"):
            Tag.objects.create(name="a")
        with context(actor=AISHA, source="api"):
            Tag.objects.create(name="b")
    assert [(event.context and event.context.source, event.actor.id) for event in events(alias)] == [
        ("web", "usr_1"),
        ("api", "usr_1"),
    ]


def test_a_sign_in_in_the_middle_of_a_request(alias: str) -> None:
    """Before it the visitor is anonymous, after it the user acts."""
    from django.contrib.auth.models import User
    from django.test import Client

    with context(actor=AISHA):
        user = User.objects.create_user("maria", "maria@example.com", "x", first_name="Maria", last_name="Torres")
    djangoing.forgotten(alias)
    Client().get("/late/")
    said = [event for event in events(alias) if event.resource.type == "tag"]
    assert [(event.resource.name, event.actor.id, event.actor.name) for event in said] == [
        ("before", "anonymous", None),
        ("after", str(user.pk), "Maria Torres"),
    ]


def test_nothing_grows(alias: str) -> None:
    """A thousand requests leave as many signal receivers, wrappers and scopes as one."""
    from django.db import connections
    from django.db.models import signals
    from django.test import Client

    from whodid.capture.context import Scope

    client = Client()

    def counted() -> tuple[int, ...]:
        gc.collect()
        scopes = sum(type(one) is Scope for one in gc.get_objects())  # asking a lazy object would wake it
        receivers = sum(len(signal.receivers) for signal in (signals.post_save, signals.m2m_changed, signals.post_init))
        return scopes, receivers, len(connections["default"].execute_wrappers)

    client.get("/refused/", headers=headers(1))
    before = counted()
    for number in range(300):
        client.get("/refused/", headers=headers(number))
    assert counted() == before


def test_only_proxies_of_ours_are_believed(alias: str) -> None:
    """Their networks may be named; from elsewhere neither an address nor a request id is believed."""
    from django.test import Client, override_settings

    said = {"LOG": "memory://", "WORKSPACE": "w", "TRUSTED_PROXIES": ["127.0.0.0/8"]}
    with override_settings(WHODID=said):
        client = Client()
        for name, remote in (("7", "127.0.0.1"), ("8", "192.0.2.1")):
            client.get(f"/tags/{name}/", headers=headers(1), REMOTE_ADDR=remote)
    said_of = events(alias)
    ours, theirs = said_of[0].context, said_of[-1].context
    assert ours is not None
    assert theirs is not None
    assert (ours.ip, ours.request) == ("10.0.0.2", "r-1")
    assert (theirs.ip, theirs.forwarded_ip) == ("192.0.2.1", "6.6.6.6")
    assert theirs.request != "r-1"
    assert {(event.details or {})["route"] for event in said_of} == {"GET /tags/<str:name>/"}
