"""A SQLite file that an earlier release wrote opens, holds what it held, and goes on as any other."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import pytest

import whodid
from tests.keeping import HOME, NOW, Clock, event, record
from tests.test_log_erase import erased_event
from whodid.proof.leaf import SEED_SIZE
from whodid.store import migrate

DATA = Path(__file__).parent / "data"
KEPT = 301
"""150 entries, a seal, 149 entries of which one was erased in part, and the entry that says so."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file that a release with the first schema closed."""
    found = tmp_path / "audit.db"
    found.write_bytes(gzip.decompress((DATA / "sqlite_1.db.gz").read_bytes()))
    shutil.copy(DATA / "sqlite_1.key", f"{found}.key")
    return found


@pytest.fixture
def log(path: Path) -> Iterator[whodid.Log]:
    """Open it with this release."""
    clock = Clock()
    clock.advance(days=1)
    with whodid.open(f"sqlite:///{path}", clock=clock) as opened:
        yield opened


def test_it_was_written_with_the_first_schema(path: Path) -> None:
    """The control: the file has what the later steps change."""
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT max(number) FROM migration").get == 1
    assert connection.execute("SELECT min(occurred_at) > 0, min(length(seed)) FROM entry").get == (1, 32)
    connection.close()


def test_everything_is_there_and_proven(path: Path, log: whodid.Log) -> None:
    """Contents, times, proofs, roll-ups, words and touched resources are as they were."""
    report = log.verify(HOME)
    assert report.ok, report.problems
    assert report.checked == report.size == KEPT
    assert log.verify("other").ok
    connection = apsw.Connection(str(path))
    steps = [number for (number,) in connection.execute("SELECT number FROM migration ORDER BY number")]
    left = connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE '%_new' OR name LIKE '%_old%'").fetchall()
    connection.close()
    assert steps == [step.number for step in migrate.migrations("sqlite")]
    assert not left


def test_every_way_to_an_entry_leads_to_it(log: whodid.Log) -> None:
    """By time, actor, resource, kind, words and id; nothing of another workspace."""
    wanted = event(77)
    newest = log.find(HOME, "", limit=500).entries
    assert len(newest) == KEPT
    ours = [one for one in newest if one.action == "contact.updated"]
    assert [one.occurred_at for one in ours] == [event(number).occurred_at for number in range(299, 0, -1)]
    for text in ("resource:con_77", '"contact 77"', wanted.id):
        assert [one.id for one in log.find(HOME, text).entries] == [wanted.id], text
    assert log.count(HOME, f"actor:{wanted.actor.id}") == (151, True), "150 updates and the erasure"
    assert log.count(HOME, "kind:update").value == 299
    assert not log.find(HOME, "zephyrine").entries
    assert [one.resource.name for one in log.find("other", "zephyrine").entries] == ["Zephyrine"]
    assert not log.find(HOME, '"contact 200"').entries, "what was erased stays erased"


def test_it_goes_on(log: whodid.Log) -> None:
    """New entries with shorter seeds stand beside the old ones; an old event that comes again is recorded once."""
    record(log, [event(77), *(event(number) for number in range(300, 600))])
    assert log.head(HOME).size == KEPT + 300
    store: Any = log._store
    seeds = {len(kept.seed) for kept in store.read(HOME, KEPT, KEPT + 300)}
    assert seeds == {SEED_SIZE}
    assert len(store.get(HOME, UUID(event(77).id).bytes).seed) == 32
    assert log.verify(HOME).ok


def test_what_is_old_can_still_be_forgotten(path: Path, log: whodid.Log) -> None:
    """An erasure of today finds the words that an earlier release wrote, and takes them out."""
    log.erase(HOME, {5: {"resource.name"}}, erased_event(900_001))
    log.compact()

    assert not log.find(HOME, '"contact 6"').entries
    assert log.verify(HOME).ok
    with whodid.open(f"sqlite:///{path}", clock=lambda: NOW) as again:
        assert again.verify(HOME).ok


def test_steps_have_equal_numbers_in_every_engine() -> None:
    """A store can be moved from one engine to the other at any release."""
    assert [(one.number, one.name) for one in migrate.migrations("sqlite")] == [
        (one.number, one.name) for one in migrate.migrations("postgres")
    ]
