"""S10, many-to-many: one entry on the owner with exact ids, from both sides, and no collection is loaded for it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from tests.watched import Crowd, Person, Seat, Team
from tests.watching import Bed
from whodid.model import Change


def people(session: Session) -> None:
    """Make two people and three groups."""
    session.add_all([Person(name="Juan"), Person(name="Eva"), *(Crowd(name=name) for name in "abc")])
    session.commit()


def juan(session: Session) -> Person:
    """Return one of the people."""
    return session.execute(sa.select(Person).where(Person.name == "Juan")).scalar_one()


def crowds(session: Session) -> list[Crowd]:
    """Return the groups."""
    return list(session.execute(sa.select(Crowd).order_by(Crowd.id)).scalars())


def collections(bed: Bed) -> list[tuple[str, list[str], list[str]]]:
    """Return owner, added and removed of what was told, which the oracle agrees with."""
    told = []
    for event in bed.check():
        (change,) = event.changes
        assert (event.action, change.path, change.op) == ("person.updated", "groups", "set")
        assert isinstance(change.added, list)
        assert isinstance(change.removed, list)
        told.append((event.resource.id, change.added, change.removed))
    return told


def test_add_remove_set_and_clear(bed: Bed) -> None:
    """From the owner's side."""
    bed.run(people)
    bed.check()

    def add(session: Session) -> None:
        person = juan(session)
        person.groups.extend(crowds(session)[:2])
        session.commit()

    def again(session: Session) -> None:
        person = juan(session)
        crowd = session.execute(sa.select(Crowd).options(selectinload(Crowd.people))).scalars().first()
        assert crowd is not None
        person.groups.append(crowd)
        session.commit()

    def change(session: Session) -> None:
        person = juan(session)
        person.groups = crowds(session)[1:]
        session.commit()

    def clear(session: Session) -> None:
        person = juan(session)
        person.groups.clear()
        session.commit()

    bed.run(add)
    assert collections(bed) == [("1", ["1", "2"], [])]
    bed.run(again)
    assert collections(bed) == []
    bed.run(change)
    assert collections(bed) == [("1", ["3"], ["1"])]
    bed.run(clear)
    assert collections(bed) == [("1", [], ["2", "3"])]


def test_from_the_other_side(bed: Bed) -> None:
    """The entry is the owner's all the same, and there is one of each owner."""
    bed.run(people)
    bed.check()

    def add(session: Session) -> None:
        crowd = crowds(session)[0]
        crowd.people.extend(session.execute(sa.select(Person)).scalars())
        session.commit()

    def both(session: Session) -> None:
        crowd = crowds(session)[0]
        person = juan(session)
        crowd.people.remove(person)
        person.groups.append(crowds(session)[2])
        session.commit()

    bed.run(add)
    assert sorted(collections(bed)) == [("1", ["1"], []), ("2", ["1"], [])]
    bed.run(both)
    assert collections(bed) == [("1", ["3"], ["1"])]


def test_there_and_back_is_nothing(bed: Bed) -> None:
    """A member that came and went within a transaction did neither."""
    bed.run(people)
    bed.check()

    def scene(session: Session) -> None:
        person, crowd = juan(session), crowds(session)[0]
        person.groups.append(crowd)
        session.flush()
        person.groups.remove(crowd)
        session.commit()

    bed.run(scene)
    assert bed.check() == []


def test_with_the_row_itself(bed: Bed) -> None:
    """Members of a new row, and of one that goes, are told with it; a group that goes is told of its members."""

    def make(session: Session) -> None:
        session.add(Person(name="Juan", groups=[Crowd(name="a"), Crowd(name="b")]))
        session.commit()

    bed.run(make)
    assert [event.action for event in bed.check()] == ["person.created", "crowd.created", "crowd.created"]

    def drop_group(session: Session) -> None:
        session.delete(crowds(session)[0])
        session.commit()

    bed.run(drop_group)
    events = {event.action: event for event in bed.check()}
    assert [change.removed for change in events["person.updated"].changes] == [["1"]]

    def drop(session: Session) -> None:
        session.delete(juan(session))
        session.commit()

    bed.run(drop)
    (event,) = bed.check()
    assert Change(path="groups", op="remove", before=["2"]) in event.changes


def test_nothing_is_loaded_for_it(bed: Bed) -> None:
    """The same statements as without the hook, and one that writes the entry."""
    bed.run(people)
    bed.check()

    def add(session: Session) -> None:
        person = session.execute(sa.select(Person).where(Person.id == 1)).scalar_one()
        crowd = session.execute(sa.select(Crowd).options(selectinload(Crowd.people))).scalars().first()
        assert crowd is not None
        if person in crowd.people:
            crowd.people.remove(person)
        else:
            crowd.people.append(person)  # the collection of the person stays unloaded
        assert "groups" not in person.__dict__
        session.commit()

    watched = bed.counted(add)
    assert collections(bed) == [("1", ["1"], [])]
    bed.handle.remove()
    assert len(watched) == len(bed.counted(add)) + 1


def test_an_association_object(bed: Bed) -> None:
    """A row of its own, with a composite key, is told as such."""

    def make(session: Session) -> None:
        session.add_all([Person(name="Juan"), Team(name="A")])
        session.flush()
        session.add(Seat(person_id=1, team_id=1, rank="first"))
        session.commit()

    bed.run(make)
    seat = bed.check()[-1]
    assert (seat.action, seat.resource.id) == ("seat.created", "1:1")

    def change(session: Session) -> None:
        session.get_one(Seat, (1, 1)).rank = "second"
        session.commit()

    bed.run(change)
    (event,) = bed.check()
    assert (event.action, event.resource.id) == ("seat.updated", "1:1")
