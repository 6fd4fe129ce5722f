"""S11, deletes reach the children: by the session, as orphans, and by the database itself."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from tests.watched import Clerk, Comment, Engineer, Like, Note, Person, Post, Project, Staff, Task, Team
from tests.watching import ON_SQLITE, Bed, adding, doing
from whodid.model import Related


def post(session: Session) -> None:
    """Make a post with comments that are liked."""
    comments = [Comment(text=text, likes=[Like(who="x"), Like(who="y")]) for text in "ab"]
    session.add(Post(title="A", shop="w1", comments=comments))
    session.commit()


def teams(session: Session) -> None:
    """Make two teams with projects, tasks and notes."""
    session.add_all([Team(id=1, name="one"), Team(id=2, name="two")])
    session.flush()
    session.add_all([Project(id=number, team_id=1 + number % 2, name=f"p{number}") for number in range(1, 5)])
    session.flush()
    session.add_all([Task(project_id=number, name=f"t{number}") for number in range(1, 5)])
    session.add_all([Note(team_id=1, text="n"), Note(team_id=None, text="free")])
    session.commit()


def test_the_session_cascades(bed: Bed) -> None:
    """Each lost row has an entry with its last values, and names what it went with."""
    bed.run(post)
    bed.check()

    def scene(session: Session) -> None:
        session.delete(session.execute(sa.select(Post)).scalar_one())
        session.commit()

    bed.run(scene)
    events = bed.check()
    assert sorted(event.action for event in events) == ["comment.deleted"] * 2 + ["like.deleted"] * 4 + ["post.deleted"]
    for event in events:
        if event.action == "comment.deleted":
            assert event.related == (Related(type="post", id="1", rel="cause"),)
        if event.action == "like.deleted":
            assert event.related[0].type == "comment"


def test_an_orphan(bed: Bed) -> None:
    """What falls out of its collection is deleted with its children, expired or not."""
    bed.run(post)
    bed.check()

    def scene(session: Session) -> None:
        found = session.execute(sa.select(Post)).scalar_one()
        assert len(found.comments) == 2
        for comment in found.comments:
            session.expire(comment)
        found.comments.pop()
        session.commit()

    bed.run(scene)
    assert sorted(event.action for event in bed.check()) == ["comment.deleted", "like.deleted", "like.deleted"]


@pytest.mark.parametrize("how", ["session", "statement"])
def test_the_database_cascades(bed: Bed, how: str) -> None:
    """Children and grandchildren that only the database deletes, and those that it leaves without a parent."""
    bed.run(teams)
    bed.check()

    def scene(session: Session) -> None:
        if how == "session":
            session.delete(session.get_one(Team, 1))
        else:
            session.execute(sa.delete(Team).where(Team.id == 1))
        session.commit()

    bed.run(scene)
    events = bed.check()
    told = sorted((event.action, event.resource.id) for event in events)
    assert told == [
        ("note.updated", "1"),
        ("project.deleted", "2"),
        ("project.deleted", "4"),
        ("task.deleted", "2"),
        ("task.deleted", "4"),
        ("team.deleted", "1"),
    ]
    related = {event.resource: event.related for event in events if event.action != "team.deleted"}
    assert all(one[0].rel == "cause" for one in related.values())


@ON_SQLITE
def test_where_the_database_does_not_cascade_nothing_is_told(bed: Bed) -> None:
    """Only what really happened is told: with foreign keys off, SQLite leaves the children alone."""
    bed.run(teams)
    bed.check()

    def scene(session: Session) -> None:
        session.connection().exec_driver_sql("PRAGMA foreign_keys = OFF")  # before a transaction of the driver begins
        session.execute(sa.delete(Team).where(Team.id == 1))
        session.commit()

    bed.run(scene)
    assert [event.action for event in bed.check()] == ["team.deleted"]


def test_too_many_children(bed_url: str) -> None:
    """Above the limit they are one entry with the exact count."""
    bed = Bed(bed_url, row_limit=20)

    def make(session: Session) -> None:
        session.add(Team(id=1, name="one"))
        session.flush()
        session.add_all([Project(id=number, team_id=1, name="p") for number in range(50)])
        session.commit()

    bed.run(make, doing(lambda session: session.delete(session.get_one(Team, 1))))
    summary = next(event for event in bed.events() if event.resource.id == "*")
    assert (summary.action, summary.details and summary.details["rows"]) == ("project.deleted", 50)
    bed.close()


def test_a_new_object_takes_the_row_of_a_deleted_one(bed: Bed) -> None:
    """The session makes one update of the two, and so does the entry."""
    bed.run(adding(Person(id=1, name="Juan")))
    bed.check()

    def scene(session: Session) -> None:
        session.delete(session.get_one(Person, 1))
        session.add(Person(id=1, name="Eva"))
        session.commit()

    bed.run(scene)
    assert [event.action for event in bed.check()] == ["person.updated"]


def test_inheritance(bed: Bed) -> None:
    """A row in two tables, and one in the table of the top, are one resource each."""

    def make(session: Session) -> None:
        session.add_all([Engineer(name="E", language="Python"), Clerk(name="C", desk="d1"), Staff(name="S")])
        session.commit()

    def change(session: Session) -> None:
        engineer, clerk = session.get_one(Engineer, 1), session.get_one(Clerk, 2)
        session.commit()
        engineer.language, engineer.name, clerk.desk = "C", "E2", "d2"
        session.commit()

    def drop(session: Session) -> None:
        for staff in session.execute(sa.select(Staff)).scalars():
            session.delete(staff)
        session.commit()

    bed.run(make)
    assert {event.action for event in bed.check()} == {"staff.created"}
    bed.run(change)
    assert len(bed.check()) == 2
    bed.run(drop)
    assert len(bed.check()) == 3
