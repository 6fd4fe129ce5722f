"""Signing in and out, passwords and the administration of Django."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import capturing, djangoing
from tests.djangoing import AISHA, events, told
from whodid.capture import context


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


@pytest.fixture
def recorded(alias: str) -> Any:
    """Return a function that lists what the log has got since."""
    from django.apps import apps

    log = apps.get_app_config("whodid").home.log()
    log.record(djangoing.WORKSPACE, capturing.event(0))  # a workspace begins with its first entry
    start = log.head(djangoing.WORKSPACE).size

    def entries() -> list[Any]:
        return [log.get(djangoing.WORKSPACE, at) for at in range(start, log.head(djangoing.WORKSPACE).size)]

    return entries


@pytest.fixture
def boss(alias: str) -> Any:
    """Return somebody who may do everything, of whom nothing has been told."""
    from django.contrib.auth.models import User

    made = User.objects.create_superuser("maria", "maria@example.com", "correct horse")
    djangoing.forgotten(alias)
    return made


def signed_in() -> Any:
    """Return a client that signed in through the page."""
    from django.test import Client

    client = Client()
    answer = client.post(
        "/admin/login/",
        {"username": "maria", "password": "correct horse", "next": "/admin/"},
        headers={"X-Forwarded-For": "9.9.9.9"},
    )
    assert answer.status_code == 302
    return client


def test_signing_in_and_out(alias: str, boss: Any, recorded: Any) -> None:
    """Independent entries with actor, address and outcome; the time of the last sign-in is no change of the user."""
    from django.test import Client

    client = signed_in()
    client.post("/admin/logout/")
    Client().post("/admin/login/", {"username": "maria", "password": "wrong battery"})
    Client().post("/admin/login/", {"username": "nobody at all", "password": "x"})
    said = recorded()
    assert [(entry.action, entry.outcome, entry.actor.id) for entry in said] == [
        ("auth.login", "success", str(boss.pk)),
        ("auth.logout", "success", str(boss.pk)),
        ("auth.login_failed", "failed", "anonymous"),
        ("auth.login_failed", "failed", "anonymous"),
    ]
    assert said[0].resource.id == str(boss.pk)
    assert said[0].context.ip == "9.9.9.9"
    assert said[0].actor.email == "maria@example.com"
    assert said[2].resource.id != said[3].resource.id
    assert "nobody at all" not in str(said)
    assert told(alias) == []


def test_a_new_password(alias: str, boss: Any) -> None:
    """It is an entry of its own kind, in the transaction of the change; neither password nor hash is in it."""
    boss.set_password("battery staple")
    boss.save()
    boss.first_name = "Maria"
    boss.set_password("battery staple 2")
    boss.save()
    said = events(alias)
    assert [event.action for event in said] == ["auth.password_changed"] * 2
    assert [(change.path, change.class_) for change in said[0].changes] == [("password", "secret")]
    assert [change.path for change in said[1].changes] == ["password", "first_name"]
    assert "md5$" not in str(said)
    assert "staple" not in str(said)


def test_a_password_that_is_hashed_anew_is_not_a_new_one(alias: str, boss: Any, settings_: Any) -> None:
    """After a sign-in with an old hasher Django hashes again: an update, and not somebody's new password."""
    settings_(
        PASSWORD_HASHERS=[
            "django.contrib.auth.hashers.PBKDF2PasswordHasher",
            "django.contrib.auth.hashers.MD5PasswordHasher",
        ]
    )
    boss.refresh_from_db()
    assert boss.check_password("correct horse")
    assert [event.action for event in events(alias)] == ["user.updated"]


@pytest.fixture
def settings_() -> Iterator[Any]:
    """Return a function that changes settings for the test."""
    from django.test import override_settings

    changed: list[Any] = []

    def change(**values: Any) -> None:
        changed.append(override_settings(**values))
        changed[-1].enable()

    yield change
    for one in changed:
        one.disable()


def test_the_administration(alias: str, boss: Any, recorded: Any) -> None:
    """What is done in its forms is told with its user: rows, inlines, passwords, groups, and bulk actions."""
    from django.contrib.auth.models import Group, User

    from tests.django_host.shop.models import Customer, Tag

    client = signed_in()
    tag = Tag.objects.create(name="t")
    djangoing.forgotten(alias)

    def post(where: str, **values: Any) -> None:
        answer = client.post(where, values)
        assert answer.status_code == 302, answer.context["errors"] if answer.context else answer

    inline = {"customer_tags-TOTAL_FORMS": 1, "customer_tags-INITIAL_FORMS": 0, "customer_tags-0-tag": tag.pk}
    prefix = {key.replace("customer_tags", "Customer_tags"): value for key, value in inline.items()}
    post("/admin/shop/customer/add/", name="A", email="a@example.com", city="Oslo", **prefix)
    one = Customer.objects.get()
    assert list(one.tags.all()) == [tag]
    post("/admin/auth/group/add/", name="staff")
    group = Group.objects.get()
    post(
        f"/admin/auth/user/{boss.pk}/password/",
        usable_password="true",
        password1="battery staple horse",
        password2="battery staple horse",
    )
    post(
        "/admin/shop/customer/",
        action="delete_selected",
        _selected_action=one.pk,
        post="yes",
    )
    said = events(alias)
    assert [event.action for event in said] == [
        "customer.created",
        "group.created",
        "auth.password_changed",
        "customer.deleted",
    ]
    assert {event.actor.id for event in said} == {str(boss.pk)}
    assert {change.path: change.after for change in said[0].changes}["tags"] == [tag.pk]
    assert said[1].resource.id == str(group.pk)
    assert User.objects.get().check_password("battery staple horse")
    assert len({event.context.request for event in said if event.context}) == 4


def test_groups_and_rights(alias: str, boss: Any) -> None:
    """The change that is audited most: who may do what."""
    from django.contrib.auth.models import Group, Permission

    group = Group.objects.create(name="staff")
    right = Permission.objects.first() or Permission.objects.create(name="x", codename="x", content_type_id=_kind())
    djangoing.forgotten(alias)
    boss.groups.add(group)
    group.permissions.set([right])
    boss.user_permissions.add(right)
    said = events(alias)
    assert [(event.action, event.changes[0].path, event.changes[0].added) for event in said] == [
        ("user.updated", "groups", [group.pk]),
        ("group.updated", "permissions", [right.pk]),
        ("user.updated", "user_permissions", [right.pk]),
    ]


def _kind() -> int:
    from django.contrib.contenttypes.models import ContentType

    return int(ContentType.objects.get_or_create(app_label="shop", model="tag")[0].pk)
