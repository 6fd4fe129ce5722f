"""Deliveries to a real receiver that checks, hangs, fails, leads elsewhere and goes away."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sendero import egress
from sendero.jobs import JOBS, Jobs
from sendero.service import deliveries
from tests.lumen import Lumen, lumen, quick_passwords
from tests.receiving import Receiver, certified, receiving, silent
from tests.test_sendero_webhooks import FORM, HOOKS, TOKEN, changed, hook, made, rows
from whodid import Actor, Change, Reason

__all__ = ["lumen"]

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
