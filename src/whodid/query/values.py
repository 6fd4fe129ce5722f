"""Which values each field takes, and their normal form.

One rule per field. A value that its field cannot have is an error with the nearest good one in the remedy, never a
question that silently finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv6Network, ip_network
from typing import get_args

from whodid.model import KINDS, OUTCOMES, SEVERITIES, Source
from whodid.query.terms import ALIASES, FIELDS, Span, Value, quote
from whodid.query.words import address

__all__ = ["FLAGS", "ORDERED", "SOURCES", "check_range", "list_text", "nearest", "normal", "typed_id", "unknown_field"]

SOURCES: tuple[str, ...] = get_args(Source)
FLAGS = ("denied", "failed", "sensitive", "redacted", "batch", "mine", "late", "undeclared")
ORDERED = ("index", "severity", "date")

_CHOICES: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "outcome": OUTCOMES,
    "severity": SEVERITIES,
    "via": SOURCES,
    "is": FLAGS,
}
_LOWER = ("action", "category", "type", "id", "change")
_ANY_ONLY = ("via", "ip", "country")
_NO_STAR = ("kind", "outcome", "severity", "index", "date", "is")
_LAST_INDEX = (1 << 63) - 1
_TYPED = re.compile(r"([a-z][a-z0-9_.-]*):(\S*)")
_IPV4_STAR = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){0,2})\.")

# What other tools call our fields, and how to begin such a term here.
_FOREIGN = {
    "who": "actor:",
    "email": "actor:",
    "user_id": "actor:",
    "actor_id": "actor:",
    "event": "action:",
    "verb": "action:",
    "operation": "kind:",
    "crud": "kind:",
    "object": "resource:",
    "target": "resource:",
    "entry": "id:",
    "path": "change:",
    "field": "change:",
    "changed": "change:",
    "old": "before:",
    "from": "before:",
    "new": "after:",
    "to": "after:",
    "why": "reason:",
    "source": "via:",
    "ip_address": "ip:",
    "address": "ip:",
    "status": "outcome:",
    "result": "outcome:",
    "level": "severity:",
    "request_id": "request:",
    "session_id": "session:",
    "seq": "index:",
    "number": "index:",
    "when": "date:",
    "time": "date:",
    "on": "date:",
    "since": "date:>=",
    "until": "date:<",
}


def normal(field: str, text: str, *, prefix: bool, span: Span) -> Value:
    """Return a value in the normal form of its field (any but `date`).

    Args:
        text: As written, without quotes and without the `*`.
        prefix: Whether a `*` followed.
        span: Where its term stands, for errors.

    Raises:
        InvalidQuery: The field has no such value.
    """
    if prefix and field in _NO_STAR:
        raise span.wrong(f"{field} takes no *", _choice_remedy(field))
    if prefix and not text:
        return Value(text="", prefix=True)
    if prefix and field in ("resource", "related") and (typed := _TYPED.match(text)):
        raise span.wrong(
            "A * ends names, never ids", f"Write the whole id, or type:{typed[1]} for every resource of the type"
        )
    if prefix and field in _ANY_ONLY:
        raise span.wrong(f"{field} takes a whole value or * alone", _star_remedy(field, text))
    if not text:
        star = "" if field in _NO_STAR else f", or {field}:* for any"
        raise span.wrong(f"{field} has no value", f"Write the value right after the colon or comma{star}")
    if field in _CHOICES:
        return Value(text=_choice(field, text, span))
    if field == "ip":
        return Value(text=_network(text, span))
    if field == "country":
        if re.fullmatch("[A-Za-z]{2}", text) is None:
            raise span.wrong(f"{quote(text)} is not a country code", "Write two letters (ISO 3166-1), such as ES")
        return Value(text=text.upper())
    if field == "index":
        return Value(text=_index(text, span))
    return Value(text=text.lower() if field in _LOWER else text, prefix=prefix)


def typed_id(text: str) -> tuple[str, str] | None:
    """Split `type:id` as `resource` and `related` take it; None when the text is an id or a name.

    A text of this form is never understood as a name.
    """
    found = _TYPED.fullmatch(text)
    return None if found is None else (found[1], found[2])


def check_range(field: str, low: Value, high: Value, span: Span) -> None:
    """Refuse a range of `index` or `severity` that ends before it begins."""
    first, last = (
        _CHOICES["severity"].index(one.text) if field == "severity" else int(one.text) for one in (low, high)
    )
    if first > last:
        raise span.wrong(
            f"The range {low.text}..{high.text} ends before it begins", f"Write {field}:{high.text}..{low.text}"
        )


def unknown_field(name: str, rest: str) -> str:
    """Return the remedy for a field name that does not exist.

    Args:
        rest: What was written after the colon.
    """
    words = f"put {quote(f'{name}:{rest}')} in quotes to search for the text"
    begin = _FOREIGN.get(name.lower())
    if begin is None:
        near = nearest(name.lower(), (*FIELDS, *ALIASES))
        begin = near and f"{near}:"
    if begin is None:
        return f"{words[0].upper()}{words[1:]}, or use one of {list_text(FIELDS)}"
    return f"Did you mean {begin.partition(':')[0]}? Then write {begin}{rest}; or {words}"


def nearest(word: str, names: Sequence[str]) -> str | None:
    """Return the first of the names that is fewest slips of the hand away, or None when none is near.

    A slip is one letter too many, missing or wrong, or two neighbours swapped; one is near in a word of up to four
    letters, two in a longer one.
    """
    limit = 1 if len(word) <= 4 else 2
    slips = [(_distance(word, name), at) for at, name in enumerate(names) if abs(len(name) - len(word)) <= limit]
    least, at = min(slips, default=(limit + 1, 0))
    return names[at] if least <= limit else None


def list_text(names: Sequence[str]) -> str:
    """Write names as `a, b or c`."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _distance(one: str, other: str) -> int:
    """Return the optimal string alignment distance."""
    table = [[i + j for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i, left in enumerate(one, 1):
        for j, right in enumerate(other, 1):
            cost = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, table[i - 2][j - 2] + 1)
            table[i][j] = cost
    return table[-1][-1]


def _choice(field: str, text: str, span: Span) -> str:
    names = _CHOICES[field]
    name = text.lower()
    if name not in names:
        near = nearest(name, names)
        remedy = _choice_remedy(field) if near is None else f"Did you mean {near}? Then write {field}:{near}"
        raise span.wrong(f"There is no {field}:{text}", remedy)
    return name


def _choice_remedy(field: str) -> str:
    if field in _CHOICES:
        return f"Use {list_text(_CHOICES[field])}"
    return f"Write a whole {field}, a range such as {'5..10' if field == 'index' else '2026-11-01..2026-11-07'}, or >="


def _star_remedy(field: str, text: str) -> str:
    if field == "via":
        return _choice_remedy(field)
    if field == "country":
        return "Write two letters (ISO 3166-1), such as ES"
    if found := _IPV4_STAR.fullmatch(text):
        octets = found[1].split(".")
        return f"Write ip:{'.'.join([*octets, '0', '0', '0'][:4])}/{8 * len(octets)}"
    return "Write a network with its prefix length, such as 192.0.2.0/24 or 2001:db8::/32"


def _network(text: str, span: Span) -> str:
    if "/" not in text:
        found = address(text)
        if found is not None:
            return found.text
    else:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            network = None
        if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
            network = ip_network((network.network_address.ipv4_mapped, network.prefixlen - 96))
        if network is not None:
            return str(network)
    raise span.wrong(
        f"{quote(text)} is not an IP address or network", "Write an address such as 192.0.2.7, or 192.0.2.0/24"
    )


def _index(text: str, span: Span) -> str:
    if re.fullmatch("[0-9]{1,19}", text) is None or int(text) > _LAST_INDEX:
        raise span.wrong(f"{quote(text)} is not an index", "Write the number of an entry, counted from 0")
    return str(int(text))
