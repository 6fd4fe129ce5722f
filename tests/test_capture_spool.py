"""The spool on the disk: frames that survive damage, limits, full and broken disks, files of other users."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.capturing import event
from whodid import Event
from whodid.capture.remote.files import Owner, Place, open_folder, owners, spool_key
from whodid.capture.remote.frames import LARGEST_FRAME, Part, frame, open_payload, parts
from whodid.capture.remote.shelf import Shelf
from whodid.capture.remote.spool import Spool
from whodid.errors import InvalidEvent, InvalidSetting, SpoolError, SpoolFull

LIMIT = 8 * 2**20


def frames(count: int) -> list[bytes]:
    """Make frames of some events."""
    return [frame("w", number, event(number)) for number in range(count)]


def intact(found: list[Part]) -> list[int]:
    """Return the times (the numbers, here) of the frames that were found."""
    opened = (open_payload(part.payload) for part in found if part.payload is not None)
    return [one.at for one in opened if one is not None]


def seamless(found: list[Part], size: int) -> bool:
    """Tell whether the parts cover the bytes from the beginning without a gap."""
    ends = [0, *(part.end for part in found)]
    return ends[:-1] == [part.start for part in found] and ends[-1] <= size


# --------------------------------------------------------------------------------------------------------------- frames


def test_frames_are_found_again() -> None:
    """What was written is read: workspace, time and the event to the byte."""
    made = frames(5)
    found = list(parts(b"".join(made), ended=True))

    assert intact(found) == [0, 1, 2, 3, 4]
    opened = open_payload(found[3].payload or b"")
    assert opened is not None
    assert opened.workspace == "w"
    assert msgspec.json.decode(opened.event, type=Event) == event(3)


@pytest.mark.parametrize("seed", range(150))
def test_damage_never_costs_an_intact_frame(seed: int) -> None:
    """Flipped bits, cuts, missing and foreign bytes: every frame that was not touched is found, nothing else is."""
    chance = random.Random(seed)
    made = frames(30)
    touched: set[int] = set()
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(made))
        touched.add(at)
        one = bytearray(made[at])
        match chance.randrange(5):
            case 0:
                place = chance.randrange(len(one))
                one[place] ^= 1 << chance.randrange(8)
            case 1:
                del one[chance.randrange(len(one)) :]
            case 2:
                one = bytearray(chance.randbytes(chance.randrange(1, 400)))
            case 3:
                one[4:8] = chance.randbytes(4)  # the length
            case 4:
                place = chance.randrange(len(one))
                one[place:place] = b"\xffwd1" + chance.randbytes(chance.randrange(20))
        made[at] = bytes(one)
    data = b"".join(made)

    found = list(parts(data, ended=True))

    assert set(range(30)) - touched <= set(intact(found))
    assert set(intact(found)) <= set(range(30))
    assert sorted(intact(found)) == intact(found)
    assert seamless(found, len(data))
    assert found[-1].end == len(data)


@pytest.mark.parametrize("seed", range(60))
def test_a_file_that_grows_is_read_as_it_grows(seed: int) -> None:
    """Read in pieces that end anywhere, frames and torn frames come out the same, and nothing waits for ever."""
    chance = random.Random(seed)
    made = [one if chance.random() < 0.8 else one[: chance.randrange(1, len(one))] for one in frames(40)]
    whole = {number for number, one in enumerate(made) if one == frame("w", number, event(number))}
    data = b"".join(made)
    seen: list[Part] = []
    place = stop = 0
    while stop < len(data):
        stop = min(len(data), stop + chance.randrange(1, 3000))
        for part in parts(data[place:stop], place, ended=False):
            seen.append(part)
            place = part.end
    seen += parts(data[place:], place, ended=True)

    assert set(intact(seen)) == whole
    assert seamless(seen, len(data))


def test_noise_is_no_frame() -> None:
    """Bytes of chance, markers among them, give no frame and no error, whether or not more may come."""
    chance = random.Random(1)
    for _ in range(200):
        noise = b"".join(chance.choice([b"\xffwd1", b"\xff", chance.randbytes(9)]) for _ in range(20))
        for ended in (True, False):
            assert intact(list(parts(noise, ended=ended))) == []


def test_what_is_too_large_or_has_no_form_is_refused_at_once() -> None:
    """A frame cannot be made of what the log would never take."""
    with pytest.raises(InvalidEvent, match="256 KiB"):
        frame("w", 1, event(1, details={"text": "x" * 300_000}))
    with pytest.raises(InvalidEvent, match="no JSON form"):
        frame("w", 1, event(1, details={"it": object()}))
    assert len(frame("w", 1, event(1, details={"text": "x" * 250_000}))) <= LARGEST_FRAME


# ---------------------------------------------------------------------------------------------------------------- files


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Open a spool."""
    opened = Spool(tmp_path / "spool", max_bytes=LIMIT)
    yield opened
    opened.close(delivered=False)


