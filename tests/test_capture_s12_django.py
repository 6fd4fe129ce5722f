"""S12, Django: what is deferred stays deferred, and nobody is asked what he is called."""

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
def big(alias: str) -> Any:
    """Return an attachment with a large body."""
    from tests.django_host.shop.models import Attachment, Customer

    one = Customer.objects.create(name="A", email="a@example.com")
    made = Attachment.objects.create(customer=one, title="f", body=b"\x00\x01" * 2_500_000)
    djangoing.forgotten(alias)
    return made


def test_saving_what_was_loaded_asks_for_nothing(alias: str, big: Any) -> None:
    """No query but the UPDATE and the outbox's INSERT; the body is neither read nor told."""
    from tests.django_host.shop.models import Attachment

    for rows in (Attachment.objects.only("title"), Attachment.objects.defer("body")):
        one = rows.get(pk=big.pk)
        one.title += "!"
        with queries(alias) as seen:
            one.save()
        assert not any(statement.startswith("SELECT") for statement in seen)
        assert [statement.split()[0] for statement in seen if "whodid" not in statement and "atomic" not in statement][
            -1
        ] in {"UPDATE", "COMMIT"}
        assert "body" not in one.__dict__
    assert [[change.path for change in event.changes] for event in events(alias)] == [["title"], ["title"]]


def test_deleting_reads_no_body(alias: str, big: Any) -> None:
    """What was deferred is told as unknown, never as null and never read."""
    from tests.django_host.shop.models import Attachment

    one = Attachment.objects.defer("body").get(pk=big.pk)
    with queries(alias) as seen:
        one.delete()
    assert not any("body" in statement for statement in seen if statement.startswith("SELECT"))
    (event,) = events(alias)
    assert {change.path: change.before for change in event.changes}["body"] == {"$": "unknown"}


def test_overwriting_what_was_never_read(alias: str, big: Any) -> None:
    """A deferred column is read before it is overwritten, in one statement; a body is not, and is told as unknown."""
    from tests.django_host.shop.models import Attachment, Customer

    one = Customer.objects.only("email").get()
    one.name = "B"
    with queries(alias) as seen:
        one.save()
    assert sum(statement.startswith("SELECT") for statement in seen) == 1
    (event,) = events(alias)
    assert [(change.path, change.before, change.after) for change in event.changes] == [("name", "A", "B")]
    djangoing.forgotten(alias)
    other = Attachment.objects.defer("body").get(pk=big.pk)
    other.body = b"new"
    with queries(alias) as seen:
        other.save()
    assert not any(statement.startswith("SELECT") for statement in seen)
    (event,) = events(alias)
    assert event.changes[0].before == {"$": "unknown"}
    assert isinstance(event.changes[0].after, dict)
    assert event.changes[0].after["$"] == "bytes"


def test_a_default_manager_that_defers(alias: str, big: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a manager that leaves columns out are saved and deleted without them."""
    from django.db.models import Manager

    from tests.django_host.shop.models import Attachment

    original = Manager.get_queryset

    def light(self: Any) -> Any:
        found = original(self)
        return found.defer("body") if self.model is Attachment else found

    monkeypatch.setattr(Manager, "get_queryset", light)
    one = Attachment.objects.get(pk=big.pk)
    one.title = "g"
    with queries(alias) as seen:
        one.save()
        Attachment.objects.filter(pk=big.pk).delete()
    assert not any("body" in statement for statement in seen if statement.startswith("SELECT"))
    assert [event.action for event in events(alias)] == ["attachment.updated", "attachment.deleted"]


def test_relations_are_not_walked(alias: str, big: Any) -> None:
    """Saving a row with a reference asks neither for what it refers to nor, of a model that raises, for its text."""
    from tests.django_host.shop.models import Attachment

    with pytest.raises(RuntimeError):
        str(big)
    one = Attachment.objects.only("title", "customer").get(pk=big.pk)
    one.title = "g"
    with queries(alias) as seen:
        one.save()
        one.refresh_from_db(fields=["title"])
        one.title = "h"
        one.save()
        one.delete()
    assert not any("shop_customer" in statement for statement in seen if statement.startswith("SELECT"))
    oracle_agrees(alias, expected=3)
    assert [event.resource.name for event in events(alias)] == ["g", "h", "h"]


def test_pickled_and_copied_objects_know_what_was_loaded(alias: str, big: Any) -> None:
    """An object that went through a cache is compared as before."""
    import copy
    import pickle

    from tests.django_host.shop.models import Customer

    made = Customer.objects.get()
    for one in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        with queries(alias) as seen:
            one.save()
        assert not any(statement.startswith("SELECT") for statement in seen)
    assert told(alias) == []
