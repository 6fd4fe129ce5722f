"""All logs move to another store: everything goes along, the copy can be interrupted anywhere, and one end signs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import whodid
from tests import shell
from tests.keeping import HOME, NOW, Clock, event, record
from tests.moving import OTHER, furnish, picture
from tests.shell import Run
from whodid.errors import InvalidSetting, NotFound, StoreCorrupt, StoreError, StoreMoved, StoreUnavailable
from whodid.log import abandon_between, move_between
from whodid.proof.checkpoint import parse_checkpoint
from whodid.proof.note import parse_note
from whodid.store.sqlite import SQLiteStore

run = shell.run

WAYS = [
    "sqlite-sqlite",
    pytest.param("sqlite-postgres", marks=pytest.mark.postgres),
    pytest.param("postgres-sqlite", marks=pytest.mark.postgres),
]


class Ways:
    """Two addresses with their key files.

    Args:
        way: The engines at the two ends.
    """

    def __init__(self, way: str, folder: Path, postgres_url: Callable[[], str]) -> None:
        one, other = way.split("-")
        (folder / "there").mkdir()
        self.source = f"sqlite:///{folder}/audit.db" if one == "sqlite" else postgres_url()
        self.destination = f"sqlite:///{folder}/there/audit.db" if other == "sqlite" else postgres_url()
        self.key = folder / "a.key"
        self.destination_key = folder / "there" / "b.key"

    def move(self, **more: Any) -> Any:
        """Move, or go on with it."""
        return move_between(
            self.source, self.destination, key=str(self.key), destination_key=str(self.destination_key), **more
        )

    def open_source(self) -> whodid.Log:
        """Open the source."""
        return whodid.open(self.source, key=self.key, clock=Clock())

    def open_destination(self) -> whodid.Log:
        """Open the destination."""
        return whodid.open(self.destination, key=self.destination_key, clock=Clock())


@pytest.fixture(params=WAYS)
def ways(request: pytest.FixtureRequest, tmp_path: Path) -> Ways:
    """Return a furnished source and an empty destination."""
    found = Ways(request.param, tmp_path, lambda: str(request.getfixturevalue("postgres_url")))
    furnish(found.source, found.key)
    return found


@pytest.fixture
def files(tmp_path: Path) -> Ways:
    """Return the same between two files, for what no engine matters to."""
    found = Ways("sqlite-sqlite", tmp_path, str)
    furnish(found.source, found.key)
    return found


def test_everything_goes_along(ways: Ways) -> None:
    """Entries, proofs, seals, signed heads, holds, policies, keys and state are what they were, and the log goes on."""
    with ways.open_source() as log:
        before, note = picture(log), log.state(HOME, "checkpoint")
    told: list[str] = []

    moved = ways.move(told=lambda what, done, total: told.append(f"{what} {done}/{total}"))

    assert [(one.workspace, one.ok) for one in moved.workspaces] == [(HOME, True), (OTHER, True)]
    assert moved.entries == sum(len(before[one][1]) for one in (HOME, OTHER))
    assert any(text.startswith(f"Copying {HOME} ") for text in told)
    assert any(text.startswith(f"Copying {OTHER} 1/1") for text in told)
    with ways.open_destination() as log:
        assert picture(log) == before
        assert log.state(HOME, "checkpoint") == note
        assert log.head(HOME).first > 256
        assert log.find(HOME, "related:con_9").entries
        assert not log.find(HOME, '"contact 600"').entries, "what was erased stays erased"
        assert log.count(HOME, "is:denied").exact
        record(log, [event(number, at=NOW) for number in range(700_000, 700_300)])
        assert parse_checkpoint(parse_note(log.checkpoint(HOME))[0]).size == log.head(HOME).size
        assert log.verify(HOME).ok
        old = parse_checkpoint(parse_note(_note(note))[0]).size
        log.prove_consistency(HOME, old, log.head(HOME).size)
    assert Path(f"{ways.destination_key}.erased").read_bytes() == Path(f"{ways.key}.erased").read_bytes()
    assert ways.key.read_bytes() == ways.destination_key.read_bytes()
    assert ways.destination_key.stat().st_mode & 0o777 == 0o600


def _note(state: bytes | None) -> str:
    """Return the note of the stored state of a signed head."""
    assert state is not None
    return str(msgspec.json.decode(state)["note"])


def test_the_source_stays_to_be_read_and_signs_no_more(ways: Ways) -> None:
    """Nothing is recorded, changed or signed there any more, by a process that had it open before either."""
    early = ways.open_source()
    ways.move()
    with early, ways.open_source() as late:
        for log in (early, late):
            with pytest.raises(StoreMoved, match=r"are kept in .* now\. Use that store"):
                log.record(HOME, event(9_000))
            with pytest.raises(StoreMoved):
                log.record("new", event(9_000))
            with pytest.raises(StoreMoved):
                log.swap_state(HOME, "policy", None, b"1")
            with pytest.raises(StoreMoved):
                log.checkpoint(HOME)
            assert log.find(HOME, "").entries
            assert log.verify(HOME).ok
            assert log.checkpoint(OTHER), "what was signed before may be shown"
    with pytest.raises(StoreMoved, match="was copied already"):
        ways.move()


@pytest.mark.parametrize("at", range(0, 34, 3))
def test_it_goes_on_wherever_it_was_interrupted(files: Ways, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """After a crash before or after any write: neither end signs, and the next call ends with everything there once."""
    with files.open_source() as log:
        before = picture(log)
    _interrupt(monkeypatch, at)
    interrupted = False
    try:
        files.move()
    except KeyboardInterrupt:
        interrupted = True
    monkeypatch.undo()
    if interrupted:
        with pytest.raises((StoreMoved, NotFound)), files.open_destination() as log:
            log.checkpoint(HOME)
        files.move()
    with files.open_destination() as log:
        assert picture(log) == before
        assert log.verify(HOME).ok
    with files.open_source() as log, pytest.raises(StoreMoved):
        log.checkpoint(HOME)


def _interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Have a process die around the write number `at` // 2: before it, or when it is durable and nobody knows it."""
    count = iter(range(1_000))
    for name in ("adopt", "swap_mark"):
        real = getattr(SQLiteStore, name)

        def dying(self: SQLiteStore, *arguments: Any, real: Any = real) -> Any:
            number = next(count)
            if number * 2 == at:
                raise KeyboardInterrupt
            result = real(self, *arguments)
            if number * 2 + 1 == at:
                raise KeyboardInterrupt
            return result

        monkeypatch.setattr(SQLiteStore, name, dying)


