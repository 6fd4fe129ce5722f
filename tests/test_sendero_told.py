"""What follows from what WhatsApp says about templates, numbers, people and messages; each act is WhatsApp's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sendero.service import accounts, contacts, templates
from sendero.tables import Account, Campaign, Contact, Message, Segment, Template, Workspace
from sendero.whatsapp.actor import WHATSAPP
from sendero.work import Work
from tests.lumen import NOW, Lumen, account_values, lumen, row_of, source
from tests.telling import AT, SECRET, message, preference, tell, template
from whodid import Change, Entry, Reason, Resource

__all__ = ["lumen"]

HOUR = 3600


def changes(entry: Entry) -> dict[str, Change]:
    """Return the changes of an entry by their paths."""
    return {change.path: change for change in entry.changes}


class TestTemplates:
    """What WhatsApp says about a template."""

    def test_paused(self, lumen: Lumen) -> None:
        """For the first time, three hours; the entry is WhatsApp's."""
        other = {"title": "FIRST_PAUSE", "description": "Your WhatsApp message template has been paused for 3 hours"}
        tell(lumen, "message_template_status_update", template("PAUSED", other_info=other))

        entry = lumen.entry()
        assert (entry.action, entry.actor, entry.outcome) == ("template.status_changed", WHATSAPP, "success")
        assert entry.resource == Resource(type="template", id=lumen.template.id, name="order_update")
        assert entry.changes == (
            Change(path="status", before="approved", after="paused"),
            Change(path="paused_until", op="add", after="2026-11-20T16:00:00Z"),
        )
        assert (entry.reason, entry.severity) == (Reason(code="low_quality", text="First pause, 3 hours"), "warning")
        assert source(entry) == "webhook"
        row = lumen.row(Template)
        assert (row.pause_count, row.meta_template_id) == (1, "1689556908129832")

    def test_the_whole_way(self, lumen: Lumen) -> None:
        """Paused, approved again, paused for six hours, disabled, and reinstated."""
        ways = [
            ("PAUSED", "FIRST_PAUSE", "paused"),
            ("APPROVED", "UNPAUSE", "approved"),
            ("PAUSED", "SECOND_PAUSE", "paused"),
            ("DISABLED", "DISABLED", "disabled"),
            ("REINSTATED", "", "approved"),
            ("ARCHIVED", "", "archived"),
            ("UNARCHIVED", "", "approved"),
            ("IN_APPEAL", "", "pending"),
        ]
        for at, (event, title, status) in enumerate(ways):
            more = {"other_info": {"title": title, "description": "x"}} if title else {}
            tell(lumen, "message_template_status_update", template(event, **more), at=AT + at * HOUR)
            row = lumen.row(Template)
            assert row.status == status, event
            if title == "SECOND_PAUSE":
                assert row.paused_until == NOW.replace(microsecond=0) + timedelta(hours=at + 6)
        assert lumen.row(Template).pause_count == 2
        assert len(lumen.entries("action:template.status_changed")) == len(ways)

    def test_rejected(self, lumen: Lumen) -> None:
        """With its reason, in the words of the notice."""
        info = {"reason": "A variable stands alone.", "recommendation": "Add words around it."}
        value = template("REJECTED", reason="INVALID_FORMAT", rejection_info=info)
        tell(lumen, "message_template_status_update", value)
        assert lumen.entry().reason == Reason(code="rejected", text="A variable stands alone. Add words around it.")
        assert lumen.row(Template).rejected_reason == "A variable stands alone. Add words around it."
        page = lumen.signed_in("Manager").get(f"/templates/{lumen.template.id}").text
        assert "A variable stands alone." in page

    def test_flagged(self, lumen: Lumen) -> None:
        """It stays approved; the day on which it will be disabled is noted, and goes with the flag."""
        ends = AT + 7 * 24 * HOUR
        value = template("FLAGGED", disable_info={"disable_date": str(ends)})
        tell(lumen, "message_template_status_update", value)

        entry = lumen.entry()
        assert entry.changes == (Change(path="disable_at", op="add", after="2026-11-27T13:00:00Z"),)
        assert (entry.severity, lumen.row(Template).status) == ("warning", "approved")
        tell(lumen, "message_template_status_update", template("PAUSED"), at=AT + HOUR)
        assert lumen.row(Template).disable_at is None

    def test_deleted_over_there(self, lumen: Lumen) -> None:
        """In WhatsApp's manager: its last content is on record here."""
        tell(lumen, "message_template_status_update", template("DELETED"))
        entry = lumen.entry()
        assert (entry.action, entry.actor, entry.details) == ("template.deleted", WHATSAPP, {"languages": ["en"]})
        assert changes(entry)["status"] == Change(path="status", before="approved", after="deleted")
        assert changes(entry)["components.body.text"].op == "remove"

    def test_category_and_quality(self, lumen: Lumen) -> None:
        """Both are WhatsApp's to decide."""
        named = {key: value for key, value in template("").items() if key.startswith("message_template_")}
        value = {**named, "previous_category": "UTILITY", "new_category": "MARKETING"}
        tell(lumen, "template_category_update", value)
        scores = {"previous_quality_score": "UNKNOWN", "new_quality_score": "YELLOW"}
        tell(lumen, "message_template_quality_update", {**named, **scores})

        quality, category = lumen.entries()
        assert (category.action, category.actor, category.kind) == ("template.category_changed", WHATSAPP, "status")
        assert category.changes == (Change(path="category", before="utility", after="marketing"),)
        assert quality.action == "template.status_changed"
        assert quality.changes == (Change(path="quality", before="unknown", after="yellow"),)
        row = lumen.row(Template)
        assert (row.category, row.quality) == ("marketing", "yellow")

    def test_a_draft_that_was_handed_in(self, lumen: Lumen) -> None:
        """We were stopped before we noted it: the notice of its review makes good for that."""
        with lumen.working() as work:
            values = templates.snapshot(work.get(Template, lumen.template.id))
            fields = ("display_name", "language", "category", "components")
            fresh = {"name": "fresh", **{name: values[name] for name in fields}}
            templates.create(work, work.get(Account, lumen.account.id), fresh, submitted=False)
        value = template("APPROVED", message_template_name="fresh", message_template_id=77)
        tell(lumen, "message_template_status_update", value)

        approved, submitted = lumen.entries()
        assert [changes(entry)["status"].after for entry in (submitted, approved)] == ["pending", "approved"]
        assert {submitted.actor, approved.actor} == {WHATSAPP}
        assert lumen.row(Template, name="fresh").meta_template_id == "77"


