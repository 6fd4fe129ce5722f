"""The trigger tier on a real PostgreSQL: what the database tells, compared with an oracle that does not know of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import product
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from msgspec import UNSET
from msgspec.structs import replace
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from tests.postgresing import Server
from tests.triggering import TriggerBed, fresh, run_sql
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
from whodid.capture.triggers import Script, Table, table
from whodid.capture.triggers.ddl import OPERATIONS
from whodid.capture.triggers.standing import faults
from whodid.capture.triggers.veil import shared
from whodid.catalog.classes import is_secret_name
from whodid.errors import InvalidSetting
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


def sides(event: Event) -> dict[str, tuple[object, object]]:
    """Return the changes of an event by their paths."""
    return {change.path: (change.before, change.after) for change in event.changes}


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
        with session.begin_nested() as point:
            bed.capture.record("crowd.undone", one)
            point.rollback()
        session.commit()

    bed.run(scene)
    with bed.outbox.claim(1) as claim:
        claim.settle((), {})
    found = {event.action: sides(event) for event in bed.events()}
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
            "INSERT INTO whodid_outbox (workspace, event, written_at) VALUES ('(transaction 1)', '{', now())"
        )
    assert outbox.backlog().waiting == 4
    relay = Relay(outbox, Log(), batch=1)
    assert relay.drain() == 2
    assert got == [("w1", "crowd.created")] * 2
    faults = [one.fault for one in outbox.quarantined()]
    assert sorted(fault.partition(":")[0] for fault in faults) == [
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


# ------------------------------------------------------------------------------------------------------------- secrets


@_SYNC
def test_no_secret_reaches_the_outbox(bed: TriggerBed) -> None:
    """S13: neither a redacted column nor a member of JSON with a secret's name; that they changed is told."""
    bed.run(adding(Person(name="p", notes="canary-1", settings={"deep": [{"clientSecret": "canary-2", "a": 1}]})))
    bed.run(
        doing(
            lambda s: s.connection().exec_driver_sql(
                "UPDATE person SET notes = 'canary-3',"
                """ settings = '{"deep": [{"clientSecret": "canary-4", "a": 1}]}'"""
            )
        )
    )
    with bed.plain.connect() as connection:
        raw = connection.exec_driver_sql("SELECT string_agg(event, '') FROM whodid_outbox").scalar_one()
    assert "person" in raw
    assert "canary" not in raw
    created, updated = (event for _, event, _ in fresh(bed.outbox))
    assert {one.path: (one.class_, one.before_fp, one.after_fp) for one in updated.changes} == {
        "notes": ("secret", None, None),
        "settings.deep[0].clientSecret": ("secret", None, None),
    }
    assert "canary" not in repr(created)
    assert "hidden" not in repr((created, updated))


# ------------------------------------------------------------------------------------------------------- the database


