"""The campaign guard and the quiet hours: what stops campaigns by itself, why, and because of what."""

from __future__ import annotations

from typing import Any

import pytest

from sendero.service import campaigns, contacts, delivery, guard, running, sender, templates
from sendero.tables import Account, Campaign, Contact, Message, Template, Workspace
from sendero.whatsapp.provider import Outgoing
from sendero.work import resource_of
from tests.campaigning import (
    ADDRESS,
    WHATSAPP,
    Told,
    acting_on,
    campaign,
    changes,
    now,
    paused,
    send,
    started,
    template_becomes,
)
from tests.lumen import Lumen, lumen
from whodid import Actor, Context, Reason, Related

__all__ = ["lumen"]


def scheduled(lumen: Lumen, name: str = "Tomorrow", **more: Any) -> Campaign:
    """Create a campaign for tomorrow."""
    made = campaign(lumen, name=name, schedule_at="2026-11-21T10:31", **more)
    with acting_on(lumen, made) as (work, found):
        campaigns.schedule(work, found)
    lumen.home.relay.drain()
    return made


def account_becomes(lumen: Lumen, fields: dict[str, str], code: int | None = None) -> str:
    """Let WhatsApp change the number, as its webhook does; return the entry's id."""
    with lumen.working() as work, work.acting(actor=WHATSAPP, source="webhook", ip=ADDRESS):
        account = work.get(Account, lumen.account.id)
        before = {name: getattr(account, name) for name in fields}
        for name, value in fields.items():
            setattr(account, name, value)
        work.touch(account)
        action = "account.quality_changed" if "quality_rating" in fields else "account.status_changed"
        cause = work.record(action, resource_of(account), before=before, after=fields)
        guard.account_changed(work, account, cause, code)
    return cause


