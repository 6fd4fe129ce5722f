"""Jobs of exports on the disk: what is kept, who makes it, and what becomes of it when somebody kills or corrupts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from unittest.mock import patch

import msgspec
import pytest

from whodid.errors import InvalidSetting, NotFound
from whodid.export import Exported, ExportWorker, Job, JobFolder, default_folder, forget_exports
from whodid.export.jobs import KEPT_FOR, MOST_KEPT, MOST_WAITING
from whodid.export.run import Progress, Suspended
from whodid.model import Actor

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
MARIA = Actor(type="user", id="usr_maria", name="Maria Torres")
TEXT = b"a line\n" * 100


def job(number: int, workspace: str = "w", **more: object) -> Job:
    """Make an order."""
    plain = Job(
        id=f"{number:032x}",
        workspace=workspace,
        created_at=NOW + timedelta(seconds=number),
        format="csv",
        query="",
        filename="audit.csv",
        actor=MARIA,
    )
    return msgspec.structs.replace(plain, **more)


def write(_: Job, out: IO[bytes], progress: Progress) -> Exported:
    """Make a small file."""
    out.write(TEXT)
    progress(100)
    return Exported(count=100, size=len(TEXT), sha256="00" * 32, index=7)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    """Make a folder."""
    return JobFolder(tmp_path / "exports", most_bytes=1024 * 1024)


@pytest.fixture
def worker(folder: JobFolder) -> Iterator[ExportWorker]:
    """Make a worker whose files are small."""
    with ExportWorker(folder, clock=lambda: NOW, threads=2) as made:
        made.makers[""] = write
        yield made


# ----------------------------------------------------------------------------------------------------------- the folder


def test_the_folder_is_its_owners_alone(tmp_path: Path, folder: JobFolder) -> None:
    """Folder and files; one that others may look into is refused with the command that mends it."""
    folder.add(job(1))
    file = folder.claim(job(1))
    assert file is not None
    with file:
        folder.finish(job(1), file)
    found = [tmp_path / "exports", *(tmp_path / "exports").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in found} == {0o700, 0o600}
    (tmp_path / "exports").chmod(0o750)
    with pytest.raises(InvalidSetting, match="chmod 700"):
        JobFolder(tmp_path / "exports", most_bytes=1)
    with pytest.raises(InvalidSetting, match="cannot be made"):
        JobFolder(Path("/proc/exports"), most_bytes=1)


def test_jobs_are_bounded_by_workspace(folder: JobFolder) -> None:
    """So many may wait, so many may be kept; another workspace is not touched."""
    for number in range(MOST_WAITING):
        assert folder.add(job(number))
    assert not folder.add(job(99))
    assert folder.add(job(99, "other"))
    for number in range(MOST_KEPT):
        if number >= MOST_WAITING:
            assert folder.add(job(number))
        folder.change("w", job(number).id, lambda one: msgspec.structs.replace(one, state="ready"))
    assert not folder.add(job(99))
    assert len(folder.all("w")) == MOST_KEPT
    assert folder.all("w")[0].id == job(MOST_KEPT - 1).id


def test_a_damaged_job_belongs_to_nobody(tmp_path: Path, folder: JobFolder) -> None:
    """It is not listed, keeps nothing else from being listed, and goes with its file at the next sweep."""
    folder.add(job(1))
    folder.add(job(2))
    path = next((tmp_path / "exports").rglob(f"{job(1).id}.job"))
    path.with_suffix(".file").write_bytes(b"personal")
    for harm in (b"", b"{", path.read_bytes()[:-5], b"\xff" * 10, b'{"id":1}'):
        path.write_bytes(harm)
        assert [one.id for one in folder.all("w")] == [job(2).id]
        assert folder.get("w", job(1).id) is None
    folder.sweep(NOW)
    assert [one.name for one in sorted(path.parent.iterdir())] == [f"{job(2).id}.job"]


def test_ids_are_nothing_but_ids(folder: JobFolder) -> None:
    """What leads elsewhere leads nowhere."""
    for strange in ("", "..", "../lock", f"{job(1).id}/..", job(1).id.upper() + "G", "x" * 32):
        assert folder.get("w", strange) is None
        assert not folder.remove("w", strange)
    assert folder.change("w", "../lock", lambda one: one) is None


def test_a_day_later_everything_is_gone(tmp_path: Path, folder: JobFolder, worker: ExportWorker) -> None:
    """What is finished for a day, what never ended, and whatever belongs to no job."""
    worker.order(job(1))
    assert worker.settle(20)
    place = next(path for path in (tmp_path / "exports").iterdir() if path.is_dir())
    (place / f"{job(3).id}.file").write_bytes(b"an orphan")
    folder.sweep(NOW + KEPT_FOR - timedelta(seconds=1))
    assert sorted(path.suffix for path in place.iterdir()) == [".file", ".job"]
    folder.sweep(NOW + KEPT_FOR)
    assert not place.exists()


def test_a_file_that_is_not_what_was_made_is_not_given_out(
    tmp_path: Path, folder: JobFolder, worker: ExportWorker
) -> None:
    """Cut, grown or gone."""
    worker.order(job(1))
    assert worker.settle(20)
    (ready,) = folder.all("w")
    path = next((tmp_path / "exports").rglob("*.file"))
    opened = folder.open(ready)
    assert opened is not None
    with opened:
        assert opened.read() == TEXT
    for harm in (TEXT[:-1], TEXT + b"x", b""):
        path.write_bytes(harm)
        assert folder.open(ready) is None
    path.unlink()
    assert folder.open(ready) is None


def test_whatever_may_hold_values_of_a_person_can_be_removed(tmp_path: Path, worker: ExportWorker) -> None:
    """All files of one workspace, by address of the store, from another process too; those of others stay."""
    assert default_folder("memory://") is None
    assert default_folder("postgresql://h/d") is None
    place = default_folder(f"sqlite:///{tmp_path}/audit.db")
    assert place == tmp_path / "audit.db.exports"
    assert forget_exports(place, "w") == 0
    for number, workspace in ((1, "w"), (2, "w"), (3, "other")):
        worker.order(job(number, workspace))
    assert worker.settle(20)
    assert forget_exports(tmp_path / "exports", "w") == 2
    assert [one.id for one in worker.folder.everything()] == [job(3).id]
    assert len(list((tmp_path / "exports").rglob("*.file"))) == 1


# ----------------------------------------------------------------------------------------------------------- the worker


def test_a_job_comes_to_its_end(worker: ExportWorker) -> None:
    """Waiting, running, ready: with what was made; a maker that is not known and a fault are told."""
    assert worker.order(job(1))
    worker.order(job(2, maker="another"))
    assert worker.settle(20)
    failed, ready = worker.folder.all("w")
    assert (ready.state, ready.done, ready.size, ready.index, ready.tries) == ("ready", 100, len(TEXT), 7, 1)
    assert (failed.state, failed.fault) == ("failed", "This server does not make such exports any more.")
    assert worker.counts() == {"waiting": 0, "running": 0, "ready": 1, "failed": 1}


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (NotFound("There is no log", "Check it"), "There is no log."),
        (ValueError("planted"), "The export could not be made."),
        (OSError(28, "No space left on device"), "There is no room for the file."),
        (OSError(5, "planted"), "The export could not be made."),
    ],
)
def test_what_goes_wrong_is_told(tmp_path: Path, worker: ExportWorker, error: Exception, fault: str) -> None:
    """The fact and the remedy where it is for people; nothing of the file stays."""

    def fail(_: Job, out: IO[bytes], __: Progress) -> Exported:
        out.write(TEXT)
        raise error

    worker.makers[""] = fail
    worker.order(job(1))
    assert worker.settle(20)
    (failed,) = worker.folder.all("w")
    assert (failed.state, failed.fault) == ("failed", fault)
    assert failed.remedy.endswith(".")
    assert list((tmp_path / "exports").rglob("*.part")) == []


def test_files_are_bounded_on_the_disk(tmp_path: Path) -> None:
    """One workspace gets half of the room, and what would take more fails while it is made."""
    folder = JobFolder(tmp_path / "exports", most_bytes=100_000)

    def endless(_: Job, out: IO[bytes], progress: Progress) -> Exported:
        count = 0
        while True:
            out.write(TEXT)
            out.flush()
            progress(count := count + 100)

    with patch("whodid.export.worker._TELL_SECONDS", 0.0), ExportWorker(folder, clock=lambda: NOW) as worker:
        worker.makers[""] = endless
        worker.order(job(1))
        assert worker.settle(20)
    (failed,) = folder.all("w")
    assert failed.fault == "There is no room for the file."
    assert 40_000 < failed.done * 7 < 60_000
    assert folder.has_room("w")


def test_a_job_that_is_removed_is_not_made(tmp_path: Path, worker: ExportWorker) -> None:
    """Its maker finds out and stops; nothing of it stays."""
    begun, removed = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def slow(_: Job, out: IO[bytes], progress: Progress) -> Exported:
        out.write(TEXT)
        begun.set()
        assert removed.wait(20)
        try:
            progress(1)
        except Exception as error:
            raised.append(error)
            raise
        raise AssertionError

    worker.makers[""] = slow
    with patch("whodid.export.worker._TELL_SECONDS", 0.0):
        worker.order(job(1))
        assert begun.wait(20)
        assert worker.folder.remove("w", job(1).id)
        removed.set()
        assert worker.settle(20)
    assert [type(one).__name__ for one in raised] == ["_Gone"]
    assert [path for path in (tmp_path / "exports").rglob("*") if path.suffix] == []


def test_a_job_that_is_removed_at_the_last_moment_leaves_nothing(tmp_path: Path, worker: ExportWorker) -> None:
    """Between the last piece and the end."""

    def late(one: Job, out: IO[bytes], progress: Progress) -> Exported:
        done = write(one, out, progress)
        worker.folder.remove("w", one.id)
        return done

    worker.makers[""] = late
    worker.order(job(1))
    assert worker.settle(20)
    assert [path for path in (tmp_path / "exports").rglob("*") if path.suffix] == []


def test_a_worker_that_is_stopped_hands_over(folder: JobFolder) -> None:
    """What it was making waits for the next one, is not counted as a try, and did not fail."""
    begun, told = threading.Event(), list[type]()

    def slow(_: Job, __: IO[bytes], progress: Progress) -> Exported:
        begun.set()
        try:
            while True:
                progress(1)
        except Suspended:
            told.append(Suspended)
            raise

    first = ExportWorker(folder, clock=lambda: NOW)
    first.makers[""] = slow
    first.order(job(1))
    assert begun.wait(20)
    first.stop()
    (waiting,) = folder.all("w")
    assert (waiting.state, waiting.tries, told) == ("waiting", 0, [Suspended])
    with ExportWorker(folder, clock=lambda: NOW) as second:
        second.makers[""] = write
        assert second.settle(20)
    assert [one.state for one in folder.all("w")] == ["ready"]


def test_workspaces_take_turns(folder: JobFolder) -> None:
    """Whoever has the fewest running comes first, then whoever waits longest."""
    order: list[str] = []

    def note(one: Job, out: IO[bytes], progress: Progress) -> Exported:
        order.append(one.id)
        return write(one, out, progress)

    for number, workspace in ((1, "a"), (2, "a"), (3, "b")):
        folder.add(job(number, workspace))
    with ExportWorker(folder, clock=lambda: NOW, threads=1) as worker:
        worker.makers[""] = note
        assert worker.settle(20)
    assert order == [job(number).id for number in (1, 2, 3)]
    with patch.object(ExportWorker, "_run", lambda _self, _job, file: file.close()):
        idle = ExportWorker(folder, clock=lambda: NOW, threads=2)
        for number, workspace in ((4, "a"), (5, "a"), (6, "b")):
            folder.add(job(number, workspace))
        idle._begin()
    assert list(idle._active) == [job(number).id for number in (4, 6)]


# ------------------------------------------------------------------------------------------------------ other processes


KILLED = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from whodid.export import ExportWorker, JobFolder

def slow(job, out, progress):
    out.write(b"half a file")
    out.flush()
    print("begun", flush=True)
    time.sleep(60)

worker = ExportWorker(JobFolder(Path(sys.argv[1]), most_bytes=1 << 30), clock=lambda: datetime.now(UTC))
worker.makers[""] = slow
worker.start()
time.sleep(60)
"""


