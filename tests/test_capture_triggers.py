"""The trigger tier on a real PostgreSQL: what the database tells, compared with an oracle that does not know of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from tests.triggering import TriggerBed, fresh, run_sql, sides
from tests.watched import (
    Comment,
    Crowd,
    Engineer,
    Like,
    Person,
    Post,
    Project,
    Role,
    Seat,
    Staff,
    Task,
    Team,
)
from tests.watching import AISHA, Bed, adding, doing
from whodid import Actor, Resource, builtin
from whodid.capture import Capture, Relay, context
from whodid.capture.outbox import Outbox
from whodid.model import Change, Event

pytestmark = pytest.mark.postgres

_URLS = pytest.mark.parametrize("bed_url", ["psycopg", "psycopg_async"], indirect=True)
_SYNC = pytest.mark.parametrize("bed_url", ["psycopg"], indirect=True)


@pytest.fixture
def bed(bed_url: str) -> Iterator[TriggerBed]:
    """Open the watched application with triggers on all its tables."""
    bed = TriggerBed(bed_url)
    yield bed
    bed.close()


def told(bed: TriggerBed) -> dict[str, Event]:
    """Return what was told, by action and resource, after comparing it with the oracle."""
    return {f"{event.action} {event.resource.id}": event for event in bed.check()}


# -------------------------------------------------------------------------------------------------- the oracle's scenes


@_URLS
def test_objects_of_a_session(bed: TriggerBed) -> None:
    """S1: creates, updates, deletes, members, a subclass in two tables, cascades of session and database."""
    bed.run(
        adding(
            Person(name="Eva", role=Role.WRITER, settings={"theme": {"dark": True}, "size": 1.5}, notes="of hers"),
            Crowd(name="a"),
            Post(title="t", shop="w1", picture=b"x" * 10, comments=[Comment(text="c", likes=[Like(who="me")])]),
            Team(name="t", projects=[Project(name="p")]),
            Engineer(name="Ida", language="Python"),
        )
    )
    created = told(bed)
    assert created["staff.created 1"].resource.type == "staff"
    bed.run(adding(Seat(person_id=1, team_id=1, rank="first")))
    assert sides(told(bed)["seat.created 1:1"])["rank"][1] == "first"

    def change(session: Session) -> None:
        eva, crowd = session.scalars(sa.select(Person)).one(), session.scalars(sa.select(Crowd)).one()
        eva.groups.append(crowd)
        eva.settings = {"theme": {"dark": False}, "size": 1.5}
        eva.name, eva.notes = "Eva María", "of nobody else"
        session.add(Task(project_id=1, name="task"))
        session.scalars(sa.select(Staff)).one().language = "Rust"  # type: ignore[attr-defined]  # it is an engineer

    bed.run(doing(change))
    changed = told(bed)
    assert set(sides(changed["person.updated 1"])) == {"name", "notes", "settings.theme.dark", "groups"}

    def leave(session: Session) -> None:
        session.delete(session.scalars(sa.select(Seat)).one())
        session.flush()
        session.delete(session.scalars(sa.select(Post)).one())
        session.delete(session.scalars(sa.select(Team)).one())
        session.delete(session.scalars(sa.select(Staff)).one())
        eva = session.scalars(sa.select(Person)).one()
        eva.groups.clear()

    bed.run(doing(leave))
    assert {"task.deleted 1", "project.deleted 1", "like.deleted 1", "staff.deleted 1"} <= told(bed).keys()


@_SYNC
@pytest.mark.parametrize("kept", list(product([True, False], repeat=3)))
def test_savepoints(bed: TriggerBed, kept: tuple[bool, ...]) -> None:
    """S3: of savepoints three deep exactly the writes that survive are told, with their actor."""

    def scene(session: Session) -> None:
        def write(level: int) -> None:
            if level == 3:
                return
            point = session.begin_nested()
            session.add(Crowd(name=f"level {level}"))
            session.flush()
            write(level + 1)
            session.execute(sa.text("INSERT INTO crowd (name) VALUES (:n)"), {"n": f"after {level}"})
            point.commit() if kept[level] else point.rollback()

        session.add(Crowd(name="outside"))
        session.flush()
        write(0)
        session.commit()

    bed.run(scene)
    bed.check()


@_SYNC
def test_a_rollback_leaves_nothing(bed: TriggerBed) -> None:
    """S2: what is rolled back is not told; the context of one transaction does not reach the next."""

    def scene(session: Session) -> None:
        session.add(Crowd(name="a"))
        session.flush()
        session.rollback()

    bed.run(scene)
    assert bed.check() == []
    with bed.engine.begin() as connection:  # the same connection of the pool, without a scope
        connection.exec_driver_sql("INSERT INTO crowd (name) VALUES ('b')")
    ((workspace, event, _),) = fresh(bed.outbox)
    assert (workspace, event.actor, event.details) == (
        "w1",
        Actor(type="anonymous", id="unknown"),
        {"database_user": "whodid"},
    )
    assert bed.capture.status().unknown_actor == 1


@_SYNC
def test_statements_in_bulk(bed: TriggerBed) -> None:
    """S6: 1,000 rows of one statement are told one by one; an upsert tells created and updated apart."""
    bed.run(doing(lambda s: s.execute(sa.insert(Crowd), [{"name": f"n{at}"} for at in range(1000)])))
    assert len(bed.check()) == 1000
    bed.run(doing(lambda s: s.execute(sa.update(Crowd).values(name=Crowd.name + "!"))))
    assert {event.action for event in bed.check()} == {"crowd.updated"}
    rows = [{"id": at, "name": "upserted"} for at in range(990, 1011)]
    upsert = insert(Crowd).values(rows).on_conflict_do_update(index_elements=["id"], set_={"name": "upserted"})
    bed.run(doing(lambda s: s.execute(upsert)))
    actions = [event.action for event in bed.check()]
    assert (actions.count("crowd.created"), actions.count("crowd.updated")) == (10, 11)
    ignored = insert(Crowd).values([{"id": 1, "name": "x"}]).on_conflict_do_nothing()
    bed.run(doing(lambda s: s.execute(ignored)))
    assert bed.check() == []
    bed.run(doing(lambda s: s.execute(sa.delete(Crowd).where(Crowd.id <= 900))))
    assert len(bed.check()) == 900
    bed.run(adding(Post(title="t"), Post(title="u")))
    bed.check()
    bed.run(doing(lambda s: s.execute(sa.update(Post).values(deleted_at=sa.func.now()))))
    assert {event.action for event in bed.check()} == {"post.deleted"}


@_SYNC
@pytest.mark.parametrize("changing", [5, 1500])
def test_more_rows_than_the_limit(bed: TriggerBed, changing: int) -> None:
    """S6: above the limit there is one entry with the exact count of what changed; few changes are told as such."""
    with bed.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO crowd (name) SELECT 'n' FROM generate_series(1, 1500)")
    (created,) = [event for _, event, _ in fresh(bed.outbox)]
    assert (created.action, created.resource.id, created.details and created.details["rows"]) == (
        "crowd.created",
        "*",
        1500,
    )
    with bed.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE crowd SET name = CASE WHEN id <= {changing} THEN 'm' ELSE name END")
    events = [event for _, event, _ in fresh(bed.outbox)]
    if changing == 5:
        assert [(event.resource.id, sides(event)) for event in events] == [
            (str(at), {"name": ("n", "m")}) for at in range(1, 6)
        ]
    else:
        assert [(event.resource.id, event.details) for event in events] == [
            ("*", {"table": "public.crowd", "rows": 1500, "database_user": "whodid"})
        ]
    with bed.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE crowd SET name = name")
        connection.exec_driver_sql("UPDATE crowd SET name = 'z' WHERE false")
        connection.exec_driver_sql("DELETE FROM crowd WHERE false")
    assert fresh(bed.outbox) == []
    with bed.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM crowd")
    assert [(event.action, event.details and event.details["rows"]) for _, event, _ in fresh(bed.outbox)] == [
        ("crowd.deleted", 1500)
    ]


@_SYNC
def test_what_passes_the_session_by(bed: TriggerBed) -> None:
    """S7: text, Core, COPY, INSERT … SELECT, WITH … UPDATE: each row with its values and the actor."""
    bed.run(adding(Crowd(name="a")))
    bed.check()

    def scene(session: Session) -> None:
        connection = session.connection()
        connection.execute(sa.text("INSERT INTO crowd (name) SELECT 'b' || g FROM generate_series(1, 3) AS g"))
        connection.exec_driver_sql("WITH x AS (SELECT 'c' AS n) UPDATE crowd SET name = (SELECT n FROM x) WHERE id = 2")
        bed.handle.tell(connection)
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy("COPY crowd (name) FROM STDIN") as copy:
            copy.write_row(["copied"])
        session.execute(sa.delete(Crowd).where(Crowd.id == 1))
        session.commit()

    bed.run(scene)
    assert sorted(told(bed)) == [
        "crowd.created 2", "crowd.created 3", "crowd.created 4", "crowd.created 5", "crowd.deleted 1",
    ]  # fmt: skip


@_SYNC
def test_truncate_is_an_event_of_its_own(bed: TriggerBed) -> None:
    """S7: a table that was emptied is told once, with those that were emptied with it."""
    bed.run(adding(Crowd(name="a")))
    bed.check()
    bed.run(doing(lambda s: s.execute(sa.text("TRUNCATE crowd CASCADE"))))
    found = [(event.action, event.resource.id, event.details, event.actor) for event in bed.events()]
    assert found == [
        ("crowd.deleted", "*", {"table": "public.crowd", "statement": "TRUNCATE"}, AISHA),
        ("person.deleted", "*", {"table": "public.person_group", "statement": "TRUNCATE"}, AISHA),
    ]


@_SYNC
def test_the_net_change_of_a_transaction(bed: TriggerBed) -> None:
    """S9: created and changed is one creation, changed back is nothing, created and deleted is nothing, a touch too."""
    bed.run(adding(Crowd(name="a"), Person(name="p", settings={"a": 1, "b": 2}, notes="n", balance=10)))
    bed.check()

    def scene(session: Session) -> None:
        for statement in (
            "INSERT INTO crowd (id, name) VALUES (10, 'x')",
            "UPDATE crowd SET name = 'y' WHERE id = 10",
            "UPDATE crowd SET name = 'b' WHERE id = 1",
            "UPDATE crowd SET name = 'a' WHERE id = 1",
            "INSERT INTO crowd (id, name) VALUES (11, 'gone')",
            "DELETE FROM crowd WHERE id = 11",
            "UPDATE person SET notes = 'other'",
            "UPDATE person SET notes = 'n'",
            "UPDATE person SET updated_at = now(), balance = 10.00",
            """UPDATE person SET settings = '{"b": 2,  "a": 1}'""",
        ):
            session.connection().exec_driver_sql(statement)
        session.commit()

    bed.run(scene)
    assert list(told(bed)) == ["crowd.created 10"]


@_SYNC
def test_an_event_of_its_own_speaks_for_its_rows(bed: TriggerBed) -> None:
    """What is recorded outright takes the changes of its row, and there is no second event, in any batch."""
    bed.run(adding(Crowd(name="a"), Crowd(name="b"), Person(name="p")))
    bed.check()

    def scene(session: Session) -> None:
        one, two = session.scalars(sa.select(Crowd).order_by(Crowd.id))
        one.name = "merged"
        session.delete(two)
        session.execute(sa.text("UPDATE person SET name = 'q'"))
        bed.capture.record("crowd.merged", one, claims=[two])
        bed.capture.record("person.seen", ("somebody", "7"))
        bed.capture.record("crowd.counted", two, details={"share": 1.5})
        with session.begin_nested() as point:
            bed.capture.record("crowd.undone", one)
            point.rollback()
        session.commit()

    bed.run(scene)
    with bed.outbox.claim(1) as claim:
        claim.settle((), {})
    events = {event.action: event for event in bed.events()}
    assert events.pop("crowd.counted").details == {"share": 1.5}
    found = {action: sides(event) for action, event in events.items()}
    assert found == {
        "crowd.merged": {"name": ("a", "merged")},
        "person.updated": {"name": ("p", "q")},
        "person.seen": {},
    }


# ------------------------------------------------------------------------------------------------------------ who acts


@_SYNC
def test_who_acts_is_told_once_per_transaction_and_never_for_reading(bed: TriggerBed) -> None:
    """One statement more in a transaction that writes, none in one that reads."""
    bed.run(adding(Crowd(name="a")))

    def read(session: Session) -> None:
        session.scalars(sa.select(Crowd)).all()
        session.commit()

    def write(session: Session) -> None:
        for crowd in session.scalars(sa.select(Crowd)):
            crowd.name += "!"
            session.flush()
            session.execute(sa.text("UPDATE crowd SET name = name || '?'"))
        session.commit()

    bed.check()
    assert not [one for one in bed.counted(read) if "set_config" in one]
    assert len([one for one in bed.counted(write) if "set_config" in one]) == 1
    bed.check()


@_SYNC
def test_the_innermost_scope_counts(bed: TriggerBed) -> None:
    """A scope inside a transaction is that of its statements, also after a savepoint took the setting along."""
    ben = Actor(type="user", id="usr_2", name="Ben")

    def scene(session: Session) -> None:
        add = sa.text("INSERT INTO crowd (name) VALUES (:n)")
        with session.begin_nested() as point:
            session.execute(add, {"n": "undone"})
            point.rollback()
        session.execute(add, {"n": "aisha"})
        with context(
            actor=ben, workspace="w2", ip="203.0.113.7", source="api", reason=None, details={"api_key": "k" * 20}
        ):
            session.execute(add, {"n": "ben"})
        session.execute(add, {"n": "aisha again"})
        session.commit()

    bed.run(scene)
    rows = [
        (sides(event)["name"][1], workspace, event.actor.id, event.context and event.context.ip, event.details)
        for workspace, event, _ in fresh(bed.outbox)
    ]
    fingerprint = {"api_key": {"$": "redacted", "fp": "fp:22"}}
    assert rows == [
        ("aisha", "w1", "usr_1", None, None),
        ("ben", "w2", "usr_2", "203.0.113.7", fingerprint),
        ("aisha again", "w1", "usr_1", None, None),
    ]


@_SYNC
def test_a_setting_that_is_no_scope_names_nobody(bed: TriggerBed) -> None:
    """Garbage in the setting neither stops the change nor names somebody."""
    with bed.plain.begin() as connection:
        connection.exec_driver_sql("""SELECT set_config('whodid.context', E'{"actor": \\n"eve', true)""")
        connection.exec_driver_sql("INSERT INTO crowd (name) VALUES ('a')")
    ((_, event, fault),) = fresh(bed.outbox)
    assert (event.actor.id, event.details, fault) == ("unknown", {"database_user": "whodid"}, None)


@_SYNC
def test_a_commit_wakes_the_relay(bed: TriggerBed) -> None:
    """Of a session that changed something, and not of one that read."""
    woken: list[str] = []
    bed.handle.outbox.on_commit(bed.sessions, lambda: woken.append("up"))
    bed.run(doing(lambda s: s.scalars(sa.select(Crowd)).all()))
    assert woken == []
    bed.run(adding(Crowd(name="a")))
    assert woken == ["up"]
    bed.check()


@_SYNC
def test_the_relay_delivers_what_triggers_wrote(bed: TriggerBed) -> None:
    """A relay in batches of one delivers whole transactions; what cannot be read or placed is set aside."""
    bed.capture = Capture(builtin(), None)
    run_sql(bed.plain, replace(bed.script, workspace=None).install())
    outbox = Outbox(bed.plain, bed.handle.outbox.table, capture=bed.capture)
    got: list[tuple[str, str]] = []

    class Log:
        def record_many(self, workspace: str, events: Any) -> list[object]:
            got.extend((workspace, event.action) for event in events)
            return [object() for _ in events]

    with context(actor=AISHA, workspace="w1"), bed.sessions.begin() as session:
        session.add_all([Crowd(name="a"), Crowd(name="b")])
        session.flush()
        session.execute(sa.text("UPDATE crowd SET name = name || '!'"))
    with bed.plain.begin() as connection:
        connection.exec_driver_sql("INSERT INTO crowd (name) VALUES ('of nobody')")
        connection.exec_driver_sql(
            "INSERT INTO whodid_outbox (workspace, event, written_at) VALUES ('(transaction 1)', '{', now()),"
            """ ('(transaction 2)', E'{"$":"rows","op":"INSERT","type":7,"table":"","key":[],"rows":[[]]}\\n1\\n',"""
            " now())"
        )
    assert outbox.backlog().waiting == 5
    relay = Relay(outbox, Log(), batch=1)
    assert relay.drain() == 2
    assert got == [("w1", "crowd.created")] * 2
    faults = [one.fault for one in outbox.quarantined()]
    assert sorted(fault.partition(":")[0] for fault in faults) == [
        "It cannot be read",
        "It cannot be read",
        "It is not known in which workspace it happened.",
    ]
    assert bed.capture.status().unknown_workspace == 1


# ------------------------------------------------------------------------------------------------ beside the hook


@pytest.mark.parametrize("bed_url", ["psycopg"], indirect=True)
def test_the_two_tiers_say_the_same(bed_url: str) -> None:
    """S14: the same changes, told by the hook and by triggers, are the same events to the last value."""
    said = []
    for kind in (Bed, TriggerBed):
        bed = kind(bed_url)
        bed.run(adding(*_everything()))
        found = bed.events()

        def change(session: Session) -> None:
            person = session.scalars(sa.select(Person)).one()
            person.balance, person.seen_at, person.role, person.active = None, None, Role.READER, False
            person.settings, person.consent_marketing = {"list": [3, 4.5], "big": 2**60}, True
            session.scalars(sa.select(Post)).one().title = "héllo " * 3000 + "and " * 600

        bed.run(doing(change))
        found += bed.events()
        said.append([(e.action, e.resource, _unkeyed(e), e.related, e.actor, e.kind, e.details) for e in found])
        bed.close()
    hook, triggers = (sorted(one, key=str) for one in said)
    for one, other in zip(triggers, hook, strict=True):
        assert one[2] == other[2]
        assert one == other


def _unkeyed(event: Event) -> list[Change]:
    """Return the changes of an event without fingerprints, for which the database has no key."""
    return sorted((replace(one, before_fp=None, after_fp=None) for one in event.changes), key=str)


def _everything() -> list[object]:
    return [
        Person(
            name="Zoë “quoted” \\ back\tslash",
            role=Role.WRITER,
            balance=Decimal("10.50"),
            seen_at=datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC),
            settings={"list": [1, 2], "deep": {"api_key": "sk_live_0123456789abcdef"}, "f": 1e-7, "null": None},
            notes="a secret",
        ),
        Crowd(name="Bearer abcdefghijklmnopqrstuvwxyz"),
        Post(title="héllo " * 4000, shop="w1", hits=7, deleted_at=datetime(2026, 1, 1)),
    ]


@_SYNC
def test_a_class_is_told_by_one_tier(bed_url: str) -> None:
    """The hook tells of what triggers do not: one event of each change, also in a field that both sides have."""
    bed = TriggerBed(bed_url, triggers=[Crowd])
    try:
        bed.run(adding(Person(name="p", groups=[Crowd(name="a")])))
        bed.check()

        def rename(session: Session) -> None:
            session.scalars(sa.select(Person)).one().name = "q"
            session.scalars(sa.select(Crowd)).one().name = "b"

        bed.run(doing(rename))
        assert sorted(told(bed)) == ["crowd.updated 1", "person.updated 1"]
        assert bed.handle.hook.resource(Crowd(id=1, name="b")) == Resource(type="crowd", id="1")
    finally:
        bed.close()
