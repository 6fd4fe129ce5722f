"""What a query means: which entries it finds. The one definition that every store agrees with.

| Field | Holds when |
| --- | --- |
| actor | the id is equal, or the name or email is; of the actor or of those it acts for |
| action | the full name or the verb is equal |
| category, kind, via, country, outcome, severity | the value is equal |
| type | the type of the resource is equal |
| resource | `type:id`, the id, or the name is equal; of the resource or a related resource |
| related | the same, of a related resource only |
| id, request, session, batch, cause | the text is equal (in `id` without regard to case) |
| change | the path of a change is equal, without regard to case |
| before, after | the text occurs in a scalar of a value before (or removed), after (or added) a change |
| reason | the text occurs in the code or the text of the reason |
| ip | the address is equal, or lies in the network |
| index | the number is equal or lies in the range |
| is | denied and failed: the outcome; batch: there is a batch; else the mark |

Free text holds when its tokens follow one another within one text of the entry (`words.words` says which texts), the
last of them as a prefix unless it was quoted; or when it is the id of the entry, of the actor, of the resource or of a
related resource.

Names, emails, reasons, values and free text are compared without case and accents (`words.fold`); ids and the texts
that machines make are compared as they are. `*` completes a value where the table says *equal*, and means *begins
with* where it says *occurs*; ids of actors and resources have no `*`. Values of class secret are never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from msgspec import UNSET

from whodid.model import Change, Entry
from whodid.query.shape import flag_test, value_test
from whodid.query.terms import TEXT, Query, Term
from whodid.query.values import typed_id
from whodid.query.words import address, fold, leaves, runs, split

__all__ = ["compile_query", "matches"]

Test = Callable[[Entry], bool]
TextTest = Callable[[str], bool]

# Cheap tests first: most entries fail one of them before a text is folded.
_LATE = ("change", "ip", "actor", "resource", "related", "reason", "before", "after")


def matches(query: Query, entry: Entry) -> bool:
    """Tell whether a query finds an entry. Total: every entry has an answer."""
    return _compiled(query)(entry)


def compile_query(query: Query) -> Test:
    """Return the function that tells whether the query finds an entry, for looking at many.

    It answers exactly as `matches` does.
    """
    tests: list[Test] = []
    if query.since is not None or query.until is not None:
        tests.append(_period_test(query.since, query.until))
    plain = [term for term in query.terms if term.field != TEXT]
    for term in sorted(plain, key=lambda one: _LATE.index(one.field) + 1 if one.field in _LATE else 0):
        test = _test(term)
        tests.append(_not(test) if term.negated else test)
    texts = [term for term in query.terms if term.field == TEXT]
    if texts:
        tests.append(_texts_test(texts))
    if len(tests) == 1:
        return tests[0]
    every = tuple(tests)

    # A loop, because a generator expression costs more than the tests themselves. Below as well.
    def accept(entry: Entry) -> bool:
        for test in every:  # noqa: SIM110
            if not test(entry):
                return False
        return True

    return accept


_compiled = lru_cache(maxsize=256)(compile_query)


def _not(test: Test) -> Test:
    return lambda entry: not test(entry)


def _period_test(since: datetime | None, until: datetime | None) -> Test:
    if until is None:
        return lambda entry: since is None or entry.occurred_at >= since
    if since is None:
        return lambda entry: entry.occurred_at < until
    return lambda entry: since <= entry.occurred_at < until


def _test(term: Term) -> Test:
    field = term.field
    if field in _SPECIAL:
        return _SPECIAL[field](term)
    value = value_test(term)
    tests: dict[str, Test] = {
        "action": lambda entry: value(entry.action),
        "category": lambda entry: value(entry.action.partition(".")[0]),
        "kind": lambda entry: value(entry.kind),
        "type": lambda entry: value(entry.resource.type),
        "severity": lambda entry: value(entry.severity),
        "outcome": lambda entry: value(entry.outcome),
        "via": lambda entry: entry.context is not None and value(entry.context.source),
        "country": lambda entry: entry.context is not None and value(entry.context.country),
        "request": lambda entry: entry.context is not None and value(entry.context.request),
        "session": lambda entry: entry.context is not None and value(entry.context.session),
        "id": lambda entry: value(entry.id.lower()),
        "batch": lambda entry: value(entry.batch),
        "cause": lambda entry: value(entry.cause),
    }
    return tests[field]


# -------------------------------------------------------------------------------------------------------------- names


def _name_test(texts: list[str], prefixes: list[str]) -> Callable[[str | None], bool]:
    exact = frozenset(map(fold, texts))
    begins = tuple(map(fold, prefixes))

    def test(name: str | None) -> bool:
        if name is None:
            return False
        folded = fold(name)
        return folded in exact or folded.startswith(begins)

    return test


def _actor_test(term: Term) -> Test:
    ids = frozenset(value.text for value in term.values if not value.prefix)
    prefixes = [value.text for value in term.values if value.prefix]
    if "" in prefixes:
        return _always
    named = _name_test(list(ids), prefixes)

    def test(entry: Entry) -> bool:
        actor = entry.actor
        while True:
            if actor.id in ids or named(actor.name) or named(actor.email):
                return True
            if actor.on_behalf_of is None:
                return False
            actor = actor.on_behalf_of

    return test


def _resource_test(term: Term) -> Test:
    texts = [value.text for value in term.values if not value.prefix]
    prefixes = [value.text for value in term.values if value.prefix]
    own = term.field == "resource"
    if "" in prefixes:
        return _always if own else lambda entry: bool(entry.related)
    ids = frozenset(texts)
    typed = frozenset(filter(None, map(typed_id, texts)))
    named = _name_test([text for text in texts if typed_id(text) is None], prefixes)

    def test(entry: Entry) -> bool:
        resource = entry.resource
        if own and (resource.id in ids or (resource.type, resource.id) in typed or named(resource.name)):
            return True
        for related in entry.related:
            if related.id in ids or (related.type, related.id) in typed or named(related.name):
                return True
        return False

    return test


# -------------------------------------------------------------------------------------------------------------- texts


def _occurs_test(term: Term) -> TextTest:
    """Return the test whether a folded text contains (or, with `*`, begins with) one of the values."""
    parts = tuple(fold(value.text) for value in term.values if not value.prefix)
    begins = tuple(fold(value.text) for value in term.values if value.prefix)
    if len(parts) == 1 and not begins:
        only = parts[0]
        return lambda text: only in text
    return lambda text: text.startswith(begins) or any(part in text for part in parts)


def _reason_test(term: Term) -> Test:
    occurs = _occurs_test(term)

    def test(entry: Entry) -> bool:
        reason = entry.reason
        if reason is None:
            return False
        return (reason.code is not None and occurs(fold(reason.code))) or (
            reason.text is not None and occurs(fold(reason.text))
        )

    return test


def _change_test(term: Term) -> Test:
    value = value_test(term)
    return lambda entry: any(value(change.path.lower()) for change in entry.changes)


def _side_test(term: Term) -> Test:
    occurs = _occurs_test(term)
    sides = _befores if term.field == "before" else _afters

    def test(entry: Entry) -> bool:
        return any(
            occurs(fold(text))
            for change in entry.changes
            if change.class_ != "secret"
            for side in sides(change)
            for text in leaves(side)
        )

    return test


def _befores(change: Change) -> Iterator[Any]:
    return (side for side in (change.before, change.removed) if side is not UNSET)


def _afters(change: Change) -> Iterator[Any]:
    return (side for side in (change.after, change.added) if side is not UNSET)


def _texts_test(terms: list[Term]) -> Test:
    parts = [(term.negated, term.values[0].text, _needle(term)) for term in terms]

    def test(entry: Entry) -> bool:
        text = None
        for negated, written, needle in parts:
            found = _has_id(entry, written)
            if not found and needle is not None:
                if text is None:
                    text = runs(entry)
                found = needle in text
            if found is negated:
                return False
        return True

    return test


def _needle(term: Term) -> str | None:
    value = term.values[0]
    tokens = split(value.text)
    return f" {' '.join(tokens)}{'' if value.prefix else ' '}" if tokens else None


def _has_id(entry: Entry, text: str) -> bool:
    if text in (entry.actor.id, entry.resource.id) or text.lower() == entry.id.lower():
        return True
    return bool(entry.related) and any(text == related.id for related in entry.related)


# ------------------------------------------------------------------------------------------------------------ numbers


def _ip_test(term: Term) -> Test:
    if any(value.prefix for value in term.values):
        return lambda entry: entry.context is not None and entry.context.ip is not None
    exact = frozenset(address(value.text) for value in term.values if "/" not in value.text)
    networks = [
        (network.version, int(network.network_address), int(network.netmask))
        for network in (ip_network(value.text) for value in term.values if "/" in value.text)
    ]

    def test(entry: Entry) -> bool:
        context = entry.context
        if context is None or context.ip is None:
            return False
        found = address(context.ip)
        if found is None:
            return False
        return found in exact or any(
            found.version == version and found.number & mask == base for version, base, mask in networks
        )

    return test


def _index_test(term: Term) -> Test:
    numbers = [int(value.text) for value in term.values]
    first, last = numbers[0], numbers[-1]
    some = frozenset(numbers)
    tests: dict[str, Test] = {
        "is": lambda entry: entry.index in some,
        "range": lambda entry: first <= entry.index <= last,
        "<": lambda entry: entry.index < first,
        "<=": lambda entry: entry.index <= first,
        ">": lambda entry: entry.index > first,
        ">=": lambda entry: entry.index >= first,
    }
    return tests[term.op]


def _flags_test(term: Term) -> Test:
    flags = frozenset(value.text for value in term.values)
    plain = flag_test(flags - {"batch"})
    if "batch" in flags:
        return lambda entry: entry.batch is not None or plain(entry.outcome, entry.marks)
    return lambda entry: plain(entry.outcome, entry.marks)


def _always(_entry: Entry) -> bool:
    return True


_SPECIAL: dict[str, Callable[[Term], Test]] = {
    "actor": _actor_test,
    "resource": _resource_test,
    "related": _resource_test,
    "change": _change_test,
    "before": _side_test,
    "after": _side_test,
    "reason": _reason_test,
    "ip": _ip_test,
    "index": _index_test,
    "is": _flags_test,
}
