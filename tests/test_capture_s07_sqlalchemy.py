"""S7, unclaimed writes: what passes the session by is seen by the net below it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from tests.watched import Crowd, Person, members
from tests.watching import AISHA, ON_POSTGRES, SYNC, Bed, adding, doing, table_of
from whodid.capture import context
from whodid.capture.sqlalchemy.net import changes, shape
from whodid.errors import InvalidSetting


def crowds(bed: Bed) -> None:
    """Make some rows that were told."""
    bed.run(adding(Crowd(name="a"), Crowd(name="b"), Person(name="p")))
    bed.check()


WRITES: dict[str, tuple[Callable[[sa.Connection], Any], str]] = {
    "text": (lambda c: c.execute(sa.text("UPDATE crowd SET name = 'secret'")), "crowd.updated"),
    "core": (lambda c: c.execute(sa.update(table_of(Crowd)).values(name="secret")), "crowd.updated"),
    "driver": (lambda c: c.exec_driver_sql('DELETE FROM "crowd" WHERE 1 = 1'), "crowd.deleted"),
    "select": (
        lambda c: c.execute(sa.text("INSERT INTO crowd (id, name) SELECT id + 100, 'secret' FROM crowd")),
        "crowd.created",
    ),
    "with": (
        lambda c: c.execute(sa.text("WITH x AS (SELECT 'secret' AS n) UPDATE crowd SET name = (SELECT n FROM x)")),
        "crowd.updated",
    ),
    "link": (lambda c: c.execute(sa.insert(members).values(person_id=1, group_id=1)), "person.updated"),
}


def told(bed: Bed, action: str) -> None:
    """See that one entry tells of the statement, with the actor and without a value."""
    (event,) = bed.events()
    assert (event.action, event.resource.id, event.actor) == (action, "*", AISHA)
    assert event.details is not None
    assert event.details.get("rows", 1) in {1, 2}  # SQLite's driver does not count behind WITH
    assert "secret" not in str(event)


@pytest.mark.parametrize("name", WRITES)
def test_record_in_a_session(bed: Bed, name: str) -> None:
    """One entry with the actor, the count and the shape of the statement; it dies with a rollback."""
    write, action = WRITES[name]
    crowds(bed)

    def scene(session: Session) -> None:
        write(session.connection())
        session.rollback()
        write(session.connection())
        session.commit()

    bed.run(scene)
    told(bed, action)


@SYNC
@pytest.mark.parametrize("name", WRITES)
def test_record_on_a_connection(bed: Bed, name: str) -> None:
    """Without a session it is written right after the statement, in the same transaction."""
    write, action = WRITES[name]
    crowds(bed)
    with context(actor=AISHA), bed.engine.connect() as connection:
        write(connection)
        connection.rollback()
        write(connection)
        connection.commit()
    told(bed, action)


@ON_POSTGRES
@pytest.mark.parametrize("statement", ["TRUNCATE TABLE crowd CASCADE", "COPY crowd (id, name) FROM PROGRAM 'true'"])
def test_what_only_postgresql_has(bed_url: str, statement: str) -> None:
    """TRUNCATE and COPY are refused before they run."""
    bed = Bed(bed_url, unclaimed="raise")
    crowds(bed)
    with pytest.raises(InvalidSetting, match="crowd"):
        bed.run(lambda session: session.execute(sa.text(statement)))
    assert bed.check() == []
    bed.close()


@pytest.mark.parametrize("name", WRITES)
def test_raise(bed_url: str, name: str) -> None:
    """The statement is refused before it runs, and what to do is said."""
    bed = Bed(bed_url, unclaimed="raise")
    crowds(bed)
    with pytest.raises(InvalidSetting, match="without an entry") as caught:
        bed.run(lambda session: WRITES[name][0](session.connection()))
    assert "secret" not in str(caught.value)
    assert bed.check() == []
    bed.close()


def test_warn(bed_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and one line is logged."""
    bed = Bed(bed_url, unclaimed="warn")
    crowds(bed)
    with caplog.at_level(logging.WARNING, logger="whodid.capture"):
        bed.run(doing(lambda session: WRITES["text"][0](session.connection())))
    assert [record.getMessage() for record in caplog.records] == [
        "A statement changed crowd without an entry: UPDATE crowd SET name = ?"
    ]
    assert bed.capture.status().unclaimed == 1
    assert bed.events() == []
    bed.close()


