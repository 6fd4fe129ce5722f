"""Exports over HTTP: a job that tells how far it is, a file that holds what was asked, and a record of it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.serving import (
    AWAY,
    EXPORT,
    HOME,
    JOAO,
    MARIA,
    NOW,
    PII,
    READ,
    Clock,
    bearer,
    check_problem,
    client,
    event,
    finished,
    linked,
    open_log,
    record,
    token,
)
from whodid import Entry, Log
from whodid.canonical import read_wire
from whodid.errors import StoreUnavailable
from whodid.export import verify_export
from whodid.query import Query, parse

clock, http = serving.clock, serving.http

PERSONAL = ("maria@lumen", "joao.private", "83.45.112", "198.51.100", "203.0.113", "ana.old", "ana.new", "34611204880",
            "611 204 880", "archive@", "0611", "05-12")  # fmt: skip


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Log]:
    """Open the story on each engine."""
    with open_log(clock, f"sqlite:///{tmp_path}/audit.db" if request.param == "sqlite" else "memory://") as opened:
        yield opened


def rights(*permissions: str, **more: Any) -> dict[str, str]:
    """Return the headers of somebody who may read, export and whatever else is named."""
    return bearer(token(permissions=permissions or (READ, EXPORT, PII), **more))


def order(http: TestClient, sent: dict[str, str] | None = None, **wish: Any) -> dict[str, Any]:
    """Ask for an export, wait for its end and return the job."""
    answer = http.post("/v1/exports", json={"format": "csv"} | wish, headers=sent or rights())
    assert answer.status_code == 201, answer.text
    return finished(http, answer.json()["id"], sent or rights())


def exported(log: Log) -> list[Entry]:
    """List the records of exports, newest first."""
    return list(log.find(HOME, parse("action:audit.exported", now=NOW)).entries)


def test_a_job_tells_how_far_it_is(http: TestClient) -> None:
    """What was asked, how many there are, when it ends; then size, digest and the place of its record."""
    answer = http.post("/v1/exports", json={"format": "csv", "q": "-category:audit"}, headers=rights())
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"/v1/exports/{made['id']}"
    assert (made["state"], made["count"], made["done"]) == ("waiting", {"value": 7, "exact": True}, 0)
    assert made["query"] == "-category:audit"
    assert made["filename"] == "audit-wsp_home-20261120T140000Z.csv"
    done = finished(http, made["id"], rights())
    assert (done["state"], done["done"], done["fault"]) == ("ready", 7, None)
    assert (done["finished_at"], done["expires_at"]) == ("2026-11-20T14:00:00.000000Z", "2026-11-21T14:00:00.000000Z")
    body = http.get(f"/v1/exports/{made['id']}/file", headers=rights()).content
    assert (done["size"], done["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert http.get("/v1/exports", headers=rights()).json()["items"] == [done]


def test_csv_opens_with_every_row(http: TestClient) -> None:
    """The file has the name and the number of rows that were stated, and guards against formulas."""
    answer = http.get(linked(http, rights(), q="-category:audit"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-wsp_home-20261120T140000Z.csv"'
    assert answer.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["index"] for row in rows] == ["6", "5", "4", "3", "2", "1", "0"]
    assert rows[1]["actor_email"] == "joao.private@lumen.example"
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


def test_the_export_is_an_entry(http: TestClient, log: Log) -> None:
    """Who, what question, how many, which format and bytes, from where: by the actor of the token."""
    sent = rights() | {"User-Agent": "curl/8"}
    done = order(http, sent, q="kind:delete,create", range="7d", format="ndjson")
    (entry,) = exported(log)
    assert (entry.actor, entry.resource.id, entry.index) == (MARIA, HOME, done["index"])
    assert entry.details is not None
    assert (entry.details["count"], entry.details["format"], entry.details["proofs"]) == (2, "ndjson", False)
    assert (entry.details["sha256"], entry.details["bytes"]) == (done["sha256"], done["size"])
    assert parse(entry.details["query"], now=NOW) == parse("kind:delete,create date:7d", now=NOW)
    assert entry.context is not None
    assert (entry.context.source, entry.context.user_agent) == ("web", "curl/8")


def test_ndjson_is_exact(http: TestClient, log: Log) -> None:
    """Every line is an entry as the log has it, in the order of the list."""
    lines = http.get(linked(http, rights(), format="ndjson", q="-category:audit")).text.splitlines()
    assert [read_wire(line) for line in lines] == [log.get(HOME, index) for index in range(6, -1, -1)]


def test_parquet_opens(http: TestClient) -> None:
    """The file is Parquet with a row per entry."""
    answer = http.get(linked(http, rights(), format="parquet", q="actor:usr_joao"))
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column("index").to_pylist() == [5, 4]


def test_proofs_verify(http: TestClient, log: Log) -> None:
    """A file with proofs verifies on its own, with nothing but the key."""
    body = http.get(linked(http, rights(), format="ndjson", proofs=True, q="kind:update,delete")).content
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
    open_file = http.get(linked(http, rights(), format=format))
    veiled = http.get(linked(http, rights(READ, EXPORT), format=format))
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
    sent = rights(READ, EXPORT)
    for text, rows in (("ana.new -category:audit", 0), ("-ana.new -category:audit", 7), ("juan -category:audit", 1)):
        made = order(http, sent, q=text, format="ndjson")
        assert (made["count"]["value"], made["done"]) == (rows, rows), text
    answer = http.post("/v1/exports", json={"format": "csv", "q": "ip:10.0.0.1"}, headers=sent)
    assert check_problem(answer, 403, "denied")["permission"] == "audit:pii"


# ---------------------------------------------------------------------------------------------------------------- links


def test_a_link_works_once(http: TestClient, log: Log) -> None:
    """The second use is gone and reveals nothing; fetching leaves no second record."""
    href = linked(http, rights())
    assert http.get(href).status_code == 200
    assert "used" in check_problem(http.get(href), 410, "gone")["detail"]
    assert len(exported(log)) == 1


def test_a_link_ends_after_a_minute(http: TestClient, clock: Clock, log: Log) -> None:
    """Sixty seconds later it is gone, and the state of the log keeps nothing of it."""
    early, late = linked(http, rights()), linked(http, rights())
    clock.advance(seconds=59)
    assert http.get(early).status_code == 200
    clock.advance(seconds=1)
    check_problem(http.get(late), 410, "gone")
    http.get(linked(http, rights(now=clock.now)))
    assert log.state(HOME, "export_links") is None


def test_an_invented_link_is_nothing(http: TestClient) -> None:
    """A changed, cut or made-up one is not found, without a look at the store."""
    href = linked(http, rights())
    head, ticket = href[: -len(href.rpartition("/")[2])], href.rpartition("/")[2]
    first, last = ("A" if one != "A" else "B" for one in (ticket[0], ticket[-4]))
    changed = (ticket[:-1], ticket + "A", first + ticket[1:], ticket[:-4] + last + ticket[-3:])
    with patch.object(Log, "state", side_effect=AssertionError("the store was asked")):
        for invented in ("x", *changed, "%00", "é"):
            check_problem(http.get(f"{head}{invented}"), 404, "not-found")
    assert http.get(href).status_code == 200


def test_a_link_needs_no_token_and_its_head_does_not_spend_it(http: TestClient) -> None:
    """A browser follows the link as it is; a link checker that asks for the head takes nothing away."""
    href = linked(http, rights())
    assert http.head(href).status_code == 405
    assert http.get(href).status_code == 200


def test_a_link_is_good_once_among_many(http: TestClient) -> None:
    """Of ten downloads at the same moment one gets the file."""
    href = linked(http, rights())
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda _: http.get(href).status_code, range(10)))
    assert sorted(statuses) == [200] + [410] * 9


def test_a_link_that_broke_off_goes_on(http: TestClient) -> None:
    """Whoever got the beginning may ask for the rest, and only with the name that came with it."""
    href = linked(http, rights())
    begun = http.get(href)
    tag = begun.headers["etag"]
    rest = http.get(href, headers={"Range": "bytes=100-", "If-Range": tag})
    assert (rest.status_code, rest.content) == (206, begun.content[100:])
    for again in ({"Range": "bytes=100-"}, {"Range": "bytes=100-", "If-Range": '"x"'}, {"If-Range": tag}):
        check_problem(http.get(href, headers=again), 410, "gone")


def test_waiting_links_are_bounded(http: TestClient) -> None:
    """Twenty links may wait for their download."""
    job = order(http)
    for _ in range(20):
        assert http.post(f"/v1/exports/{job['id']}/link", headers=rights()).status_code == 201
    check_problem(http.post(f"/v1/exports/{job['id']}/link", headers=rights()), 429, "too-many")


# ------------------------------------------------------------------------------------------------------------ the files


PARTS = [
    (None, 200, 0, None),
    ("bytes=0-0", 206, 0, 1),
    ("bytes=5-", 206, 5, None),
    ("bytes=-7", 206, -7, None),
    ("bytes=0-99999999", 206, 0, None),
    ("bytes=-99999999", 206, 0, None),
    ("lines=0-1", 200, 0, None),
    ("bytes=0-1,4-5", 200, 0, None),
    ("bytes=-", 200, 0, None),
    ("bytes=x-1", 200, 0, None),
]


def test_a_part_of_a_file_can_be_had(http: TestClient) -> None:
    """One range, from the front or the back, with the digest of the whole; what is no range is the whole file."""
    job = order(http)
    address = f"/v1/exports/{job['id']}/file"
    whole = http.get(address, headers=rights()).content
    digest = base64.b64encode(hashlib.sha256(whole).digest()).decode()
    for asked, status, start, stop in PARTS:
        answer = http.get(address, headers=rights() | ({"Range": asked} if asked else {}))
        assert (answer.status_code, answer.content) == (status, whole[start:stop]), asked
        assert answer.headers["content-length"] == str(len(answer.content))
        assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
        assert answer.headers["accept-ranges"] == "bytes"
    for beyond in (f"bytes={len(whole)}-", "bytes=9-5", "bytes=-0"):
        answer = http.get(address, headers=rights() | {"Range": beyond})
        check_problem(answer, 416, "range")
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
    other = http.get(address, headers=rights() | {"Range": "bytes=5-", "If-Range": '"of another file"'})
    assert (other.status_code, other.content) == (200, whole)
    head = http.head(address, headers=rights())
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole)))


def test_a_large_file_is_made_and_sent_in_pieces(log: Log) -> None:
    """Two thousand entries arrive in pieces, every one of them, and the record says how many and which bytes."""
    record(log, HOME, [event(1000 + n, "contact.created", ago=timedelta(seconds=n)) for n in range(2000)])
    with client(log) as http, http.stream("GET", linked(http, rights(), format="ndjson")) as answer:
        body = b"".join(answer.iter_raw())
    assert len(body.splitlines()) == 2007
    (entry,) = exported(log)
    assert entry.details is not None
    assert (entry.details["count"], entry.details["bytes"]) == (2007, len(body))


def test_what_is_not_there_is_told(http: TestClient, log: Log) -> None:
    """While it is made: come again. When it failed: why. When it was removed: nothing."""
    entered, leave = threading.Event(), threading.Event()
    real = Log.stream_wire

    def slow(self: Log, *args: Any) -> Iterator[bytes]:
        entered.set()
        assert leave.wait(20)
        yield from real(self, *args)

    with patch.object(Log, "stream_wire", slow):
        made = http.post("/v1/exports", json={"format": "ndjson"}, headers=rights()).json()
        assert entered.wait(20)
        for method, suffix in (("GET", "file"), ("POST", "link")):
            answer = http.request(method, f"/v1/exports/{made['id']}/{suffix}", headers=rights())
            check_problem(answer, 409, "not-ready")
            assert answer.headers["retry-after"] == "1"
        leave.set()
        finished(http, made["id"], rights())
    with patch.object(Log, "stream_wire", side_effect=StoreUnavailable("Busy at /srv/db")):
        failed = order(http, format="ndjson")
    assert (failed["state"], failed["fault"]) == ("failed", "The export could not be made.")
    body = check_problem(http.get(f"/v1/exports/{failed['id']}/file", headers=rights()), 410, "export-failed")
    assert (body["detail"], body["remedy"]) == (failed["fault"], failed["remedy"])
    assert http.delete(f"/v1/exports/{made['id']}", headers=rights()).json()["state"] == "ready"
    for suffix in ("", "/file"):
        check_problem(http.get(f"/v1/exports/{made['id']}{suffix}", headers=rights()), 404, "not-found")
    assert [item["id"] for item in http.get("/v1/exports", headers=rights()).json()["items"]] == [failed["id"]]


def test_a_link_does_not_outlive_its_export(http: TestClient) -> None:
    """What was removed cannot be fetched with a link that was made before."""
    job = order(http)
    href = http.post(f"/v1/exports/{job['id']}/link", headers=rights()).json()["href"]
    http.delete(f"/v1/exports/{job['id']}", headers=rights())
    check_problem(http.get(href), 410, "gone")


def test_an_export_ends_after_a_day(http: TestClient, clock: Clock) -> None:
    """It is listed no more, and its file cannot be had, whether or not somebody swept already."""
    job = order(http)
    clock.advance(hours=24)
    later = rights(now=clock.now)
    assert http.get("/v1/exports", headers=later).json()["items"] == []
    check_problem(http.get(f"/v1/exports/{job['id']}/file", headers=later), 404, "not-found")


def test_orders_are_bounded(http: TestClient) -> None:
    """Five of a workspace wait or run, whoever ordered them; more have to wait, and another workspace does not."""
    leave = threading.Event()

    def slow(*_: object) -> Iterator[Entry]:
        assert leave.wait(20)
        yield from ()

    with patch.object(Log, "stream", slow):
        ids = []
        for _ in range(5):
            answer = http.post("/v1/exports", json={"format": "csv"}, headers=rights())
            assert answer.status_code == 201
            ids.append(answer.json()["id"])
        answer = http.post("/v1/exports", json={"format": "csv"}, headers=rights(viewer=JOAO))
        check_problem(answer, 429, "too-many")
        assert answer.headers["retry-after"] == "60"
        assert http.post("/v1/exports", json={"format": "csv"}, headers=bearer(token(AWAY))).status_code == 201
        leave.set()
        for id_ in ids:
            finished(http, id_, rights())
        assert http.post("/v1/exports", json={"format": "csv"}, headers=rights()).status_code == 201


def test_a_folder_that_is_full_takes_no_order(http: TestClient) -> None:
    """507, before anything is made."""
    with patch("whodid.export.jobs.JobFolder.has_room", return_value=False):
        check_problem(http.post("/v1/exports", json={"format": "csv"}, headers=rights()), 507, "no-room")


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


def test_an_export_that_cannot_be_recorded_does_not_happen(http: TestClient, log: Log) -> None:
    """When the store takes no entry, there is no file."""
    with patch.object(Log, "record", side_effect=StoreUnavailable("Busy")):
        assert order(http)["state"] == "failed"
    assert exported(log) == []


def test_later_entries_are_not_in_the_file(http: TestClient, log: Log) -> None:
    """What is recorded after the export began, its own record included, is not part of it."""
    assert http.get(linked(http, rights(), format="ndjson", q="action:audit.exported")).text == ""
    assert log.count(HOME, Query()).value == 8


def test_servers_that_begin_at_once_do_not_lose_a_link(http: TestClient) -> None:
    """A change of the state that another server overtook is made again; one that never succeeds says so."""
    real, calls = Log.swap_state, []

    def overtaken(self: Log, workspace: str, name: str, old: bytes | None, new: bytes | None) -> bool:
        calls.append(name)
        return len(calls) % 3 == 0 and real(self, workspace, name, old, new)

    job = order(http)
    address = f"/v1/exports/{job['id']}/link"
    with patch.object(Log, "swap_state", overtaken):
        assert http.get(http.post(address, headers=rights()).json()["href"]).status_code == 200
    with patch.object(Log, "swap_state", lambda *_: False):
        check_problem(http.post(address, headers=rights()), 503, "store-unavailable")
    href = http.post(address, headers=rights()).json()["href"]
    with patch.object(Log, "swap_state", lambda *_: False):
        check_problem(http.get(href), 503, "store-unavailable")
    assert http.get(href).status_code == 200


def test_parquet_says_when_it_is_not_installed(http: TestClient) -> None:
    """Before anything is made, and with a way out."""
    with patch("importlib.util.find_spec", return_value=None):
        answer = http.post("/v1/exports", json={"format": "parquet"}, headers=bearer(token()))
    check_problem(answer, 501, "not-available")
