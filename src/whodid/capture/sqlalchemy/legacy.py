"""The bulk methods of the session's past: `bulk_save_objects`, `bulk_insert_mappings`, `bulk_update_mappings`.

They pass the flush and `do_orm_execute` by, so the methods themselves are replaced on the watched session class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.orm import Mapper, Session, class_mapper

from whodid.capture.off import unrecorded
from whodid.capture.sqlalchemy.bulk import Work, changed_row, created_row, flushed
from whodid.capture.sqlalchemy.plan import Plan
from whodid.capture.sqlalchemy.rows import rows_by_key

if TYPE_CHECKING:
    from whodid.capture.sqlalchemy.hook import SessionHook

__all__ = ["METHODS", "legacy_methods"]

METHODS = ("bulk_save_objects", "bulk_insert_mappings", "bulk_update_mappings")

Identity = tuple[Any, ...]
_ABSENT: Any = object()


def legacy_methods(hook: SessionHook, class_: type[Session]) -> Callable[[], None]:
    """Replace the methods of a session class.

    Args:
        hook: Takes care of what they do.
        class_: A class that only the watched sessions have.

    Returns:
        What puts the former methods back.
    """
    former = {name: vars(class_).get(name, _ABSENT) for name in METHODS}
    save, insert, update = (getattr(class_, name) for name in METHODS)

    def bulk_save_objects(session: Session, objects: Iterable[object], *more: Any, **settings: Any) -> None:
        items = list(objects)
        with _Legacy(hook, session) as legacy:
            for plan, given in _by_plan(hook, items).items():
                legacy.will_change(plan, [tuple(one.key[1]) for one in given if one.key is not None])
            made = any(one.key is None for given in _by_plan(hook, items).values() for one in given)
            if made:  # without it nobody would know which rows were made
                more, settings = more[1:], {**settings, "return_defaults": True}
            save(session, items, *more, **settings)
            for plan, given in _by_plan(hook, items).items():
                legacy.did_make(plan, [_own_key(plan, one.dict) for one in given])

    def bulk_insert_mappings(
        session: Session, mapper: Any, mappings: Iterable[dict[str, Any]], *more: Any, **settings: Any
    ) -> None:
        plan = hook.plan(_mapper(mapper))
        if plan is None or unrecorded():
            insert(session, mapper, mappings, *more, **settings)
            return
        # Copies: the keys that come back are not the caller's business.
        rows = [dict(row) for row in mappings] if not _asked(more, settings) else list(mappings)
        keyed = all(row.get(key) is not None for row in rows for key in plan.keys)
        if not keyed:
            more, settings = more[1:], {**settings, "return_defaults": True}
        with _Legacy(hook, session) as legacy:
            insert(session, mapper, rows, *more, **settings)
            legacy.did_make(plan, [_own_key(plan, row) for row in rows])

    def bulk_update_mappings(session: Session, mapper: Any, mappings: Iterable[dict[str, Any]]) -> None:
        rows = list(mappings)
        plan = hook.plan(_mapper(mapper))
        with _Legacy(hook, session) as legacy:
            if plan is not None:
                legacy.will_change(plan, [_own_key(plan, row) for row in rows])
            update(session, mapper, rows)

    for method in (bulk_save_objects, bulk_insert_mappings, bulk_update_mappings):
        method.__doc__ = getattr(Session, method.__name__).__doc__
        setattr(class_, method.__name__, method)

    def restore() -> None:
        for name, method in former.items():
            if method is _ABSENT:
                delattr(class_, name)
            else:
                setattr(class_, name, method)

    return restore


class _Legacy:
    """One call of a method: what was there before it, and what is noted after it."""

    def __init__(self, hook: SessionHook, session: Session) -> None:
        self._hook = hook
        self._session = session
        self._unit = hook.of(session)
        self._before: list[tuple[Plan, dict[Identity, dict[str, Any]]]] = []
        self._made: list[tuple[Plan, list[Identity]]] = []
        self._claim = self._unit.claim()

    def __enter__(self) -> Self:
        if not unrecorded():
            flushed(self._session)
        self._claim.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None and not unrecorded():
                self._note()
        finally:
            self._claim.__exit__(kind, error, traceback)

    def will_change(self, plan: Plan, identities: Sequence[Identity]) -> None:
        """Read rows that will be updated."""
        if identities and not unrecorded():
            place = self._unit.connection(plan)
            self._before.append((plan, rows_by_key(place, plan, _keys(plan), dict.fromkeys(identities))))

    def did_make(self, plan: Plan, identities: Sequence[Identity]) -> None:
        """Note that rows were inserted, beside those that were there."""
        there = {identity for known, rows in self._before if known is plan for identity in rows}
        self._made.append((plan, [one for one in identities if one not in there and None not in one]))

    def _note(self) -> None:
        limit = self._hook.row_limit
        for plan, before in self._before:
            work = self._work(plan)
            if len(before) > limit:
                work.summary("updated", len(before), f"bulk update of {plan.type}")
                continue
            after = rows_by_key(work.place, plan, _keys(plan), before)
            columns = [column for column in plan.columns.values() if not column.heavy]
            for identity, old in before.items():
                changed_row(work, identity, old, after.get(identity), columns)
        for plan, made in self._made:
            work = self._work(plan)
            if len(made) > limit:
                work.summary("created", len(made), f"bulk insert of {plan.type}")
                continue
            for identity, values in rows_by_key(work.place, plan, _keys(plan), made).items() if made else ():
                created_row(work, identity, values)
        self._hook.hold(self._unit)

    def _work(self, plan: Plan) -> Work:
        return Work(self._hook, self._unit, plan, self._unit.now(), self._unit.connection(plan))


def _by_plan(hook: SessionHook, items: Iterable[Any]) -> dict[Plan, list[Any]]:
    found: dict[Plan, list[Any]] = {}
    for item in items:
        state = item._sa_instance_state  # noqa: SLF001 - what `inspect` returns
        if (plan := hook.plan(state.mapper)) is not None:
            found.setdefault(plan, []).append(state)
    return found


def _own_key(plan: Plan, values: Mapping[str, Any]) -> Identity:
    return tuple(values.get(key) for key in plan.keys)


def _keys(plan: Plan) -> set[str]:
    return {column.key for column in plan.columns.values() if not column.heavy} | set(plan.wanted)


def _mapper(given: Any) -> Mapper[Any]:
    return given if isinstance(given, Mapper) else class_mapper(given)


def _asked(more: tuple[Any, ...], settings: Mapping[str, Any]) -> bool:
    """Tell whether the caller wants the keys in their own dictionaries."""
    return bool(more[0] if more else settings.get("return_defaults"))
