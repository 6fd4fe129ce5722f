"""S10, Django: many-to-many fields are told at their owner, with the exact ids that came and went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import djangoing
from tests.djangoing import AISHA, events, queries
from whodid.capture import context


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


@pytest.fixture
def people(alias: str) -> tuple[Any, Any, list[Any]]:
    """Return two customers and four tags of whom nothing has been told."""
    from tests.django_host.shop.models import Customer, Tag

    one = Customer.objects.create(name="A", email="a@example.com")
    two = Customer.objects.create(name="B", email="b@example.com")
    tags = [Tag.objects.create(name=f"t{number}") for number in range(4)]
    djangoing.forgotten(alias)
    return one, two, tags


def members(alias: str) -> list[tuple[str, str, list[Any], list[Any]]]:
    """Return owner, field, added and removed of each event about members, and forget them."""
    said = events(alias)
    assert all(event.action.endswith(".updated") for event in said)
    found = [
        (event.resource.id, change.path, sorted(change.added or []), sorted(change.removed or []))
        for event in said
        for change in event.changes
    ]
    djangoing.forgotten(alias)
    return found


def test_add_remove_set_and_clear(alias: str, people: Any) -> None:
    """One event per call, none where nothing changed."""
    one, _, tags = people
    owner, ids = str(one.pk), [tag.pk for tag in tags]
    one.tags.add(tags[0], tags[1])
    assert members(alias) == [(owner, "tags", ids[:2], [])]
    one.tags.add(tags[0])
    one.tags.remove(tags[3])
    assert members(alias) == []
    one.tags.add(tags[1], tags[2])
    assert members(alias) == [(owner, "tags", ids[2:3], [])]
    one.tags.remove(tags[0])
    assert members(alias) == [(owner, "tags", [], ids[:1])]
    one.tags.set([tags[2], tags[3]])
    assert members(alias) == [(owner, "tags", ids[3:], ids[1:2])]
    one.tags.set([tags[2], tags[3]])
    assert members(alias) == []
    one.tags.set([tags[0]], clear=True)
    assert members(alias) == [(owner, "tags", ids[:1], ids[2:])]
    one.tags.clear()
    assert members(alias) == [(owner, "tags", [], ids[:1])]
    one.tags.clear()
    assert members(alias) == []


def test_the_other_side(alias: str, people: Any) -> None:
    """Adding customers to a tag is a change of the customers."""
    one, two, tags = people
    tags[0].customers.add(one, two)
    assert sorted(members(alias)) == sorted((str(who.pk), "tags", [tags[0].pk], []) for who in (one, two))
    tags[0].customers.remove(one)
    assert members(alias) == [(str(one.pk), "tags", [], [tags[0].pk])]
    tags[0].customers.clear()
    assert members(alias) == [(str(two.pk), "tags", [], [tags[0].pk])]


def test_a_field_to_the_same_model(alias: str, people: Any) -> None:
    """Friendship is mutual, and both are told."""
    one, two, _ = people
    one.friends.add(two)
    assert sorted(members(alias)) == sorted(
        [(str(one.pk), "friends", [two.pk], []), (str(two.pk), "friends", [one.pk], [])]
    )


@pytest.mark.parametrize("call", ["add", "again", "remove", "clear"])
def test_the_collection_is_not_loaded(alias: str, people: Any, call: str) -> None:
    """Not one SELECT more than without the hook."""
    from django.apps import apps

    one, _, tags = people
    hook = apps.get_app_config("whodid").hook

    def work() -> None:
        if call in {"add", "again"}:
            one.tags.add(tags[0], tags[1])
        elif call == "remove":
            one.tags.remove(tags[0])
        else:
            one.tags.clear()

    counts = []
    for watched in (False, True):
        hook.remove()
        one.tags.set([tags[0], tags[1]] if call != "add" else [])
        if watched:
            hook.install()
        with queries(alias) as seen:
            work()
        counts.append(sum(statement.startswith("SELECT") for statement in seen))
    assert counts[0] == counts[1]
    assert len(members(alias)) == (call != "again")


def test_a_table_of_ones_own_between(alias: str, people: Any) -> None:
    """The order tells which products came and went; the lines, which carry more than that, are told too."""
    from tests.django_host.shop.models import Order, OrderLine, Product

    one, _, _ = people
    order = Order.objects.create(customer=one)
    pen, ink = Product.objects.create(name="pen"), Product.objects.create(name="ink")
    djangoing.forgotten(alias)
    order.products.add(pen, through_defaults={"quantity": 3})
    line = OrderLine.objects.create(order=order, product=ink)
    line.quantity = 7
    line.save()
    order.products.remove(pen)
    line.delete()
    owner = [event for event in events(alias) if event.resource.type == "order"]
    assert [(change.added, change.removed) for event in owner for change in event.changes] == [
        ([pen.pk], []),
        ([ink.pk], []),
        ([], [pen.pk]),
        ([], [ink.pk]),
    ]
    assert [event.action for event in events(alias) if event.resource.type == "order_line"] == [
        "order_line.created",
        "order_line.created",
        "order_line.updated",
        "order_line.deleted",
        "order_line.deleted",
    ]


def test_an_admin_inline(alias: str, people: Any) -> None:
    """The form of the administration adds, moves and removes rows of the table between as objects."""
    from tests.django_host.shop.models import Customer

    one, _, tags = people
    between = Customer.tags.through
    row = between(customer=one, tag=tags[0])
    row.save()
    row.tag = tags[1]
    row.save()
    row.delete()
    ids = [tag.pk for tag in tags]
    assert members(alias) == [
        (str(one.pk), "tags", ids[:1], []),
        (str(one.pk), "tags", ids[1:2], ids[:1]),
        (str(one.pk), "tags", [], ids[1:2]),
    ]


def test_with_a_listener_of_the_application(alias: str, people: Any) -> None:
    """Django takes another way then; what is told is the same."""
    from django.db.models.signals import m2m_changed, pre_delete

    from tests.django_host.shop.models import Customer

    one, _, tags = people
    heard: list[str] = []

    def listen(action: str = "", **_: Any) -> None:
        heard.append(action)

    m2m_changed.connect(listen, sender=Customer.tags.through)
    pre_delete.connect(listen, sender=Customer.tags.through)
    try:
        one.tags.add(tags[0], tags[1])
        one.tags.add(tags[0])
        one.tags.remove(tags[0])
        one.delete()
    finally:
        m2m_changed.disconnect(listen, sender=Customer.tags.through)
        pre_delete.disconnect(listen, sender=Customer.tags.through)
    assert heard
    paths = [
        (event.action, change.path, change.added, change.removed, change.before)
        for event in events(alias)
        for change in event.changes
        if change.path == "tags"
    ]
    assert [(action, sorted(added or [])) for action, _, added, _, _ in paths if added] == [
        ("customer.updated", [tags[0].pk, tags[1].pk])
    ]
    assert paths[-1][0] == "customer.deleted"
    assert paths[-1][4] == [tags[1].pk]
