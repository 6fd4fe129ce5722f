"""Reading files of foreign records into a log: every form of file, every line accounted for, twice as good as once."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.keeping import HOME, MARIA, STORES, Clock, event, full_event, opened, record
from whodid import Log
from whodid.canonical import fields, wire
from whodid.errors import StoreUnavailable
from whodid.export import export
from whodid.export.import_ import Fault, Imported, import_file
from whodid.export.import_ import elements as cutting
from whodid.export.import_ import read as reading
from whodid.export.import_ import run as running

DATA = Path(__file__).parent / "data"
UNDATED = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """Open an empty log."""
    with opened(request.param, tmp_path, Clock()) as log:
        yield log


def buffered(data: bytes) -> io.BufferedReader:
    """Return data as an open file that cannot go back, like a pipe."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self._source = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self._source.readinto(buffer)

    return io.BufferedReader(Pipe(), 4096)


def imported(
    log: Log, data: bytes, product: str = "github", undated: datetime | None = UNDATED
) -> tuple[Imported, list[Fault]]:
    """Import data into the workspace HOME."""
    faults: list[Fault] = []
    return import_file(log, HOME, buffered(data), product, undated=undated, on_fault=faults.append), faults


def lines(*records: Any) -> bytes:
    """Write records as NDJSON."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in records)


def push(number: int, **more: Any) -> dict[str, Any]:
    """Make a small record of GitHub's audit log."""
    return {
        "action": "git.push",
        "actor": "cat",
        "created_at": 1621305118553 + number,
        "repo": "my-org/my-repo",
        **more,
    }


# ----------------------------------------------------------------------------------------------------- real files


@pytest.mark.parametrize(("product", "count"), [("github", 27), ("cloudtrail", 13)])
def test_a_real_file_is_recorded_found_and_verified(log: Log, product: str, count: int) -> None:
    """Events that nobody here wrote get into the log, can be searched, and prove themselves."""
    data = (DATA / f"{product}.ndjson").read_bytes()
    account, faults = imported(log, data, product)

    assert account == Imported(read=count, recorded=count)
    assert faults == []
    assert log.verify(HOME).ok
    if product == "github":
        assert {entry.index for entry in log.find(HOME, "actor:dog ruleset").entries} == {22, 26}
        assert log.find(HOME, "change:ruleset_enforcement after:disabled").entries[0].index == 26
        assert (
            log.find(HOME, "resource:repository:my-org/my-repo kind:delete").entries[0].action == "github.team.destroy"
        )
    else:
        assert log.find(HOME, "ip:161.97.249.0/24").entries[0].actor.name == "dr.evil"
        assert log.find(HOME, "outcome:denied reason:organizations").entries[0].action.endswith("leave_organization")


def test_importing_again_adds_nothing(log: Log) -> None:
    """The same file, also in another order, is known."""
    data = (DATA / "github.ndjson").read_bytes()
    imported(log, data)
    again, _ = imported(log, b"".join(reversed(data.splitlines(keepends=True))))

    assert again == Imported(read=27, duplicates=27)
    assert log.head(HOME).size == 27


def test_what_stands_around_a_record_is_kept(log: Log) -> None:
    """A collector's own members go to the details, and make two copies of one record two events."""
    record_ = push(1)
    imported(
        log, lines({"raw": record_, "id": "a"}, {"raw": record_, "id": "b"}, {"raw": json.dumps(record_), "id": "c"})
    )
    entries = list(log.read(HOME))

    assert [(entry.details or {})["envelope"] for entry in entries] == [{"id": "a"}, {"id": "b"}, {"id": "c"}]
    assert len({entry.id for entry in entries}) == 3


def test_an_envelope_does_not_hide_a_member_of_that_name(log: Log) -> None:
    """Both are kept."""
    imported(log, lines({"raw": push(1, envelope="its own"), "id": "a"}))
    details = log.get(HOME, 0).details or {}

    assert (details["envelope"], details["envelope_"]) == ("its own", {"id": "a"})


# ------------------------------------------------------------------------------------------------- forms of a file

