"""The API: what other programs do with a key, what they are told, and what the log says of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from sendero.api import ROUTES, door
from sendero.api.problems import Problem
from sendero.permissions import KEY_PERMISSIONS
from sendero.service import contacts
from sendero.tables import ApiKey, Campaign, Contact
from tests.campaigning import started
from tests.lumen import BASE, Lumen, lumen
from tests.test_sendero_api_keys import made, program
from whodid import Actor, Change, Reason
from whodid.errors import StoreUnavailable

__all__ = ["lumen"]

CONTACTS = "/api/v1/contacts"


@pytest.fixture
def crm(lumen: Lumen) -> TestClient:
    """Return a program with a key that may do everything."""
    return program(lumen, made(lumen, permission=list(KEY_PERMISSIONS)))


def told(answer: Any, status: int) -> dict[str, Any]:
    """Check that an answer is a problem document of a status, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:sendero:problem:")
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert {"title", "detail", "remedy"} <= problem.keys()
    return problem


class TestContacts:
    """From creating to deleting, as the key of somebody."""

    def test_who_did_it(self, lumen: Lumen, crm: TestClient) -> None:
        """The entry names the key, on behalf of whom, and from where."""
        answer = crm.post(CONTACTS, json={"name": "Lucía Ferrer", "phone": "611 204 880", "tags": ["vip"]})

        assert answer.status_code == 201
        body = answer.json()
        assert body["phone"] == "+34611204880"
        assert answer.headers["etag"] == '"1"'
        entry, key = lumen.entries()[0], lumen.row(ApiKey)
        assert (entry.action, entry.kind) == ("contact.created", "create")
        assert entry.actor == Actor(type="api_key", id=key.id, name="CRM sync", on_behalf_of=lumen.actor("Admin"))
        assert entry.resource.id == body["id"]
        assert {change.path: change.after for change in entry.changes}["source"] == "api"
        assert entry.context is not None
        assert (entry.context.source, entry.context.user_agent) == ("api", "CRM/1")
        assert entry.context.request == answer.headers["x-request-id"]
        assert lumen.entries(f"actor:{key.id}") != []

    def test_reading(self, crm: TestClient, lumen: Lumen) -> None:
        """One, and pages of them, found by words and filters."""
        one = crm.get(f"{CONTACTS}/{lumen.juan.id}").json()
        assert (one["name"], one["phone"], one["tags"]) == ("Juan Pérez", "+34655018342", ["newsletter"])
        assert one["consent"]["marketing"] == "unknown"
        for number in range(3):
            crm.post(CONTACTS, json={"name": f"Ana {number}", "city": "Madrid", "lifecycle": "customer"})
        page = crm.get(CONTACTS, params={"q": "ana", "lifecycle": "customer", "limit": "2", "page": "2"}).json()
        assert (page["total"], page["page"], page["limit"]) == (3, 2, 2)
        assert [item["name"] for item in page["items"]] == ["Ana 2"]
        assert crm.get(CONTACTS, params={"tag": "newsletter"}).json()["total"] == 1

    def test_updating(self, crm: TestClient, lumen: Lumen) -> None:
        """Only what is sent changes; the same again says nothing; null takes a value away."""
        address = f"{CONTACTS}/{lumen.juan.id}"
        answer = crm.patch(address, json={"city": "Madrid", "email": "juan@correo.example"})
        assert answer.status_code == 200
        assert lumen.entries()[0].changes == (
            Change(path="email", op="add", after="juan@correo.example", class_="personal"),
            Change(path="city", before="Getafe", after="Madrid"),
        )
        count = len(lumen.entries())
        assert crm.patch(address, json={"city": "Madrid"}).status_code == 200
        assert len(lumen.entries()) == count
        assert crm.patch(address, json={"email": None}).json()["email"] is None

    def test_nobody_writes_over_somebody_else(self, crm: TestClient, lumen: Lumen) -> None:
        """A change for an older version is refused when the program says which it knows."""
        address = f"{CONTACTS}/{lumen.juan.id}"
        known = crm.get(address).headers["etag"]
        assert crm.patch(address, json={"city": "Madrid"}, headers={"If-Match": known}).status_code == 200
        told(crm.patch(address, json={"city": "Toledo"}, headers={"If-Match": known}), 412)
        told(crm.delete(address, headers={"If-Match": known}), 412)
        assert crm.get(address).json()["city"] == "Madrid"

    def test_tags(self, crm: TestClient, lumen: Lumen) -> None:
        """Some come and some go, as a set."""
        answer = crm.post(f"{CONTACTS}/{lumen.juan.id}/tags", json={"add": ["vip", "vip"], "remove": ["newsletter"]})
        assert answer.json()["tags"] == ["vip"]
        entry = lumen.entries()[0]
        assert entry.action == "contact.updated"
        assert entry.changes == (Change(path="tags", op="set", added=["vip"], removed=["newsletter"]),)

    def test_consent(self, crm: TestClient, lumen: Lumen) -> None:
        """It needs evidence; what the person stopped in WhatsApp only they can allow again."""
        address = f"{CONTACTS}/{lumen.juan.id}/consent"
        told(crm.put(address, json={"marketing": "opted_in", "source": "form"}), 422)
        given = {"marketing": "opted_in", "source": "form", "evidence": "Sign-up form of 3 March"}
        assert crm.put(address, json=given).json()["consent"]["marketing"] == "opted_in"
        assert lumen.entries()[0].action == "contact.consent_changed"
        with lumen.working() as work:
            juan = work.get(Contact, lumen.juan.id)
            contacts.change_consent(work, juan, "opted_out", "whatsapp", None)
        assert "Only they can allow" in told(crm.put(address, json=given), 409)["detail"]

    def test_deleting(self, crm: TestClient, lumen: Lumen) -> None:
        """With the reason; afterwards it is not there any more."""
        address = f"{CONTACTS}/{lumen.juan.id}"
        reason = {"reason": "asked_to_be_removed", "note": "Ticket #2231"}
        assert crm.delete(address, params=reason).status_code == 204
        entry = lumen.entries()[0]
        assert (entry.action, entry.resource.name) == ("contact.deleted", "Juan Pérez")
        assert entry.reason == Reason(code="asked_to_be_removed", text="Ticket #2231")
        told(crm.get(address), 404)
        told(crm.delete(address), 404)

    def test_many_at_once(self, crm: TestClient, lumen: Lumen) -> None:
        """A hundred contacts are a hundred entries of one batch."""
        many = [{"name": f"Person {number}", "city": "Cádiz"} for number in range(100)]
        answer = crm.post(f"{CONTACTS}/bulk", json={"contacts": many})
        assert answer.status_code == 201
        batch = answer.json()["batch"]
        found = lumen.entries("action:contact.created")
        assert len(found) == 100
        assert {entry.batch for entry in found} == {batch}

    def test_all_or_none(self, crm: TestClient, lumen: Lumen) -> None:
        """One bad one names its place, and nobody is created."""
        many = [{"name": "Ana"}, {"name": ""}, {"name": "Eva", "phone": "12"}]
        problem = told(crm.post(f"{CONTACTS}/bulk", json={"contacts": many}), 422)
        assert [error["field"] for error in problem["errors"]] == ["contacts[1].name", "contacts[2].phone"]
        told(crm.post(f"{CONTACTS}/bulk", json={"contacts": []}), 422)
        told(crm.post(f"{CONTACTS}/bulk", json={"contacts": [{"name": "x"}] * 101}), 422)
        assert lumen.entries("action:contact.created") == []

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "name"),
            ({"name": ""}, "name"),
            ({"name": 7}, "name"),
            ({"name": "A", "phone": "12"}, "phone"),
            ({"name": "A", "email": "a@b"}, "email"),
            ({"name": "A", "lifecycle": "king"}, "lifecycle"),
            ({"name": "A", "tags": ["<b>"]}, "tags"),
            ({"name": "A", "owner_id": "usr_nobody"}, "owner_id"),
            ({"name": "A", "custom": {"Shoe Size": "4"}}, "custom"),
            ({"name": "A", "moon": True}, "body"),
            ({"name": "A", "consent": {"marketing": "opted_in", "source": "form"}}, "consent.evidence"),
            ({"name": "A", "consent": {"marketing": "maybe", "source": "form"}}, "consent.marketing"),
            ([], "body"),
        ],
    )
    def test_what_cannot_be_taken(self, crm: TestClient, lumen: Lumen, body: Any, field: str) -> None:
        """The problem names the field."""
        problem = told(crm.post(CONTACTS, json=body), 422)
        assert [error["field"] for error in problem["errors"]] == [field]
        assert lumen.entries("action:contact.created") == []

    def test_a_contact_of_nobody(self, crm: TestClient) -> None:
        """What is not there is not found, whatever is done with it."""
        address = f"{CONTACTS}/con_nowhere"
        told(crm.get(address), 404)
        told(crm.patch(address, json={"city": "x"}), 404)
        told(crm.put(f"{address}/consent", json={"marketing": "opted_out", "source": "form"}), 404)


