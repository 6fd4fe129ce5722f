"""The one question form: query text, what it means, and what stores need to answer it.

`parse` reads the language that the search box, the menus, the URL, the API and the command line share; `str(query)`
writes it. `compile_query` and `matches` say which entries a query finds, and every store agrees with them. `words`,
`tokens` and `ids` let a store find candidates in indexes; `shape_of` and `matches_shape` let it count without
looking.

Everything here is pure: `now`, the zone and the viewer are arguments. Nothing here knows a store.
"""

from __future__ import annotations

from whodid.query.clues import ids, needs_text, tokens
from whodid.query.match import compile_query, matches
from whodid.query.page import Cursor, Page
from whodid.query.parse import parse
from whodid.query.shape import Shape, matches_shape, shape_of
from whodid.query.spans import indexes_of, spans
from whodid.query.terms import ALIASES, FIELDS, TEXT, Query, Term, Value, narrow, quote
from whodid.query.values import FLAGS
from whodid.query.words import fold, words

__all__ = [
    "ALIASES",
    "FIELDS",
    "FLAGS",
    "TEXT",
    "Cursor",
    "Page",
    "Query",
    "Shape",
    "Term",
    "Value",
    "compile_query",
    "fold",
    "ids",
    "indexes_of",
    "matches",
    "matches_shape",
    "narrow",
    "needs_text",
    "parse",
    "quote",
    "shape_of",
    "spans",
    "tokens",
    "words",
]
