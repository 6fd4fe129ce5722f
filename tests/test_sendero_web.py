"""The pages as such: what may be sent, what is sent back, the audit log in its place, and its failures."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from starlette.testclient import TestClient

from sendero.migrations import migrate
from sendero.service import contacts
from sendero.tables import Base, Contact, outbox
from sendero.work import resource_of
from tests.lumen import BASE, Lumen, lumen
from whodid import Actor, Reason

__all__ = ["lumen"]

NEW = {"name": "Ana", "lifecycle": "lead"}


class TestForms:
    """Only our own pages may change anything."""

    @pytest.mark.parametrize(
        ("headers", "allowed"),
        [
            ({"Sec-Fetch-Site": "same-origin"}, True),
            ({"Sec-Fetch-Site": "cross-site"}, False),
            ({"Sec-Fetch-Site": "same-site"}, False),
            ({"Sec-Fetch-Site": "none"}, False),
            ({"Sec-Fetch-Site": "cross-site", "Origin": BASE}, False),
            ({"Origin": BASE}, True),
            ({"Origin": "http://evil.example"}, False),
            ({"Origin": "null"}, False),
            ({}, False),
        ],
    )
    def test_where_a_form_comes_from(self, lumen: Lumen, headers: dict[str, str], *, allowed: bool) -> None:
        """A form of another site is refused and recorded as denied; one that says nothing too."""
        browser = lumen.signed_in("Agent")
        browser.headers.pop("sec-fetch-site")

        answer = browser.post("/contacts/new", data=NEW, headers=headers)

        entry = lumen.entry()
        assert entry.action == "contact.created"
        if allowed:
            assert (answer.status_code, entry.outcome) == (303, "success")
        else:
            assert (answer.status_code, entry.outcome) == (403, "denied")
            assert entry.reason == Reason(code="cross_site")
            assert "Ana" not in browser.get("/contacts").text

    def test_signing_in_from_elsewhere(self, lumen: Lumen) -> None:
        """Nobody can be signed in by a foreign page."""
        browser = TestClient(lumen.app, base_url=BASE, headers={"Sec-Fetch-Site": "cross-site"})
        answer = browser.post("/sign-in", data={"email": "x", "password": "y"})
        assert answer.status_code == 403

    def test_looking_is_free(self, lumen: Lumen) -> None:
        """A link from another site opens the page."""
        browser = lumen.signed_in("Agent")
        assert browser.get("/contacts", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200

    @pytest.mark.parametrize(
        ("body", "status"),
        [(b"x" * (256 * 1024 + 1), 413), (b"&".join(b"a=1" for _ in range(501)), 400), (b"name=\xff\xfe", 400)],
    )
    def test_what_is_no_form(self, lumen: Lumen, body: bytes, status: int) -> None:
        """Too large, too many fields, not UTF-8: refused before anything is looked at."""
        browser = lumen.signed_in("Agent")
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert browser.post("/contacts/new", content=body, headers=headers).status_code == status

    def test_a_body_without_a_length(self, lumen: Lumen) -> None:
        """It is counted while it arrives."""

        def endless() -> Any:
            for _ in range(300):
                yield b"x" * 1024

        assert lumen.signed_in("Agent").post("/contacts/new", content=endless()).status_code == 413


class TestAnswers:
    """What every answer carries."""

    @pytest.mark.parametrize(
        "address", ["/sign-in", "/contacts", "/settings/audit-logs", "/nowhere", "/static/base.css"]
    )
    def test_the_headers(self, lumen: Lumen, address: str) -> None:
        """A policy that lets nothing foreign and nothing inline in, and no page in a cache."""
        answer = lumen.signed_in("Owner").get(address)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["cache-control"] == ("no-cache" if address.startswith("/static") else "no-store")

    def test_no_page_breaks_its_own_policy(self, lumen: Lumen) -> None:
        """No inline script, no inline style, no handler in an attribute."""
        browser = lumen.signed_in("Owner")
        for address in ("/contacts", f"/contacts/{lumen.juan.id}", "/templates/new", "/settings/users", "/me"):
            page = browser.get(address).text.lower()
            assert "<style" not in page
            assert " style=" not in page
            assert " onclick=" not in page
            assert page.count("<script") == page.count('<script type="module" src="/')

    def test_a_hostile_name_is_just_a_strange_name(self, lumen: Lumen) -> None:
        """It is shown as text wherever it stands."""
        name = '<img src=x onerror=alert(1)> "{{ 7*7 }}" \'); DROP TABLE contacts; --'
        with lumen.working() as work:
            key = contacts.create(work, {"name": name}).id
        browser = lumen.signed_in("Owner")
        for address in ("/contacts", f"/contacts/{key}", f"/contacts/{key}/delete", f"/contacts/{key}/edit"):
            page = browser.get(address).text
            assert "<img" not in page
            assert "&lt;img src=x onerror=alert(1)&gt;" in page
            assert "{{ 7*7 }}" in page

    def test_what_is_not_there(self, lumen: Lumen) -> None:
        """A page that says so, with the way back; for strangers the sign-in."""
        answer = lumen.signed_in("Agent").get("/contacts/con_nowhere")
        assert answer.status_code == 404
        assert "There is nothing at this address" in answer.text
        assert lumen.signed_in("Agent").get("/no/such/page").status_code == 404
        assert lumen.visitor().get("/no/such/page").status_code == 303

    def test_the_language(self, lumen: Lumen) -> None:
        """Chosen by the person, else by the browser; pages say which it is."""
        browser = lumen.signed_in("Agent")
        assert '<html lang="es">' in browser.get("/contacts", headers={"Accept-Language": "es"}).text
        browser.post("/language", data={"lang": "es", "next": "/me"})
        page = browser.get("/contacts").text
        assert '<html lang="es">' in page
        assert "Nuevo contacto" in page


class TestAuditLog:
    """Settings → Audit logs."""

    def token(self, browser: TestClient) -> str:
        """Fetch a viewer token as the page does."""
        answer = browser.post("/audit-token")
        assert answer.status_code == 200
        return answer.text

    def read(self, browser: TestClient, query: str = "", **more: str) -> dict[str, Any]:
        """Ask the log as the viewer does."""
        headers = {"Authorization": f"Bearer {self.token(browser)}"}
        answer = browser.get("/audit/v1/entries", params={"q": query, **more}, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def test_the_page_holds_the_viewer(self, lumen: Lumen) -> None:
        """The element, its script, and the language of the person."""
        page = lumen.signed_in("Auditor").get("/settings/audit-logs").text
        links = 'alerts="/settings/alerts" reviews="/settings/reviews"'
        assert f'<audit-log-viewer api="/audit" {links} locale="en"' in page
        assert 'src="/audit/static/viewer.js"' in page

    def test_what_was_just_done_is_there_at_once(self, lumen: Lumen) -> None:
        """No relay runs here: reading brings everything that was committed."""
        browser = lumen.signed_in("Manager")
        address = f"/contacts/{lumen.juan.id}/delete"
        browser.post(address, data={"version": "1", "note": "Asked to be removed"})

        item = self.read(browser, "action:contact.deleted")["items"][0]

        assert item["sentence"]["template"] == "{actor} deleted contact {resource}"
        assert item["sentence"]["parts"]["resource"]["text"] == "Juan Pérez"
        assert item["second"]["text"] == "Asked to be removed"

    def test_personal_values_need_their_own_permission(self, lumen: Lumen) -> None:
        """A manager reads the log without them, an admin with them."""
        lumen.signed_in("Agent").post("/contacts/new", data={**NEW, "email": "ana@correo.example"})
        shown = {}
        for role in ("Manager", "Admin"):
            browser = lumen.signed_in(role)
            found = self.read(browser, "action:contact.created actor:" + lumen.user("Agent").id)
            headers = {"Authorization": f"Bearer {self.token(browser)}"}
            entry = browser.get(f"/audit/v1/entries/{found['items'][0]['index']}", headers=headers).json()["entry"]
            shown[role] = next(change["after"] for change in entry["changes"] if change["path"] == "email")
        assert shown == {"Manager": {"$": "hidden"}, "Admin": "ana@correo.example"}

    def test_the_language_of_the_person(self, lumen: Lumen) -> None:
        """Sentences come in it without being asked for."""
        browser = lumen.signed_in("Manager")
        browser.post("/language", data={"lang": "es"})
        browser.post(f"/contacts/{lumen.juan.id}/delete", data={"version": "1"})
        item = self.read(browser, "action:contact.deleted")["items"][0]
        assert item["sentence"]["template"] == "{actor} eliminó el contacto {resource}"

    def test_without_a_token_nothing_is_read(self, lumen: Lumen) -> None:
        """The session's cookie opens the page, not the log."""
        browser = lumen.signed_in("Owner")
        assert browser.get("/audit/v1/entries").status_code == 401

    @pytest.mark.parametrize(
        ("type_", "place"),
        [("contact", "/contacts/x"), ("template", "/templates/x"), ("user", "/settings/users/x"), ("moon", None)],
    )
    def test_from_an_entry_to_the_thing(self, lumen: Lumen, type_: str, place: str | None) -> None:
        """The viewer names a resource, the workspace knows its page."""
        answer = lumen.signed_in("Owner").get(f"/go/{type_}/x")
        assert answer.headers.get("location") == place
        assert answer.status_code == (303 if place else 404)

    @pytest.mark.parametrize(
        ("role", "opens"),
        [
            (
                "Owner",
                "contact segment template campaign account user role sso team webhook api_key hold workspace",
            ),
            ("Auditor", ""),
        ],
    )
    def test_an_entry_leads_where_its_reader_may_go(self, lumen: Lumen, role: str, opens: str) -> None:
        """Whatever has a page can be opened, and nobody is led to a refusal that would be recorded against them."""
        page = lumen.signed_in(role).get("/settings/audit-logs").text
        assert f'open-types="{opens}"' in page


