"""S7, Django: statements past the ORM are seen, and treated as the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import djangoing
from tests.djangoing import AISHA, events, told
from whodid.capture import context


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


@pytest.fixture
def net(alias: str) -> Iterator[Any]:
    """Return a function that sets the policy."""
    from django.apps import apps

    hook = apps.get_app_config("whodid").hook

    def policy(name: str) -> None:
        hook._net._policy = name

    yield policy
    policy("warn")


def statements(alias: str) -> list[tuple[str, str]]:
    """Return statements that write watched tables: text and what is told."""
    found = [
        ("UPDATE shop_tag SET name = 'secretly' WHERE id = 1", "tag.updated"),
        ("/* by hand */ DELETE FROM shop_tag WHERE name = 'x' -- all", "tag.deleted"),
        ("INSERT INTO shop_tag (name) SELECT name || '2' FROM shop_tag", "tag.created"),
        ('INSERT INTO "shop_tag" ("name") VALUES (\'y\')', "tag.created"),
        (
            "WITH n AS (SELECT 1 AS i) UPDATE shop_tag SET name = 'z' WHERE id IN (SELECT i FROM n)",
            "tag.updated",
        ),
    ]
    if alias == "pg":
        found.append(("TRUNCATE TABLE shop_comment", "comment.deleted"))
        found.append(("UPDATE ONLY public.shop_tag SET name = 'q' WHERE id = 1", "tag.updated"))
    else:
        found.append(("INSERT OR REPLACE INTO shop_tag (id, name) VALUES (1, 'o')", "tag.created"))
    return found


def numbered(alias: str) -> None:
    """Let the database's own numbers go on after the tags that were saved with a number, as they would in use."""
    from django.core.management.color import no_style
    from django.db import connections

    from tests.django_host.shop.models import Tag

    with connections[alias].cursor() as cursor:
        for text in connections[alias].ops.sequence_reset_sql(no_style(), [Tag]):
            cursor.execute(text)


