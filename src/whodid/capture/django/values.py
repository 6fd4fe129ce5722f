"""Values of fields as JSON values: what is Django's own, before `whodid.capture.values` writes them."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.files.base import File
from django.utils.timezone import get_default_timezone, is_naive, make_aware

from whodid.capture.values import DB_COMPUTED, plain

__all__ = ["jsonable"]

_PLAIN = frozenset({str, int, float, bool, type(None), Decimal, UUID, date})


def jsonable(value: Any) -> Any:
    """Return the JSON value of a value of a field; of any one, whatever it does.

    An expression is what the database computes, a file is its name, and an instant without a zone is in the zone of
    the application.

    Args:
        value: Anything.
    """
    if type(value) in _PLAIN:
        return plain(value)
    if type(value) is datetime and value.utcoffset() is not None:
        return plain(value)
    with suppress(Exception):  # a value may do anything, and must not make the change fail
        if hasattr(value, "resolve_expression"):
            return DB_COMPUTED
        value = _own(value)
    return plain(value, texts=True)


def _own(value: Any) -> Any:
    if isinstance(value, datetime) and is_naive(value):
        return make_aware(value, get_default_timezone())
    if isinstance(value, File):
        return str(value.name) if value.name else None
    return value
