"""What the indexes of a store can know about a term: token prefixes and ids.

The rule that makes it sound. For a term, let

* W be the entries whose `words` contain, for some group of `tokens(term)`, for each prefix of that group a token that
  begins with it;
* I be the entries that carry one of `ids(term)`: as the actor's id (field `actor`), as the id of the resource or of a
  related resource (`resource`, `related`), as any of these or as the entry's own id (free text; the entry's id
  without regard to case).

Then every entry for which the term holds is in W ∪ I. The reverse does not hold: the entry decides, with
`compile_query`. No groups means that W is empty and I alone is the answer (`resource:contact:con_4H7P`); no ids, that I
is empty. None, always from both functions together, means that neither index narrows the term: take the entries
from somewhere else.

A term of which this can be said has fewer entries to look at than the log; one such term is enough to answer a
query, the others are left to the predicate.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, ip_network
from typing import NamedTuple

from whodid.query.terms import TEXT, Query, Term, Value
from whodid.query.values import typed_id
from whodid.query.words import encode, fold, split

__all__ = ["ids", "needs_text", "tokens"]


class _Clues(NamedTuple):
    groups: tuple[tuple[str, ...], ...]
    ids: tuple[str, ...]


def tokens(term: Term) -> tuple[tuple[str, ...], ...] | None:
    """Return groups of token prefixes, one group per value that words can prove; see the rule above.

    Returns:
        Encoded as `words` encodes. None when words and ids do not narrow the term (a negated term, `actor:*`,
        `kind:create`, `after:opted` …).
    """
    clues = _clues(term)
    return None if clues is None else clues.groups


def ids(term: Term) -> tuple[str, ...] | None:
    """Return the ids by which an entry can satisfy the term without its words; see the rule above.

    Returns:
        None exactly when `tokens(term)` is None.
    """
    clues = _clues(term)
    return None if clues is None else clues.ids


def needs_text(query: Query) -> bool:
    """Tell whether an index of words would narrow the query: whether `tokens` has groups for one of its terms."""
    return any(tokens(term) for term in query.terms)


@lru_cache(maxsize=1024)
def _clues(term: Term) -> _Clues | None:
    if term.negated or term.field not in _FIELDS:
        return None
    groups: list[tuple[str, ...]] = []
    keys: list[str] = []
    for value in term.values:
        typed = typed_id(value.text) if term.field in ("resource", "related") and not value.prefix else None
        if typed is not None:
            keys += [value.text, typed[1]]
            continue
        group = tuple(dict.fromkeys(map(encode, _required(term.field, value))))
        if not group:
            return None  # one value that words cannot prove, and the whole list is open
        groups.append(group)
        if term.field in _WITH_IDS and (not value.prefix or term.field == TEXT):
            keys.append(value.text)
    return _Clues(tuple(groups), tuple(dict.fromkeys(keys)))


_WITH_IDS = ("actor", "resource", "related", TEXT)
_FIELDS = (*_WITH_IDS, "ip", "request", "session", "reason", "before", "after")


def _required(field: str, value: Value) -> list[str]:
    """Return the tokens that a text with this value has, as prefixes; an empty list when it need not have any."""
    if field == "ip":
        return _address_tokens(value)
    found = split(value.text)
    if field not in ("reason", "before", "after"):
        return found
    folded = fold(value.text)
    if value.prefix:
        # true, false and null are values to compare with, but no words.
        return [] if any(literal.startswith(folded) for literal in ("true", "false", "null")) else found
    # The value may begin in the middle of a token of the entry, unless something stands before its first token.
    return found[1:] if found and folded.startswith(found[0]) else found


def _address_tokens(value: Value) -> list[str]:
    if "/" not in value.text:
        return split(value.text)
    network = ip_network(value.text)
    if not isinstance(network, IPv4Network):
        return []  # an IPv6 address is written shortened, where it will
    return str(network.network_address).split(".")[: network.prefixlen // 8]
