"""What watching a Django model costs, against plain Django and against the packages that do the same.

Every variant runs in a process of its own, the variants take turns, and the figures are ratios to plain Django of the
same turn: processor time, on PostgreSQL that of the server process included. Redaction, typed values, actor and
context are on for whodid; the others run as they come.

    python -m benchmarks.capture_django
    python -m benchmarks.capture_django --postgres postgresql://user@host/database --peers FOLDER

The peers are those of `peers.txt`; they may be installed apart: `pip install --target FOLDER -r benchmarks/peers.txt`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.measure import machine, table

PHASES = ("create", "load", "update", "delete")
PEERS = {
    "django-auditlog": "auditlog",
    "django-simple-history": "simple_history",
    "django-easy-audit": "easyaudit",
    "django-pghistory": "pghistory",
}
TRIGGERS = "whodid, triggers"
OURS = ("whodid", TRIGGERS)
HISTORY = ("django-pghistory", "django-pghistory, context")
ON_POSTGRES = {TRIGGERS, *HISTORY}


def settings(variant: str, postgres: str | None) -> dict[str, Any]:
    """Return the settings of Django for a variant."""
    database: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    if postgres:
        parts = urlsplit(postgres)
        database = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path[1:],
            "USER": parts.username or "",
            "HOST": parse_qs(parts.query).get("host", [parts.hostname or ""])[0],
        }
    added = {
        **{name: ["whodid.capture.django"] for name in OURS},
        **{name: ["pgtrigger", "pghistory"] for name in HISTORY},
    }.get(variant, [PEERS[variant]] if variant in PEERS else [])
    return {
        "SECRET_KEY": "of the benchmark",
        "USE_TZ": True,
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "DATABASES": {"default": database},
        "INSTALLED_APPS": [
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            *added,
            "benchmarks.django_items",
        ],
        "WHODID": {"LOG": "memory://", "WORKSPACE": "w1", "TRIGGERS": "all" if variant == TRIGGERS else ()},
        "SILENCED_SYSTEM_CHECKS": ["whodid.W001"],
    }


def measured(variant: str, postgres: str | None, rows: int, rounds: int, *, apart: bool) -> dict[str, float]:
    """Run one variant in this process; return microseconds of processor time per row and phase."""
    import django
    from django.conf import settings as configured

    configured.configure(**settings(variant, postgres))
    django.setup()
    from django.core.management import call_command
    from django.db import connection, transaction
    from django.utils import timezone

    from benchmarks.django_items.models import Item

    if postgres:
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    call_command("migrate", verbosity=0)  # what has migrations, before what refers to it
    call_command("migrate", run_syncdb=True, verbosity=0)
    registered(variant, Item)
    connection.ensure_connection()
    server = connection.connection.info.backend_pid if postgres else None
    objs: list[Any] = []
    now = timezone.now()

    def create(at: int) -> None:
        Item.objects.create(
            name=f"item {at}",
            status="new",
            amount="10.50",
            quantity=at,
            made=now,
            note="a note that says what there is to say",
            owner=at % 7,
        )

    def update(at: int) -> None:
        one = objs[at]
        one.status = "paid"
        one.quantity += 1
        one.save()

    def delete(at: int) -> None:
        objs[at].delete()

    def load() -> None:
        objs[:] = Item.objects.all()

    def phase(work: Callable[[int], None]) -> None:
        if apart:
            for at in range(rows):
                with transaction.atomic():
                    work(at)
        else:
            with transaction.atomic():
                for at in range(rows):
                    work(at)

    spent: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in PHASES:
            start = time.process_time() + _spent(server)
            with scope(variant):
                if name == "load":
                    load()
                else:
                    phase({"create": create, "update": update, "delete": delete}[name])
            spent.setdefault(name, []).append((time.process_time() + _spent(server) - start) / rows * 1e6)
        objs.clear()
        if variant in OURS:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM whodid_outbox")
                if cursor.fetchone()[0] != rows * 3:
                    raise SystemExit("events are missing")
                cursor.execute("DELETE FROM whodid_outbox")
    return {name: statistics.median(values) for name, values in spent.items()}


def registered(variant: str, model: Any) -> None:
    """Have a package watch a model, where that is not said at the model."""
    if variant == "django-auditlog":
        from auditlog.registry import auditlog

        auditlog.register(model)
    elif variant in HISTORY:
        from django.core.management import call_command

        call_command("pgtrigger", "install", verbosity=0)
    elif variant == TRIGGERS:
        from django.db import connection

        from whodid.capture.django.hook import installed
        from whodid.capture.django.triggers import script

        with connection.cursor() as cursor:
            cursor.execute(script(installed(), "default").install())


def scope(variant: str) -> Any:
    """Return the scope that whodid takes actor and context from, and pghistory where it has one; others have none."""
    if variant == HISTORY[1]:
        import pghistory

        told = {"actor": "usr_1", "name": "Aisha Khan", "email": "aisha@example.com", "ip": "203.0.113.7"}
        return pghistory.context(**told, source="web", request="req_1", agent="a browser")
    if variant not in OURS:
        return nullcontext()
    from whodid import Actor
    from whodid.capture import context

    who = Actor(type="user", id="usr_1", name="Aisha Khan", email="aisha@example.com")
    return context(actor=who, source="web", ip="203.0.113.7", request="req_1", user_agent="a browser")


def _spent(process: int | None) -> float:
    """Return the processor seconds of the server process."""
    if process is None:
        return 0.0
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Let the variants take turns, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--postgres", help="address of an empty database; it is emptied")
    parser.add_argument("--peers", default="", help="folder that the peers are installed in")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--apart", action="store_true", help="one transaction per row")
    parser.add_argument("--only", action="append", help="measure this one beside plain Django; may be repeated")
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.variant:
        found = measured(said.variant, said.postgres, said.rows, 3, apart=said.apart)
        sys.stdout.write(json.dumps(found))
        return
    if said.peers:
        sys.path.append(said.peers)
    peers = [name for name, module in PEERS.items() if importlib.util.find_spec(module)]
    if HISTORY[0] in peers:
        peers.append(HISTORY[1])
    variants = ["plain", *(name for name in (*OURS, *peers) if said.postgres or name not in ON_POSTGRES)]
    if said.only:
        variants = [name for name in variants if name == "plain" or name in said.only]
    ratios: dict[str, dict[str, list[float]]] = {}
    plain: dict[str, list[float]] = {}
    for _ in range(said.turns):
        turn = {variant: _in_a_process(variant, said) for variant in variants}
        for variant, figures in turn.items():
            for name in PHASES:
                ratios.setdefault(variant, {}).setdefault(name, []).append(figures[name] / turn["plain"][name])
        for name in PHASES:
            plain.setdefault(name, []).append(turn["plain"][name])
    sys.stdout.write(f"{machine()}\n")
    what = "PostgreSQL" if said.postgres else "SQLite in memory"
    how = "one transaction per row" if said.apart else f"{said.rows} rows per transaction"
    sys.stdout.write(
        f"Plain Django, µs per row: {', '.join(f'{n} {statistics.median(v):.0f}' for n, v in plain.items())}\n"
    )
    table(
        f"Times plain Django, {what}, {how}, median (least–greatest) of {said.turns} turns",
        ["", *PHASES],
        [
            [variant, *(f"{statistics.median(f):.2f}× ({min(f):.2f}–{max(f):.2f})" for f in figures.values())]
            for variant, figures in ratios.items()
            if variant != "plain"
        ],
    )


def _in_a_process(variant: str, said: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.capture_django", "--variant", variant, "--rows", str(said.rows)]
    command += ["--postgres", said.postgres] if said.postgres else []
    command += ["--apart"] if said.apart else []
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), said.peers)))
    environment = {**os.environ, "VARIANT": variant, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
