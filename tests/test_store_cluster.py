"""PostgreSQL of other kinds: the oldest release that is taken, and what has to be said to Citus."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whodid.store import migrate

if TYPE_CHECKING:
    from tests.postgresing import Server

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTE = (resources.files("whodid.store") / "sql/citus/distribute.sql").read_text()
SCHEMA = "\n".join(step.text for step in migrate.migrations("postgres"))
OLD = Path("/usr/lib/postgresql/15/bin")


def test_every_table_is_distributed_or_on_every_node() -> None:
    """By workspace if it has one, and beside the log of that workspace; otherwise as a reference table."""
    bodies = dict(re.findall(r"CREATE TABLE (whodid\.\w+) \((.*?)\n\)", SCHEMA, re.DOTALL))
    by_workspace = {name for name, body in bodies.items() if re.search(r"^\s+ws\s", body, re.MULTILINE)}
    assert set(re.findall(r"create_distributed_table\('([\w.]+)', 'ws'", DISTRIBUTE)) == by_workspace
    beside = set(re.findall(r"'([\w.]+)', 'ws', colocate_with => 'whodid.log'", DISTRIBUTE))
    assert beside == by_workspace - {"whodid.log"}
    others = bodies.keys() - by_workspace | {"whodid.migration"}
    assert set(re.findall(r"create_reference_table\('([\w.]+)'\)", DISTRIBUTE)) == others


def test_what_postgresql_15_cannot_say_is_said_apart() -> None:
    """Storage of columns in statements of their own, nothing else changed."""
    from whodid.store.postgres.older import for_15

    text = "CREATE TABLE whodid.a (\n    x bytea NOT NULL,\n    y bytea STORAGE EXTERNAL NOT NULL\n);"
    assert for_15(text) == (
        "CREATE TABLE whodid.a (\n    x bytea NOT NULL,\n    y bytea NOT NULL\n);\n"
        "ALTER TABLE whodid.a ALTER COLUMN y SET STORAGE EXTERNAL;"
    )
    for step in migrate.migrations("postgres"):
        assert "STORAGE" not in re.sub(r"ALTER TABLE .*", "", re.sub(r"--.*", "", for_15(step.text)))


@pytest.fixture
def oldest() -> Iterator[Server]:
    """Start a PostgreSQL 15."""
    pytest.importorskip("psycopg", reason="the driver is missing: pip install 'psycopg[binary]'")
    if not (OLD / "initdb").exists():
        pytest.skip("no PostgreSQL 15 is installed; on Debian 12: apt-get install postgresql-15")
    from tests.postgresing import Server

    server = Server(OLD)
    yield server
    server.stop()


def test_the_oldest_release_passes_the_suite(oldest: Server) -> None:
    """By the script that checks a database or a cluster at a given address."""
    oldest.database("given")
    command = [sys.executable, str(ROOT / "scripts" / "conformance.py"), oldest.url("given", "postgres")]
    done = subprocess.run(
        [*command, "-k", "mark or adopted or meaning"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr
    assert re.search(r"\b3 passed", done.stdout)
