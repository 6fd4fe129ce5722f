"""What `manage.py check` says about the hook."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.db import connections, router

from whodid.capture.django.hook import installed
from whodid.capture.django.outbox import TABLE

__all__ = ["register"]

_MIDDLEWARE = "whodid.capture.django.Middleware"


def register() -> None:
    """Register the checks; a second call changes nothing."""
    checks.register(check_middleware)
    checks.register(check_triggers)
    checks.register(check_outbox, checks.Tags.database)


def check_middleware(**_: Any) -> list[Any]:
    """Warn when requests have no scope, so that every entry would say that nobody knows who acts."""
    listed = list(django_settings.MIDDLEWARE)
    named = {_MIDDLEWARE, "whodid.capture.django.middleware.Middleware"}
    places = [at for at, name in enumerate(listed) if name in named]
    if not places:
        hint = f'Put it first: MIDDLEWARE.insert(0, "{_MIDDLEWARE}")'
        return [checks.Warning("The audit log does not know who makes a request", hint=hint, id="whodid.W001")]
    if places[0] != 0:
        hint = f"{listed[0]} and what follows act outside of its scope: put {_MIDDLEWARE} first"
        return [checks.Warning("The audit log's middleware is not the first", hint=hint, id="whodid.W002")]
    return []


def check_triggers(**_: Any) -> list[Any]:
    """Refuse models that triggers are to tell of in a database that is not PostgreSQL: nobody would tell of them."""
    found: list[Any] = []
    for plan in installed().plans.claimed_plans():
        alias = router.db_for_write(plan.model)
        if connections[alias].vendor != "postgresql":
            hint = "Name it in TRIGGERS where the database is PostgreSQL only"
            message = f"Triggers cannot tell of {plan.model._meta.label} in {connections[alias].vendor}"
            found.append(checks.Error(message, hint=hint, id="whodid.E001"))
    return found


def check_outbox(databases: Any = None, **_: Any) -> list[Any]:
    """Warn when a database lacks the outbox: every change of a watched model would be refused there."""
    found: list[Any] = []
    for alias in databases or ():
        if not router.allow_migrate(alias, "whodid", model_name="outbox"):
            continue
        with connections[alias].cursor() as cursor:
            if TABLE not in connections[alias].introspection.table_names(cursor):
                hint = f"Run manage.py migrate whodid --database {alias}; until then no watched model can be changed"
                found.append(checks.Warning(f"The database {alias} has no outbox", hint=hint, id="whodid.W003"))
    return found
