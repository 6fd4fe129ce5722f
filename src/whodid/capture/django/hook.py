"""The hook: what is replaced in Django while it is installed, and how rows become notes of their transaction.

Every way in which the ORM writes has its own file; they all end in `Hook.note`. Removing the hook restores Django
exactly as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from django.db import connections, router, transaction
from django.db.models import Model
from django.utils.functional import LazyObject
from msgspec.structs import replace

from whodid.capture.capture import Capture
from whodid.capture.context import Scope, current
from whodid.capture.describe import Describer
from whodid.capture.django.outbox import Outbox
from whodid.capture.django.plans import Plan, Plans
from whodid.capture.django.unit import Patches, Unit, unit_of
from whodid.capture.events import identifier
from whodid.capture.insisting import Check
from whodid.capture.off import unrecorded
from whodid.capture.pending import Collection, Row, Said
from whodid.capture.values import plain
from whodid.errors import InvalidEvent, InvalidSetting, StoreUnavailable
from whodid.model import Event, Kind, Resource

__all__ = ["Hook", "installed"]

_Result = TypeVar("_Result")

_KINDS: Mapping[str, Kind] = {"created": "create", "updated": "update", "deleted": "delete"}
_installed: list[Hook] = []


class _Net(Protocol):
    """The net below the ORM, as far as the hook needs it."""

    def install(self) -> None: ...

    def remove(self) -> None: ...


class Hook:
    """Watches the models of a Django application.

    Args:
        capture: Builds the events.
        plans: How each model is watched.
        limit: Rows of one statement that are told one by one; above it one entry tells of them all.
        check: Raises for an event that the log would refuse.
        exact: Whether rows are read and locked before they are saved or deleted.
        unclaimed: What to do about a statement that changes a watched table past the ORM: warn, record or raise.
        on_failure: What happens when the outbox fails: `raise` fails the change, `spool` gives the events to the
            destination of the capture.
    """

    def __init__(
        self,
        capture: Capture,
        plans: Plans,
        *,
        limit: int = 10_000,
        check: Check | None = None,
        unclaimed: str = "warn",
        exact: bool = False,
        on_failure: str = "raise",
    ) -> None:
        self.capture = capture
        self.on_failure = on_failure
        self.plans = plans
        self.limit = limit
        self.exact = exact
        self.wakers: list[Callable[[str], None]] = []
        self._check = check
        self._unclaimed = unclaimed
        self._patches = Patches()
        self._net: _Net | None = None
        self._teller: _Net | None = None

    # ------------------------------------------------------------------------------------------------ installing

    def install(self) -> None:
        """Start watching; a second call changes nothing.

        Raises:
            InvalidSetting: Another hook is installed.
        """
        if _installed == [self]:
            return
        if _installed:
            raise InvalidSetting("A hook is installed already", "Remove it first: installed().remove()")
        from whodid.capture.django.deleting import watch_deletes
        from whodid.capture.django.net import Net
        from whodid.capture.django.querysets import watch_querysets
        from whodid.capture.django.saving import watch_saving
        from whodid.capture.django.transactions import watch_transactions

        watch_transactions(self, self._patches)
        watch_saving(self, self._patches)
        watch_querysets(self, self._patches)
        watch_deletes(self, self._patches)
        self._net = Net(self, self._unclaimed, self._patches)
        self._net.install()
        if self.plans.claims:
            from whodid.capture.django.triggers import Teller

            self._teller = Teller(self)
            self._teller.install()
        self.capture.installed(self)
        _installed.append(self)

    def remove(self) -> None:
        """Stop watching, and restore everything that was replaced."""
        if _installed != [self]:
            return
        _installed.clear()
        self.capture.removed(self)
        if self._net is not None:
            self._net.remove()
        if self._teller is not None:
            self._teller.remove()
        self._patches.restore()

    # ------------------------------------------------------------------------------------------------ for capture

    def resource(self, subject: object) -> Resource | None:
        """Name an object of a model, without loading anything."""
        subject = _real(subject)
        if not isinstance(subject, Model):
            return None
        plan = self.plans[type(subject)] or self.plans.claimed_plan(type(subject))
        if plan is None:
            meta: Any = subject._meta
            return Resource(type=meta.model_name, id=identifier(str(subject.pk)))
        return named(plan, subject.__dict__)

    def unit(self, bind: object) -> Unit | None:
        """Return the transaction of a database alias or of an object's database."""
        bind = _real(bind)
        if isinstance(bind, Model):
            bind = bind._state.db or router.db_for_write(type(bind), instance=bind)
        if not isinstance(bind, str) or bind not in connections:
            return None
        unit = unit_of(self, connections[bind])
        if not unit.open:
            raise InvalidSetting(
                f"No transaction is open in the database {bind}",
                "Open one, with transaction.atomic(using=...), or pass bind='independent'",
            )
        return unit

    # ------------------------------------------------------------------------------------------------ writing

    def run(self, alias: str, work: Callable[[Unit], _Result]) -> _Result:
        """Do something in a transaction: in the one that is open, or in one around it.

        Args:
            alias: The database.
            work: Is given the unit.
        """
        connection = connections[alias]
        unit = unit_of(self, connection)
        if unit.open:
            return work(unit)
        blocks = connection.atomic_blocks
        if (blocks and not blocks[-1]._from_testcase) or not (blocks or connection.get_autocommit()):
            # It began unseen: before the hook was installed, or by switching autocommit off.
            unit.begin()
            try:
                result = work(unit)
                unit.flush(last=True)
            except BaseException:
                unit.end(undone=True)
                raise
            unit.end(undone=False)
            return result
        with transaction.atomic(using=alias, savepoint=False):
            return work(unit)

    def write(self, unit: Unit) -> bool:
        """Write the notes of a unit into its outbox; tell whether there were any events among them."""
        spoken = unit.pending.hand_over(self._speaks) if self.plans.claims else []
        if spoken:
            claimed, unit.claimed = unit.claimed, True
            try:
                Outbox(unit.alias, check=self._check).say(unit.connection, spoken)
            finally:
                unit.claimed = claimed
        describer = Describer(self.capture)

        def describe(row: Row) -> tuple[str, Event] | None:
            told = describer.describe(row)
            if told is not None and row.place is not None and told[1].batch is None:
                return told[0], replace(told[1], batch=row.place)
            return told

        told = unit.pending.take(describe, describer.compare)
        if not told:
            return bool(spoken)
        claimed, unit.claimed = unit.claimed, True
        try:
            self._put(unit, told, describer.faults)
        except BaseException as error:
            self.capture.counts.add("failures")
            if self.on_failure != "spool" or not isinstance(error, StoreUnavailable):
                raise
            self.capture.spool(told, describer.faults)
        finally:
            unit.claimed = claimed
        return True

    def _put(self, unit: Unit, told: Sequence[tuple[str, Event]], faults: Mapping[str, str]) -> None:
        outbox = Outbox(unit.alias, check=self._check)
        if self.on_failure != "spool":
            outbox.put(unit.connection, told, faults)
            return
        # A statement that fails would take the whole transaction with it, in PostgreSQL.
        point = transaction.savepoint(unit.alias)
        try:
            outbox.put(unit.connection, told, faults)
        except BaseException:
            transaction.savepoint_rollback(point, unit.alias)
            raise
        finally:
            transaction.savepoint_commit(point, unit.alias)

    def _speaks(self, said: Said) -> bool:
        """Tell whether an event that was said outright speaks for rows that triggers tell of."""
        types = {said.event.resource.type, *(type_ for type_, _ in said.claims)}
        told = {plan.type for plan in self.plans.claimed_plans()}
        return said.event.outcome == "success" and not types.isdisjoint(told)

    def wake(self, alias: str) -> None:
        """Say that something was committed in a database."""
        for waker in self.wakers:
            waker(alias)

    # ------------------------------------------------------------------------------------------------ notes

    def note(
        self,
        unit: Unit,
        plan: Plan,
        values: Mapping[str, Any],
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        *,
        subject: Any = None,
        batch: str | None = None,
    ) -> None:
        """Note what happened to a row.

        Args:
            values: Attributes of the row: its key, its label and its workspace among them, as far as they are known.
            before: As of `Row`.
            after: As of `Row`.
            subject: The object, when there is one.
            batch: Common to the rows of one statement.
        """
        if unrecorded():
            return
        unit.row(
            Row(
                resource=named(plan, values),
                workspace=self.workspace(plan, values, subject),
                before=before,
                after=after,
                scope=here(),
                at=self.capture.clock(),
                shape=plan.shape,
                place=batch,
            )
        )

    def members(
        self,
        unit: Unit,
        plan: Plan,
        added: Iterable[Mapping[str, Any]] = (),
        removed: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Note rows of a many-to-many table that came and went, at the owners of the field."""
        if unrecorded():
            return
        for link in plan.links:
            changes: dict[Any, Collection] = {}
            for rows, side in ((removed, "removed"), (added, "added")):
                for row in rows:
                    change = changes.setdefault(row[link.source], Collection(added=[], removed=[]))
                    getattr(change, side).append(plain(row[link.member]))
            for owner, change in changes.items():
                kept = [one for one in change.added if one in change.removed]
                unit.row(
                    Row(
                        resource=Resource(type=link.owner.type, id=identifier(str(owner))),
                        workspace=self.workspace(link.owner, {}, None),
                        before={},
                        after={},
                        collections={
                            link.field: Collection(
                                added=[one for one in change.added if one not in kept],
                                removed=[one for one in change.removed if one not in kept],
                            )
                        },
                        scope=here(),
                        at=self.capture.clock(),
                        shape=link.owner.shape,
                    )
                )

    def summary(self, unit: Unit, plan: Plan, verb: str, details: Mapping[str, Any]) -> None:
        """Note one entry about many rows, with how many they were.

        Raises:
            InvalidEvent: It is not known in which workspace it happened.
        """
        if unrecorded():
            return
        whose = self.capture.workspace()
        event = self.capture.event(
            f"{plan.type}.{verb}",
            Resource(type=plan.type, id="*", name=str(plan.model._meta.verbose_name_plural)[:500]),
            details={"bulk": True, **details},
            kind=_KINDS[verb],
            workspace=whose,
        )
        unit.pending.say(Said(workspace=whose, event=event, completes=False))
        unit.written()

    def workspace(self, plan: Plan, values: Mapping[str, Any], subject: Any) -> str | None:
        """Return whose log the event of a row is for; None when nobody said it.

        Raises:
            InvalidEvent: Nobody said it, and capture is strict.
        """
        if plan.place is not None:
            found = values.get(plan.place)
            if found is not None:
                return str(found)
        elif callable(plan.options.workspace) and subject is not None:
            found = plan.options.workspace(subject)
            if found is not None:
                return str(found)
        whose = self.capture.known_workspace()
        if whose is None and self.capture.strict:
            raise InvalidEvent(
                "/workspace",
                f"it is not known in which workspace a {plan.type} changed",
                "Open a scope with one, or set WHODID['WORKSPACE'] or audited(workspace=...)",
            )
        return whose


def installed() -> Hook:
    """Return the hook that is installed.

    Raises:
        InvalidSetting: There is none.
    """
    if not _installed:
        raise InvalidSetting("The hook is not installed", 'Add "whodid.capture.django" to INSTALLED_APPS')
    return _installed[0]


def _real(subject: object) -> object:
    """Return what a lazy object stands for, such as `request.user`."""
    if isinstance(subject, LazyObject):
        bool(subject)
        return subject.__dict__["_wrapped"]
    return subject


def here() -> Scope | None:
    """Return the innermost scope; a child of it when it has ended already, so that it stays known that it had."""
    scope = current()
    return Scope(scope, {"source": "job"}) if scope is not None and scope.sealed else scope


def named(plan: Plan, values: Mapping[str, Any]) -> Resource:
    """Return a row as a resource."""
    return Resource(type=plan.type, id=identifier(plan.id_of(values)), name=name_of(plan, values))


def name_of(plan: Plan, values: Mapping[str, Any]) -> str | None:
    """Return what a row is called, if that is known."""
    if plan.label is None:
        return None
    found = (
        plan.columns[plan.label].json(values[plan.label])
        if plan.label in values and plan.label in plan.columns
        else None
    )
    return found[:500] if isinstance(found, str) and found and plan.label not in plan.hidden else None
