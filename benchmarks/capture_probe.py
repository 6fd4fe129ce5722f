"""What whodid and SQLAlchemy-Continuum record of an SQLAlchemy model, and what they miss.

Each runs in a process of its own, on SQLite, as it comes: installed, and not configured any further.

    python -m benchmarks.capture_probe --peers FOLDER
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, configure_mappers, declarative_base, sessionmaker

from benchmarks.measure import table

SECRET = "tok-4711-secret"


class Deliberate(Exception):
    """Raised in the middle of something."""


def thing(base: Any) -> Any:
    """Declare the table."""

    class Thing(base):  # type: ignore[misc]
        """What is changed."""

        __tablename__ = "thing"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(100), unique=True)
        city = sa.Column(sa.String(100))
        api_token = sa.Column(sa.String(100))

    return Thing


class Whodid:
    """Whodid, installed on both kinds of sessions."""

    def __init__(self, engine: sa.Engine, sessions: Any, later: Any) -> None:
        import whodid
        from whodid.capture import Capture, context
        from whodid.capture.sqlalchemy import install

        base: Any = declarative_base()
        self.thing = thing(base)
        capture = Capture(whodid.builtin(), lambda *_: "f", strict=True)
        handles = [install(sessions, capture), install(later, capture)]
        base.metadata.create_all(engine)
        handles[0].outbox.create()
        actor = whodid.Actor(type="user", id="usr_1", name="Maria Torres")
        context(actor=actor, workspace="w1").__enter__()
        self.query = "SELECT event FROM whodid_outbox"


class Continuum:
    """SQLAlchemy-Continuum: every change is a row of a version table."""

    def __init__(self, engine: sa.Engine, _: Any, __: Any) -> None:
        from sqlalchemy_continuum import make_versioned

        make_versioned(user_cls=None)
        base: Any = declarative_base()
        self.thing = thing(type("Versioned", (base,), {"__abstract__": True, "__versioned__": {}}))
        configure_mappers()
        base.metadata.create_all(engine)
        self.query = "SELECT name || coalesce(city, '') || coalesce(api_token, '') FROM thing_version"


VARIANTS: dict[str, tuple[str, Callable[[sa.Engine, Any, Any], Any]]] = {
    "whodid": ("whodid", Whodid),
    "SQLAlchemy-Continuum": ("sqlalchemy_continuum", Continuum),
}


class Probe:
    """One package, and the ways to change a thing.

    Args:
        variant: Its name.
        folder: For the database.
    """

    def __init__(self, variant: str, folder: Path) -> None:
        self.engine = sa.create_engine(f"sqlite:///{folder}/probe.db")
        self.sessions = sessionmaker(self.engine)
        self.other = create_async_engine(f"sqlite+aiosqlite:///{folder}/probe.db")
        self.later: async_sessionmaker[AsyncSession] = async_sessionmaker(self.other)
        made = VARIANTS[variant][1](self.engine, self.sessions, self.later)
        self.thing, self._query = made.thing, made.query

    def entries(self) -> list[str]:
        """Return what was recorded, as text."""
        with self.engine.connect() as connection:
            return [str(row[0]) for row in connection.exec_driver_sql(self._query)]

    def fresh(self, many: int = 1) -> list[int]:
        """Return the ids of that many new things, and of no others."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM thing")
        with self.sessions.begin() as session:
            made = [self.thing(name=f"n{at}", city="Madrid", api_token="x") for at in range(many)]
            session.add_all(made)
            session.flush()
            return [one.id for one in made]

    def counted(self, work: Callable[[Session], object]) -> int:
        """Return how many entries some work in a transaction leaves."""
        before = len(self.entries())
        with suppress(Deliberate, sa.exc.IntegrityError), self.sessions.begin() as session:
            work(session)
        return len(self.entries()) - before

    def _rows(self, work: Callable[[Session], object], want: int = 3) -> str:
        found = self.counted(work)
        return "every row" if found == want else "**missed**" if not found else f"**{found} of {want}**"

    def on_failing(self) -> str:
        """A constraint that breaks."""
        self.fresh()
        found = self.counted(lambda session: session.add_all([self.thing(name="a"), self.thing(name="n0")]))
        return "nothing" if not found else "**a ghost**"

    def on_savepoint(self) -> str:
        """A change in a savepoint that is rolled back."""
        self.fresh()

        def work(session: Session) -> None:
            nested = session.begin_nested()
            session.add(self.thing(name="gone"))
            session.flush()
            nested.rollback()

        return "nothing" if not self.counted(work) else "**a ghost**"

    def on_commit_hook(self) -> str:
        """A listener that raises after the commit."""
        self.fresh()

        def broken(_: Session) -> None:
            raise Deliberate

        def work(session: Session) -> None:
            sa.event.listen(session, "after_commit", broken)
            session.add(self.thing(name="kept"))

        return "kept" if self.counted(work) else "**lost**"

    def on_update(self) -> str:
        """`update()` through the session."""
        self.fresh(3)
        return self._rows(lambda session: session.execute(sa.update(self.thing).values(city="Oslo")))

    def on_insert(self) -> str:
        """`insert()` of a list."""
        self.fresh()
        rows = [{"name": f"b{at}"} for at in range(3)]
        return self._rows(lambda session: session.execute(sa.insert(self.thing), rows))

    def on_delete(self) -> str:
        """`delete()` through the session."""
        self.fresh(3)
        return self._rows(lambda session: session.execute(sa.delete(self.thing)))

    def on_mappings(self) -> str:
        """The legacy bulk methods."""
        rows = [{"id": key, "city": "Oslo"} for key in self.fresh(3)]
        return self._rows(lambda session: session.bulk_update_mappings(self.thing, rows))

    def on_text(self) -> str:
        """SQL as text, on the connection of the session."""
        self.fresh()
        found = self.counted(lambda session: session.connection().execute(sa.text("UPDATE thing SET city = 'raw'")))
        return "noticed" if found else "**missed**"

    def on_unread(self) -> str:
        """In an asynchronous session, a value that is overwritten before it was read again."""
        (key,) = self.fresh()

        async def work() -> None:
            async with self.later() as session:
                one = await session.get(self.thing, key)
                await session.commit()  # what was loaded expires
                assert one is not None
                one.city = "Oslo"
                await session.commit()

        before = len(self.entries())
        try:
            asyncio.run(work())
        except sa.exc.StatementError:
            return "**the change fails** (`MissingGreenlet`)"
        return "recorded" if len(self.entries()) > before else "**missed**"

    def on_equal(self) -> str:
        """An equal value is assigned."""
        (key,) = self.fresh()

        def work(session: Session) -> None:
            session.get_one(self.thing, key).city = "Madrid"

        return "nothing" if not self.counted(work) else "**an entry**"

    def on_back(self) -> str:
        """A value that is changed and changed back in one transaction."""
        (key,) = self.fresh()

        def work(session: Session) -> None:
            one = session.get_one(self.thing, key)
            for city in ("Oslo", "Madrid"):
                one.city = city
                session.flush()

        return "nothing" if not self.counted(work) else "**an entry**"

    def on_secret(self) -> str:
        """A column that is called `api_token`."""
        self.fresh()
        self.counted(lambda session: session.add(self.thing(name="s", api_token=SECRET)))
        return "hidden" if SECRET not in "".join(self.entries()) else "**in clear**"


