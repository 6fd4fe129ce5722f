"""Kills a process at every point of a change outside of a transaction, and compares rows and events each time.

Run as `python -m tests.django_host.killing [URL of a PostgreSQL]`; it prints how many points there were.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tests import djangoing
from whodid.capture import context


def changes() -> dict[str, Callable[[], object]]:
    """Return the ways to change something, each in autocommit mode."""
    from django.db.models import F

    from tests.django_host.shop.models import Customer, Tag

    def save() -> None:
        one = Customer.objects.get(email="a@example.com")
        one.city = "Oslo"
        one.save()

    return {
        "create": lambda: Tag.objects.create(name="new"),
        "save": save,
        "save by hand": lambda: Customer(pk=1, name="hand", email="a@example.com").save(),
        "update": lambda: Customer.objects.update(visits=F("visits") + 1, city="Rome"),
        "bulk_create": lambda: Tag.objects.bulk_create([Tag(name="x"), Tag(name="old")], ignore_conflicts=True),
        "upsert": lambda: Tag.objects.bulk_create(
            [Tag(name="old"), Tag(name="y")], update_conflicts=True, unique_fields=["name"], update_fields=["name"]
        ),
        "delete": lambda: Customer.objects.get(email="a@example.com").delete(),
        "delete many": lambda: Customer.objects.all().delete(),
        "fast delete": lambda: Tag.objects.filter(name="old").delete(),
        "add": lambda: Customer.objects.get(email="a@example.com").tags.add(Tag.objects.get(name="old")),
    }


def killed(alias: str, work: Callable[[], object], point: int) -> bool:
    """Do something in a child that is killed at a point; tell whether it got there."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    from django.db import connections
    from django.db.backends.base.base import BaseDatabaseWrapper

    passed = 0

    def passing() -> None:
        nonlocal passed
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    def statement(execute: Any, text: str, params: Any, many: Any, about: Any) -> Any:
        passing()
        result = execute(text, params, many, about)
        passing()
        return result

    commit = BaseDatabaseWrapper._commit  # type: ignore[attr-defined,unused-ignore]

    def committing(self: Any) -> Any:
        passing()
        result = commit(self)
        passing()
        return result

    BaseDatabaseWrapper._commit = committing
    connections[alias].execute_wrappers.append(statement)
    with context(actor=djangoing.AISHA):
        work()
    os._exit(0)


def main() -> None:
    """Kill at every point of every change."""
    djangoing.ready()
    from django.db import connections

    from tests.django_host.shop.models import Customer, Tag

    alias = "default"
    if len(sys.argv) > 1:
        alias = "pg"
        djangoing.joined(alias, sys.argv[1])
    points = 0
    djangoing.filled(alias)
    for name, work in changes().items():
        point = 0
        while True:
            djangoing.emptied(alias)
            djangoing.Router.here = alias
            Customer(pk=1, name="A", email="a@example.com").save()
            Tag.objects.create(name="old")
            djangoing.forgotten(alias)
            connections[alias].close()
            alive = not killed(alias, work, point)
            try:
                djangoing.oracle_agrees(alias, without={"tags", "friends"}, only={"shop_customer", "shop_tag"})
            except AssertionError as error:
                raise SystemExit(f"{name}, point {point}: {error}") from None
            if alive:
                break
            point += 1
        points += point
    sys.stdout.write(f"{points}\n")


if __name__ == "__main__":
    main()
