"""Contacts: each act in the browser is one entry with the right actor, resource, changes and reason."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET
from starlette.testclient import TestClient

from sendero.service import contacts
from sendero.tables import Contact
from tests.lumen import Lumen, lumen
from whodid import Change, Entry, Reason, Related, Resource

__all__ = ["lumen"]

FORM = {
    "name": "Ana García",
    "phone_e164": "611 204 880",
    "email": "ana@correo.example",
    "birthday": "--05-12",
    "city": "Madrid",
    "language": "es",
    "lifecycle": "lead",
    "owner_user_id": "",
    "tags": "vip, newsletter,vip",
    "custom": "shoe_size: 38\n",
}


def filled(browser: TestClient, address: str, **typed: Any) -> dict[str, Any]:
    """Return the form of a page as the browser would send it back, with what was typed."""
    page = browser.get(address)
    assert page.status_code == 200
    version = page.text.partition('name="version" value="')[2].partition('"')[0]
    return {"version": version, **typed}


def changes(entry: Entry) -> dict[str, Change]:
    """Return the changes of an entry by their paths."""
    return {change.path: change for change in entry.changes}


class TestCreating:
    """New contacts."""

    def test_it_is_recorded_with_what_was_typed(self, lumen: Lumen) -> None:
        """The entry has every field that was set, and where it came from."""
        browser = lumen.signed_in("Agent")

        answer = browser.post("/contacts/new", data=FORM)

        contact: Contact = lumen.row(Contact, name="Ana García")
        assert answer.headers["location"].startswith(f"/contacts/{contact.id}?done=contact_created")
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.outcome) == ("contact.created", "create", "success")
        assert entry.actor == lumen.actor("Agent")
        assert entry.resource == Resource(type="contact", id=contact.id, name="Ana García")
        assert {path: change.after for path, change in changes(entry).items()} == {
            "name": "Ana García",
            "phone_e164": "+34611204880",
            "email": "ana@correo.example",
            "birthday": "--05-12",
            "city": "Madrid",
            "language": "es",
            "lifecycle": "lead",
            "tags": ["vip", "newsletter"],
            "custom.shoe_size": "38",
            "consent.marketing": "unknown",
            "source": "manual",
        }
        assert changes(entry)["email"].class_ == "personal"
        assert entry.context is not None
        assert entry.context.source == "web"
        assert entry.context.request is not None
        assert entry.context.session is not None

    def test_consent_needs_evidence(self, lumen: Lumen) -> None:
        """Without it nothing is created and nothing is recorded; with it both say so."""
        browser = lumen.signed_in("Agent")
        agreed = {**FORM, "marketing": "opted_in", "consent_source": "in_person"}

        refused = browser.post("/contacts/new", data=agreed)
        assert refused.status_code == 422
        assert "Say how the person agreed" in refused.text
        assert 'value="Ana García"' in refused.text
        assert lumen.entries() == []

        browser.post("/contacts/new", data={**agreed, "evidence": "Signed card"})
        after = changes(lumen.entry())
        assert after["consent.marketing"].after == "opted_in"
        assert after["consent.evidence"].after == "Signed card"
        assert str(after["consent.captured_at"].after).startswith("2026-11-20T13:00:")

    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [
            ("name", "  ", "needs a name"),
            ("name", "x" * 201, "at most 200"),
            ("phone_e164", "12", "not a phone number"),
            ("email", "ana@", "not an e-mail"),
            ("birthday", "2026-02-30", "Write a date"),
            ("birthday", "--13-01", "Write a date"),
            ("lifecycle", "king", "Choose one"),
            ("tags", "<script>", "Use up to 30 tags"),
            ("custom", "no colon", "custom field"),
            ("custom", "UPPER: 1", "custom field"),
        ],
    )
    def test_what_cannot_be_taken_is_marked(self, lumen: Lumen, field: str, value: str, told: str) -> None:
        """The form comes back with the fault beside the field and what was typed."""
        answer = lumen.signed_in("Agent").post("/contacts/new", data={**FORM, field: value})
        assert answer.status_code == 422
        assert told in answer.text
        assert 'aria-invalid="true"' in answer.text
        assert lumen.entries() == []


class TestChanging:
    """Edited contacts."""

    def test_only_what_changed_is_recorded(self, lumen: Lumen) -> None:
        """Before and after of the fields that differ."""
        browser = lumen.signed_in("Manager")
        owner = lumen.user("Agent")
        address = f"/contacts/{lumen.juan.id}/edit"
        form = {
            "name": "Juan Pérez",
            "phone_e164": "+34 655 018 342",
            "city": "Madrid",
            "lifecycle": "lead",
            "tags": "newsletter, vip",
            "owner_user_id": owner.id,
        }

        browser.post(address, data=filled(browser, address, **form))

        assert changes(lumen.entry("action:contact.updated")) == {
            "city": Change(path="city", before="Getafe", after="Madrid"),
            "tags": Change(path="tags", op="set", added=["vip"], removed=[]),
            "owner": Change(path="owner", op="add", after="Agent Person"),
        }

    def test_saving_without_a_change_records_nothing(self, lumen: Lumen) -> None:
        """The page says so."""
        browser = lumen.signed_in("Manager")
        address = f"/contacts/{lumen.juan.id}/edit"
        form = {
            "name": "Juan Pérez",
            "phone_e164": "+34655018342",
            "city": "Getafe",
            "lifecycle": "lead",
            "tags": "newsletter",
        }

        answer = browser.post(address, data=filled(browser, address, **form))

        assert "done=unchanged" in answer.headers["location"]
        assert lumen.entries() == []

    def test_an_older_form_does_not_overwrite_a_newer_state(self, lumen: Lumen) -> None:
        """Whoever saves second is told, and nothing is lost or recorded."""
        browser = lumen.signed_in("Manager")
        address = f"/contacts/{lumen.juan.id}/edit"
        form = filled(browser, address, name="Juan", lifecycle="lead", tags="")
        with lumen.working() as work:
            contacts.update(work, work.get(Contact, lumen.juan.id), {"city": "Toledo"})

        answer = browser.post(address, data=form)

        assert answer.status_code == 409
        assert "Somebody else changed this" in answer.text
        assert lumen.row(Contact, id=lumen.juan.id).city == "Toledo"
        assert lumen.entries() == []


class TestConsent:
    """Marketing consent."""

    def test_it_has_its_own_entry(self, lumen: Lumen) -> None:
        """Kind security, with source and evidence."""
        browser = lumen.signed_in("Agent")
        address = f"/contacts/{lumen.juan.id}/consent"
        form = filled(browser, address, marketing="opted_in", consent_source="phone", evidence="Call of 20 November")

        browser.post(address, data=form)

        entry = lumen.entry()
        assert (entry.action, entry.kind) == ("contact.consent_changed", "security")
        assert changes(entry)["consent.marketing"] == Change(
            path="consent.marketing", before="unknown", after="opted_in"
        )

    def test_only_the_person_can_lift_what_they_stopped(self, lumen: Lumen) -> None:
        """A colleague cannot allow what somebody stopped in WhatsApp."""
        with lumen.working() as work:
            contacts.change_consent(work, work.get(Contact, lumen.juan.id), "opted_out", "whatsapp", "STOP")
        browser = lumen.signed_in("Owner")
        address = f"/contacts/{lumen.juan.id}/consent"

        answer = browser.post(
            address, data=filled(browser, address, marketing="opted_in", consent_source="phone", evidence="x")
        )

        assert answer.status_code == 409
        assert "Only they can allow them again" in answer.text
        assert lumen.entries() == []


class TestDeleting:
    """Deleted contacts."""

    def test_the_reason_and_the_last_state_are_recorded(self, lumen: Lumen) -> None:
        """Who deleted it, why, and what was there; the page of the contact is gone."""
        browser = lumen.signed_in("Manager")
        address = f"/contacts/{lumen.juan.id}/delete"
        form = filled(browser, address, reason="asked_to_be_removed", note="By phone, ticket #2231")

        answer = browser.post(address, data=form)

        assert answer.headers["location"].startswith("/contacts?done=contact_deleted")
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.severity) == ("contact.deleted", "delete", "warning")
        assert entry.reason == Reason(code="asked_to_be_removed", text="By phone, ticket #2231")
        assert changes(entry)["phone_e164"].before == "+34655018342"
        assert all(change.op == "remove" and change.after is UNSET for change in entry.changes)
        assert browser.get(f"/contacts/{lumen.juan.id}").status_code == 404
        assert "Juan" not in browser.get("/contacts").text

    def test_a_reason_is_offered_not_demanded(self, lumen: Lumen) -> None:
        """Without one the entry has none; an invented code is none."""
        browser = lumen.signed_in("Manager")
        address = f"/contacts/{lumen.juan.id}/delete"
        browser.post(address, data=filled(browser, address, reason="because"))
        assert lumen.entry().reason is None


class TestMerging:
    """Two contacts that are one person."""

    @pytest.fixture
    def double(self, lumen: Lumen) -> Contact:
        """Add a second Juan."""
        with lumen.working() as work:
            captured = work.now()
            return contacts.create(
                work,
                {
                    "name": "Juan Perez",
                    "phone_e164": "0655 018342",
                    "email": "juan@correo.example",
                    "city": "Madrid",
                    "tags": ["vip", "newsletter"],
                    "custom": {"size": "L"},
                    "consent": {
                        "marketing": "opted_out",
                        "source": "phone",
                        "evidence": "Said so",
                        "captured_at": captured,
                    },
                },
            )

    def test_the_preview_shows_who_wins(self, lumen: Lumen, double: Contact) -> None:
        """The table names both values, and looking changes nothing."""
        page = lumen.signed_in("Manager").get(f"/contacts/{lumen.juan.id}/merge?with={double.id}").text
        for text in ("Juan Perez", "juan@correo.example", "fills the gap", "the stricter consent wins", "Getafe"):
            assert text in page
        assert lumen.entries() == []

    def test_the_page_of_a_contact_finds_its_double(self, lumen: Lumen, double: Contact) -> None:
        """The same number in another writing is recognised."""
        page = lumen.signed_in("Manager").get(f"/contacts/{lumen.juan.id}").text
        assert f"/contacts/{lumen.juan.id}/merge?with={double.id}" in page

    def test_one_entry_says_who_survived_and_what_was_taken(self, lumen: Lumen, double: Contact) -> None:
        """Empty fields are filled, tags united, the stricter consent wins, a choice of the person counts."""
        browser = lumen.signed_in("Manager")
        address = f"/contacts/{lumen.juan.id}/merge?with={double.id}"
        form = filled(browser, address, do="merge", **{"with": double.id, "take:city": "absorbed"})

        answer = browser.post(f"/contacts/{lumen.juan.id}/merge", data=form)

        assert answer.status_code == 303
        entry = lumen.entry()
        assert (entry.action, entry.resource.id) == ("contact.merged", lumen.juan.id)
        assert entry.related == (Related(type="contact", id=double.id, name="Juan Perez", rel="absorbed"),)
        told = changes(entry)
        assert told["email"] == Change(
            path="email", op="add", after="juan@correo.example", class_="personal", from_=double.id
        )
        assert (told["city"].before, told["city"].after) == ("Getafe", "Madrid")
        assert (told["tags"].added, told["tags"].removed) == (["vip"], [])
        assert told["consent.marketing"].after == "opted_out"
        assert "name" not in told
        assert entry.details is not None
        assert entry.details["matched_by"] == ["phone_e164"]
        rows = {row["path"]: row for row in entry.details["fields"]}
        assert {path: (row["winner"], row["rule"]) for path, row in rows.items()} == {
            "name": ("survivor", "survivor_has_value"),
            "phone_e164": ("survivor", "normalised_equal"),
            "email": ("absorbed", "survivor_empty"),
            "city": ("absorbed", "chosen_by_user"),
            "lifecycle": ("survivor", "equal"),
            "custom.size": ("absorbed", "survivor_empty"),
            "tags": ("union", "united"),
            "consent.marketing": ("absorbed", "strictest_wins"),
        }
        assert rows["name"]["class"] == "personal"

    def test_the_absorbed_one_leads_to_the_survivor(self, lumen: Lumen, double: Contact) -> None:
        """Its address redirects, it is in no list, and it cannot be merged again."""
        browser = lumen.signed_in("Manager")
        address = f"/contacts/{lumen.juan.id}/merge?with={double.id}"
        form = filled(browser, address, do="merge", **{"with": double.id})
        browser.post(f"/contacts/{lumen.juan.id}/merge", data=form)

        assert browser.get(f"/contacts/{double.id}").headers["location"] == f"/contacts/{lumen.juan.id}"
        assert "1 person" in browser.get("/contacts").text
        assert browser.post(f"/contacts/{lumen.juan.id}/merge", data=form).status_code == 404

    def test_the_other_way_round(self, lumen: Lumen, double: Contact) -> None:
        """Swapping shows the preview with the two exchanged."""
        browser = lumen.signed_in("Manager")
        answer = browser.post(f"/contacts/{lumen.juan.id}/merge", data={"with": double.id, "do": "swap"})
        assert answer.headers["location"] == f"/contacts/{double.id}/merge?with={lumen.juan.id}"

    def test_a_contact_is_not_merged_with_itself(self, lumen: Lumen) -> None:
        """It is refused and explained."""
        answer = lumen.signed_in("Manager").get(f"/contacts/{lumen.juan.id}/merge?with={lumen.juan.id}")
        assert answer.status_code == 409
        assert "cannot be merged with itself" in answer.text

    def test_the_other_one_can_be_searched(self, lumen: Lumen, double: Contact) -> None:
        """By name, without accents."""
        page = lumen.signed_in("Manager").get(f"/contacts/{lumen.juan.id}/merge?q=juan+perez").text
        assert f"with={double.id}" in page
        assert f"with={lumen.juan.id}" not in page


class TestListing:
    """Finding contacts."""

    @pytest.fixture(autouse=True)
    def _more(self, lumen: Lumen) -> None:
        """Add contacts to search among."""
        with lumen.working() as work:
            for number in range(55):
                contacts.create(work, {"name": f"Contact {number:02}", "city": "Bilbao", "tags": ["año-24"]})
            contacts.create(work, {"name": "100% Lamps", "email": "LAMPS@x.example", "lifecycle": "customer"})

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("q=juan+perez", "Juan Pérez"),
            ("q=PÉREZ", "Juan Pérez"),
            ("q=018342", "Juan Pérez"),
            ("q=getafe", "Juan Pérez"),
            ("q=lamps@", "100% Lamps"),
            ("q=100%25", "100% Lamps"),
            ("lifecycle=customer", "100% Lamps"),
            ("tag=newsletter", "Juan Pérez"),
        ],
    )
    def test_one_is_found(self, lumen: Lumen, query: str, found: str) -> None:
        """By a part of the name without accents, by number, city, e-mail, stage or tag."""
        page = lumen.signed_in("Agent").get(f"/contacts?{query}").text
        assert "1 person" in page
        assert found in page

    def test_wildcards_of_the_database_are_letters(self, lumen: Lumen) -> None:
        """A percent sign or an underscore finds itself only."""
        page = lumen.signed_in("Agent").get("/contacts?q=_____").text
        assert "Nobody matches" in page

    def test_a_tag_with_accents(self, lumen: Lumen) -> None:
        """JSON writes it in another way; it is found all the same."""
        assert "55 people" in lumen.signed_in("Agent").get("/contacts?tag=año-24").text

    def test_pages(self, lumen: Lumen) -> None:
        """Fifty on a page, and the filter stays on the next."""
        browser = lumen.signed_in("Agent")
        first = browser.get("/contacts?q=contact").text
        assert "Page 1 of 2" in first
        assert "q=contact&amp;page=2" in first
        assert browser.get("/contacts?q=contact&page=2").text.count("<tr>") == 6
        assert browser.get("/contacts?page=zero").status_code == 200
