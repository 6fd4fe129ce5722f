"""All of it on one database, and anything of it killed at random: what `benchmarks/killing.py` does for longer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.killing import killing

if TYPE_CHECKING:
    from tests.postgresing import Server

ROUNDS = max(6, int(os.environ.get("WHODID_KILL_ROUNDS", "50")) // 8)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the key where every process looks for it."""
    monkeypatch.setenv("WHODID_KEY_FILE", f"{tmp_path}/audit.db.key")


@pytest.mark.timeout(600)
def test_rounds_on_sqlite(tmp_path: Path) -> None:
    """Servers, clients, embedding processes, sealer and feeder die alone and all at once."""
    done = killing(f"sqlite:///{tmp_path}/audit.db", tmp_path, None, ROUNDS, 20261127)
    assert sum(done.killed.values()) == ROUNDS
    assert done.recorded > done.acknowledged > 10


@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_rounds_on_postgres(postgres: Server, postgres_url: str, tmp_path: Path) -> None:
    """The same, and the database dies as well."""
    done = killing(postgres_url, tmp_path, postgres, ROUNDS, 20261127)
    assert sum(done.killed.values()) == ROUNDS
    assert done.recorded > done.acknowledged > 10
