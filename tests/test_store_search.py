"""Which words a search may ask an index for, whole or as beginnings."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from whodid.canonical import read_wire
from whodid.query import ids, matches, parse, tokens, words
from whodid.store.search import whole_words

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors/query_match.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: str(case["query"])[:40])
def test_an_index_of_words_loses_no_entry(case: dict[str, Any]) -> None:
    """What a query finds has the term's words, whole where a search asks for whole words, or one of its ids."""
    query = parse(
        case["query"], now=datetime.fromisoformat(VECTORS["now"]), zone=VECTORS["zone"], viewer=VECTORS["viewer"]
    )
    for wire in VECTORS["entries"].values():
        entry = read_wire(json.dumps(wire))
        if not matches(query, entry):
            continue
        found = words(entry)
        carried = {entry.id, entry.actor.id, entry.resource.id, *(related.id for related in entry.related)}
        for term in query.terms:
            groups = tokens(term)
            if groups is None:
                continue
            exact = whole_words(term)
            by_words = any(
                all(any(word == token if exact else word.startswith(token) for word in found) for token in group)
                for group in groups
            )
            assert by_words or carried & {*(ids(term) or ()), *(one.lower() for one in ids(term) or ())}
