"""One Django for all tests of a process, with several databases: settings can be configured once only."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from msgspec import UNSET

from whodid import Actor, Change, Event

if TYPE_CHECKING:
    from tests.postgresing import Server

__all__ = [
    "AISHA",
    "DATABASES",
    "Router",
    "emptied",
    "events",
    "forgotten",
    "oracle_agrees",
    "prepared",
    "queries",
    "ready",
    "told",
]

WORKSPACE = "w1"
AISHA = Actor(type="user", id="usr_1", name="Aisha Khan")
DATABASES = ["default", pytest.param("pg", marks=pytest.mark.postgres)]
"""The databases that a scenario runs on."""


class Router:
    """Sends everything to one database, so that a test runs on any of them."""

    here = "default"

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return where to read."""
        return self.here

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Return where to write."""
        return self.here


@cache
def ready() -> Path:
    """Configure Django, once; return the folder of its databases."""
    import django
    from django.conf import settings

    # The loop of a browser in the same process is no asynchronous view.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    folder = Path(tempfile.mkdtemp(prefix="whodid-django-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings.configure(
        SECRET_KEY="of the tests",
        USE_TZ=True,
        ALLOWED_HOSTS=["*"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            name: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / f"{name}.db")}
            for name in ("default", "other")
        },
        DATABASE_ROUTERS=["tests.djangoing.Router"],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.admin",
            "whodid.capture.django",
            "tests.django_host.shop",
        ],
        AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
        MIDDLEWARE=[
            "whodid.capture.django.Middleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "tests.django_host.views.by_header",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        ROOT_URLCONF="tests.django_host.urls",
        WHODID={"LOG": "memory://", "WORKSPACE": WORKSPACE, "TRUSTED_PROXIES": 1},
    )
    django.setup()
    from tests.django_host.shop.models import Customer
    from whodid.capture.django import audited

    audited("customer", soft_delete="deleted_at")(Customer)
    return folder


# -------------------------------------------------------------------------------------------------------- the databases

_prepared: set[str] = set()


def prepared(alias: str, request: pytest.FixtureRequest) -> str:
    """Make a database ready for a test: its tables, the oracle's triggers, and nothing in them; return its alias."""
    ready()
    from django.db import connections

    if alias == "pg" and alias not in connections.settings:
        server: Server = request.getfixturevalue("postgres")
        joined(alias, server.database("django_host"))
        request.session.addfinalizer(connections[alias].close)
    return filled(alias)


def joined(alias: str, url: str) -> None:
    """Add a PostgreSQL to the databases."""
    from django.db import connections

    parts = urlsplit(url)
    settings = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "HOST": parse_qs(parts.query)["host"][0],
    }
    connections.settings[alias] = connections.configure_settings({"default": {}, alias: settings})[alias]


def filled(alias: str) -> str:
    """Make a database ready; see `prepared`."""
    from django.core.management import call_command

    if alias not in _prepared:
        call_command("migrate", run_syncdb=True, verbosity=0, database=alias)
        _oracle(alias)
        _prepared.add(alias)
    emptied(alias)
    Router.here = alias
    return alias


def emptied(alias: str) -> None:
    """Empty all tables of a database, past the hook."""
    from django.apps import apps
    from django.contrib.contenttypes.models import ContentType
    from django.db import connections, transaction

    ContentType.objects.clear_cache()
    hook = apps.get_app_config("whodid").hook
    hook.remove()
    try:
        connection = connections[alias]
        connection.close_if_unusable_or_obsolete()  # other tests stop their server
        with transaction.atomic(alias), connection.cursor() as cursor:
            names = [name for name in connection.introspection.table_names(cursor) if name != "django_migrations"]
            if connection.vendor == "postgresql":
                cursor.execute(f"TRUNCATE {', '.join(names)}")
            else:
                cursor.execute("PRAGMA defer_foreign_keys = ON")
                for name in names:
                    cursor.execute(f"DELETE FROM {name}")
                cursor.execute("DELETE FROM oracle")
    finally:
        hook.install()


def forgotten(*aliases: str) -> None:
    """Empty the outbox and the oracle, and leave the rows."""
    from django.db import connections

    for alias in aliases:
        with connections[alias].cursor() as cursor:
            cursor.execute("DELETE FROM whodid_outbox")
            cursor.execute("DELETE FROM oracle")


@contextmanager
def queries(alias: str) -> Iterator[list[str]]:
    """Collect the statements that are executed meanwhile."""
    from django.db import connections

    seen: list[str] = []

    def note(execute: Any, statement: Any, params: Any, many: Any, context: Any) -> Any:
        seen.append(str(statement))
        return execute(statement, params, many, context)

    with connections[alias].execute_wrapper(note):
        yield seen


def events(alias: str) -> list[Event]:
    """Return the events in the outbox of a database."""
    from whodid.capture.django.models import Outbox

    rows = Outbox.objects.using(alias).order_by("place").values_list("event", flat=True)
    return [msgspec.json.decode(event, type=Event) for event in rows]


def told(alias: str) -> list[tuple[str, str]]:
    """Return action and resource id of each event in the outbox."""
    return [(event.action, event.resource.id) for event in events(alias)]


# ----------------------------------------------------------------------------------------------------------- the oracle