class TestAccounts:
    """What WhatsApp says about a number."""

    @pytest.mark.parametrize(
        ("value", "status", "reason"),
        [
            (
                {
                    "event": "ACCOUNT_RESTRICTION",
                    "restriction_info": [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1}],
                },
                "restricted",
                Reason(code="account_restricted", text="RESTRICTED_BIZ_INITIATED_MESSAGING"),
            ),
            (
                {
                    "event": "DISABLED_UPDATE",
                    "ban_info": {"waba_ban_state": "DISABLE", "waba_ban_date": "November 20, 2026"},
                    "violation_info": {"violation_type": "ADULT"},
                },
                "banned",
                Reason(text="ADULT"),
            ),
            ({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": ["SCHEDULE_FOR_DISABLE"]}}, "flagged", None),
            (
                {"event": "PARTNER_REMOVED", "waba_info": {"waba_id": "1001"}},
                "disconnected",
                Reason(code="account_disconnected"),
            ),
        ],
    )
    def test_status(self, lumen: Lumen, value: dict[str, Any], status: str, reason: Reason | None) -> None:
        """Each of them is an entry of WhatsApp's."""
        # The entry of a partner names the portfolio, and the account inside.
        waba = "5069143076" if "waba_info" in value else "1001"
        tell(lumen, "account_update", value, waba=waba)
        entry = lumen.entry()
        assert (entry.action, entry.actor) == ("account.status_changed", WHATSAPP)
        assert entry.resource == Resource(type="account", id=lumen.account.id, name="Casa Lumen Shop")
        assert entry.changes == (Change(path="status", before="connected", after=status),)
        assert (entry.reason, entry.kind, entry.outcome) == (reason, "status", "success")
        assert entry.severity == ("critical" if status == "banned" else "warning")
        assert lumen.row(Account).status == status

    def test_one_number_of_several(self, lumen: Lumen) -> None:
        """A notice with a number is about that one only."""
        with lumen.working() as work:
            more = {"phone_number_id": "3", "display_phone_number": "+34 910 555 020", "is_default_in": False}
            accounts.create(work, account_values() | {"name": "Support"} | more)
        tell(lumen, "account_update", {"event": "PARTNER_REMOVED", "phone_number": "34910555020"})
        assert lumen.row(Account, name="Support").status == "disconnected"
        assert lumen.row(Account, name="Casa Lumen Shop").status == "connected"

    def test_red_and_back(self, lumen: Lumen) -> None:
        """Flagged means low quality; better quality connects it again."""
        number = {"display_phone_number": "34910555014"}
        tell(lumen, "phone_number_quality_update", {**number, "event": "FLAGGED"})
        status, quality = lumen.entries()
        assert (quality.action, quality.severity) == ("account.quality_changed", "warning")
        assert quality.changes == (Change(path="quality_rating", before="green", after="red"),)
        assert quality.reason == Reason(code="low_quality")
        assert status.changes == (Change(path="status", before="connected", after="flagged"),)

        tell(lumen, "phone_number_quality_update", {**number, "event": "UNFLAGGED", "quality_rating": "YELLOW"})
        back, yellow, *_ = lumen.entries()
        assert yellow.changes == (Change(path="quality_rating", before="red", after="yellow"),)
        assert (back.severity, back.changes) == (
            "notice",
            (Change(path="status", before="flagged", after="connected"),),
        )

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            (
                "phone_number_quality_update",
                {"event": "UPGRADE", "max_daily_conversations_per_business": "TIER_10K", "current_limit": "TIER_250"},
            ),
            ("phone_number_quality_update", {"event": "UPGRADE", "old_limit": "TIER_1K", "current_limit": "TIER_10K"}),
            ("business_capability_update", {"max_daily_conversations_per_business": 10000}),
        ],
    )
    def test_the_limit_is_the_workspaces(self, lumen: Lumen, field: str, value: dict[str, Any]) -> None:
        """Of all numbers together, in numbers."""
        tell(lumen, field, {"display_phone_number": "34910555014", **value})
        entry = lumen.entry()
        assert (entry.action, entry.actor, entry.kind) == ("workspace.limit_changed", WHATSAPP, "status")
        assert entry.resource == Resource(type="workspace", id=lumen.workspace, name="Casa Lumen")
        assert entry.changes == (Change(path="portfolio_limit", before=1000, after=10000),)
        assert lumen.row(Workspace).portfolio_limit == "10000"

    def test_no_limit(self, lumen: Lumen) -> None:
        """Is written in words."""
        value = {"max_daily_conversations_per_business": "TIER_UNLIMITED"}
        tell(lumen, "business_capability_update", value)
        assert lumen.entry().changes == (Change(path="portfolio_limit", before=1000, after="unlimited"),)

    def test_throughput(self, lumen: Lumen) -> None:
        """A higher throughput is not a higher limit, whatever it is called."""
        value = {
            "display_phone_number": "34910555014",
            "event": "THROUGHPUT_UPGRADE",
            "current_limit": "TIER_UNLIMITED",
        }
        tell(lumen, "phone_number_quality_update", value)
        entry = lumen.entry()
        assert (entry.action, entry.actor) == ("account.updated", WHATSAPP)
        assert entry.changes == (Change(path="throughput_level", before="standard", after="high"),)


