"""How the values of a column travel from a trigger to the relay: written by PostgreSQL as JSON, read here.

A trigger cannot do what `whodid.capture.values` does, so it writes what is exact and cheap, and the relay makes of it
the very value that a hook would have written. What must not leave the table is not written at all: a secret is a digest
under a key that lives as long as the transaction and is stored nowhere, a blob its length and digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

from whodid.capture.values import Hidden, plain, text_marker
from whodid.catalog.secrets import without_secrets

__all__ = ["DIGEST", "HEAD", "Form", "changed", "form_of", "named", "read", "written"]

Form = Literal["", "text", "decimal", "float", "instant", "time", "duration", "json", "bytes", "secret", "choice"]

DIGEST = "hidden:"
"""How the text in the place of a secret begins: it can be compared inside its transaction, and says nothing outside."""

HEAD = 4352
"""Characters of a longer text that travel: enough to see a secret that begins in what is shown."""

_LONG = 64 * 1024  # bytes; every longer text has more characters than are kept whole
_WHOLE = re.compile(r"small(int|serial)|int(eger|2|4|8)?|big(int|serial)|serial[248]?|bool(ean)?|uuid|date")
_TEXT = re.compile(r"text|varchar|character varying|char|character|bpchar|name")
_FORMS: Mapping[str, Form] = {
    "numeric": "decimal", "decimal": "decimal", "real": "float", "float": "float", "float4": "float", "float8": "float",
    "double precision": "float", "timestamp": "instant", "timestamptz": "instant", "time": "time", "timetz": "time",
    "interval": "duration", "json": "json", "jsonb": "json", "bytea": "bytes",
}  # fmt: skip
_ZONE = re.compile(r" with(out)? time zone$")
_LENGTH = re.compile(r"\s*\([^)]*\)")
_DURATION = re.compile(
    r"P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)W)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+(?:\.\d+)?)S)?)?"
)


def _kind(type_: str) -> str:
    """Return the name of a type without its length and without what it says of the zone."""
    return _ZONE.sub("", " ".join(_LENGTH.sub(" ", type_.lower()).split()).replace(" []", "[]"))


def form_of(type_: str) -> Form:
    """Return the form in which the values of a type travel.

    Args:
        type_: As PostgreSQL writes it: `numeric(10,2)`, `timestamp with time zone`, `text[]`.
    """
    kind = _kind(type_).removesuffix("[]")
    return "text" if _TEXT.fullmatch(kind) else _FORMS.get(kind, "")


def written(value: str, type_: str, form: Form, shared: str) -> str:
    """Return the SQL that writes a value of a column for the relay.

    Args:
        value: SQL of the value.
        type_: Of the column.
        form: The form of the column.
        shared: The schema of the functions that all tables share, quoted.
    """
    if form == "secret":
        salted = f"convert_to(current_setting('whodid.salt') || {value}::text, 'UTF8')"
        return f"CASE WHEN {value} IS NOT NULL THEN '{DIGEST}' || encode(sha256({salted}), 'hex') END"
    if _kind(type_).endswith("[]"):
        return value
    if form == "bytes":
        told = f"'$', 'bytes', 'length', octet_length({value}), 'sha256', encode(sha256({value}), 'hex')"
        return f"CASE WHEN {value} IS NOT NULL THEN json_build_object({told}) END"
    if form == "json":
        return f"{shared}.whodid_veiled({value}::jsonb)"
    if form == "text" and not _bounded(type_):
        return f"CASE WHEN octet_length({value}) > {_LONG} THEN {shared}.whodid_long({value}) ELSE to_json({value}) END"
    return value


def named(value: str, form: Form) -> str:
    """Return the SQL that writes a value of a key; of a secret it is a digest, by which its row can be followed.

    Args:
        value: SQL of the value.
        form: The form of the column.
    """
    if form != "secret":
        return value
    return f"'sha256:' || left(encode(sha256(convert_to({value}::text, 'UTF8')), 'hex'), 32)"


def changed(one: str, other: str, type_: str) -> str:
    """Return the SQL that tells whether two values of a column differ, as its type understands it.

    Args:
        one: SQL of a value.
        other: SQL of the other.
        type_: Of the column.
    """
    kind = _kind(type_)
    form = form_of(type_)
    if form == "json" and not kind.endswith("[]"):
        return f"{one}::jsonb IS DISTINCT FROM {other}::jsonb"  # the order of members is no change
    if form == "text" and not kind.endswith("[]"):
        # A collation may take different texts for the same.
        return f'{one} COLLATE "C" IS DISTINCT FROM {other} COLLATE "C"'
    if (form and form not in ("json", "text")) or _WHOLE.fullmatch(kind.removesuffix("[]")):
        return f"{one} IS DISTINCT FROM {other}"
    # Of other types it is not known whether they can be compared (json cannot), or whether they see every difference.
    return f'{one}::text COLLATE "C" IS DISTINCT FROM {other}::text COLLATE "C"'


def _bounded(type_: str) -> bool:
    """Tell whether a type keeps its texts short by itself."""
    length = re.search(r"\((\d+)\)", type_)
    return length is not None and int(length[1]) <= _LONG // 4


def read(value: Any, form: str = "", choices: Mapping[str, Any] | None = None) -> Any:
    """Return the JSON value that a hook would have written.

    Args:
        value: As a trigger wrote it, numbers with a point as `Decimal`.
        form: The form of the column; one that is not known is read as it is.
        choices: Of an enumeration: what the database keeps → the value of the member.
    """
    if value is None:
        return None
    if isinstance(value, list) and form != "json":
        return [read(item, form, choices) for item in value]
    make = _READERS.get(form)
    if choices is not None and isinstance(value, str):
        return plain(choices.get(value, value))
    if make is None:
        return plain(value)
    try:
        return make(value)
    except (ValueError, ArithmeticError, TypeError, KeyError):
        # `infinity`, a year before the first: what Python has no value for is told as PostgreSQL wrote it.
        return plain(value)


def _text(value: Any) -> Any:
    if not isinstance(value, dict):
        return value  # as a hook does: of two long texts the part that differs is told
    marker = text_marker(without_secrets(value["head"]))
    return {**marker, "$": "truncated", "length": int(value["length"]), "sha256": str(value["sha256"])}


def _float(value: Any) -> Any:
    return plain(float(value))


def _instant(value: Any) -> Any:
    return plain(datetime.fromisoformat(value))


def _time(value: Any) -> Any:
    return plain(time.fromisoformat(value))


def _duration(value: Any) -> Any:
    match = _DURATION.fullmatch(value)
    if match is None:
        return plain(value)
    years, months, weeks, days, hours, minutes = (int(part or 0) for part in match.groups()[:6])
    seconds = Decimal(match[7] or 0)
    # A month has thirty days and a year 365, as for the driver.
    whole = timedelta(days=365 * years + 30 * months + 7 * weeks + days, hours=hours, minutes=minutes)
    return plain(whole + timedelta(microseconds=int(seconds * 1_000_000)))


def _json(value: Any) -> Any:
    return plain(_revived(value))


def _revived(value: Any) -> Any:
    """Return a JSON value with numbers as JSON has them."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_revived(item) for item in value]
    if isinstance(value, dict):
        return {key: _revived(item) for key, item in value.items()}
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "text": _text,
    "decimal": lambda value: plain(Decimal(str(value))),
    "float": _float,
    "instant": _instant,
    "time": _time,
    "duration": _duration,
    "json": _json,
    "bytes": dict,
    "secret": Hidden,
}
