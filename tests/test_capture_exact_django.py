"""With EXACT, what was before is read and locked; without, an object is compared with what was loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import djangoing
from tests.djangoing import AISHA, events, oracle_agrees
from whodid.capture import context


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


@pytest.fixture
def exact(alias: str) -> Iterator[None]:
    """Read rows before they are saved."""
    from django.apps import apps

    hook = apps.get_app_config("whodid").hook
    hook.exact = True
    yield
    hook.exact = False


def stale() -> Any:
    """Return a customer that somebody else has changed since it was loaded."""
    from tests.django_host.shop.models import Customer

    Customer.objects.create(name="A", email="a@example.com", city="first")
    one = Customer.objects.get()
    Customer.objects.update(city="second")
    djangoing.forgotten(djangoing.Router.here)
    return one


@pytest.mark.usefixtures("exact")
def test_what_others_wrote_is_what_was_before(alias: str) -> None:
    """An object that is out of date undoes what others wrote: that is told, and so are the true last values."""
    one = stale()
    one.save()
    oracle_agrees(alias, expected=1)
    (event,) = events(alias)
    assert [(change.path, change.before, change.after) for change in event.changes] == [("city", "second", "first")]
    other = type(one).objects.get()
    type(one).objects.update(city="third")
    other.delete()
    oracle_agrees(alias, expected=3)


@pytest.mark.usefixtures("exact")
def test_a_row_in_two_tables(alias: str) -> None:
    """The row is read once, before the first of its tables is written."""
    from tests.django_host.shop.models import Restaurant

    Restaurant.objects.create(name="R", stars=1)
    one = Restaurant.objects.get()
    Restaurant.objects.update(stars=5, street="S")
    djangoing.forgotten(alias)
    with djangoing.queries(alias) as seen:
        one.stars = 2
        one.save()
    (event,) = events(alias)
    assert {change.path: (change.before, change.after) for change in event.changes} == {
        "street": ("S", ""),
        "stars": (5, 2),
    }
    assert sum(statement.startswith("SELECT") for statement in seen) == 1


def test_without_it_the_object_speaks(alias: str) -> None:
    """Nothing is read; what others wrote meanwhile is not noticed, as the page says."""
    one = stale()
    one.name = "B"
    one.save()
    (event,) = events(alias)
    assert [change.path for change in event.changes] == ["name"]