class TestPeople:
    """Who writes, and who wants no marketing messages."""

    def test_a_new_person(self, lumen: Lumen) -> None:
        """Becomes a contact of the number that they wrote to."""
        tell(lumen, "messages", message("34699000111", name="Eva Ruiz", user_id="ES.1349", username="eva"))
        entry = lumen.entry()
        assert (entry.action, entry.actor, entry.resource.name) == ("contact.created", WHATSAPP, "Eva Ruiz")
        told = changes(entry)
        assert (told["phone_e164"].after, told["bsuid"].after, told["username"].after) == (
            "+34699000111", "ES.1349", "eva",
        )  # fmt: skip
        assert {told[name].class_ for name in ("name", "phone_e164", "bsuid", "username")} == {"personal"}
        assert told["source"].after == "inbound"
        row = lumen.row(Contact, name="Eva Ruiz")
        assert (row.account_id, row.lifecycle) == (lumen.account.id, "lead")

    def test_somebody_who_hides_their_number(self, lumen: Lumen) -> None:
        """Is known by an id, written again is nobody new, and never named by a number."""
        tell(lumen, "messages", message(user_id="ES.1349", username="eva"))
        tell(lumen, "messages", message(user_id="ES.1349", username="eva", key="wamid.B"))
        tell(lumen, "messages", message(user_id="ES.77", key="wamid.C"))
        assert [entry.resource.name for entry in lumen.entries()] == ["WhatsApp contact", "eva"]
        assert lumen.row(Contact, bsuid="ES.1349").phone_e164 is None

    def test_somebody_known_tells_their_id(self, lumen: Lumen) -> None:
        """It is noted beside the number, and a new one takes its place."""
        tell(lumen, "messages", message("34655018342", user_id="ES.1"))
        tell(lumen, "messages", message("34655018342", user_id="ES.2", key="wamid.B"))
        second, first = lumen.entries()
        assert first.resource == Resource(type="contact", id=lumen.juan.id, name="Juan Pérez")
        assert (first.action, first.changes) == (
            "contact.updated",
            (Change(path="bsuid", op="add", after="ES.1", class_="personal"),),
        )
        assert (changes(second)["bsuid"].before, changes(second)["bsuid"].after) == ("ES.1", "ES.2")

    def test_a_number_of_another_country_is_somebody_else(self, lumen: Lumen) -> None:
        """The last nine digits are not enough."""
        tell(lumen, "messages", message("57655018342", name="Otro"))
        assert lumen.entry().action == "contact.created"

    def test_somebody_who_was_merged(self, lumen: Lumen) -> None:
        """Is who they were merged into."""
        with lumen.working() as work:
            gone = contacts.create(work, {"name": "Juan", "phone_e164": "+34600111222", "bsuid": "ES.9"})
            gone.merged_into = lumen.juan.id
        tell(lumen, "user_preferences", preference("stop", "34600111222"))
        assert lumen.entry("action:contact.consent_changed").resource.id == lumen.juan.id

    def test_stopping_and_resuming(self, lumen: Lumen) -> None:
        """The person decides; the log names WhatsApp, and nobody here can lift it."""
        tell(lumen, "user_preferences", preference("stop"))
        entry = lumen.entry()
        assert (entry.action, entry.actor, entry.kind) == ("contact.consent_changed", WHATSAPP, "security")
        assert entry.resource == Resource(type="contact", id=lumen.juan.id, name="Juan Pérez")
        told = changes(entry)
        assert (told["consent.marketing"].before, told["consent.marketing"].after) == ("unknown", "opted_out")
        assert told["consent.source"].after == "whatsapp"
        assert told["consent.evidence"].after == "User requested to stop marketing messages"

        tell(lumen, "user_preferences", preference("stop", at=AT + 5))
        assert len(lumen.entries()) == 1
        tell(lumen, "user_preferences", preference("resume", at=AT + 9))
        row = lumen.row(Contact, id=lumen.juan.id)
        assert (row.consent_marketing, row.consent_source) == ("opted_in", "whatsapp")

    def test_an_unknown_person_stops(self, lumen: Lumen) -> None:
        """They are remembered, so that no later import writes to them."""
        tell(lumen, "user_preferences", preference("stop", "34699000111"))
        consent, created = lumen.entries()
        assert [created.action, consent.action] == ["contact.created", "contact.consent_changed"]
        assert lumen.row(Contact, phone_e164="+34699000111").consent_marketing == "opted_out"


