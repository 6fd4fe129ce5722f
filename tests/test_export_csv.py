"""CSV: columns, quoting, and cells that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.keeping import HOME, Clock, event, full_event, opened, record
from whodid import Actor, Entry, Resource
from whodid.export.csv import COLUMNS, render


def rows(data: bytes) -> list[dict[str, str]]:
    """Read CSV as a spreadsheet would."""
    text = data.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """Return an entry in which every part has a value."""
    with opened("memory", tmp_path, Clock()) as log:
        record(log, [full_event(1)])
        return log.get(HOME, 0)


def test_every_part_of_an_entry_has_its_column(entry: Entry) -> None:
    """One row per entry, and no value of the entry is missing from it."""
    (row,) = rows(b"".join(render([entry])))

    assert tuple(row) == COLUMNS
    assert row["index"] == "0"
    assert row["occurred_at"] == "2026-11-20T14:00:00.000001Z"
    assert row["actor_name"] == "CRM sync"
    assert msgspec.json.decode(row["on_behalf_of"]) == {"id": "usr_maria", "name": "Maria Torres", "type": "user"}
    assert row["reason_text"] == "Same person\nunder two names"
    assert msgspec.json.decode(row["related"])[0]["name"] == 'Ana "la" García, S.L.'
    assert [change["path"] for change in msgspec.json.decode(row["changes"])] == ["email", "tags", "access_token"]
    assert msgspec.json.decode(row["details"]) == {"matched_by": ["phone"], "score": 0.5}
    assert row["workspace"] == HOME
    assert [name for name, value in row.items() if not value] == []


def test_a_secret_is_not_in_the_file(entry: Entry) -> None:
    """Only fingerprints of a secret that changed are exported."""
    data = b"".join(render([entry]))

    assert b"s3cret" not in data
    assert b"before_fp" in data


def test_the_columns_stay_where_they_are() -> None:
    """The list of columns is a promise: nothing is moved or renamed, new ones come at the end."""
    assert COLUMNS[:12] == (
        *("index", "id", "occurred_at", "recorded_at", "actor_type", "actor_id", "actor_name", "actor_email"),
        *("actor_role", "on_behalf_of", "action", "kind"),
    )
    assert COLUMNS[12:34] == (
        *("severity", "outcome", "resource_type", "resource_id", "resource_name", "related", "changes", "reason_code"),
        *("reason_text", "cause", "batch", "source", "ip", "forwarded_ip", "user_agent", "country", "city"),
        *("request", "session", "details", "marks", "workspace"),
    )


def test_absent_values_are_empty_cells(tmp_path: Path) -> None:
    """What an entry does not say is an empty cell, not a word."""
    with opened("memory", tmp_path, Clock()) as log:
        record(log, [event(1, actor=Actor(type="system", id="s"), resource=Resource(type="contact", id="c"))])
        (row,) = rows(b"".join(render([log.get(HOME, 0)])))

    given_values = {name for name, value in row.items() if value}
    assert given_values == {
        *("index", "id", "occurred_at", "recorded_at", "actor_type", "actor_id", "action", "kind", "severity"),
        *("outcome", "resource_type", "resource_id", "workspace"),
    }


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", "﹣1", "⁼1", "−1"),
        *('=HYPERLINK("https://evil.example","x")', "  =1", "\u200b=1", "\u202e@x", "\ufeff+1", "\u3000-2"),
    ],
)
def test_a_cell_that_looks_like_a_formula_is_text(entry: Entry, text: str) -> None:
    """A cell that a spreadsheet could calculate begins with an apostrophe, and is otherwise as it was."""
    hostile = msgspec.structs.replace(entry, resource=Resource(type="contact", id="c", name=text))
    (row,) = rows(b"".join(render([hostile])))

    assert row["resource_name"] == "'" + text


@pytest.mark.parametrize("text", ["Ana", "a=b", "1-2", "", "'quoted", "é+", "12", " plain", "\u200bword"])
def test_other_cells_are_left_alone(entry: Entry, text: str) -> None:
    """What no spreadsheet calculates is exported as it is."""
    harmless = msgspec.structs.replace(entry, resource=Resource(type="contact", id="c", name=text))
    (row,) = rows(b"".join(render([harmless])))

    assert row["resource_name"] == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
def test_any_text_comes_back_and_none_is_a_formula(text: str) -> None:
    """Whatever the text, a reader of CSV gets it back, with an apostrophe before it at most."""
    bare = Entry(
        workspace="w",
        index=0,
        recorded_at=event(1).occurred_at,
        id=event(1).id,
        occurred_at=event(1).occurred_at,
        actor=Actor(type="user", id="u", name=text),
        action="a.b",
        kind="update",
        severity="info",
        resource=Resource(type="t", id="i"),
    )
    (row,) = rows(b"".join(render([bare])))

    assert row["actor_name"] in {text, "'" + text}
    assert not row["actor_name"].lstrip(" \u200b\u202e").startswith(("=", "+", "-", "@", "\t", "\r"))


def test_lines_and_mark_follow_the_standards(entry: Entry) -> None:
    """RFC 4180: CRLF, every cell quoted, quotes doubled; a byte order mark only if it was asked for."""
    plain, marked = b"".join(render([entry])), b"".join(render([entry], bom=True))

    assert plain.startswith(b'"index","id"')
    assert plain.endswith(b'"\r\n')
    assert b'Ana \\""la\\"" Garc' in plain
    assert marked == b"\xef\xbb\xbf" + plain
