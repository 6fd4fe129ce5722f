"""Roles as hosts make them of permissions and locked filters: own activity, the auditor with and without values."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.serving import (
    EXPORT,
    HOME,
    JOAO,
    MARIA,
    PII,
    READ,
    Clock,
    bearer,
    check_problem,
    client,
    dump,
    linked,
    open_log,
    token,
)

PERSONAL = ("ana.new@mail.example", "joao.private@lumen.example", "198.51.100.77", "+34611204880", "83.45.112.7")
HIDDEN = {"$": "hidden"}


@pytest.fixture(scope="module")
def http() -> Iterator[TestClient]:
    """Open a client of the story."""
    with open_log(Clock()) as log, client(log) as opened:
        opened.get("/v1/entries", headers=bearer(token()))
        yield opened


def listed(http: TestClient, sent: str, text: str = "") -> set[int]:
    """Return the indexes of what a token finds."""
    return {one["index"] for one in http.get("/v1/entries", params={"q": text}, headers=bearer(sent)).json()["items"]}


@pytest.mark.parametrize("rights", [(READ,), (READ, EXPORT), (READ, EXPORT, PII)])
@pytest.mark.parametrize(
    "text", ["", "actor:usr_maria", "actor:*", "-is:mine", "is:mine OR actor:usr_maria", "index:0..99"]
)
def test_own_activity_is_what_the_viewer_did(http: TestClient, rights: tuple[str, ...], text: str) -> None:
    """`is:mine` is the viewer of the token, and no question leads to what others did."""
    for viewer, others in ((JOAO, MARIA), (MARIA, JOAO)):
        sent = token(HOME, rights, viewer=viewer, locked="is:mine")
        items = http.get("/v1/entries", params={"q": text}, headers=bearer(sent)).json().get("items", [])
        assert {one["actor"]["id"] for one in items} <= {viewer.id}
        values = http.get("/v1/facets", params={"field": "actor"}, headers=bearer(sent)).json()["values"]
        assert [one["value"] for one in values if others.id in one["value"]] == []
    own = token(HOME, rights, viewer=JOAO, locked="is:mine")
    assert {4, 5} <= listed(http, own)
    for key in (0, 1, 3):
        check_problem(http.get(f"/v1/entries/{key}", headers=bearer(own)), 404, "not-found")


def test_an_auditor_reads_exports_and_proves_without_personal_values(http: TestClient) -> None:
    """Lists, single entries, files and proofs hold none; what is hidden is named as hidden and proven to be there."""
    sent = bearer(token(HOME, (READ, EXPORT)))
    pages = [
        http.get(path, headers=sent)
        for path in ("/v1/entries", "/v1/entries/0", "/v1/entries/4", "/v1/entries/4/proof")
    ]
    assert {page.status_code for page in pages} == {200}
    made = linked(http, sent, format="ndjson", q="-category:audit")
    texts = [*(page.text for page in pages), http.get(made).text]
    assert [value for value in PERSONAL if any(value in text for text in texts)] == []
    assert pages[1].json()["entry"]["changes"][0]["after"] == HIDDEN
    proof = pages[3].json()
    assert proof["leaf"]
    assert proof["path"]
    # A field that stays hidden is there as its commitment alone.
    assert any("commitment" in one and "value" not in one for one in proof["fields"])
    refused = http.post("/v1/exports", json={"format": "ndjson", "proofs": True}, headers=sent)
    assert check_problem(refused, 403, "denied")["permission"] == PII


def test_an_auditor_with_the_permission_sees_and_takes_them(http: TestClient) -> None:
    """With `audit:pii` the values are there, and a file with proofs can be had."""
    sent = bearer(token(HOME, (READ, EXPORT, PII)))
    shown = dump([http.get(f"/v1/entries/{key}", headers=sent).json() for key in (0, 4)])
    assert [value for value in PERSONAL if value not in shown] == []
    made = http.post("/v1/exports", json={"format": "ndjson", "proofs": True}, headers=sent)
    assert made.status_code == 201


def test_a_reader_takes_nothing_away(http: TestClient) -> None:
    """Without `audit:export` there is no file; without `audit:read` there is nothing."""
    refused = http.post("/v1/exports", json={"format": "csv"}, headers=bearer(token(HOME, (READ,))))
    assert check_problem(refused, 403, "denied")["permission"] == EXPORT
    for path in ("/v1/entries", "/v1/entries/0", "/v1/checkpoint", "/v1/catalog", "/v1/retention"):
        answer = http.get(path, headers=bearer(token(HOME, (EXPORT, PII))))
        assert check_problem(answer, 403, "denied")["permission"] == READ
