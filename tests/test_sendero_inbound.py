"""What WhatsApp tells: only what it signed counts, each notice acts once, and the log names WhatsApp."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from sendero.service import accounts, delivery
from sendero.tables import Account, Notification, Template
from sendero.whatsapp import inbound
from tests.lumen import Lumen, account_values, lumen
from tests.telling import AT, message, notice, preference, signed, tell, template
from whodid import Resource

__all__ = ["lumen"]

HOOK = "/webhooks/whatsapp"
HOUR = 3600


def stranger(place: Lumen, ip: str = "203.0.113.9") -> TestClient:
    """Return somebody who calls from an address."""
    return TestClient(place.app, client=(ip, 40000))


class TestGreeting:
    """The address is verified by the token that was entered at Meta."""

    def test_the_right_token(self, lumen: Lumen) -> None:
        """The challenge is sent back as it came."""
        query = {
            "hub.mode": "subscribe",
            "hub.verify_token": account_values()["webhook_verify_token"],
            "hub.challenge": "1158201444",
        }
        answer = stranger(lumen).get(HOOK, params=query)
        assert (answer.status_code, answer.text) == (200, "1158201444")
        assert answer.headers["content-type"].startswith("text/plain")
        assert lumen.entries() == []

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"},
            {"hub.mode": "subscribe", "hub.verify_token": "the-verify-token-of-the-test", "hub.challenge": "1"},
            {"hub.mode": "other", "hub.verify_token": "the-verify-token-of-the-tests", "hub.challenge": "1"},
            {"hub.mode": "subscribe", "hub.verify_token": "ñ", "hub.challenge": "1"},
        ],
    )
    def test_a_wrong_one(self, lumen: Lumen, query: dict[str, str]) -> None:
        """Nothing is sent back, and the attempt is on record."""
        answer = stranger(lumen).get(HOOK, params=query)
        assert answer.status_code == 403
        assert answer.text != "1"
        assert (lumen.entry().details or {})["cause"] == "verify_token"

    def test_a_deleted_account_has_none(self, lumen: Lumen) -> None:
        """Its token was destroyed; an empty one is no token."""
        with lumen.working() as work:
            accounts.delete(work, work.get(Account, lumen.account.id))
        for token in ("", account_values()["webhook_verify_token"]):
            query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1"}
            assert stranger(lumen).get(HOOK, params=query).status_code == 403


class TestForged:
    """What WhatsApp did not sign changes nothing."""

    @pytest.mark.parametrize(
        "given",
        [
            None,
            "",
            "sha256=",
            "sha256=" + "0" * 64,
            "sha1=" + "0" * 40,
            "SHA256=" + "0" * 64,
            "sha256=ñ",
            signed(b"another body")["X-Hub-Signature-256"],
        ],
    )
    def test_a_wrong_signature(self, lumen: Lumen, given: str | None) -> None:
        """It is refused and recorded as denied, by nobody who is known, from their address."""
        body = json.dumps(notice("message_template_status_update", template("PAUSED"))).encode()
        headers = {} if given is None else {b"X-Hub-Signature-256": given.encode()}

        answer = stranger(lumen).post(HOOK, content=body, headers=headers)

        assert answer.status_code == 401
        assert lumen.row(Template).status == "approved"
        entry = lumen.entry()
        assert (entry.action, entry.outcome, entry.severity) == ("account.notice_refused", "denied", "warning")
        assert (entry.actor.type, entry.actor.name) == ("anonymous", None)
        assert entry.resource == Resource(type="workspace", id=lumen.workspace, name="Casa Lumen")
        assert entry.context is not None
        assert (entry.context.source, entry.context.ip) == ("webhook", "203.0.113.9")
        assert entry.details == {"cause": "signature" if given else "no_signature"}

    def test_a_secret_of_somebody_else(self, lumen: Lumen) -> None:
        """Nor what another application signed."""
        body = json.dumps(notice("message_template_status_update", template("PAUSED"))).encode()
        headers = signed(body, "the-app-secret-of-somebody")
        assert stranger(lumen).post(HOOK, content=body, headers=headers).status_code == 401
        assert lumen.row(Template).status == "approved"

    def test_one_byte_more(self, lumen: Lumen) -> None:
        """The signature is that of the bytes, not of what they mean."""
        body = json.dumps(notice("message_template_status_update", template("PAUSED"))).encode()
        assert stranger(lumen).post(HOOK, content=body + b" ", headers=signed(body)).status_code == 401

    def test_an_account_speaks_for_itself_only(self, lumen: Lumen) -> None:
        """What the application of one account signed says nothing about another account."""
        with lumen.working() as work:
            other = account_values() | {"name": "Other", "waba_id": "9", "phone_number_id": "9", "is_default_in": False}
            accounts.create(work, other | {"app_secret": "the-secret-of-the-other-one"})
        body = json.dumps(notice("message_template_status_update", template("PAUSED"))).encode()
        headers = signed(body, "the-secret-of-the-other-one")

        assert stranger(lumen).post(HOOK, content=body, headers=headers).status_code == 200
        assert lumen.row(Template).status == "approved"
        assert lumen.entries() == []

    def test_nobody_fills_the_log(self, lumen: Lumen) -> None:
        """One entry a minute and address; a network of IPv6 is one address."""
        for _ in range(5):
            stranger(lumen).post(HOOK, content=b"x")
        for part in range(5):
            stranger(lumen, f"2001:db8:1:2::{part}").post(HOOK, content=b"x")
        assert len(lumen.entries()) == 2
        lumen.advance(minutes=1)
        stranger(lumen).post(HOOK, content=b"x")
        assert len(lumen.entries()) == 3

    def test_a_deleted_account_is_no_forgery(self, lumen: Lumen) -> None:
        """WhatsApp goes on telling; nothing is recorded, and nothing changes."""
        with lumen.working() as work:
            accounts.delete(work, work.get(Account, lumen.account.id))
        tell(lumen, "message_template_status_update", template("PAUSED"))
        assert lumen.entries() == []
        assert lumen.row(Template).status == "approved"


class TestBodies:
    """What is signed and cannot be read."""

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b'"x"', b'{"object": 1}', b'{"object": "x"}', b"\xff\xfe", b"null"]
    )
    def test_no_notice(self, lumen: Lumen, body: bytes) -> None:
        """Is refused as such."""
        assert stranger(lumen).post(HOOK, content=body, headers=signed(body)).status_code == 400
        assert lumen.entries() == []

    def test_too_much(self, lumen: Lumen) -> None:
        """Is not read to its end."""
        body = b" " * (3 * 2**20 + 1)
        assert stranger(lumen).post(HOOK, content=body, headers=signed(body)).status_code == 413

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("flows", {"event": "FLOW_STATUS_CHANGE"}),
            ("message_template_status_update", template("PENDING_DELETION")),
            ("message_template_status_update", template("LIMIT_EXCEEDED")),
            ("message_template_status_update", template("APPROVED")),
            (
                "message_template_status_update",
                template("PAUSED", message_template_name="x", message_template_id=1),
            ),
            ("template_category_update", template("") | {"correct_category": "MARKETING"}),
            ("message_template_quality_update", template("") | {"new_quality_score": "PURPLE"}),
            ("account_update", {"event": "VERIFIED_ACCOUNT", "phone_number": "34910555014"}),
            ("phone_number_quality_update", {"display_phone_number": "1", "event": "FLAGGED"}),
            ("phone_number_quality_update", {"display_phone_number": "34910555014", "event": "ONBOARDING"}),
            ("phone_number_quality_update", {"display_phone_number": "34910555014", "current_limit": "TIER_NOT_SET"}),
            ("user_preferences", preference("later")),
            ("messages", {"statuses": [{"id": "wamid.?", "status": "read", "timestamp": "1"}]}),
            ("messages", {"statuses": [{"id": "wamid.?", "status": "deleted", "timestamp": "1"}]}),
        ],
    )
    def test_what_means_nothing_here(self, lumen: Lumen, field: str, value: Any) -> None:
        """Is taken and lets everything be; so is what is the case already."""
        tell(lumen, field, value)
        assert lumen.entries() == []

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("message_template_status_update", []),
            ("message_template_status_update", {"event": 7}),
            ("messages", {"messages": [{"from": "34655018342"}]}),
            ("user_preferences", {"user_preferences": "stop"}),
        ],
    )
    def test_another_shape(self, lumen: Lumen, field: str, value: Any, caplog: pytest.LogCaptureFixture) -> None:
        """Telling it again would not help: it is let go, and the operator's log has no value of it."""
        tell(lumen, field, value)
        assert "not as documented" in caplog.text
        assert "34655018342" not in caplog.text
        assert lumen.entries() == []