class TestSending:
    """What is sent to whom can be read, and stopped."""

    @pytest.fixture
    def sending(self, lumen: Lumen) -> Campaign:
        """Let a campaign run."""
        return started(lumen, many=3)

    def test_lists(self, crm: TestClient, sending: Campaign) -> None:
        """Segments, templates and campaigns, a page at a time."""
        assert crm.get("/api/v1/segments").json()["items"][0]["name"] == "Madrid"
        names = {(one["name"], one["status"]) for one in crm.get("/api/v1/templates").json()["items"]}
        assert ("order_update", "approved") in names
        found = crm.get("/api/v1/campaigns").json()
        assert (found["total"], found["items"][0]["name"]) == (1, "Diwali early access")
        assert found["items"][0]["counters"]["audience"] == 3
        assert found["items"][0]["variables"] == {"1": "{first_name}", "2": "lámparas"}
        assert found["items"][0]["header"] is None

    def test_pausing_and_cancelling(self, lumen: Lumen, crm: TestClient, sending: Campaign) -> None:
        """Each needs its words; the entries name the key, and the reason is with the campaign."""
        address = f"/api/v1/campaigns/{sending.id}"
        told(crm.post(f"{address}/pause", json={"note": " "}), 422)
        assert crm.post(f"{address}/pause", json={"note": "Stock is out"}).json()["status"] == "paused"
        assert crm.get(address).json()["pause"]["note"] == "Stock is out"
        told(crm.post(f"{address}/pause", json={"note": "Again"}), 409)
        told(crm.post(f"{address}/cancel", json={"reason": "because"}), 422)
        assert crm.post(f"{address}/cancel", json={"note": "Wrong audience"}).json()["status"] == "cancelled"
        cancelled, stopped = (lumen.entry(f"action:campaign.{verb}") for verb in ("cancelled", "paused"))
        assert (stopped.actor.type, stopped.actor.name) == ("api_key", "CRM sync")
        assert stopped.reason == Reason(code="manual", text="Stock is out")
        assert cancelled.reason == Reason(code="manual", text="Wrong audience")
        assert (cancelled.details or {})["discarded"] == 3
        told(crm.get("/api/v1/campaigns/cmp_nowhere"), 404)


