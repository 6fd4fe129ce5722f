"""S3, Django: events are exact to the savepoint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import djangoing
from tests.djangoing import AISHA, events, oracle_agrees, queries, told
from whodid.capture import context


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


@pytest.mark.parametrize("undone", list(range(8)))
def test_of_three_nested_savepoints_any_may_be_rolled_back(alias: str, undone: int) -> None:
    """Each of the eight subsets leaves exactly the events of the writes that survived."""
    from django.db import transaction

    from tests.django_host.shop.models import Customer, Tag

    one = Customer.objects.create(name="A", email="a@example.com")

    def level(depth: int) -> None:
        try:
            with transaction.atomic(alias):
                Tag.objects.create(name=f"t{depth}")
                one.visits = depth
                one.save()
                if depth < 3:
                    level(depth + 1)
                Customer.objects.filter(pk=one.pk).update(city=f"c{depth}")
                one.refresh_from_db()
                if undone & (1 << (depth - 1)):
                    raise ZeroDivisionError
        except ZeroDivisionError:
            one.refresh_from_db()

    djangoing.forgotten(alias)
    with transaction.atomic(alias):
        Tag.objects.create(name="outer")
        level(1)
        one.name = "B"
        one.save()
    alive = [depth for depth in (1, 2, 3) if not any(undone & (1 << (above - 1)) for above in range(1, depth + 1))]
    tags = [event.resource.name for event in events(alias) if event.action == "tag.created"]
    assert tags == ["outer", *(f"t{depth}" for depth in alive)]
    (updated,) = [event for event in events(alias) if event.action == "customer.updated"]
    stored = Customer.objects.get()
    after = {change.path: change.after for change in updated.changes}
    assert after == {
        "name": "B",
        **({"visits": stored.visits, "city": stored.city} if alive else {}),
    }


def test_savepoints_by_hand(alias: str) -> None:
    """`savepoint`, `savepoint_rollback` and `savepoint_commit`, out of order and left open, count as in SQL."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    with transaction.atomic(alias):
        Tag.objects.create(name="a")
        outer = transaction.savepoint(using=alias)
        Tag.objects.create(name="b")
        transaction.savepoint(using=alias)
        Tag.objects.create(name="c")
        transaction.savepoint_rollback(outer, using=alias)
        Tag.objects.create(name="d")
        transaction.savepoint_commit(outer, using=alias)
        transaction.savepoint(using=alias)
        Tag.objects.create(name="e")
    assert [event.resource.name for event in events(alias)] == ["a", "d", "e"]
    oracle_agrees(alias, expected=3)


def test_durable_blocks_and_blocks_without_savepoints(alias: str) -> None:
    """A durable block is a transaction like any other; a block without a savepoint takes all with it."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    with transaction.atomic(alias, durable=True), transaction.atomic(alias, savepoint=False):
        Tag.objects.create(name="a")
    with pytest.raises(ZeroDivisionError), transaction.atomic(alias):
        Tag.objects.create(name="b")
        with transaction.atomic(alias, savepoint=False):
            Tag.objects.create(name="c")
            raise ZeroDivisionError
    assert [event.resource.name for event in events(alias)] == ["a"]


def test_two_hundred_rows_are_written_on_the_way(alias: str) -> None:
    """A long transaction keeps few events in memory, and loses none of them."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    with transaction.atomic(alias), queries(alias) as seen:
        for number in range(450):
            Tag.objects.create(name=str(number))
        assert sum("whodid_outbox" in statement for statement in seen) == 2
    assert len(events(alias)) == 450


def test_whoever_reads_the_outbox_sees_his_own_transaction(alias: str) -> None:
    """Before the outbox is read, what is noted is written."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    with transaction.atomic(alias):
        Tag.objects.create(name="a")
        assert told(alias) != []
        with pytest.raises(ZeroDivisionError), transaction.atomic(alias):
            Tag.objects.create(name="b")
            raise ZeroDivisionError
    assert [event.resource.name for event in events(alias)] == ["a"]
