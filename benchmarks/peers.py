"""Durable entries per second, against two peers as their users run them.

Method: an application changes one field of a row and the library writes what changed, one transaction per change, on a
SQLite file with the durability each stack has by default (a sync per commit). whodid records the same change as an
event with the same values: one by one, as the peers do, and in batches of 100, as its outbox relay does. Each
contestant runs in its own process; rounds are interleaved. Printed: entries per second and the ratio to each peer in
the same round.

The peers are not dependencies of the project:

    python -m pip install -r benchmarks/peers.txt
    python -m benchmarks.peers [--rounds 3] [--entries 300]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from benchmarks.measure import machine, spread, table

_BATCH = 100


def auditlog(folder: Path, count: int) -> float:
    """Change rows of a Django model that django-auditlog watches."""
    import django
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "auditlog"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "django.db")}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    from auditlog.models import LogEntry
    from auditlog.registry import auditlog as registry
    from django.core.management import call_command
    from django.db import connection, models

    class Contact(models.Model):  # type: ignore[misc]
        """What is watched."""

        name = models.CharField(max_length=100)
        city = models.CharField(max_length=100)
        phone = models.CharField(max_length=30)

        class Meta:
            """Where it belongs."""

            app_label = "auth"

        def __str__(self) -> str:
            return str(self.name)

    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Contact)
    registry.register(Contact)
    contact = Contact.objects.create(name="Juan Pérez", city="Getafe", phone="+34611204880")
    before = LogEntry.objects.count()
    started = time.perf_counter()
    for number in range(count):
        contact.city = f"Madrid {number}"
        contact.save()
    seconds = time.perf_counter() - started
    assert LogEntry.objects.count() - before == count
    return count / seconds


def continuum(folder: Path, count: int) -> float:
    """Change rows of a SQLAlchemy model that Continuum versions."""
    import sqlalchemy as sa
    from sqlalchemy.orm import Session, configure_mappers, declarative_base
    from sqlalchemy_continuum import make_versioned, version_class

    make_versioned(user_cls=None)
    base = declarative_base()

    class Contact(base):  # type: ignore[misc,valid-type]
        """What is versioned."""

        __versioned__: ClassVar[dict[str, str]] = {}
        __tablename__ = "contact"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(100))
        city = sa.Column(sa.String(100))
        phone = sa.Column(sa.String(30))

    configure_mappers()
    engine = sa.create_engine(f"sqlite:///{folder}/continuum.db")
    base.metadata.create_all(engine)
    with Session(engine) as session:
        contact = Contact(name="Juan Pérez", city="Getafe", phone="+34611204880")
        session.add(contact)
        session.commit()
        started = time.perf_counter()
        for number in range(count):
            contact.city = f"Madrid {number}"  # type: ignore[assignment]
            session.commit()
        seconds = time.perf_counter() - started
        versions = session.scalar(sa.select(sa.func.count()).select_from(version_class(Contact)))
    assert versions == count + 1
    return count / seconds


def whodid_single(folder: Path, count: int) -> float:
    """Record one event per transaction."""
    return _whodid(folder, count, 1)


def whodid_batches(folder: Path, count: int) -> float:
    """Record 100 events per transaction."""
    return _whodid(folder, max(count, 20 * _BATCH), _BATCH)


def _whodid(folder: Path, count: int, size: int) -> float:
    import whodid

    actor = whodid.Actor(type="user", id="usr_1", name="Maria Torres", email="maria@example.org")
    contact = whodid.Resource(type="contact", id="con_1", name="Juan Pérez")

    def event(number: int) -> whodid.Event:
        change = whodid.Change(path="city", before=f"Madrid {number - 1}", after=f"Madrid {number}")
        return whodid.Event(
            id=str(uuid4()),
            occurred_at=datetime.now(UTC),
            actor=actor,
            action="contact.updated",
            resource=contact,
            changes=(change,),
        )

    with whodid.open(f"sqlite:///{folder}/audit.db") as log:
        log.record("bench", event(0))
        started = time.perf_counter()
        for first in range(0, count, size):
            log.record_many("bench", [event(number) for number in range(first, first + size)])
        seconds = time.perf_counter() - started
        assert log.head("bench").size == count + 1
    return count / seconds


CONTESTANTS: dict[str, Callable[[Path, int], float]] = {
    "whodid, one by one": whodid_single,
    "whodid, batches of 100": whodid_batches,
    "django-auditlog": auditlog,
    "SQLAlchemy-Continuum": continuum,
}


def run(name: str, count: int) -> float:
    """Run a contestant in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers", "--only", name, "--entries", str(count)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{name} did not run:\n{ran.stderr}\nInstall the peers: pip install -r benchmarks/peers.txt")
    return float(json.loads(ran.stdout))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--entries", type=int, default=300)
    parser.add_argument("--only", choices=sorted(CONTESTANTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        with tempfile.TemporaryDirectory(prefix="whodid-bench-") as folder:
            print(json.dumps(CONTESTANTS[options.only](Path(folder), options.entries)))
        return
    print(f"Durable entries, one transaction per change, against peers.\n{machine()}")
    rates: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(options.rounds):
        for name, found in rates.items():
            found.append(run(name, options.entries))
    rows = []
    for name, found in rates.items():
        ratios = [
            spread([ours / theirs for ours, theirs in zip(found, rates[peer], strict=True)], ".1f")
            for peer in ("django-auditlog", "SQLAlchemy-Continuum")
        ]
        rows.append((name, f"{statistics.median(found):,.0f}", *ratios))
    table("Entries per second, median; ratios per round", ("", "entries/s", "× auditlog", "× Continuum"), rows)


if __name__ == "__main__":
    main()