def read(spool: Spool) -> list[int]:
    """Read what lies in a spool, as a sender would that delivers everything."""
    live = spool.live
    assert live is not None
    shelf = Shelf(live.owner, live.gaps, ended=live.ended, freed=spool.freed)
    found: list[int] = []
    while (batch := shelf.next()) is not None:
        found += [int(msgspec.json.decode(one.event, type=Event).resource.id) for one in batch.frames]
        shelf.done(batch)
    return found


def test_files_follow_one_another_and_go_when_delivered(spool: Spool) -> None:
    """A spool of many files is read in order; delivered ones are gone and their room is there again."""
    for number in range(0, 24_000, 100):
        spool.take("w", [event(one) for one in range(number, number + 100)])
    assert len(list(spool.folder.glob("*.spool"))) >= 4
    used = spool.used()
    assert read(spool) == list(range(24_000))
    assert len(list(spool.folder.glob("*.spool"))) == 1
    assert spool.used() < used / 3


def test_threads_share_a_file_without_a_lock(spool: Spool) -> None:
    """Eight threads and a thousand events each: all there, and each thread's in its order."""

    def record(part: int) -> None:
        for number in range(1000):
            spool.take("w", [event(part * 1000 + number)])

    workers = [threading.Thread(target=record, args=(part,)) for part in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = read(spool)
    assert sorted(found) == list(range(8000))
    for part in range(8):
        own = [number for number in found if number // 1000 == part]
        assert own == sorted(own)


def test_only_the_owner_may_look_in(spool: Spool, tmp_path: Path) -> None:
    """Folder and files are for their owner alone, whatever the umask; a folder that is open to others is refused."""
    spool.take("w", [event(1)])
    spool_key(spool.folder)
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in spool.folder.iterdir()} == {0o600}
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o755)
    with pytest.raises(InvalidSetting, match="chmod 700"):
        open_folder(public)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InvalidSetting, match="cannot be used"):
        open_folder(file / "below")


def test_settings_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    """Each with what to use instead."""
    with pytest.raises(InvalidSetting, match="at least"):
        Spool(tmp_path / "a", max_bytes=1000)
    with pytest.raises(InvalidSetting, match="raise or gap"):
        Spool(tmp_path / "a", max_bytes=LIMIT, on_full="drop")  # type: ignore[arg-type]


def test_a_full_spool_says_so_after_waiting(tmp_path: Path) -> None:
    """The limit holds to the byte, the error names it, and nothing of the refused call is kept."""
    spool = Spool(tmp_path / "spool", max_bytes=2**20, wait_ms=1)
    taken = 0
    with pytest.raises(SpoolFull, match="1,048,576 bytes"):
        while True:
            spool.take("w", [event(taken)])
            taken += 1
    assert sum(path.stat().st_size for path in spool.folder.iterdir()) <= 2**20 + 100
    assert spool.accepted == taken
    assert read(spool) == list(range(taken))
    spool.take("w", [event(0)])
    spool.close(delivered=False)