class TestTemplates:
    """WhatsApp stops a template."""

    def test_paused(self, lumen: Lumen) -> None:
        """Running and scheduled campaigns pause, and their entries point to what WhatsApp said."""
        runs, waits = started(lumen, many=30, rate_per_minute="60"), scheduled(lumen)
        draft = campaign(lumen, name="Draft")
        lumen.home.provider = Told()
        sender.turn(lumen.home)
        cause = template_becomes(lumen, runs, "paused")

        first, second = paused(lumen)
        assert {first.resource.id, second.resource.id} == {runs.id, waits.id}
        assert first.actor == Actor(type="system", id="campaign-guard", name="Campaign guard")
        assert first.reason == Reason(
            code="template_paused", text="Template diwali_offer_2026 was paused by WhatsApp for low quality"
        )
        assert (first.cause, second.cause) == (cause, cause)
        assert (first.kind, first.severity, second.severity) == ("status", "warning", "warning")
        assert first.related == (Related(type="template", id=runs.template_id, name="diwali_offer_2026", rel="cause"),)
        assert first.details == {"sent": 5, "audience": 30, "waiting": 25, "provider_code": 132015}
        told = changes(first)
        assert [change.path for change in first.changes] == ["status", "pause.reason", "pause.resume", "next_batch_at"]
        assert (told["status"].before, told["status"].after) == ("running", "paused")
        assert told["pause.reason"].after == "template_paused"
        assert told["pause.resume"].after == "manual, after approval"
        assert told["next_batch_at"].op == "remove"
        assert changes(second)["status"].before == "scheduled"
        assert "next_batch_at" not in changes(second)
        # It was not done from WhatsApp's address.
        assert first.context == Context(source="job")
        assert now(lumen, draft).status == "draft"

    def test_after_approval_a_person_resumes(self, lumen: Lumen) -> None:
        """Not before; what had not started is scheduled again."""
        runs, waits = started(lumen, many=3), scheduled(lumen)
        template_becomes(lumen, runs, "paused")
        browser = lumen.signed_in("Manager")

        def resume(made: Campaign) -> Any:
            return browser.post(f"/campaigns/{made.id}/resume", data={"version": str(now(lumen, made).version)})

        assert "takes only approved templates" in resume(runs).text
        template_becomes(lumen, runs, "approved")
        assert now(lumen, runs).status == "paused"
        assert resume(runs).status_code == resume(waits).status_code == 303
        assert (now(lumen, runs).status, now(lumen, waits).status) == ("running", "scheduled")
        entry = lumen.entries()[0]
        assert [change.path for change in entry.changes] == ["status", "pause.reason"]

    def test_disabled(self, lumen: Lumen) -> None:
        """For good, and it says so."""
        made = started(lumen, many=3)
        template_becomes(lumen, made, "disabled")
        (entry,) = paused(lumen)
        assert entry.reason == Reason(
            code="template_disabled", text="Template diwali_offer_2026 was disabled by WhatsApp"
        )
        assert entry.details is not None
        assert entry.details["provider_code"] == 132016
        assert changes(entry)["pause.resume"].after == "never: WhatsApp disables a template for good"

    def test_told_twice(self, lumen: Lumen) -> None:
        """A campaign that is paused is not paused again."""
        made = started(lumen, many=3)
        cause = template_becomes(lumen, made, "paused")
        with lumen.working() as work:
            guard.template_changed(work, work.get(Template, made.template_id), cause)
        assert len(paused(lumen)) == 1

    def test_another_template(self, lumen: Lumen) -> None:
        """Campaigns of other templates go on."""
        made = started(lumen, many=3)
        with lumen.working() as work:
            other = work.get(Template, lumen.template.id)
            cause = templates.change_status(work, other, "paused")
            guard.template_changed(work, other, cause)
        assert now(lumen, made).status == "running"

    def test_sent_back_to_review(self, lumen: Lumen) -> None:
        """Somebody edited it: the campaign pauses because of that."""
        made = started(lumen, many=3)
        with lumen.working() as work:
            template = work.get(Template, made.template_id)
            template.status = "pending"
            guard.template_changed(work, template, "01930000-0000-7000-8000-000000000009")
        (entry,) = paused(lumen)
        assert entry.reason == Reason(code="template_in_review", text="Template diwali_offer_2026 is not approved")
        assert entry.cause == "01930000-0000-7000-8000-000000000009"
        assert entry.details == {"sent": 0, "audience": 3, "waiting": 3}

    def test_edited_while_it_runs(self, lumen: Lumen) -> None:
        """A template in review is not sent."""
        made = started(lumen, many=3)
        lumen.home.provider = provider = Told()
        with lumen.working() as work:
            work.get(Template, made.template_id).status = "pending"
        send(lumen)
        assert provider.sent == []
        (entry,) = paused(lumen)
        assert entry.reason == Reason(code="template_in_review", text="Template diwali_offer_2026 is not approved")

    def test_deleted_while_it_runs(self, lumen: Lumen) -> None:
        """Nothing can be sent any more: it failed."""
        made = started(lumen, many=3)
        lumen.home.provider = Told()
        with lumen.working() as work:
            work.get(Template, made.template_id).deleted_at = lumen.now
        send(lumen)
        entry = lumen.entry()
        assert (entry.action, entry.reason) == (
            "campaign.failed",
            Reason(code="template_deleted", text="Template diwali_offer_2026 was deleted"),
        )
        assert (now(lumen, made).status, now(lumen, made).queued) == ("failed", 0)


