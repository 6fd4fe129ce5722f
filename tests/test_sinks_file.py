"""The file as a sink: lines on the disk, none of them twice, none of them broken, old files out of the way."""

from __future__ import annotations

import fcntl
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.keeping import HOME, Clock, event, opened, record
from tests.sinking import managed, only, turn
from whodid import Log, canonical
from whodid.errors import InvalidSetting
from whodid.sinks import SinkWorker
from whodid.sinks.position import read_position, swap_position


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Open a log with thirty entries."""
    with opened("sqlite", tmp_path, Clock()) as log:
        record(log, [event(number) for number in range(1, 31)])
        yield log


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the path of the file."""
    return tmp_path / "audit.ndjson"


def indexes(*paths: Path) -> list[int]:
    """Return the indexes in files, insisting that every line is whole."""
    return [json.loads(line)["index"] for path in paths for line in path.read_text().split("\n")[:-1]]


def rewind(log: Log, next: int) -> None:
    """Put the position back, as a crash between the file and the position leaves it."""
    sink = only(log).sink.id
    old = read_position(log, HOME, sink)
    assert old is not None
    assert swap_position(log, HOME, sink, old, msgspec.structs.replace(old, next=next))


def test_lines_are_the_entries_in_wire_form(log: Log, out: Path) -> None:
    """What an export would write, in the order of the log, for its owner only."""
    managed(log).add("agent", "file", str(out), start=0, batch=7)
    turn(SinkWorker(log))

    assert out.read_bytes() == b"".join(canonical.wire(entry) + b"\n" for entry in log.read(HOME))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


@pytest.mark.parametrize("behind", [0, 3, 20, 30])
@pytest.mark.parametrize("cut", [0, 1, 100])
def test_after_a_crash_no_line_is_there_twice(log: Log, out: Path, behind: int, cut: int) -> None:
    """The position is behind the file, and the last line may be torn: the file is completed, not repeated."""
    managed(log).add("agent", "file", str(out), start=0, batch=31)
    turn(SinkWorker(log))
    whole = out.read_bytes()

    out.write_bytes(whole[: len(whole) - cut])
    rewind(log, behind)
    turn(SinkWorker(log))

    assert out.read_bytes() == whole


def test_a_backfill_writes_again(log: Log, out: Path) -> None:
    """What was asked for again is there again, though the file has it; that is no crash."""
    managed(log).add("agent", "file", str(out), start=0, heartbeat=0)
    turn(SinkWorker(log))
    managed(log).backfill("agent", 3)
    turn(SinkWorker(log))
    assert indexes(out) == [*range(31), *range(3, 32)]


def test_what_is_not_ours_is_left(log: Log, out: Path) -> None:
    """A file that held something else keeps it; a broken last line of it is ended, not cut."""
    out.write_text("hello\nwor")
    managed(log).add("agent", "file", str(out), start=0)
    turn(SinkWorker(log))

    lines = out.read_text().split("\n")
    assert lines[:2] == ["hello", "wor"]
    assert [json.loads(line)["index"] for line in lines[2:-1]] == [*range(31)]


def test_old_files_go_out_of_the_way(log: Log, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is full gets a name of its own; together they hold everything once, and as many stay as asked."""
    monkeypatch.setattr("whodid.sinks.kinds.file._MEGABYTE", 3_000)
    sinks = managed(log)
    sinks.add("agent", "file", str(out), start=0, batch=5, options={"rotate_mb": "1", "mode": "640"})
    turn(SinkWorker(log))
    old = sorted(out.parent.glob("audit.ndjson.*"))
    assert len(old) > 2
    assert indexes(*old, *([out] if out.exists() else [])) == [*range(31)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in old} == {0o640}

    sinks.remove("agent")
    sinks.add("agent", "file", str(out), start=0, batch=5, options={"rotate_mb": "1", "keep": "2"})
    turn(SinkWorker(log))
    assert len(sorted(out.parent.glob("audit.ndjson.*"))) == 2


def test_a_disk_that_refuses_is_waited_for(log: Log, out: Path) -> None:
    """The fault is said; when it is gone, everything follows."""
    folder = out.parent / "later"
    managed(log).add("agent", "file", str(folder / "audit.ndjson"), start=0)
    turn(SinkWorker(log))
    assert only(log).position.fault == f"{folder}/audit.ndjson cannot be written: No such file or directory"
    folder.mkdir()
    managed(log).resume("agent")
    turn(SinkWorker(log))
    assert indexes(folder / "audit.ndjson") == [*range(31)]


def test_two_processes_do_not_write_one_file(log: Log, out: Path) -> None:
    """Whatever became of the lease, the file has a lock."""
    managed(log).add("agent", "file", str(out), start=0)
    with out.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        turn(SinkWorker(log))
    assert "cannot be written: Resource temporarily unavailable" in only(log).position.fault
    assert out.read_bytes() == b""


@pytest.mark.parametrize(
    ("address", "options", "told"),
    [
        ("audit.ndjson", {}, "no whole path"),
        ("/tmp/x", {"rotate_mb": "-1"}, "rotate_mb cannot be '-1'"),
        ("/tmp/x", {"keep": "many"}, "keep cannot be 'many'"),
        ("/tmp/x", {"mode": "777"}, "mode of the file cannot be '777'"),
    ],
)
def test_settings_that_cannot_work(log: Log, address: str, options: dict[str, str], told: str) -> None:
    """They are refused when the sink is added."""
    with pytest.raises(InvalidSetting, match=told):
        managed(log).add("agent", "file", address, options=options)
