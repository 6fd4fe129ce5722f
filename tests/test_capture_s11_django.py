"""S11, Django: a deletion tells of the children that went with it and of the references that were lost."""

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


def family(alias: str) -> Any:
    """Return a customer with orders, lines, attachments, comments and tags, of whom nothing has been told."""
    from tests.django_host.shop.models import Attachment, Comment, Customer, Order, OrderLine, Product, Tag

    one = Customer.objects.create(name="A", email="a@example.com", api_token="of A")
    product = Product.objects.create(name="pen")
    for number in range(3):
        order = Order.objects.create(customer=one, status=f"s{number}")
        OrderLine.objects.create(order=order, product=product, quantity=number)
        Attachment.objects.create(customer=one, title=f"f{number}", body=b"x" * 10)
        Comment.objects.create(customer=one, text=f"c{number}")
    one.tags.add(Tag.objects.create(name="t"))
    djangoing.forgotten(alias)
    return one


@pytest.mark.parametrize("how", ["object", "queryset", "loaded"])
def test_everything_that_is_lost_is_told(alias: str, how: str) -> None:
    """Cascades, fast deletes and references set to null, with their last values, in one batch."""
    from tests.django_host.shop.models import Customer

    one = family(alias)
    if how == "object":
        one.delete()
    elif how == "queryset":
        Customer.objects.filter(pk=one.pk).delete()
    else:
        Customer.objects.get(pk=one.pk).delete()
    oracle_agrees_without_members(alias)
    said = events(alias)
    assert len({event.batch for event in said}) == 1
    assert said[0].batch is not None
    kinds = sorted(event.action for event in said)
    assert kinds == sorted(
        [
            *["attachment.deleted"] * 3,
            *["comment.updated"] * 3,
            "customer.deleted",
            *["order.deleted"] * 3,
            *["order_line.deleted"] * 3,
        ]
    )
    (customer,) = [event for event in said if event.action == "customer.deleted"]
    assert {change.path: change.before for change in customer.changes}["tags"] == [1] or alias


def oracle_agrees_without_members(alias: str) -> None:
    """Compare with the oracle; rows of many-to-many tables and members stand apart."""
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute("DELETE FROM oracle WHERE tab IN ('shop_customer_tags', 'shop_customer_friends')")
    djangoing.oracle_agrees(alias, without={"tags", "friends", "products"})


def test_a_fast_delete_stays_fast(alias: str) -> None:
    """What Django deletes without loading it is read in one statement, and is not loaded as objects."""
    from tests.django_host.shop.models import Attachment, Customer

    one = Customer.objects.create(name="A", email="a@example.com")
    Attachment.objects.bulk_create(
        Attachment(customer=one, title=str(number), body=b"y" * 1000) for number in range(300)
    )
    djangoing.forgotten(alias)
    with queries(alias) as seen:
        Attachment.objects.all().delete()
    oracle_agrees(alias, expected=300)
    reads = [statement for statement in seen if statement.startswith("SELECT")]
    assert len(reads) == 1
    assert "body" not in reads[0]
    assert sum(statement.startswith("DELETE") for statement in seen) == 1


def test_one_row_needs_no_batch(alias: str) -> None:
    """A deletion that takes nothing along is an event like any other."""
    from tests.django_host.shop.models import Tag

    Tag.objects.create(name="t").delete()
    assert [(event.action, event.batch) for event in events(alias)] == [("tag.created", None), ("tag.deleted", None)]


def test_deleting_ones_own_account(alias: str) -> None:
    """It succeeds, and the history stays whole: entries hold values, not references."""
    from django.contrib.auth.models import User

    from whodid import Actor

    user = User.objects.create_user("maria", "maria@example.com", "correct horse")
    with context(actor=Actor(type="user", id=str(user.pk), name="maria")):
        user.first_name = "Maria"
        user.save()
        user.delete()
    assert [(event.action, event.actor.name) for event in events(alias)] == [
        ("user.created", "Aisha Khan"),
        ("user.updated", "maria"),
        ("user.deleted", "maria"),
    ]
    assert not any("correct horse" in str(event) or "md5$" in str(event) for event in events(alias))


def test_a_deletion_that_is_refused_leaves_nothing(alias: str) -> None:
    """A protected row stays, and no event says otherwise."""
    from django.db.models import ProtectedError

    from tests.django_host.shop.models import OrderLine, Product

    family(alias)
    with pytest.raises(ProtectedError):
        Product.objects.all().delete()
    assert told(alias) == []
    assert OrderLine.objects.count() == 3


def test_inheritance_and_proxies(alias: str) -> None:
    """A row in two tables is one resource; a proxy is another name of the same one."""
    from tests.django_host.shop.models import Customer, Place, Regular, Restaurant

    made = Restaurant.objects.create(name="R", stars=1)
    made.street, made.stars = "S", 2
    made.save()
    Restaurant.objects.update(stars=3, street="T")
    Restaurant.objects.get().delete()
    assert Place.objects.count() == 0
    said = events(alias)
    assert [event.action for event in said] == [
        "restaurant.created",
        "restaurant.updated",
        "restaurant.updated",
        "restaurant.deleted",
    ]
    shown = [{change.path: (change.before, change.after) for change in event.changes} for event in said]
    assert shown[1] == {"street": ("", "S"), "stars": (1, 2)}
    assert shown[2] == {"street": ("S", "T"), "stars": (2, 3)}
    assert {path: before for path, (before, _) in shown[3].items()} == {"name": "R", "street": "T", "stars": 3}
    djangoing.forgotten(alias)
    Regular.objects.create(name="A", email="a@example.com")
    regular = Regular.objects.get()
    regular.city = "Oslo"
    regular.save()
    Regular.objects.update(city="Rome")
    Customer.objects.all().delete()
    oracle_agrees(alias, expected=4)