def test_while_it_is_copied_neither_end_takes_or_signs_anything(files: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first piece to the last, looked at from beside."""
    seen: list[str] = []
    real = SQLiteStore.adopt
    with files.open_source() as log:

        def looking(self: SQLiteStore, *arguments: Any) -> bool:
            for attempt in (
                lambda: log.record(HOME, event(9_000)),
                lambda: log.checkpoint(HOME),
                lambda: log.seal(HOME, close=True),
                files.open_destination,
            ):
                with pytest.raises(StoreMoved) as raised:
                    attempt()
                seen.append(str(raised.value))
            return real(self, *arguments)

        monkeypatch.setattr(SQLiteStore, "adopt", looking)
        files.move()
    assert len(seen) > 20
    assert all("being copied to" in text or "not complete here" in text for text in seen)


def test_a_writer_under_way_is_either_copied_or_refused(files: Ways) -> None:
    """Threads record while the move begins: whatever was acknowledged is at the destination, once."""
    acknowledged: list[str] = []
    refused = threading.Event()

    def work(first: int) -> None:
        for number in range(first, first + 5_000):
            try:
                acknowledged.append(log.record(HOME, event(number)).id)
            except StoreMoved:
                refused.set()
                return

    with files.open_source() as log:
        threads = [threading.Thread(target=work, args=(20_000 * (1 + one),)) for one in range(3)]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 20:
            pass
        files.move()
        for thread in threads:
            thread.join()
    assert refused.is_set()
    with files.open_destination() as log:
        ids = [entry.id for entry in log.read(HOME)]
        assert set(acknowledged) <= set(ids)
        assert len(ids) == len(set(ids))


def test_a_destination_that_holds_something_else_is_refused(files: Ways) -> None:
    """And the source goes on as if nothing had been."""
    with whodid.open(files.destination, clock=Clock()) as other:
        record(other, [event(1)])
    with pytest.raises(InvalidSetting, match="is not empty, and what it holds is not a copy of"):
        files.move()
    with files.open_source() as log:
        record(log, [event(9_000)])


def test_an_empty_destination_with_the_same_key_is_empty(files: Ways) -> None:
    """Whoever started a server there once has not filled it; another key there is refused."""
    files.destination_key.write_bytes(files.key.read_bytes())
    files.open_destination().close()
    files.move()
    with files.open_destination() as log:
        assert log.verify(HOME).ok


def test_another_key_at_the_destination_is_refused(files: Ways) -> None:
    """Its file is left as it is, and the source goes on."""
    with whodid.open("memory://", key=files.destination_key):
        pass
    held = files.destination_key.read_bytes()
    with pytest.raises(InvalidSetting, match="holds another key"):
        files.move()
    assert files.destination_key.read_bytes() == held
    with files.open_source() as log:
        record(log, [event(9_000)])


def test_a_copy_goes_to_one_destination_only(files: Ways, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Once it was begun, another destination is refused until it is given up."""
    _interrupt(monkeypatch, 9)
    with pytest.raises(KeyboardInterrupt):
        files.move()
    monkeypatch.undo()
    third = f"sqlite:///{tmp_path}/third.db"
    with pytest.raises(InvalidSetting, match=r"is being copied to .*audit\.db\. Go on there"):
        move_between(files.source, third, key=str(files.key))

    abandon_between(files.source, files.destination)
    with pytest.raises(StoreMoved, match="was given up"):
        files.open_destination()
    with files.open_source() as log:
        record(log, [event(9_000)])
        log.checkpoint(HOME)
        before = picture(log)
    move_between(files.source, third, key=str(files.key))
    with whodid.open(third, clock=Clock()) as log:
        assert picture(log) == before


def test_what_is_complete_cannot_be_given_up(files: Ways) -> None:
    """Else both ends would sign."""
    files.move()
    with pytest.raises(InvalidSetting, match="is not being copied"):
        abandon_between(files.source, files.destination)


def test_two_copies_at_once_end_with_one(files: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one stops; nothing is there twice."""
    real = SQLiteStore.adopt
    done: list[int] = []

    def overtaken(self: SQLiteStore, *arguments: Any) -> bool:
        if len(done) == 3:
            done.append(3)
            files.move()
        done.append(1)
        return real(self, *arguments)

    monkeypatch.setattr(SQLiteStore, "adopt", overtaken)
    with pytest.raises(StoreUnavailable, match="Somebody else copies"):
        files.move()
    monkeypatch.undo()
    with files.open_destination() as log:
        assert log.verify(HOME).ok
        with files.open_source() as source:
            assert picture(log) == picture(source)


def test_a_damaged_source_does_not_become_a_destination(files: Ways) -> None:
    """The copy is not opened, the source signs no more, and giving it up leaves everything as it was."""
    store = SQLiteStore(files.source.removeprefix("sqlite:///"))
    with store.engine.transaction() as writer:
        writer.execute(
            "UPDATE entry SET occurred_at = occurred_at + 1 WHERE pos = (SELECT min(pos) FROM entry WHERE ws = 2)"
        )
    store.close()
    with pytest.raises(StoreCorrupt, match="does not verify"):
        files.move()
    with pytest.raises(StoreMoved):
        files.open_destination()
    abandon_between(files.source, files.destination)
    with files.open_source() as log:
        record(log, [event(9_000)])


# ------------------------------------------------------------------------------------------------------- command line


@pytest.fixture
def line(run: Run, files: Ways) -> Callable[..., shell.Result]:
    """Run `whodid copy` from the source to the destination."""
    files.key.rename(files.source.removeprefix("sqlite:///") + ".key")

    def call(*options: str) -> shell.Result:
        return run("copy", files.source, files.destination, *options)

    return call


def test_the_command_copies_and_says_what(line: Callable[..., shell.Result], run: Run, files: Ways) -> None:
    """A line for each workspace, then what to do; the second call says that it was done."""
    done = line()
    assert done.code == 0, done.err
    assert [row.split("\t")[2:] for row in done.out.splitlines()] == [["ok", HOME], ["ok", OTHER]]
    assert "Point servers and applications to the new store" in done.err
    assert run("verify", "--store", files.destination).code == 0
    again = line()
    assert again.code == 3
    assert "was copied already" in again.err
    refused = run("serve", "--store", files.source, "--port", "0")
    assert refused.code == 3
    assert "kept in" in refused.err


def test_the_command_gives_up(
    line: Callable[..., shell.Result], run: Run, files: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--abandon` after an interruption; a source that is not there is named."""
    _interrupt(monkeypatch, 7)
    assert line().code == 130
    monkeypatch.undo()
    assert line("--abandon").code == 0
    assert run("import", "--store", files.source, "-w", HOME, "nothing.ndjson").code == 2
    wrong = run("copy", "sqlite:///nowhere.db", files.destination)
    assert wrong.code == 3
    assert "There is no database" in wrong.err


def test_the_same_store_twice_is_refused(run: Run, files: Ways) -> None:
    """And so is a log in memory."""
    with pytest.raises(InvalidSetting, match="the same store"):
        move_between(files.source, files.source, key=str(files.key))
    with pytest.raises(InvalidSetting, match="in memory"):
        move_between("memory://", files.destination)
    with pytest.raises(StoreError):
        move_between(files.source, f"sqlite:///{Path(files.key).parent}/a.key", key=str(files.key))
