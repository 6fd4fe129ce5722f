"""Reviews over HTTP: begin one, look at its items, raise one, sign it, read the report."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from tests import serving
from tests.serving import (
    EXPORT,
    HOME,
    MARIA,
    PII,
    READ,
    Clock,
    bearer,
    check_problem,
    token,
)
from whodid import Log
from whodid.detect import Alerts
from whodid.server.keys import KeyRing

clock, log, http = serving.clock, serving.log, serving.http


HERS = bearer(token(HOME))


def begun(http: TestClient) -> dict[str, Any]:
    """Begin a review."""
    answer = http.post("/v1/reviews", params={"lang": "en"}, headers=HERS)
    assert answer.status_code == 201
    found: dict[str, Any] = answer.json()
    return found


def mark(http: TestClient, id_: str, **body: Any) -> Any:
    """Say that an item was looked at."""
    return http.post(f"/v1/reviews/open/items/{id_}", json=body, headers=HERS)


def signed(http: TestClient, **body: Any) -> dict[str, Any]:
    """Look at everything and sign."""
    for item in begun(http)["items"]:
        assert mark(http, item["id"]).status_code == 200
    answer = http.post("/v1/reviews/open/sign", json=body, headers=HERS)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_before_the_first_review(http: TestClient, clock: Clock) -> None:
    """Nothing is open and nothing signed; it is due a week after the first entry, and then overdue."""
    found = http.get("/v1/reviews", headers=HERS).json()
    assert (found["items"], found["open"], found["until"], found["overdue"]) == ([], None, None, False)
    assert found["due_at"] == "2026-11-27T14:00:00.000000Z"
    assert found["manage"] is True
    check_problem(http.get("/v1/reviews/open", headers=HERS), 404, "not-found")
    check_problem(http.get("/v1/reviews/1", headers=HERS), 404, "not-found")
    clock.advance(hours=7 * 24 + 1)
    assert http.get("/v1/reviews", headers=bearer(token(HOME, now=clock.now))).json()["overdue"] is True


def test_a_review_shows_what_matters_in_sentences(http: TestClient) -> None:
    """A deletion, a merge, then the sample; each with its entries as rows in the language that was asked for."""
    review = begun(http)
    assert [(one["why"], one["entries"]) for one in review["items"][:2]] == [("deletion", [1]), ("grave", [4])]
    assert {one["why"] for one in review["items"][2:]} == {"sample"}
    assert (review["start"], review["stop"], review["more"], review["rest"]) == (0, 7, False, 5)
    row = review["items"][0]["rows"][0]
    assert row["sentence"]["template"].startswith("{actor} deleted")
    assert (review["items"][0]["own"], review["items"][1]["own"]) == (True, False)
    spanish = http.get("/v1/reviews/open", params={"lang": "es"}, headers=HERS).json()
    assert "eliminó" in spanish["items"][0]["rows"][0]["sentence"]["template"]
    check_problem(http.post("/v1/reviews", headers=HERS), 422, "invalid-setting")


def test_progress_is_saved_and_shown(http: TestClient) -> None:
    """An item that was looked at says by whom and with which words; it can be taken back."""
    review = begun(http)
    id_ = review["items"][0]["id"]
    seen = mark(http, id_, comment="Ticket 2231").json()["seen"]
    assert (seen["by"]["name"], seen["comment"]) == ("Maria Torres", "Ticket 2231")
    assert http.get("/v1/reviews", headers=HERS).json()["open"] == {
        "number": 1, "items": len(review["items"]), "seen": 1,
    }  # fmt: skip
    assert mark(http, id_, seen=False).json()["seen"] is None
    check_problem(mark(http, "999"), 404, "not-found")
    check_problem(mark(http, id_, comment="x" * 1_001), 422, "invalid-body")


def test_an_item_becomes_an_alert(http: TestClient, log: Log) -> None:
    """With the note as its reason; twice over the same item is one alert, and it cannot be unseen then."""
    id_ = begun(http)["items"][0]["id"]
    body = {"note": "Nobody knows that ticket", "level": "high"}
    item = http.post(f"/v1/reviews/open/items/{id_}/raise", json=body, headers=HERS).json()
    http.post(f"/v1/reviews/open/items/{id_}/raise", json=body, headers=HERS)
    (alert,) = Alerts(log, HOME).active()
    assert (item["alert"], item["seen"]["comment"]) == (alert.id, "Nobody knows that ticket")
    assert (alert.rule, alert.level, alert.reason, alert.entries) == (
        "by_hand",
        "high",
        "Nobody knows that ticket",
        (1,),
    )
    raised = [one for one in log.read(HOME) if one.action == "audit.alert_raised"]
    assert [(one.actor.id, one.severity, one.context and one.context.source) for one in raised] == [
        (MARIA.id, "warning", "web")
    ]
    check_problem(mark(http, id_, seen=False), 422, "invalid-setting")
    check_problem(
        http.post(f"/v1/reviews/open/items/{id_}/raise", json={"note": ""}, headers=HERS), 422, "invalid-body"
    )
    # It is open: the next review has it, too.
    http.post("/v1/reviews/open/sign", json={"unseen": "A test"}, headers=HERS)
    whys = [(one["why"], one["entries"][0]) for one in begun(http)["items"]]
    assert ("alert", 1) in whys


def test_nobody_signs_unseen_items_without_saying_so(http: TestClient) -> None:
    """And with a reason it is written that they were not seen."""
    begun(http)
    refused = http.post("/v1/reviews/open/sign", json={"comment": "Fine"}, headers=HERS)
    assert "Nobody looked at 7 of 7 items" in check_problem(refused, 422, "invalid-setting")["detail"]
    done = http.post("/v1/reviews/open/sign", json={"unseen": "Holidays"}, headers=HERS).json()
    assert (done["unseen_reason"], done["counts"]["unseen"], done["items"][0]["seen"]) == ("Holidays", 7, None)


def test_a_signed_review_reads_like_a_report(http: TestClient, log: Log) -> None:
    """Who, when, which period, which checkpoint, which sample by which rule; and it was done again just now."""
    done = signed(http, comment="Nothing unusual")
    assert (done["number"], done["signed_by"]["name"], done["comment"]) == (1, "Maria Torres", "Nothing unusual")
    assert done["checked"] == {"checkpoint": True, "items": "same"}
    assert (done["rule"], done["rest"], done["size"]) == ("lowest-sha256/1", 5, 7)
    assert all(one["seen"]["by"]["name"] == "Maria Torres" for one in done["items"])
    assert log.get(HOME, done["index"]).action == "audit.review_signed"
    assert http.get("/v1/reviews/1", headers=HERS).json() == done
    assert [one["number"] for one in http.get("/v1/reviews", headers=HERS).json()["items"]] == [1]
    check_problem(http.get("/v1/reviews/2", headers=HERS), 404, "not-found")
    check_problem(http.get("/v1/reviews/first", headers=HERS), 400, "invalid-query")


def test_what_people_wrote_stays_but_for_an_address(http: TestClient) -> None:
    """As in the entry itself; and evidence takes the permission for exports."""
    for item in begun(http)["items"]:
        mark(http, item["id"], comment="Spoke to him")
    http.post("/v1/reviews/open/sign", json={"comment": "juan@mail.example"}, headers=HERS)
    found = http.get("/v1/reviews/1", headers=bearer(token(HOME, (READ,)))).json()
    assert (found["comment"], found["evidence"]) == ({"$": "hidden"}, None)
    assert found["items"][0]["seen"]["comment"] == "Spoke to him"
    assert http.get("/v1/reviews/1", headers=HERS).json()["comment"] == "juan@mail.example"


def test_who_may_not_manage_only_looks(http: TestClient, log: Log) -> None:
    """Each attempt is an entry; a token with a filter sees no review at all."""
    begun(http)
    hers = bearer(token(HOME, (READ, EXPORT, PII)))
    assert http.get("/v1/reviews/open", headers=hers).status_code == 200
    for path in ("", "/open/items/1", "/open/items/1/raise", "/open/sign"):
        check_problem(http.post(f"/v1/reviews{path}", json={}, headers=hers), 403, "denied")
    denied = {one.action for one in log.read(HOME) if one.outcome == "denied"}
    assert denied == {"audit.review_started", "audit.review_signed", "audit.alert_raised"}
    locked = bearer(token(HOME, locked="type:contact"))
    for path in ("", "/open", "/1"):
        check_problem(http.get(f"/v1/reviews{path}", headers=locked), 403, "denied")


def test_a_key_looks_and_does_not_sign(http: TestClient, log: Log) -> None:
    """A key may prepare a review; it is nobody who could answer for it."""
    ring = KeyRing(log, HOME, actor=MARIA)
    administers = bearer(ring.create("admin", scopes=("admin",)).text)
    id_ = begun(http)["items"][0]["id"]
    assert http.post(f"/v1/reviews/open/items/{id_}", json={}, headers=administers).status_code == 200
    refused = http.post("/v1/reviews/open/sign", json={"unseen": "A tool"}, headers=administers)
    assert "signed by a person" in check_problem(refused, 422, "invalid-setting")["detail"]
