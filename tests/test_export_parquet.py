"""Parquet: typed columns, row groups one at a time, and only where pyarrow is installed."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.keeping import HOME, MARIA, Clock, event, full_event, opened, record
from whodid import Log
from whodid.errors import InvalidSetting
from whodid.export import export
from whodid.export.csv import COLUMNS
from whodid.files import parquet


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Open a log with 25 entries, the last of them with every part."""
    with opened("memory", tmp_path, Clock()) as log:
        record(log, [*(event(number) for number in range(1, 25)), full_event(25)])
        yield log


def exported(log: Log, query: str = "") -> pq.ParquetFile:
    """Export and open the file."""
    file = io.BytesIO()
    export(log, HOME, query, "parquet", file, actor=MARIA)
    file.seek(0)
    return pq.ParquetFile(file)


def test_the_columns_are_those_of_csv_with_types(log: Log) -> None:
    """Instants are instants, numbers numbers, lists lists."""
    schema = exported(log).schema_arrow

    assert tuple(schema.names) == COLUMNS
    assert schema.field("index").type == pa.int64()
    assert schema.field("occurred_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("recorded_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("marks").type == pa.list_(pa.string())
    assert schema.metadata[b"whodid.workspace"] == HOME.encode()
    assert schema.metadata[b"whodid.query"] == b""


def test_every_value_of_an_entry_is_in_its_row(log: Log) -> None:
    """Values come back as they were, those of any shape as JSON."""
    row = exported(log).read().to_pylist()[0]

    assert row["index"] == 24
    assert row["occurred_at"] == datetime(2026, 11, 20, 14, 0, 0, 25, tzinfo=UTC)
    assert row["actor_name"] == "CRM sync"
    assert row["on_behalf_of"] == '{"id":"usr_maria","name":"Maria Torres","type":"user"}'
    assert row["related"] == [{"type": "contact", "id": "con_9", "rel": "absorbed", "name": 'Ana "la" García, S.L.'}]
    changes = {change["path"]: change for change in row["changes"]}
    assert changes["email"]["after"] == '"ana@correo.example"'
    assert changes["email"]["before"] is None
    assert changes["tags"]["added"] == '["ramadan-24"]'
    assert changes["tags"]["removed"] == "[]"
    assert changes["access_token"]["after"] is None
    assert len(changes["access_token"]["after_fp"]) >= 16
    assert row["details"] == '{"matched_by":["phone"],"score":0.5}'
    assert row["country"] == "ES"
    assert row["marks"] == ["redacted"]
    assert [name for name, value in row.items() if value is None] == []


def test_absent_values_are_null(log: Log) -> None:
    """What an entry does not say is null, and empty lists are empty."""
    row = exported(log, "index:0").read().to_pylist()[0]

    assert row["reason_text"] is None
    assert row["details"] is None
    assert row["changes"] == []


def test_an_export_of_nothing_has_columns_and_no_rows(log: Log) -> None:
    """The file can be opened and says what it would hold."""
    file = exported(log, "actor:nobody")

    assert file.metadata.num_rows == 0
    assert tuple(file.schema_arrow.names) == COLUMNS


def test_rows_come_in_groups_while_entries_are_read(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group leaves before the next one is read, so memory holds one group at most."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 10)
    read = 0

    def counted() -> Iterator[object]:
        nonlocal read
        for entry in log.stream(HOME):
            read += 1
            yield entry

    seen, whole = [], b""
    for piece in parquet.render(counted()):  # type: ignore[arg-type] # the entries, counted
        seen.append(read)
        whole += piece

    assert seen == [10, 20, 25, 25]
    file = pq.ParquetFile(io.BytesIO(whole))
    assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [10, 10, 5]


def test_without_pyarrow_the_remedy_is_named(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet is an extra; whoever lacks it is told how to get it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(InvalidSetting, match="pip install"):
        exported(log)