@_SYNC
def test_a_role_that_may_not_write_the_outbox(bed: TriggerBed, postgres: Server, postgres_url: str) -> None:
    """Whoever may change a table is told of by name, and can neither write the outbox nor use the functions."""
    name = sa.make_url(postgres_url).database or ""
    with postgres.connect(name) as admin:
        admin.execute("DROP ROLE IF EXISTS clerk")
        admin.execute("CREATE ROLE clerk LOGIN")
        admin.execute("DROP TRIGGER oracle_crowd ON crowd")  # it works with the rights of the caller
        admin.execute("GRANT SELECT, INSERT, UPDATE ON crowd TO clerk; GRANT USAGE ON SEQUENCE crowd_id_seq TO clerk")
        admin.execute("GRANT USAGE ON SCHEMA public TO clerk; CREATE SCHEMA evil AUTHORIZATION clerk")
    try:
        with psycopg.connect(postgres.url(name, "clerk"), autocommit=True) as clerk:
            # What stands earlier in the search path of the caller is not what the function uses.
            clerk.execute("SET search_path = evil, public")
            clerk.execute(
                "CREATE FUNCTION evil.to_json(name) RETURNS json LANGUAGE sql AS $$ SELECT '\"boss\"'::json $$"
            )
            clerk.execute("CREATE TABLE evil.whodid_outbox (workspace text, event text, written_at timestamp)")
            clerk.execute("INSERT INTO crowd (name) VALUES ('a')")
            clerk.execute("CREATE TABLE evil.crowd (id int, name text)")
            own = "CREATE TRIGGER t AFTER INSERT ON evil.crowd REFERENCING NEW TABLE AS whodid_new"
            own += " FOR EACH STATEMENT EXECUTE FUNCTION public.whodid_crowd_insert()"
            for statement in (
                "INSERT INTO public.whodid_outbox (workspace, event, written_at) VALUES ('w1', '{}', now())",
                "DELETE FROM public.whodid_outbox",
                "SELECT event FROM public.whodid_outbox",
                own,
                "ALTER TABLE public.crowd DISABLE TRIGGER whodid_insert",
                "SELECT public.whodid_long('x')",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    clerk.execute(statement)
        ((_, event, _),) = fresh(bed.outbox)
        assert (event.actor.id, event.details) == ("unknown", {"database_user": "clerk"})
    finally:
        with postgres.connect(name) as admin:
            admin.execute("DROP SCHEMA evil CASCADE; DROP OWNED BY clerk; DROP ROLE clerk")


@_SYNC
def test_only_the_word_of_speakers_counts(bed: TriggerBed) -> None:
    """A role that is not among the speakers cannot say that somebody else acts."""
    run_sql(bed.plain, replace(bed.script, speakers=("app", "o'brien")).install())
    bed.run(adding(Crowd(name="a")))
    ((_, event, _),) = fresh(bed.outbox)
    assert (event.actor.id, event.details) == ("unknown", {"database_user": "whodid"})
    run_sql(bed.plain, replace(bed.script, speakers=("app", "whodid")).install())
    bed.run(adding(Crowd(name="b")))
    ((_, event, _),) = fresh(bed.outbox)
    assert (event.actor, event.details) == (AISHA, None)


# ------------------------------------------------------------------------------------------- tables without a model


@pytest.fixture
def outbox(postgres_url: str) -> Iterator[Outbox]:
    """Return an outbox in an empty schema, in which tables can be made."""
    engine = sa.create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    run_sql(
        engine, 'DROP SCHEMA IF EXISTS "of ""us" CASCADE; CREATE SCHEMA "of ""us"; DROP TABLE IF EXISTS whodid_outbox'
    )
    outbox = Outbox(engine, capture=Capture(builtin(), None, workspace="w1"))
    outbox.create()
    yield outbox
    run_sql(engine, 'DROP SCHEMA "of ""us" CASCADE; DROP TABLE whodid_outbox')
    engine.dispose()


SCHEMA = 'of "us'


def installed(outbox: Outbox, *tables: Table, **settings: Any) -> Script:
    """Install the triggers of tables, twice, as whoever runs a migration again."""
    script = Script(tables=tables, **settings)
    for _ in range(2):
        run_sql(outbox.engine, script.install())
    assert standing(outbox, script) == []
    return script


def standing(outbox: Outbox, script: Script) -> list[str]:
    """Return what the database lacks of a script."""
    with outbox.engine.connect() as connection:
        connection.execution_options(no_parameters=True)
        return [fault.why for fault in faults(script, lambda query: connection.exec_driver_sql(query).all())]


def facts(outbox: Outbox) -> list[tuple[str, str, dict[str, tuple[object, object]]]]:
    """Return action, resource and changes of what was told."""
    return [(event.action, event.resource.id, sides(event)) for _, event, _ in fresh(outbox)]


HOSTILE = [
    'a"b',
    "a'b",
    "$whodid$",
    "$1; DROP TABLE x",
    "%s %%",
    ":name",
    "Ünï",
    "x" * 63,
    "back\\slash",
    "<partition>",
    "{schema}",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(outbox: Outbox, name: str) -> None:
    """A name of a table, of its columns and of its schema is a name, whatever is in it."""
    quoted = name.replace('"', '""')
    run_sql(outbox.engine, f'CREATE TABLE "of ""us"."{quoted}" ("{quoted}" int PRIMARY KEY, "n{quoted[1:]}" text)')
    columns = {name: "integer", f"n{name[1:]}": "text"}
    script = installed(outbox, table(name, columns, key=[name], schema=SCHEMA, type="thing", label=f"n{name[1:]}"))
    run_sql(outbox.engine, f'INSERT INTO "of ""us"."{quoted}" VALUES (1, \'a\'), (2, \'b\')')
    run_sql(outbox.engine, f'UPDATE "of ""us"."{quoted}" SET "n{quoted[1:]}" = \'c\' WHERE "{quoted}" = 1')
    told_ = facts(outbox)
    assert [one[:2] for one in told_] == [("thing.created", "1"), ("thing.created", "2"), ("thing.updated", "1")]
    run_sql(outbox.engine, script.remove())
    run_sql(outbox.engine, f'TRUNCATE "of ""us"."{quoted}"')
    assert facts(outbox) == []
    assert len(standing(outbox, script)) == 4


def test_keys_that_change_and_composite_ones(outbox: Outbox) -> None:
    """Rows whose keys move to one another are told each by itself, and found under both their names."""
    run_sql(outbox.engine, 'CREATE TABLE "of ""us".seat (hall uuid, row int, who text, PRIMARY KEY (hall, row))')
    installed(outbox, table("seat", {"hall": "uuid", "row": "int", "who": "text"}, key=["hall", "row"], schema=SCHEMA))
    hall = "00000000-0000-4000-8000-000000000001"
    run_sql(outbox.engine, f"INSERT INTO \"of \"\"us\".seat SELECT '{hall}', g, 'w' || g FROM generate_series(1, 3) g")
    created = facts(outbox)
    assert created[0] == ("seat.created", f"{hall}:1", {"hall": (UNSET, hall), "row": (UNSET, 1), "who": (UNSET, "w1")})
    run_sql(
        outbox.engine,
        'ALTER TABLE "of ""us".seat DROP CONSTRAINT seat_pkey;'
        'ALTER TABLE "of ""us".seat ADD PRIMARY KEY (hall, row) DEFERRABLE;'
        'UPDATE "of ""us".seat SET row = row + 1',
    )
    moved = [event for _, event, _ in fresh(outbox)]
    assert [(e.resource.id, sides(e), e.related[0].id, e.related[0].rel) for e in moved] == [
        (f"{hall}:{at + 1}", {"row": (at, at + 1)}, f"{hall}:{at}", "former") for at in (1, 2, 3)
    ]


def test_partitions(outbox: Outbox) -> None:
    """Each row is told once, whether a statement names the table or a partition; TRUNCATE is told once."""
    run_sql(
        outbox.engine,
        'SET LOCAL search_path = "of ""us"; CREATE TABLE visit (id int, day date, note text, PRIMARY KEY (id, day))'
        " PARTITION BY RANGE (day); CREATE TABLE a PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');"
        "CREATE TABLE b (note text, day date NOT NULL, id int NOT NULL, PRIMARY KEY (id, day));"
        "ALTER TABLE visit ATTACH PARTITION b FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
    )
    columns = {"id": "int", "day": "date", "note": "text"}
    script = installed(outbox, table("visit", columns, key=["id", "day"], schema=SCHEMA, ignore=["day"]))
    run_sql(
        outbox.engine,
        'SET LOCAL search_path = "of ""us";'
        "INSERT INTO visit VALUES (1, '2026-05-05', 'x'), (2, '2027-05-05', 'y');"
        "INSERT INTO b (id, day, note) VALUES (3, '2027-06-06', 'z')",
    )
    assert [one[1] for one in facts(outbox)] == ["1:2026-05-05", "2:2027-05-05", "3:2027-06-06"]
    run_sql(outbox.engine, "UPDATE \"of \"\"us\".visit SET note = note || '!', day = '2027-05-05'")
    assert [(one[1], one[2]) for one in facts(outbox)] == [
        ("1:2027-05-05", {"note": ("x", "x!")}),
        ("2:2027-05-05", {"note": ("y", "y!")}),
        ("3:2027-05-05", {"note": ("z", "z!")}),
    ]
    run_sql(outbox.engine, 'TRUNCATE "of ""us".visit')
    assert [one[:2] for one in facts(outbox)] == [("visit.deleted", "*")]
    run_sql(outbox.engine, 'CREATE TABLE "of ""us".c PARTITION OF "of ""us".visit DEFAULT')
    assert len(standing(outbox, script)) == 4
    run_sql(outbox.engine, script.install())
    assert standing(outbox, script) == []


def test_a_wide_table(outbox: Outbox) -> None:
    """More columns than a function of PostgreSQL takes."""
    names = [f"c{at}" for at in range(250)]
    run_sql(
        outbox.engine,
        f'CREATE TABLE "of ""us".wide (id int PRIMARY KEY, {", ".join(f"{name} int DEFAULT 0" for name in names)})',
    )
    installed(outbox, table("wide", {"id": "int", **dict.fromkeys(names, "int")}, schema=SCHEMA))
    run_sql(outbox.engine, 'INSERT INTO "of ""us".wide (id) VALUES (1), (2)')
    run_sql(outbox.engine, 'UPDATE "of ""us".wide SET c0 = 1, c95 = 2, c249 = 3')
    run_sql(outbox.engine, 'UPDATE "of ""us".wide SET c180 = 1 WHERE id = 1')
    found = facts(outbox)
    assert [len(one[2]) for one in found] == [250, 250, 3, 3, 1]
    assert found[2][2] == {"c0": (0, 1), "c95": (0, 2), "c249": (0, 3)}


VALUES: dict[str, tuple[str, Any]] = {
    "bigint": ("9007199254740993", "9007199254740993"),
    "numeric": ("1234567890.1234567890", "1234567890.123456789"),
    "double precision": ("'NaN'", "NaN"),
    "real": ("0.1", 0.1),
    "boolean": ("true", True),
    "text": ("E'tab\\t\\u00e9'", "tab\té"),
    "character(5)": ("'ab'", "ab   "),
    "uuid": ("'6f1e1f0e-0000-4000-8000-000000000000'", "6f1e1f0e-0000-4000-8000-000000000000"),
    "date": ("'infinity'", "infinity"),
    "timestamp with time zone": ("'2026-01-02 03:04:05.6+02'", "2026-01-02T01:04:05.600000Z"),
    "timestamp without time zone": ("'2026-01-02 03:04:05'", "2026-01-02T03:04:05"),
    "time without time zone": ("'03:04'", "03:04:00"),
    "interval": ("'1 day 02:03:04.5'", "P1DT2H3M4.5S"),
    "bytea": ("'abc'", {"$": "bytes", "length": 3, "sha256": sha256(b"abc").hexdigest()}),
    "json": ('\'{"a": 1.5, "b": [null]}\'', {"a": 1.5, "b": [None]}),
    "jsonb": ("'[1, \"x\"]'", [1, "x"]),
    "integer[]": ("'{1,2}'", [1, 2]),
    "numeric(10,2)[]": ("'{1.50,2}'", ["1.5", "2"]),
    "text[]": ("'{a,NULL}'", ["a", None]),
    "inet": ("'10.0.0.1'", "10.0.0.1"),
    "int4range": ("'[1,5)'", "[1,5)"),
    "point": ("'(1,2)'", "(1,2)"),
}


@pytest.mark.parametrize("type_", VALUES)
def test_values_of_a_type(outbox: Outbox, type_: str) -> None:
    """S14: a value reads as a hook writes it, whatever the session has set; the same value again is no change."""
    value, expected = VALUES[type_]
    run_sql(outbox.engine, f'CREATE TABLE "of ""us".item (id int PRIMARY KEY, v {type_}, extra int)')
    installed(outbox, table("item", {"id": "int", "v": type_, "extra": "int"}, schema=SCHEMA))
    run_sql(
        outbox.engine,
        "SET LOCAL datestyle = 'German'; SET LOCAL timezone = 'Asia/Tokyo'; SET LOCAL intervalstyle = 'sql_standard';"
        f'INSERT INTO "of ""us".item VALUES (1, {value}, 1); UPDATE "of ""us".item SET v = {value}, extra = 2;',
    )
    run_sql(outbox.engine, 'DELETE FROM "of ""us".item')
    (_, _, created), (_, _, gone) = facts(outbox)
    flat = {f"v.{key}": one for key, one in expected.items()} if type_ == "json" else {"v": expected}
    assert {path: after for path, (_, after) in created.items()} == {**flat, "extra": 2}
    assert {path: before for path, (before, _) in gone.items()} == {**flat, "extra": 2}


def test_generated_columns_and_triggers_of_others(outbox: Outbox) -> None:
    """What the database computes, and what a trigger of the host changes, is told as it was stored."""
    run_sql(
        outbox.engine,
        'SET LOCAL search_path = "of ""us"; CREATE TABLE price (id int PRIMARY KEY, net int, who text,'
        " gross int GENERATED ALWAYS AS (net * 2) STORED); CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.who = 'stamped ' || NEW.net; RETURN NEW; END $$;"
        "CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON price FOR EACH ROW EXECUTE FUNCTION stamp()",
    )
    installed(outbox, table("price", {"id": "int", "net": "int", "gross": "int", "who": "text"}, schema=SCHEMA))
    run_sql(outbox.engine, 'INSERT INTO "of ""us".price (id, net) VALUES (1, 5)')
    run_sql(outbox.engine, 'UPDATE "of ""us".price SET net = 6')
    assert [one[2] for one in facts(outbox)] == [
        {"net": (UNSET, 5), "gross": (UNSET, 10), "who": (UNSET, "stamped 5")},
        {"net": (5, 6), "gross": (10, 12), "who": ("stamped 5", "stamped 6")},
    ]


def test_long_texts_and_texts_that_look_like_secrets(outbox: Outbox) -> None:
    """A text beyond all bounds travels as its head and digest; what looks like a secret never reaches an event."""
    run_sql(outbox.engine, 'CREATE TABLE "of ""us".letter (id int PRIMARY KEY, body text, api_token text)')
    installed(outbox, table("letter", {"id": "int", "body": "text", "api_token": "text"}, schema=SCHEMA))
    secret = "sk_live_" + "a1" * 12
    run_sql(outbox.engine, f"INSERT INTO \"of \"\"us\".letter VALUES (1, '{secret} ' || repeat('é', 70000), 'canary')")
    with outbox.engine.connect() as connection:
        (raw,) = connection.execute(sa.select(outbox.table.c.event)).scalars()
    assert len(raw) < 12_000
    assert "canary" not in raw
    ((_, _, found),) = facts(outbox)
    body: Any = found["body"][1]
    whole = (f"{secret} " + "é" * 70000).encode()
    assert (body["$"], body["length"], body["sha256"]) == ("truncated", len(whole), sha256(whole).hexdigest())
    assert body["head"].startswith("[redacted] é")
    assert found["api_token"] == (UNSET, UNSET)


def test_a_database_that_is_not_as_it_should_be_is_told_of(outbox: Outbox) -> None:
    """A column that came or went, a trigger that is gone or off, a function that is old: each is a fault."""
    run_sql(outbox.engine, 'CREATE TABLE "of ""us".item (id int PRIMARY KEY, v int)')
    described = table("item", {"id": "int", "v": "int"}, schema=SCHEMA)
    script = installed(outbox, described)
    run_sql(
        outbox.engine,
        'SET LOCAL search_path = "of ""us"; ALTER TABLE item ADD COLUMN w int;'
        "ALTER TABLE item DISABLE TRIGGER whodid_update; DROP TRIGGER whodid_delete ON item",
    )
    assert sorted(standing(outbox, script)) == [
        "It has no trigger that tells of DELETE.",
        "The column w is not told: describe it, or ignore it.",
        "The trigger that tells of UPDATE is switched off.",
    ]
    newer = Script(tables=(table("item", {"id": "int", "v": "int", "w": "int"}, schema=SCHEMA, label="v"),))
    assert [one for one in standing(outbox, newer) if "out of date" in one] == [
        f"What tells of {operation} is out of date: run the script again." for operation in OPERATIONS
    ]
    run_sql(outbox.engine, 'ALTER TABLE "of ""us".item DROP COLUMN v')
    assert "The column v is gone, and the next change will fail: run the script again." in standing(outbox, script)
    run_sql(outbox.engine, 'DROP TABLE "of ""us".item')
    assert standing(outbox, script) == ["There is no such table."]


NAMES = ["password", "clientSecret", "API-Key", "token_count", "password_changed_at", "pin", "spin", "card number",
         "accessKeyId", "key2", "otp1", "contraseña", "name", "max_tokens", "SSHKey", "x.api_key", "", "secretary",
         "tokens", "one time code", "HTTPToken", "cookie/consent", "refreshToken2", "passphrase_hint"]  # fmt: skip


def test_the_database_and_python_agree_on_names_of_secrets(outbox: Outbox) -> None:
    """The function in the database is the rule of the catalog in another language."""
    run_sql(outbox.engine, "\n".join(shared('"of ""us"')))
    with outbox.engine.connect() as connection:
        query = sa.text('SELECT name, "of ""us".whodid_secret_name(name) FROM unnest(CAST(:names AS text[])) AS name')
        found = {row[0]: row[1] for row in connection.execute(query, {"names": NAMES})}
    assert found == {name: is_secret_name(name) for name in NAMES}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"key": ["nope"]}, "nope, which is not among its columns"),
        ({"key": []}, "no primary key"),
        ({"type": "Item"}, "not a type of resource"),
    ],
)
def test_a_table_that_cannot_be_told_of(settings: dict[str, Any], message: str) -> None:
    """A description that could not work is refused when it is made."""
    with pytest.raises(InvalidSetting, match=message):
        table("item", {"id": "int"}, **settings)


def test_a_script_that_cannot_work() -> None:
    """Neither a table twice, nor the outbox itself, nor a limit that is none."""
    item = table("item", {"id": "int"})
    for tables, limit in (((item, item), 1000), ((table("whodid_outbox", {"id": "int"}),), 1000), ((item,), 0)):
        with pytest.raises(InvalidSetting):
            Script(tables=tables, row_limit=limit)
