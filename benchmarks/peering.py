"""What each contestant of `peers.py` does: one change of one row, written together with the trace that it leaves.

Django and SQLAlchemy are set up by the benchmarks of capture. A contestant gets a place and a count, and returns
entries per second; it insists that as many traces were left as changes were made.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from benchmarks import capture, capture_django

__all__ = ["CONTESTANTS", "IMMUDB", "NEEDS", "OURS", "PLAIN", "Place"]

OURS = "whodid, one by one"
PLAIN = "the bare engine, a row of JSON"
IMMUDB = "immudb, one by one"
_BATCH = 100


class Place(NamedTuple):
    """Where a contestant may write.

    Args:
        folder: An empty one.
        postgres: The address of an empty database; without it, SQLite in the folder is what is measured.
        immudb: The program of immudb, if there is one.
    """

    folder: Path
    postgres: str | None = None
    immudb: str | None = None


Contestant = Callable[[Place, int], float]


def _rate(count: int, change: Callable[[int], object]) -> float:
    started = time.perf_counter()
    for number in range(count):
        change(number)
    return count / (time.perf_counter() - started)


# ---------------------------------------------------------------------------------------------------------- ourselves


def whodid_single(place: Place, count: int) -> float:
    """Record one event per transaction."""
    return _whodid(place, count, 1)


def whodid_batches(place: Place, count: int) -> float:
    """Record 100 events per transaction."""
    return _whodid(place, max(count, 20 * _BATCH), _BATCH)


def _whodid(place: Place, count: int, size: int) -> float:
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

    url = place.postgres or f"sqlite:///{place.folder}/audit.db"
    with whodid.open(url, key=place.folder / "key") as log:
        log.record("bench", event(0))

        def batch(number: int) -> None:
            log.record_many("bench", [event(one) for one in range(number * size, (number + 1) * size)])

        rate = _rate(count // size, batch) * size
        assert log.head("bench").size == count // size * size + 1
    return rate


def plain(place: Place, count: int) -> float:
    """Insert a row of JSON with an indexed time, one transaction each: the least that leaves a trace."""
    create = "CREATE TABLE trace (id {} PRIMARY KEY, at text NOT NULL, body text NOT NULL)"
    index = "CREATE INDEX trace_at ON trace (at)"

    def values(number: int) -> tuple[str, str]:
        change = {"path": "city", "before": f"Madrid {number - 1}", "after": f"Madrid {number}"}
        actor = {"type": "user", "id": "usr_1", "name": "Maria Torres"}
        body = {"id": str(uuid4()), "actor": actor, "action": "contact.updated", "changes": [change]}
        return datetime.now(UTC).isoformat(), json.dumps(body)

    if place.postgres:
        import psycopg

        with psycopg.connect(place.postgres, autocommit=True) as server:
            server.execute(create.format("bigserial"))
            server.execute(index)
            return _rate(
                count, lambda number: server.execute("INSERT INTO trace (at, body) VALUES (%s, %s)", values(number))
            )
    import apsw

    file = apsw.Connection(str(place.folder / "plain.db"))
    for setting in ("journal_mode = WAL", "synchronous = FULL"):
        file.execute(f"PRAGMA {setting}")
    file.execute(create.format("integer"))
    file.execute(index)
    return _rate(count, lambda number: file.execute("INSERT INTO trace (at, body) VALUES (?, ?)", values(number)))


# ------------------------------------------------------------------------------------------------------------- Django


def _on_django(variant: str, traces: Callable[[Any], int]) -> Contestant:
    """Return the contestant that changes a Django model which a package watches.

    Args:
        traces: Count what the package has kept about the model.
    """

    def run(place: Place, count: int) -> float:
        import django
        from django.conf import settings

        os.environ["VARIANT"] = variant
        chosen = capture_django.settings(variant, place.postgres)
        if place.postgres is None:
            chosen["DATABASES"]["default"]["NAME"] = str(place.folder / "django.db")
        settings.configure(**chosen)
        django.setup()
        from django.core.management import call_command
        from django.db import transaction
        from django.utils import timezone

        from benchmarks.django_items.models import Item

        call_command("migrate", verbosity=0)  # what has migrations, before what refers to it
        call_command("migrate", run_syncdb=True, verbosity=0)
        capture_django.registered(variant, Item)
        item = Item.objects.create(name="Juan Pérez", status="new", amount="10.50", quantity=1, made=timezone.now())
        before = traces(Item)

        def change(number: int) -> None:
            with transaction.atomic():
                item.note = f"Madrid {number}"
                item.save()

        rate = _rate(count, change)
        assert traces(Item) - before == count
        return rate

    return run


def _counted(module: str, name: str) -> Callable[[Any], int]:
    """Return what counts the rows of a model of a package."""

    def count(_: Any) -> int:
        from importlib import import_module

        return int(getattr(import_module(module), name).objects.count())

    return count


def _counted_event(model: Any) -> int:
    """Count what django-pghistory made beside a model."""
    from django.apps import apps

    return int(apps.get_model("django_items", f"{model.__name__}Event").objects.count())


# --------------------------------------------------------------------------------------------------------- SQLAlchemy


def _on_sqlalchemy(prepare: Callable[[Any], tuple[Any, Any, Callable[[], None]]]) -> Contestant:
    """Return the contestant that changes a SQLAlchemy model which a package watches."""

    def run(place: Place, count: int) -> float:
        import sqlalchemy as sa

        if place.postgres:
            address = place.postgres.replace("postgresql://", "postgresql+psycopg://")
        else:
            address = f"sqlite:///{place.folder}/alchemy.db"
        sessions, class_, check = prepare(sa.create_engine(address))
        with sessions() as session:
            contact = class_(id=1, name="Juan Pérez", city="Getafe", phone="+34611204880")
            session.add(contact)
            session.commit()

            def change(number: int) -> None:
                contact.city = f"Madrid {number}"
                session.commit()

            rate = _rate(count, change)
        check()
        return rate

    return run


# ------------------------------------------------------------------------------------------------------------- immudb


def immudb_single(place: Place, count: int) -> float:
    """Set one key per transaction of immudb, with the event as its value."""
    return _immudb(place, count, 1)


def immudb_batches(place: Place, count: int) -> float:
    """Set 100 keys per transaction of immudb."""
    return _immudb(place, max(count, 20 * _BATCH), _BATCH)


def _immudb(place: Place, count: int, size: int) -> float:
    from immudb import ImmudbClient

    def values(number: int) -> dict[bytes, bytes]:
        change = {"path": "city", "before": f"Madrid {number - 1}", "after": f"Madrid {number}"}
        actor = {"type": "user", "id": "usr_1", "name": "Maria Torres"}
        return {
            uuid4().bytes: json.dumps({"actor": actor, "action": "contact.updated", "changes": [change]}).encode()
            for _ in range(size)
        }

    with _immudb_server(place) as port:
        client = ImmudbClient(f"127.0.0.1:{port}")
        client.login("immudb", "immudb")
        before = client.currentState().txId
        rate = _rate(count // size, lambda number: client.setAll(values(number))) * size
        assert client.currentState().txId - before == count // size
    return rate


@contextlib.contextmanager
def _immudb_server(place: Place) -> Iterator[int]:
    """Run the program with its usual settings, one of which is a sync before it answers; give its port."""
    assert place.immudb
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [place.immudb, "--dir", str(place.folder / "immudb"), "--address", "127.0.0.1", "--port", str(port)]
    command += ["--web-server=false", "--metrics-server=false", "--pgsql-server=false"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


# ---------------------------------------------------------------------------------------------------------------- all

_DJANGO: Mapping[str, Callable[[Any], int]] = {
    "django-auditlog": _counted("auditlog.models", "LogEntry"),
    "django-simple-history": lambda model: int(model.history.count()),
    "django-easy-audit": _counted("easyaudit.models", "CRUDEvent"),
    "django-pghistory": _counted_event,
}

CONTESTANTS: dict[str, Contestant] = {
    OURS: whodid_single,
    "whodid, batches of 100": whodid_batches,
    PLAIN: plain,
    **{name: _on_django(name, traces) for name, traces in _DJANGO.items()},
    "SQLAlchemy-Continuum": _on_sqlalchemy(capture.continuum),
    "postgresql-audit": _on_sqlalchemy(capture.peer_triggers),
    IMMUDB: immudb_single,
    "immudb, batches of 100": immudb_batches,
}

NEEDS: dict[str, str] = {
    **capture_django.PEERS,
    "SQLAlchemy-Continuum": "sqlalchemy_continuum",
    "postgresql-audit": "postgresql_audit",
    IMMUDB: "immudb",
    "immudb, batches of 100": "immudb",
}
"""The module that a contestant needs, which no part of whodid does."""
