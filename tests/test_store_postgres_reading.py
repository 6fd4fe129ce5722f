"""How the PostgreSQL store reads: words week by week, statements planned once, days span by span."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from whodid import Resource
from whodid.query import Query, parse
from whodid.store.base import Store
from whodid.store.memory import MemoryStore
from whodid.testing import EPOCH, append, prepared

if TYPE_CHECKING:
    import psycopg

    from tests.postgresing import Server
    from whodid.store.postgres import PostgresStore

pytestmark = pytest.mark.postgres
WEEK = timedelta(days=7)


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    """Return an empty store."""
    from whodid.store.postgres import PostgresStore

    store = PostgresStore(postgres_url)
    yield store
    store.close()


def found(store: Store, query: Query, size: int) -> list[int]:
    """Return the indexes of a list, read in pages."""
    indexes, cursor = list[int](), None
    while True:
        page = store.find("w", query, cursor, size)
        indexes += [one.index for one in page.entries]
        cursor = page.next
        if cursor is None:
            return indexes


def weeks_of(draw: random.Random, stores: list[Store]) -> None:
    """Record the same in all stores: frequent and rare words, over weeks of which one is empty, and some of it late."""
    number = 0
    for week in (0, 1, 2, 4, 5):
        for day in (0, 2, 6):
            now = EPOCH + WEEK * week + timedelta(days=day)
            ready = []
            for _ in range(12):
                late = timedelta(days=draw.choice((0, 0, 0, 0, 5, 20)), minutes=draw.randrange(3_000))
                words = [
                    "frequent",
                    *(["some"] if draw.random() < 0.2 else []),
                    *(["rare"] if number % 61 == 7 else []),
                ]
                name = " ".join(words)
                ready += prepared(
                    number, 1, occurred_at=now - late, resource=Resource(type="contact", id=f"con_{number}", name=name)
                )
                number += 1
            for store in stores:
                append(store, "w", ready, now)


@pytest.mark.parametrize(("glance", "look"), [(1_000, 16_384), (3, 5), (2, 0)])
def test_words_are_found_in_order_however_they_are_searched(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, glance: int, look: int
) -> None:
    """By looking, by gathering, and by one after the other: as a store that looks at every entry finds them."""
    from whodid.store.postgres import words

    monkeypatch.setattr(words, "_GLANCE", glance)
    monkeypatch.setattr(words, "_LOOK", look)
    monkeypatch.setattr(words, "_LEAST", 2)
    # Everything that is found suffices for a look, so that the bound of the look decides.
    monkeypatch.setattr(words, "_LOOKING", 1 if glance == 1_000 else 0)
    plain = MemoryStore()
    weeks_of(random.Random(7), [store, plain])
    periods = ("", f" date:{EPOCH + WEEK:%Y-%m-%d}..{EPOCH + 3 * WEEK:%Y-%m-%d}", f" date:<{EPOCH + WEEK:%Y-%m-%d}")
    for text in ("frequent", "rare", "some", "freq rar", '"some rare"', "absent", "some kind:delete", "some frequent"):
        for period in periods:
            query = parse(text + period, now=EPOCH + 6 * WEEK)
            if text in {"frequent", "some", "rare", "freq rar"} and not period:
                assert found(plain, query, 50), text
            for size in (3, 50):
                assert found(store, query, size) == found(plain, query, size), (text, period, size)


def test_how_many_have_a_word_is_known_well_enough(store: PostgresStore) -> None:
    """Exactly where there are few, and within half and double where the newest ones tell."""
    from whodid.store.postgres.find import PostgresSearch

    weeks_of(random.Random(7), [store])
    ws = store.coding.keys.workspace("w")
    for word, least, most in (("absent", 0, 0), ("rare", 2, 3), ("frequent", 90, 360)):
        query = parse(word, now=EPOCH + 6 * WEEK)
        with store.engine.reading(ws) as reader:
            source = PostgresSearch(store.coding, reader, ws, "w", query).by_words([word], exact=True)
            assert source is not None
            assert least <= source.total() <= most, word


def test_reading_is_planned_once_and_writing_is_not(store: PostgresStore) -> None:
    """A list asks every week, and to plan that takes longer than to read a page."""
    append(store, "w", prepared(0, 20))
    ws = store.coding.keys.workspace("w")
    for _ in range(10):
        assert len(store.find("w", Query(), None, 50).entries) == 20
    with store.engine.reading(ws) as reader:
        assert reader.value("SELECT current_setting('plan_cache_mode')") == "force_generic_plan"
        plans = reader.rows(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%%whodid.entry e%%'"
        )
        assert plans
        assert all(generic and not custom for generic, custom in plans)
    with store.engine.writing(ws) as writer:
        assert writer.value("SELECT current_setting('plan_cache_mode')") == "auto"


def test_citus_plans_for_one_workspace_at_a_time(postgres_url: str, postgres: Server) -> None:
    """It cannot plan before it knows the workspace; where its settings are known, plans are left to it."""
    from whodid.store.postgres import PostgresStore

    database = postgres_url.rpartition("@/")[2].partition("?")[0]
    beside: psycopg.Connection[tuple[Any, ...]]
    with postgres.connect(database) as beside:
        beside.execute(f"ALTER DATABASE {database} SET citus.shard_count = '32'")
    store = PostgresStore(postgres_url)
    try:
        with store.engine.reading(1) as reader:
            assert reader.value("SELECT current_setting('plan_cache_mode')") == "auto"
    finally:
        store.close()


def test_days_are_summed_span_by_span(store: PostgresStore) -> None:
    """Spans that touch, that overlap in nothing and that hold nothing: as counting one by one gives them."""
    plain = MemoryStore()
    weeks_of(random.Random(9), [store, plain])
    edges: list[datetime] = [EPOCH - timedelta(days=30) + timedelta(hours=31) * step for step in range(70)]
    for text in ("", "kind:delete"):
        query = parse(text, now=EPOCH)
        assert store.histogram("w", query, edges).buckets == plain.histogram("w", query, edges).buckets


@pytest.mark.parametrize("through", [20_000, 4])
def test_what_an_actor_did_of_one_kind_is_found_however_much_else_was_done(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, through: int
) -> None:
    """Where only so much is looked through in the database, and there is more, the run is read as it is."""
    from whodid.store.postgres import find

    monkeypatch.setattr(find, "SCAN_LIMIT", through)
    plain = MemoryStore()
    weeks_of(random.Random(11), [store, plain])
    for text in ("actor:usr_1 kind:delete", "actor:usr_1,usr_4 kind:update", 'actor:"Person 3" kind:update'):
        query = parse(f"{text} date:>={EPOCH + WEEK:%Y-%m-%d}", now=EPOCH + 6 * WEEK)
        assert found(plain, query, 50), text
        for size in (2, 50):
            assert found(store, query, size) == found(plain, query, size), (text, size)
