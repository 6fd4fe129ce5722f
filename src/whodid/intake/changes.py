"""The check of changes: every value bounded, every secret turned into fingerprints."""

from __future__ import annotations

from typing import Any, get_args

from msgspec import UNSET
from msgspec.structs import replace

from whodid.catalog import SHORTEST
from whodid.intake.limits import NAME, Fault, invalid
from whodid.intake.parts import check_id, refuse_choice, refuse_type
from whodid.intake.values import Hider, is_fingerprint, normal
from whodid.model import Change, FieldClass

__all__ = ["check_changes"]

_MOST = 500
_LEVEL = 4  # event, list of changes, change, value
_OPS = ("add", "remove", "replace", "set")
_CLASSES: tuple[str, ...] = get_args(FieldClass)


def check_changes(changes: Any, hider: Hider) -> tuple[Change, ...]:
    """Return checked changes.

    Raises:
        InvalidEvent: One of them cannot be recorded.
    """
    if not isinstance(changes, (tuple, list)):
        refuse_type(changes, "a list", "changes")
    if len(changes) > _MOST:
        raise invalid(f"There are more than {_MOST} changes", "Send several events of one batch", "changes")
    made: list[Change] = []
    for at, change in enumerate(changes):
        try:
            made.append(_change(change, hider, at))
        except Fault as fault:
            raise fault.at("changes", at) from None
    return tuple(made)


def _change(change: Any, hider: Hider, at: int) -> Change:
    if not isinstance(change, Change):
        refuse_type(change, "a Change", "changes", at)
    path = change.path
    if type(path) is not str or not 0 < len(path) <= NAME or not path.isprintable():
        raise Fault("This is not a path", f"Use 1 to {NAME} printable characters, such as 'address.city'", "path")
    if change.op not in _OPS:
        refuse_choice(_OPS, "changes", at, "op")
    if change.class_ not in _CLASSES:
        refuse_choice(_CLASSES, "changes", at, "class")
    if change.from_ is not None:
        check_id(change.from_, "changes", at, "from")
    class_ = hider.classes.of(path, change.class_)
    if class_ == "secret" or change.before_fp is not None or change.after_fp is not None:
        return _hidden(change, hider)
    before, after, added, removed = change.before, change.after, change.added, change.removed
    if before is not UNSET and (type(before) is not str or len(before) >= SHORTEST):
        before = _value(before, path, hider, "before")
    if after is not UNSET and (type(after) is not str or len(after) >= SHORTEST):
        after = _value(after, path, hider, "after")
    if added is not UNSET:
        added = _list(added, path, hider, "added")
    if removed is not UNSET:
        removed = _list(removed, path, hider, "removed")
    same = before is change.before and after is change.after and added is change.added and removed is change.removed
    if same and class_ == change.class_:
        return change
    if (isinstance(before, dict) and isinstance(change.before, str)) or (
        isinstance(after, dict) and isinstance(change.after, str)
    ):
        return _hidden(change, hider)  # an innocent name over a value in the format of a secret
    return replace(change, before=before, after=after, added=added, removed=removed, class_=class_)


def _hidden(change: Change, hider: Hider) -> Change:
    """Keep of a secret only that it changed. A side that is absent or null had no value and gets no fingerprint."""
    hider.hid = True
    return Change(
        path=change.path,
        op=change.op,
        class_="secret",
        before_fp=_print(change, hider, "before", "removed", "before_fp"),
        after_fp=_print(change, hider, "after", "added", "after_fp"),
        from_=change.from_,
    )


def _print(change: Change, hider: Hider, side: str, items: str, given: str) -> str | None:
    for member in (side, items):
        value = getattr(change, member)
        if value is not UNSET and value is not None and value != []:
            try:
                return hider.print_of(normal(value, _LEVEL, "", None))
            except Fault as fault:
                fault.tokens.append(member)
                raise
    known = getattr(change, given)
    if known is None or is_fingerprint(known):
        return known  # type: ignore[no-any-return]  # None or text
    raise Fault("This is not a fingerprint", "Send 16 to 64 lower-case hexadecimal digits", given)


def _value(value: Any, path: str, hider: Hider, member: str) -> Any:
    try:
        return normal(value, _LEVEL, path, hider)
    except Fault as fault:
        fault.tokens.append(member)
        raise


def _list(value: Any, path: str, hider: Hider, member: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise Fault("This is not a list", "Send a list of what was added or removed", member)
    return _value(value, path, hider, member)
