"""Rows as they are in the database, read for the sake of entries: what was before, and what the database computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from django.db import connections

from whodid.capture.django.plans import Plan
from whodid.capture.django.unit import Unit

__all__ = ["by_keys", "claimed", "key_of", "matching", "where", "whole"]

_Result = TypeVar("_Result")


def claimed(unit: Unit, work: Callable[[], _Result]) -> _Result:
    """Do something whose statements a hook answers for."""
    before, unit.claimed = unit.claimed, True
    try:
        return work()
    finally:
        unit.claimed = before


def whole(unit: Unit, work: Callable[[], _Result]) -> _Result:
    """Do something that is told as a whole, whatever statements it is made of."""
    unit.whole = True
    try:
        return claimed(unit, work)
    finally:
        unit.whole = False


def matching(queryset: Any, alias: str, plan: Plan, names: Iterable[str], most: int) -> list[dict[str, Any]]:
    """Return the rows of a queryset as they are, locked where the database can; one more than `most` if they are more.

    Args:
        names: Columns to read, besides the key and what every entry tells.
    """
    rows = queryset.using(alias).order_by()
    rows.query.select_related = False
    features = connections[alias].features
    if features.has_select_for_update and not (rows.query.distinct or rows.query.group_by or rows.query.combinator):
        own = {"of": ("self",)} if features.has_select_for_update_of else {}
        rows = rows.select_for_update(**own)
    wanted = list(dict.fromkeys([*plan.pk, *plan.extra, *names]))
    found = {}
    for row in rows.values_list(*wanted)[: most + 1]:
        found[row[: len(plan.pk)]] = dict(zip(wanted, row, strict=True))
    return list(found.values())


def by_keys(plan: Plan, alias: str, rows: Sequence[dict[str, Any]], names: Iterable[str]) -> dict[Any, dict[str, Any]]:
    """Read columns of rows again: key → columns."""
    found: dict[Any, dict[str, Any]] = {}
    manager = plan.model._base_manager.using(alias)
    most = connections[alias].features.max_query_params or 10_000
    size = max(1, min(most - 10, 10_000))
    for at in range(0, len(rows), size):
        keys = [key_of(plan, row) for row in rows[at : at + size]]
        for row in manager.filter(pk__in=keys).values(*plan.pk, *names):
            found[key_of(plan, row)] = row
    return found


def key_of(plan: Plan, row: Any) -> Any:
    """Return the primary key of a row, as querysets take it."""
    return row[plan.pk[0]] if len(plan.pk) == 1 else tuple(row[name] for name in plan.pk)


def where(queryset: Any) -> str:
    """Return the shape of a condition: the statement's text, without its values."""
    try:
        compiler = queryset.query.get_compiler(queryset.db)
        compiler.pre_sql_setup()
        text, _ = compiler.compile(queryset.query.where)
    except Exception:  # noqa: BLE001 - it describes a statement that was executed already
        return ""
    return str(text)[:500]
