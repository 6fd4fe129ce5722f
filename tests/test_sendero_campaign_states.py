"""The life of a campaign: every act in every state, allowed or refused with a text; and counters that always add up."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sendero.errors import Conflict, SenderoError
from sendero.service import campaigns, delivery, running, scheduler, sender
from sendero.tables import Campaign, Message
from sendero.whatsapp.provider import Outgoing, ProviderFault
from tests.campaigning import Told, acting_on, campaign, now, people
from tests.lumen import Lumen, lumen
from whodid import Reason

__all__ = ["lumen"]

STATES = campaigns.STATUSES
LEADS = {
    "edit": {state: state for state in ("draft", "scheduled", "running", "paused")},
    "schedule": {"draft": "scheduled"},
    "unschedule": {"scheduled": "draft"},
    "start": {"draft": "running", "scheduled": "running"},
    "pause": {"running": "paused", "scheduled": "paused"},
    "resume": {"paused": "running"},
    "cancel": dict.fromkeys(("draft", "scheduled", "running", "paused"), "cancelled"),
    "delete": {"draft": "draft"},
}
REFUSALS = {
    "edit": "A campaign that has ended cannot be changed.",
    "schedule": "Only a draft can be scheduled.",
    "unschedule": "Only a scheduled campaign can be taken back to the drafts.",
    "start": "Only a draft or a scheduled campaign can be started.",
    "pause": "Only a running or scheduled campaign can be paused.",
    "resume": "Only a paused campaign can be resumed.",
    "cancel": "This campaign has ended already.",
    "delete": "Only a draft can be deleted.",
}
MANUAL = Reason(code="manual", text="For the test")


def brought_to(lumen: Lumen, state: str) -> Campaign:
    """Create a campaign and bring it to a state by the acts that lead there."""
    made = campaign(lumen, many=2, schedule_at="2026-11-20T18:00", rate_per_minute="60")
    with acting_on(lumen, made) as (work, found):
        if state == "scheduled":
            campaigns.schedule(work, found)
        elif state != "draft":
            running.start(work, found)
        if state == "paused":
            running.pause(work, found, MANUAL)
        elif state == "cancelled":
            running.cancel(work, found, MANUAL)
        elif state == "completed":
            running.complete(work, found)
        elif state == "failed":
            running.fail(work, found, Reason(code="payment_problem", text="Payment problem (131042)"))
    lumen.home.relay.drain()
    assert now(lumen, made).status == state
    return made


@pytest.mark.parametrize("act", LEADS)
@pytest.mark.parametrize("state", STATES)
def test_every_act_in_every_state(lumen: Lumen, state: str, act: str) -> None:
    """It leads where the state machine says, with one entry; or it is refused, says why, and leaves no trace."""
    made = brought_to(lumen, state)
    form = {
        "version": str(now(lumen, made).version),
        "reason": "manual",
        "note": "For the test",
        "name": made.name,
        "template_id": made.template_id,
        "segment_id": made.segment_id,
        "variables": "{first_name}\nlámparas",
        "schedule_at": "2026-11-20T18:00",
        "rate_per_minute": "30",
    }
    answer = lumen.signed_in("Manager").post(f"/campaigns/{made.id}/{act}", data=form)

    if state in LEADS[act]:
        assert answer.status_code == 303, answer.text
        assert now(lumen, made).status == LEADS[act][state]
        assert len(lumen.entries()) == 1
    else:
        assert answer.status_code == 409
        assert REFUSALS[act] in answer.text
        assert now(lumen, made).status == state
        assert lumen.entries() == []


@pytest.mark.parametrize("state", ["draft", "scheduled", "paused", "completed", "cancelled", "failed"])
def test_only_what_runs_can_be_completed(lumen: Lumen, state: str) -> None:
    """Nor can a draft or what has ended fail."""
    made = brought_to(lumen, state)
    with lumen.working() as work:
        found = work.get(Campaign, made.id)
        with pytest.raises(Conflict, match="Only a running campaign can be completed"):
            running.complete(work, found)
        if state not in ("scheduled", "paused"):
            with pytest.raises(Conflict, match="Only a campaign that was scheduled or started can fail"):
                running.fail(work, found, MANUAL)


def test_two_decide_at_once(lumen: Lumen) -> None:
    """The second decision is refused; nothing of it stays."""
    made = brought_to(lumen, "running")
    with pytest.raises(Conflict, match="Somebody else changed this"), lumen.working() as work:
        stale = work.get(Campaign, made.id)
        with acting_on(lumen, made) as (other, found):
            running.pause(other, found, MANUAL)
        running.cancel(work, stale, MANUAL)
    assert now(lumen, made).status == "paused"
    lumen.home.relay.drain()
    log = lumen.home.log.find(lumen.workspace, "category:campaign", limit=50)
    assert [entry.action for entry in log.entries][:1] == ["campaign.paused"]


class Life(RuleBasedStateMachine):
    """A campaign whose people, sender, scheduler and WhatsApp do whatever comes to their minds."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.lumen = Lumen(Path(self._folder.name) / "var")
        self.provider = Told()
        self.lumen.home.provider = self.provider

    @initialize()
    def begin(self) -> None:
        """Create the campaign."""
        self.made = campaign(self.lumen, many=12, rate_per_minute="36", schedule_at="2026-11-20T14:30")

    def teardown(self) -> None:
        """Close the workspace."""
        self.lumen.home.close()
        self._folder.cleanup()

    @property
    def status(self) -> str:
        """How it stands."""
        return now(self.lumen, self.made).status

    @rule(act=st.sampled_from(["schedule", "unschedule", "start", "pause", "resume", "cancel"]))
    def decide(self, act: str) -> None:
        """Somebody does something; what is not allowed changes nothing."""
        before = self.status
        try:
            with acting_on(self.lumen, self.made) as (work, found):
                if act in ("pause", "cancel"):
                    getattr(running, act)(work, found, MANUAL)
                elif act in ("schedule", "unschedule"):
                    getattr(campaigns, act)(work, found)
                else:
                    getattr(running, act)(work, found)
        except SenderoError:
            assert self.status == before
            return
        assert before in LEADS[act]
        assert self.status in (LEADS[act][before], "scheduled")

    @rule(answers=st.lists(st.sampled_from([None, 0, 130429, 131026, 131049, 131048, 132015, "crash"]), max_size=3))
    def send(self, answers: list[int | str | None]) -> None:
        """The sender sends a batch; WhatsApp answers this and that, and sometimes the sender dies."""
        coming = iter(answers)

        def answer(_: Outgoing) -> None:
            code = next(coming, None)
            if code == "crash":
                raise KeyboardInterrupt
            if isinstance(code, int):
                raise ProviderFault(code, "no")

        self.provider.answers = answer
        with contextlib.suppress(KeyboardInterrupt):
            sender.turn(self.lumen.home)

    @rule(minutes=st.sampled_from([0.2, 1, 6, 100]))
    def wait(self, minutes: float) -> None:
        """Time passes, and the scheduler looks."""
        self.lumen.advance(minutes=minutes)
        scheduler.turn(self.lumen.home)
        sender.give_up(self.lumen.home)

    @precondition(lambda self: self.provider.sent)
    @rule(at=st.integers(0, 20), status=st.sampled_from(["sent", "delivered", "read", "failed"]))
    def notice(self, at: int, status: str) -> None:
        """WhatsApp tells of a message."""
        message = self.provider.sent[at % len(self.provider.sent)]
        with self.lumen.working() as work:
            assert delivery.noted(work, message.reference, status, 1 if status == "failed" else None, work.now())

    @rule()
    def more_people(self) -> None:
        """The segment grows; a campaign that was started does not."""
        with self.lumen.working() as work:
            people(work, 1, name="Late", phone_e164="+34999")

    @invariant()
    def nobody_gets_two(self) -> None:
        """Each message was handed over once at most."""
        references = Counter(message.reference for message in self.provider.sent)
        assert set(references.values()) <= {1}

    @invariant()
    def it_adds_up(self) -> None:
        """The counters are what the messages say, and everybody is in exactly one place."""
        if not hasattr(self, "made"):
            return
        found = now(self.lumen, self.made)
        with self.lumen.home.session() as session:
            rows = session.query(Message).filter_by(campaign_id=found.id).all()
        count = Counter(row.status for row in rows)
        assert found.audience == len(rows) == sum(count.values())
        assert found.queued == count["queued"]
        assert found.skipped == count["skipped"]
        assert found.unknown == count["unknown"]
        assert found.failed == count["failed"]
        assert found.sent == len([row for row in rows if row.sent_at is not None])
        assert found.sent >= found.delivered >= found.read
        assert found.read == count["read"]
        if found.status in campaigns.ENDED:
            assert not count["queued"]


Life.TestCase.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLife = Life.TestCase
