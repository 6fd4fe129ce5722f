"""Exports over HTTP: a ticket that works once, a file that holds what was asked, and a record of it."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from tests.serving import (
    EXPORT,
    HOME,
    MARIA,
    NOW,
    PII,
    READ,
    Clock,
    bearer,
    check_problem,
    client,
    event,
    open_log,
    record,
    token,
)
from whodid import Entry, Log
from whodid.canonical import read_wire
from whodid.errors import StoreUnavailable
from whodid.export import verify_export
from whodid.query import Query, parse
from whodid.server.answers import Call
from whodid.server.exports import Exports

PERSONAL = ("maria@lumen", "joao.private", "83.45.112", "198.51.100", "203.0.113", "ana.old", "ana.new", "34611204880",
            "611 204 880", "archive@", "0611", "05-12")  # fmt: skip


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at NOW."""
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Log]:
    """Open the story on each engine."""
    with open_log(clock, f"sqlite:///{tmp_path}/audit.db" if request.param == "sqlite" else "memory://") as opened:
        yield opened


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client."""
    with client(log) as opened:
        yield opened


def order(http: TestClient, rights: tuple[str, ...] = (READ, EXPORT, PII), **wish: Any) -> dict[str, Any]:
    """Ask for an export and return the ticket."""
    answer = http.post("/v1/exports", json={"format": "csv"} | wish, headers=bearer(token(permissions=rights)))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert made.keys() == {"id", "href", "count", "filename"}
    return made


def exported(log: Log) -> list[Entry]:
    """List the records of exports, newest first."""
    return list(log.find(HOME, parse("action:audit.exported", now=NOW)).entries)


def test_csv_opens_with_every_row(http: TestClient) -> None:
    """The file has the name and the number of rows that were stated, and guards against formulas."""
    made = order(http)
    assert made["count"] == {"value": 7, "exact": True}
    answer = http.get(made["href"])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{made["filename"]}"'
    assert made["filename"] == "audit-wsp_home-20261120T140000Z.csv"
    assert answer.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["index"] for row in rows] == ["6", "5", "4", "3", "2", "1", "0"]
    assert rows[1]["actor_email"] == "joao.private@lumen.example"
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


def test_the_export_is_an_entry(http: TestClient, log: Log) -> None:
    """Who, what question, how many, which format, from where: by the actor of the token."""
    http.get(order(http, q="kind:delete,create", range="7d", format="ndjson")["href"], headers={"User-Agent": "curl/8"})
    (entry,) = exported(log)
    assert entry.actor == MARIA
    assert entry.resource.id == HOME
    assert entry.details is not None
    assert (entry.details["count"], entry.details["format"], entry.details["proofs"]) == (2, "ndjson", False)
    assert parse(entry.details["query"], now=NOW) == parse("kind:delete,create date:7d", now=NOW)
    assert entry.context is not None
    assert (entry.context.source, entry.context.user_agent) == ("web", "curl/8")


def test_asking_for_an_export_exports_nothing(http: TestClient, log: Log) -> None:
    """Only the download is recorded, because only then data leaves."""
    order(http)
    assert exported(log) == []


def test_ndjson_is_exact(http: TestClient, log: Log) -> None:
    """Every line is an entry as the log has it, in the order of the list."""
    lines = http.get(order(http, format="ndjson")["href"]).text.splitlines()
    assert [read_wire(line) for line in lines] == [log.get(HOME, index) for index in range(6, -1, -1)]


def test_parquet_opens(http: TestClient) -> None:
    """The file is Parquet with a row per entry."""
    answer = http.get(order(http, format="parquet", q="actor:usr_joao")["href"])
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column("index").to_pylist() == [5, 4]


def test_proofs_verify(http: TestClient, log: Log) -> None:
    """A file with proofs verifies on its own, with nothing but the key."""
    body = http.get(order(http, format="ndjson", proofs=True, q="kind:update,delete")["href"]).content
    lines = body.splitlines(keepends=True)
    report = verify_export(lines, lines[-1], trusted=[log.verifier_key(HOME)])
    assert report.problems == ()
    assert (report.proven, report.trusted) == (3, True)


def test_proofs_need_whole_entries(http: TestClient) -> None:
    """Who may not see personal values cannot have them by way of a proof, and proofs come as NDJSON."""
    ask = bearer(token(permissions=[READ, EXPORT]))
    answer = http.post("/v1/exports", json={"format": "ndjson", "proofs": True}, headers=ask)
    assert check_problem(answer, 403, "denied")["permission"] == "audit:pii"
    answer = http.post("/v1/exports", json={"format": "csv", "proofs": True}, headers=bearer(token()))
    assert check_problem(answer, 422, "invalid-body")["pointer"] == "/proofs"


@pytest.mark.parametrize("format", ["csv", "ndjson", "parquet"])
def test_an_export_hides_what_the_page_hides(http: TestClient, format: str) -> None:
    """Without audit:pii no file holds a personal value, and each says that it is covered."""
    open_file = http.get(order(http, format=format)["href"])
    veiled = http.get(order(http, rights=(READ, EXPORT), format=format)["href"])
    if format == "parquet":
        texts = [str(pq.read_table(io.BytesIO(one.content)).to_pylist()) for one in (open_file, veiled)]
    else:
        texts = [open_file.text, veiled.text]
    assert [value for value in PERSONAL if value not in texts[0]] == []
    assert [value for value in PERSONAL if value in texts[1]] == []
    assert "[hidden]" in texts[1]
    if format == "ndjson":
        for line in texts[1].splitlines():
            assert msgspec.json.decode(line, type=Entry).workspace == HOME


def test_an_export_cannot_be_searched_for_hidden_values(http: TestClient) -> None:
    """The rule of the list holds for files: hidden values are neither found nor excluded."""
    rights = (READ, EXPORT)
    for text, rows in (("ana.new -category:audit", 0), ("-ana.new -category:audit", 7), ("juan -category:audit", 1)):
        made = order(http, rights=rights, q=text, format="ndjson")
        assert made["count"]["value"] == rows, text
        assert len(http.get(made["href"]).text.splitlines()) == rows, text
    ask = bearer(token(permissions=rights))
    answer = http.post("/v1/exports", json={"format": "csv", "q": "ip:10.0.0.1"}, headers=ask)
    assert check_problem(answer, 403, "denied")["permission"] == "audit:pii"


def test_a_ticket_works_once(http: TestClient, log: Log) -> None:
    """The second use is gone, leaves no second record, and reveals nothing."""
    href = order(http)["href"]
    assert http.get(href).status_code == 200
    body = check_problem(http.get(href), 410, "gone")
    assert "used" in body["detail"]
    assert len(exported(log)) == 1


def test_a_ticket_ends_after_a_minute(http: TestClient, clock: Clock, log: Log) -> None:
    """Sixty seconds later it is gone, and the state of the log keeps nothing of it."""
    early, late = order(http)["href"], order(http)["href"]
    clock.advance(seconds=59)
    assert http.get(early).status_code == 200
    clock.advance(seconds=1)
    check_problem(http.get(late), 410, "gone")
    made = http.post("/v1/exports", json={"format": "csv"}, headers=bearer(token(now=clock.now))).json()
    http.get(made["href"])
    assert log.state(HOME, "exports") is None


def test_an_invented_ticket_is_nothing(http: TestClient) -> None:
    """A changed, cut or made-up ticket is not found, without a look at the store."""
    href = order(http)["href"]
    head, ticket = href[: -len(href.rpartition("/")[2])], href.rpartition("/")[2]
    with patch.object(Log, "state", side_effect=AssertionError("the store was asked")):
        for invented in ("x", ticket[:-1], ticket + "A", "A" + ticket[1:], ticket[:-4] + "AAAA", "%00", "é"):
            check_problem(http.get(f"{head}{invented}"), 404, "not-found")
    assert http.get(href).status_code == 200


def test_a_ticket_needs_no_token_and_its_head_does_not_spend_it(http: TestClient) -> None:
    """A browser follows the link as it is; a link checker that asks for the head takes nothing away."""
    href = order(http)["href"]
    assert http.head(href).status_code == 405
    assert http.get(href).status_code == 200


def test_a_ticket_is_good_once_among_many(http: TestClient, log: Log) -> None:
    """Of ten downloads at the same moment one gets the file."""
    href = order(http)["href"]
    statuses: list[int] = []
    with client(log) as other:
        doors = [http, other] * 5
        threads = [
            threading.Thread(target=lambda door=door: statuses.append(door.get(href).status_code)) for door in doors
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 410, 503}
    assert len(exported(log)) == 1


def test_exporting_needs_its_permissions(http: TestClient) -> None:
    """Reading alone does not export, and exporting without reading does not either."""
    for rights, missing in (([READ], EXPORT), ([EXPORT], READ), ([PII], READ)):
        answer = http.post("/v1/exports", json={"format": "csv"}, headers=bearer(token(permissions=rights)))
        assert check_problem(answer, 403, "denied")["permission"] == missing
    check_problem(http.post("/v1/exports", json={"format": "csv"}), 401, "unauthorised")


BODIES = (
    (b"", 422, ""),
    (b"[]", 422, ""),
    (b"{", 422, ""),
    (b"\xff", 422, ""),
    (b"[" * 60_000, 422, ""),
    (b'{"format":"xlsx"}', 422, "/format"),
    (b'{"format":"csv","proofs":1}', 422, "/proofs"),
    (b'{"format":"csv","range":"1d"}', 422, "/range"),
    (b'{"format":"csv","colour":"red"}', 422, ""),
    (b'{"format":"csv","q":"nosuch:x"}', 400, None),
    (b'{"format":"csv","q":"' + b"x" * 2001 + b'"}', 400, None),
    (b'{"format":"csv","q":"\\u0000"}', 400, None),
    (b'{"format":"csv","q":"\\ud800"}', 422, ""),
    (b'{"format":"csv","tz":"../etc"}', 400, None),
    (b'{"format":"csv","pad":"' + b"x" * 70_000 + b'"}', 413, None),
)


def test_bodies_are_read_strictly(http: TestClient) -> None:
    """What is not the body of an export is refused with the place of the fault."""
    ask = bearer(token()) | {"Content-Type": "application/json"}
    for body, status, pointer in BODIES:
        answer = http.post("/v1/exports", content=body, headers=ask)
        assert answer.status_code == status, (body[:60], answer.text)
        if pointer is not None:
            assert answer.json()["pointer"] == pointer, body[:60]
    answer = http.post("/v1/exports", content=b'{"format":"csv"}', headers=ask | {"Content-Type": "text/plain"})
    check_problem(answer, 415, "media-type")
    check_problem(
        http.post("/v1/exports?token=x", json={"format": "csv"}, headers=bearer(token())), 400, "invalid-query"
    )


def test_waiting_exports_are_bounded(http: TestClient, clock: Clock) -> None:
    """Twenty tickets may wait; the next has to, and a minute later there is room again."""
    for _ in range(20):
        order(http)
    answer = http.post("/v1/exports", json={"format": "csv"}, headers=bearer(token()))
    check_problem(answer, 429, "too-many")
    assert answer.headers["retry-after"] == "60"
    clock.advance(seconds=61)
    answer = http.post("/v1/exports", json={"format": "csv"}, headers=bearer(token(now=clock.now)))
    assert answer.status_code == 201


def test_downloads_are_bounded_and_the_ticket_survives(log: Log) -> None:
    """While the only place is taken a download is told to wait, and its ticket is still good."""
    with client(log, downloads=1) as http:
        href = order(http)["href"]
        held = [one for one in walk(http.app) if isinstance(one, Exports)]
        slots = held[0]._slots
        assert slots.acquire(blocking=False)
        answer = http.get(href)
        check_problem(answer, 503, "busy")
        assert answer.headers["retry-after"]
        slots.release()
        for _ in range(3):
            assert http.get(href).status_code in {200, 410}


def walk(app: Any) -> Iterator[Any]:
    """Find what answers the routes of an application."""
    for route in app.routes:
        for cell in getattr(route.endpoint, "__closure__", None) or ():
            answer = getattr(cell.cell_contents, "answer", None)
            if answer is not None and hasattr(answer, "__self__"):
                yield answer.__self__


def test_an_export_that_cannot_be_recorded_does_not_happen(http: TestClient, log: Log) -> None:
    """When the store takes no entry, the reader has no whole file: a small one is refused before its first byte."""
    href = order(http)["href"]
    with patch.object(Log, "record", side_effect=StoreUnavailable("Busy")):
        check_problem(http.get(href), 503, "store-unavailable")
    assert exported(log) == []
    check_problem(http.get(href), 410, "gone")


def test_a_large_file_is_streamed_and_counted(log: Log) -> None:
    """Two thousand entries arrive in pieces, every one of them, and the record says how many and which bytes."""
    record(log, HOME, [event(1000 + n, "contact.created", ago=timedelta(seconds=n)) for n in range(2000)])
    with client(log) as http, http.stream("GET", order(http, format="ndjson")["href"]) as answer:
        pieces = list(answer.iter_raw())
    body = b"".join(pieces)
    assert len(body.splitlines()) == 2007
    (entry,) = exported(log)
    assert entry.details is not None
    assert entry.details["count"] == 2007
    assert entry.details["bytes"] == len(body)


def test_a_download_that_breaks_off_is_recorded_as_failed(log: Log) -> None:
    """Closing a half-sent file records that the export failed, and frees its place."""
    record(log, HOME, [event(1000 + n, "contact.created", ago=timedelta(seconds=n)) for n in range(2000)])
    with client(log, downloads=1) as http:
        href = order(http, format="ndjson")["href"]
        (exports,) = {id(one): one for one in walk(http.app) if isinstance(one, Exports)}.values()
        handler = next(one for one in exports.handlers if one.method == "GET")
        call = Call(
            method="GET",
            path={"ticket": href.rpartition("/")[2]},
            query=(),
            headers={},
            body=b"",
            client=None,
            secure=False,
            base="",
            request_id="req_1",
        )
        answer = handler.answer(call)
        body: Any = answer.body
        assert next(body)
        body.close()
        assert [entry.outcome for entry in exported(log)] == ["failed"]
        assert http.get(order(http, format="csv")["href"]).status_code == 200


def test_later_entries_are_not_in_the_file(http: TestClient, log: Log) -> None:
    """What is recorded after the download began, its own record included, is not part of it."""
    lines = http.get(order(http, format="ndjson", q="action:audit.exported")["href"]).text
    assert lines == ""
    assert log.count(HOME, Query()).value == 8


def test_servers_that_begin_at_once_do_not_lose_a_ticket(http: TestClient) -> None:
    """A change of the state that another server overtook is made again; one that never succeeds says so."""
    real, calls = Log.swap_state, []

    def overtaken(self: Log, workspace: str, name: str, old: bytes | None, new: bytes | None) -> bool:
        calls.append(name)
        return len(calls) % 3 == 0 and real(self, workspace, name, old, new)

    with patch.object(Log, "swap_state", overtaken):
        href = order(http)["href"]
        assert http.get(href).status_code == 200
    with patch.object(Log, "swap_state", lambda *_: False):
        answer = http.post("/v1/exports", json={"format": "csv"}, headers=bearer(token()))
        check_problem(answer, 503, "store-unavailable")
    href = order(http)["href"]
    with patch.object(Log, "swap_state", lambda *_: False):
        check_problem(http.get(href), 503, "store-unavailable")
    assert http.get(href).status_code == 200


def test_parquet_says_when_it_is_not_installed(http: TestClient) -> None:
    """Before a ticket is made, and with a way out."""
    with patch("importlib.util.find_spec", return_value=None):
        answer = http.post("/v1/exports", json={"format": "parquet"}, headers=bearer(token()))
    check_problem(answer, 501, "not-available")
