"""S6, Django: statements that write many rows leave an event per row, for a fixed number of statements more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import djangoing
from tests.djangoing import AISHA, events, oracle_agrees, queries
from whodid.capture import context

ROWS = 1000


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


def customers(count: int, start: int = 0, **values: Any) -> list[Any]:
    """Make customers that are not saved."""
    from tests.django_host.shop.models import Customer

    return [
        Customer(name=f"n{number}", email=f"{number}@example.com", **values) for number in range(start, start + count)
    ]


def stored(count: int) -> None:
    """Save customers, and forget the events about them."""
    from tests.django_host.shop.models import Customer

    hook = _hook()
    hook.remove()
    Customer.objects.bulk_create(customers(count))
    from django.db import connections

    with connections[djangoing.Router.here].cursor() as cursor:
        cursor.execute("DELETE FROM oracle")
    hook.install()


def _hook() -> Any:
    from django.apps import apps

    return apps.get_app_config("whodid").hook


def plain_statements(alias: str, work: Any) -> int:
    """Count the statements of some work without the hook, and undo it."""
    from django.db import transaction

    hook = _hook()
    hook.remove()
    try:
        with transaction.atomic(alias), queries(alias) as seen:
            work()
            count = len(seen)
            transaction.set_rollback(True, using=alias)
    finally:
        hook.install()
    return count


WORK = ["update", "update by expression", "bulk_update", "bulk_create", "ignore", "upsert", "delete", "soft delete"]


@pytest.mark.parametrize("name", WORK)
def test_every_row_is_told_with_before_and_after(alias: str, name: str) -> None:
    """A thousand rows are a thousand right events, and at most six statements more than before."""
    from django.db import transaction
    from django.db.models import F
    from django.utils import timezone

    from tests.django_host.shop.models import Customer, Tag

    stored(0 if name == "bulk_create" else ROWS)
    now = timezone.now()

    def work() -> None:
        rows = Customer.objects.all()
        if name == "update":
            rows.update(city="Oslo", balance="10.50")
        elif name == "update by expression":
            rows.update(visits=F("visits") + 1)
        elif name == "soft delete":
            rows.update(deleted_at=now)
        elif name == "bulk_update":
            made = list(rows)
            for at, one in enumerate(made):
                one.city = f"c{at}"
            Customer.objects.bulk_update(made, ["city"])
        elif name == "bulk_create":
            Customer.objects.bulk_create(customers(ROWS, settings={"a": 1}, api_token="x"))
        elif name == "ignore":
            Customer.objects.bulk_create(customers(ROWS, ROWS // 2), ignore_conflicts=True)
        elif name == "upsert":
            Customer.objects.bulk_create(
                customers(ROWS, ROWS // 2, city="Oslo"),
                update_conflicts=True,
                unique_fields=["email"],
                update_fields=["city"],
            )
        else:
            Tag.objects.create(name="kept")
            rows.delete()

    before = plain_statements(alias, work)
    with queries(alias) as seen, transaction.atomic(alias):
        work()
    written = sum("whodid_outbox" in statement for statement in seen)
    oracle_agrees(alias, expected={"ignore": ROWS // 2, "delete": ROWS + 1}.get(name, ROWS))
    assert len(seen) - written - before <= 6
    if name == "soft delete":
        assert {event.action for event in events(alias)} == {"customer.deleted"}
    # A row of the outbox per event, two hundred to a statement; PostgreSQL takes them in one each.
    assert written <= ROWS // 200 + 2
    assert len({event.batch for event in events(alias) if event.resource.type == "customer"}) <= 2


def test_above_the_limit_one_entry_tells_of_all(alias: str) -> None:
    """Fifty rows at a limit of ten are one event with their exact number and the shape of the condition."""
    from tests.django_host.shop.models import Customer

    stored(50)
    hook = _hook()
    limit, hook.limit = hook.limit, 10
    try:
        Customer.objects.filter(name__startswith="n").update(city="secretly")
        Customer.objects.bulk_create(customers(20, 100))
        Customer.objects.all().delete()
    finally:
        hook.limit = limit
    said = events(alias)
    assert [(event.action, event.resource.id) for event in said] == [
        ("customer.updated", "*"),
        ("customer.created", "*"),
        ("customer.deleted", "*"),
    ]
    assert [(event.details or {})["rows"] for event in said] == [50, 20, 70]
    assert (said[0].details or {})["fields"] == ["city"]
    assert "name" in (said[0].details or {})["where"]
    assert not any(b"secretly" in str(event).encode() for event in said)


def test_update_or_create_and_get_or_create(alias: str) -> None:
    """What was created and what was updated are told apart; a row that was found is told not at all."""
    from tests.django_host.shop.models import Customer

    made, _ = Customer.objects.get_or_create(email="a@example.com", defaults={"name": "A"})
    Customer.objects.get_or_create(email="a@example.com", defaults={"name": "B"})
    Customer.objects.update_or_create(email="a@example.com", defaults={"name": "C"})
    Customer.objects.update_or_create(email="b@example.com", defaults={"name": "D"})
    assert [event.action for event in events(alias)] == ["customer.created", "customer.updated", "customer.created"]
    oracle_agrees(alias, expected=3)
    assert events(alias)[1].resource.id == str(made.pk)
