"""The sender: each person at most once, whatever crashes, and only while the campaign runs and the person agrees."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import pytest

from sendero.jobs import Jobs
from sendero.service import campaigns, contacts, delivery, running, scheduler, sender
from sendero.tables import Campaign, Contact, Message
from sendero.whatsapp.provider import Outgoing, ProviderFault
from tests.campaigning import Told, acting_on, campaign, counted, madrid, messages, now, send, started
from tests.lumen import TOKEN, Lumen, lumen
from whodid import Reason

__all__ = ["lumen"]


class TestSending:
    """The usual way."""

    def test_everybody_gets_it_once(self, lumen: Lumen) -> None:
        """With the values of the template's variables, from the number of the account."""
        made = started(lumen, many=30)
        lumen.home.provider = provider = Told()
        send(lumen)

        assert Counter(message.to for message in provider.sent) == Counter(f"+346000{n:05}" for n in range(30))
        first = provider.sent[0]
        assert (first.template, first.language, first.body) == ("diwali_offer_2026", "es", ["Person", "lámparas"])
        assert {line.access_token for line in provider.lines} == {TOKEN}
        assert set(messages(lumen, made).values()) == {"sent"}
        assert counted(now(lumen, made)) == {"audience": 30, "sent": 30}
        assert {message.reference for message in provider.sent} == messages(lumen, made).keys()

    def test_the_pace(self, lumen: Lumen) -> None:
        """Sixty a minute are five in five seconds, and no more before they are over."""
        started(lumen, many=12, rate_per_minute="60")
        lumen.home.provider = provider = Told()
        assert sender.turn(lumen.home)
        assert len(provider.sent) == 5
        assert not sender.turn(lumen.home)
        lumen.advance(seconds=5)
        assert sender.turn(lumen.home)
        assert len(provider.sent) == 10

    def test_the_hours_of_a_campaign(self, lumen: Lumen) -> None:
        """Outside its window it waits, without an entry, and goes on when the window opens."""
        made = started(lumen, many=3, window="16:00-18:00")
        lumen.home.provider = provider = Told()
        send(lumen, turns=5)
        assert provider.sent == []
        opens = now(lumen, made).next_batch_at
        assert opens is not None
        assert opens.isoformat() == "2026-11-20T15:00:00+00:00"
        page = lumen.signed_in("Agent").get(f"/campaigns/{made.id}").text
        assert "It waits for its hours, 16:00-18:00." in page
        lumen.now = opens
        send(lumen)
        assert len(provider.sent) == 3
        assert [entry.action for entry in lumen.entries()] == ["campaign.completed"]

    def test_two_campaigns_take_turns(self, lumen: Lumen) -> None:
        """Neither waits for the other to end."""
        one = started(lumen, many=20, rate_per_minute="60")
        two = started(lumen, many=0, name="Two", rate_per_minute="60")
        lumen.home.provider = Told()
        sender.turn(lumen.home)
        sender.turn(lumen.home)
        assert (now(lumen, one).sent, now(lumen, two).sent) == (5, 5)

    def test_a_slow_whatsapp(self, lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
        """A batch that takes too long ends early, so that nobody waits for it; the rest comes with the next ones."""
        monkeypatch.setattr(sender, "_LONGEST_BATCH", -1)
        made = started(lumen, many=4)
        lumen.home.provider = provider = Told()
        sender.turn(lumen.home)
        assert len(provider.sent) == 1
        send(lumen)
        assert counted(now(lumen, made)) == {"audience": 4, "sent": 4}

    def test_among_the_jobs(self, lumen: Lumen) -> None:
        """The workspace itself sends what was started, without anybody asking."""
        made = started(lumen, many=3)
        lumen.home.provider = Told()
        with Jobs(lumen.home):
            patience = time.monotonic() + 20
            while now(lumen, made).sent < 3 and time.monotonic() < patience:
                time.sleep(0.02)
        assert counted(now(lumen, made)) == {"audience": 3, "sent": 3}

    def test_twenty_thousand(self, lumen: Lumen) -> None:
        """The audience is frozen at once, and all of it is sent."""
        made = campaign(lumen, rate_per_minute="6000")
        at = lumen.now
        with lumen.working() as work:
            template = work.session.query(Contact).first()
            assert template is not None
            common = {column.name: getattr(template, column.name) for column in Contact.__table__.columns}
            common |= {"city": "Madrid", "consent_marketing": "opted_in", "created_at": at, "updated_at": at}
            rows = [
                common | {"id": f"con_{n:05}", "name": f"P {n}", "phone_e164": f"+34600{n:06}", "phone_key": None}
                for n in range(20_000)
            ]
            work.session.execute(Contact.__table__.insert(), rows)  # type: ignore[attr-defined]
            work.workspace.portfolio_limit = "unlimited"
        with acting_on(lumen, made) as (work, found):
            running.start(work, found)
        assert now(lumen, made).queued == 20_000
        lumen.home.provider = provider = Told()
        send(lumen, turns=1000)

        assert now(lumen, made).status == "completed"
        assert counted(now(lumen, made)) == {"audience": 20_000, "sent": 20_000}
        assert len({message.to for message in provider.sent}) == len(provider.sent) == 20_000


class TestMeanwhile:
    """What happens while a campaign runs."""

    def test_somebody_withdraws_their_consent(self, lumen: Lumen) -> None:
        """Between two messages of the same batch: they get nothing, and are counted."""
        made = started(lumen, many=6)

        def withdraw(_: Outgoing) -> None:
            provider.answers = lambda _: None
            with lumen.working() as work:
                last = work.get(Contact, last_of(lumen, made))
                contacts.change_consent(work, last, "opted_out", "whatsapp", "STOP")

        lumen.home.provider = provider = Told(withdraw)
        send(lumen)
        assert counted(now(lumen, made)) == {"audience": 6, "sent": 5, "skipped": 1}
        with lumen.home.session() as session:
            unwilling = session.query(Contact).filter_by(consent_marketing="opted_out").one()
        assert unwilling.phone_e164 not in {message.to for message in provider.sent}
        assert lumen.entries("action:campaign.completed")[0].details == {
            "sent": 5,
            "delivered": 0,
            "read": 0,
            "failed": 0,
            "skipped": 1,
        }

    @pytest.mark.parametrize("act", ["pause", "cancel"])
    def test_somebody_stops_it(self, lumen: Lumen, act: str) -> None:
        """Within a batch: the message in the air is the last one."""
        made = started(lumen, many=6)
        browser = lumen.signed_in("Manager")

        def stop(_: Outgoing) -> None:
            provider.answers = lambda _: None
            data = {"version": str(now(lumen, made).version), "reason": "manual", "note": "Stop"}
            assert browser.post(f"/campaigns/{made.id}/{act}", data=data).status_code == 303

        lumen.home.provider = provider = Told(stop)
        send(lumen)
        assert len(provider.sent) == 1
        found = now(lumen, made)
        waiting = {"queued": 5} if act == "pause" else {}
        assert counted(found) == {"audience": 6, "sent": 1, **waiting}

    def test_cancelled_while_whatsapp_says_wait(self, lumen: Lumen) -> None:
        """The message that would have been tried again is discarded with the others."""
        made = started(lumen, many=3)

        def stop(_: Outgoing) -> None:
            with acting_on(lumen, made) as (work, found):
                running.cancel(work, found, Reason(code="manual", text="Stop"))
            raise ProviderFault(130429, "too fast", passing=True)

        lumen.home.provider = Told(stop)
        send(lumen)
        assert Counter(messages(lumen, made).values()) == {"discarded": 3}
        assert counted(now(lumen, made)) == {"audience": 3}

    def test_a_form_stays_good_while_it_sends(self, lumen: Lumen) -> None:
        """Counting is no decision: whoever opened the page before can still pause."""
        made = started(lumen, many=9, rate_per_minute="12")
        version = now(lumen, made).version
        lumen.home.provider = Told()
        send(lumen, turns=2)
        data = {"version": str(version), "reason": "manual", "note": "x"}
        assert lumen.signed_in("Manager").post(f"/campaigns/{made.id}/pause", data=data).status_code == 303


class TestAnswers:
    """What WhatsApp can say."""

    @pytest.mark.parametrize("code", [131049, 131050, 131056])
    def test_this_person_is_spared(self, lumen: Lumen, code: int) -> None:
        """The others get theirs."""
        made = started(lumen, many=5)
        lumen.home.provider = provider = Told()
        provider.refuse(code, at=(2,))
        send(lumen)
        assert counted(now(lumen, made)) == {"audience": 5, "sent": 4, "skipped": 1}
        assert lumen.row(Message, status="skipped").error_code == code

    def test_this_message_fails(self, lumen: Lumen) -> None:
        """With WhatsApp's code."""
        made = started(lumen, many=5)
        lumen.home.provider = provider = Told()
        provider.refuse(131026, at=(2,))
        send(lumen)
        assert counted(now(lumen, made)) == {"audience": 5, "sent": 4, "failed": 1}
        assert lumen.row(Message, status="failed").error_code == 131026
        assert lumen.entry().details == {"sent": 4, "delivered": 0, "read": 0, "failed": 1}

    @pytest.mark.parametrize("more", [{"code": 130429}, {"code": 131000, "passing": True}])
    def test_slower(self, lumen: Lumen, more: dict[str, int]) -> None:
        """It is tried again after as long as WhatsApp wants; no entry, nobody is lost."""
        made = started(lumen, many=5)
        lumen.home.provider = provider = Told()
        provider.refuse(at=(3,), wait=90, **more)  # type: ignore[arg-type]
        sender.turn(lumen.home)
        found = now(lumen, made)
        assert found.next_batch_at is not None
        assert timedelta(seconds=89) < found.next_batch_at - lumen.now < timedelta(seconds=91)
        assert counted(found) == {"audience": 5, "queued": 3, "sent": 2}
        page = lumen.signed_in("Agent").get(f"/campaigns/{made.id}").text
        assert "WhatsApp asks to wait" in page
        send(lumen)
        found = now(lumen, made)
        assert counted(found) == {"audience": 5, "sent": 5}
        assert found.held_back == 0
        assert [entry.action for entry in lumen.entries()] == ["campaign.completed"]


class TestNotices:
    """How far a message came."""

    def test_forward_only_and_once(self, lumen: Lumen) -> None:
        """In whatever order and however often the notices come."""
        made = started(lumen, many=1)
        lumen.home.provider = Told()
        send(lumen)
        key = lumen.row(Message, campaign_id=made.id).provider_id
        for status, expected in (
            ("sent", {}),
            ("read", {"delivered": 1, "read": 1}),
            ("delivered", {"delivered": 1, "read": 1}),
            ("read", {"delivered": 1, "read": 1}),
            ("failed", {"delivered": 1, "read": 1}),
        ):
            with lumen.working() as work:
                assert delivery.noted(work, key, status, 131026 if status == "failed" else None, lumen.now)
            assert counted(now(lumen, made)) == {"audience": 1, "sent": 1, **expected}, status
        assert lumen.row(Message, campaign_id=made.id).error_code is None

    def test_failed_afterwards(self, lumen: Lumen) -> None:
        """It was sent and failed: it counts in both, once."""
        made = started(lumen, many=1)
        lumen.home.provider = Told()
        send(lumen)
        key = lumen.row(Message, campaign_id=made.id).id
        for _ in range(2):
            with lumen.working() as work:
                delivery.noted(work, key, "failed", 131026, lumen.now)
        assert counted(now(lumen, made)) == {"audience": 1, "sent": 1, "failed": 1}
        assert lumen.row(Message, campaign_id=made.id).error_code == 131026

    def test_of_no_message(self, lumen: Lumen) -> None:
        """Somebody else's message, or a status nobody knows, changes nothing and says so."""
        started(lumen, many=1)
        with lumen.working() as work:
            assert not delivery.noted(work, "wamid.other", "read", None, lumen.now)
            assert not delivery.noted(work, lumen.row(Message).id, "deleted", None, lumen.now)


def test_due_campaigns_start_by_themselves(lumen: Lumen) -> None:
    """By the scheduler, at their time and not before."""
    made = campaign(lumen, many=3, schedule_at="2026-11-20T15:00")
    with acting_on(lumen, made) as (work, found):
        campaigns.schedule(work, found)
    scheduler.turn(lumen.home)
    assert now(lumen, made).status == "scheduled"
    lumen.advance(hours=1)
    scheduler.turn(lumen.home)
    entry = lumen.entry()
    assert (entry.action, entry.actor.type, entry.actor.name) == ("campaign.started", "scheduler", "Scheduler")
    assert entry.changes[0].before == "scheduled"
    assert now(lumen, made).status == "running"


def last_of(lumen: Lumen, made: Campaign) -> str:
    """Return the contact whose message comes last."""
    assert madrid(lumen).id == made.segment_id
    with lumen.home.session() as session:
        found = session.query(Message).filter_by(campaign_id=made.id).order_by(Message.id.desc()).first()
    assert found is not None
    return found.contact_id