def test_each_policy(alias: str, net: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Refused before it runs, recorded with its shape and without its values, or counted with a line in the log."""
    from django.apps import apps
    from django.db import connections

    from tests.django_host.shop.models import Tag
    from whodid.errors import InvalidEvent

    capture = apps.get_app_config("whodid").hook.capture
    for text, action in statements(alias):
        djangoing.emptied(alias)
        Tag(pk=1, name="first").save()
        numbered(alias)
        djangoing.forgotten(alias)
        net("raise")
        with (
            connections[alias].cursor() as cursor,
            pytest.raises(InvalidEvent, match=r"test_capture_s07_django\.py:\d+"),
        ):
            cursor.execute(text)
        assert list(Tag.objects.values_list("name", flat=True)) == ["first"]
        net("record")
        with connections[alias].cursor() as cursor:
            cursor.execute(text)
        (event,) = events(alias)
        assert (event.action, event.resource.id, event.actor) == (action, "*", AISHA)
        assert event.details is not None
        assert "test_capture_s07_django.py" in event.details["at"]
        assert "secretly" not in str(event)
        djangoing.emptied(alias)
        net("warn")
        before = capture.status().unclaimed
        caplog.clear()
        with connections[alias].cursor() as cursor:
            cursor.execute(text)
        assert told(alias) == []
        assert capture.status().unclaimed == before + 1
        assert [line.name for line in caplog.records] == ["whodid.capture"]
        assert "secretly" not in caplog.text


def test_many_and_copy(alias: str, net: Any) -> None:
    """`executemany` is one statement; COPY goes past Django's cursor, and is seen all the same."""
    from django.db import connections, transaction

    net("record")
    with connections[alias].cursor() as cursor:
        cursor.executemany("INSERT INTO shop_tag (name) VALUES (%s)", [["a"], ["b"]])
    assert told(alias) == [("tag.created", "*")]
    if alias == "pg":
        with transaction.atomic(alias), connections[alias].cursor() as cursor:
            with cursor.copy("COPY shop_tag (name) FROM STDIN") as copy:
                copy.write_row(["c"])
            with cursor.copy("COPY shop_tag TO STDOUT") as copy:
                assert len(list(copy)) == 3
        assert told(alias) == [("tag.created", "*")] * 2


def test_what_is_rolled_back_was_not(alias: str, net: Any) -> None:
    """An entry about a statement lives and dies with it."""
    from django.db import connections, transaction

    net("record")
    with pytest.raises(ZeroDivisionError), transaction.atomic(alias), connections[alias].cursor() as cursor:
        cursor.execute("INSERT INTO shop_tag (name) VALUES ('a')")
        raise ZeroDivisionError
    assert told(alias) == []


def test_other_tables_and_reads_are_left_alone(alias: str, net: Any) -> None:
    """Statements that write nothing that is watched pass even where everything else is refused."""
    from django.contrib.sessions.models import Session
    from django.db import connections
    from django.utils import timezone

    net("raise")
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 'UPDATE shop_tag SET name = 1' FROM shop_tag")
        cursor.execute("UPDATE django_session SET session_data = 'INSERT INTO shop_tag'")
        cursor.execute("CREATE TABLE aside (name text)")
        cursor.execute("INSERT INTO aside SELECT name FROM shop_tag")
        cursor.execute("DROP TABLE aside")
    Session.objects.create(session_key="k", session_data="x", expire_date=timezone.now())
    assert told(alias) == []


def test_signal_handlers_of_a_deletion_are_their_own_affair(alias: str, net: Any) -> None:
    """What a handler writes past the ORM while Django deletes is not taken for Django's."""
    from django.db import connections
    from django.db.models.signals import post_delete

    from tests.django_host.shop.models import Customer, Tag

    def handler(**_: Any) -> None:
        Tag.objects.update(name="touched")
        with connections[alias].cursor() as cursor:
            cursor.execute("INSERT INTO shop_tag (name) VALUES ('past')")

    Tag.objects.create(name="a")
    one = Customer.objects.create(name="A", email="a@example.com")
    djangoing.forgotten(alias)
    net("record")
    post_delete.connect(handler, sender=Customer)
    try:
        one.delete()
    finally:
        post_delete.disconnect(handler, sender=Customer)
    assert sorted(action for action, _ in told(alias)) == ["customer.deleted", "tag.created", "tag.updated"]


def test_statements_that_are_not_meant_cost_little(request: pytest.FixtureRequest) -> None:
    """A SELECT, and a write to another table, cost a few microseconds more."""
    import time

    from django.apps import apps
    from django.db import connections

    alias = djangoing.prepared("default", request)
    hook = apps.get_app_config("whodid").hook
    with connections[alias].cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS aside (name text)")

    def best(text: str) -> float:
        found = []
        with connections[alias].cursor() as cursor:
            for _ in range(15):
                start = time.process_time()
                for _ in range(200):
                    cursor.execute(text)
                found.append((time.process_time() - start) / 200)
        return min(found)

    for text in ("SELECT 1", "DELETE FROM aside"):
        watched = best(text)
        hook.remove()
        bare = best(text)
        hook.install()
        assert watched - bare < 6e-6, f"{text}: {(watched - bare) * 1e6:.1f} microseconds"


def test_the_doctor_lists_the_place_and_fails_on_request(alias: str, capsys: pytest.CaptureFixture[str]) -> None:
    """SQL in the application's code that writes a watched table, and models that nobody watches."""
    from django.core.management import CommandError, call_command

    call_command("whodid_doctor")
    shown = capsys.readouterr().out
    assert "shop/raw.py:" in shown
    assert "writes the watched table shop_tag" in shown
    assert "sessions.Session" in shown
    with pytest.raises(CommandError):
        call_command("whodid_doctor", "--fail")
