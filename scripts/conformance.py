"""Run the conformance suite of stores against a PostgreSQL database or a Citus cluster that is given.

    python scripts/conformance.py postgresql://postgres@db.example/empty [--role whodid] [pytest's arguments]

The address is a superuser's, of a database for nothing else: the schema `whodid` in it is removed before every test.
The role must exist, and owns that schema. Where the extension Citus is installed, the tables are distributed first, as
docs/operate/cluster.md does it. Ends with pytest's exit code.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from whodid.store.base import Store
from whodid.store.postgres import PostgresStore
from whodid.testing import StoreContract

__all__ = ["TestGivenStore", "main", "prepare"]


def prepare(url: str, role: str) -> str:
    """Make the schema anew, distributed where there is Citus; return the address for the role."""
    parts = urlsplit(url)
    own = urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS whodid CASCADE")
        connection.execute(f"CREATE SCHEMA whodid AUTHORIZATION {role}".encode())
        PostgresStore(own).close()
        if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'citus'").fetchone():
            # One by one, as psql does: Citus sends some of them to its workers as they are.
            for statement in (resources.files("whodid.store") / "sql/citus/distribute.sql").read_text().split(";\n"):
                connection.execute(statement.encode())
    return own


class TestGivenStore(StoreContract):
    """The contract on the database that was given."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """Return an empty store."""
        store = PostgresStore(prepare(os.environ["WHODID_CONFORMANCE_URL"], os.environ["WHODID_CONFORMANCE_ROLE"]))
        yield store
        store.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--role", default="whodid")
    given, rest = parser.parse_known_args()
    environment = os.environ | {"WHODID_CONFORMANCE_URL": given.url, "WHODID_CONFORMANCE_ROLE": given.role}
    command = [sys.executable, "-m", "pytest", __file__, "-p", "no:cacheprovider", "-q", *rest]
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
