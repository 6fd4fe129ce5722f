"""Comparisons of a field with a value, as Sigma means them: texts without regard to case, numbers as numbers."""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

__all__ = ["Check", "equals_bool", "equals_number", "in_network", "ordered", "part_of_time", "shown", "text"]

Check = Callable[[Any], bool]
"""Whether one value of a field is what is asked for."""

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "LT": operator.lt,
    "LTE": operator.le,
    "GT": operator.gt,
    "GTE": operator.ge,
    "NEQ": operator.ne,
}
_PARTS: dict[str, Callable[[datetime], int]] = {
    "MINUTE": lambda at: at.minute,
    "HOUR": lambda at: at.hour,
    "DAY": lambda at: at.day,
    "WEEK": lambda at: at.isocalendar().week,
    "MONTH": lambda at: at.month,
    "YEAR": lambda at: at.year,
}


def shown(value: Any) -> str:
    """Return a value as the text that rules compare with."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def text(wanted: str, *, where: str, cased: bool) -> Check:
    """Compare with a text.

    Args:
        where: `whole`, `start`, `end` or `inside`: which part of the value must be the text.
        cased: Whether upper and lower case differ.
    """
    needle = wanted if cased else wanted.casefold()

    def prepared(value: Any) -> str:
        return shown(value) if cased else shown(value).casefold()

    if where == "whole":
        return lambda value: prepared(value) == needle
    if where == "start":
        return lambda value: prepared(value).startswith(needle)
    if where == "end":
        return lambda value: prepared(value).endswith(needle)
    return lambda value: needle in prepared(value)


def equals_number(wanted: float) -> Check:
    """Compare with a number; a text that is written like it is equal to it."""
    written = str(wanted)

    def check(value: Any) -> bool:
        if isinstance(value, bool):
            return False
        return bool(value == wanted) if isinstance(value, int | float) else shown(value) == written

    return check


def equals_bool(*, wanted: bool) -> Check:
    """Compare with true or false; a text that says it is equal to it."""
    return lambda value: shown(value).casefold() == shown(wanted)


def ordered(order: str, wanted: float) -> Check:
    """Compare with a number by its order; what is no number is in no order to it.

    Args:
        order: LT, LTE, GT, GTE or NEQ.
    """
    compare = _ORDERS[order]
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and compare(value, wanted)


def in_network(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Check:
    """Ask whether an address lies in a network; what is no address lies in none."""

    def check(value: Any) -> bool:
        try:
            return ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return check


def part_of_time(part: str, wanted: float) -> Check:
    """Compare a part of a time (UTC) with a number.

    Args:
        part: MINUTE, HOUR, DAY, WEEK (ISO 8601), MONTH or YEAR.
    """
    read = _PARTS[part]

    def check(value: Any) -> bool:
        at = value
        if isinstance(at, str):
            try:
                at = datetime.fromisoformat(at)
            except ValueError:
                return False
        if not isinstance(at, datetime):
            return False
        return read(at.astimezone(UTC) if at.tzinfo else at) == wanted

    return check
