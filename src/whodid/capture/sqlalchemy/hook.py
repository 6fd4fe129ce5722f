"""The hook of one sessionmaker: which models it watches, and what it does when its sessions report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import Any, Literal
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.orm import Mapper, ORMExecuteState, Session, mapperlib, scoped_session
from sqlalchemy.orm.session import SessionTransaction
from sqlalchemy.orm.unitofwork import UOWTransaction

from whodid.capture.capture import Capture
from whodid.capture.context import current
from whodid.capture.describe import Describer, Verb
from whodid.capture.off import unrecorded
from whodid.capture.outbox import Outbox
from whodid.capture.pending import Row, Said
from whodid.capture.sqlalchemy import flush
from whodid.capture.sqlalchemy.asynchronous import is_async
from whodid.capture.sqlalchemy.bulk import Bulk
from whodid.capture.sqlalchemy.cascades import Cascades
from whodid.capture.sqlalchemy.members import Members
from whodid.capture.sqlalchemy.net import Net, Policy
from whodid.capture.sqlalchemy.plan import Many, Plan, make_plan, resource_id
from whodid.capture.sqlalchemy.triggers import Teller, described, told_tables
from whodid.capture.sqlalchemy.unit import Now, SessionUnit
from whodid.capture.triggers import Script, Table
from whodid.capture.units import Unit, closed, opened
from whodid.errors import InvalidEvent, InvalidSetting
from whodid.model import Event, Resource

__all__ = ["SessionHook"]

_ZONELESS = frozenset({"sqlite", "mysql", "mariadb"})


class SessionHook:
    """What `install` makes.

    Args:
        capture: What events are made with.
        outbox: Where they are written.
        models: The classes to watch, with their subclasses, or `"all"`.
        exclude: Classes not to watch, with their subclasses.
        unclaimed: What the net does with statements that nobody else recorded.
        row_limit: Most rows of one statement that are told one by one.
        hold: Most notes that are held before they are written.
        on_failure: What happens when the outbox fails.
        triggers: The classes, with their subclasses, and further tables that triggers of the database tell of.
    """

    def __init__(
        self,
        capture: Capture,
        outbox: Outbox,
        *,
        models: Literal["all"] | Collection[type],
        exclude: Collection[type],
        unclaimed: Policy,
        row_limit: int,
        hold: int,
        on_failure: Literal["raise", "spool"],
        triggers: Literal["all"] | Collection[type | Table] = (),
    ) -> None:
        self.capture = capture
        self.outbox = outbox
        self.row_limit = row_limit
        self.on_failure = on_failure
        self.writing = sa.update(outbox.table)
        self._models = None if models == "all" else tuple(models)
        self._exclude = tuple(exclude)
        self._hold = hold
        self._claimed = (object,) if triggers == "all" else tuple(one for one in triggers if isinstance(one, type))
        self._further = () if triggers == "all" else tuple(one for one in triggers if isinstance(one, Table))
        self._named: dict[Mapper[Any], Plan | None] = {}
        self.teller = Teller(capture, self._wakes) if self._claimed or self._further else None
        self._plans: dict[Mapper[Any], Plan | None] = {}
        self._zones = True
        self._units: WeakKeyDictionary[Session, SessionUnit] = WeakKeyDictionary()
        self.members = Members(self)
        self.cascades = Cascades(self)
        self.bulk = Bulk(self)
        self.net = Net(self, unclaimed)

    # -------------------------------------------------------------------------------------------------- the models

    def plan(self, mapper: Mapper[Any]) -> Plan | None:
        """Return what is watched of a mapper; None when nothing is."""
        try:
            return self._plans[mapper]
        except KeyError:
            found = self._plans[mapper] = self._make_plan(mapper)
            return found

    def plans(self) -> Iterator[Plan]:
        """Yield what is watched, of every mapper that there is."""
        return self._all(self.plan)

    def _all(self, plan_of: Callable[[Mapper[Any]], Plan | None]) -> Iterator[Plan]:
        for registry in list(mapperlib._all_registries()):  # noqa: SLF001 - mappers are listed nowhere else
            for mapper in list(registry.mappers):
                if (plan := plan_of(mapper)) is not None:
                    yield plan

    def plan_of_table(self, table: Any) -> Plan | None:
        """Return the plan of the topmost mapper whose rows are in a table."""
        found = None
        for plan in self.plans():
            if plan.mapper.local_table is table and (found is None or found.mapper.isa(plan.mapper)):
                found = plan
        return found

    def tables_of(self, mapper: Mapper[Any]) -> tuple[sa.Table, ...]:
        """Return the tables of a watched mapper."""
        plan = self.plan(mapper)
        return () if plan is None else plan.tables

    def named(self, mapper: Mapper[Any]) -> Plan | None:
        """Return how the rows of a mapper are named: also of one that triggers tell of."""
        if (plan := self.plan(mapper)) is not None or not self.claims(mapper):
            return plan
        if mapper not in self._named:
            self._named[mapper] = self._whole_plan(mapper)
        return self._named[mapper]

    def claims(self, mapper: Mapper[Any]) -> bool:
        """Tell whether triggers are to tell of the rows of a mapper, and not the hook."""
        return issubclass(mapper.class_, self._claimed)

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that triggers are to tell of."""
        return (*described(self._claimed_plans(), self.capture), *self._further)

    def _claimed_plans(self) -> Iterator[Plan]:
        return (plan for plan in self._all(self.named) if self.claims(plan.mapper))

    def script(self) -> Script:
        """Return the SQL of the triggers."""
        own = self.outbox.table
        return Script(
            tables=self.tables(),
            outbox=own.name,
            outbox_schema=own.schema or "public",
            row_limit=self.row_limit,
            workspace=self.capture.one_workspace,
        )

    def told_by_triggers(self, table: str) -> bool:
        """Tell whether triggers tell of a table, by its name in lower case."""
        if self.teller is None:
            return False
        # Names only: a statement must not pay for describing every table, nor fail because one cannot be described.
        claimed = (one.name for plan in self._claimed_plans() for one in told_tables(plan))
        return table in (name.lower() for name in chain((one.name for one in self._further), claimed))

    def _make_plan(self, mapper: Mapper[Any]) -> Plan | None:
        if self.claims(mapper):
            return None
        plan = self._whole_plan(mapper)
        if plan is None or not self._claimed or not plan.many:
            return plan
        # The table between belongs to the side that owns the field; triggers tell of it if they tell of that side.
        return replace(plan, many=tuple(many for many in plan.many if many.owns or not self._told_there(many)))

    def _told_there(self, many: Many) -> bool:
        others = self.named(many.remote) if self.claims(many.remote) else None
        return others is not None and any(one.owns and one.secondary is many.secondary for one in others.many)

    def _whole_plan(self, mapper: Mapper[Any]) -> Plan | None:
        class_ = mapper.class_
        if self._models is not None and not issubclass(class_, self._models):
            return None
        if issubclass(class_, self._exclude) or mapper.local_table is self.outbox.table:
            return None
        return make_plan(mapper, zones=self._zones)

    def binds(self, engine: sa.Engine) -> None:
        """Note a database whose rows are watched."""
        if self._zones and engine.dialect.name in _ZONELESS:
            self._zones = False
            self._plans.clear()
            self.cascades = Cascades(self)
        self.net.watch(engine)
        if self.teller is not None:
            if engine.dialect.name != "postgresql":
                raise InvalidSetting(
                    f"Triggers cannot tell of changes in {engine.dialect.name}, and the hook is told to leave them",
                    "Pass triggers= where the database is PostgreSQL only",
                )
            self.teller.watch(engine)

    def _wakes(self, connection: sa.Connection) -> None:
        """Note that triggers may write in the transaction of a connection, so that its commit wakes the relay."""
        if (unit := self.net.unit(connection)) is not None:
            self.outbox.wrote(unit.session)

    def unwatch(self) -> None:
        """Stop listening to the engines."""
        self.net.unwatch()
        if self.teller is not None:
            self.teller.unwatch()

    # ------------------------------------------------------------------------------------- what capture asks a hook

    def resource(self, subject: object) -> Resource | None:
        """Name an object; see `whodid.capture.hooks.Hook`."""
        state = sa.inspect(subject, raiseerr=False)
        if not isinstance(state, sa.orm.state.InstanceState) or (plan := self.named(state.mapper)) is None:
            return None
        values = state.dict
        identity = tuple(values.get(key) for key in plan.keys) if state.key is None else tuple(state.key[1])
        if None in identity:
            raise InvalidEvent(
                "/resource/id", f"the {plan.type} has no id yet", "Flush the session before you record something of it"
            )
        return Resource(type=plan.type, id=resource_id(identity), name=plan.name(values))

    def unit(self, bind: Any) -> Unit | None:
        """Return the transaction of a session or connection; see `whodid.capture.hooks.Hook`."""
        if isinstance(bind, scoped_session) or is_async(bind, "async_scoped_session"):
            bind = bind()
        if is_async(bind, "AsyncSession"):
            bind = bind.sync_session
        if is_async(bind, "AsyncConnection"):
            bind = bind.sync_connection
        if isinstance(bind, sa.Connection):
            return self.net.unit(bind)
        return self._units.get(bind) if isinstance(bind, Session) else None

    def of(self, session: Session) -> SessionUnit:
        """Return the transaction of a session."""
        unit = self._units.get(session)
        if unit is None:
            unit = self._units[session] = SessionUnit(self, session)
        return unit

    # ------------------------------------------------------------------------------------- what a session reports

    def began(self, session: Session, transaction: SessionTransaction) -> None:
        """Note the beginning of a transaction or savepoint."""
        if transaction.parent is None:
            opened(self.of(session))
        elif transaction.nested:
            self.of(session).pending.mark()

    def connected(self, session: Session, _transaction: SessionTransaction, connection: sa.Connection) -> None:
        """Note the connection of a session."""
        self.binds(connection.engine)
        self.net.belongs(connection, self.of(session))

    def ended(self, session: Session, transaction: SessionTransaction) -> None:
        """Note the end of a transaction or savepoint."""
        unit = self.of(session)
        if transaction.parent is None:
            unit.pending.clear()
            unit.end()
            closed(unit)
        elif transaction.nested:
            if unit.released is transaction:
                unit.pending.release()
            else:
                unit.pending.rollback()
            unit.released = None

    def committed(self, session: Session) -> None:
        """Note that a savepoint, or the whole transaction, was kept."""
        unit = self.of(session)
        unit.released = session.get_nested_transaction()
        unit.kept = unit.released is None

    def committing(self, session: Session) -> None:
        """Write what is to be said, as the last act of the transaction."""
        if session.get_nested_transaction() is not None:
            return
        session.flush()
        unit = self.of(session)
        unit.committing = True
        unit.write()

    def flushing(self, session: Session, _context: UOWTransaction, _objects: Sequence[Any] | None) -> None:
        """Read what the flush would make unknown."""
        if not unrecorded():
            flush.before_flush(self, self.of(session))

    def flushed(self, session: Session, context: UOWTransaction) -> None:
        """Note what the flush wrote."""
        if unrecorded():
            return
        unit = self.of(session)
        flush.after_flush(self, unit, context)
        self.hold(unit)

    def executing(self, state: ORMExecuteState) -> Any:
        """Let the bulk part run statements that change rows."""
        if state.is_select or unrecorded():
            return None
        return self.bulk.execute(state)

    def speaks(self, said: Said) -> bool:
        """Tell whether an event that was said outright speaks for rows that triggers tell of."""
        if self.teller is None or said.event.outcome != "success":
            return False
        types = {said.event.resource.type, *(type_ for type_, _ in said.claims)}
        told = chain((one.type for one in self._further), (plan.type for plan in self._claimed_plans()))
        return not types.isdisjoint(told)

    # ------------------------------------------------------------------------------------------------------- telling

    def hold(self, unit: SessionUnit) -> None:
        """Write early when many notes are held, and at once when the commit has begun."""
        if unit.committing or len(unit.pending) >= self._hold:
            unit.write()

    def unclaimed(self, connection: sa.Connection, plan: Plan, verb: Verb, details: dict[str, Any]) -> None:
        """Tell of a statement that nobody took care of; without a session it is written right after the statement."""
        unit = self.net.unit(connection)
        now = Now(self.capture.clock(), scope := current(), self.capture.known_workspace(scope=scope))
        row = self._whole(plan, now, connection, verb=verb, details=details)
        if unit is not None:
            unit.pending.row(row)
            return
        describer = Describer(self.capture)
        if (told := describer.describe(row)) is not None:
            self.outbox.put(connection, [told], describer.faults)
            self.watched(None, [told])

    def summary(
        self,
        unit: SessionUnit,
        plan: Plan,
        now: Now,
        place: sa.Connection,
        *,
        verb: Verb,
        details: dict[str, Any],
    ) -> Row:
        """Note one entry for many rows."""
        row = self._whole(plan, now, place, verb=verb, details=details)
        unit.pending.row(row)
        return row

    def _whole(self, plan: Plan, now: Now, place: sa.Connection, *, verb: Verb, details: dict[str, Any]) -> Row:
        return Row(
            resource=Resource(type=plan.type, id="*"),
            workspace=now.workspace,
            before={},
            after={},
            verb=verb,
            scope=now.scope,
            at=now.at,
            details=details,
            shape=plan.shape,
            place=place,
        )

    def watched(self, unit: SessionUnit | None, told: Sequence[tuple[str, Event]]) -> None:
        """Tell the tests of the host what was written."""
        for watcher in self.capture.watchers:
            watcher(unit, told)
