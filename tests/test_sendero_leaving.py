"""Contacts that leave: exported, erased, emptied after their deletion; and notes, which stay with the person."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from starlette.testclient import TestClient

from sendero.service import contact_export, contacts, erase, merge, notes
from sendero.service.sheets import opened, safe
from sendero.tables import Contact, Message, Note
from tests.lumen import SETTER_UP, Lumen, lumen
from whodid import Reason, Resource
from whodid.catalog import LANGUAGES, second_line, sentence
from whodid.retention import place_hold, release_hold

__all__ = ["lumen"]

ALL = [*contact_export.COLUMNS]
FULL = {
    "name": "Ana García",
    "phone_e164": "+34611204880",
    "email": "ana@correo.example",
    "birthday": "--05-12",
    "city": "Madrid",
    "tags": ["vip"],
    "custom": {"shoe_size": "38"},
    "lifecycle": "customer",
    "consent": {"marketing": "opted_in", "source": "form", "evidence": "Web form", "captured_at": None},
}


def export(browser: TestClient, **asked: Any) -> list[list[str]]:
    """Export and read the file."""
    answer = browser.post("/contacts/export", data={"column": ALL, **asked})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def ana(lumen: Lumen, **more: Any) -> Contact:
    """Create a contact of whom everything is known."""
    with lumen.working() as work:
        return contacts.create(work, {**FULL, **more})


def act(browser: TestClient, contact: Contact, **typed: str) -> Any:
    """Send the form that erases."""
    return browser.post(f"/contacts/{contact.id}/erase", data={"version": str(contact.version), **typed})


class TestExporting:
    """Contacts as a file."""

    def test_what_was_searched_for(self, lumen: Lumen) -> None:
        """And nothing else; the entry says the filter, the columns and how many, but not the searched words."""
        ana(lumen)
        table = export(lumen.signed_in("Manager"), q="garcía", lifecycle="customer", consent="opted_in", tag="vip")
        assert table == [
            ALL,
            [
                "Ana García", "+34611204880", "ana@correo.example", "'--05-12", "Madrid", "", "customer", "vip", "",
                "opted_in", "Web form", "shoe_size: 38",
            ],
        ]  # fmt: skip
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.severity) == ("contact.exported", "security", "warning")
        assert entry.actor == lumen.actor("Manager")
        assert entry.details == {
            "count": 1,
            "format": "CSV",
            "columns": ALL,
            "filter": "consent = opted_in, lifecycle = customer, tag = vip, text search",
        }
        assert entry.resource.name == f"contacts-{lumen.now:%Y-%m-%d}.csv"

    def test_it_comes_in_again_as_it_went_out(self, lumen: Lumen) -> None:
        """What was made safe for spreadsheets is opened again by the import."""
        for cell in ("=1+1", "+1", "-x", "@x", "\tx", "'quoted", "plain", "", "+34611204880", "--05-12"):
            assert opened(safe(cell)) == cell

    def test_nobody_matches(self, lumen: Lumen) -> None:
        """A file with names of columns only, and an entry that says zero."""
        assert export(lumen.signed_in("Manager"), q="nobody at all") == [ALL]
        assert (lumen.entry().details or {})["count"] == 0

    @pytest.mark.parametrize("columns", [[], ["password_hash"], ["name", "bsuid"]])
    def test_columns_that_there_are_not(self, lumen: Lumen, columns: list[str]) -> None:
        """Are refused; nothing leaves, nothing is recorded."""
        answer = lumen.signed_in("Manager").post("/contacts/export", data={"column": columns})
        assert answer.status_code == 422
        assert lumen.entries() == []

    def test_the_form_keeps_the_search(self, lumen: Lumen) -> None:
        """From the list to the file."""
        browser = lumen.signed_in("Manager")
        assert 'href="/contacts/export?q=Juan"' in browser.get("/contacts?q=Juan").text
        page = browser.get("/contacts/export?q=Juan").text
        assert 'name="q" value="Juan"' in page
        assert "1 person" in page

    def test_the_deleted_and_the_erased_stay(self, lumen: Lumen) -> None:
        """Only living contacts leave."""
        gone = ana(lumen)
        with lumen.working() as work:
            contacts.delete(work, work.get(Contact, gone.id), None)
        assert [row[0] for row in export(lumen.signed_in("Manager"))] == ["name", "Juan Pérez"]


class TestErasing:
    """For good."""

    def test_everything_goes_but_the_number(self, lumen: Lumen) -> None:
        """The entry counts and names the fields, says request and reason, and holds no value."""
        person = ana(lumen, bsuid="ES.1349", username="ana.g")
        with lumen.working() as work:
            notes.add(work, lumen.user("Agent"), work.get(Contact, person.id), "Prefers evenings")
        browser = lumen.signed_in("Admin")
        page = browser.get(f"/contacts/{person.id}/erase").text
        assert "lose name and values within a minute" in page
        assert "shoe_size" in page

        answer = act(browser, person, request="#2244", reason="asked_by_person")

        assert answer.headers["location"].startswith("/contacts?done=contact_erased")
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.severity) == ("contact.erased", "delete", "critical")
        assert entry.actor == lumen.actor("Admin")
        assert entry.resource == Resource(type="contact", id=person.id)
        assert (entry.reason, entry.changes) == (Reason(code="asked_by_person"), ())
        assert entry.details == {
            "request": "#2244",
            "fields": 12,
            "erased": [
                "name", "phone_e164", "bsuid", "username", "email", "birthday", "city", "tags", "custom.shoe_size",
                "consent_marketing", "consent_source", "consent_evidence",
            ],
            "notes": 1,
            "messages_kept": 0,
            "absorbed": [],
        }  # fmt: skip
        left: Contact = lumen.row(Contact, id=person.id)
        assert left.erased_at is not None
        kept = {"id", "workspace_id", "created_at", "updated_at", "version", "deleted_at", "erased_at"}
        still = {column.name: getattr(left, column.name) for column in Contact.__table__.columns}
        assert {name: value for name, value in still.items() if name not in kept and value} == {
            "consent_marketing": "unknown",
            "lifecycle": "customer",
            "source": "manual",
        }
        with lumen.home.session() as session:
            assert session.query(Note).count() == 0

    def test_it_is_final(self, lumen: Lumen) -> None:
        """Nothing can be done with it any more."""
        browser, person = lumen.signed_in("Admin"), ana(lumen)
        act(browser, person, request="#1", note="By letter")
        assert act(browser, person, request="#1", note="By letter").status_code == 409
        again: Contact = lumen.row(Contact, id=person.id)
        assert act(browser, again, request="#1", note="By letter").status_code == 409
        assert browser.get(f"/contacts/{person.id}").status_code == 404
        assert browser.get(f"/contacts/{person.id}/edit").status_code == 404
        assert len(lumen.entries()) == 1

    @pytest.mark.parametrize(
        ("typed", "told"),
        [
            ({"request": "#1"}, "Say why"),
            ({"note": "Asked"}, "Say which request"),
            ({"request": "x" * 101, "note": "Asked"}, "at most 100"),
            ({"request": "#1", "note": "x" * 501}, "at most 500"),
        ],
    )
    def test_reason_and_request_are_needed(self, lumen: Lumen, typed: dict[str, str], told: str) -> None:
        """Without them nothing is erased."""
        person = ana(lumen)
        answer = act(lumen.signed_in("Admin"), person, **typed)
        assert answer.status_code == 422
        assert told in answer.text
        assert lumen.row(Contact, id=person.id).name == "Ana García"

    def test_what_it_absorbed_goes_with_it(self, lumen: Lumen) -> None:
        """Earlier duplicates are the same person; they are not erased by themselves."""
        person = ana(lumen)
        with lumen.working() as work:
            twin = contacts.create(work, {"name": "Ana Garcia", "phone_e164": "0611204880", "city": "Getafe"})
            merge.merge(work, merge.plan(work.get(Contact, person.id), twin, {}))
        browser = lumen.signed_in("Admin")
        assert act(browser, lumen.row(Contact, id=twin.id), request="#1", note="x").status_code == 409
        act(browser, lumen.row(Contact, id=person.id), request="#1", note="x")
        assert lumen.row(Contact, id=twin.id).name == ""
        assert (lumen.entry().details or {})["absorbed"] == [twin.id]
        with lumen.home.session() as session:
            assert session.query(Contact).filter(Contact.phone_key == "611204880").count() == 0

    def test_one_that_was_deleted(self, lumen: Lumen) -> None:
        """Can still be erased, before its thirty days are over."""
        person = ana(lumen)
        with lumen.working() as work:
            contacts.delete(work, work.get(Contact, person.id), None)
        assert (
            act(lumen.signed_in("Admin"), lumen.row(Contact, id=person.id), request="#1", note="x").status_code == 303
        )
        assert lumen.row(Contact, id=person.id).name == ""

    def test_the_log_forgets_the_person_too(self, lumen: Lumen) -> None:
        """Earlier entries lose name and values and say so; who did it is named; the log verifies; once is enough."""
        browser = lumen.signed_in("Admin")
        with lumen.working(lumen.actor("Agent")) as work:
            person = contacts.create(work, {**FULL, "name": "Zita Quorum"})
            key = person.id
        assert "Zita" in str(lumen.entries(f"resource:contact:{key}"))
        act(browser, lumen.row(Contact, id=key), request="#2244", reason="asked_by_person")

        assert erase.erase_from_log(lumen.home) is False
        assert erase.erase_from_log(lumen.home) is False

        told = lumen.entries(f"resource:contact:{key}")
        assert [entry.action for entry in told] == ["audit.erased", "contact.erased", "contact.created"]
        assert "Zita" not in str(told)
        record, erased, created = told
        assert (record.actor, record.reason) == (lumen.actor("Admin"), Reason(text="#2244"))
        assert created.erased is not None
        assert created.erased.record == record.index
        assert "resource.name" in created.erased.paths
        assert (erased.details or {})["request"] == "#2244"
        assert created.actor == lumen.actor("Agent")
        assert lumen.home.log.verify(lumen.workspace).ok
        assert lumen.row(Contact, id=key).log_erased_at is not None

    def test_a_legal_hold_comes_first(self, lumen: Lumen) -> None:
        """What it keeps is erased once it is released."""
        person = ana(lumen)
        log, why = lumen.home.log, Reason(text="Complaint")
        lumen.entries()
        hold = place_hold(
            log, lumen.workspace, name="Case", query=f"resource:contact:{person.id}", actor=SETTER_UP, reason=why
        )
        act(lumen.signed_in("Admin"), person, request="#1", note="x")
        erase.erase_from_log(lumen.home)
        assert lumen.row(Contact, id=person.id).log_erased_at is None

        release_hold(log, lumen.workspace, hold.id, actor=SETTER_UP, reason=why)
        erase.erase_from_log(lumen.home)
        assert lumen.row(Contact, id=person.id).log_erased_at is not None


class TestThirtyDaysLater:
    """Contacts that were deleted."""

    def test_they_are_emptied(self, lumen: Lumen) -> None:
        """Their values leave the database, their number stays; the entry names the fields, not what they held."""
        person = ana(lumen)
        with lumen.working() as work:
            notes.add(work, lumen.user("Agent"), work.get(Contact, person.id), "Prefers evenings")
            contacts.delete(work, work.get(Contact, person.id), None)
        lumen.advance(days=29)
        erase.empty_deleted(lumen.home)
        assert lumen.row(Contact, id=person.id).name == "Ana García"
        lumen.advance(days=2)
        erase.empty_deleted(lumen.home)
        left: Contact = lumen.row(Contact, id=person.id)
        assert (left.name, left.phone_e164, left.email_key, left.erased_at) == ("", None, None, None)
        version = left.version
        erase.empty_deleted(lumen.home)
        assert lumen.row(Contact, id=person.id).version == version
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.actor.type) == ("contact.emptied", "delete", "scheduler")
        assert (entry.resource.id, entry.resource.name, entry.changes) == (person.id, None, ())
        told = entry.details or {}
        assert (told["fields"], told["notes"]) == (len(told["emptied"]), 1)
        assert {"name", "phone_e164", "email"} <= set(told["emptied"])
        assert "Ana" not in str(entry)
        for lang in LANGUAGES:
            assert "Scheduler" in sentence(entry, lang, lumen.home.log.catalog).text()
            assert str(told["fields"]) in second_line(entry, lang, lumen.home.log.catalog).plain()
        assert second_line(entry, "en", lumen.home.log.catalog).plain() == f"Fields: {told['fields']}, notes: 1"
        assert lumen.row(Contact, id=lumen.juan.id).name == "Juan Pérez"
        with lumen.home.session() as session:
            assert session.query(Note).count() == 0

    def test_whom_a_merge_took_in_goes_with_them(self, lumen: Lumen) -> None:
        """One entry tells both, and nothing says that either was changed."""
        kept, double = ana(lumen), ana(lumen, name="Ana Garcia", phone_e164="+34611204881")
        with lumen.working() as work:
            pair = work.get(Contact, kept.id), work.get(Contact, double.id)
            merge.merge(work, merge.plan(*pair, {}))
            contacts.delete(work, pair[0], None)
        lumen.advance(days=31)
        erase.empty_deleted(lumen.home)

        entry = lumen.entry()
        assert (entry.action, entry.resource.id) == ("contact.emptied", kept.id)
        assert (entry.details or {})["absorbed"] == [double.id]
        assert lumen.row(Contact, id=double.id).name == ""


class TestNotes:
    """What somebody wrote down."""

    def test_on_the_page(self, lumen: Lumen) -> None:
        """With who wrote it; it is no entry of the log."""
        browser = lumen.signed_in("Agent")
        place = f"/contacts/{lumen.juan.id}"
        answer = browser.post(f"{place}/notes", data={"text": " <b>Prefers</b> evenings "})
        assert answer.headers["location"] == f"{place}?done=note_added"
        page = browser.get(place).text
        assert "&lt;b&gt;Prefers&lt;/b&gt; evenings" in page
        assert "Agent Person" in page
        assert lumen.entries() == []

    @pytest.mark.parametrize("text", ["", "  ", "x" * 2001])
    def test_what_is_none(self, lumen: Lumen, text: str) -> None:
        """Is refused with the page as it was."""
        answer = lumen.signed_in("Agent").post(f"/contacts/{lumen.juan.id}/notes", data={"text": text})
        assert answer.status_code == 422
        with lumen.home.session() as session:
            assert session.query(Note).count() == 0

    def test_they_move_with_a_merge(self, lumen: Lumen) -> None:
        """So do messages; the entry counts both."""
        twin = ana(lumen, phone_e164="+34655018342")
        with lumen.working() as work:
            for number in range(3):
                notes.add(work, lumen.user("Agent"), work.get(Contact, twin.id), f"Note {number}")
                now = work.now()
                work.add(
                    Message(
                        id=work.new_id("msg"),
                        campaign_id=None,
                        contact_id=twin.id,
                        account_id=lumen.account.id,
                        status="sent",
                        provider_id=None,
                        error_code=None,
                        created_at=now,
                        sent_at=now,
                        updated_at=now,
                    )
                )
        browser, juan = lumen.signed_in("Manager"), lumen.juan
        browser.post(f"/contacts/{juan.id}/merge", data={"with": twin.id, "version": juan.version, "do": "merge"})
        entry = lumen.entry()
        assert (entry.action, (entry.details or {})["moved"]) == ("contact.merged", {"messages": 3, "notes": 3})
        with lumen.working() as work:
            assert notes.counts(work, [juan.id]) == {"messages": 3, "notes": 3}
            assert notes.counts(work, [twin.id]) == {"messages": 0, "notes": 0}