RECORDS = [push(1), push(2), push(3)]
CLOUD = [
    {"eventName": "ListBuckets", "eventSource": "s3.amazonaws.com", "eventTime": f"2024-01-0{day}T00:00:00Z"}
    for day in (1, 2, 3)
]


@pytest.mark.parametrize(
    ("product", "data"),
    [
        ("github", lines(*RECORDS)),
        ("github", lines(*RECORDS).rstrip()),
        ("github", b"\n\r\n" + lines(*RECORDS).replace(b"\n", b"\r\n") + b"\n  \n"),
        ("github", json.dumps(RECORDS).encode()),
        ("github", json.dumps(RECORDS, indent=2).encode()),
        ("github", b"\xef\xbb\xbf" + lines(*RECORDS)),
        ("cloudtrail", json.dumps({"Records": CLOUD}).encode()),
        ("cloudtrail", json.dumps({"Records": CLOUD}, indent=2).encode()),
        ("cloudtrail", lines({"Records": CLOUD[:2]}, {"Records": CLOUD[2:]})),
        ("cloudtrail", gzip.compress(json.dumps({"Records": CLOUD}).encode())),
        ("cloudtrail", gzip.compress(lines(*CLOUD[:1])) + gzip.compress(lines(*CLOUD[1:]))),
    ],
)
def test_every_usual_form_of_a_file_is_read(log: Log, product: str, data: bytes) -> None:
    """NDJSON, an array, the files that CloudTrail delivers, plain or compressed."""
    account, faults = imported(log, data, product)

    assert (account, faults) == (Imported(read=3, recorded=3), [])


def test_one_record_over_many_lines_is_read(log: Log) -> None:
    """A record copied out of a web page is a file, too."""
    account, _ = imported(log, json.dumps(push(1), indent=2).encode())

    assert account == Imported(read=1, recorded=1)


# ---------------------------------------------------------------------------------------------------- lines at fault


def test_a_byte_order_mark_is_no_part_of_the_first_record(log: Log) -> None:
    """Programs on Windows write one, before lines and before a document over many lines."""
    mark, record_ = b"\xef\xbb\xbf", {"action": "org.add_member", "actor": "m", "org": "acme"}
    for number, data in enumerate((json.dumps(record_).encode(), json.dumps([record_], indent=1).encode())):
        account, faults = imported(log, mark + data)
        assert (account.read, account.duplicates, faults) == (1, number, [])


def test_bad_lines_are_named_and_the_others_recorded(log: Log) -> None:
    """Each refused line is reported once with its number and the reason, and the account adds up."""
    data = (
        lines(push(1))
        + b"not json\n"
        + lines(["an array"])[:-1]
        + b"\n"
        + b'{"action":"git.push","action":"git.pull","created_at":1}\n'
        + b'{"action":"git.push","created_at":NaN}\n'
        + b"\n"
        + b"[" * 100_000
        + b"\n"
        + b'{"action":"git.push","actor":"\xff"}\n'
        + lines({"no": "action"}, push(2, details="x" * 300_000), push(3))
    )
    account, faults = imported(log, data)

    assert account == Imported(read=10, recorded=2, refused=8)
    assert [fault.line for fault in sorted(faults, key=lambda one: one.line)] == [2, 3, 4, 5, 7, 8, 9, 10]
    facts = {fault.line: fault.fact for fault in faults}
    assert "not JSON" in facts[2]
    assert "not a JSON object" in facts[3]
    assert "same member twice" in facts[4]
    assert "NaN" in facts[5]
    assert "too deeply" in facts[7]
    assert "no action" in facts[9]
    assert log.head(HOME).size == 2


def test_records_without_a_time_are_refused_unless_one_is_given(log: Log) -> None:
    """Nothing is dated by guessing."""
    undated = {"action": "hook.create", "actor": "cat", "repo": "my-org/my-repo"}
    refused, faults = imported(log, lines(undated), undated=None)
    taken, _ = imported(log, lines(undated))

    assert refused == Imported(read=1, refused=1)
    assert "--undated" in faults[0].fact
    assert taken == Imported(read=1, recorded=1)
    assert log.get(HOME, 0).occurred_at == UNDATED


