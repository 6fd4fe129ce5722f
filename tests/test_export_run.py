"""Carrying an export out: exactly the query, nothing cut, constant memory, and an entry that says it happened."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.keeping import HOME, JOAO, MARIA, STORES, Clock, event, full_event, opened, record
from whodid import Context, Entry, Log
from whodid.canonical import read_wire, wire
from whodid.errors import InvalidQuery, InvalidSetting, NotFound, StoreUnavailable
from whodid.export import FORMATS, Exported, export, pieces


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """Open a log with forty entries, every second by João."""
    with opened(request.param, tmp_path, Clock()) as log:
        record(log, [full_event(1), *(event(number) for number in range(2, 41))])
        yield log


def exported(log: Log, query: str = "", format: Any = "ndjson", **options: Any) -> tuple[bytes, Exported]:
    """Export into memory."""
    file = BytesIO()
    done = export(log, HOME, query, format, file, actor=MARIA, **options)
    return file.getvalue(), done


def last(log: Log) -> Entry:
    """Return the newest entry."""
    return log.get(HOME, log.head(HOME).size - 1)


def test_ndjson_is_the_wire_form_of_exactly_the_query(log: Log) -> None:
    """The lines are the entries that the list shows, in its order, byte for byte what the log would send."""
    data, done = exported(log, "actor:usr_joao")
    shown = [
        entry for entry in log.find(HOME, "actor:usr_joao", limit=1000).entries if entry.action != "audit.exported"
    ]

    assert data.splitlines() == [wire(entry) for entry in shown]
    assert [read_wire(line) for line in data.splitlines()] == shown
    assert done.count == len(shown) == 20


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_is_an_entry(log: Log, format: str) -> None:
    """Who exported what, how many entries, and the digest of the very file."""
    data, done = exported(log, "kind:update", format, context=Context(source="web", ip="203.0.113.9"))
    entry = last(log)

    assert entry.action == "audit.exported"
    assert entry.actor == MARIA
    assert entry.outcome == "success"
    assert entry.resource.type == "log"
    assert entry.context == Context(source="web", ip="203.0.113.9")
    assert entry.details == {
        "query": "kind:update",
        "format": format,
        "proofs": False,
        "count": 40,
        "bytes": len(data),
        "sha256": sha256(data).hexdigest(),
    }
    assert done == Exported(count=40, size=len(data), sha256=sha256(data).hexdigest(), index=entry.index)


def test_the_sentence_of_an_export_says_the_count(log: Log) -> None:
    """People read how many entries were exported."""
    exported(log)
    from whodid.catalog import sentence

    assert sentence(last(log), "en", log.catalog).text() == "Maria Torres exported 40 audit entries"


def test_an_export_with_proofs_says_so(log: Log) -> None:
    """Evidence that left the house is told apart from a table."""
    data, _ = exported(log, proofs=True)
    details = last(log).details or {}

    assert details["proofs"] is True
    assert details["sha256"] == sha256(data).hexdigest()
    assert json.loads(data.splitlines()[-1])["count"] == details["count"] == 40


def test_what_is_recorded_meanwhile_is_not_in_the_file(log: Log) -> None:
    """An export is of one moment: entries that come while it runs neither appear nor disturb it."""
    steps = pieces(log, HOME, "", "csv", actor=MARIA)
    taken = [next(steps)]
    record(log, [event(number) for number in range(100, 150)])
    taken += steps

    assert b"".join(taken).count(b"\r\n") == 41


def test_the_last_piece_comes_after_the_entry(log: Log) -> None:
    """Nobody holds a whole file that the log does not know of."""
    record(log, [event(number, details={"text": "x" * 3000}) for number in range(100, 200)])
    steps = pieces(log, HOME, "", "ndjson", actor=MARIA)
    whole = b""
    for piece in steps:
        if last(log).action != "audit.exported":
            whole += piece
            assert log.head(HOME).size == 140
        else:
            assert piece
            whole += piece

    assert whole.count(b"\n") == 140
    assert (last(log).details or {})["sha256"] == sha256(whole).hexdigest()


def test_an_export_that_is_given_up_is_recorded_as_failed(log: Log) -> None:
    """Part of the entries left the house: that is an entry, too."""
    record(log, [event(number, details={"text": "x" * 3000}) for number in range(100, 200)])
    steps = pieces(log, HOME, "", "ndjson", actor=JOAO)
    next(steps)
    steps.close()
    entry = last(log)

    assert (entry.action, entry.outcome, entry.actor) == ("audit.exported", "failed", JOAO)
    assert 0 < (entry.details or {})["count"] < 140
    assert "sha256" not in (entry.details or {})


def test_a_full_disk_breaks_the_export_off(log: Log) -> None:
    """The error of the file is raised, and the log says that the export failed."""

    class Full(BytesIO):
        def write(self, data: Any, /) -> int:
            raise OSError(28, "No space left on device")

    record(log, [event(number, details={"text": "x" * 3000}) for number in range(100, 200)])
    with pytest.raises(OSError, match="No space"):
        export(log, HOME, "", "csv", Full(), actor=MARIA)

    assert (last(log).action, last(log).outcome) == ("audit.exported", "failed")


def test_an_export_that_cannot_be_recorded_is_not_completed(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be audited does not happen: without its entry the file lacks its last piece."""
    data, _ = exported(log)

    def refuse(*_: object) -> None:
        raise StoreUnavailable("The store is gone", "Try again")

    monkeypatch.setattr(log, "record", refuse)
    file = BytesIO()
    with pytest.raises(StoreUnavailable):
        export(log, HOME, "-action:audit.exported", "ndjson", file, actor=MARIA)

    assert len(file.getvalue()) < len(data)


