"""Webhooks: their pages and entries, and deliveries to a real receiver that checks, hangs, fails and goes away."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from sendero import egress, outgoing
from sendero.actions import catalog
from sendero.jobs import JOBS, Jobs
from sendero.service import contacts, deliveries
from sendero.tables import Contact, Delivery, Webhook
from tests.lumen import Lumen, lumen, quick_passwords
from tests.receiving import Receiver, certified, receiving, silent
from whodid import Actor, Change, Reason, Resource

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
SENDER = Actor(type="system", id="webhook_sender", name="Webhook sender")


@pytest.fixture
def near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lumen]:
    """Open a workspace whose webhooks may reach this machine."""
    quick_passwords(monkeypatch)
    place = Lumen(tmp_path / "var", private_webhooks=True)
    yield place
    place.home.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a receiver."""
    with receiving() as running:
        yield running


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


class TestDelivery:
    """What a real receiver gets."""

    def test_signed_and_whole(self, near: Lumen, receiver: Receiver) -> None:
        """The receiver computes the same signature from the secret, the time and the body; the row forgets the body."""
        secret = made(near.signed_in("Admin"), url=receiver.url)
        changed(near)
        (waiting,) = rows(near)

        assert deliveries.deliver(near.home)
        assert not deliveries.deliver(near.home)

        (got,) = receiver.got
        at = got.headers["x-webhook-timestamp"]
        expected = hmac.new(secret.encode(), at.encode() + b"." + got.body, hashlib.sha256).hexdigest()
        assert got.headers["x-webhook-signature"] == f"sha256={expected}"
        assert abs(int(at) - near.now.timestamp()) < 5
        assert got.headers["x-webhook-id"] == waiting.id
        assert got.headers["x-webhook-event"] == "contact.created"
        assert got.headers["x-token"] == TOKEN
        assert got.headers["content-type"] == "application/json"
        assert got.body.decode() == waiting.body
        (row,) = rows(near)
        assert (row.status, row.tries, row.last_status, row.body) == ("delivered", 1, 200, "")
        assert "HTTP 200" in near.signed_in("Admin").get(f"{HOOKS}/{hook(near).id}").text

    def test_over_tls(self, near: Lumen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The certificate is checked."""
        tls, trusted = certified(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with receiving(tls) as safe:
            made(near.signed_in("Admin"), url=safe.url)
            changed(near)
            deliveries.deliver(near.home)
            assert len(safe.got) == 1
        assert rows(near)[0].status == "delivered"

    def test_without_the_setting_this_machine_is_not_reached(
        self, lumen: Lumen, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A public name that leads to this machine gets nothing; the page says why."""
        made(lumen.signed_in("Admin"), url=f"https://hooks.lumen.es:{receiver.port}/")
        monkeypatch.setattr(egress, "resolve", lambda host, port: ["127.0.0.1"])
        changed(lumen)
        deliveries.deliver(lumen.home)
        assert rows(lumen)[0].last_fault == "refused_address"
        assert receiver.got == []
        assert "The address is not public" in lumen.signed_in("Admin").get(f"{HOOKS}/{hook(lumen).id}").text

    def test_a_receiver_that_fails_and_comes_back(self, near: Lumen, receiver: Receiver) -> None:
        """Four tries, later and later; then it is failing, by the system; the next success says that it is well."""
        made(near.signed_in("Admin"), url=receiver.url)
        changed(near)
        receiver.statuses = [502] * deliveries.TRIES
        for pause in (*deliveries.PAUSES, None):
            assert deliveries.deliver(near.home)
            assert not deliveries.deliver(near.home)
            assert hook(near).health == ("ok" if pause else "failing")
            if pause:
                near.now += pause
        assert len(receiver.got) == deliveries.TRIES
        assert len({got.headers["x-webhook-signature"] for got in receiver.got}) == deliveries.TRIES
        assert len({got.headers["x-webhook-id"] for got in receiver.got}) == 1
        assert hook(near).consecutive_failures == 4
        entry = near.entries("action:webhook.health_changed")[0]
        assert (entry.actor, entry.kind, entry.severity) == (SENDER, "status", "notice")
        assert entry.resource.name == "Order events"
        assert entry.changes == (Change(path="health", before="ok", after="failing"),)
        assert entry.reason == Reason(text="4 × HTTP 502")
        assert entry.details == {"attempts": 4, "http_status": 502}
        assert entry.context is not None
        assert entry.context.source == "job"

        near.advance(hours=1)
        changed(near)
        deliveries.deliver(near.home)

        well = near.entries("action:webhook.health_changed")[0]
        assert well.changes == (Change(path="health", before="failing", after="ok"),)
        assert (hook(near).health, hook(near).consecutive_failures) == ("ok", 0)
        assert [row.status for row in rows(near)] == ["failed", "delivered"]

    def test_three_failures_are_no_reason(self, near: Lumen, receiver: Receiver) -> None:
        """The fourth try gets through: nothing is recorded."""
        made(near.signed_in("Admin"), url=receiver.url)
        changed(near)
        receiver.statuses = [500, 500, 500]
        for pause in deliveries.PAUSES:
            deliveries.deliver(near.home)
            near.now += pause
        deliveries.deliver(near.home)
        (row,) = rows(near)
        assert (row.status, row.tries) == ("delivered", 4)
        assert near.entries("action:webhook.health_changed") == []

    def test_a_receiver_that_is_gone(self, near: Lumen, receiver: Receiver) -> None:
        """410 switches the webhook off at once, and says so in one entry."""
        made(near.signed_in("Admin"), url=receiver.url)
        changed(near)
        changed(near)
        receiver.statuses = [410]
        deliveries.deliver(near.home)
        (entry,) = near.entries("action:webhook.health_changed")
        assert entry.changes == (
            Change(path="health", before="ok", after="failing"),
            Change(path="active", before=True, after=False),
        )
        assert entry.details == {"attempts": 1, "http_status": 410}
        assert not hook(near).active
        assert {row.status for row in rows(near)} == {"failed"}
        changed(near)
        assert len(rows(near)) == 2

    def test_a_redirect_is_a_failure(self, near: Lumen, receiver: Receiver) -> None:
        """It leads to a private address and is not followed."""
        made(near.signed_in("Admin"), url=receiver.url)
        changed(near)
        with receiving() as other:
            receiver.statuses, receiver.location = [302], other.url
            deliveries.deliver(near.home)
            assert other.got == []
        (row,) = rows(near)
        assert (row.status, row.last_status, row.last_fault) == ("waiting", 302, "redirect")

    def test_a_receiver_that_hangs(self, near: Lumen, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        """It keeps nobody else from getting their events, and is tried again."""
        monkeypatch.setattr(deliveries, "post", lambda *given, **kept: egress.post(*given, **kept, seconds=1))
        browser = near.signed_in("Admin")
        with silent() as port:
            made(browser, url=f"http://localhost:{port}/", name="Hangs")
            made(browser, url=receiver.url)
            for _ in range(3):
                changed(near)
            began = time.monotonic()
            deliveries.deliver(near.home)
            assert time.monotonic() - began < 5
        assert len(receiver.got) == 3
        faults = sorted(str(row.last_fault) for row in rows(near))
        assert faults == ["None"] * 5 + ["timeout"]

    def test_two_processes_do_not_send_twice(self, near: Lumen, receiver: Receiver) -> None:
        """What one has taken, the other does not see; after a crash it is sent once more."""
        made(near.signed_in("Admin"), url=receiver.url)
        changed(near)
        assert len(deliveries._taken(near.home)) == 1
        assert not deliveries.deliver(near.home)
        near.advance(minutes=6)
        assert deliveries.deliver(near.home)
        assert len(receiver.got) == 1

    def test_a_test_is_sent_once(self, near: Lumen, receiver: Receiver) -> None:
        """To a webhook that is off, too; its failure changes no health, and no entry is made of it."""
        browser = near.signed_in("Admin")
        form = {key: value for key, value in FORM.items() if key != "active"} | {"url": receiver.url}
        assert browser.post(f"{HOOKS}/new", data=form).status_code == 201
        receiver.statuses = [500]
        for status in (500, 200):
            answer = browser.post(f"{HOOKS}/{hook(near).id}/test")
            assert "done=webhook_tested" in answer.headers["location"]
            deliveries.deliver(near.home)
            assert rows(near)[-1].last_status == status
        said = json.loads(receiver.got[0].body)
        assert (said["event"], said["actor"]["name"]) == ("webhook.test", "Admin Person")
        assert (hook(near).health, hook(near).consecutive_failures) == ("ok", 0)
        assert [entry.action for entry in near.entries()] == ["webhook.created"]

    def test_old_deliveries_are_forgotten(self, near: Lumen, receiver: Receiver) -> None:
        """After thirty days; what still waits is not."""
        made(near.signed_in("Admin"), url=receiver.url)
        changed(near)
        deliveries.deliver(near.home)
        near.advance(days=31)
        changed(near)
        deliveries.forget(near.home)
        assert [row.status for row in rows(near)] == ["waiting"]

    def test_the_jobs_deliver(self, near: Lumen, receiver: Receiver) -> None:
        """What waits is sent within seconds, without anybody asking."""
        made(near.signed_in("Admin"), url=receiver.url)
        with Jobs(near.home, JOBS):
            changed(near)
            until = time.monotonic() + 10
            while not receiver.got and time.monotonic() < until:
                time.sleep(0.05)
        assert len(receiver.got) == 1
