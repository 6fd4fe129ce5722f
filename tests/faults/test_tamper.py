"""Change stored bytes behind the log's back: verify finds it and names the first bad entry."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import whodid
from tests.faults.writer import event
from whodid.errors import WhodidError

ENTRIES = 400
SEALED_FROM = 200
FLIPS = 300


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed database with 400 entries, a sealed segment and a signed head, everything in the main file."""
    path = tmp_path_factory.mktemp("original") / "audit.db"
    with whodid.open(f"sqlite:///{path}") as log:
        for first in range(0, ENTRIES, 50):
            log.record_many("w", [event("tamper", number) for number in range(first, first + 50)])
            if first == SEALED_FROM:
                log.seal("w", close=True)
        log.checkpoint("w")
    assert not path.with_name("audit.db-wal").exists()
    return path


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    """Return a copy that may be damaged."""
    path = tmp_path / "audit.db"
    shutil.copy(original, path)
    shutil.copy(f"{original}.key", f"{path}.key")
    return path


def verdict(path: Path) -> whodid.Report | WhodidError:
    """Verify, or return the error that made it impossible to open the log."""
    try:
        with whodid.open(f"sqlite:///{path}") as log:
            return log.verify("w")
    except WhodidError as error:
        return error


def content_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return everything the database says, table by table.

    The text index is read from the tables it consists of; itself it only answers to words.
    """
    connection = apsw.Connection(str(path))
    try:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if name != "words"
        ]
        return {name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in tables}
    finally:
        connection.close()


def test_the_untouched_log_verifies(copy: Path) -> None:
    """The control: nothing is reported where nothing was changed."""
    report = verdict(copy)
    assert isinstance(report, whodid.Report)
    assert report.ok, report.problems
    assert report.checked == report.size == ENTRIES + 1
    assert report.checkpoint


def test_a_flipped_byte_in_an_entry_is_named(copy: Path) -> None:
    """Every bit flip within a seed or a payload is found, and the report names exactly that entry."""
    connection = apsw.Connection(str(copy))
    rows: list[Any] = connection.execute("SELECT pos & 0xFFFFFFFF, seed, payload FROM entry").fetchall()
    connection.close()
    stored = copy.read_bytes()
    draw = random.Random(7)
    for index, seed, payload in draw.sample(rows, 25):
        for piece in (seed, payload):
            place = draw.randrange(len(piece))
            changed = bytearray(piece)
            changed[place] ^= 1 << draw.randrange(8)
            # Splitting a page can leave an old copy in its free space, so every copy is changed.
            copy.write_bytes(stored.replace(piece, bytes(changed)))
            report = verdict(copy)
            assert isinstance(report, whodid.Report), report
            assert not report.ok
            assert report.first_bad == index, report.problems


def test_a_flipped_byte_anywhere_is_found(copy: Path) -> None:
    """A flip anywhere in the file is found, or it hit bytes that say nothing (free space within a page)."""
    stored = copy.read_bytes()
    before = content_of(copy)
    draw = random.Random(11)
    silent = 0
    for _ in range(FLIPS):
        damaged = bytearray(stored)
        damaged[draw.randrange(len(stored))] ^= 1 << draw.randrange(8)
        copy.write_bytes(damaged)
        for leftover in ("-wal", "-shm"):
            copy.with_name(copy.name + leftover).unlink(missing_ok=True)
        report = verdict(copy)
        if isinstance(report, whodid.Report) and report.ok:
            silent += 1
            assert content_of(copy) == before
    assert silent < FLIPS, "no flip was found at all"


STATEMENTS: dict[str, tuple[str, int | None]] = {
    "a changed time": ("UPDATE entry SET occurred_at = occurred_at + 1 WHERE pos & 0xFFFFFFFF = 77", 77),
    "a changed recorded_at": ("UPDATE entry SET recorded_at = recorded_at + 1 WHERE pos & 0xFFFFFFFF = 77", 77),
    "a changed id": ("UPDATE entry SET id = zeroblob(16) WHERE pos & 0xFFFFFFFF = 78", 78),
    "a changed leaf kind": ("UPDATE entry SET kind = 4 WHERE pos & 0xFFFFFFFF = 79", 79),
    "swapped contents": (
        (
            "UPDATE entry SET payload = (SELECT payload FROM entry e WHERE e.pos = CASE entry.pos & 0xFF "
            "WHEN 80 THEN entry.pos + 1 ELSE entry.pos - 1 END) WHERE pos & 0xFFFFFFFF IN (80, 81)"
        ),
        80,
    ),
    "a removed entry": ("DELETE FROM entry WHERE pos & 0xFFFFFFFF = 82", 82),
    "a cut tail": ("DELETE FROM entry WHERE pos & 0xFFFFFFFF >= 390", 390),
    "a text instead of a blob": ("UPDATE entry SET payload = 'surprise' WHERE pos & 0xFFFFFFFF = 83", 83),
    "another actor in the index": ("UPDATE entry SET actor = actor + 1 WHERE pos & 0xFFFFFFFF = 84", 84),
    "a removed salt": ("DELETE FROM segment", 0),
    "a wrong roll-up": ("UPDATE tally SET n = n + 1 WHERE scale = 1", None),
    "a missing resource": ("DELETE FROM touch WHERE pos = (SELECT max(pos) FROM touch)", None),
    "a missing word": (
        "INSERT INTO words (words, rowid, text) SELECT 'delete', pos, 'contact' FROM entry WHERE pos & 0xFFFFFFFF = 5",
        5,
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_edits_by_hand_are_found(copy: Path, name: str) -> None:
    """Editing the file with SQL is found, at the entry where it was done."""
    statement, index = STATEMENTS[name]
    connection = apsw.Connection(str(copy))
    connection.execute(statement)
    assert connection.changes() or "words" in statement
    connection.close()
    report = verdict(copy)
    assert isinstance(report, whodid.Report), report
    assert not report.ok
    assert report.first_bad == index, report.problems


@pytest.mark.parametrize(
    "damage",
    [
        lambda connection: connection.execute("UPDATE log SET head = x'00' WHERE name = 'w'"),
        lambda connection: connection.execute("UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE level = 0"),
        lambda connection: connection.execute("DELETE FROM growing WHERE level = 1"),
        lambda connection: connection.execute("UPDATE state SET value = x'7b7d' WHERE name = 'checkpoint'"),
    ],
    ids=["head", "leaf tiles", "upper tile", "checkpoint"],
)
def test_damage_beside_the_entries_is_found(copy: Path, damage: Callable[[apsw.Connection], object]) -> None:
    """Heads, tiles and signatures are checked as well."""
    connection = apsw.Connection(str(copy))
    damage(connection)
    connection.close()
    report = verdict(copy)
    assert isinstance(report, WhodidError) or not report.ok
