"""Servers restarted under load while PostgreSQL comes and goes: what `benchmarks/storming.py` does for longer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.storming import storm

if TYPE_CHECKING:
    from tests.postgresing import Server

RESTARTS = max(6, int(os.environ.get("WHODID_KILL_ROUNDS", "50")) // 8)


@pytest.mark.faults
@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_a_storm_of_restarts(
    postgres: Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing lost, nothing twice, and nobody says that he is ready when he is not."""
    monkeypatch.setenv("WHODID_KEY_FILE", f"{tmp_path}/audit.db.key")
    done = storm(postgres_url, tmp_path, postgres, RESTARTS, 20261127)
    assert done.restarts == RESTARTS
    assert done.databases == done.unready == len(done.ready) > 0
    assert done.recorded > done.taken > 10
