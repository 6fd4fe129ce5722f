"""Templates and WhatsApp accounts: the rules of WhatsApp, and every act on record."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from starlette.testclient import TestClient

from sendero.errors import Conflict
from sendero.service import accounts, templates
from sendero.tables import Account, Template
from sendero.vault import Vault
from tests.lumen import TOKEN, Lumen, account_values, lumen, template_values
from whodid import Actor, Change, Entry, Reason
from whodid.errors import InvalidSetting

__all__ = ["lumen"]

WHATSAPP = Actor(type="provider", id="whatsapp", name="WhatsApp")


def form(**more: Any) -> dict[str, Any]:
    """Return what the form of a template sends."""
    values = template_values(**more)
    typed = {**values, "samples": "\n".join(values["samples"]), "do": "submit"}
    for at, button in enumerate(typed.pop("buttons")):
        typed |= {f"button{at}_{name}": value for name, value in button.items()}
    return typed


def save(browser: TestClient, template: Template, **more: Any) -> Any:
    """Send the form of a template that exists."""
    return browser.post(f"/templates/{template.id}/edit", data={"version": str(template.version), **form(**more)})


def changes(entry: Entry) -> dict[str, Change]:
    """Return the changes of an entry by their paths."""
    return {change.path: change for change in entry.changes}


class TestTemplates:
    """Writing, editing, reviewing, deleting."""

    def test_creating(self, lumen: Lumen) -> None:
        """Every component is recorded by its path; it goes to review at once."""
        browser = lumen.signed_in("Manager")
        browser.post("/templates/new", data=form(name="welcome", display_name="", body="Hi {{1}}!", samples=["Ana"]))

        entry = lumen.entry()
        assert (entry.action, entry.resource.name) == ("template.created", "welcome")
        told = {path: change.after for path, change in changes(entry).items()}
        assert told["components.body.text"] == "Hi {{1}}!"
        assert told["components.buttons"] == [{"type": "url", "text": "Track", "url": "https://casalumen.es/orders"}]
        assert (told["status"], told["display_name"]) == ("pending", "Welcome")

    def test_an_edit_goes_back_to_review(self, lumen: Lumen) -> None:
        """Text, button and status are told apart, with the number of words."""
        browser = lumen.signed_in("Manager")
        button = {"type": "url", "text": "Track", "value": "https://casalumen.es/track"}
        body = "Hi {{1}}, your order {{2}} is on its way."

        save(browser, lumen.template, body=body, buttons=[button])

        entry = lumen.entry()
        assert (entry.action, entry.details) == ("template.edited", {"words_changed": 4})
        assert changes(entry) == {
            "components.body.text": Change(
                path="components.body.text", before="Hi {{1}}, your order {{2}} has been confirmed.", after=body
            ),
            "components.buttons[0].url": Change(
                path="components.buttons[0].url",
                before="https://casalumen.es/orders",
                after="https://casalumen.es/track",
            ),
            "status": Change(path="status", before="approved", after="pending"),
        }
        page = browser.get(f"/templates/{lumen.template.id}").text
        assert "In review" in page
        assert "is being reviewed" in page

    def test_nothing_changed_nothing_recorded(self, lumen: Lumen) -> None:
        """And the template stays approved."""
        answer = save(lumen.signed_in("Manager"), lumen.template)
        assert "done=unchanged" in answer.headers["location"]
        assert lumen.entries() == []
        assert lumen.row(Template).status == "approved"

    def test_drafts_are_free_until_they_are_sent(self, lumen: Lumen) -> None:
        """A draft may change its name; sending it is a change of status by a person."""
        browser = lumen.signed_in("Manager")
        browser.post("/templates/new", data=form(name="one", do="save") | {"do": "save"})
        draft: Template = lumen.row(Template, name="one")
        assert draft.status == "draft"
        save(browser, draft, name="two")

        status, edited, created = lumen.entries()
        assert [created.action, edited.action] == ["template.created", "template.edited"]
        assert changes(edited)["name"].after == "two"
        assert status.action == "template.status_changed"
        assert (changes(status)["status"].before, changes(status)["status"].after) == ("draft", "pending")

    @pytest.mark.parametrize(
        ("more", "told"),
        [
            ({"name": "Big Letters"}, "lower-case letters"),
            ({"name": "order_update"}, "of this name in this language already"),
            ({"body": ""}, "needs a body"),
            ({"body": "x" * 1025, "samples": []}, "longer than WhatsApp allows"),
            ({"body": "Hi {{1}} and {{3}}"}, "without a gap"),
            ({"samples": ["Ana"]}, "Give one example"),
            ({"category": "poetry"}, "Choose one"),
            ({"language": "xx"}, "Choose one"),
            ({"buttons": [{"type": "url", "text": "Go", "value": "http://x.example"}]}, "begins with https"),
            ({"buttons": [{"type": "phone_number", "text": "Call", "value": "none"}]}, "needs a phone number"),
            ({"buttons": [{"type": "quick_reply", "text": "x" * 26, "value": ""}]}, "at most 25"),
        ],
    )
    def test_the_rules_of_whatsapp(self, lumen: Lumen, more: dict[str, Any], told: str) -> None:
        """What it would refuse is refused here, beside the field."""
        answer = lumen.signed_in("Manager").post("/templates/new", data=form(**({"name": "fresh"} | more)))
        assert answer.status_code == 422
        assert told in answer.text
        assert lumen.entries() == []

    def test_edits_are_rationed(self, lumen: Lumen) -> None:
        """One a day while it is approved, ten in thirty days."""
        browser = lumen.signed_in("Manager")
        for number in range(10):
            save(browser, lumen.row(Template), footer=f"Footer {number}")
            lumen.whatsapp_goes_on()
            with lumen.working(WHATSAPP) as work:
                template = work.get(Template, lumen.template.id)
                assert template.status == "approved"
                assert templates.editable(template, work.now()) == (
                    "WhatsApp allows one edit of an approved template a day."
                )
            lumen.advance(hours=25)
            browser = lumen.signed_in("Manager")

        assert save(browser, lumen.row(Template), footer="One more").status_code == 409
        with lumen.working() as work:
            template = work.get(Template, lumen.template.id)
            assert templates.editable(template, work.now()) == "WhatsApp allows ten edits of a template in thirty days."
            lumen.advance(days=21)
            assert templates.editable(template, work.now()) is None

    def test_statuses_have_their_ways(self, lumen: Lumen) -> None:
        """WhatsApp's answer is recorded with its reason; an impossible way is refused."""
        with lumen.working(WHATSAPP) as work:
            template = work.get(Template, lumen.template.id)
            why = Reason(code="low_quality", text="First pause, 3 hours")
            cause = templates.change_status(work, template, "paused", reason=why, until=work.now())
            with pytest.raises(Conflict):
                templates.change_status(work, template, "pending")

        entry = lumen.entry()
        assert (entry.id, entry.actor, entry.severity, entry.reason) == (cause, WHATSAPP, "warning", why)
        assert changes(entry)["status"].after == "paused"
        assert lumen.row(Template).pause_count == 1

    def test_deleting(self, lumen: Lumen) -> None:
        """The last content is on record; while it is reviewed it stays."""
        browser = lumen.signed_in("Manager")
        save(browser, lumen.template, footer="x")
        pending: Template = lumen.row(Template)
        address = f"/templates/{pending.id}/delete"
        assert browser.post(address, data={"version": str(pending.version)}).status_code == 409
        with lumen.working(WHATSAPP) as work:
            templates.change_status(work, work.get(Template, pending.id), "approved")
        version = str(lumen.row(Template).version)

        browser.post(address, data={"version": version, "reason": "replaced"})

        entry = lumen.entries()[0]
        assert (entry.action, entry.reason) == ("template.deleted", Reason(code="replaced"))
        assert entry.details == {"languages": ["en"]}
        assert changes(entry)["components.body.text"].op == "remove"
        assert browser.get(f"/templates/{pending.id}").status_code == 404


