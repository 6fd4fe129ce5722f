"""Exports over HTTP: columns, files of an archive, what is told before, and who ordered what."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serving import (
    AWAY,
    EXPORT,
    HOME,
    JOAO,
    PII,
    READ,
    Clock,
    bearer,
    client,
    event,
    finished,
    open_log,
    record,
    token,
)


@pytest.fixture
def http() -> Iterator[TestClient]:
    """Open a client of the story."""
    with open_log(Clock()) as log, client(log) as opened:
        yield opened


def rights(*permissions: str, **more: Any) -> dict[str, str]:
    """Return the headers of somebody who may read, export and whatever else is named."""
    return bearer(token(permissions=permissions or (READ, EXPORT, PII), **more))


def order(http: TestClient, sent: dict[str, str], **wish: Any) -> dict[str, Any]:
    """Ask for an export, wait for its end and return the job."""
    answer = http.post("/v1/exports", json={"format": "csv", "q": "-category:audit"} | wish, headers=sent)
    assert answer.status_code == 201, answer.text
    return finished(http, answer.json()["id"], sent)


def test_columns_and_months(http: TestClient) -> None:
    """The job says what was wanted, the file is an archive by name and type, and the manifest fits what is in it."""
    job = order(http, rights(), columns=["action", "index"], split="month", tz="Europe/Madrid")
    assert (job["state"], job["columns"], job["split"], job["done"]) == ("ready", ["action", "index"], "month", 7)
    assert job["filename"] == "audit-wsp_home-20261120T140000Z.zip"
    answer = http.get(f"/v1/exports/{job['id']}/file", headers=rights())
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        text = b"".join(archive.read(one["name"]) for one in manifest["files"]).decode()
    assert manifest["split"] == {"by": "month", "zone": "Europe/Madrid"}
    assert sum(one["count"] for one in manifest["files"]) == text.count("\r\n") - len(manifest["files"]) == 7
    assert text.startswith('"action","index"\r\n')


def test_an_estimate_tells_what_the_file_will_be(http: TestClient) -> None:
    """Rows and bytes before anything is made; the job has the same, and its file is about as large."""
    wish = {"format": "csv", "q": "-category:audit"}
    told = http.post("/v1/exports/estimate", json=wish, headers=rights())
    assert told.status_code == 200
    assert http.get("/v1/exports", headers=rights()).json()["items"] == []
    job = order(http, rights())
    none = {"value": 0, "exact": True}
    seven = {"value": 7, "exact": True}
    assert told.json() == {"count": seven, "size": job["estimate"], "hidden": none, "split": None}
    assert job["size"] == job["estimate"]  # the sample is the whole


@pytest.mark.parametrize(
    ("large", "wish", "split"),
    [
        (7, {}, "month"),  # 8 entries, of which no month has more than 7
        (3, {}, 3),
        (8, {}, None),
        (3, {"split": None}, None),
        (6, {"split": 2}, 2),
        (3, {"format": "ndjson"}, None),
        (3, {"format": "parquet"}, None),
        (1, {"q": "ana -category:audit"}, 1),  # nobody counts beyond a bound what words match
        (7, {"tz": "Pacific/Kiritimati"}, "month"),
    ],
)
def test_a_large_table_is_made_in_files_that_a_spreadsheet_opens(
    monkeypatch: pytest.MonkeyPatch, large: int, wish: dict[str, Any], split: str | int | None
) -> None:
    """Unless somebody chose: the estimate says how, and the job does it."""
    monkeypatch.setattr("whodid.server.sizing.LARGE", large)
    asked = {"format": "csv", "q": "-category:audit"} | wish
    with open_log(Clock()) as log, client(log) as http:
        record(log, HOME, [event(70, "contact.created", ago=timedelta(days=40))])
        told = http.post("/v1/exports/estimate", json=asked, headers=rights()).json()
        job = order(http, rights(), **wish)
        content = http.get(f"/v1/exports/{job['id']}/file", headers=rights()).content
    assert told["split"] == split
    assert (job["state"], job["split"]) == ("ready", split)
    assert job["filename"].endswith(".zip" if split else f".{asked['format']}")
    if split:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = json.loads(archive.read("manifest.json"))["files"]
        assert sum(one["count"] for one in files) == job["done"]
        assert max(one["count"] for one in files) <= large


def test_an_estimate_of_proofs_is_larger(http: TestClient) -> None:
    """Each line carries its proof."""
    sizes = [
        http.post("/v1/exports/estimate", json={"format": "ndjson", "proofs": proofs}, headers=rights()).json()["size"]
        for proofs in (False, True)
    ]
    assert 0 < sizes[0] * 1.2 < sizes[1]


def test_an_estimate_does_not_tell_what_is_hidden(http: TestClient) -> None:
    """Whoever may not see personal values gets the size of a file without them."""
    wish = {"format": "ndjson", "q": "id:00000000-0000-0000-0000-000000000006"}
    seen, hidden = (
        http.post("/v1/exports/estimate", json=wish, headers=sent).json()["size"]
        for sent in (rights(), rights(READ, EXPORT))
    )
    job = order(http, rights(READ, EXPORT), **wish)
    assert job["size"] == hidden
    assert seen != hidden


@pytest.mark.parametrize("path", ["/v1/exports", "/v1/exports/estimate"])
@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"columns": ["index", "shoe_size"]}, "/columns"),
        ({"columns": ["index", "index"]}, "/columns"),
        ({"columns": ["index"], "format": "ndjson"}, "/columns"),
        ({"split": "week"}, "/split"),
        ({"split": 0}, "/split"),
        ({"split": "month", "format": "ndjson", "proofs": True}, "/split"),
        ({"proofs": True}, "/proofs"),
    ],
)
def test_what_does_not_fit_is_refused(http: TestClient, path: str, wish: dict[str, Any], pointer: str) -> None:
    """With the member at fault, by the order and by its estimate alike."""
    answer = http.post(path, json={"format": "csv"} | wish, headers=rights())
    assert (answer.status_code, answer.json().get("pointer")) == (422, pointer)


def test_everyone_is_listed_for_who_may_read_it_all(http: TestClient) -> None:
    """Who ordered what is told; the file is for whoever ordered it."""
    mine, his = order(http, rights()), order(http, rights(viewer=JOAO), q="kind:delete")
    assert [one["id"] for one in http.get("/v1/exports", headers=rights()).json()["items"]] == [mine["id"]]
    items = http.get("/v1/exports?by=everyone", headers=rights()).json()["items"]
    assert {one["id"]: (one["own"], one["ordered_by"]["id"], one["query"]) for one in items} == {
        mine["id"]: (True, "usr_maria", "-category:audit"),
        his["id"]: (False, "usr_joao", "kind:delete"),
    }
    for method, suffix in (("GET", ""), ("GET", "/file"), ("POST", "/link"), ("DELETE", "")):
        assert http.request(method, f"/v1/exports/{his['id']}{suffix}", headers=rights()).status_code == 404


def test_others_stay_unknown_to_who_may_not_read_their_files(http: TestClient) -> None:
    """Neither a locked filter, nor hidden values, nor another workspace lists what was ordered with more rights."""
    order(http, rights(viewer=JOAO))
    hidden = order(http, rights(READ, EXPORT, viewer=JOAO))
    listed = {
        name: [one["id"] for one in http.get("/v1/exports?by=everyone", headers=sent).json()["items"]]
        for name, sent in {
            "locked": rights(locked="type:contact"),
            "covered": rights(READ, EXPORT),
            "away": rights(workspace=AWAY),
        }.items()
    }
    assert listed == {"locked": [], "covered": [hidden["id"]], "away": []}


def test_listing_is_asked_strictly(http: TestClient) -> None:
    """Another value or parameter is an error, and the permissions are needed."""
    assert http.get("/v1/exports?by=boss", headers=rights()).status_code == 400
    assert http.get("/v1/exports?of=everyone", headers=rights()).status_code == 400
    assert http.get("/v1/exports?by=everyone", headers=rights(READ)).status_code == 403
    assert http.get("/v1/exports?by=everyone").status_code == 401
    assert http.get("/v1/exports?by=me", headers=rights(workspace=HOME)).json() == {"items": []}