def test_a_claim_is_exclusive_and_goes_with_the_process(tmp_path: Path) -> None:
    """A living owner cannot be claimed; a dead one can, once, and its place goes on where it was."""
    folder = open_folder(tmp_path / "spool")
    owner = Owner.new(folder)
    owner.move(Place(3, 77))
    assert Owner.claim(folder, owner.name) is None
    owner.release()
    claimed = Owner.claim(folder, owner.name)
    assert claimed is not None
    assert claimed.place() == Place(3, 77)
    assert Owner.claim(folder, owner.name) is None
    claimed.remove()
    assert owners(folder) == []
    assert Owner.claim(folder, owner.name) is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of 1 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(
            f"cannot mount a small file system ({mounted.stderr.strip()}); run the tests as root to enable this"
        )
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.faults
@pytest.mark.parametrize("size", [1, 7, 300])
def test_a_full_disk_loses_nothing_that_was_kept(small_disk: Path, size: int) -> None:
    """On a full disk the caller is told, what was kept is readable, torn ends are skipped, and room ends it."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    spool = Spool(small_disk / "spool", max_bytes=LIMIT)
    kept: list[int] = []
    refused = 0
    told: set[bool] = set()
    for number in range(0, 9000, size):
        try:
            spool.take("w", [event(one) for one in range(number, number + size)])
            kept += range(number, number + size)
        except SpoolFull as full:
            told.add("disk" in str(full))
            kept += range(number, number + full.kept)
            refused += 1
            if refused == 3:
                ballast.unlink()
            if refused > 5:
                break
    assert refused >= 3
    assert told == {True}
    assert spool.accepted == len(kept)
    assert read(spool) == kept
    spool.close(delivered=False)


@pytest.mark.faults
def test_a_full_disk_is_counted_where_that_was_chosen(small_disk: Path) -> None:
    """Under `gap` the caller is not told, and kept and counted add up: the room for the counts was reserved."""
    spool = Spool(small_disk / "spool", max_bytes=LIMIT, on_full="gap")
    for number in range(9000):
        spool.take("w", [event(number)])
    live = spool.live
    assert live is not None
    assert spool.dropped > 0
    assert live.gaps.total() == spool.dropped
    assert len(read(spool)) + live.gaps.total() == 9000
    spool.close(delivered=False)


@pytest.mark.faults
def test_a_disk_without_room_for_the_first_file_says_so(small_disk: Path) -> None:
    """Where not even the counts can be reserved, the first event is refused, and nothing is left behind."""
    spool = Spool(small_disk / "spool", max_bytes=LIMIT, on_full="gap")
    with pytest.raises(OSError, match="No space"):
        (small_disk / "ballast").write_bytes(bytes(2**21))
    with pytest.raises(SpoolFull):
        spool.take("w", [event(1)])
    assert list(spool.folder.iterdir()) == []


def test_a_broken_disk_is_an_error_of_the_family(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses for another reason than room is told, and recording goes on afterwards."""
    spool.take("w", [event(1)])

    def broken(_descriptor: int, _data: bytes) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", broken)
        with pytest.raises(SpoolError, match="Input/output error") as told:
            spool.take("w", [event(2)])
        assert not isinstance(told.value, SpoolFull)
    spool.take("w", [event(3)])
    assert read(spool) == [1, 3]


@pytest.mark.parametrize("power", [True, False])
def test_power_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, power: bool) -> None:
    """With durability `power` every `take` syncs before it returns; with `process` none does."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    spool = Spool(tmp_path / "spool", max_bytes=LIMIT, durability="power" if power else "process")
    spool.take("w", [event(1), event(2)])
    spool.take("w", [event(3)])
    assert len(synced) == (2 if power else 0)
    spool.close(delivered=False)