class TestNumbers:
    """WhatsApp stops a number, or the number gets a bad name."""

    @pytest.mark.parametrize(
        ("fields", "code", "text"),
        [
            ({"status": "restricted"}, "account_restricted", "WhatsApp restricted the account Casa Lumen Shop"),
            ({"status": "banned"}, "account_restricted", "WhatsApp banned the account Casa Lumen Shop"),
            (
                {"status": "disconnected"},
                "account_disconnected",
                "The account Casa Lumen Shop lost its connection to WhatsApp",
            ),
            ({"quality_rating": "red"}, "quality_red", "The quality of Casa Lumen Shop turned red"),
        ],
    )
    def test_stopped(self, lumen: Lumen, fields: dict[str, str], code: str, text: str) -> None:
        """Every campaign of the number, with the entry that told of it."""
        made, other = started(lumen, many=3), scheduled(lumen)
        cause = account_becomes(lumen, fields, 131031)
        entries = paused(lumen)
        assert {entry.resource.id for entry in entries} == {made.id, other.id}
        for entry in entries:
            assert entry.reason == Reason(code=code, text=text)
            assert (entry.cause, entry.severity) == (cause, "warning")
            assert entry.related[0].rel == "cause"
            assert entry.details is not None
            assert entry.details["provider_code"] == 131031

    @pytest.mark.parametrize("fields", [{"status": "flagged"}, {"quality_rating": "yellow"}, {"status": "connected"}])
    def test_not_that_bad(self, lumen: Lumen, fields: dict[str, str]) -> None:
        """It goes on."""
        made = started(lumen, many=3)
        account_becomes(lumen, fields)
        assert now(lumen, made).status == "running"


class TestAnswers:
    """What WhatsApp answers to a message."""

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            (132015, "template_paused"),
            (132016, "template_disabled"),
            (131031, "account_restricted"),
            (368, "account_restricted"),
            (131042, "payment_problem"),
            (131048, "spam_rate_limit"),
            (190, "account_disconnected"),
        ],
    )
    def test_stops_all_that_it_concerns(self, lumen: Lumen, code: int, reason: str) -> None:
        """The message is kept for later, and what else would be refused pauses because of the first."""
        made, other = started(lumen, many=5), scheduled(lumen)
        lumen.home.provider = provider = Told()
        provider.refuse(code, at=range(3, 1000))
        send(lumen)

        first, second = paused(lumen)
        assert (first.resource.id, second.resource.id) == (made.id, other.id)
        assert first.reason is not None
        assert second.reason is not None
        assert (first.reason.code, second.reason.code) == (reason, reason)
        assert (first.cause, second.cause) == (None, first.id)
        assert first.details == {"sent": 2, "audience": 5, "waiting": 3, "provider_code": code}
        assert len(provider.sent) == 2
        assert now(lumen, made).queued == 3

    @pytest.mark.parametrize("code", [132015, 132016, 131031, 131048])
    def test_the_notice_comes_a_moment_later(self, lumen: Lumen, code: int) -> None:
        """The sender waits for it, so that the pause has its cause."""
        made = started(lumen, many=5)
        lumen.home.provider = provider = Told()
        provider.refuse(code)
        sender.turn(lumen.home)
        assert paused(lumen) == []
        assert now(lumen, made).queued == 5
        if code in (131031, 131048):
            cause = account_becomes(lumen, {"status": "restricted"})
        else:
            cause = template_becomes(lumen, made, "paused" if code == 132015 else "disabled")
        send(lumen)
        (entry,) = paused(lumen)
        assert entry.cause == cause

    def test_after_it_is_settled_all_get_it(self, lumen: Lumen) -> None:
        """Nobody is lost by a pause, and nobody gets two."""
        made = started(lumen, many=5)
        lumen.home.provider = provider = Told()
        provider.refuse(131048, at=(3, 4))
        send(lumen)
        with acting_on(lumen, made) as (work, found):
            running.resume(work, found)
        send(lumen)
        assert now(lumen, made).status == "completed"
        assert len({message.to for message in provider.sent}) == len(provider.sent) == 5