def test_no_style_has_two_meanings() -> None:
    """All style sheets are on every page: a name that two of them give a meaning of its own has neither."""
    named: dict[str, set[str]] = {}
    for sheet in Path(__file__, "../../sendero/static").resolve().glob("*.css"):
        for rule in re.findall(r"(?m)^(\.[\w-]+) \{", sheet.read_text(encoding="utf-8")):
            named.setdefault(rule, set()).add(sheet.name)
    assert {rule: sheets for rule, sheets in named.items() if len(sheets) > 1} == {}


def test_many_people_at_once(lumen: Lumen) -> None:
    """Each of many changes that happen together is made and recorded once, with the actor it belongs to."""
    roles = ["Owner", "Admin", "Manager", "Agent"]
    browsers = {role: lumen.signed_in(role) for role in roles}

    def create(number: int) -> int:
        role = roles[number % 4]
        answer = browsers[role].post("/contacts/new", data={"name": f"{role} {number}", "lifecycle": "lead"})
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(create, range(40))) == {303}

    entries = lumen.entries("action:contact.created")
    assert len(entries) == 40
    for entry in entries:
        assert entry.actor.role == str(entry.resource.name).partition(" ")[0]
    assert len({entry.context.request for entry in entries if entry.context}) == 40


class TestFailure:
    """When the log cannot take what happened."""

    def test_a_fault_of_ours_is_a_page_with_a_number(
        self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The number leads to what the program wrote down; nothing was changed and no detail is shown."""
        browser = lumen.signed_in("Manager")

        def broken(*_: object) -> None:
            raise RuntimeError("the shape of the earth")

        monkeypatch.setattr(contacts, "delete", broken)
        answer = browser.post(f"/contacts/{lumen.juan.id}/delete", data={"version": "1"})

        assert answer.status_code == 500
        assert answer.headers["x-request-id"] in answer.text
        assert answer.headers["x-request-id"] in caplog.text
        assert "shape of the earth" not in answer.text
        assert lumen.entries() == []

    def test_a_change_that_cannot_be_recorded_is_not_made(self, lumen: Lumen) -> None:
        """The outbox fails: the person is told, and nothing changed."""
        browser = lumen.signed_in("Manager")
        with lumen.home.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE whodid_outbox RENAME TO away"))

        answer = browser.post(f"/contacts/{lumen.juan.id}/delete", data={"version": "1"})

        with lumen.home.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE away RENAME TO whodid_outbox"))
        assert answer.status_code == 503
        assert "Nothing was changed, because it could not be recorded" in answer.text
        assert lumen.row(Contact, id=lumen.juan.id).deleted_at is None
        assert lumen.entries() == []

    def test_health(self, lumen: Lumen) -> None:
        """How much waits, what was refused, and whether the relay has a fault."""
        lumen.signed_in("Agent")
        assert lumen.visitor().get("/healthz").text == "waiting 1\nquarantined 0\nfault none\n"
        with lumen.working(Actor(type="system", id="x")) as work:
            bad = work.home.capture.event("contact.updated", resource_of(lumen.juan))
            work.home.outbox.write(work.session, lumen.workspace, [bad])
            work.session.execute(
                sa.update(outbox).values(event=sa.func.replace(outbox.c.event, "contact.up", "moon.up"))
            )
        lumen.home.relay.drain()
        text = lumen.visitor().get("/healthz").text
        assert "waiting 0" in text
        assert "quarantined 1" in text


def test_the_migrations_make_the_tables(lumen: Lumen) -> None:
    """What Alembic made is what the code declares, and migrating again changes nothing."""
    migrate(lumen.home.engine)
    with lumen.home.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
