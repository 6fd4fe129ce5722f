"""S2, Django: a rollback leaves nothing, whatever brought it about; a retry leaves exactly one set."""

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


def work(alias: str) -> None:
    """Create, update, delete, add members, and say two things outright."""
    from tests.django_host.shop.models import Customer, Tag
    from whodid.capture.django import installed

    one = Customer.objects.create(name="A", email="a@example.com")
    one.city = "Oslo"
    one.save()
    two = Customer.objects.create(name="B", email="b@example.com")
    Customer.objects.filter(pk=two.pk).update(city="Rome")
    one.tags.add(Tag.objects.create(name="t"))
    two.delete()
    installed().capture.record("invoice.sent", ("invoice", "1"), bind=alias)
    installed().capture.record("customer.greeted", one)  # it speaks for the customer; the other one came and went


def test_an_exception_or_an_explicit_rollback_leaves_nothing(alias: str) -> None:
    """No event of what was rolled back; what is said outside of it is there."""
    from django.db import transaction

    with pytest.raises(ZeroDivisionError), transaction.atomic(alias):
        work(alias)
        raise ZeroDivisionError
    with transaction.atomic(alias):
        work(alias)
        transaction.set_rollback(True, using=alias)
    assert told(alias) == []
    with transaction.atomic(alias):
        work(alias)
    assert [action for action, _ in told(alias)] == ["tag.created", "invoice.sent", "customer.greeted"]


def test_manual_transactions(alias: str) -> None:
    """With autocommit off, a commit keeps the events and a rollback takes them."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    transaction.set_autocommit(False, using=alias)
    try:
        Tag.objects.create(name="gone")
        transaction.rollback(using=alias)
        Tag.objects.create(name="kept")
        with transaction.atomic(alias):
            Tag.objects.create(name="inside")
        transaction.commit(using=alias)
    finally:
        transaction.rollback(using=alias)
        transaction.set_autocommit(True, using=alias)
    assert [event.resource.name for event in events(alias)] == ["kept", "inside"]


def test_a_commit_that_fails_leaves_nothing(alias: str) -> None:
    """A deferred constraint fails at the COMMIT, after the events were written."""
    from django.db import IntegrityError, transaction

    from tests.django_host.shop.models import Comment, Tag

    if alias == "default":
        from django.db import connections

        with connections[alias].cursor() as cursor:
            cursor.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(IntegrityError), transaction.atomic(alias):
        Tag.objects.create(name="t")
        Comment.objects.create(customer_id=4711, text="of nobody")
    assert told(alias) == []
    assert Tag.objects.count() == 0
    Tag.objects.create(name="t")
    assert [action for action, _ in told(alias)] == ["tag.created"]


def test_the_same_object_saved_again_after_a_rollback_is_told(alias: str) -> None:
    """An object that was saved in vain is compared with what is in the database, not with what was saved."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    tag = Tag.objects.create(name="before")
    tag.name = "after"
    with pytest.raises(ZeroDivisionError), transaction.atomic(alias):
        tag.save()
        raise ZeroDivisionError
    with transaction.atomic(alias):
        with pytest.raises(ZeroDivisionError), transaction.atomic(alias):
            tag.save()
            raise ZeroDivisionError
        tag.save()
    oracle_agrees(alias, expected=2)
    assert events(alias)[-1].changes[0].before == "before"


@pytest.mark.postgres
def test_a_serialization_failure_and_its_retry(request: pytest.FixtureRequest) -> None:
    """The first attempt leaves nothing, the second one exactly its set."""
    import threading

    from django.db import OperationalError, connections, transaction

    from tests.django_host.shop.models import Tag

    alias = djangoing.prepared("pg", request)
    with context(actor=AISHA):
        tag = Tag.objects.create(name="0")

    def other() -> None:
        try:
            Tag.objects.filter(pk=tag.pk).update(name="theirs")
        finally:
            connections[alias].close()

    attempts = 0
    with context(actor=AISHA):
        while True:
            attempts += 1
            try:
                with transaction.atomic(alias):
                    with connections[alias].cursor() as cursor:
                        cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                    tag.refresh_from_db()
                    if attempts == 1:
                        thread = threading.Thread(target=other)
                        thread.start()
                        thread.join()
                    tag.name = f"mine after {tag.name}"
                    tag.save()
                break
            except OperationalError:
                assert attempts == 1
    assert attempts == 2
    oracle_agrees(alias, expected=3)
    assert [event.resource.name for event in events(alias)] == ["0", "theirs", "mine after theirs"]


def test_two_databases(request: pytest.FixtureRequest) -> None:
    """What was committed in one database stays, and sits there; what was rolled back in the other one is gone."""
    from django.db import transaction

    from tests.django_host.shop.models import Tag
    from whodid.capture.django import installed
    from whodid.errors import InvalidSetting

    one, other = djangoing.prepared("other", request), djangoing.prepared("default", request)
    record = installed().capture.record
    with context(actor=AISHA), pytest.raises(ZeroDivisionError), transaction.atomic(other):
        with transaction.atomic(one):
            tag = Tag(name="one")
            tag.save(using=one)
            record("tag.praised", tag)
            Tag(name="other").save(using=other)
            with pytest.raises(InvalidSetting, match="2 transactions are open"):
                record("day.ended", ("day", "1"))
            record("day.ended", ("day", "1"), bind=one)
        raise ZeroDivisionError
    assert told(other) == []
    assert [action for action, _ in told(one)] == ["tag.praised", "day.ended"]


def test_a_replica_is_never_written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a router that reads elsewhere, before, after and event are those of the database that is written."""
    from tests.django_host.shop.models import Tag
    from tests.djangoing import Router

    replica, primary = djangoing.prepared("other", request), djangoing.prepared("default", request)
    Tag(name="stale", pk=1).save(using=replica)
    Tag(name="true", pk=1).save(using=primary)
    djangoing.forgotten(replica, primary)
    monkeypatch.setattr(Router, "db_for_read", lambda *_args, **_hints: replica)
    with context(actor=AISHA):
        Tag.objects.filter(pk=1).update(name="new")
        tag = Tag.objects.get()
        assert tag.name == "stale"
        tag.name = "newest"
        tag.save()
        tag.delete()
    with queries(replica) as seen:
        assert [(event.action, event.changes[0].before) for event in events(primary)] == [
            ("tag.updated", "true"),
            ("tag.updated", "new"),
            ("tag.deleted", "newest"),
        ]
    assert told(replica) == []
    assert all(statement.startswith("SELECT") for statement in seen)
