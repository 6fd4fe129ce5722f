"""What triggers must not say, and who may not speak through them, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from tests.postgresing import Server
from tests.triggering import TriggerBed, fresh, run_sql
from tests.watched import Crowd, Person
from tests.watching import AISHA, adding, doing

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("bed_url", ["psycopg"], indirect=True)]


@pytest.fixture
def bed(bed_url: str) -> Iterator[TriggerBed]:
    """Open the watched application with triggers on all its tables."""
    bed = TriggerBed(bed_url)
    yield bed
    bed.close()


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
