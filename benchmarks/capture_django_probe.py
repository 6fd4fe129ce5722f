"""What whodid and the packages that do the same record of a Django model, and what they miss.

Every package runs in a process of its own, on SQLite, as it comes: registered, and not configured any further.

    python -m benchmarks.capture_django_probe --peers FOLDER
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from benchmarks.capture_django import PEERS, scope, settings
from benchmarks.measure import table


class Deliberate(Exception):
    """Raised in the middle of something."""


class Probe:
    """One package, and the ways to change a thing.

    Args:
        variant: Its name.
    """

    def __init__(self, variant: str) -> None:
        from benchmarks.django_items.models import Label, Thing

        self.variant = variant
        self.thing = Thing
        self.label = Label

    def entries(self) -> list[str]:
        """Return what the package has recorded of things, as text."""
        from django.db import connection

        tables = {
            "whodid": "SELECT event FROM whodid_outbox",
            "django-auditlog": "SELECT changes FROM auditlog_logentry",
            "django-simple-history": "SELECT name || api_token FROM django_items_historicalthing",
            "django-easy-audit": "SELECT coalesce(changed_fields, '') || object_json_repr FROM easyaudit_crudevent",
        }
        with connection.cursor() as cursor:
            cursor.execute(tables[self.variant])
            return [str(row[0]) for row in cursor.fetchall()]

    def fresh(self, count: int = 1) -> list[Any]:
        """Return things that are stored, and of which nothing is recorded."""
        from django.db import connection

        made = [self.thing.objects.create(name=f"n{at}", api_token="tok-4711-secret") for at in range(count)]
        with connection.cursor() as cursor:
            for name in connection.introspection.table_names(cursor):
                if name in {
                    "whodid_outbox",
                    "auditlog_logentry",
                    "django_items_historicalthing",
                    "easyaudit_crudevent",
                }:
                    cursor.execute(f"DELETE FROM {name}")
        return [self.thing.objects.get(pk=one.pk) for one in made]

    def counted(self, work: Callable[[], object]) -> int:
        """Return how many entries some work leaves."""
        before = len(self.entries())
        work()
        return len(self.entries()) - before

    def on_failing_save(self) -> str:
        """A save outside of a transaction that breaks a constraint."""
        _, other = self.fresh(2)
        other.name = "n0"

        def work() -> None:
            with suppress(Exception):
                other.save()

        return "nothing" if self.counted(work) == 0 else "**a ghost**"

    def on_update(self) -> str:
        """`QuerySet.update` of three rows."""
        self.fresh(3)
        return self._rows(3, lambda: self.thing.objects.update(city="Oslo"))

    def on_bulk_create(self) -> str:
        """`bulk_create` of three rows."""
        self.fresh(0)
        return self._rows(3, lambda: self.thing.objects.bulk_create([self.thing(name=f"b{at}") for at in range(3)]))

    def on_bulk_update(self) -> str:
        """`bulk_update` of three rows."""
        made = self.fresh(3)
        for one in made:
            one.city = "Oslo"
        return self._rows(3, lambda: self.thing.objects.bulk_update(made, ["city"]))

    def on_delete(self) -> str:
        """`QuerySet.delete` of three rows."""
        self.fresh(3)
        return self._rows(3, lambda: self.thing.objects.all().delete())

    def on_raw(self) -> str:
        """A statement on a cursor."""
        from django.db import connection

        self.fresh(1)

        def work() -> None:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE django_items_thing SET city = 'raw'")

        return "recorded" if self.counted(work) else "noticed" if self.variant == "whodid" else "**missed**"

    def on_no_change(self) -> str:
        """A save that changes nothing."""
        (one,) = self.fresh(1)
        return "nothing" if self.counted(one.save) == 0 else "**an entry**"

    def on_update_fields(self) -> str:
        """A field that was assigned and not saved."""
        (one,) = self.fresh(1)
        one.name, one.city = "unsaved-name", "Oslo"
        one.save(update_fields=["city"])
        return "right" if "unsaved-name" not in "".join(self.entries()) else "**told as changed**"

    def on_members(self) -> str:
        """A label that is added, and added again."""
        (one,) = self.fresh(1)
        label = self.label.objects.create(name="x")
        self.fresh(0)
        once = self.counted(lambda: one.labels.add(label))
        again = self.counted(lambda: one.labels.add(label))
        return "**missed**" if not once else "once" if not again else "**again and again**"

    def on_commit_hook(self) -> str:
        """A hook of the application that raises after the commit."""
        from django.db import transaction

        self.fresh(0)

        def broken() -> None:
            raise Deliberate

        def work() -> None:
            with suppress(Deliberate), transaction.atomic():
                transaction.on_commit(broken)
                self.thing.objects.create(name="kept")

        return "kept" if self.counted(work) else "**lost**"

    def on_secret(self) -> str:
        """A column that is called `api_token`."""
        self.fresh(0)
        self.thing.objects.create(name="s", api_token="tok-4711-secret")
        return "hidden" if "tok-4711-secret" not in "".join(self.entries()) else "**in clear**"

    def on_savepoint(self) -> str:
        """A change in a savepoint that is rolled back."""
        from django.db import transaction

        self.fresh(0)

        def work() -> None:
            with transaction.atomic(), suppress(Deliberate), transaction.atomic():
                self.thing.objects.create(name="gone")
                raise Deliberate

        return "nothing" if self.counted(work) == 0 else "**a ghost**"

    def _rows(self, want: int, work: Callable[[], object]) -> str:
        found = self.counted(work)
        self.thing.objects.all().delete()
        return "every row" if found == want else "**missed**" if not found else f"**{found} of {want}**"


QUESTIONS = {
    "failing_save": "a save that fails, outside of a transaction",
    "savepoint": "a savepoint that is rolled back",
    "commit_hook": "an `on_commit` hook of the application raises",
    "update": "`QuerySet.update`",
    "bulk_create": "`bulk_create`",
    "bulk_update": "`bulk_update`",
    "delete": "`QuerySet.delete`",
    "raw": "SQL on a cursor",
    "members": "many-to-many `add`, twice",
    "no_change": "a save that changes nothing",
    "update_fields": "a field that `update_fields` leaves out",
    "secret": "a column `api_token`",
}


def probed(variant: str) -> dict[str, str]:
    """Run the probes of one package in this process."""
    import django
    from django.conf import settings as configured

    configured.configure(**settings(variant, None))
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)  # what has migrations, before what refers to it
    call_command("migrate", run_syncdb=True, verbosity=0)
    if variant == "django-auditlog":
        from auditlog.registry import auditlog

        from benchmarks.django_items.models import Thing

        auditlog.register(Thing)
    found: dict[str, str] = {}
    probe = Probe(variant)
    with scope(variant):
        for name in QUESTIONS:
            probe.thing.objects.all().delete()
            found[name] = getattr(probe, f"on_{name}")()
    return found


def main() -> None:
    """Probe every package, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", default="", help="folder that the peers are installed in")
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.variant:
        sys.stdout.write(json.dumps(probed(said.variant)))
        return
    if said.peers:
        sys.path.append(said.peers)
    variants = ["whodid", *(name for name, module in PEERS.items() if importlib.util.find_spec(module))]
    found: dict[str, dict[str, str]] = {}
    for variant in variants:
        if variant == "django-pghistory":
            continue  # it needs PostgreSQL; its triggers see every row, and hide nothing
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), said.peers)))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.capture_django_probe", "--variant", variant],
            env={**os.environ, "VARIANT": variant, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            check=True,
        )
        found[variant] = json.loads(done.stdout)
    table(
        "What is recorded of a Django model",
        ["", *found],
        [[text, *(answers[name] for answers in found.values())] for name, text in QUESTIONS.items()],
    )


if __name__ == "__main__":
    main()