def test_a_failing_store_is_not_a_short_file(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the middle is raised, not taken for the end."""
    whole = log.stream_wire

    def broken(*arguments: Any) -> Iterator[bytes]:
        for number, line in enumerate(whole(*arguments)):
            if number == 20:
                raise StoreUnavailable("The store is gone", "Try again")
            yield line

    monkeypatch.setattr(log, "stream_wire", broken)
    with pytest.raises(StoreUnavailable):
        exported(log)

    assert last(log).outcome == "failed"
    assert (last(log).details or {})["count"] == 20


def test_a_reader_may_get_other_entries_in_their_place(log: Log) -> None:
    """Whoever may not see personal values exports entries without them."""
    bare = [msgspec.structs.replace(entry, actor=JOAO) for entry in log.stream(HOME)]
    data, done = exported(log, entries=iter(bare))

    assert data.splitlines() == [wire(entry) for entry in bare]
    assert done.count == 40


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"format": "xlsx"}, "no export format"),
        ({"format": "csv", "proofs": True}, "cannot carry proofs"),
        ({"format": "ndjson", "proofs": True, "entries": iter(())}, "whole entries"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_once(log: Log, options: dict[str, Any], fact: str) -> None:
    """The refusal comes before the first byte, and is no entry."""
    with pytest.raises(InvalidSetting, match=fact):
        pieces(log, HOME, "", actor=MARIA, **options)

    assert last(log).action != "audit.exported"


def test_a_wrong_query_and_a_wrong_workspace_are_refused_at_once(log: Log) -> None:
    """Neither makes an empty file."""
    with pytest.raises(InvalidQuery):
        pieces(log, HOME, "colour:red", "csv", actor=MARIA)
    with pytest.raises(NotFound):
        pieces(log, "nobody", "", "csv", actor=MARIA)


def test_an_export_of_nothing_is_a_file_and_an_entry(log: Log) -> None:
    """Each format has its empty form."""
    for format, shortest in (("csv", 1), ("ndjson", 0)):
        data, done = exported(log, "actor:nobody", format)
        assert (data.count(b"\n"), done.count) == (shortest, 0)
        assert (last(log).details or {})["count"] == 0


def test_progress_is_told_and_ends_at_the_count(log: Log) -> None:
    """Whoever waits sees how far it is."""
    record(log, [event(number, details={"text": "x" * 3000}) for number in range(100, 200)])
    told: list[int] = []
    _, done = exported(log, progress=told.append)

    assert told == sorted(told)
    assert len(told) > 3
    assert told[-1] == done.count == 140


def test_memory_does_not_grow_with_the_number_of_entries(tmp_path: Path) -> None:
    """Four times the entries take no more memory to export than one page of them and a few tiles."""

    class Nowhere(BytesIO):
        def write(self, data: Any, /) -> int:
            return len(data)

    def peak(log: Log, workspace: str, **options: Any) -> int:
        tracemalloc.start()
        export(log, workspace, "action:contact.updated", out=Nowhere(), actor=MARIA, **options)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    with opened("sqlite", tmp_path, Clock()) as log:
        for count in (2_500, 10_000):
            events = [event(number, details={"text": "y" * 300}) for number in range(count)]
            for start in range(0, count, 2_500):
                record(log, events[start : start + 2_500], f"w{count}")
        for options in ({"format": "csv"}, {"format": "ndjson"}, {"format": "ndjson", "proofs": True}):
            small, large = (peak(log, f"w{count}", **options) for count in (2_500, 10_000))
            assert large < small + 1_500_000, (options, small, large)