def making(path: Path) -> subprocess.Popen[str]:
    """Start a process that begins what waits, and wait until it did."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.faults
def test_what_a_killed_process_left_is_begun_again_and_only_then(tmp_path: Path, folder: JobFolder) -> None:
    """While the other lives its job is its own; when it is killed the next look takes it, and not for ever."""
    folder.add(job(1, created_at=datetime.now(UTC)))
    for tries in (1, 2, 3):
        process = making(tmp_path / "exports")
        try:
            (running,) = folder.all("w")
            assert (running.state, running.tries) == ("running", tries)
            assert folder.claim(running) is None
        finally:
            process.kill()
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()
        assert next((tmp_path / "exports").rglob("*.part")).read_bytes() == b"half a file"
    for number in (2, 3):
        folder.add(job(number, created_at=datetime.now(UTC)))
    with ExportWorker(folder, clock=lambda: datetime.now(UTC)) as worker:
        worker.makers[""] = write
        assert worker.settle(20)
    ends = {one.id: (one.state, one.fault) for one in folder.all("w")}
    assert ends[job(1).id] == ("failed", "The server ended 3 times while it made this export.")
    assert ends[job(2).id] == ends[job(3).id] == ("ready", "")
    assert list((tmp_path / "exports").rglob("*.part")) == []


def test_a_kill_between_the_file_and_its_job_is_no_harm(tmp_path: Path, folder: JobFolder) -> None:
    """The file has its name and the job still says that it runs: it is made again, and then it is ready."""
    folder.add(job(1))
    file = folder.claim(job(1))
    assert file is not None
    with file:
        file.write(b"made before the kill")
        folder.finish(job(1), file)
    folder.change("w", job(1).id, lambda one: msgspec.structs.replace(one, state="running", tries=1))
    with ExportWorker(folder, clock=lambda: NOW) as worker:
        worker.makers[""] = write
        assert worker.settle(20)
    (ready,) = folder.all("w")
    opened = folder.open(ready)
    assert opened is not None
    with opened:
        assert opened.read() == TEXT


def test_a_folder_that_vanishes_stops_nobody(tmp_path: Path, worker: ExportWorker) -> None:
    """It is told of, and made again by the next start."""
    worker.order(job(1))
    assert worker.settle(20)
    for path in sorted((tmp_path / "exports").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "exports").rmdir()
    assert worker.folder.all("w") == []
    assert worker.counts()["ready"] == 0
    worker.stop()
    again = ExportWorker(JobFolder(tmp_path / "exports", most_bytes=1024 * 1024), clock=lambda: NOW)
    again.makers[""] = write
    again.order(job(2))
    assert again.settle(20)
    again.stop()
    assert [one.state for one in again.folder.all("w")] == ["ready"]