class TestMessages:
    """What became of what we sent."""

    @pytest.fixture
    def sent(self, lumen: Lumen) -> str:
        """Send one message of a campaign."""
        with lumen.working() as work:
            return _send(work, lumen)

    def test_the_way_of_a_message(self, lumen: Lumen, sent: str) -> None:
        """Sent, delivered, read; what comes late changes nothing."""
        for status in ("sent", "read", "delivered"):
            tell(lumen, "messages", {"statuses": [{"id": "wamid.M", "status": status, "timestamp": str(AT + 60)}]})
        assert lumen.row(Message, id=sent).status == "read"

    def test_a_failed_message(self, lumen: Lumen, sent: str) -> None:
        """By our reference, with WhatsApp's code."""
        failed = {
            "id": "wamid.unheard",
            "status": "failed",
            "timestamp": str(AT),
            "errors": [{"code": 131026, "title": "Message undeliverable"}],
            "biz_opaque_callback_data": sent,
        }
        tell(lumen, "messages", {"statuses": [failed]})
        row = lumen.row(Message, id=sent)
        assert (row.status, row.error_code) == ("failed", 131026)


def _send(work: Work, place: Lumen) -> str:
    mine = {"workspace_id": place.workspace}
    work.add(row_of(Segment, id="seg_1", **mine))
    on = {"account_id": place.account.id, "template_id": place.template.id, "segment_id": "seg_1"}
    work.add(row_of(Campaign, id="cmp_1", name="Diwali", status="running", **on, **mine))
    to = {"campaign_id": "cmp_1", "contact_id": place.juan.id, "account_id": place.account.id}
    work.add(row_of(Message, id="msg_1", status="sending", provider_id="wamid.M", **to))
    return "msg_1"


def test_no_secret_and_no_message_is_stored(lumen: Lumen) -> None:
    """What people write passes through; what signs it is sealed."""
    value = message("34699000111", name="Eva")
    value["messages"][0]["text"]["body"] = "a private word"
    tell(lumen, "messages", value)
    stored = b"".join(file.read_bytes() for file in lumen.home.settings.data.iterdir())
    assert b"a private word" not in stored
    assert SECRET.encode() not in stored
