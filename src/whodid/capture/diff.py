"""Before and after as changes.

* Equal values produce nothing.
* Dictionaries are compared key by key, with dotted paths (`consent.marketing`).
* Sets, and lists of different scalars, say what was added and removed. Lists of objects are compared place by place
  (`components.buttons[0].url`). Any other list is one value.
* None is no value: its side of the change is absent.
* A secret carries no value at all, only keyed fingerprints of both sides.
* Of two long texts the part that differs is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from msgspec import UNSET

from whodid.capture.redact import Fingerprint, looks_secret, masked, print_of
from whodid.capture.values import LONGEST, MOST_KEYS, Hidden, is_marker, plain, same, text_marker
from whodid.catalog.classes import FieldClasses
from whodid.catalog.secrets import holds_secret
from whodid.model import Change

__all__ = ["MOST_CHANGES", "diff"]

MOST_CHANGES = 500
"""Changes of one event; the last of them counts what is left out."""

_DEPTH = 8
_LONGEST_PATH = 400
_MOST_NESTED = 2000  # objects that one comparison goes into
_PART = 2000  # characters of a long text that are kept of where it differs
_AROUND = 40
_BEYOND = 4096
_EXACT = frozenset({str, int, bool, bytes})
_SIMPLE = frozenset({str, int, bool, type(None)})
_SCALARS = frozenset({str, int, bool, float})


def diff(
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    classes: FieldClasses,
    fingerprint: Fingerprint,
) -> tuple[Change, ...]:
    """Compare two states of a resource. It never raises: what has no JSON form leaves a marker.

    Args:
        before: Its fields before; None when it was created.
        after: Its fields after; None when it was deleted.
        classes: The field classes of the action.
        fingerprint: A keyed fingerprint of a JSON value, for secrets.

    Returns:
        The changes, in the order of the fields. Empty when nothing changed.
    """
    walk = _Walk(classes, fingerprint, whole=before is None or after is None)
    old, new = before or {}, after or {}
    found = walk.found
    walk.mapping("", old, new, 0, MOST_CHANGES)
    if len(found) > MOST_CHANGES:
        rest = {"$": "truncated", "items": max(len(old), len(new))}
        found[MOST_CHANGES - 1 :] = [Change(path="*", op="add" if before is None else "replace", after=rest)]
    return tuple(found)


class _Walk:
    """One comparison.

    Args:
        whole: The resource was created or deleted: a list is a value that came or went, not a set that changed.
    """

    def __init__(self, classes: FieldClasses, fingerprint: Fingerprint, *, whole: bool) -> None:
        self._classes = classes
        self._fingerprint = fingerprint
        self._whole = whole
        self._left = _MOST_NESTED
        self.found: list[Change] = []

    def mapping(self, prefix: str, before: Mapping[Any, Any], after: Mapping[Any, Any], depth: int, limit: int) -> None:
        """Compare the keys of two dictionaries: those of `after` in their order, then those that are gone.

        Args:
            limit: Stop as soon as there are more changes than that.
        """
        told = self._classes.telling(after) or self._classes.telling(before)
        found, value = self.found, self._value if told is None else self._told
        for key in after:
            old, new = before.get(key), after[key]
            if old is new or (type(old) is type(new) and type(new) in _EXACT and old == new):
                continue
            name = key if _is_plain(key) else _segment(key)
            (value if told is None or told(key) else self._value)(f"{prefix}{name}", old, new, depth)
            if len(found) > limit:
                return
        if before.keys() <= after.keys():
            return
        for key in before:
            if key not in after and (old := before[key]) is not None:
                name = key if _is_plain(key) else _segment(key)
                (value if told is None or told(key) else self._value)(f"{prefix}{name}", old, None, depth)
                if len(found) > limit:
                    return

    def _value(self, path: str, before: Any, after: Any, depth: int) -> None:
        """Compare two values at a path; they are raw, not yet JSON."""
        class_ = self._classes.of(path)
        nested = None
        if type(before) not in _SIMPLE or type(after) not in _SIMPLE:
            nested = _nested(before, after)
            if nested is not None and class_ != "secret" and self._goes_into(path, nested, depth):
                return
        old, new = plain(before), plain(after)
        if type(old) in _SIMPLE and type(new) in _SIMPLE:  # the common case, and the one that must be quick
            if old == new and type(old) is type(new):
                return
            if class_ != "secret" and not looks_secret(old) and not looks_secret(new):
                op = _op(old, new)
                old, new = UNSET if old is None else old, UNSET if new is None else new
                self.found.append(Change(path=path, op=op, before=old, after=new, class_=class_))
                return
        if same(old, new):
            return
        if class_ == "secret" or looks_secret(old) or looks_secret(new):
            self._secret(path, old, new)
        elif nested is not None:
            self._change(path, old, new)
        elif self._whole and [] in (old, new):
            return  # it came or went without a member: no more than no value
        elif _is_dict(old) and _is_dict(new):  # what became dictionaries only as JSON
            self.mapping(f"{path}.", old or {}, new or {}, depth + 1, len(self.found) + MOST_CHANGES)
        elif not self._whole and _is_list(old) and _is_list(new):
            ordered = not (isinstance(before, AbstractSet) or isinstance(after, AbstractSet))
            self._lists(path, old or [], new or [], depth, ordered=ordered)
        elif type(before) is str and type(after) is str and max(len(before), len(after)) > LONGEST:
            self._texts(path, before, after)
        else:
            self._change(path, old, new)

    def _goes_into(self, path: str, nested: tuple[Mapping[Any, Any], Mapping[Any, Any]], depth: int) -> bool:
        """Compare two dictionaries key by key, and tell whether that was possible within bounds.

        By path first and bounded afterwards, so that one key of a hundred thousand is still found.
        """
        self._left -= 1
        if depth >= _DEPTH or self._left <= 0 or len(path) >= _LONGEST_PATH:
            return False
        start = len(self.found)
        self.mapping(f"{path}.", *nested, depth + 1, start + MOST_KEYS)
        if len(self.found) <= start + MOST_KEYS:
            return True
        del self.found[start:]
        return False

    def _lists(self, path: str, old: list[Any], new: list[Any], depth: int, *, ordered: bool) -> None:
        if not old and not new:
            return
        was, now = _members(old), _members(new)
        if was is not None and now is not None:
            added = [item for item in new if (type(item), item) not in was]
            removed = [item for item in old if (type(item), item) not in now]
            if added or removed:
                self.found.append(
                    Change(
                        path=path,
                        op="set",
                        added=self._masked(path, added),
                        removed=self._masked(path, removed),
                        class_=self._classes.of(path),
                    )
                )
                return
            if not ordered:
                return
        elif all(isinstance(item, dict) for item in (*old, *new)):
            for at in range(max(len(old), len(new))):
                place = f"{path}[{at}]"
                if at >= len(old):
                    self._change(place, None, new[at])
                elif at >= len(new):
                    self._change(place, old[at], None)
                else:
                    self._value(place, old[at], new[at], depth + 1)
            return
        self._change(path, old, new)

    def _change(self, path: str, old: Any, new: Any) -> None:
        if isinstance(old, Hidden) or isinstance(new, Hidden):
            self._secret(path, old, new)
            return
        change = Change(
            path=path,
            op=_op(old, new),
            # A text that is a secret or has one in it never comes here.
            before=UNSET if old is None else old if type(old) is str else self._masked(path, old),
            after=UNSET if new is None else new if type(new) is str else self._masked(path, new),
            class_=self._classes.of(path),
        )
        self.found.append(change)

    def _texts(self, path: str, old: str, new: str) -> None:
        """Say of long texts how they begin and where they differ."""
        start = _common(old, new)
        end = _common(old[start:][::-1], new[start:][::-1])
        sides = [{**text_marker(text), **_differing(text, start, len(text) - end)} for text in (old, new)]
        self._change(path, *sides)

    def _masked(self, path: str, value: Any) -> Any:
        return masked(value, path, self._classes, self._fingerprint)

    def _told(self, path: str, before: Any, after: Any, depth: int) -> None:
        """Compare two values of which a member beside them says that they are secret."""
        old, new = plain(before), plain(after)
        if not same(old, new):
            self._secret(path, old, new)

    def _secret(self, path: str, old: Any, new: Any) -> None:
        change = Change(
            path=path,
            op=_op(old, new),
            class_="secret",
            before_fp=print_of(old, self._fingerprint),
            after_fp=print_of(new, self._fingerprint),
        )
        self.found.append(change)


def _op(old: Any, new: Any) -> Literal["add", "remove", "replace"]:
    return "add" if old is None else "remove" if new is None else "replace"


def _nested(before: Any, after: Any) -> tuple[Mapping[Any, Any], Mapping[Any, Any]] | None:
    """Return both sides when they are to be compared key by key: dictionaries, or one of them is and one no value."""
    if not (_is_mapping(before) and _is_mapping(after)) or (before is None and after is None):
        return None
    old, new = before or {}, after or {}
    if (before is None or after is None) and len(old) + len(new) > MOST_KEYS:
        return None
    return old, new


def _is_mapping(side: Any) -> bool:
    return side is None or (type(side) is dict and "$" not in side)


def _is_dict(side: Any) -> bool:
    return side is None or (isinstance(side, dict) and not is_marker(side))


def _is_list(side: Any) -> bool:
    return side is None or isinstance(side, list)


def _is_plain(key: Any) -> bool:
    return type(key) is str and 0 < len(key) <= 100 and key.isprintable()


def _segment(key: Any) -> str:
    """Return what stands for a key in a path, whatever it is."""
    text = next(iter(plain({key: None})))
    if len(text) > 100:
        text = f"{text[:99]}…"
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text) or '""'


def _common(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _differing(text: str, start: int, stop: int) -> dict[str, Any]:
    """Return where a text differs and how it reads there; nothing when a secret is near."""
    start, stop = max(start - _AROUND, 0), min(stop + _AROUND, start + _PART)
    if holds_secret(text[max(start - _BEYOND, 0) : stop + _BEYOND]):
        return {"at": start}
    part = plain(text[start:stop])
    return {"at": start, "part": part if isinstance(part, str) else part["head"]}


def _members(items: list[Any]) -> set[tuple[type, Any]] | None:
    """Return what tells the items of a list apart when it may be read as a set: scalars, none of them twice.

    `True` equals 1 in Python and is something else in JSON, so the type belongs to it.
    """
    if not _SCALARS.issuperset(map(type, items)):
        return None
    members = {(type(item), item) for item in items}
    return members if len(members) == len(items) else None