class TestDoor:
    """What is the same for every address."""

    @pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
    def test_each_needs_its_permission(self, lumen: Lumen, route: Any) -> None:
        """A key with all others is refused."""
        others = [one for one in KEY_PERMISSIONS if one != route.needs]
        text = made(lumen, permission=others)
        path = f"/api/v1{route.path}".replace("{id}", lumen.juan.id)
        problem = told(program(lumen, text).request(route.method, path, json={}), 403)
        assert route.needs in problem["detail"]

    def test_too_often(self, lumen: Lumen, crm: TestClient) -> None:
        """So many in a minute; the answer says how long to wait, and then it works again. Others are not held up."""
        answers = [crm.get("/api/v1/segments").status_code for _ in range(door.PER_MINUTE + 5)]
        assert 3 <= answers.count(429) <= 5
        assert answers.index(429) >= door.PER_MINUTE
        refused = crm.get("/api/v1/segments")
        told(refused, 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 2
        assert program(lumen, made(lumen, permission=["segments:read"])).get("/api/v1/segments").status_code == 200
        lumen.advance(seconds=int(refused.headers["retry-after"]))
        assert crm.get("/api/v1/segments").status_code == 200

    def test_guessing_is_slowed_down(self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
        """An address that keeps sending unknown keys is not even looked at for a while."""
        monkeypatch.setattr(door, "PER_MINUTE", 3)
        place = door._Door(lumen.home)
        for number in range(4):
            sent = door._Sent(
                path={}, query=(), headers={"x-api-key": f"no{number}"}, body=b"", ip="203.0.113.9", request_id="r"
            )
            with pytest.raises(Problem) as problem:
                place._admit(ROUTES[0], sent)
            assert problem.value.status == (401 if number < 3 else 429)

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/api/v1/moon", 404),
            ("GET", "/api/v1/", 404),
            ("PUT", "/api/v1/contacts", 405),
            ("POST", "/api/v1/templates", 405),
            ("DELETE", "/api/v1/contacts/bulk/x", 404),
        ],
    )
    def test_no_such_address(self, crm: TestClient, method: str, path: str, status: int) -> None:
        """A problem, not a page; with what it would answer to."""
        answer = crm.request(method, path)
        told(answer, status)
        assert ("allow" in answer.headers) == (status == 405)

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
            ({"content": b"\xff\xfe", "headers": {"Content-Type": "application/json"}}, 400),
            ({"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400),
            ({"content": b"name=Ana", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415),
            ({"content": b"{}"}, 415),
            ({"content": b" " * (512 * 1024 + 1), "headers": {"Content-Type": "application/json"}}, 413),
            ({"json": {"name": "Ana\x00"}}, 422),
            ({"json": {"name": "Ana", "custom": {"a\x1bb": "x"}}}, 422),
            ({"json": {"name": "Ana", "city": "x" * 70_000}}, 422),
        ],
    )
    def test_bodies_that_are_none(self, crm: TestClient, lumen: Lumen, sent: dict[str, Any], status: int) -> None:
        """Each is refused for its own reason, and nothing is created."""
        told(crm.post(CONTACTS, **sent), status)
        assert lumen.entries("action:contact.created") == []

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("moon=1", 400),
            ("page=1&page=2", 400),
            ("page=0", 422),
            ("page=x", 422),
            ("limit=101", 422),
            ("lifecycle=king", 422),
            ("q=" + "x" * 201, 422),
            ("q=" + "x" * 9000, 414),
        ],
    )
    def test_parameters_that_are_none(self, crm: TestClient, query: str, status: int) -> None:
        """Unknown, repeated, too long or out of bounds."""
        told(crm.get(f"{CONTACTS}?{query}"), status)

    def test_the_database_is_away(
        self, crm: TestClient, lumen: Lumen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nothing is changed and nothing told of the inside; the number leads to what the server wrote down."""

        def away(*_: object) -> None:
            raise StoreUnavailable("/var/lib/sendero/audit.db is away", "Wait")

        monkeypatch.setattr(lumen.home.outbox, "put", away)
        answer = crm.post(CONTACTS, json={"name": "Ana"})
        assert "audit.db" not in answer.text
        assert told(answer, 503)["request_id"] in caplog.text

    def test_a_fault_of_ours(
        self, crm: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A problem with a number, without what happened."""

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("the shape of the earth")

        monkeypatch.setattr(contacts, "create", broken)
        answer = crm.post(CONTACTS, json={"name": "Ana"})
        assert "earth" not in answer.text
        assert told(answer, 500)["request_id"] in caplog.text

    def test_answers_are_not_kept(self, crm: TestClient) -> None:
        """No cache keeps the data of people."""
        assert crm.get(CONTACTS).headers["cache-control"] == "no-store"

    def test_when_it_was_last_used(self, lumen: Lumen, crm: TestClient) -> None:
        """To the minute, without a new version of the key."""
        crm.get(CONTACTS)
        first = lumen.row(ApiKey).last_used_at
        assert first is not None
        lumen.advance(seconds=30)
        crm.get(CONTACTS)
        assert lumen.row(ApiKey).last_used_at == first
        lumen.advance(minutes=5)
        crm.get(CONTACTS)
        assert lumen.row(ApiKey).last_used_at > first
        assert lumen.row(ApiKey).version == 1


def test_a_stranger_learns_nothing(lumen: Lumen) -> None:
    """Without a key every known address says the same."""
    stranger = TestClient(lumen.app, base_url=BASE)
    for route in ROUTES:
        told(stranger.request(route.method, f"/api/v1{route.path}".replace("{id}", lumen.juan.id)), 401)
    assert lumen.entries() == []


def test_the_documentation_has_every_address() -> None:
    """The table of the reference says what each address needs, takes and does, and lists no others."""
    page = (Path(__file__).parent.parent / "docs" / "reference" / "sendero-api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z]+) (/\S*)` \| `(\S+)` \| (.*) \| (.*) \|$", page, flags=re.MULTILINE)
    assert rows == [
        (route.method, route.path, route.needs, ", ".join(f"`{name}`" for name in route.query), route.says)
        for route in ROUTES
    ]
