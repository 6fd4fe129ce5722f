"""What can be typed next: field names, and values with the number of entries that carry them.

The last term of a text is completed. `actor:ma` finds actors whose name begins so; `ma` alone finds fields, actors,
resources and actions. Every suggestion is a whole term that the query language reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from whodid.query import ALIASES, FIELDS, FLAGS, Query, Term, Value
from whodid.viewer.asks import number
from whodid.viewer.present import facet_label
from whodid.viewer.reader import Reader

__all__ = ["suggest"]

_COUNTED = ("actor", "action", "kind", "category", "type", "outcome", "severity", "via", "country", "resource")
_FREE = ("actor", "resource", "action")
_MOST = 20
_WIDE = 200


def suggest(reader: Reader, asked: Query, found: Mapping[str, str], lang: str) -> dict[str, Any]:
    """Return completions of the term that is being typed.

    Args:
        asked: Everything else that is asked; counts are within it.
        found: Further parameters: `term` (what is typed so far, perhaps with `-` before it) and `limit` (1 to 20).
    """
    typed = found.get("term", "")
    limit = number(found, "limit", 8, 1, _MOST)
    negated = typed.startswith("-")
    name, colon, value = typed.removeprefix("-").partition(":")
    field = ALIASES.get(name.lower(), name.lower())
    if colon and field in FIELDS:
        items = _values(reader, asked, field, value.strip('"'), lang, negated=negated)
    else:
        items = _words(reader, asked, name.strip('"'), lang, negated=negated)
    listed = []
    for item in items:
        listed.append(item)
        if len(listed) == limit:
            break
    return {"items": listed}


def _words(reader: Reader, asked: Query, text: str, lang: str, *, negated: bool) -> Iterator[dict[str, Any]]:
    for field in FIELDS:
        if text and field.startswith(text.lower()):
            yield {"kind": "field", "term": f"{'-' if negated else ''}{field}:", "label": field}
    if text:
        for field in _FREE:
            yield from _values(reader, asked, field, text, lang, negated=negated)


def _values(
    reader: Reader, asked: Query, field: str, prefix: str, lang: str, *, negated: bool
) -> Iterator[dict[str, Any]]:
    if field == "is":
        for flag in FLAGS:
            if flag.startswith(prefix.lower()):
                yield _item(field, flag, flag, None, negated=negated)
        return
    if field not in _COUNTED:
        return
    # Names that depend on the language are compared here; those of people and things by the log.
    own = field in ("actor", "resource", "country")
    facets = reader.facets(asked, field, limit=_WIDE, prefix=prefix if own else "")
    wanted = prefix.casefold()
    for one in facets.values:
        label = facet_label(field, one, lang, reader.log.catalog)
        words = f"{label} {one.value}".casefold()
        if own or words.startswith(wanted) or any(word.startswith(wanted) for word in words.replace(".", " ").split()):
            yield _item(field, one.value, label, one.count, negated=negated)


def _item(field: str, value: str, label: str, count: int | None, *, negated: bool) -> dict[str, Any]:
    term = Term(field=field, values=(Value(text=value),), negated=negated)
    return {"kind": "value", "field": field, "term": str(term), "label": label, "count": count}
