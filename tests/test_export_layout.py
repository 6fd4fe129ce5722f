"""How an export is laid out: chosen columns, several files in an archive, and its size before it is made."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest

from tests.keeping import HOME, MARIA, Clock, event, full_event, opened, record
from whodid import Entry, Log
from whodid.errors import InvalidSetting
from whodid.export import SAMPLE, Exported, Layout, bundle, estimate, estimate_proven, export
from whodid.export.csv import COLUMNS
from whodid.query import parse


@pytest.fixture
def log(tmp_path: Any) -> Any:
    """Open a log with forty entries."""
    with opened("memory", tmp_path, Clock()) as log:
        record(log, [full_event(1), *(event(number) for number in range(2, 41))])
        yield log


def exported(log: Log, format: Any = "csv", **options: Any) -> tuple[bytes, Exported]:
    """Export into memory."""
    file = io.BytesIO()
    done = export(log, HOME, "-action:audit.exported", format, file, actor=MARIA, **options)
    return file.getvalue(), done


def archive(data: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Open an archive: its files, and its manifest."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened_:
        assert opened_.testzip() is None
        files = {name: opened_.read(name) for name in opened_.namelist()}
    return files, json.loads(files.pop(bundle.MANIFEST))


def rows(data: bytes) -> list[list[str]]:
    """Read CSV."""
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def at(day: str, index: int) -> Entry:
    """Make an entry of some day, as an export gets it."""
    when = datetime.fromisoformat(day).replace(tzinfo=UTC)
    made = full_event(1)
    return Entry(
        id=made.id, occurred_at=when, actor=made.actor, action=made.action, resource=made.resource,
        workspace=HOME, index=index, recorded_at=when, kind="update", severity="info",
    )  # fmt: skip


def test_columns_are_in_the_order_wanted(log: Log) -> None:
    """CSV and Parquet have these columns and no other, with the cells of the whole file."""
    whole = rows(exported(log)[0])
    wanted = ("action", "index", "actor_name")
    some = rows(exported(log, columns=wanted)[0])
    assert some == [[row[COLUMNS.index(name)] for name in wanted] for row in whole]
    table = pq.read_table(io.BytesIO(exported(log, "parquet", columns=wanted)[0]))
    assert tuple(table.column_names) == wanted
    assert table.num_rows == 40
    assert [[str(row[name]) for name in wanted[:2]] for row in table.to_pylist()] == [row[:2] for row in some[1:]]


def test_the_record_says_which_columns_and_files(log: Log) -> None:
    """What left is in the log as it left; an export of everything says nothing more than before."""
    _, done = exported(log, columns=["action"], split=15)
    details = log.get(HOME, done.index).details or {}
    assert (details["columns"], details["split"], details["count"]) == (["action"], 15, 40)
    _, plain = exported(log)
    assert {"columns", "split"}.isdisjoint(log.get(HOME, plain.index).details or {})


@pytest.mark.parametrize("format", ["csv", "ndjson", "parquet"])
def test_an_archive_says_what_is_in_it(log: Log, format: str) -> None:
    """Every row in one file, newest first; the manifest has count, size and SHA-256 of each, and what was asked."""
    data, done = exported(log, format, split=15)
    files, manifest = archive(data)
    assert (done.count, done.size, done.sha256) == (40, len(data), sha256(data).hexdigest())
    assert [one["name"] for one in manifest["files"]] == list(files)
    assert [name.rpartition("-")[2] for name in files] == [f"000{number}.{format}" for number in (1, 2, 3)]
    assert [one["count"] for one in manifest["files"]] == [15, 15, 10]
    for one in manifest["files"]:
        body = files[one["name"]]
        assert (one["size"], one["sha256"]) == (len(body), sha256(body).hexdigest())
        assert one["newest"] >= one["oldest"]
    assert (manifest["workspace"], manifest["query"], manifest["count"]) == (HOME, "-action:audit.exported", 40)
    assert manifest["split"] == {"by": "rows", "rows": 15}
    if format == "csv":
        parts = [rows(body) for body in files.values()]
        assert all(part[0] == list(COLUMNS) for part in parts)
        assert [row for part in parts for row in part[1:]] == rows(exported(log)[0])[1:]
    if format == "ndjson":
        assert b"".join(files.values()) == exported(log, "ndjson")[0]


def test_months_are_those_of_the_zone() -> None:
    """An entry shortly before the end of October in UTC belongs to November in Madrid."""
    entries = [at("2026-11-20T10:00", 2), at("2026-10-31T23:30", 1), at("2026-10-02T00:00", 0)]
    for zone, expected in (("UTC", {"2026-11": 1, "2026-10": 2}), ("Europe/Madrid", {"2026-11": 2, "2026-10": 1})):
        layout = Layout(format="csv", split="month", zone=zone, stem="audit")
        made = b"".join(bundle.render(
            entries, lambda part: (b"%d\n" % one.index for one in part), split="month", zone=zone, stem=layout.stem,
            ending="csv", told={}, at=datetime(2026, 11, 20, tzinfo=UTC),
        ))  # fmt: skip
        _, manifest = archive(made)
        assert {one["name"][6:13]: one["count"] for one in manifest["files"]} == expected
        assert manifest["split"] == {"by": "month", "zone": zone}


def test_an_archive_of_nothing_opens(log: Log) -> None:
    """No entry, no file, and a manifest that says so."""
    file = io.BytesIO()
    done = export(log, HOME, "actor:nobody", "csv", file, actor=MARIA, split="month")
    files, manifest = archive(file.getvalue())
    assert (files, manifest["count"], manifest["files"], done.count) == ({}, 0, [], 0)


def test_files_are_bounded(log: Log) -> None:
    """More files than anybody opens are refused, and the failed export is recorded."""
    with patch.object(bundle, "MOST_FILES", 3), pytest.raises(InvalidSetting, match="more than 3 files"):
        exported(log, split=10)
    assert log.get(HOME, log.head(HOME).size - 1).outcome == "failed"
    with patch.object(bundle, "MOST_FILES", 4):
        assert len(archive(exported(log, split=10)[0])[0]) == 4


def test_an_archive_is_made_piece_by_piece() -> None:
    """Bytes come long before the last entry is asked for."""
    asked = 0

    def entries() -> Any:
        nonlocal asked
        start = datetime(2026, 1, 1, tzinfo=UTC)
        for number in range(60_000):
            asked += 1
            yield at((start + timedelta(minutes=number)).isoformat()[:16], number)

    made = bundle.render(
        islice(entries(), None), lambda part: (sha256(b"%d" % one.index).digest() for one in part), split=1_000,
        zone="UTC", stem="audit", ending="csv", told={}, at=datetime(2026, 11, 20, tzinfo=UTC),
    )  # fmt: skip
    assert next(made)
    assert asked < 5_000


@pytest.mark.parametrize(
    ("layout", "member"),
    [
        ({"format": "xlsx"}, "format"),
        ({"format": "csv", "proofs": True}, "proofs"),
        ({"format": "ndjson", "proofs": True, "split": "month"}, "split"),
        ({"format": "ndjson", "columns": ("index",)}, "columns"),
        ({"format": "csv", "columns": ("index", "secret")}, "columns"),
        ({"format": "csv", "columns": ("index", "index")}, "columns"),
        ({"format": "csv", "split": 0}, "split"),
    ],
)
def test_what_does_not_fit_together_is_refused(log: Log, layout: dict[str, Any], member: str) -> None:
    """Before anything is written or recorded, with the member at fault."""
    size = log.head(HOME).size
    (fault, *_) = Layout(**layout).faults()
    assert fault[0] == member
    with pytest.raises(InvalidSetting, match=fault[1].replace("(", r"\(")):
        exported(log, **layout)
    assert log.head(HOME).size == size


@pytest.mark.parametrize("layout", [Layout(format="csv"), Layout(format="ndjson"), Layout(format="csv", split=15),
                                    Layout(format="csv", columns=("index", "action"))])  # fmt: skip
def test_an_estimate_is_near(log: Log, layout: Layout) -> None:
    """From a part of the entries, within a fifth of what the file is in the end."""
    sample = log.find(HOME, "-action:audit.exported", limit=20).entries
    _, done = exported(log, layout.format, columns=layout.columns, split=layout.split)
    assert estimate(layout, sample, count=40, at=log.now()) == pytest.approx(done.size, rel=0.25)


def test_an_estimate_of_proofs_is_near(log: Log) -> None:
    """Proofs are most of such a file, and are counted."""
    _, done = exported(log, "ndjson", proofs=True)
    assert SAMPLE >= 40
    assert estimate_proven(log, HOME, parse("-action:audit.exported", now=log.now()), count=40) == pytest.approx(
        done.size, rel=0.25
    )


def test_an_estimate_of_nothing_is_the_frame() -> None:
    """The header of CSV."""
    layout = Layout(format="csv", columns=("index", "action"))
    assert estimate(layout, [], count=0, at=datetime(2026, 11, 20, tzinfo=UTC)) == len(b'"index","action"\r\n')
