"""Campaigns over HTTP: every act on record, with its reason; what is refused; why one stopped is on its page."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from sendero.service import guard, templates
from sendero.tables import Campaign, Message, Template
from tests.campaigning import WHATSAPP, Told, campaign, changes, madrid, now, offer, people, send, started
from tests.lumen import Lumen, lumen
from whodid import Reason, Related

__all__ = ["lumen"]

WHY = "Wrong audience: it included people who had opted out"


def post(browser: TestClient, made: Campaign, act: str, lumen: Lumen, **data: Any) -> Any:
    """Send the form of an act."""
    return browser.post(f"/campaigns/{made.id}/{act}", data={"version": str(now(lumen, made).version), **data})


def form(lumen: Lumen, **more: Any) -> dict[str, Any]:
    """Return what the form of a campaign sends."""
    return {
        "name": "Diwali early access",
        "template_id": offer(lumen).id,
        "segment_id": madrid(lumen).id,
        "variables": "{first_name}\nlámparas",
        "schedule_at": "2026-11-21T10:31",
        "window": "",
        "rate_per_minute": "600",
        **more,
    }


class TestActs:
    """What people do."""

    def test_created(self, lumen: Lumen) -> None:
        """A draft with its template, segment, pace and plan; how many people it would reach."""
        with lumen.working() as work:
            people(work, 3)
        values = form(lumen)
        answer = lumen.signed_in("Manager").post("/campaigns/new", data=values)

        made: Campaign = lumen.row(Campaign)
        assert answer.headers["location"].startswith(f"/campaigns/{made.id}?done=campaign_created")
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.actor) == ("campaign.created", "create", lumen.actor("Manager"))
        assert (entry.resource.id, entry.resource.name) == (made.id, "Diwali early access")
        told = changes(entry)
        assert told["template_id"].after == values["template_id"]
        assert told["segment_id"].after == values["segment_id"]
        assert told["schedule_at"].after == "2026-11-21T09:31:00Z"  # Madrid is an hour ahead
        assert told["rate_per_minute"].after == 600
        assert {one.op for one in entry.changes} == {"add"}
        assert entry.details == {"audience": 3, "rule": "consent.marketing = opted_in and city = Madrid"}
        template = lumen.row(Template, name="diwali_offer_2026")
        assert entry.related == (Related(type="template", id=template.id, name=template.name, rel="template"),)
        assert made.status == "draft"

    def test_updated(self, lumen: Lumen) -> None:
        """Only what changed."""
        made = campaign(lumen)
        browser = lumen.signed_in("Manager")
        answer = post(browser, made, "edit", lumen, **form(lumen, rate_per_minute="300", schedule_at=""))

        assert answer.status_code == 303, answer.text
        entry = lumen.entry()
        assert (entry.action, entry.kind) == ("campaign.updated", "update")
        (change,) = entry.changes
        assert (change.path, change.before, change.after) == ("rate_per_minute", 600, 300)

    def test_nothing_changed_nothing_recorded(self, lumen: Lumen) -> None:
        """The same form again is no change."""
        made = campaign(lumen)
        answer = post(lumen.signed_in("Manager"), made, "edit", lumen, **form(lumen, schedule_at=""))
        assert "done=unchanged" in answer.headers["location"]
        assert lumen.entries() == []

    def test_scheduled_and_back(self, lumen: Lumen) -> None:
        """Both are changes of its status; the time stays."""
        made = campaign(lumen)
        browser = lumen.signed_in("Manager")
        post(browser, made, "schedule", lumen, schedule_at="2026-11-20T18:00")
        assert now(lumen, made).status == "scheduled"
        assert "It starts on 20 Nov 2026, 18:00." in browser.get(f"/campaigns/{made.id}").text
        post(browser, made, "unschedule", lumen)

        back, there = lumen.entries()
        assert there.action == back.action == "campaign.updated"
        assert (changes(there)["status"].before, changes(there)["status"].after) == ("draft", "scheduled")
        assert changes(there)["schedule_at"].after == "2026-11-20T17:00:00Z"
        assert [change.path for change in back.changes] == ["status"]
        assert now(lumen, made).status == "draft"

    def test_started(self, lumen: Lumen) -> None:
        """Who gets it is frozen: how many, by which rule, and a digest of who; those without consent are counted."""
        with lumen.working() as work:
            people(work, 2, consent={"marketing": "opted_out", "source": "form"})
            people(work, 1, phone_e164=None)
        made = campaign(lumen, many=4, name="Everybody", segment_id=madrid(lumen).id)
        with lumen.working() as work:
            everybody = work.get(Campaign, made.id)
            everybody.segment.filter = {"city": ["Madrid"]}
        answer = post(lumen.signed_in("Manager"), made, "start", lumen)

        assert answer.status_code == 303, answer.text
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.severity) == ("campaign.started", "status", "notice")
        told = changes(entry)
        assert (told["status"].before, told["status"].after) == ("draft", "running")
        assert told["started_at"].op == "add"
        assert told["template_version"].after == lumen.row(Template, name="diwali_offer_2026").version
        assert [change.path for change in entry.changes] == ["status", "started_at", "template_version"]
        with lumen.home.session() as session:
            ids = sorted(message.contact_id for message in session.query(Message).filter_by(campaign_id=made.id))
        assert entry.details == {
            "audience": 4,
            "rule": "city = Madrid",
            "audience_sha256": hashlib.sha256("\n".join(ids).encode()).hexdigest(),
            "skipped_optout": 2,
            "skipped_unreachable": 1,
        }
        assert entry.related[0].rel == "template"
        assert (now(lumen, made).audience, now(lumen, made).left_out) == (4, 3)

    def test_paused(self, lumen: Lumen) -> None:
        """By a person: manual, and why in their words."""
        made = started(lumen, many=5)
        browser = lumen.signed_in("Manager")
        answer = post(browser, made, "pause", lumen, reason="manual", note="A typo in the offer")

        assert answer.status_code == 303, answer.text
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.severity) == ("campaign.paused", "status", "notice")
        assert entry.actor == lumen.actor("Manager")
        assert entry.reason == Reason(code="manual", text="A typo in the offer")
        assert [change.path for change in entry.changes] == ["status", "pause.reason", "pause.resume", "next_batch_at"]
        assert changes(entry)["next_batch_at"].op == "remove"
        assert entry.details == {"sent": 0, "audience": 5, "waiting": 5}
        page = browser.get(f"/campaigns/{made.id}").text
        assert "Manager Person paused this campaign on 20 Nov 2026, 14:00" in page
        assert "<q>A typo in the offer</q>" in page
        assert f"entry={entry.id}" in page

    def test_resumed(self, lumen: Lumen) -> None:
        """Who is left to send to."""
        made = started(lumen, many=5)
        browser = lumen.signed_in("Manager")
        post(browser, made, "pause", lumen, reason="manual", note="Wait")
        answer = post(browser, made, "resume", lumen)

        assert answer.status_code == 303, answer.text
        entry = lumen.entries()[0]
        assert (entry.action, entry.kind, entry.details) == ("campaign.resumed", "status", {"waiting": 5})
        told = changes(entry)
        assert (told["status"].before, told["status"].after) == ("paused", "running")
        assert (told["pause.reason"].op, told["pause.reason"].before) == ("remove", "manual")
        assert told["next_batch_at"].op == "add"
        assert len(told) == 3
        assert "paused this campaign" not in browser.get(f"/campaigns/{made.id}").text

    def test_cancelled(self, lumen: Lumen) -> None:
        """What waits is discarded, and nothing is sent any more."""
        made = started(lumen, many=9)
        lumen.home.provider = provider = Told()
        browser = lumen.signed_in("Manager")
        answer = post(browser, made, "cancel", lumen, reason="manual", note=WHY)

        assert answer.status_code == 303, answer.text
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.severity) == ("campaign.cancelled", "status", "warning")
        assert entry.reason == Reason(code="manual", text=WHY)
        (change,) = entry.changes
        assert (change.path, change.before, change.after) == ("status", "running", "cancelled")
        assert entry.details == {"sent": 0, "audience": 9, "discarded": 9}
        send(lumen)
        assert provider.sent == []
        assert WHY in browser.get(f"/campaigns/{made.id}").text

    def test_completed(self, lumen: Lumen) -> None:
        """By the scheduler, with the final counters."""
        started(lumen, many=5)
        lumen.home.provider = Told()
        send(lumen)

        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.severity) == ("campaign.completed", "status", "info")
        assert (entry.actor.type, entry.actor.id, entry.actor.name) == ("scheduler", "scheduler", "Scheduler")
        assert entry.details == {"sent": 5, "delivered": 0, "read": 0, "failed": 0}
        (change,) = entry.changes
        assert (change.path, change.before, change.after) == ("status", "running", "completed")
        assert entry.context is not None
        assert entry.context.source == "job"

    def test_failed(self, lumen: Lumen) -> None:
        """A payment problem pauses it; refused for the same again after it was resumed, it failed."""
        made = started(lumen, many=5)
        lumen.home.provider = provider = Told()
        provider.refuse(131042)
        send(lumen)
        paused = lumen.entry()
        assert (paused.action, paused.reason) == (
            "campaign.paused",
            Reason(code="payment_problem", text="Payment problem (131042)"),
        )
        post(lumen.signed_in("Manager"), made, "resume", lumen)
        send(lumen)

        entry = lumen.entries()[0]
        assert (entry.action, entry.kind, entry.severity) == ("campaign.failed", "status", "warning")
        assert (entry.actor.type, entry.actor.id, entry.actor.name) == ("system", "campaign-guard", "Campaign guard")
        assert entry.reason == Reason(code="payment_problem", text="Payment problem (131042)")
        assert entry.details == {"sent": 0, "audience": 5, "provider_code": 131042}
        assert (changes(entry)["status"].before, changes(entry)["status"].after) == ("running", "failed")
        assert "This campaign failed on" in lumen.signed_in("Manager").get(f"/campaigns/{made.id}").text

    def test_deleted(self, lumen: Lumen) -> None:
        """Only drafts; with what it was."""
        made = campaign(lumen)
        answer = post(lumen.signed_in("Manager"), made, "delete", lumen)

        assert answer.headers["location"].startswith("/campaigns?done=campaign_deleted")
        entry = lumen.entry()
        assert (entry.action, entry.kind, entry.severity) == ("campaign.deleted", "delete", "notice")
        told = changes(entry)
        assert (told["status"].op, told["status"].before) == ("remove", "draft")
        assert told["template_id"].before == made.template_id
        assert lumen.signed_in("Manager").get(f"/campaigns/{made.id}").status_code == 404


class TestRefusals:
    """What is not done, and what is said instead."""

    @pytest.mark.parametrize("act", ["pause", "cancel"])
    @pytest.mark.parametrize(
        ("data", "told"),
        [
            ({"reason": "manual", "note": "  "}, "Say why in your own words."),
            ({"note": "because"}, "Say why: choose a reason."),
            ({"reason": "template_paused", "note": "me"}, "Say why: choose a reason."),
        ],
    )
    def test_a_stop_needs_its_reason(self, lumen: Lumen, act: str, data: dict[str, str], told: str) -> None:
        """Without one nothing stops and nothing is recorded; nobody takes the reasons of the guard."""
        made = started(lumen, many=1)
        answer = post(lumen.signed_in("Manager"), made, act, lumen, **data)
        assert answer.status_code == 422
        assert told in answer.text
        assert now(lumen, made).status == "running"
        assert lumen.entries() == []

    @pytest.mark.parametrize(
        ("more", "told"),
        [
            ({"name": " "}, "A campaign needs a name"),
            ({"template_id": "tpl_nowhere"}, "Choose one of the list."),
            ({"segment_id": ""}, "Choose one of the list."),
            ({"variables": "only one"}, "The template has 2 variables"),
            ({"variables": "x" * 201 + "\ny"}, "at most 200 characters"),
            ({"schedule_at": "soon"}, "Write a day and a time"),
            ({"schedule_at": "2026-11-20T13:59"}, "This time has passed"),
            ({"window": "morning"}, "Write two times of the day"),
            ({"window": "9-9"}, "Write two times of the day"),
            ({"rate_per_minute": "0"}, "between 1 and 6,000"),
            ({"rate_per_minute": "9" * 4000}, "between 1 and 6,000"),
            ({"rate_per_minute": "²"}, "between 1 and 6,000"),
        ],
    )
    def test_what_cannot_be_taken(self, lumen: Lumen, more: dict[str, str], told: str) -> None:
        """Each fault is told at its field, and what was typed is still there."""
        answer = lumen.signed_in("Manager").post("/campaigns/new", data=form(lumen) | {"window": "10-20"} | more)
        assert answer.status_code == 422
        assert told in answer.text
        assert lumen.entries() == []

    def test_an_old_form_changes_nothing(self, lumen: Lumen) -> None:
        """Two people with the same form: the second is told."""
        made = campaign(lumen, many=1)
        browser = lumen.signed_in("Manager")
        old = {"version": "1"}
        assert browser.post(f"/campaigns/{made.id}/edit", data=old | form(lumen, name="Mine")).status_code == 303
        for act in ("edit", "start", "schedule", "pause", "cancel", "delete"):
            answer = browser.post(f"/campaigns/{made.id}/{act}", data=old | form(lumen, reason="manual", note="x"))
            assert answer.status_code == 409, act
            assert "Somebody else changed this" in answer.text
        assert now(lumen, made).status == "draft"
        assert lumen.entry().action == "campaign.updated"

    def test_a_running_campaign_keeps_its_plan(self, lumen: Lumen) -> None:
        """Its pace can change; the rest of a form is not looked at."""
        made = started(lumen, many=1)
        browser = lumen.signed_in("Manager")
        values = form(lumen, name="Other", variables="x", rate_per_minute="60", window="8-20")
        assert post(browser, made, "edit", lumen, **values).status_code == 303
        assert {change.path for change in lumen.entry().changes} == {"rate_per_minute", "window"}
        found = now(lumen, made)
        assert (found.name, found.rate_per_minute, found.window) == ("Diwali early access", 60, "08:00-20:00")

    def test_nothing_starts_that_whatsapp_would_refuse(self, lumen: Lumen) -> None:
        """A template that is not approved, a number that is not connected, a segment without anybody."""
        made = campaign(lumen)
        browser = lumen.signed_in("Manager")
        assert "Nobody in this segment can get it" in post(browser, made, "start", lumen).text
        with lumen.working() as work:
            people(work, 1)
            found = work.get(Campaign, made.id)
            found.account.status = "disconnected"
        assert "is not connected" in post(browser, made, "start", lumen).text
        with lumen.working() as work:
            found = work.get(Campaign, made.id)
            templates.change_status(work, found.template, "paused")
        answer = post(browser, made, "start", lumen)
        assert answer.status_code == 409
        assert "takes only approved templates" in answer.text
        assert lumen.entries() == []

    def test_who_may_not_is_on_record(self, lumen: Lumen) -> None:
        """Under the name of the act, with the name of the campaign."""
        made = started(lumen, many=1)
        browser = lumen.signed_in("Agent")
        assert post(browser, made, "pause", lumen, reason="manual", note="x").status_code == 403
        entry = lumen.entry()
        assert (entry.action, entry.outcome, entry.resource.name) == ("campaign.paused", "denied", made.name)
        assert entry.details == {"permission": "campaigns:pause"}
        page = browser.get(f"/campaigns/{made.id}").text
        assert "/pause" not in page
        assert "/cancel" not in page


class TestPages:
    """What is seen."""

    def test_why_did_the_campaign_stop(self, lumen: Lumen) -> None:
        """One line says it, with a link to the entry and one to what caused it."""
        made = started(lumen, many=5)
        with lumen.working() as work, work.acting(actor=WHATSAPP, source="webhook"):
            template = work.get(Template, made.template_id)
            cause = templates.change_status(work, template, "paused", reason=Reason(code="low_quality"))
            guard.template_changed(work, template, cause)
        entry = lumen.entries("action:campaign.paused")[0]
        page = lumen.signed_in("Manager").get(f"/campaigns/{made.id}").text
        assert (
            "The campaign guard paused this campaign on 20 Nov 2026, 14:00: "
            "WhatsApp paused the template for low quality." in page
        )
        links = re.findall(r'href="(/settings/audit-logs\?range=all[^"]+)"', page)
        assert any(link.endswith(f"entry={entry.id}") for link in links)
        assert any(link.endswith(f"entry={cause}") for link in links)
        with lumen.signed_in("Agent") as agent:
            assert "audit-logs" not in agent.get(f"/campaigns/{made.id}").text

    def test_in_spanish(self, lumen: Lumen) -> None:
        """The reason too."""
        made = started(lumen, many=1)
        browser = lumen.signed_in("Manager")
        post(browser, made, "pause", lumen, reason="manual", note="Espera")
        page = browser.get(f"/campaigns/{made.id}", headers={"Accept-Language": "es"}).text
        assert "Manager Person pausó esta campaña el 20 nov 2026, 14:00: alguien lo decidió." in page

    def test_progress(self, lumen: Lumen) -> None:
        """What the script asks for says the same as the page, in the reader's language."""
        made = started(lumen, many=12, rate_per_minute="60")
        lumen.home.provider = Told()
        send(lumen, turns=1)
        browser = lumen.signed_in("Agent")
        told = browser.get(f"/campaigns/{made.id}/progress", headers={"Accept-Language": "es"}).json()
        assert (told["value"], told["max"], told["version"]) == (5, 12, now(lumen, made).version)
        assert told["texts"]["sent"] == "5"
        assert told["texts"]["queued"] == "7"
        assert told["texts"]["part"] == "41 % de 12"
        assert told["texts"]["next"] == "60 mensajes por minuto."
        page = browser.get(f"/campaigns/{made.id}").text
        assert f'data-live="/campaigns/{made.id}/progress"' in page
        assert "<style" not in page
        assert not re.search(r"<script>|\son\w+=|\sstyle=", page)

    def test_the_list(self, lumen: Lumen) -> None:
        """Searched by name and status."""
        campaign(lumen, name="Winter clearance")
        started(lumen, many=1, name="Loyalty points")
        browser = lumen.signed_in("Agent")
        both = browser.get("/campaigns").text
        assert "Winter clearance" in both
        assert "Loyalty points" in both
        assert "Winter clearance" not in browser.get("/campaigns?status=running").text
        assert "Loyalty points" not in browser.get("/campaigns?q=winter").text
        assert "No campaign matches" in browser.get("/campaigns?q=nothing").text

    def test_from_an_entry_to_the_thing(self, lumen: Lumen) -> None:
        """The log leads back to a campaign and a segment."""
        browser = lumen.signed_in("Manager")
        assert browser.get("/go/campaign/cmp_1").headers["location"] == "/campaigns/cmp_1"
        assert browser.get("/go/segment/seg_1").headers["location"] == "/segments/seg_1"
