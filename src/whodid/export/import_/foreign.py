"""What every mapper of a foreign record needs: deterministic ids, times, words, and room for all that is not mapped.

Pure. A mapper turns one record of another product into one `Event` and loses nothing: what has no field of its own goes
to `details`, rewritten only as far as the limits of an event demand, and then without loss (`fit`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from whodid.errors import InvalidEvent
from whodid.model import Kind

__all__ = [
    "action_name",
    "address",
    "details",
    "event_id",
    "fit",
    "identifier",
    "is_path",
    "kind_of",
    "read_time",
    "text",
    "when",
]

MAX_DEPTH = 10
MAX_KEYS = 150
MAX_STRING = 30_000
MAX_INTEGER = 2**53 - 1

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_UNFIT_KEY = re.compile("[\x00-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]")
# Before a capital after a small letter, and before the last capital of several, unless it is a plural: VPCs.
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!s(?:[A-Z]|$))[a-z])")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,199}")
_NOT_WORD = re.compile(r"[^a-z0-9]+")

_VERBS: dict[Kind, str] = {
    "create": "add allocate copy create created import invite open opened publish register run submitted upload",
    "delete": "delete deleted deregister destroy detach disassociate leave release remove removed revoke terminate",
    "status": "archived cancel close closed completed disable disabled dismiss enable enabled failover in pause reboot "
    "reopened requested resolve restore resume start stop suspend transfer unarchived",
    "security": "assume authenticate check console describe download federated get head list login lookup policy query "
    "read search simulate switch view",
}
_KINDS: dict[str, Kind] = {verb: kind for kind, verbs in _VERBS.items() for verb in verbs.split()}


def event_id(product: str, record: Mapping[str, Any], foreign_id: object) -> str:
    """Derive the id of an event from a foreign record, so that importing it twice records it once.

    The id covers the foreign id and the whole record: products repeat ids, and two different records must never be
    taken for one.

    Args:
        product: Name of the product, which keeps its ids apart from others'.
        record: The record as it was read.
        foreign_id: What the product calls the record, or None.

    Returns:
        A UUID of version 8 (RFC 9562, 5.8).
    """
    whole = json.dumps(record, sort_keys=True, separators=(",", ":"))
    digest = sha256("\0".join(("whodid/import/v1", product, str(foreign_id or ""), whole)).encode()).digest()
    number = int.from_bytes(digest[:16])
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=number))


def read_time(value: object) -> datetime | None:
    """Read an instant as other products write it.

    Args:
        value: Seconds or milliseconds since 1970 as a number or digits, or ISO 8601 with or without a zone (UTC then).

    Returns:
        The instant in UTC with microseconds, or None when the value is no instant.
    """
    if isinstance(value, str):
        written = value.strip()
        try:
            if written.isdecimal():
                return read_time(int(written))
            at = datetime.fromisoformat(written)
        except (ValueError, OverflowError):
            return None
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        since = timedelta(milliseconds=value) if abs(value) >= 100_000_000_000 else timedelta(seconds=value)
        return datetime(1970, 1, 1, tzinfo=UTC) + since
    except (OverflowError, ValueError):
        return None


def when(candidates: Iterable[object], undated: datetime | None) -> datetime:
    """Return the first candidate that is an instant, else `undated`.

    Raises:
        InvalidEvent: No candidate is an instant and no other time was given.
    """
    for candidate in candidates:
        at = read_time(candidate)
        if at is not None:
            return at
    if undated is None:
        raise InvalidEvent(
            "/occurred_at", "The record does not say when it happened", "Give a time for such records with --undated"
        )
    return undated


def action_name(*parts: object) -> str:
    """Join words to an action name: lower case, underscores, dots between the parts, at most 100 characters."""
    words = [_word(str(part)) for part in parts]
    name = ".".join(word for word in words if word)
    if len(name) > 100:
        name = f"{name[:88].rstrip('._')}_x{sha256(name.encode()).hexdigest()[:10]}"
    return name


def _word(name: str) -> str:
    word = _NOT_WORD.sub("_", _HUMP.sub("_", name).lower()).strip("_")
    return f"x{word}" if word[:1].isdigit() else word


def kind_of(verb: str) -> Kind:
    """Guess the kind of an action that no catalog declares from the first word of its verb."""
    return _KINDS.get(_word(verb).partition("_")[0], "update")


def identifier(value: object) -> str:
    """Return a foreign id as an id of ours: itself where it fits, else a digest (the details keep the original)."""
    name = str(value).strip()
    if not name:
        return "unknown"
    if len(name) > 200 or _UNFIT_KEY.search(name):
        return "sha256:" + sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return name


def text(value: object, limit: int = 500) -> str | None:
    """Return a value as a text that may stand in a field of an event, or None when it does not fit there unchanged."""
    if not isinstance(value, str) or not value or len(value) > limit or _UNFIT_KEY.search(value):
        return None
    return value


def is_path(name: str) -> bool:
    """Tell whether a foreign name can be the path of a change as it stands."""
    return _PATH.fullmatch(name) is not None


def address(value: object) -> str | None:
    """Return an IP address in its usual spelling, or None when the value is not one."""
    try:
        return str(ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def details(record: Mapping[str, Any], placed: Iterable[str]) -> dict[str, Any] | None:
    """Gather what was not placed in a field of its own.

    Args:
        record: The foreign record.
        placed: Keys whose value stands verbatim in a field of the event.

    Returns:
        The rest, fitted to the limits of an event; None when nothing is left.
    """
    taken = frozenset(placed)
    rest = fit({key: value for key, value in record.items() if key not in taken})
    return (rest if isinstance(rest, dict) else {"record": rest}) or None


def fit(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Rewrite a JSON value to what an event may hold, without losing any of it.

    Numbers out of range become decimal strings, control characters their JSON escapes, long strings lists of pieces;
    what lies too deep, an object with too many members and one with an unfit member name become their own JSON text.
    """
    if isinstance(value, str):
        safe = _UNFIT.sub(_escape, value)
        if len(safe) <= MAX_STRING:
            return safe
        return [safe[at : at + MAX_STRING] for at in range(0, len(safe), MAX_STRING)]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -MAX_INTEGER <= value <= MAX_INTEGER else str(value)
    if isinstance(value, float):
        plain = value == 0 or 1e-4 <= abs(value) < 1e15
        return value if plain else repr(value)
    if depth == 0:
        return fit(json.dumps(value, separators=(",", ":")))
    if isinstance(value, list):
        return [fit(item, depth - 1) for item in value]
    if len(value) > MAX_KEYS or any(_UNFIT_KEY.search(key) or len(key) > 200 for key in value):
        return fit(json.dumps(value, separators=(",", ":")))
    return {key: fit(item, depth - 1) for key, item in value.items()}


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"
