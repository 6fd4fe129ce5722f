"""The watched application of `tests.watching`, told of by triggers instead of the hook; the oracle is the same."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from tests.watching import Bed, watched_models
from whodid import Event
from whodid.capture.outbox import Outbox

__all__ = ["TriggerBed", "fresh", "run_sql", "sides"]


def run_sql(engine: sa.Engine, script: str) -> None:
    """Run a script of several statements, as psql would."""
    with engine.begin() as connection:
        connection.execution_options(no_parameters=True).exec_driver_sql(script)


def fresh(outbox: Outbox) -> list[tuple[str, Event, str | None]]:
    """Return what the relay would deliver, and what was set aside: workspace, event and fault; and forget it."""
    with outbox.claim(100_000) as claim:
        claim.settle((), {})
    with outbox.engine.begin() as connection:
        rows = connection.execute(sa.select(outbox.table).order_by(outbox.table.c.place)).all()
        connection.execute(sa.delete(outbox.table))
    assert [row.fault for row in rows if row.workspace.startswith("(")] == []
    return [(row.workspace, msgspec.json.decode(row.event, type=Event), row.fault) for row in rows]


def sides(event: Event) -> dict[str, tuple[object, object]]:
    """Return the changes of an event by their paths."""
    return {change.path: (change.before, change.after) for change in event.changes}


class TriggerBed(Bed):
    """One application on PostgreSQL, all of whose models triggers tell of.

    Args:
        url: As of `Bed`.
        settings: Further arguments of `install`.
    """

    def __init__(self, url: str, **settings: Any) -> None:
        super().__init__(url, **{"triggers": watched_models(), **settings})
        self.script = self.handle.triggers()
        run_sql(self.plain, self.script.install())
        self.outbox = Outbox(self.plain, self.handle.outbox.table, capture=self.capture)

    def events(self) -> list[Event]:
        """Return the events that were committed since the last time, as the relay makes them."""
        told = fresh(self.outbox)
        assert [fault for _, _, fault in told if fault] == []
        return [event for _, event, _ in told]

    def close(self) -> None:
        """Remove the triggers too: other tests have the same tables."""
        run_sql(self.plain, self.script.remove())
        super().close()