QUESTIONS = {
    "failing": "a transaction that fails",
    "savepoint": "a savepoint that is rolled back",
    "commit_hook": "an `after_commit` listener of the application raises",
    "update": "`update()` through the session",
    "insert": "`insert()` of a list",
    "delete": "`delete()` through the session",
    "mappings": "`bulk_update_mappings`",
    "text": "SQL as text on the connection",
    "unread": "a value overwritten unread, in an `AsyncSession`",
    "equal": "an equal value is assigned",
    "back": "changed and changed back in one transaction",
    "secret": "a column `api_token`",
}


def probed(variant: str) -> dict[str, str]:
    """Run the probes of one package in this process."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Probe(variant, Path(folder))
        return {name: getattr(probe, f"on_{name}")() for name in QUESTIONS}


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
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), said.peers)))
    found: dict[str, dict[str, str]] = {}
    for variant in (name for name, (module, _) in VARIANTS.items() if importlib.util.find_spec(module)):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.capture_probe", "--variant", variant],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            check=True,
        )
        found[variant] = json.loads(done.stdout)
    table(
        "What is recorded of an SQLAlchemy model",
        ["", *found],
        [[text, *(answers[name] for answers in found.values())] for name, text in QUESTIONS.items()],
    )


if __name__ == "__main__":
    main()
