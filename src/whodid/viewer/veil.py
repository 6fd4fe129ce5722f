"""Personal values and who may see them.

Without the permission `audit:pii` a viewer sees an entry without its personal values, and the interface says of each
that it is hidden. Personal is

* what the model says: e-mail of an actor (also of the one acted for), addresses in the context;
* what the entry says: `before`, `after`, `added` and `removed` of a change of class personal, and whatever stands
  beside `"class": "personal"` inside details;
* what the catalog says: a field of class personal of that action, as a change or inside details;
* what its name says, where the catalog says nothing: a change or a key called email, phone, ip, birthday, query …;
* what its form says: a name, reason text or value that is nothing but an e-mail address, a telephone number in
  international form or an IP address.

Ids stay: they are opaque by definition. Prose stays: a reason is written to be read.

One walk decides, and three forms follow from it, so that list, search and export can never disagree. Pure functions.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from whodid.canonical import time_text
from whodid.catalog import Catalog, FieldClasses
from whodid.log import COVER, HIDDEN
from whodid.model import Entry

__all__ = ["HIDDEN", "bare", "covered", "formed_personal", "open_wire", "veiled_wire"]

ERASED = {"$": "erased"}
"""Stands where a value stood that an erasure took."""

_Tree = dict[str, Any]


class _Place(NamedTuple):
    """Where a personal value stands: `container[key]`; `text` where the model allows only text."""

    container: Any
    key: Any
    text: bool


_PERSONAL_WORDS = frozenset(
    """
    address addresses birth birthdate birthday dob email emails fax geo gps iban ip ips lat latitude lng lon longitude
    mail mobile msisdn nif passport phone phones postcode query ssn street tel telephone zip
    """.split()  # noqa: SIM905 - a list of words reads as words
)
# What may stay of an object that calls itself personal: what says which field it is and what was decided, not values.
_OUTLINE = frozenset({"class", "field", "label", "op", "path", "rule", "type", "winner"})

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_PHONE = re.compile(r"(?:\+|00)[0-9][0-9 ().\-/]{5,}")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{3,45}(?:/[0-9]{1,3})?")
_LONGEST_FORM = 320


def open_wire(entry: Entry) -> _Tree:
    """Return an entry in wire form, with everything in it, and `ERASED` in place of what was erased."""
    return _timed(_marked(_tree(entry)))


def veiled_wire(entry: Entry, catalog: Catalog) -> _Tree:
    """Return an entry in wire form, with `HIDDEN` in place of every personal value, or `ERASED` of one that is gone."""
    tree = _tree(entry)
    for place in _Walk(catalog.classes(entry.action)).places(tree):
        place.container[place.key] = HIDDEN
    return _timed(_marked(tree))


def bare(entry: Entry, catalog: Catalog) -> Entry:
    """Return an entry as if it had no personal values: what a viewer without the permission can ask about."""
    tree = _tree(entry)
    for place in _Walk(catalog.classes(entry.action)).places(tree):
        if isinstance(place.container, list):
            place.container[place.key] = None
        else:
            del place.container[place.key]
    return msgspec.convert(tree, Entry, builtin_types=(datetime,))


def covered(entry: Entry, catalog: Catalog) -> Entry:
    """Return an entry for an export, with a cover over every personal value."""
    tree = _tree(entry)
    for place in _Walk(catalog.classes(entry.action)).places(tree):
        place.container[place.key] = COVER if place.text else HIDDEN
    return msgspec.convert(tree, Entry, builtin_types=(datetime,))


def formed_personal(text: str) -> bool:
    """Say whether a text is nothing but an e-mail address, a telephone number or an IP address."""
    text = text.strip()
    if not 3 <= len(text) <= _LONGEST_FORM:
        return False
    if _EMAIL.fullmatch(text) or _PHONE.fullmatch(text):
        return True
    if not _ADDRESS.fullmatch(text) or (text.count(".") != 3 and text.count(":") < 2):
        return False
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def _tree(entry: Entry) -> _Tree:
    tree: _Tree = msgspec.to_builtins(entry, builtin_types=(datetime,))
    return tree


def _timed(tree: _Tree) -> _Tree:
    for container, key in ((tree, "occurred_at"), (tree, "recorded_at"), (tree.get("erased"), "at")):
        if container is not None:
            container[key] = time_text(container[key])
    return tree


def _marked(tree: _Tree) -> _Tree:
    """Put a marker where an erased value stood, so that nobody takes it for a value that never was there."""
    for path in tree.get("erased", {}).get("paths", ()):
        noun, _, rest = path.partition(".")
        match noun, rest:
            case ("actor", "name" | "email") | ("resource", "name") | ("context", "user_agent"):
                tree[noun][rest] = ERASED
            case "context", "place":
                tree[noun]["ip"] = ERASED
            case "related", _:
                tree[noun][int(rest.partition(".")[0])]["name"] = ERASED
            case "reason", _:
                tree[noun] = {"text": ERASED}
            case "details", _:
                tree[noun] = {"erased": ERASED}
            case "changes", _:
                change = tree[noun][int(rest)]
                change.update(dict.fromkeys(_SIDES.get(change.get("op", "replace"), _BOTH), ERASED))
    return tree


_BOTH = ("before", "after")
_SIDES = {"add": ("after",), "remove": ("before",)}


class _Walk:
    """One walk over an entry as plain values, in search of what is personal in it."""

    def __init__(self, classes: FieldClasses) -> None:
        self._classes = classes
        self._found: list[_Place] = []

    def places(self, tree: _Tree) -> list[_Place]:
        """Return every personal place; none lies inside another."""
        actor: _Tree | None = tree["actor"]
        while actor is not None:
            if "email" in actor:
                self._put(actor, "email", text=True)
            self._formed(actor, "name")
            actor = actor.get("on_behalf_of")
        self._formed(tree["resource"], "name")
        for related in tree.get("related", ()):
            self._formed(related, "name")
        if "reason" in tree:
            self._formed(tree["reason"], "text")
        context = tree.get("context", {})
        for name in ("ip", "forwarded_ip"):
            if name in context:
                self._put(context, name, text=True)
        for change in tree.get("changes", ()):
            self._change(change)
        if "details" in tree:
            self._members(tree["details"], "")
        return self._found

    def _put(self, container: Any, key: Any, *, text: bool = False) -> None:
        self._found.append(_Place(container, key, text))

    def _change(self, change: _Tree) -> None:
        path: str = change["path"]
        whole = change.get("class") == "personal" or self._classes.declared(path) == "personal"
        named = self._named(path, path)
        for name in ("before", "after"):
            if name in change:
                # Where there was no value there is none to hide: "empty" may be shown.
                if (whole and change[name] is not None) or (named and _hideable(change[name])):
                    self._put(change, name)
                else:
                    self._value(change, name, path)
        for name in ("added", "removed"):
            # The model wants a list here, so the members are hidden one by one.
            for at in range(len(change.get(name, ()))):
                if whole or named:
                    self._put(change[name], at)
                else:
                    self._value(change[name], at, path)

    def _value(self, container: Any, key: Any, path: str) -> None:
        value = container[key]
        if isinstance(value, str):
            if formed_personal(value):
                self._put(container, key)
        elif isinstance(value, dict):
            self._members(value, path)
        elif isinstance(value, list):
            for at in range(len(value)):
                self._value(value, at, path)

    def _members(self, value: _Tree, path: str) -> None:
        whole = value.get("class") == "personal"
        for name in value:
            below = f"{path}.{name}" if path else name
            if _hideable(value[name]) and ((whole and name not in _OUTLINE) or self._named(below, name)):
                self._put(value, name)
            else:
                self._value(value, name, below)

    def _named(self, path: str, key: str) -> bool:
        """Say whether a place is personal by declaration or, where nothing is declared, by its name."""
        declared = self._classes.declared(path) or self._classes.declared(key)
        return _named_personal(key) if declared is None else declared == "personal"

    def _formed(self, container: _Tree, key: str) -> None:
        value = container.get(key)
        if value is not None and formed_personal(value):
            self._put(container, key, text=True)


def _hideable(value: Any) -> bool:
    # Whether and how often is no personal value; who and what is.
    return value is not None and not isinstance(value, bool)


@lru_cache(maxsize=4096)
def _named_personal(path: str) -> bool:
    return any(word.lower() in _PERSONAL_WORDS for word in _WORDS.findall(path))
