"""Webhooks: their pages and entries, and what waits to be sent."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from sendero import outgoing
from sendero.actions import catalog
from sendero.service import contacts
from sendero.tables import Contact, Delivery, Webhook
from tests.lumen import Lumen, lumen
from whodid import Change, Reason, Resource

__all__ = ["lumen"]

HOOKS = "/settings/webhooks"
TOKEN = "a-token-that-nobody-else-knows-0001"
FORM = {
    "name": "Order events",
    "url": "https://hooks.lumen.es/v1",
    "event": ["contact.created", "contact.updated"],
    "active": "on",
    "header_name_0": "X-Token",
    "header_value_0": TOKEN,
}


def made(browser: TestClient, **other: Any) -> str:
    """Create a webhook and return its secret."""
    answer = browser.post(f"{HOOKS}/new", data=FORM | other)
    assert answer.status_code == 201, answer.text
    (secret,) = re.findall(r'<code class="big" translate="no">(whsec_[\w-]{43})</code>', answer.text)
    return str(secret)


def hook(lumen: Lumen) -> Webhook:
    """Return the webhook of the test."""
    found: Webhook = lumen.row(Webhook)
    return found


def changed(lumen: Lumen) -> None:
    """Do something that the webhook asked for, as a person does."""
    data = {"name": "Ana García", "lifecycle": "lead", "city": "Getafe", "email": "ana@correo.example"}
    assert lumen.signed_in("Agent").post("/contacts/new", data=data).status_code == 303


def rows(lumen: Lumen) -> list[Delivery]:
    """Return the deliveries, oldest first."""
    with lumen.home.session() as session:
        return session.query(Delivery).order_by(Delivery.created_at).all()


class TestPages:
    """Creating, changing, deleting: each is an entry without a secret."""

    def test_creating(self, lumen: Lumen) -> None:
        """The secret is shown once; the entry has fingerprints where secrets were."""
        browser = lumen.signed_in("Admin")
        secret = made(browser)

        entry = lumen.entry()
        webhook = hook(lumen)
        assert (entry.action, entry.kind, entry.severity) == ("webhook.created", "create", "notice")
        assert entry.actor == lumen.actor("Admin")
        assert entry.resource == Resource(type="webhook", id=webhook.id, name="Order events")
        changes = {change.path: change for change in entry.changes}
        assert changes["url"] == Change(path="url", op="add", after="https://hooks.lumen.es/v1")
        assert changes["events"].after == ["contact.created", "contact.updated"]
        for path in ("secret", "headers.X-Token"):
            assert changes[path].class_ == "secret"
            assert changes[path].after_fp is not None
        for page in (HOOKS, f"{HOOKS}/{webhook.id}", f"{HOOKS}/{webhook.id}/edit"):
            shown = browser.get(page).text
            assert secret not in shown
            assert TOKEN not in shown

    def test_secrets_are_nowhere(self, lumen: Lumen, caplog: pytest.LogCaptureFixture) -> None:
        """Not in the databases, not in the log, not in an error, not in what the server writes down."""
        caplog.set_level(logging.DEBUG)
        browser = lumen.signed_in("Admin")
        secret = made(browser)
        refused = browser.post(f"{HOOKS}/new", data=FORM | {"url": "http://nope", "name": "Again"})
        lumen.home.relay.drain()

        assert refused.status_code == 422
        assert TOKEN not in refused.text
        stored = b"".join(file.read_bytes() for file in lumen.home.settings.data.iterdir())
        for text in (secret, TOKEN):
            assert text.encode() not in stored
            assert text not in caplog.text
            assert text not in repr(lumen.entries())

    def test_updating(self, lumen: Lumen) -> None:
        """Events as a set; another host is a warning; kept headers stay; saving the same again says nothing."""
        browser = lumen.signed_in("Owner")
        made(browser)
        webhook = hook(lumen)
        same = {key: value for key, value in FORM.items() if not key.startswith("header")} | {"kept": "X-Token"}
        address = f"{HOOKS}/{webhook.id}/edit"

        assert "done=unchanged" in browser.post(address, data=same | {"version": "1"}).headers["location"]
        new = {"url": "https://hooks.lumen.es/v2", "event": ["contact.updated", "contact.deleted"]}
        assert browser.post(address, data=same | new | {"version": "1"}).status_code == 303
        moved = same | new | {"url": "https://elsewhere.example/", "kept": "", "version": "2"}
        assert browser.post(address, data=moved).status_code == 303

        last, first, _ = lumen.entries()
        assert (first.action, first.kind, first.severity) == ("webhook.updated", "update", "notice")
        assert first.changes == (
            Change(path="url", before="https://hooks.lumen.es/v1", after="https://hooks.lumen.es/v2"),
            Change(path="events", op="set", added=["contact.deleted"], removed=["contact.created"]),
        )
        assert last.severity == "warning"
        assert [(change.path, change.op) for change in last.changes] == [
            ("url", "replace"),
            ("headers.X-Token", "remove"),
        ]

    def test_rotating_the_secret(self, lumen: Lumen) -> None:
        """Another secret is shown once; the entry has both fingerprints and neither secret."""
        browser = lumen.signed_in("Admin")
        first = made(browser)
        before_fp = next(change.after_fp for change in lumen.entry().changes if change.path == "secret")

        answer = browser.post(f"{HOOKS}/{hook(lumen).id}/secret", data={"version": "1", "reason": "security"})

        (second,) = re.findall(r"whsec_[\w-]{43}", answer.text)
        assert second != first
        entry = lumen.entries()[0]
        (change,) = entry.changes
        assert (entry.action, change.path, change.class_) == ("webhook.updated", "secret", "secret")
        assert change.before_fp == before_fp
        assert change.after_fp not in {None, before_fp}
        assert entry.reason == Reason(code="security")
        assert "redacted" in entry.marks
        assert lumen.home.vault.open(hook(lumen).secret) == second

    def test_deleting(self, lumen: Lumen) -> None:
        """The entry has what went; the page is gone, and nothing is queued any more."""
        browser = lumen.signed_in("Admin")
        made(browser)
        webhook = hook(lumen)
        data = {"version": "1", "reason": "not_used"}
        assert browser.post(f"{HOOKS}/{webhook.id}/delete", data=data).status_code == 303

        entry = lumen.entries()[0]
        assert (entry.action, entry.kind, entry.severity) == ("webhook.deleted", "delete", "warning")
        changes = {change.path: change for change in entry.changes}
        assert changes["url"] == Change(path="url", op="remove", before="https://hooks.lumen.es/v1")
        assert changes["secret"].before_fp is not None
        assert browser.get(f"{HOOKS}/{webhook.id}").status_code == 404
        changed(lumen)
        assert rows(lumen) == []

    @pytest.mark.parametrize(
        ("other", "told"),
        [
            ({"name": ""}, "A webhook needs a name"),
            ({"url": "http://hooks.lumen.es/"}, "has to begin with https"),
            ({"url": "https://10.0.0.1/"}, "not on the public internet"),
            ({"event": []}, "Choose at least one event"),
            ({"event": ["user.created"]}, "Choose at least one event"),
            ({"header_name_0": "Host"}, "some names are taken"),
            ({"header_name_0": "X-Webhook-Signature"}, "some names are taken"),
            ({"header_name_0": "X Token"}, "some names are taken"),
            ({"header_value_0": "a\nX-Evil: b"}, "plain characters"),
            ({"header_value_0": ""}, "plain characters"),
        ],
    )
    def test_what_cannot_be_taken(self, lumen: Lumen, other: dict[str, Any], told: str) -> None:
        """It is marked, and nothing is created."""
        answer = lumen.signed_in("Admin").post(f"{HOOKS}/new", data=FORM | other)
        assert answer.status_code == 422
        assert told in answer.text
        assert lumen.entries() == []

    def test_somebody_else_was_faster(self, lumen: Lumen) -> None:
        """A form for an older version changes nothing."""
        browser = lumen.signed_in("Admin")
        made(browser)
        address = f"{HOOKS}/{hook(lumen).id}"
        assert browser.post(f"{address}/edit", data=FORM | {"version": "7"}).status_code == 409
        assert browser.post(f"{address}/secret", data={"version": "7"}).status_code == 409
        assert len(lumen.entries()) == 1


class TestQueue:
    """What waits is committed with the change."""

    def test_every_event_is_one_of_the_log(self) -> None:
        """A webhook asks by the names of the catalog."""
        assert set(outgoing.EVENTS) <= set(catalog())

    def test_it_says_ids_and_names_only(self, lumen: Lumen) -> None:
        """No value of the person is in it, not even the name."""
        made(lumen.signed_in("Admin"))
        changed(lumen)
        (row,) = rows(lumen)
        said = json.loads(row.body)
        contact: Contact = lumen.row(Contact, name="Ana García")
        entry = lumen.entries()[0]
        assert said == {
            "id": entry.id,
            "event": "contact.created",
            "occurred_at": said["occurred_at"],
            "workspace": lumen.workspace,
            "actor": {"type": "user", "id": lumen.user("Agent").id, "name": "Agent Person"},
            "resource": {"type": "contact", "id": contact.id},
            "changed": said["changed"],
        }
        assert {"name", "city", "email"} <= set(said["changed"])
        for value in ("Ana", "Getafe", "correo.example"):
            assert value not in row.body

    def test_what_is_rolled_back_is_told_to_nobody(self, lumen: Lumen) -> None:
        """The delivery goes with the change."""
        made(lumen.signed_in("Admin"))

        def fail() -> None:
            with lumen.working() as work:
                contacts.create(work, {"name": "Nobody"})
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert rows(lumen) == []

    @pytest.mark.parametrize("other", [{"active": ""}, {"event": ["campaign.started"]}])
    def test_only_who_asked(self, lumen: Lumen, other: dict[str, Any]) -> None:
        """Neither a webhook that is off nor one that asked for something else."""
        browser = lumen.signed_in("Admin")
        form = {key: value for key, value in (FORM | other).items() if value}
        assert browser.post(f"{HOOKS}/new", data=form).status_code == 201
        changed(lumen)
        assert rows(lumen) == []

    def test_refusals_are_not_told(self, lumen: Lumen) -> None:
        """What did not happen is no event."""
        made(lumen.signed_in("Admin"))
        lumen.signed_in("Auditor").post("/contacts/new", data={"name": "X", "lifecycle": "lead"})
        assert lumen.entries("is:denied")[0].action == "contact.created"
        assert rows(lumen) == []

    def test_without_webhooks_nothing_is_looked_up_twice(self, lumen: Lumen) -> None:
        """One look-up in a unit of work, however much is recorded in it."""
        asked = []
        real = outgoing.listeners

        def counted(*arguments: Any) -> Any:
            asked.append(arguments)
            return real(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(outgoing, "listeners", counted)
            with lumen.working() as work:
                for number in range(5):
                    contacts.create(work, {"name": f"Person {number}"})
        assert len(asked) == 1

    def test_switching_off_gives_up_what_waits(self, lumen: Lumen) -> None:
        """And it is not sent when the webhook is switched on again."""
        browser = lumen.signed_in("Admin")
        made(browser)
        changed(lumen)
        off = {key: value for key, value in FORM.items() if key != "active"} | {"version": "1"}
        browser.post(f"{HOOKS}/{hook(lumen).id}/edit", data=off)
        (row,) = rows(lumen)
        assert (row.status, row.last_fault, row.body) == ("failed", "switched_off", "")
