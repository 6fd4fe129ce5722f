"""Column values as JSON values, so that two of them are equal exactly when the database holds the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from whodid.capture.values import plain

__all__ = ["SIMPLE", "Read", "native", "reader"]

SIMPLE = frozenset({type(None), bool, int, str})
"""Types that are JSON values as they are, and of which equal ones are the same."""

Read = Callable[[Any], Any]


def reader(type_: sa.types.TypeEngine[Any], *, zones: bool) -> Read:
    """Return what turns the values of a column into JSON values.

    Args:
        type_: Of the column.
        zones: Whether the database keeps the zone of an instant; SQLite keeps what the clock shows.
    """
    coerce = _instant(zones and type_.timezone, zones) if isinstance(type_, sa.DateTime) else _coercion(type_)

    def read(value: Any) -> Any:
        if coerce is None:
            return value if type(value) in SIMPLE else plain(value, texts=True)
        try:
            return plain(None if value is None else coerce(value), texts=True)
        except Exception:  # noqa: BLE001 - the database refuses it, or takes it: it is written as it is
            return plain(value, texts=True)

    return read


def native(type_: sa.types.TypeEngine[Any]) -> type:
    """Return the type whose values are JSON values of a column as they are; that of None when there is none."""
    if isinstance(type_, sa.String) and not isinstance(type_, sa.Enum):
        return str
    return bool if isinstance(type_, sa.Boolean) else int if isinstance(type_, sa.Integer) else type(None)


def _coercion(type_: sa.types.TypeEngine[Any]) -> Read | None:
    """Return what makes of an assigned value what the database stores, for types that take more than one form."""
    if isinstance(type_, sa.types.TypeDecorator):
        return None  # its values are the application's own
    if isinstance(type_, sa.Enum):
        return _enum(type_)
    if isinstance(type_, sa.String):
        return _text
    for kind, make in _COERCIONS:
        if isinstance(type_, kind):
            return make(type_)
    return None


def _enum(type_: sa.Enum) -> Read | None:
    members = type_.enum_class
    if members is None:
        return None
    return lambda value: members.__members__.get(value, value) if type(value) is str else value


def _text(value: Any) -> Any:
    return value if type(value) is str else plain(value) if isinstance(value, str) else str(plain(value))


def _whole(value: Any) -> Any:
    return (
        value if type(value) is int else int(value) if isinstance(value, str) and value.strip("-").isdigit() else value
    )


def _truth(value: Any) -> Any:
    return bool(value) if value in (0, 1) else value


def _number(type_: sa.Numeric[Any]) -> Read:
    if not type_.asdecimal:
        return lambda value: float(value) if isinstance(value, (int, float, Decimal)) else value
    unit = None if type_.scale is None else Decimal(1).scaleb(-type_.scale)

    def read(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
            return value
        try:
            number = value if type(value) is Decimal else Decimal(str(value))
            return number if unit is None or not number.is_finite() else number.quantize(unit)
        except InvalidOperation:
            return value

    return read


def _day(value: Any) -> Any:
    return value.date() if isinstance(value, datetime) else value


def _instant(zoned: bool, zones: bool) -> Read:  # noqa: FBT001 - of the column, and of the database
    def read(value: Any) -> Any:
        if not isinstance(value, date):
            return value
        if not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - it gets its zone below
        if zoned:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if value.tzinfo is None:
            return value
        return (value.astimezone(UTC) if zones else value).replace(tzinfo=None)

    return read


def _uuid(value: Any) -> Any:
    try:
        return UUID(value) if isinstance(value, str) else value
    except ValueError:
        return value


_COERCIONS: tuple[tuple[type[Any], Callable[[Any], Read]], ...] = (
    (sa.Boolean, lambda _: _truth),
    (sa.Integer, lambda _: _whole),
    (sa.Numeric, _number),
    (sa.Date, lambda _: _day),
    (sa.Uuid, lambda _: _uuid),
)
