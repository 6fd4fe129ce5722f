"""S8, before is known: whatever was not loaded, edited in place or merged, before equals the committed value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.orm import Session, defer, load_only, make_transient_to_detached
from sqlalchemy.orm.attributes import flag_modified

from tests.test_capture_s09_sqlalchemy import made, one
from tests.watched import Person, Post
from tests.watching import Bed, adding, doing


def change(bed: Bed) -> dict[str, tuple[Any, Any]]:
    """Return the changes of the one entry, which the oracle agrees with."""
    (event,) = bed.check()
    return {change.path: (change.before, change.after) for change in event.changes}


def test_an_expired_object(bed: Bed) -> None:
    """Attributes that a commit expired are overwritten unread."""
    made(bed)

    def scene(session: Session) -> None:
        person = one(session)
        session.commit()
        person.name, person.balance = "Ana", Decimal("0.01")
        session.commit()

    bed.run(scene)
    assert change(bed) == {"name": ("Juan", "Ana"), "balance": ("10.5", "0.01")}


def test_an_object_loaded_in_part(bed: Bed) -> None:
    """Columns that the query left out are overwritten unread."""
    made(bed)

    def scene(session: Session) -> None:
        person = session.execute(sa.select(Person).options(load_only(Person.name))).scalar_one()
        person.active = False
        person.settings = None
        session.commit()

    bed.run(scene)
    assert change(bed) == {"active": (True, False), "settings.a": (1, UNSET), "settings.b.c": (UNSET, UNSET)}


def test_a_merged_copy(bed: Bed) -> None:
    """A detached copy is merged over the row."""
    made(bed)
    bed.run(doing(lambda session: session.merge(Person(id=1, name="Ana"))))
    assert change(bed) == {"name": ("Juan", "Ana")}


def test_an_object_that_was_never_loaded(bed: Bed) -> None:
    """Nothing of it is known but the key."""
    made(bed)

    def scene(session: Session) -> None:
        person = Person(id=1)
        make_transient_to_detached(person)
        session.add(person)
        person.name = "Ana"
        session.commit()

    bed.run(scene)
    assert change(bed) == {"name": ("Juan", "Ana")}


def test_json_edited_in_place(bed: Bed) -> None:
    """A tracked edit, and a flagged one deeper down, are told by path."""
    made(bed)

    def scene(session: Session) -> None:
        person = one(session)
        assert person.settings is not None
        person.settings["a"] = 2
        person.settings["b"]["d"] = True
        session.commit()

    bed.run(scene)
    assert change(bed) == {"settings.a": (1, 2), "settings.b.d": (UNSET, True)}

    def untracked(session: Session) -> None:
        person = one(session)
        assert person.settings is not None
        person.settings["b"]["d"] = False  # the database never sees it
        session.commit()
        assert person.settings["b"]["d"] is True
        person.settings["b"]["d"] = False
        flag_modified(person, "settings")
        session.commit()

    bed.run(untracked)
    assert change(bed) == {"settings.b.d": (True, False)}


def test_one_more_statement_for_a_whole_flush(bed: Bed) -> None:
    """What many objects lack is read with one statement; what is loaded costs none."""

    def scene(session: Session) -> None:
        session.add_all([Person(name=str(number)) for number in range(40)])
        session.commit()

    bed.run(scene)
    bed.check()

    def unread(session: Session) -> None:
        people = session.execute(sa.select(Person)).scalars().all()
        active = people[0].active
        session.commit()
        for person in people:
            person.active = not active
        session.commit()

    def loaded(session: Session) -> None:
        for person in session.execute(sa.select(Person)).scalars():
            person.active = not person.active
        session.commit()

    statements = {}
    for scene in (unread, loaded):
        statements[scene] = bed.counted(scene)
        assert len(bed.check()) == 40
    bed.handle.remove()
    assert len(statements[unread]) == len(bed.counted(unread)) + 2  # one for what is missing, one for the entries
    assert len(statements[loaded]) == len(bed.counted(loaded)) + 1


def test_deleted_while_expired(bed: Bed) -> None:
    """The last values of a row are told although they were expired when it was deleted."""
    made(bed)

    def scene(session: Session) -> None:
        person = one(session)
        session.commit()
        session.delete(person)
        session.commit()

    bed.run(scene)
    (event,) = bed.check()
    assert (event.action, event.kind, event.resource.name) == ("person.deleted", "delete", "Juan")


def test_what_is_heavy_is_never_read(bed: Bed) -> None:
    """S12: a deferred picture is neither read when it is overwritten nor when its row is deleted."""
    bed.run(adding(Post(title="A", picture=b"x" * 100_000)))
    bed.events()

    def scene(session: Session) -> None:
        post = session.execute(sa.select(Post).options(defer(Post.shop))).scalar_one()
        post.title = "B"
        session.commit()
        post.picture = b"y"
        session.commit()
        session.delete(post)
        session.commit()

    statements = bed.counted(scene)
    assert not [text for text in statements if text.startswith("SELECT") and "picture" in text]
    title, picture, deleted = bed.events()
    assert [(c.path, c.before, c.after) for c in title.changes] == [("title", "A", "B")]
    (unread,) = picture.changes
    assert (unread.path, unread.before) == ("picture", {"$": "unknown"})
    assert {"$": "unknown"} in [c.before for c in deleted.changes]


def test_reading_and_saving_what_is_loaded_costs_nothing(bed: Bed) -> None:
    """S12: saving loaded objects adds the one statement that writes their events, and reading adds none."""
    bed.run(adding(Post(title="A", shop="w1")))
    assert len(bed.counted(lambda session: session.execute(sa.select(Post)).scalars().all())) == 1

    def scene(session: Session) -> None:
        session.execute(sa.select(Post)).scalar_one().title = "C"
        session.commit()

    assert [text.split()[0] for text in bed.counted(scene)] == ["SELECT", "UPDATE", "INSERT"]


@pytest.mark.parametrize("name", ["__str__", "__repr__"])
def test_nothing_of_a_model_is_called(bed: Bed, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S12: a model whose text raises is recorded like any other; it is never asked for it."""

    def text(person: Person) -> str:
        raise RuntimeError

    monkeypatch.setattr(Person, name, text)
    made(bed)
