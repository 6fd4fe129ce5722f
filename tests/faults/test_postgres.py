"""PostgreSQL, killed and tampered with: nothing acknowledged is lost, nothing is there twice, every edit is found."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import whodid
from tests.faults.test_kill import ROUNDS, check, start
from tests.faults.writer import event
from whodid.errors import StoreUnavailable

if TYPE_CHECKING:
    from tests.postgresing import Server

pytestmark = pytest.mark.postgres
ENTRIES = 400


@pytest.fixture(autouse=True)
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the key where every process of the test looks for it."""
    path = tmp_path / "whodid.key"
    monkeypatch.setenv("WHODID_KEY_FILE", str(path))
    return path


def acknowledged_in(said: bytes) -> dict[str, str]:
    """Read what a writer said, without a last line that was cut and without its last words."""
    lines = [line.decode() for line in said.split(b"\n")[:-1] if not line.startswith(b"!")]
    return {id_: at for at, _, id_ in (line.partition(" ") for line in lines)}


@pytest.mark.timeout(600)
def test_kill_9_of_writers_loses_nothing(postgres_url: str) -> None:
    """After every kill of a writer all acknowledged events are there exactly once, and the log verifies."""
    draw = random.Random(20261123)
    acknowledged: dict[str, str] = {}
    for number in range(max(5, ROUNDS // 5)):
        writers = [start(postgres_url, f"round {number} {name}") for name in ("one", "two")]
        for writer in writers:
            assert writer.stdout is not None
            said = writer.stdout.readline()
            time.sleep(draw.random() * 0.1)
            writer.kill()
            acknowledged |= acknowledged_in(said + writer.communicate()[0])
        check(postgres_url, acknowledged)
    assert acknowledged


def test_two_processes_write_one_database(postgres_url: str) -> None:
    """Two writers at once: every event of both is there once, without a gap."""
    writers = [start(postgres_url, name, threads=3, count=400) for name in ("one", "two")]
    said = b"".join(writer.communicate()[0] for writer in writers)
    assert [writer.returncode for writer in writers] == [0, 0]
    acknowledged = acknowledged_in(said)
    assert len(acknowledged) == 800
    assert check(postgres_url, acknowledged) == 800


@pytest.mark.timeout(600)
def test_kill_9_of_the_database_loses_nothing(postgres: Server, postgres_url: str) -> None:
    """The database dies under a writer, again and again; what was acknowledged is there when it is back."""
    draw = random.Random(7)
    acknowledged: dict[str, str] = {}
    for number in range(max(3, ROUNDS // 10)):
        writer = start(postgres_url, f"round {number}")
        assert writer.stdout is not None
        said = writer.stdout.readline()
        time.sleep(draw.random() * 0.3)
        postgres.kill()
        # Back before the writer gives up on the commit that was under way, or only after that.
        time.sleep(number % 2)
        postgres.start()
        # It has given up, or it goes on as if nothing had been.
        time.sleep(0.3)
        writer.kill()
        said += writer.communicate()[0]
        acknowledged |= acknowledged_in(said)
        check(postgres_url, acknowledged)
    assert acknowledged


def test_an_open_log_survives_a_restart_of_the_database(postgres: Server, postgres_url: str) -> None:
    """While the database is gone every call says so at once; when it is back, the same log goes on."""
    with whodid.open(postgres_url) as log:
        log.record_many("w", [event("before", number) for number in range(20)])
        postgres.kill()
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            log.record("w", event("during", 0))
        with pytest.raises(StoreUnavailable):
            log.find("w", "")
        assert time.monotonic() - begun < 5
        postgres.start()
        assert log.record("w", event("during", 0)).index == 20
        assert len(log.find("w", "").entries) == 21
        assert log.verify("w").ok


def test_a_log_with_many_idle_connections_recovers(postgres: Server, postgres_url: str) -> None:
    """Connections that died while idle are replaced, however many there are."""
    with whodid.open(postgres_url) as log:
        log.record("w", event("a", 0))
        threads = [threading.Thread(target=lambda: log.find("w", "")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        postgres.kill()
        postgres.start()
        assert log.record("w", event("a", 1)).index == 1


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_answer_is_lost_is_settled(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    """Whether such a commit took place is found out: the receipt, or the refusal, is true."""
    psycopg = pytest.importorskip("psycopg")
    from whodid.store.postgres.line import Letter, Line

    with whodid.open(postgres_url) as log:
        log.record("w", event("a", 0))
        send = Line.send
        failing = [True]

        def cut(self: Line, *letters: Letter) -> None:
            if letters[-1].parts[-1][0] == "COMMIT" and failing and threading.current_thread().name == "cut":
                failing.clear()
                if committed:
                    send(self, *letters)
                    self.answer()
                self.close()
                raise psycopg.OperationalError("the connection was cut")
            send(self, *letters)

        monkeypatch.setattr(Line, "send", cut)
        outcome: list[object] = []

        def record() -> None:
            try:
                outcome.append(log.record("w", event("a", 1)).index)
            except StoreUnavailable as error:
                outcome.append(error)

        thread = threading.Thread(target=record, name="cut")
        thread.start()
        thread.join()
        size = log.head("w").size
        assert size == (2 if committed else 1)
        assert (outcome == [1]) if committed else isinstance(outcome[0], StoreUnavailable)
        receipt = log.record("w", event("a", 1))
        assert (receipt.index, receipt.duplicate) == (1, committed)
        assert log.verify("w").ok


# ---------------------------------------------------------------------------------------------------------- tampering


@pytest.fixture
def original(postgres_url: str) -> str:
    """Return the address of a log with 400 entries and a signed head."""
    with whodid.open(postgres_url) as log:
        for first in range(0, ENTRIES, 50):
            log.record_many("w", [event("tamper", number) for number in range(first, first + 50)])
        log.checkpoint("w")
    return postgres_url


STATEMENTS: dict[str, tuple[str, int | None]] = {
    "a flipped bit in a payload": (
        "UPDATE whodid.entry SET payload = set_bit(payload, 100, 1 - get_bit(payload, 100)) WHERE index = 70", 70
    ),
    "a flipped bit in a seed": (
        "UPDATE whodid.entry SET seed = set_bit(seed, 9, 1 - get_bit(seed, 9)) WHERE index = 71", 71
    ),
    "a changed time": ("UPDATE whodid.entry SET occurred_at = occurred_at + 1 WHERE index = 77", 77),
    "a changed recorded_at": ("UPDATE whodid.entry SET recorded_at = recorded_at - 1 WHERE index = 77", 77),
    "a changed id": ("UPDATE whodid.entry SET id = decode(repeat('00', 16), 'hex') WHERE index = 78", 78),
    "a changed leaf kind": ("UPDATE whodid.entry SET kind = 4 WHERE index = 79", 79),
    "swapped contents": (
        (
            "UPDATE whodid.entry e SET payload = o.payload FROM whodid.entry o WHERE e.index IN (80, 81) "
            "AND o.index = 161 - e.index"
        ),
        80,
    ),
    "a removed entry": ("DELETE FROM whodid.entry WHERE index = 82", 82),
    "a cut tail": ("DELETE FROM whodid.entry WHERE index >= 390", 390),
    "another actor in the index": ("UPDATE whodid.entry SET actor = actor + 1 WHERE index = 84", 84),
    "another resource in the index": ("UPDATE whodid.entry SET resource = resource + 1 WHERE index = 85", 85),
    "a missing word": ("UPDATE whodid.entry SET words = ''::tsvector WHERE index = 86", 86),
    "another place of an id": ("UPDATE whodid.entry_id SET index = 3 WHERE index = 87", 87),
    "an invented resource": (
        "INSERT INTO whodid.touch SELECT ws, 1, occurred_at, index, recorded_at FROM whodid.entry WHERE index = 88", 88
    ),
    "an id of nothing": ("INSERT INTO whodid.entry_id SELECT ws, 'x', 1, 1 FROM whodid.log WHERE name = 'w'", None),
    "a removed salt": ("DELETE FROM whodid.segment", 0),
    "a wrong roll-up": ("UPDATE whodid.tally SET n = n + 1 WHERE scale = 1", None),
    "a wrong hash": ("UPDATE whodid.tile SET hashes = set_byte(hashes, 32 * 5, 0) WHERE level = 0 AND number = 0", 0),
    "a missing tile": ("DELETE FROM whodid.tile WHERE level = 1", 0),
    "a changed dictionary": ("UPDATE whodid.dictionary SET checksum = 'x'", None),
    "an exchanged signature": ("UPDATE whodid.state SET value = '{}' WHERE name = 'checkpoint'", None),
}  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_edits_by_hand_are_found(postgres: Server, original: str, name: str) -> None:
    """Editing the tables is found, at the entry where it was done."""
    statement, index = STATEMENTS[name]
    with postgres.connect(original.rpartition("@/")[2].partition("?")[0]) as connection:
        assert connection.execute(statement).rowcount
    with whodid.open(original) as log:
        report = log.verify("w")
    assert not report.ok
    assert report.first_bad == index, report.problems


def test_the_untouched_log_verifies(original: str) -> None:
    """The control: nothing is reported where nothing was changed."""
    with whodid.open(original) as log:
        report = log.verify("w")
    assert report.ok, report.problems
    assert report.checked == report.size == ENTRIES
    assert report.checkpoint
