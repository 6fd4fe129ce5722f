"""Templates and WhatsApp: it is asked first, our own row is written after, and a stop between the two heals."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from sendero.service import accounts, reviews, templates
from sendero.tables import Account, Template
from sendero.whatsapp.actor import WHATSAPP
from sendero.whatsapp.forms import handed_in
from sendero.whatsapp.provider import Line
from tests.graphing import fault, graph_server
from tests.lumen import TOKEN, Lumen, account_values, lumen, template_values
from whodid import Change

__all__ = ["lumen"]

LINE = Line(phone_number_id="2002", waba_id="1001", access_token=TOKEN, api_version="v24.0")


def form(**more: Any) -> dict[str, Any]:
    """Return what the form of a template sends."""
    values = template_values(**more)
    typed = {**values, "samples": "\n".join(values["samples"]), "do": "submit"}
    for at, button in enumerate(typed.pop("buttons")):
        typed |= {f"button{at}_{name}": value for name, value in button.items()}
    return typed


def edit(browser: TestClient, template: Template, **more: Any) -> Any:
    """Send the form of a template that exists."""
    return browser.post(f"/templates/{template.id}/edit", data={"version": str(template.version), **form(**more)})


def stop(patch: pytest.MonkeyPatch, name: str) -> None:
    """Let the process stop before our own row is written."""

    def stopped(*_: object, **__: object) -> None:
        raise RuntimeError("stopped")

    patch.setattr(templates, name, stopped)


class TestAsking:
    """What WhatsApp says when it is asked."""

    @pytest.mark.parametrize("do", ["new", "edit", "delete"])
    def test_it_is_away(self, lumen: Lumen, do: str) -> None:
        """The person is told to try again, what they typed is still there, and nothing is half done."""
        lumen.speaks_with("http://127.0.0.1:9", timeout=httpx2.Timeout(0.5))
        browser = lumen.signed_in("Manager")
        path = "/templates/new" if do == "new" else f"/templates/{lumen.template.id}/{do}"
        typed = form(name="fresh" if do == "new" else "order_update", body="Hello {{1}}, about {{2}}")

        answer = browser.post(path, data={"version": str(lumen.template.version), **typed})

        assert answer.status_code == 409
        assert "WhatsApp cannot be used now" in answer.text
        if do != "delete":
            assert "Hello {{1}}, about {{2}}" in answer.text
        entry = lumen.entry()
        action = {"new": "created", "edit": "edited", "delete": "deleted"}[do]
        assert (entry.action, entry.outcome) == (f"template.{action}", "failed")
        assert (entry.actor, entry.reason and entry.reason.code) == (lumen.actor("Manager"), "provider_silent")
        row = lumen.row(Template)
        assert (row.version, row.status, row.deleted_at) == (lumen.template.version, "approved", None)

    def test_it_refuses(self, lumen: Lumen) -> None:
        """In its own words, with its code."""
        with graph_server() as graph:
            lumen.speaks_with(graph.address)
            graph.will(400, fault(100, "Invalid parameter", details="Variables can't be at the start of the template"))
            answer = lumen.signed_in("Manager").post("/templates/new", data=form(name="fresh"))
        assert "WhatsApp refuses this: Variables can&#39;t be at the start" in answer.text
        assert lumen.entry().details == {"provider_code": 100}

    def test_it_answers_at_once(self, lumen: Lumen) -> None:
        """With another category, and approved already: both are WhatsApp's acts."""
        with graph_server() as graph:
            lumen.speaks_with(graph.address)
            graph.will(200, {"id": "572", "status": "APPROVED", "category": "MARKETING"})
            lumen.signed_in("Manager").post("/templates/new", data=form(name="fresh"))
            assert graph.asked[0].body["name"] == "fresh"
        approved, category, created = lumen.entries()
        assert (created.actor, category.actor, approved.actor) == (lumen.actor("Manager"), WHATSAPP, WHATSAPP)
        assert category.changes == (Change(path="category", before="utility", after="marketing"),)
        assert approved.changes == (Change(path="status", before="pending", after="approved"),)
        row = lumen.row(Template, name="fresh")
        assert (row.meta_template_id, row.category, row.status) == ("572", "marketing", "approved")

    def test_a_draft_is_ours(self, lumen: Lumen) -> None:
        """WhatsApp hears of it when it is sent to review, and never of one that is deleted before."""
        browser = lumen.signed_in("Manager")
        browser.post("/templates/new", data=form(name="fresh") | {"do": "save"})
        assert lumen.whatsapp.find_template(LINE, "fresh", "en") is None
        draft = lumen.row(Template, name="fresh")
        browser.post(f"/templates/{draft.id}/edit", data={"version": str(draft.version), **form(name="fresh")})
        sent = lumen.row(Template, name="fresh")
        found = lumen.whatsapp.find_template(LINE, "fresh", "en")
        assert found is not None
        assert (sent.status, sent.meta_template_id) == ("pending", found.id)
        with lumen.working() as work:
            values = templates.checked(template_values(name="second"))
            second = templates.create(work, work.get(Account, lumen.account.id), values, submitted=False)
            assert reviews.to_delete(work, second) is None

    def test_only_what_is_reviewed_is_handed_in(self, lumen: Lumen) -> None:
        """What people here call a template is no matter for WhatsApp: it stays approved."""
        edit(lumen.signed_in("Manager"), lumen.template, display_name="Where is my order?")
        assert lumen.entry().changes == (
            Change(path="display_name", before="Order update", after="Where is my order?"),
        )
        assert lumen.row(Template).status == "approved"

    def test_an_edit(self, lumen: Lumen) -> None:
        """Of a template whose id nobody noted: it is found by its name, and both sides have the new text."""
        edit(lumen.signed_in("Manager"), lumen.template, body="Hi {{1}}, {{2}} left our shop.")
        found = lumen.whatsapp.find_template(LINE, "order_update", "en")
        assert found is not None
        assert found.components[0]["text"] == "Hi {{1}}, {{2}} left our shop."
        row = lumen.row(Template)
        assert (row.meta_template_id, row.status, found.status) == (found.id, "pending", "pending")
        lumen.whatsapp_goes_on()
        assert lumen.row(Template).status == "approved"

    def test_an_edit_of_a_rejected_one(self, lumen: Lumen) -> None:
        """May change its category, and the reason it was rejected for goes."""
        with lumen.working() as work:
            row = work.get(Template, lumen.template.id)
            row.status, row.rejected_reason = "rejected", "Scam"
        edit(lumen.signed_in("Manager"), lumen.row(Template), category="marketing")
        row = lumen.row(Template)
        assert (row.status, row.category, row.rejected_reason) == ("pending", "marketing", None)
        found = lumen.whatsapp.find_template(LINE, "order_update", "en")
        assert found is not None
        assert found.category == "marketing"

    def test_deleting(self, lumen: Lumen) -> None:
        """It is gone on both sides."""
        assert lumen.whatsapp.find_template(LINE, "order_update", "en") is not None
        typed = {"version": str(lumen.template.version), "reason": "not_used"}
        lumen.signed_in("Manager").post(f"/templates/{lumen.template.id}/delete", data=typed)
        entry = lumen.entry()
        assert (entry.action, entry.actor, entry.details) == (
            "template.deleted", lumen.actor("Manager"), {"languages": ["en"]},
        )  # fmt: skip
        assert Change(path="status", before="approved", after="deleted") in entry.changes
        assert lumen.whatsapp.find_template(LINE, "order_update", "en") is None

    def test_several_numbers(self, lumen: Lumen) -> None:
        """The one that was chosen; else the one for what goes out; never one that does not exist."""
        with lumen.working() as work:
            more = {"name": "Support", "waba_id": "9", "phone_number_id": "9", "is_default_in": False}
            accounts.create(work, account_values() | more | {"is_default_out": True})
        browser = lumen.signed_in("Manager")
        support, shop = lumen.row(Account, name="Support"), lumen.account
        assert f'<option value="{support.id}" selected>Support' in browser.get("/templates/new").text
        browser.post("/templates/new", data=form(name="one"))
        browser.post("/templates/new", data=form(name="two") | {"account": shop.id})
        assert lumen.row(Template, name="one").account_id == support.id
        assert lumen.row(Template, name="two").account_id == shop.id
        assert browser.post("/templates/new", data=form(name="three") | {"account": "acc_x"}).status_code == 422