def _oracle(alias: str) -> None:
    """Let the database itself copy every row of the shop that changes, before and after."""
    from django.apps import apps
    from django.db import connections

    connection = connections[alias]
    models = apps.get_app_config("shop").get_models(include_auto_created=True)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                """
                CREATE TABLE oracle (place bigserial PRIMARY KEY, tab text, op text, old jsonb, new jsonb);
                CREATE FUNCTION oracle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    INSERT INTO oracle (tab, op, old, new) VALUES (TG_TABLE_NAME, substr(TG_OP, 1, 1),
                        CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
                        CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
                    RETURN NULL;
                END $$
                """
            )
        else:
            cursor.execute("CREATE TABLE oracle (place integer PRIMARY KEY, tab text, op text, old text, new text)")
        for model in models:
            if model._meta.proxy:
                continue
            table = model._meta.db_table
            if connection.vendor == "postgresql":
                cursor.execute(
                    f"CREATE TRIGGER oracle_{table} AFTER INSERT OR UPDATE OR DELETE ON {table} "
                    "FOR EACH ROW EXECUTE FUNCTION oracle()"
                )
                continue
            names = [
                field.column
                for field in model._meta.local_concrete_fields
                if field.get_internal_type() != "BinaryField"
            ]
            old, new = (
                "json_object(" + ", ".join(f"'{name}', {side}.{name}" for name in names) + ")"
                for side in ("OLD", "NEW")
            )
            for verb, before, after in (("INSERT", "NULL", new), ("UPDATE", old, new), ("DELETE", old, "NULL")):
                cursor.execute(
                    f"CREATE TRIGGER oracle_{table}_{verb} AFTER {verb} ON {table} BEGIN INSERT INTO oracle "
                    f"(tab, op, old, new) VALUES ('{table}', '{verb[0]}', {before}, {after}); END"
                )


def oracle_agrees(
    alias: str,
    *,
    expected: int | None = None,
    without: AbstractSet[str] = frozenset(),
    only: AbstractSet[str] = frozenset(),
) -> None:
    """Compare every row that the database saw change with the event about it, field by field; both must be all there.

    Args:
        expected: How many rows must have changed, to be sure that there were some.
        without: Paths to leave out: members of many-to-many fields.
        only: Look at these tables, and of the others at nothing.
    """
    from django.apps import apps
    from django.db import connections

    models = apps.get_app_config("shop").get_models(include_auto_created=True)
    tables = {model._meta.db_table: model for model in models if not model._meta.proxy}
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT tab, op, old, new FROM oracle ORDER BY place")
        found = [row for row in cursor.fetchall() if not only or row[0] in only]
        rows = [(tables[tab], op, _loaded(old), _loaded(new)) for tab, op, old, new in found]
    said = events(alias)
    want = sorted(one for row in rows if (one := _from_oracle(row)))
    have = sorted(one for event in said for one in _from_event(event, without))
    assert set(have) - set(want) == set() == set(want) - set(have), (
        sorted(set(have) - set(want))[:2],
        sorted(set(want) - set(have))[:2],
    )
    assert len(have) == len(want)
    if expected is not None:
        assert len(want) == expected


def _loaded(side: Any) -> Any:
    return json.loads(side) if isinstance(side, str) else side


def _from_oracle(row: Any) -> str | None:
    """Write a row as its event must read; None for an update that changed nothing that anybody asked about."""
    model, op, old, new = row
    shown = {}
    for field in model._meta.local_concrete_fields:
        name = field.column
        if field.primary_key or name == "updated_at" or field.get_internal_type() == "BinaryField":
            continue
        before, after = (_as_told(field, None if side is None else side[name]) for side in (old, new))
        if before == after:
            continue
        shown[name] = "secret" if name == "api_token" else [before, after]
    if op == "U" and not shown:
        return None
    snake = model.__name__.replace("_", "").lower()
    return json.dumps(
        [snake, {"I": "created", "U": "updated", "D": "deleted"}[op], str((old or new)["id"]), shown], sort_keys=True
    )


def _as_told(field: Any, value: Any) -> Any:
    kind = field.get_internal_type()
    if value is None:
        return {} if kind == "JSONField" else None  # a member that came or went is told, not that there were none
    if kind == "DecimalField":
        return str(Decimal(str(value)).normalize() + 0) if Decimal(str(value)) else "0"
    if kind == "BooleanField":
        return bool(value)
    if kind == "DateTimeField":
        at = datetime.fromisoformat(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return at.isoformat().replace("+00:00", "Z")
    if kind == "JSONField":
        return json.loads(value) if isinstance(value, str) else value
    return value


def _from_event(event: Event, without: AbstractSet[str]) -> Iterator[str]:
    """Write an event as the oracle would have seen it."""
    noun, verb = event.action.split(".")
    shown: dict[str, Any] = {}
    for change in event.changes:
        head, _, key = change.path.partition(".")
        if change.class_ == "secret":
            shown[head] = "secret"
        elif change.path == "body" or change.path in without:
            continue
        elif key:
            pair = shown.setdefault(head, [{}, {}])
            *parents, last = key.split(".")
            for side, value in zip(pair, _sides(change), strict=True):
                if value is not None:
                    inner = side
                    for parent in parents:
                        inner = inner.setdefault(parent, {})
                    inner[last] = value
        else:
            shown[head] = list(_sides(change))
    if "deleted_at" in shown and verb in {"deleted", "restored"} and len(shown) == 1:
        verb = "updated"  # the row is still there
    if verb == "updated" and not shown:
        return  # it told of members only
    yield json.dumps([noun.replace("_", ""), verb, event.resource.id, shown], sort_keys=True)


def _sides(change: Change) -> tuple[Any, Any]:
    """Return before and after of a change; of a list that came or went, its members."""
    sides = ((change.before, change.removed), (change.after, change.added))
    before, after = (
        value if value is not UNSET else (listed or None) if listed is not UNSET else None for value, listed in sides
    )
    return before, after