def test_the_hook_itself_is_never_unclaimed(bed_url: str) -> None:
    """Under the strictest policy everything that the session does goes through."""
    bed = Bed(bed_url, unclaimed="raise")

    def scene(session: Session) -> None:
        person = Person(name="Juan", groups=[Crowd(name="a")])
        session.add(person)
        session.commit()
        person.groups.append(Crowd(name="b"))
        session.execute(sa.update(Crowd).values(name="c"))
        session.execute(sa.insert(Crowd), [{"name": "d"}])
        session.bulk_insert_mappings(sa.inspect(Crowd), [{"name": "e"}])
        session.bulk_save_objects([Crowd(name="f")])
        person.groups.clear()
        session.delete(person)
        session.commit()

    bed.run(scene)
    assert "*" not in {event.resource.id for event in bed.events()}
    assert bed.capture.status().unclaimed == 0
    bed.close()


def test_off_is_an_entry(bed: Bed) -> None:
    """What is left unrecorded on purpose is on record as such, with its reason."""
    kept: list[Any] = []

    class Keeps:
        def take(self, workspace: str, events: Any) -> None:
            kept.extend(events)

    bed.capture._destination = Keeps()

    def scene(session: Session) -> None:
        with bed.handle.off(reason="fixtures"):
            session.add(Crowd(name="a"))
            session.execute(sa.insert(Crowd), [{"name": "b"}])
            session.execute(sa.text("UPDATE crowd SET name = 'x'"))
            session.commit()
        session.add(Crowd(name="c"))
        session.commit()

    bed.run(scene)
    assert [event.changes[0].after for event in bed.events()] == ["c"]
    assert [(event.action, event.reason.text) for event in kept] == [
        ("audit.capture_stopped", "fixtures"),
        ("audit.capture_resumed", "fixtures"),
    ]
    with pytest.raises(InvalidSetting, match="reason"):
        bed.handle.off(reason="")


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE crowd SET name = ?", [("updated", "crowd")]),
        ('update only "public"."Crowd" c set x = 1', [("updated", "crowd")]),
        ("INSERT OR REPLACE INTO crowd VALUES (1)", [("created", "crowd")]),
        ("MERGE INTO crowd USING x ON 1 WHEN MATCHED THEN DELETE", [("created", "crowd")]),
        ("/* UPDATE a SET */ DELETE FROM b -- UPDATE c SET\n WHERE x = 'UPDATE d SET'", [("deleted", "b")]),
        ("WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x", [("deleted", "a"), ("created", "b")]),
        ("TRUNCATE TABLE a, s.b CASCADE", [("deleted", "a"), ("deleted", "b")]),
        ("COPY a (x, y) FROM STDIN", [("created", "a")]),
        ("COPY a TO STDOUT", []),
        ("SELECT * FROM a FOR UPDATE", []),
        ("SELECT * FROM a FOR NO KEY UPDATE OF a", []),
        ("INSERT INTO a (x) VALUES (1) ON CONFLICT (x) DO UPDATE SET x = 2", [("created", "a")]),
        ("CREATE TABLE b (a int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE)", []),
    ],
)
def test_what_a_statement_changes(statement: str, found: list[tuple[str, str]]) -> None:
    """Whatever its case, its quotes and its comments."""
    assert [(hit.verb, hit.table) for hit in changes(statement)] == found


def test_a_shape_has_no_values() -> None:
    """Literals are left out, and a long statement is cut."""
    assert shape("UPDATE a\n SET x = 'it''s',  y = 4.5 WHERE z1 = 7") == "UPDATE a SET x = ?, y = ? WHERE z1 = ?"
    assert len(shape("x" * 1000)) < 600


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        ("UPDATE pages SET views=(pages.views + ?) WHERE pages.id = ?", {"views"}),
        (
            'UPDATE "pages" AS p SET "views" = ?, seen=max(?, (SELECT a FROM b WHERE c = 1)) RETURNING id',
            {"views", "seen"},
        ),
        ("UPDATE pages SET title=?, views=? FROM other WHERE other.id = pages.id", {"title", "views"}),
        ("UPDATE pages SET title='a, body=b' WHERE id=1", {"title"}),
        ("UPDATE pages SET (title, views) = (SELECT 1, 2)", None),
        ("WITH x AS (SELECT 1) UPDATE pages SET title = 'x'", {"title"}),
        ("UPDATE pages", None),
    ],
)
def test_what_an_update_assigns(statement: str, columns: set[str] | None) -> None:
    """The columns one by one; where the form is another, nobody says which."""
    assert changes(statement)[0].columns == columns