class TestStops:
    """The process stops after WhatsApp took it and before we noted it."""

    def test_a_new_template(self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
        """Handed in again it is found over there, and noted once."""
        browser = lumen.signed_in("Manager")
        with monkeypatch.context() as patch:
            stop(patch, "create")
            assert browser.post("/templates/new", data=form(name="fresh")).status_code == 500
        found = lumen.whatsapp.find_template(LINE, "fresh", "en")
        assert found is not None
        assert lumen.entries() == []

        assert browser.post("/templates/new", data=form(name="fresh")).status_code == 303
        assert lumen.row(Template, name="fresh").meta_template_id == found.id
        assert lumen.entry().action == "template.created"

    def test_a_name_with_another_text(self, lumen: Lumen) -> None:
        """Is not ours: it is not taken for what was typed."""
        values = templates.checked(template_values(name="fresh", body="Something else, {{1}} {{2}}"))
        lumen.whatsapp.create_template(LINE, handed_in(values))
        answer = lumen.signed_in("Manager").post("/templates/new", data=form(name="fresh"))
        assert answer.status_code == 409
        assert "already exists" in answer.text

    def test_an_edit(self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
        """The review goes on without us; when it is over, the same edit is taken again."""
        browser = lumen.signed_in("Manager")
        body = "Hi {{1}}, {{2}} left our shop."
        with monkeypatch.context() as patch:
            stop(patch, "edit")
            assert edit(browser, lumen.template, body=body).status_code == 500
        assert lumen.row(Template).components["body"]["text"] != body
        assert edit(browser, lumen.row(Template), body=body).status_code == 409
        lumen.whatsapp_goes_on()

        assert edit(browser, lumen.row(Template), body=body).status_code == 303
        row = lumen.row(Template)
        assert (row.components["body"]["text"], row.status) == (body, "pending")
        lumen.whatsapp_goes_on()
        assert lumen.row(Template).status == "approved"

    def test_a_deletion(self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is gone over there can still be deleted here."""
        edit(lumen.signed_in("Manager"), lumen.template, body="Hi {{1}}, {{2}} left our shop.")
        lumen.whatsapp_goes_on()
        browser = lumen.signed_in("Manager")
        typed = {"version": str(lumen.row(Template).version)}
        with monkeypatch.context() as patch:
            stop(patch, "delete")
            assert browser.post(f"/templates/{lumen.template.id}/delete", data=typed).status_code == 500
        assert lumen.whatsapp.find_template(LINE, "order_update", "en") is None
        assert lumen.row(Template).deleted_at is None
        lumen.whatsapp_goes_on()

        assert browser.post(f"/templates/{lumen.template.id}/delete", data=typed).status_code == 303
        assert lumen.row(Template).deleted_at is not None