class TestOnce:
    """However often it is told."""

    def test_repeated(self, lumen: Lumen) -> None:
        """The same notice acts once; the same event at another time is another notice."""
        for _ in range(3):
            tell(lumen, "message_template_status_update", template("PAUSED"))
        assert len(lumen.entries()) == 1
        tell(lumen, "message_template_status_update", template("APPROVED"), at=AT + HOUR)
        tell(lumen, "message_template_status_update", template("PAUSED"), at=AT + 2 * HOUR)
        assert [entry.action for entry in lumen.entries()] == ["template.status_changed"] * 3

    def test_at_the_same_time(self, lumen: Lumen) -> None:
        """Told by two requests at once, one of them acts; the other one is asked to come again, or finds it done."""
        body = json.dumps(notice("messages", message("34699000111", name="Eva"))).encode()
        barrier, answers = threading.Barrier(4), []

        def tell_it() -> None:
            browser = stranger(lumen)
            barrier.wait()
            answers.append(browser.post(HOOK, content=body, headers=signed(body)).status_code)

        threads = [threading.Thread(target=tell_it) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert 200 in answers
        assert set(answers) <= {200, 500, 503}
        assert len(lumen.entries("action:contact.created")) == 1

    def test_a_fault_of_ours_loses_nothing(self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
        """One notice fails, the other one is done; told again, the first is done as well and the second not twice."""
        value = message("34699000111", name="Eva")
        value["statuses"] = [{"id": "wamid.1", "status": "read", "timestamp": str(AT)}]

        def broken(*_: object) -> None:
            raise RuntimeError("a fault of ours")

        with monkeypatch.context() as patch:
            patch.setattr(delivery, "noted", broken)
            tell(lumen, "messages", value, expect=500)
        assert [entry.action for entry in lumen.entries()] == ["contact.created"]
        with lumen.home.session() as session:
            assert session.execute(sa.select(sa.func.count()).select_from(Notification)).scalar() == 1

        tell(lumen, "messages", value)
        assert len(lumen.entries()) == 1
        with lumen.home.session() as session:
            assert session.execute(sa.select(sa.func.count()).select_from(Notification)).scalar() == 2

    def test_old_notices_are_forgotten(self, lumen: Lumen) -> None:
        """After WhatsApp has stopped telling them."""
        tell(lumen, "message_template_status_update", template("PAUSED"))
        lumen.advance(days=7)
        inbound.forget(lumen.home)
        assert lumen.row(Notification) is not None
        lumen.advance(days=2)
        inbound.forget(lumen.home)
        with lumen.home.session() as session:
            assert session.query(Notification).count() == 0
