"""S9, Django: no change, no event; and only what was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import djangoing
from tests.djangoing import AISHA, events, oracle_agrees, queries, told
from whodid.capture import context


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


@pytest.fixture
def customer(alias: str) -> Any:
    """Return a customer of whom nothing has been told."""
    from datetime import UTC, datetime

    from tests.django_host.shop.models import Customer

    made = Customer.objects.create(
        name="A",
        email="a@example.com",
        balance="10.50",
        seen_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
        settings={"a": 1, "b": {"c": [1, 2]}},
    )
    djangoing.forgotten(alias)
    return Customer.objects.get(pk=made.pk)


def test_equal_values_are_no_change(alias: str, customer: Any) -> None:
    """A save without change, an equal value, another zone, scale or order of keys, a text for a number."""
    from datetime import UTC, datetime, timedelta, timezone
    from decimal import Decimal

    customer.save()
    customer.name = "A"
    customer.balance = Decimal("10.5")
    customer.seen_at = datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    customer.settings = {"b": {"c": [1, 2]}, "a": 1}
    customer.visits = "0"
    customer.save()
    customer.balance = "10.50"
    customer.seen_at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    customer.save()
    type(customer).objects.update(balance=Decimal("10.500"), name="A")
    assert told(alias) == []
    oracle_agrees(alias, expected=0)


def test_only_what_was_written_counts(alias: str, customer: Any) -> None:
    """Under `update_fields` another field that was assigned is not told; it is when it is saved."""
    customer.name = "B"
    customer.city = "Oslo"
    customer.save(update_fields=["city"])
    assert [change.path for change in events(alias)[0].changes] == ["city"]
    customer.save()
    assert [change.path for change in events(alias)[1].changes] == ["name"]
    oracle_agrees(alias, expected=2)


def test_a_change_that_is_taken_back_is_none(alias: str, customer: Any) -> None:
    """In one transaction from a to b to a is nothing, and created and updated is one creation."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    with transaction.atomic(alias):
        customer.name = "B"
        customer.save()
        customer.name = "A"
        customer.save()
        tag = Tag.objects.create(name="x")
        tag.name = "y"
        tag.save()
        Tag.objects.create(name="z").delete()
    assert [(event.action, event.resource.name) for event in events(alias)] == [("tag.created", "y")]
    assert [change.after for change in events(alias)[0].changes] == ["y"]


def test_a_change_inside_json_is_told_by_its_path(alias: str, customer: Any) -> None:
    """What was changed in place is compared with what was loaded."""
    customer.settings["b"]["c"].append(3)
    customer.settings["d"] = True
    customer.save()
    (event,) = events(alias)
    assert {change.path: change.added for change in event.changes}["settings.b.c"] == [3]
    assert {change.path for change in event.changes} == {"settings.b.c", "settings.d"}
    customer.settings["d"] = False
    assert told(alias) == [("customer.updated", str(customer.pk))]


def test_ignored_columns(alias: str, customer: Any) -> None:
    """A column that the application touches with every save makes no event, and is in none."""
    customer.save(update_fields=["updated_at"])
    assert told(alias) == []
    customer.city = "Oslo"
    customer.save()
    assert [change.path for change in events(alias)[0].changes] == ["city"]


def test_values_that_the_database_computes(alias: str, customer: Any) -> None:
    """The text of an expression is never told: what is stored is."""
    from django.db.models import F, Value
    from django.db.models.functions import Concat, Upper

    from tests.django_host.shop.models import Product

    customer.visits = F("visits") + 41
    customer.save()
    customer.refresh_from_db()
    customer.visits += 1
    customer.save()
    type(customer).objects.update(name=Concat(F("name"), Value("!")))
    product = Product.objects.create(name="pen", price=2)
    product.name = "pencil"
    product.save()
    Product.objects.update(name=Upper("name"))
    oracle_agrees(alias, expected=6)


def test_a_row_that_was_never_loaded(alias: str, customer: Any) -> None:
    """An object made by hand over a row that is there: what was before is read, in one statement."""
    from tests.django_host.shop.models import Customer, Tag

    made = Customer(pk=customer.pk, name="B", email="b@example.com")
    with queries(alias) as seen:
        made.save()
    oracle_agrees(alias, expected=1)
    assert sum(statement.startswith("SELECT") for statement in seen) == 1
    Tag(pk=77, name="new").save()
    Tag(pk=77, name="newer").save(force_update=True)
    oracle_agrees(alias, expected=3)


def test_after_an_update_the_object_is_compared_with_what_it_wrote(alias: str, customer: Any) -> None:
    """Saving again and again tells each step once; refreshing takes what others wrote."""
    for city in ("a", "b", "b", "c"):
        customer.city = city
        customer.save()
    type(customer).objects.update(city="d")
    customer.refresh_from_db()
    customer.city = "e"
    customer.save()
    oracle_agrees(alias, expected=5)


def test_what_was_assigned_and_not_written_names_nobody(alias: str, customer: Any) -> None:
    """The name in an event is the one that is in the database."""
    customer.name = "unsaved"
    customer.city = "Oslo"
    customer.save(update_fields=["city"])
    type(customer).objects.bulk_update([customer], ["visits", "city"])
    customer.visits = 3
    type(customer).objects.bulk_update([customer], ["visits"])
    assert [event.resource.name for event in events(alias)] == ["A", "A"]
