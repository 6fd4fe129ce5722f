"""What capture adds to a changed row, against the plain ORM and the peers that record before and after in Python.

Method: one table of nine columns. A round creates rows, changes two columns of each, deletes them and loads rows, in
transactions of `--rows`. Each contestant runs in its own process with a database of its own in memory (SQLite) or on a
server that the script starts (PostgreSQL, `--postgres`); rounds are interleaved. Counted is the processor time of the
process, and on PostgreSQL that of the server's process for it, where triggers do their work (Linux tells it to ten
milliseconds); the garbage collector works, and begins every phase afresh. Printed: the ratio to the plain ORM in the
same round, median (least–greatest), and the microseconds added per row. Everything is on: redaction, typed values, the
scope, the net below the session.

    python -m pip install -r benchmarks/peers.txt
    python -m benchmarks.capture [--rounds 5] [--rows 1000] [--one-by-one] [--postgres]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, configure_mappers, declarative_base, sessionmaker

from benchmarks.capturing import PHASES, Figures, rounds, show
from benchmarks.measure import machine, timed

PLAIN = "plain SQLAlchemy"


def contact(base: Any) -> Any:
    """Declare the table."""

    class Contact(base):  # type: ignore[misc]
        """What is changed."""

        __tablename__ = "contact"
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String(100))
        email = sa.Column(sa.String(200))
        phone = sa.Column(sa.String(30))
        city = sa.Column(sa.String(100))
        age = sa.Column(sa.Integer)
        balance = sa.Column(sa.Numeric(10, 2, asdecimal=True))
        active = sa.Column(sa.Boolean)
        joined_at = sa.Column(sa.DateTime)

    return Contact


def plain(engine: sa.Engine) -> tuple[Any, Any, Callable[[], None]]:
    """Prepare the plain ORM."""
    base: Any = declarative_base()
    class_ = contact(base)
    base.metadata.create_all(engine)
    return sessionmaker(engine), class_, lambda: None


def ours(engine: sa.Engine, *, by_triggers: bool = False) -> tuple[Any, Any, Callable[[], None]]:
    """Prepare whodid: its hook, or its triggers."""
    import whodid
    from whodid.capture import Capture, context
    from whodid.capture.sqlalchemy import install

    base: Any = declarative_base()
    class_ = contact(base)
    sessions = sessionmaker(engine)
    capture = Capture(whodid.builtin(), lambda *_: "f", strict=True)
    handle = install(sessions, capture, triggers=[class_] if by_triggers else ())
    base.metadata.create_all(engine)
    handle.outbox.create()
    if by_triggers:
        with engine.begin() as connection:
            connection.exec_driver_sql(handle.triggers().install(), execution_options={"no_parameters": True})
    actor = whodid.Actor(type="user", id="usr_1", name="Maria Torres", email="maria@example.org")
    scope = context(actor=actor, workspace="w1", source="web", ip="203.0.113.7", request="req_1")
    scope.__enter__()

    def check() -> None:
        assert handle.outbox.backlog().waiting

    return sessions, class_, check


def continuum(engine: sa.Engine, **options: Any) -> tuple[Any, Any, Callable[[], None]]:
    """Prepare SQLAlchemy-Continuum."""
    from sqlalchemy_continuum import make_versioned, version_class

    make_versioned(user_cls=None, options=options)
    base: Any = declarative_base()
    versioned = type("Versioned", (base,), {"__abstract__": True, "__versioned__": {}})
    class_ = contact(versioned)
    configure_mappers()
    base.metadata.create_all(engine)

    def check() -> None:
        with Session(engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(version_class(class_)))

    return sessionmaker(engine), class_, check


def peer_triggers(engine: sa.Engine) -> tuple[Any, Any, Callable[[], None]]:
    """Prepare postgresql-audit, which records in triggers."""
    from postgresql_audit import versioning_manager

    base: Any = declarative_base()
    versioning_manager.init(base)
    versioned = type("Versioned", (base,), {"__abstract__": True, "__versioned__": {}})
    class_ = contact(versioned)
    configure_mappers()
    # Its functions are made with its own tables, and are needed when the others are made.
    own = [versioning_manager.transaction_cls.__table__, versioning_manager.activity_cls.__table__]
    base.metadata.create_all(engine, tables=own)
    base.metadata.create_all(engine)

    def check() -> None:
        with Session(engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(versioning_manager.activity_cls))

    return sessionmaker(engine), class_, check


ON_POSTGRES = {
    "whodid, triggers": lambda engine: ours(engine, by_triggers=True),
    "postgresql-audit": peer_triggers,
}

CONTESTANTS: dict[str, Callable[[sa.Engine], tuple[Any, Any, Callable[[], None]]]] = {
    PLAIN: plain,
    "whodid": ours,
    "SQLAlchemy-Continuum": continuum,
    "SQLAlchemy-Continuum, subquery": lambda engine: continuum(engine, strategy="subquery"),
    **ON_POSTGRES,
}


def served(engine: sa.Engine) -> float:
    """Return the processor seconds that the server's process behind our connection has used; 0 where there is none."""
    if engine.dialect.name == "sqlite":
        return 0.0
    with engine.connect() as connection:
        process: int = connection.scalar(sa.text("SELECT pg_backend_pid()"))
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def measure(name: str, url: str, rows: int, step: int) -> Figures:
    """Run one round of a contestant and return microseconds per row."""
    # One connection for all: the server's process behind it is the one whose time is counted.
    engine = sa.create_engine(url, poolclass=sa.StaticPool)
    if "postgres" in url:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
    sessions, class_, check = CONTESTANTS[name](engine)
    joined = datetime(2026, 1, 1)  # noqa: DTZ001 - the column has no zone

    def create() -> None:
        for first in range(1, rows + 1, step):
            with sessions.begin() as session:
                session.add_all(
                    class_(
                        id=number,
                        name=f"Person number {number}",
                        email=f"person{number}@example.org",
                        phone="+34 600 000 000",
                        city="Madrid",
                        age=number % 90,
                        balance=Decimal("10.50"),
                        active=True,
                        joined_at=joined,
                    )
                    for number in range(first, first + step)
                )

    def each(change: Callable[[Any, Any], None]) -> None:
        for first in range(1, rows + 1, step):
            with sessions.begin() as session:
                found = session.execute(sa.select(class_).where(class_.id >= first).limit(step)).scalars().all()
                change(session, found)

    def update(_session: Any, found: Any) -> None:
        for one in found:
            one.city = f"Getafe {one.id}"
            one.age += 1

    def delete(session: Any, found: Any) -> None:
        for one in found:
            session.delete(one)

    def load() -> None:
        for _ in range(3):
            with sessions() as session:
                assert len(session.execute(sa.select(class_)).scalars().all()) == rows

    work: dict[str, Callable[[], object]] = {
        "create": create,
        "load": load,
        "update": lambda: each(update),
        "delete": lambda: each(delete),
    }
    with sessions.begin() as session:  # everything is compiled once
        session.add(class_(id=rows + 1, name="x"))
        session.flush()
        one = session.get(class_, rows + 1)
        one.city = "y"
        session.flush()
        session.delete(one)
    found = {}
    for name_, part in work.items():
        gc.collect()  # otherwise it is chance in whose phase the garbage of all of them is collected
        behind = served(engine)
        found[name_] = (timed(part).cpu + served(engine) - behind) / rows * 1e6
    check()
    return {phase: found[phase] for phase in PHASES}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--one-by-one", action="store_true", help="a transaction per row, as a request has it")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server that the script starts")
    parser.add_argument("--without", action="append", default=[], help="leave a contestant out")
    parser.add_argument("--only", choices=sorted(CONTESTANTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--url", default="sqlite://", help=argparse.SUPPRESS)
    options = parser.parse_args()
    step = 1 if options.one_by_one else options.rows
    if options.only:
        print(json.dumps(measure(options.only, options.url, options.rows, step)))
        return
    apart = [] if options.postgres else ON_POSTGRES
    names = [name for name in CONTESTANTS if name not in options.without and name not in apart]
    settings = ["--rows", str(options.rows), *(["--one-by-one"] if options.one_by_one else [])]
    server = None
    if options.postgres:
        from tests import postgresing

        place = postgresing.programs()
        if place is None:
            sys.exit(postgresing.MISSING)
        server = postgresing.Server(place)
        url = server.database("bench").replace("postgresql://", "postgresql+psycopg://")
        settings += ["--url", url]
    print(f"Capture per changed row, {datetime.now(UTC):%Y-%m-%d}.\n{machine()}")
    try:
        found = rounds("benchmarks.capture", names, options.rounds, settings)
    finally:
        if server is not None:
            server.stop()
    kind = "one transaction per row" if options.one_by_one else f"{options.rows} rows per transaction"
    show(f"{'PostgreSQL, client and server' if options.postgres else 'SQLite'}, {kind}", found, PLAIN)


if __name__ == "__main__":
    main()
