"""S5, Django: what was denied or failed stays on record; an outbox that fails fails the change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import djangoing
from tests.capturing import event
from tests.djangoing import AISHA, events, oracle_agrees, told
from whodid.capture import context


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


@pytest.fixture
def recorded() -> Any:
    """Return a function that lists what the log has got since."""
    djangoing.ready()
    from django.apps import apps

    log = apps.get_app_config("whodid").home.log()
    log.record(djangoing.WORKSPACE, event(0))  # a workspace begins with its first entry
    start = log.head(djangoing.WORKSPACE).size

    def entries() -> list[Any]:
        return [log.get(djangoing.WORKSPACE, at) for at in range(start, log.head(djangoing.WORKSPACE).size)]

    return entries


def test_denied_failed_and_broken_requests(alias: str, recorded: Any) -> None:
    """A failed sign-in, a refusal and an action that raised, each in a transaction that was rolled back."""
    from django.contrib.auth.models import User
    from django.test import Client

    from tests.django_host.shop.models import Tag

    user = User.objects.create_user("maria", password="correct horse")
    djangoing.forgotten(alias)
    client = Client(raise_request_exception=False)
    answers = [
        client.post("/admin/login/", {"username": "maria", "password": "wrong battery"}).status_code,
        client.get("/refused/", headers={"X-User": str(user.pk)}).status_code,
        client.get("/broken/", headers={"X-User": str(user.pk)}).status_code,
    ]
    assert answers == [200, 403, 500]
    said = recorded()
    assert [(entry.action, entry.outcome) for entry in said] == [
        ("auth.login_failed", "failed"),
        ("tag.deleted", "denied"),
        ("stock.counted", "failed"),
    ]
    assert said[2].details == {"error": "ZeroDivisionError", "route": "GET /broken/"}
    assert [entry.actor.id for entry in said] == ["anonymous", str(user.pk), str(user.pk)]
    assert "battery" not in str(said)
    assert told(alias) == []
    assert Tag.objects.count() == 0


@pytest.mark.parametrize("fault", ["missing", "full"])
def test_a_failing_outbox_fails_the_change(alias: str, fault: str) -> None:
    """Whatever is changed, in a transaction or outside, the caller sees a clear error and the data is as it was."""
    from django.db import connections, transaction

    from tests.django_host.shop.models import Customer, Tag
    from whodid.errors import StoreUnavailable

    one = Customer.objects.create(name="A", email="a@example.com", api_token="of A")
    with connections[alias].cursor() as cursor:
        if fault == "missing":
            cursor.execute("ALTER TABLE whodid_outbox RENAME TO elsewhere")
        elif alias == "pg":
            cursor.execute("ALTER TABLE whodid_outbox ADD CONSTRAINT full_ CHECK (workspace = 'none') NOT VALID")
        else:
            cursor.execute("CREATE TRIGGER full_ BEFORE INSERT ON whodid_outbox BEGIN SELECT RAISE(ABORT, 'full'); END")
    one.city = "Atlantis"

    def in_a_transaction() -> None:
        with transaction.atomic(alias):
            Tag.objects.create(name="t")

    try:
        for change in (
            one.save,
            lambda: Customer.objects.update(city="Atlantis"),
            lambda: Tag.objects.bulk_create([Tag(name="t")]),
            lambda: one.tags.add(1),
            lambda: Customer.objects.all().delete(),
            in_a_transaction,
        ):
            with pytest.raises(StoreUnavailable, match="whodid_outbox") as caught:
                change()
            seen = f"{caught.value} {caught.value.__cause__}"
            assert "Atlantis" not in seen
            assert "of A" not in seen
            assert not connections[alias].in_atomic_block
    finally:
        with connections[alias].cursor() as cursor:
            if fault == "missing":
                cursor.execute("ALTER TABLE elsewhere RENAME TO whodid_outbox")
            elif alias == "pg":
                cursor.execute("ALTER TABLE whodid_outbox DROP CONSTRAINT full_")
            else:
                cursor.execute("DROP TRIGGER full_")
    assert list(Customer.objects.values_list("city", flat=True)) == [""]
    assert Tag.objects.count() == 0
    one.save()
    oracle_agrees(alias, expected=2)


def test_the_policy_spool_keeps_both(alias: str, recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its table the outbox fails, the change is kept all the same, and the log has its entry."""
    from django.apps import apps
    from django.db import connections, transaction

    from tests.django_host.shop.models import Tag

    hook = apps.get_app_config("whodid").hook
    monkeypatch.setattr(hook, "on_failure", "spool")
    failures = hook.capture.status().failures
    with connections[alias].cursor() as cursor:
        cursor.execute("ALTER TABLE whodid_outbox RENAME TO elsewhere")
    try:
        Tag.objects.create(name="alone")
        with transaction.atomic(alias):
            Tag.objects.create(name="first")
            with pytest.raises(ZeroDivisionError), transaction.atomic(alias):
                Tag.objects.create(name="undone")
                raise ZeroDivisionError
            Tag.objects.create(name="second")
    finally:
        with connections[alias].cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO whodid_outbox")
    names = ["alone", "first", "second"]
    assert list(Tag.objects.order_by("pk").values_list("name", flat=True)) == names
    assert [(entry.action, entry.resource.name) for entry in recorded()] == [("tag.created", name) for name in names]
    assert hook.capture.status().failures - failures == 2
    assert told(alias) == []
    Tag.objects.create(name="again")
    assert len(told(alias)) == 1


def test_strict_capture_refuses_what_nobody_did(alias: str) -> None:
    """Without an actor or a workspace a strict hook refuses the change; otherwise it is counted and set aside."""
    from django.apps import apps

    from tests.django_host.shop.models import Tag
    from whodid.capture.context import entered
    from whodid.capture.django.outbox import Outbox
    from whodid.errors import InvalidEvent

    capture = apps.get_app_config("whodid").hook.capture
    whose = capture._workspace
    capture.strict = True
    try:
        with entered(None), pytest.raises(InvalidEvent, match="who acts"):
            Tag.objects.create(name="a")
        capture._workspace = None
        with pytest.raises(InvalidEvent, match="in which workspace"):
            Tag.objects.create(name="a")
        assert Tag.objects.count() == 0
        capture.strict = False
        before = capture.status()
        with entered(None):
            Tag.objects.create(name="a")
        after = capture.status()
    finally:
        capture.strict, capture._workspace = False, whose
    assert after.unknown_actor - before.unknown_actor == 1
    assert after.unknown_workspace - before.unknown_workspace == 1
    (aside,) = Outbox(alias).quarantined()
    assert aside.fault == "It is not known in which workspace it happened."
    assert [event.actor.id for event in events(alias)] == ["unknown"]
