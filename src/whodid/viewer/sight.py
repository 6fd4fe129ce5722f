"""What a viewer may ask: the rule that keeps hidden values from being found by searching for them.

**A query is answered as if the values that the viewer cannot see were not there.** For a viewer with `audit:pii`
nothing changes. Without it, each term of a query is of one of three sorts:

* *Refused*: `ip:` and an actor named by e-mail ask for nothing but hidden values. An empty answer would be taken for
  "there is none", so the answer is that the permission is missing.
* *Open*: terms that cannot touch a personal value (action, kind, date, an actor or resource by whole id or name …). The
  log answers them with its indexes, counts and roll-ups.
* *Veiled*: `before:`, `after:`, free text, `reason:`, values with a wildcard and names in the form of an address. They
  are tried on each entry after its personal values were taken out, over a bounded stretch of the log per call.

What a stretch yields, how far it reaches and what is counted depends on visible values alone; the log itself is asked
only the open terms. Negation needs no rule of its own: it is judged by the same eyes.

Pure functions.
"""

from __future__ import annotations

from whodid.errors import Denied
from whodid.query import TEXT, Query, Term, Value
from whodid.viewer.veil import formed_personal

__all__ = ["PERSONAL", "split"]

PERSONAL = "audit:pii"
"""The permission to see personal values."""

_ALWAYS_VEILED = frozenset({"before", "after", "reason", TEXT})
_NAMED = frozenset({"actor", "resource", "related"})


def split(query: Query) -> tuple[Query, Query]:
    """Part a query of a viewer without `audit:pii`.

    Returns:
        The open part, for the log, with the period; and the veiled part, for entries without their personal values.

    Raises:
        Denied: A term asks for hidden values only.
    """
    open_terms: list[Term] = []
    veiled: list[Term] = []
    for term in query.terms:
        if term.field == "ip" or (term.field == "actor" and any(_is_mail(value) for value in term.values)):
            raise Denied(PERSONAL, f"Ask an administrator of the workspace for it, or leave out {term}")
        if term.field in _ALWAYS_VEILED or (
            term.field in _NAMED and any(value.prefix or _formed(value) for value in term.values)
        ):
            veiled.append(term)
        else:
            open_terms.append(term)
    return Query(terms=tuple(open_terms), since=query.since, until=query.until), Query(terms=tuple(veiled))


def _is_mail(value: Value) -> bool:
    return "@" in value.text


def _formed(value: Value) -> bool:
    # `resource:contact:+34 …` carries its type before the name.
    return "@" in value.text or formed_personal(value.text) or formed_personal(value.text.partition(":")[2])
