"""Before and after as changes.

* Equal values produce nothing.
* Dictionaries are compared key by key, with dotted paths (`consent.marketing`).
* Sets, and lists of different scalars, say what was added and removed. Lists of objects are compared place by place
  (`components.buttons[0].url`). Any other list is one value.
* None is no value: its side of the change is absent.
* A secret carries no value at all, only keyed fingerprints of both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from msgspec import UNSET

from whodid.capture.redact import looks_secret, masked
from whodid.capture.values import plain, same
from whodid.catalog.classes import FieldClasses
from whodid.model import Change

__all__ = ["diff"]

Fingerprint = Callable[[Any], str]


def diff(
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    classes: FieldClasses,
    fingerprint: Fingerprint,
) -> tuple[Change, ...]:
    """Compare two states of a resource.

    Args:
        before: Its fields before; None when it was created.
        after: Its fields after; None when it was deleted.
        classes: The field classes of the action.
        fingerprint: A keyed fingerprint of a JSON value, for secrets.

    Returns:
        The changes, in the order of the fields. Empty when nothing changed.

    Raises:
        InvalidEvent: A value has no JSON form.
    """
    walk = _Walk(classes, fingerprint, whole=before is None or after is None)
    return tuple(walk.mapping("", _sides(before), _sides(after)))


class _Walk:
    """One comparison.

    Args:
        whole: The resource was created or deleted: a list is a value that came or went, not a set that changed.
    """

    def __init__(self, classes: FieldClasses, fingerprint: Fingerprint, *, whole: bool) -> None:
        self._classes = classes
        self._fingerprint = fingerprint
        self._whole = whole

    def mapping(self, prefix: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
        """Compare the keys of two dictionaries: those of `after` in their order, then those that are gone."""
        for key in [*after, *(key for key in before if key not in after)]:
            yield from self.value(f"{prefix}{key}", before.get(key), after.get(key))

    def value(self, path: str, before: Any, after: Any) -> Iterator[Change]:
        """Compare two values at a path; they are raw, not yet JSON."""
        ordered = not (isinstance(before, AbstractSet) or isinstance(after, AbstractSet))
        old, new = plain(before, f"/changes/{path}"), plain(after, f"/changes/{path}")
        if same(old, new):
            return
        if self._classes.of(path) == "secret" or looks_secret(old) or looks_secret(new):
            yield self._secret(path, old, new)
        elif _both(dict, old, new):
            yield from self.mapping(f"{path}.", old or {}, new or {})
        elif self._whole and [] in (old, new):
            return  # it came or went without a member: no more than no value
        elif not self._whole and _both(list, old, new):
            yield from self._lists(path, old or [], new or [], ordered=ordered)
        else:
            yield self._scalar(path, old, new)

    def _lists(self, path: str, old: list[Any], new: list[Any], *, ordered: bool) -> Iterator[Change]:
        if all(isinstance(item, dict) for item in [*old, *new]):
            for at in range(max(len(old), len(new))):
                place = f"{path}[{at}]"
                if at >= len(old):
                    yield self._scalar(place, None, new[at])
                elif at >= len(new):
                    yield self._scalar(place, old[at], None)
                else:
                    yield from self.value(place, old[at], new[at])
            return
        if _distinct(old) and _distinct(new):
            was, now = {_typed(item) for item in old}, {_typed(item) for item in new}
            added = [item for item in new if _typed(item) not in was]
            removed = [item for item in old if _typed(item) not in now]
            if added or removed:
                yield Change(
                    path=path,
                    op="set",
                    added=[self._masked(path, item) for item in added],
                    removed=[self._masked(path, item) for item in removed],
                    class_=self._classes.of(path),
                )
                return
            if not ordered:
                return
        yield self._scalar(path, old, new)

    def _scalar(self, path: str, old: Any, new: Any) -> Change:
        return Change(
            path=path,
            op=_op(old, new),
            before=UNSET if old is None else self._masked(path, old),
            after=UNSET if new is None else self._masked(path, new),
            class_=self._classes.of(path),
        )

    def _masked(self, path: str, value: Any) -> Any:
        return masked(value, path, self._classes, self._fingerprint)

    def _secret(self, path: str, old: Any, new: Any) -> Change:
        return Change(
            path=path,
            op=_op(old, new),
            class_="secret",
            before_fp=None if old is None else self._fingerprint(old),
            after_fp=None if new is None else self._fingerprint(new),
        )


def _sides(fields: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {} if fields is None else fields


def _op(old: Any, new: Any) -> Literal["add", "remove", "replace"]:
    return "add" if old is None else "remove" if new is None else "replace"


def _both(kind: type, old: Any, new: Any) -> bool:
    """Tell whether both sides are of a type, or one is and the other has no value."""
    return all(side is None or isinstance(side, kind) for side in (old, new))


def _typed(item: Any) -> tuple[type, Any]:
    """Return what tells two scalars apart: `True` equals 1 in Python and is something else in JSON."""
    return type(item), item


def _distinct(items: list[Any]) -> bool:
    """Tell whether a list may be read as a set: scalars, none of them twice."""
    scalars = all(isinstance(item, (str, int, float)) for item in items)
    return scalars and len({_typed(item) for item in items}) == len(items)
