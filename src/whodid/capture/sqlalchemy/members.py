"""Many-to-many: who came and who went, told of the owner, whichever side it was done from.

Only the history is asked, never the collection: what is not loaded stays so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE, PassiveFlag
from sqlalchemy.orm.state import InstanceState
from sqlalchemy.orm.unitofwork import UOWTransaction

from whodid.capture.pending import Collection, Row
from whodid.capture.sqlalchemy.plan import Many, Plan, resource_id
from whodid.capture.sqlalchemy.unit import Now, SessionUnit

if TYPE_CHECKING:
    from whodid.capture.sqlalchemy.hook import SessionHook

__all__ = ["Members"]

State = InstanceState[Any]
_PASSIVE = PASSIVE_NO_INITIALIZE | PassiveFlag.INCLUDE_PENDING_MUTATIONS


class _Step(NamedTuple):
    """A member that came to an owner or left it."""

    owner: State
    path: str
    member: State
    added: bool


class Members:
    """The many-to-many relationships of watched mappers."""

    def __init__(self, hook: SessionHook) -> None:
        self._hook = hook

    def after(self, unit: SessionUnit, context: UOWTransaction, now: Now) -> None:
        """Note what a flush did to collections."""
        found: dict[tuple[State, str], dict[State, bool]] = {}
        for state, (gone, passive) in context.states.items():
            plan = self._hook.plan(state.mapper)
            if plan is not None and plan.many and not passive:
                for step in self._steps(plan, state, gone=gone):
                    found.setdefault((step.owner, step.path), {})[step.member] = step.added
        by_owner: dict[State, dict[str, Collection]] = {}
        for (owner, path), members in found.items():
            by_owner.setdefault(owner, {})[path] = Collection(
                added=_ids(member for member, added in members.items() if added),
                removed=_ids(member for member, added in members.items() if not added),
            )
        for owner, collections in by_owner.items():
            plan = self._hook.plan(owner.mapper)
            if plan is not None:
                gone, _ = context.states.get(owner, (False, False))
                self._note(unit, plan, owner, collections, now, gone=gone)

    def _note(
        self, unit: SessionUnit, plan: Plan, owner: State, collections: dict[str, Collection], now: Now, *, gone: bool
    ) -> Row:
        row = unit.note(
            plan, _identity(owner), owner.dict, now, unit.connection(plan), before={}, after=None if gone else {}
        )
        row.collections = collections
        return row

    def _steps(self, plan: Plan, state: State, *, gone: bool) -> Iterator[_Step]:
        for many in plan.many:
            touched = gone or many.key in state.committed_state or many.key in state._pending_mutations  # noqa: SLF001
            if not touched:
                continue
            owning = self._owning(plan, many)
            history = state.manager[many.key].impl.get_history(state, state.dict, _PASSIVE)
            came = () if gone else history.added or ()
            left = [*(history.deleted or ()), *((history.unchanged or ()) if gone else ())]
            for added, others in ((True, came), (False, left)):
                for other in others:
                    there = other._sa_instance_state  # noqa: SLF001 - what `inspect` returns, quicker
                    if owning is None:
                        yield _Step(state, many.path, there, added)
                    else:
                        yield _Step(there, owning.path, state, added)

    def _owning(self, plan: Plan, many: Many) -> Many | None:
        """Return the relationship of the other side when it owns; None when this side does."""
        if many.owns:
            return None
        other = self._hook.plan(many.remote)
        if other is None:
            return None
        return next((one for one in other.many if one.owns and one.secondary is many.secondary), None)


def _identity(state: State) -> tuple[Any, ...]:
    if state.key is not None:
        return tuple(state.key[1])
    mapper = state.mapper
    return tuple(state.dict.get(mapper.get_property_by_column(column).key) for column in mapper.primary_key)


def _ids(states: Iterable[State]) -> list[str]:
    """Return the ids of members in an order of their own: a flush knows none."""
    return sorted((resource_id(_identity(state)) for state in states), key=lambda one: (len(one), one))
