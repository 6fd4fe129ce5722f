"""S20, price: what watching costs, in what can be counted on any machine; `benchmarks/capture*.py` measure the time.

Counted are statements, function calls (of Python and of C), memory and bytes. A function that is called once too often
per row, a list that is looked through once per row, a statement per row: each shows here without a clock.
"""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

import whodid
from benchmarks.capture import contact
from tests import djangoing
from tests.djangoing import AISHA, queries
from whodid.capture import Capture, context
from whodid.capture.sqlalchemy import install

ROWS = 200
MOST = {"create": 125, "load": 0.5, "update": 115, "delete": 185}
"""Calls that watching may add to a row of the table of the benchmark; loading has a fixed part only."""
MOST_OF_DJANGO = {"create": 145, "load": 0.5, "update": 150, "delete": 330}


class Counted:
    """Counts the calls of functions, of Python and of C, while it is entered."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Self:
        gc.collect()
        gc.disable()  # what the collector finalizes is not the work that is counted
        self._before = sys.getprofile()
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)
        gc.enable()

    def _count(self, _frame: object, happened: str, _what: object) -> None:
        self.calls += happened in {"call", "c_call"}


# ---------------------------------------------------------------------------------------------------------- SQLAlchemy


class Shop:
    """One application in memory, watched or not."""

    def __init__(self, *, watched: bool) -> None:
        base: Any = sa.orm.declarative_base()
        self.model = contact(base)
        self.engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        self.sessions = sessionmaker(self.engine)
        base.metadata.create_all(self.engine)
        if watched:
            capture = Capture(whodid.builtin(), lambda *_: "f", workspace="w1", strict=True)
            self.handle = install(self.sessions, capture, models=[self.model])
            self.handle.outbox.create()
        self.statements: list[str] = []
        sa.event.listen(self.engine, "before_cursor_execute", lambda *told: self.statements.append(told[2]))

    def play(self, work: Callable[[Session], object], rows: int = ROWS) -> list[str]:
        """Do something in a transaction of its own; return its statements."""
        self.statements.clear()
        with context(actor=AISHA), self.sessions.begin() as session:
            work(session)
        return list(self.statements)

    def create(self, rows: int = ROWS) -> Callable[[Session], None]:
        """Return what creates rows."""
        return lambda session: session.add_all(
            self.model(id=number, name=f"Person {number}", email=f"p{number}@example.org", city="Madrid", age=40)
            for number in range(1, rows + 1)
        )

    def load(self, session: Session) -> list[Any]:
        """Load all rows."""
        return list(session.scalars(sa.select(self.model)))

    def update(self, session: Session) -> None:
        """Change two columns of each row."""
        for one in self.load(session):
            one.city, one.age = "Getafe", one.age + 1

    def delete(self, session: Session) -> None:
        """Delete all rows."""
        for one in self.load(session):
            session.delete(one)

    def phases(self, rows: int = ROWS) -> dict[str, Callable[[Session], Any]]:
        """Return the phases of the benchmark."""
        return {"create": self.create(rows), "load": self.load, "update": self.update, "delete": self.delete}


@pytest.fixture
def shops() -> Iterator[tuple[Shop, Shop]]:
    """Open an application that is not watched and one that is, with everything compiled."""
    plain, watched = Shop(watched=False), Shop(watched=True)
    for shop in (plain, watched):
        for work in shop.phases(2).values():
            shop.play(work)
    yield plain, watched
    watched.handle.remove()
    plain.engine.dispose()
    watched.engine.dispose()


def test_one_statement_more_per_transaction(shops: tuple[Shop, Shop]) -> None:
    """Whatever the number of rows, writing costs one statement; reading costs none."""
    plain, watched = shops
    for rows in (1, ROWS):
        for name, work in plain.phases(rows).items():
            more = len(watched.play(watched.phases(rows)[name])) - len(plain.play(work))

            assert more == (0 if name == "load" else 1), (name, rows)


@pytest.mark.parametrize("name", ["create", "load", "update", "delete"])
def test_the_work_per_row_is_bounded(shops: tuple[Shop, Shop], name: str) -> None:
    """The calls that a row adds are few, and no more when the rows are many."""
    added = []
    for rows in (ROWS, 2 * ROWS):
        calls = []
        for shop in shops:
            if name != "create":
                shop.play(shop.create(rows))
            with Counted() as work:
                shop.play(shop.phases(rows)[name])
            calls.append(work.calls)
            if name != "delete":
                shop.play(shop.delete)
        added.append((calls[1] - calls[0]) / rows)
    few, many = added

    assert few <= MOST[name]
    assert many <= few * 1.02 + 0.1


def test_an_entry_is_as_large_as_its_change(shops: tuple[Shop, Shop]) -> None:
    """An update of two columns of nine carries two, and nothing that stays in memory once it is committed."""
    _, watched = shops
    watched.play(watched.create())
    stays, peaks = [], []
    tracemalloc.start()
    try:
        watched.play(watched.update)  # what is made once is made
        for _ in range(3):  # the trace counts every thread of the process: the quietest round is ours
            gc.collect()
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            watched.play(watched.update)
            _, most = tracemalloc.get_traced_memory()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
            stays.append(after - before)
            peaks.append(most - before)
    finally:
        tracemalloc.stop()
    table = watched.handle.outbox.table
    with watched.engine.connect() as connection:
        newest = connection.scalars(sa.select(table.c.event).order_by(table.c.place.desc()).limit(ROWS)).all()

    assert all(len(event) < 500 for event in newest)
    assert min(stays) < 100 * ROWS  # an event that stayed would be more than four times that
    assert min(peaks) < 10_000 * ROWS


# -------------------------------------------------------------------------------------------------------------- Django


@pytest.fixture
def default(request: pytest.FixtureRequest) -> str:
    """Prepare the first database only."""
    return djangoing.prepared("default", request)


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


def _phases(alias: str, rows: int) -> dict[str, Callable[[], object]]:
    from django.db import transaction

    from tests.django_host.shop.models import Tag

    def create() -> None:
        with transaction.atomic(alias):
            for number in range(rows):
                Tag.objects.create(name=f"tag {number}")

    def update() -> None:
        with transaction.atomic(alias):
            for tag in Tag.objects.all():
                tag.name += "!"
                tag.save()

    def delete() -> None:
        with transaction.atomic(alias):
            for tag in Tag.objects.all():
                tag.delete()

    return {"create": create, "load": lambda: list(Tag.objects.all()), "update": update, "delete": delete}


def _measured(alias: str, rows: int, *, watched: bool) -> dict[str, tuple[int, int]]:
    """Return the calls and the statements of each phase."""
    from django.apps import apps

    hook = apps.get_app_config("whodid").hook
    if not watched:
        hook.remove()
    try:
        found = {}
        for name, work in _phases(alias, rows).items():
            with queries(alias) as seen, Counted() as counted:
                work()
            found[name] = counted.calls, len(seen)
        return found
    finally:
        hook.install()


def test_django_pays_a_statement_for_two_hundred_rows(alias: str) -> None:
    """One statement more for each 200 rows, none for reading, and few calls per row, however many rows there are."""
    for watched in (False, True):
        _measured(alias, 2, watched=watched)  # what is made once is made
    added = {}
    for rows in (200, 600):
        plain, priced = _measured(alias, rows, watched=False), _measured(alias, rows, watched=True)
        added[rows] = {name: (priced[name][0] - plain[name][0]) / rows for name in plain}

        assert {name: priced[name][1] - plain[name][1] for name in plain} == {
            "create": rows // 200, "load": 0, "update": rows // 200, "delete": rows // 200
        }  # fmt: skip
    for name, few in added[200].items():
        assert few <= MOST_OF_DJANGO[name], name
        assert added[600][name] <= few * 1.05 + 0.1, name


def test_what_is_remembered_for_a_rollback_is_looked_through_rarely(default: str) -> None:
    """Ten thousand objects that are alive and saved in one transaction cost no look through all of them per save."""
    from django.apps import apps
    from django.db import connections

    from whodid.capture.django.unit import Unit

    class State:
        """What an object keeps."""

    unit = Unit(apps.get_app_config("whodid").hook, connections[default])
    states = [State() for _ in range(10_000)]
    lists: list[Any] = []
    for state in states:
        unit.knows(state, None)
        if not lists or lists[-1] is not unit._known:
            lists.append(unit._known)

    assert len(unit._known) == len(states)
    assert len(lists) < 8


# ----------------------------------------------------------------------------------------------------------- the spool


def test_recording_to_the_spool_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement, no network and no sync in the caller's path: an append of one frame per event."""
    from tests.capturing import event
    from whodid.capture.remote.spool import Spool

    spool = Spool(tmp_path / "spool", max_bytes=2**20)
    spool.take("w1", [event(0)])
    calls: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any) -> Any:
            calls.append(name)
            return real(*args)

        return call

    for name in ("write", "fsync", "fdatasync", "open"):
        monkeypatch.setattr(os, name, counted(name))
    for number in range(1, 21):
        spool.take("w1", [event(number)])
    monkeypatch.undo()
    spool.close(delivered=False)

    assert calls == ["write"] * 20
