"""The trigger tier under Django, on a real PostgreSQL; the oracle is that of the hook's tests."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest

from tests import djangoing
from tests.djangoing import AISHA, events, oracle_agrees
from whodid import Actor
from whodid.capture import context

pytestmark = pytest.mark.postgres

TABLES = {"shop_customer", "shop_order", "shop_comment", "shop_tag"}


@pytest.fixture
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let triggers tell of the shop, in the place of the hook, and act as Aisha."""
    alias = djangoing.prepared("pg", request)
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connections

    from whodid.capture.django.hook import Hook
    from whodid.capture.django.plans import Plans

    config = apps.get_app_config("whodid")
    former = config.hook
    former.remove()
    config.hook = Hook(former.capture, Plans("all", (), ["shop.*"]))
    config.hook.install()
    try:
        install, remove = StringIO(), StringIO()
        call_command("whodid_triggers", database=alias, stdout=install)
        call_command("whodid_triggers", database=alias, remove=True, stdout=remove)
        with connections[alias].cursor() as cursor:
            cursor.execute(install.getvalue())
        with context(actor=AISHA):
            yield alias
        with connections[alias].cursor() as cursor:
            cursor.execute(remove.getvalue())
    finally:
        config.hook.remove()
        config.hook = former
        former.install()


def unfolded(alias: str) -> None:
    """Let the relay's part make events of what the triggers wrote."""
    from whodid.capture.django.relaying import outboxes

    (outbox,) = outboxes([alias])
    with outbox.claim(10_000) as claim:
        claim.settle((), {})


def test_rows_of_models(alias: str) -> None:
    """S1: objects, querysets, members and cascades are told by the rows that changed, each once."""
    from django.db import transaction

    from tests.django_host.shop.models import Comment, Customer, Order, Tag

    with transaction.atomic(alias):
        eva = Customer.objects.create(name="Eva", email="e@example.com", balance=Decimal("10.50"), settings={"a": [1]})
        juan = Customer.objects.create(name="Juan", email="j@example.com", api_token="canary")
        tag = Tag.objects.create(name="vip")
        eva.tags.add(tag)
        Order.objects.create(customer=juan)
        Comment.objects.create(customer=juan, text="t")
    unfolded(alias)
    assert "canary" not in repr(events(alias))
    assert {event.actor for event in events(alias)} == {AISHA}
    oracle_agrees(alias, only=TABLES, without={"tags"})
    djangoing.forgotten(alias)

    eva.city, eva.balance = "Madrid", Decimal("10.5")
    eva.save()
    Customer.objects.filter(name="Juan").update(visits=5, api_token="another")
    eva.tags.remove(tag)
    unfolded(alias)
    told = [(event.resource.id, {change.path for change in event.changes}) for event in events(alias)]
    assert told == [
        (str(eva.pk), {"city"}),
        (str(juan.pk), {"visits", "api_token"}),
        (str(eva.pk), {"tags"}),
    ]
    oracle_agrees(alias, only=TABLES, without={"tags"})
    djangoing.forgotten(alias)

    juan.delete()
    unfolded(alias)
    assert sorted(event.action for event in events(alias)) == ["comment.updated", "customer.deleted", "order.deleted"]
    oracle_agrees(alias, only=TABLES, without={"tags"})


def test_savepoints_and_autocommit(alias: str) -> None:
    """S3, S4: the actor is told again after a savepoint was undone, and by itself."""
    from django.db import connections, transaction

    ben = Actor(type="user", id="usr_2", name="Ben")
    with transaction.atomic(alias), connections[alias].cursor() as cursor:
        point = transaction.savepoint(alias)
        cursor.execute("INSERT INTO shop_tag (name) VALUES ('undone')")
        transaction.savepoint_rollback(point, alias)
        cursor.execute("INSERT INTO shop_tag (name) VALUES ('kept')")
        with context(actor=ben):
            cursor.execute("INSERT INTO shop_tag (name) VALUES ('of ben')")
    with connections[alias].cursor() as cursor:  # by itself
        cursor.execute("UPDATE shop_tag SET name = 'alone' WHERE name = 'kept'")
    unfolded(alias)
    found = [(event.action, event.actor.id, event.changes[0].after) for event in events(alias)]
    assert found == [
        ("tag.created", "usr_1", "kept"),
        ("tag.created", "usr_2", "of ben"),
        ("tag.updated", "usr_1", "alone"),
    ]


def test_an_event_of_its_own_speaks_for_its_row(alias: str) -> None:
    """What is recorded outright takes the changes of the row, and there is no second event."""
    from django.apps import apps
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    tag = Tag.objects.create(name="a")
    unfolded(alias)
    djangoing.forgotten(alias)
    capture = apps.get_app_config("whodid").hook.capture
    with transaction.atomic(alias):
        tag.name = "b"
        tag.save()
        capture.record("tag.renamed", tag)
    unfolded(alias)
    ((action, changes),) = [(event.action, event.changes) for event in events(alias)]
    assert (action, changes[0].before, changes[0].after) == ("tag.renamed", "a", "b")


def test_what_a_database_lacks(alias: str) -> None:
    """`--check` names what is not as the script would make it, and fails; what is in place is said to be."""
    from django.core.management import CommandError, call_command
    from django.db import connections

    out = StringIO()
    call_command("whodid_triggers", database=alias, check=True, stdout=out)
    assert out.getvalue() == "Every trigger is in place.\n"
    with connections[alias].cursor() as cursor:
        cursor.execute("DROP TRIGGER whodid_update ON shop_tag")
    out = StringIO()
    with pytest.raises(CommandError, match="whodid_triggers prints"):
        call_command("whodid_triggers", database=alias, check=True, stdout=out)
    assert out.getvalue() == "shop_tag  It has no trigger that tells of UPDATE.\n"
    with pytest.raises(CommandError, match="not PostgreSQL"):
        call_command("whodid_triggers", database="default")


def test_a_database_without_triggers_is_an_error(alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody would tell of the changes of a model, `manage.py check` says so."""
    from whodid.capture.django.checks import check_triggers

    assert check_triggers() == []
    monkeypatch.setattr(djangoing.Router, "here", "default")
    assert {one.id for one in check_triggers()} == {"whodid.E001"}
    assert "shop.Tag in sqlite" in " ".join(one.msg for one in check_triggers())


def test_the_doctor_does_not_ask_for_what_triggers_tell_of(alias: str) -> None:
    """A model that triggers tell of is no gap."""
    from django.apps import apps

    from whodid.capture.django.doctor import examined

    found: list[Any] = examined(apps.get_app_config("whodid").hook)
    assert [one.about for one in found if one.kind == "model" and one.about.startswith("shop.")] == []