class TestThresholds:
    """What the guard counts itself."""

    def test_too_many_failures(self, lumen: Lumen) -> None:
        """More than fifteen of a hundred; resumed, it begins to count anew."""
        made = started(lumen, many=300, rate_per_minute="6000")
        lumen.home.provider = provider = Told()
        provider.refuse(131026, at=range(1, 1000, 6))
        send(lumen)
        (entry,) = paused(lumen)
        assert entry.reason == Reason(code="failure_rate", text="17 of the last 100 messages failed")
        assert now(lumen, made).queued == 200
        assert entry.severity == "warning"
        with acting_on(lumen, made) as (work, found):
            running.resume(work, found)
        provider.answers = lambda _: None
        send(lumen)
        assert now(lumen, made).status == "completed"

    def test_who_is_spared_is_no_failure(self, lumen: Lumen) -> None:
        """WhatsApp says later that many of them want no marketing: that is no reason to stop."""
        made = started(lumen, many=240, rate_per_minute="6000")

        def told(message: Outgoing) -> None:
            with lumen.working() as work:
                delivery.noted(work, message.reference, "failed", 131050, lumen.now)

        lumen.home.provider = Told(told)
        send(lumen)
        assert (now(lumen, made).status, now(lumen, made).failed) == ("completed", 240)

    def test_some_failures_are_usual(self, lumen: Lumen) -> None:
        """Fifteen of a hundred are no reason to stop."""
        made = started(lumen, many=240, rate_per_minute="6000")
        lumen.home.provider = provider = Told()
        provider.refuse(131026, at=range(1, 1000, 7))
        send(lumen)
        assert now(lumen, made).status == "completed"

    def test_only_the_last_five_hundred_count(self, lumen: Lumen) -> None:
        """Bad luck long ago is forgotten."""
        made = started(lumen, many=1)
        with acting_on(lumen, made) as (work, found):
            message = work.session.query(Message).filter_by(campaign_id=made.id).one()
            common = {column.name: getattr(message, column.name) for column in Message.__table__.columns}
            contact = work.session.query(Contact).filter_by(id=message.contact_id).one()
            row = {column.name: getattr(contact, column.name) for column in Contact.__table__.columns}
            people, rows = [], []
            for n in range(700):
                people.append(row | {"id": f"con_{n}"})
                status = "failed" if n < 200 else "sent"
                at = lumen._clock()
                rows.append(common | {"id": f"msg_{n}", "contact_id": f"con_{n}", "status": status, "tried_at": at})
            work.session.execute(Contact.__table__.insert(), people)  # type: ignore[attr-defined]
            work.session.execute(Message.__table__.insert(), rows)  # type: ignore[attr-defined]
            assert guard.check(work, found)

    def test_the_messaging_limit(self, lumen: Lumen) -> None:
        """Of the workspace, over all campaigns, in any 24 hours; who got a message already does not count again."""
        with lumen.working() as work:
            work.session.query(Workspace).one().portfolio_limit = "8"
        first = started(lumen, many=5)
        lumen.home.provider = provider = Told()
        send(lumen)
        assert now(lumen, first).status == "completed"
        second = started(lumen, many=0, name="Second")
        send(lumen)
        assert now(lumen, second).status == "completed"
        with lumen.working() as work:
            for n in range(5):
                contacts.create(
                    work,
                    {
                        "name": f"New {n}",
                        "phone_e164": f"+3461{n}",
                        "city": "Madrid",
                        "consent": {"marketing": "opted_in", "source": "form", "evidence": "x"},
                    },
                )
        third = started(lumen, many=0, name="Third")
        provider.sent.clear()
        send(lumen)
        (entry,) = paused(lumen)
        assert entry.resource.id == third.id
        assert entry.reason == Reason(
            code="portfolio_limit", text="8 people got messages within 24 hours, which is the limit of the workspace"
        )
        assert entry.severity == "warning"
        numbers = {message.to for message in provider.sent}
        assert len([number for number in numbers if number.startswith("+3461")]) == 3
        lumen.advance(hours=25)
        with acting_on(lumen, third) as (work, found):
            running.resume(work, found)
        send(lumen)
        assert now(lumen, third).status == "completed"
