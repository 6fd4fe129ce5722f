"""S9, no false changes: what the database did not change makes no entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from tests.watched import Person, Post, Role
from tests.watching import Bed

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def juan(session: Session) -> None:
    """Make a person with everything."""
    session.add(
        Person(
            name="Juan",
            role=Role.WRITER,
            balance=Decimal("10.50"),
            seen_at=NOON,
            settings={"a": 1, "b": {"c": [1, 2]}},
            notes="of his own",
        )
    )
    session.commit()


def one(session: Session) -> Person:
    """Return the person."""
    return session.execute(sa.select(Person)).scalar_one()


def made(bed: Bed) -> None:
    """Make the person, and see that it is told as it is."""
    bed.run(juan)
    (event,) = bed.check()
    assert (event.action, event.kind, event.resource.name) == ("person.created", "create", "Juan")


def test_a_save_without_a_change(bed: Bed) -> None:
    """Neither a touch, nor an equal value, nor a flag without a change makes an entry."""
    made(bed)

    def scene(session: Session) -> None:
        person = one(session)
        person.name, person.active, person.role = "Juan", True, Role.WRITER
        person.balance = Decimal("10.5")
        flag_modified(person, "settings")
        session.commit()
        person.name = "Juan"  # unread, and equal
        session.commit()

    bed.run(scene)
    assert bed.check() == []


def test_the_same_in_another_form(bed: Bed) -> None:
    """A decimal of another scale, other key order and a number as text are what the database holds already."""
    made(bed)

    def scene(session: Session) -> None:
        person = one(session)
        person.balance = 10.5  # type: ignore[assignment]
        person.settings = {"b": {"c": [1, 2]}, "a": 1}
        session.commit()
        person.balance = "10.500"  # type: ignore[assignment]
        if session.get_bind().dialect.name == "postgresql":  # SQLite keeps what the clock shows, without its zone
            person.seen_at = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
        else:
            person.seen_at = NOON.replace(tzinfo=None)
        session.commit()

    bed.run(scene)
    assert bed.check() == []


def test_an_ignored_column(bed: Bed) -> None:
    """A touch of an ignored column makes no entry, and it is not told with others."""
    made(bed)

    def scene(session: Session) -> None:
        one(session).updated_at = datetime(2026, 1, 1)
        session.commit()

    bed.run(scene)
    assert bed.check() == []

    def other(session: Session) -> None:
        one(session).name = "Ana"
        session.commit()

    bed.run(other)
    (event,) = bed.check()
    assert [change.path for change in event.changes] == ["name"]


def test_there_and_back(bed: Bed) -> None:
    """What comes back to where it was within a transaction is no change, over however many flushes."""
    made(bed)

    def scene(session: Session) -> None:
        person = one(session)
        for name in ("Ana", "Eva", "Juan"):
            person.name = name
            session.flush()
        session.commit()
        person.name = "Ana"
        session.flush()
        session.execute(sa.update(Person).values(name="Juan"))
        session.commit()

    bed.run(scene)
    assert bed.check() == []


def test_several_flushes_are_one_change(bed: Bed) -> None:
    """Created and changed is created; changed twice is one change; created and deleted is nothing."""

    def scene(session: Session) -> None:
        person, other = Person(name="Juan"), Person(name="Eva")
        session.add_all([person, other])
        session.flush()
        person.name = "Ana"
        session.flush()
        person.active = False
        session.delete(other)
        session.commit()

    def further(session: Session) -> None:
        person = one(session)
        person.name = "Ana María"
        session.flush()
        person.name = "Ana Belén"
        session.commit()

    bed.run(scene)
    assert [event.action for event in bed.check()] == ["person.created"]
    bed.run(further)
    (event,) = bed.check()
    assert [(change.before, change.after) for change in event.changes] == [("Ana", "Ana Belén")]


def test_what_the_database_computes(bed: Bed) -> None:
    """Server defaults and expressions are told as the database holds them."""

    def scene(session: Session) -> None:
        post = Post(title="A", shop="w9")
        session.add(post)
        session.commit()
        post.hits = Post.hits + 5
        post.title = sa.func.upper("b")
        session.commit()

    bed.run(scene)
    with bed.plain.connect() as connection:
        rows = connection.execute(sa.select(Post.hits, Post.title)).all()
    assert rows == [(5, "B")]
    created, updated = bed.events()
    assert {change.path: change.after for change in created.changes} == {"shop": "w9", "title": "A", "hits": 0}
    assert {c.path: (c.before, c.after) for c in updated.changes} == {"hits": (0, 5), "title": ("A", "B")}
