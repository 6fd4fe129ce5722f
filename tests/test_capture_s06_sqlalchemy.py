"""S6, bulk: every row of a statement has its entry; above the limit there is one with the exact count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from tests.watched import Crowd, Engineer, Person, Post, Staff
from tests.watching import Bed, doing, table_of

MANY = 1000


def insert(session: Session, table: Any) -> Any:
    """Return an insert of the dialect, which knows upserts."""
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        return postgres_insert(table)
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert(table)


def people(session: Session) -> None:
    """Make many people."""
    session.execute(sa.insert(Person), [{"name": f"n{number}", "active": True} for number in range(MANY)])
    session.commit()


def upsert(session: Session) -> None:
    """Half of the rows are there, half are new."""
    statement = insert(session, Person)
    statement = statement.on_conflict_do_update(index_elements=["name"], set_={"active": statement.excluded.active})
    rows = [{"name": f"n{number}", "active": False} for number in range(MANY // 2, MANY // 2 + MANY)]
    session.execute(statement, rows)


def ignoring(session: Session) -> None:
    """Half of the rows are there, and stay as they are."""
    statement = insert(session, Person).on_conflict_do_nothing(index_elements=["name"])
    session.execute(statement, [{"name": f"n{number}"} for number in range(MANY // 2, MANY // 2 + MANY)])


def by_key(session: Session) -> None:
    """A list of keys and values."""
    session.execute(sa.update(Person), [{"id": number + 1, "active": False} for number in range(MANY)])


CHANGES: dict[str, tuple[Callable[[Session], Any], dict[str, int]]] = {
    "update": (lambda session: session.execute(sa.update(Person).values(active=False)), {"person.updated": MANY}),
    "delete": (lambda session: session.execute(sa.delete(Person)), {"person.deleted": MANY}),
    "upsert": (upsert, {"person.created": MANY // 2, "person.updated": MANY // 2}),
    "ignoring": (ignoring, {"person.created": MANY // 2}),
    "by key": (by_key, {"person.updated": MANY}),
    "core update": (
        lambda session: session.execute(sa.update(table_of(Person)).values(active=False)),
        {"person.updated": MANY},
    ),
    "query": (lambda session: session.query(Person).update({"active": False}), {"person.updated": MANY}),
    "nothing new": (lambda session: session.execute(sa.update(Person).values(active=True)), {}),
    "legacy update": (
        lambda session: session.bulk_update_mappings(
            sa.inspect(Person), [{"id": number + 1, "active": False} for number in range(MANY)]
        ),
        {"person.updated": MANY},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_thousand_rows(bed: Bed, name: str) -> None:
    """Each row is told as the oracle saw it, with at most six statements more."""
    change, expected = CHANGES[name]
    bed.run(people)
    assert len(bed.check()) == MANY
    watched = bed.counted(doing(change))
    events = bed.check()
    told: dict[str, int] = {}
    for event in events:
        told[event.action] = told.get(event.action, 0) + 1
    assert told == expected
    with bed.plain.begin() as connection:
        connection.execute(sa.delete(Person))
        connection.execute(sa.insert(Person), [{"id": n + 1, "name": f"n{n}", "active": True} for n in range(MANY)])
    bed.handle.remove()
    assert len(watched) <= len(bed.counted(doing(change))) + 6


def test_inserts(bed: Bed) -> None:
    """A list, one row, several values, with and without RETURNING, from a query, and the legacy methods."""
    made: list[Any] = []

    def play(session: Session) -> None:
        session.execute(sa.insert(Crowd), [{"name": "a"}, {"name": "b"}])
        made.append(session.execute(sa.insert(Crowd).values(name="c")).inserted_primary_key)  # type: ignore[attr-defined]
        session.execute(sa.insert(Crowd).values([{"name": "d"}, {"name": "e"}]))
        made.append(session.scalars(sa.insert(Crowd).returning(Crowd), [{"name": "f"}, {"name": "g"}]).all())
        made.append(session.execute(sa.insert(Crowd).values(name="h").returning(Crowd.name)).all())
        session.execute(sa.insert(table_of(Crowd)).values(name="i"))
        session.execute(sa.insert(Crowd).from_select(["name"], sa.select(Crowd.name + "!").where(Crowd.name == "a")))
        session.bulk_insert_mappings(sa.inspect(Crowd), [{"name": "j"}])
        session.bulk_save_objects([Crowd(name="k"), Crowd(name="l")])
        session.commit()
        assert [crowd.name for crowd in made[1]] == ["f", "g"]

    bed.run(play)
    names = sorted(str(event.changes[0].after) for event in bed.check())
    assert names == ["a", "a!", *"bcdefghijkl"]
    assert tuple(made[0]) == (3,)
    assert [tuple(row) for row in made[2]] == [("h",)]


def test_a_soft_delete(bed: Bed) -> None:
    """S6: it is told as what it means, by statement and by object; so is the way back."""
    bed.run(doing(lambda session: session.add_all([Post(title=str(number), shop="w1") for number in range(3)])))
    bed.check()
    now = datetime(2026, 5, 1, 10)
    bed.run(doing(lambda session: session.execute(sa.update(Post).values(deleted_at=now))))
    assert [(event.action, event.kind) for event in bed.check()] == [("post.deleted", "delete")] * 3

    def back(session: Session) -> None:
        for post in session.execute(sa.select(Post)).scalars():
            post.deleted_at = None

    bed.run(doing(back))
    assert [(event.action, event.kind) for event in bed.check()] == [("post.restored", "update")] * 3


def test_expressions_conditions_and_classes(bed: Bed) -> None:
    """The value is the stored one; only matching rows are told, of the class that the statement names."""

    def make(session: Session) -> None:
        session.add_all([Person(name="Juan"), Person(name="Eva")])
        session.add_all([Engineer(name="E", language="C"), Staff(name="S")])

    def change(session: Session) -> None:
        session.execute(sa.update(Person).where(Person.name == "Eva").values(name=Person.name + "!"))
        session.execute(sa.update(Engineer).values(language="Python"))
        session.execute(
            sa.update(Person).where(Person.name == sa.bindparam("who")).values(active=False), {"who": "Juan"}
        )

    bed.run(doing(make))
    bed.check()
    bed.run(doing(change))
    assert {event.resource.type: len(event.changes) for event in bed.check()} == {"person": 1, "staff": 1}


def test_pending_changes_are_flushed_first(bed: Bed) -> None:
    """What the statement meets is what the session had in hand."""

    def play(session: Session) -> None:
        session.add(Person(name="Juan"))
        session.execute(sa.update(Person).values(active=False))

    bed.run(doing(play))
    (event,) = bed.check()
    assert event.action == "person.created"
    assert {change.path: change.after for change in event.changes}["active"] is False


@pytest.mark.parametrize("name", ["update", "delete", "upsert", "by key", "core update"])
def test_above_the_limit(bed_url: str, name: str) -> None:
    """One entry with the exact count and the shape of the statement, without a value."""
    bed = Bed(bed_url, row_limit=MANY - 1)
    with bed.plain.begin() as connection:
        connection.execute(sa.insert(Person), [{"name": f"n{n}", "active": True} for n in range(MANY)])
    bed._oracle()
    bed.run(doing(CHANGES[name][0]))
    (event,) = bed.events()
    assert event.resource.id == "*"
    assert event.details is not None
    assert event.details["rows"] == MANY
    assert "person" in event.details["statement"]
    bed.close()
