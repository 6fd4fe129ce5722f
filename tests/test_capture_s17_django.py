"""S17, Django: hooks of others that raise or end the process after the commit take no event with them."""

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


def test_an_on_commit_hook_that_raises(alias: str) -> None:
    """Registered before and after the change, it takes nothing away."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), transaction.atomic(alias):
        transaction.on_commit(broken, using=alias)
        Tag.objects.create(name="a")
        transaction.on_commit(broken, using=alias)
    assert [event.resource.name for event in events(alias)] == ["a"]
    oracle_agrees(alias, expected=1)


def test_a_signal_handler_that_raises(alias: str) -> None:
    """Outside of a transaction the row stays and so does its event; inside, both go."""
    from django.db import transaction
    from django.db.models.signals import post_save

    from tests.django_host.shop.models import Tag

    def broken(**_: Any) -> None:
        raise ZeroDivisionError

    post_save.connect(broken, sender=Tag)
    try:
        with pytest.raises(ZeroDivisionError):
            Tag.objects.create(name="a")
        with pytest.raises(ZeroDivisionError), transaction.atomic(alias):
            Tag.objects.create(name="b")
    finally:
        post_save.disconnect(broken, sender=Tag)
    assert [event.resource.name for event in events(alias)] == ["a"]
    oracle_agrees(alias, expected=None)
    assert list(Tag.objects.values_list("name", flat=True)) == ["a"]
    with queries(alias):
        assert told(alias) == [("tag.created", str(Tag.objects.get().pk))]


def test_no_on_commit_hook_is_left(alias: str) -> None:
    """The application's own tests may count theirs."""
    from django.db import connections, transaction

    from tests.django_host.shop.models import Tag

    with transaction.atomic(alias):
        Tag.objects.create(name="a")
        assert connections[alias].run_on_commit == []
