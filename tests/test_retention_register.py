"""The register of erasures: what it says, what it never says, and erasing again after an older copy came back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import whodid
from tests import test_retention_erasure as erasing
from tests.keeping import HOME, JOAO, MARIA, Clock, catalog, event, record
from whodid import Log, Reason, canonical
from whodid.errors import InvalidSetting, StoreUnavailable
from whodid.retention import (
    Mention,
    erase_person,
    place_hold,
    preview_erasure,
    read_erasures,
    read_register,
    repeat_erasure,
    write_register,
)

clock, log = erasing.clock, erasing.log

VALUES = (b"Zubizarreta", b"Quillfeather", b"quill.example", b"+34611204880", "Zoë".encode())


def opened(folder: Path, clock: Clock) -> Log:
    """Open the log of a folder."""
    return whodid.open(f"sqlite:///{folder}/audit.db", key=str(folder / "audit.key"), clock=clock, catalog=catalog())


@pytest.fixture
def place(tmp_path: Path, clock: Clock) -> Path:
    """Make a database with people in it, and a backup of it from before anybody was erased."""
    live = tmp_path / "live"
    live.mkdir()
    with opened(live, clock) as log:
        record(log, erasing.told())
        record(log, [event(50, "contact.updated", actor=MARIA)])
    (tmp_path / "backup").mkdir()
    shutil.copy(live / "audit.db", tmp_path / "backup" / "audit.db")
    return live


def restore(place: Path) -> None:
    """Put the backup of the database in place, as the page about backups says."""
    for name in ("audit.db-wal", "audit.db-shm"):
        (place / name).unlink(missing_ok=True)
    shutil.copy(place.parent / "backup" / "audit.db", place / "audit.db")


def files(place: Path) -> bytes:
    """Return the bytes of a database and all that stands beside it."""
    return b"".join(path.read_bytes() for path in sorted(place.iterdir()) if path.is_file())


def test_a_register_says_what_went_and_never_the_values(log: Log, clock: Clock) -> None:
    """Person, when, who, why, which fields of which entries; it survives being written and read."""
    found = preview_erasure(log, HOME, "contact:con_ana").mentions
    done = erase_person(log, HOME, "contact:con_ana", actor=JOAO, reason=erasing.WHY, mentions=found)
    clock.advance(minutes=1)
    erase_person(log, HOME, "user:usr_zoe", actor=MARIA, reason=Reason(text="Another ticket"))

    first, second = read_erasures(log, HOME, whole=True)
    assert (first.person, first.actor, first.reason) == ("contact:con_ana", JOAO, erasing.WHY.text)
    assert (first.entries, first.fields, first.records) == (done.entries, done.fields, done.records)
    assert {one.id: one.paths for one in first.gone}[log.get(HOME, 3).id] == ("reason",)
    assert second.person == "user:usr_zoe"
    assert second.at > first.at
    assert [one.gone for one in read_erasures(log, HOME)] == [(), ()]
    written = write_register((first, second))
    assert [value for value in VALUES if value in written] == []
    assert read_register(written) == (first, second)


def test_an_older_copy_is_erased_again(place: Path, clock: Clock) -> None:
    """Own values and mentions alike, from the note beside the key; the bytes go, the rest stays, and it verifies."""
    with opened(place, clock) as log:
        found = preview_erasure(log, HOME, "contact:con_ana").mentions
        erase_person(log, HOME, "contact:con_ana", actor=JOAO, reason=erasing.WHY, mentions=found)
        erase_person(log, HOME, "user:usr_zoe", actor=JOAO, reason=erasing.WHY)
        before = [canonical.wire(entry) for entry in log.read(HOME, 0, 7)]
    assert [value for value in VALUES if value in files(place)] == []
    assert (place / "audit.key.erased").stat().st_mode & 0o777 == 0o600

    restore(place)
    with opened(place, clock) as log:
        assert log.get(HOME, 0).resource.name == "Ana Zubizarreta"
        noted = read_register(log.elsewhere.noted())
        assert [one.person for one in noted] == ["contact:con_ana", "user:usr_zoe"]
        done = [repeat_erasure(log, one, actor=MARIA) for one in noted]
        assert [(one.entries, one.fields) for one in done] == [(4, 6), (2, 5)]
        assert log.get(HOME, 3).reason is None
        after = [canonical.wire(entry) for entry in log.read(HOME, 0, 7)]
        assert [_without_record(one) for one in after] == [_without_record(one) for one in before]
        entry = log.get(HOME, done[0].records[0])
        assert (entry.actor, entry.reason) == (MARIA, erasing.WHY)
        assert [repeat_erasure(log, one, actor=MARIA).records for one in noted] == [(), ()]
        assert log.verify(HOME).ok
    assert [value for value in VALUES if value in files(place)] == []


def _without_record(wire: bytes) -> dict[str, object]:
    """Leave out which record erased an entry, and when: the second time is another."""
    return {name: value for name, value in json.loads(wire).items() if name != "erased"}


def test_entries_of_after_the_backup_lose_nothing_that_was_not_theirs(place: Path, clock: Clock) -> None:
    """Their places are taken by others now; the register goes by ids."""
    with opened(place, clock) as log:
        late = event(60, "campaign.paused", reason=Reason(text="Ana Zubizarreta again"))
        record(log, [late])
        found = preview_erasure(log, HOME, "contact:con_ana").mentions
        assert Mention(index=7, path="reason") in found
        erase_person(log, HOME, "contact:con_ana", actor=JOAO, reason=erasing.WHY, mentions=found)
    restore(place)
    with opened(place, clock) as log:
        record(log, [event(61, "campaign.paused", reason=Reason(text="Too many complaints"))])
        for one in read_register(log.elsewhere.noted()):
            repeat_erasure(log, one, actor=MARIA)
        assert log.get(HOME, 7).reason == Reason(text="Too many complaints")
        assert log.get(HOME, 3).reason is None


def test_a_hold_that_came_back_keeps_nothing_that_had_gone(place: Path, clock: Clock) -> None:
    """What was erased once stays erased."""
    with opened(place, clock) as log:
        erase_person(log, HOME, "contact:con_ana", actor=JOAO, reason=erasing.WHY)
    restore(place)
    with opened(place, clock) as log:
        place_hold(log, HOME, name="Case", query="resource:contact:con_ana", actor=JOAO, reason=Reason(text="Court"))
        (noted,) = read_register(log.elsewhere.noted())
        assert repeat_erasure(log, noted, actor=MARIA).entries == 3


def test_nothing_is_noted_of_nobody(place: Path, clock: Clock) -> None:
    """Whoever is in no entry, and whoever was erased before, leaves no line."""
    with opened(place, clock) as log:
        for _ in range(2):
            erase_person(log, HOME, "contact:con_ana", actor=JOAO, reason=erasing.WHY)
        erase_person(log, HOME, "contact:con_typo", actor=JOAO, reason=erasing.WHY)
        assert len(read_register(log.elsewhere.noted())) == 1


def test_without_a_register_nothing_is_erased(place: Path, clock: Clock) -> None:
    """Where it should be and cannot be written, the erasure waits: it would come back unseen with the next restore."""
    (place / "audit.key.erased").mkdir()
    with opened(place, clock) as log:
        with pytest.raises(StoreUnavailable, match="Nothing was erased"):
            erase_person(log, HOME, "contact:con_ana", actor=JOAO, reason=erasing.WHY)
        assert log.get(HOME, 0).resource.name == "Ana Zubizarreta"
        with pytest.raises(StoreUnavailable, match="cannot be read"):
            log.elsewhere.noted()


def test_a_line_that_is_none_is_named() -> None:
    """The number of the line, and what to give instead."""
    with pytest.raises(InvalidSetting, match="Line 1 is no erasure"):
        read_register(b"{}")