def test_an_endless_line_is_refused_and_the_next_one_read(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile line costs no more memory than the limit."""
    monkeypatch.setattr(reading, "MAX_LINE", 1_000)
    data = lines(push(1)) + b'{"x":"' + b"y" * 5_000 + b'"}\n' + lines(push(2))
    account, faults = imported(log, data)

    assert account == Imported(read=3, recorded=2, refused=1)
    assert faults[0].line == 2


def test_a_record_over_many_lines_that_is_too_large_is_refused(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """One JSON object has to fit into memory; NDJSON and lists do not."""
    monkeypatch.setattr(reading, "MAX_DOCUMENT", 1_000)
    account, faults = imported(log, json.dumps(push(1, details="x" * 2_000), indent=1).encode())

    assert account.refused == 1
    assert "one record per line" in faults[0].fact


FORMS = [
    lambda records: json.dumps(records, indent=1),
    lambda records: "[\n" + ",".join(json.dumps(one) for one in records) + "]",
    lambda records: json.dumps({"Records": records}, indent=1),
    lambda records: '{\n"Records"\n:\n' + json.dumps(records, indent=1) + ', "Owner": {"a": [1]}}\n',
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64 * 1024])
def test_a_list_is_read_element_by_element(form: Any, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets, commas, quotes and backslashes in texts do not divide it, wherever the pieces that are read end."""
    monkeypatch.setattr(cutting, "_CHUNK", size)
    records = [{"a": text, "b": [[{}], [text, {text: [1, -2.5e3, None]}]]} for text in TEXTS]
    found = list(reading.read(buffered(form(records).encode())))

    assert [one.record for one in found] == records
    assert [one.number for one in found] == list(range(1, len(records) + 1))


TEXTS = ["", "]", "},{", '"', '\\"', "\\", '\\\\"', '"]}', "é\u2028😀", "a\nb\tc"]


def test_a_long_list_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """Five thousand records of a kilobyte, one in hand at a time."""
    path = tmp_path / "long.json"
    with path.open("w") as file:
        file.write("[\n")
        for number in range(5_000):
            file.write(f'{"," if number else ""}{{"n": {number}, "text": "{"x" * 1_000}"}}')
        file.write("\n]\n")
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            total = sum(one.record["n"] for one in reading.read(file) if one.record)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert total == sum(range(5_000))
    assert most < 512 * 1024 < path.stat().st_size / 9


@pytest.mark.parametrize(
    ("text", "read", "facts"),
    [
        ("[\n]", 0, []),
        ("[\n\n 1, {}\n]", 2, ["1: The event: The record is not"]),
        ("[\n{},\n]", 2, ["2: The event: This is not JSON"]),
        ("[\n,{}]", 2, ["1: The event: This is not JSON"]),
        ("[\n{} {},\n{}]", 2, ["1: The event: This is not JSON"]),
        ("[\n{]}, {}]", 2, ["1: The event: This is not JSON"]),
        ("[\n{}, {", 2, ["2: The event: The document ends within its list"]),
        ('[\n{}, "a', 2, ["2: The event: The document ends within its list"]),
        ("[\n{}]\n{}", 2, ["2: The event: This is not JSON"]),
        ('{"Records": [\n{}]', 2, ["2: The event: This is not JSON"]),
        ('{"Records": [\n{}], "Records": [{}]}', 2, ["2: The event: This is not JSON"]),
        ('{\n"Records": 5}', 1, []),
        ("{\n", 1, ["1: The event: This is not JSON"]),
        ('[\n{"x": "' + "y" * 2_000 + '"}, {}]', 2, ["1: The event: The record is longer"]),
    ],
)
def test_what_is_wrong_with_a_list_is_told(
    monkeypatch: pytest.MonkeyPatch, text: str, read: int, facts: list[str]
) -> None:
    """An element at fault is named, its neighbours are read, and an end that is none is not taken for one."""
    monkeypatch.setattr(reading, "MAX_LINE", 1_000)
    found = list(reading.read(buffered(text.encode())))

    told = [f"{one.number}: {one.fault}" for one in found if one.fault is not None]
    assert len(told) == len(facts), told
    assert all(have.startswith(want) for have, want in zip(told, facts, strict=True)), told
    assert len(found) == read


@pytest.mark.parametrize("cut", [30, -9, -1])
def test_a_damaged_compressed_file_is_told(log: Log, cut: int) -> None:
    """What could be read is recorded, and the end is not taken for the end."""
    data = gzip.compress(lines(*(push(number, noise=str(hash(str(number)))) for number in range(2_000))))[:cut]
    account, faults = imported(log, data)

    assert account.refused == 1
    assert account.recorded == account.read - 1
    assert "damaged" in faults[-1].fact


def test_an_empty_file_is_an_empty_account(log: Log) -> None:
    """Nothing in, nothing out."""
    assert imported(log, b"") == (Imported(), [])


def test_a_failing_store_is_no_fault_of_a_line(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the store fails, the import fails, and importing again goes on from there."""
    monkeypatch.setattr(running, "BATCH", 2)
    real, calls = log.record_many, 0

    def record_many(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StoreUnavailable("The store is busy", "Try again")
        return real(*arguments)

    monkeypatch.setattr(log, "record_many", record_many)
    data = lines(*(push(number) for number in range(6)))
    with pytest.raises(StoreUnavailable):
        imported(log, data)

    assert log.head(HOME).size == 2
    assert imported(log, data)[0] == Imported(read=6, recorded=4, duplicates=2)


def test_progress_is_told_per_batch(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits sees how far it is."""
    monkeypatch.setattr(running, "BATCH", 2)
    told: list[int] = []
    data = lines(*(push(number) for number in range(5)))
    import_file(log, HOME, buffered(data), "github", progress=told.append)

    assert told == [2, 4, 5]


# ----------------------------------------------------------------------------------------------------- our own form


@pytest.mark.parametrize("proofs", [False, True])
def test_an_export_can_be_imported_into_another_log(log: Log, tmp_path: Path, proofs: bool) -> None:
    """Every event arrives as it was; place and time of recording are the new log's own."""
    record(log, [full_event(1), event(2), event(3, "nobody.declared", kind="security", severity="critical")])
    file = io.BytesIO()
    export(log, HOME, "", "ndjson", file, actor=MARIA, proofs=proofs)
    (tmp_path / "other").mkdir()
    with opened("memory", tmp_path / "other", Clock()) as other:
        account, faults = imported(other, file.getvalue(), "whodid")
        copies = {entry.id: entry for entry in other.read(HOME)}

    assert faults == []
    assert account == Imported(read=3 + proofs, recorded=3, passed=int(proofs))
    for entry in log.read(HOME, 0, 3):
        copy = copies[entry.id]
        if entry.index:
            assert msgspec.structs.replace(copy, index=entry.index) == entry
        else:
            # Its secret came as fingerprints, so nothing had to be hidden, and the mark of that is not made again.
            assert msgspec.structs.replace(copy, index=0, marks=entry.marks) == entry
            assert fields(copy)[1:] == fields(entry)[1:]


def test_an_export_adds_nothing_to_the_log_that_it_came_from(log: Log) -> None:
    """Every event is known already."""
    record(log, [full_event(1), event(2)])
    data = b"".join(wire(entry) + b"\n" for entry in log.read(HOME))
    account, faults = imported(log, data, "whodid")

    assert (account, faults) == (Imported(read=2, duplicates=2), [])


def test_events_as_a_client_sends_them_are_read(log: Log) -> None:
    """What would go to the HTTP API can come from a file."""
    account, faults = imported(log, msgspec.json.encode(event(1)) + b"\n", "whodid")

    assert (account, faults) == (Imported(read=1, recorded=1), [])


def test_a_fault_in_our_own_form_has_its_pointer(log: Log) -> None:
    """The report says where in the line the fault is."""
    broken = {**json.loads(msgspec.json.encode(event(1))), "actor": {"type": "user", "id": 7}}
    account, faults = imported(log, lines(broken), "whodid")

    assert account.refused == 1
    assert faults[0].fact.startswith("/actor/id")