class TestAccounts:
    """The connected number and its secrets."""

    def test_settings(self, lumen: Lumen) -> None:
        """Only what changed; the token is not even mentioned."""
        account: Account = lumen.account
        typed = {"name": "Shop", "api_version": "v25.0", "is_default_in": "on", "version": str(account.version)}
        lumen.signed_in("Admin").post(f"/settings/accounts/{account.id}/edit", data=typed)

        assert lumen.entry().changes == (
            Change(path="name", before="Casa Lumen Shop", after="Shop"),
            Change(path="api_version", before="v24.0", after="v25.0"),
        )

    def test_a_new_token_leaves_fingerprints_only(self, lumen: Lumen) -> None:
        """Both are comparable, neither is anywhere: not in the log, not in the outbox, not in the own database."""
        account: Account = lumen.account
        fresh = TOKEN.replace("1", "9")
        browser = lumen.signed_in("Admin")
        typed = {"token": f" {fresh} ", "reason": "security", "version": str(account.version)}

        answer = browser.post(f"/settings/accounts/{account.id}/token", data=typed)

        assert answer.status_code == 303
        (change,) = lumen.entry().changes
        assert (change.path, change.class_) == ("access_token", "secret")
        assert change.before_fp == lumen.home.log.fingerprint(lumen.workspace, f'"{TOKEN}"'.encode())
        assert change.after_fp == lumen.home.log.fingerprint(lumen.workspace, f'"{fresh}"'.encode())
        with lumen.working() as work:
            assert lumen.home.vault.open(work.get(Account, account.id).access_token) == fresh
        stored = b"".join(file.read_bytes() for file in lumen.home.settings.data.iterdir())
        for secret in (TOKEN, fresh, "the-app-secret-of-the-tests", "the-verify-token-of-the-tests"):
            assert secret.encode() not in stored
        for page in ("", "/edit", "/token"):
            assert fresh not in browser.get(f"/settings/accounts/{account.id}{page}").text

    @pytest.mark.parametrize("token", ["", "short", "with spaces in the middle of it", TOKEN])
    def test_what_is_no_new_token(self, lumen: Lumen, token: str) -> None:
        """It is refused, and what was typed is not sent back."""
        typed = {"token": token, "version": str(lumen.account.version)}
        answer = lumen.signed_in("Admin").post(f"/settings/accounts/{lumen.account.id}/token", data=typed)
        assert answer.status_code == 422
        assert not token or f'value="{token}"' not in answer.text
        assert lumen.entries() == []

    def test_the_vault_is_not_opened_by_another_key(self, lumen: Lumen) -> None:
        """A wrong key is told, not taken for an empty token."""
        sealed = lumen.home.vault.seal("x")
        with pytest.raises(InvalidSetting, match="Restore the key file"):
            Vault(Fernet.generate_key()).open(sealed)
        with pytest.raises(InvalidSetting):
            Vault(b"not a key")

    def test_a_second_number(self, lumen: Lumen) -> None:
        """All fields, the three secrets as fingerprints."""
        with lumen.working(WHATSAPP) as work:
            accounts.create(work, account_values() | {"name": "Support", "is_default_in": False})
        told = changes(lumen.entry())
        assert {path for path, change in told.items() if change.class_ == "secret"} == set(accounts.SECRETS)
        assert told["display_phone_number"].after == "+34 910 555 014"
