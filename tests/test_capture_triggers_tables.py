"""The trigger tier for tables without a model: names, keys, partitions, types, and what a database lacks."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from tests.triggering import fresh, run_sql, sides
from tests.watched import Crowd, Person
from whodid import builtin
from whodid.capture import Capture
from whodid.capture.outbox import Outbox
from whodid.capture.sqlalchemy import install, model
from whodid.capture.sqlalchemy.coverage import gaps
from whodid.capture.triggers import Script, Table, table
from whodid.capture.triggers.ddl import OPERATIONS
from whodid.capture.triggers.standing import faults
from whodid.capture.triggers.veil import shared
from whodid.catalog.classes import is_secret_name
from whodid.errors import InvalidSetting

pytestmark = pytest.mark.postgres


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


def test_no_triggers_without_postgresql() -> None:
    """Where nobody would tell of the changes, it is refused, and nothing is left installed."""
    sessions = sessionmaker(sa.create_engine("sqlite://"))
    with pytest.raises(InvalidSetting, match="Triggers cannot tell of changes in sqlite"):
        install(sessions, Capture(builtin(), None), triggers=[Crowd], models=[Crowd])
    assert gaps(sessions)[0].kind == "sessions"


def test_a_table_is_known_by_its_name() -> None:
    """Its own and the one between; a model that no trigger can tell of is no matter of a statement, but of the script.

    A mapper that came after the first statement counts as well.
    """

    class Late(DeclarativeBase):
        pass

    outbox = Outbox(sa.create_engine("sqlite://"))
    handle = install(
        sessionmaker(), Capture(builtin(), None), outbox, models=[Crowd, Person, Late], triggers=[Person, Late]
    )
    try:
        assert handle.hook.told_by_triggers("person")
        assert handle.hook.told_by_triggers("person_group")
        assert not handle.hook.told_by_triggers("crowd")
        assert not handle.hook.told_by_triggers("late")

        class Item(Late):
            __tablename__ = "late"
            __audit__ = model(workspace=lambda values: str(values["id"]))
            id: Mapped[int] = mapped_column(primary_key=True)

        assert handle.hook.told_by_triggers("late")
        with pytest.raises(InvalidSetting, match="workspace of Item is a function"):
            handle.triggers()
    finally:
        handle.remove()
        outbox.engine.dispose()


def test_a_script_that_cannot_work() -> None:
    """Neither a table twice, nor the outbox itself, nor a limit that is none."""
    item = table("item", {"id": "int"})
    for tables, limit in (((item, item), 1000), ((table("whodid_outbox", {"id": "int"}),), 1000), ((item,), 0)):
        with pytest.raises(InvalidSetting):
            Script(tables=tables, row_limit=limit)
