"""What the WhatsApp of the demo knows, in a file of its own: numbers, templates, messages, people, and notices to send.

It is the other side's memory and shares no table with Sendero: what one knows of the other goes through the API and the
webhook, as in production. It survives a restart, and holds no secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa

__all__ = ["State", "messages", "notices", "numbers", "one", "people", "rows", "templates"]

_metadata = sa.MetaData()

# Times are seconds since 1970: nobody but this file reads them.
numbers = sa.Table(
    "numbers",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("waba_id", sa.String, nullable=False, index=True),
    sa.Column("display", sa.String, nullable=False),
    sa.Column("verified_name", sa.String, nullable=False),
    sa.Column("name_status", sa.String, nullable=False),
    sa.Column("quality", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("throughput", sa.String, nullable=False),
    sa.Column("mode", sa.String, nullable=False),
    sa.Column("until", sa.Float),
)
templates = sa.Table(
    "templates",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("waba_id", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("language", sa.String, nullable=False),
    sa.Column("category", sa.String, nullable=False),
    sa.Column("components", sa.JSON, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("pauses", sa.Integer, nullable=False),
    sa.Column("until", sa.Float),
    sa.UniqueConstraint("waba_id", "name", "language"),
)
messages = sa.Table(
    "messages",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("number_id", sa.String, nullable=False),
    sa.Column("waba_id", sa.String, nullable=False),
    sa.Column("to", sa.String, nullable=False),
    sa.Column("reference", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("code", sa.Integer),
    sa.Column("due", sa.Float, index=True),
)
people = sa.Table(
    "people",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("stopped", sa.Boolean, nullable=False),
)
notices = sa.Table(
    "notices",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("waba_id", sa.String, nullable=False),
    sa.Column("field", sa.String, nullable=False),
    sa.Column("value", sa.JSON, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("due", sa.Float, nullable=False, index=True),
    sa.Column("tries", sa.Integer, nullable=False),
)


def rows(state: sa.Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """Return the rows of a query, by the names of their columns."""
    return [dict(row) for row in state.execute(query).mappings()]


def one(state: sa.Connection, query: sa.Select[Any]) -> dict[str, Any] | None:
    """Return the only row of a query; None when there is none."""
    row = state.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


class State:
    """The file, made when it is first needed.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opening = Lock()
        self._engine: sa.Engine | None = None

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Begin a transaction that may write."""
        with self._opened().begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the file."""
        if self._engine is not None:
            self._engine.dispose()

    def _opened(self) -> sa.Engine:
        with self._opening:
            if self._engine is None:
                engine = sa.create_engine(f"sqlite:///{self._path}", hide_parameters=True)
                sa.event.listen(engine, "connect", _prepare)
                sa.event.listen(engine, "begin", _begin)
                _metadata.create_all(engine)
                self._engine = engine
            return self._engine


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver leaves beginning to us
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # The file belongs to writers: whoever reads first and writes later would find it changed in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
