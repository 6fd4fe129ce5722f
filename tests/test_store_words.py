"""The text index of SQLite: words that begin alike, how much is read for them, and damage."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.keeping import HOME, Clock, event, opened
from whodid import Log, Resource
from whodid.errors import StoreCorrupt
from whodid.store.sqlite import find
from whodid.store.sqlite.store import SQLiteStore

WORDS = ["temp", "temp_", "temp_0", "temp0", "temp00", "tempa", "template", "templates", "tem", "ten", "x_temp"]


@pytest.mark.parametrize("most", [0, 1, 3, find._MOST_WORDS])
def test_a_beginning_finds_every_word_that_goes_on(tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many words there are: as a store without an index finds them, in the same order."""
    monkeypatch.setattr(find, "_MOST_WORDS", most)
    draw = random.Random(3)
    names = [" ".join(draw.sample(WORDS, 3)) for _ in range(60)]
    clock = Clock()
    with opened("sqlite", tmp_path, clock) as log, opened("memory", tmp_path, clock) as plain:
        for each in (log, plain):
            written(each, names)
        queries = [
            "tem",
            "temp",
            "temp_",
            "temp0",
            "templ",
            "templatesx",
            "zzz",
            "temp ten",
            "temp zzz",
            "x_t",
            '"temp"',
        ]
        for query in queries:
            found = [entry.id for entry in log.find(HOME, query, limit=100).entries]
            assert found == [entry.id for entry in plain.find(HOME, query, limit=100).entries], query
            assert bool(found) != ("zzz" in query or query == "templatesx"), query


@pytest.mark.parametrize(
    ("most", "asked"), [(1, '"templa" *'), (2, '("template" OR "templates")'), (9, '("template" OR "templates")')]
)
def test_the_index_is_asked_for_whole_words(
    tmp_path: Path, most: int, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gathers all entries of a beginning first, which takes the longer the more there are."""
    monkeypatch.setattr(find, "_MOST_WORDS", most)
    with opened("sqlite", tmp_path, Clock()) as log:
        written(log, ["template", "templates", "temple"])
        assert matched(log, "templa") == {asked}
        assert matched(log, "templx") == set()


def test_a_damaged_word_is_told(tmp_path: Path) -> None:
    """Not as an error of decoding, whose remedy nobody knows."""
    with opened("sqlite", tmp_path, Clock()) as log:
        written(log, ["templates"])
    damaged = apsw.Connection(str(tmp_path / "audit.db"))
    [(number, block)] = damaged.execute("SELECT id, block FROM words_data WHERE instr(block, 'templates') > 0")
    damaged.execute(
        "UPDATE words_data SET block = ? WHERE id = ?", (block.replace(b"templates", b"templ\xff\xfe\xfds"), number)
    )
    damaged.close()
    with opened("sqlite", tmp_path, Clock()) as log, pytest.raises(StoreCorrupt, match="damaged"):
        log.find(HOME, "templ")


def written(log: Log, names: list[str]) -> None:
    """Record an entry with each name."""
    log.record_many(
        HOME,
        [
            event(number, resource=Resource(type="contact", id=f"con_{number}", name=name))
            for number, name in enumerate(names)
        ],
    )


def matched(log: Log, query: str) -> set[str]:
    """Return what the text index is asked to find a query."""
    log.find(HOME, query)
    store = log._store
    assert isinstance(store, SQLiteStore)
    [reader] = store.engine._idle
    asked: set[str] = set()

    def seen(_: object, statement: str, values: Any) -> bool:
        if "MATCH" in statement:
            asked.add(values[0])
        return True

    reader.exec_trace = seen
    log.find(HOME, query)
    reader.exec_trace = None
    return asked
