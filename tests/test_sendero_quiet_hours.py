"""The scheduler: quiet hours, in which campaigns are held and go on by themselves, and campaigns that are due."""

from __future__ import annotations

from sendero.service import campaigns, scheduler
from sendero.tables import Workspace
from tests.campaigning import (
    Told,
    acting_on,
    campaign,
    changes,
    now,
    pass_time,
    paused,
    send,
    started,
    template_becomes,
)
from tests.lumen import Lumen, lumen
from whodid import Reason

__all__ = ["lumen"]


class TestQuietHours:
    """The scheduler holds, and goes on by itself."""

    def quiet(self, lumen: Lumen, hours: str = "22-8") -> None:
        """Set the quiet hours."""
        with lumen.working() as work:
            work.session.query(Workspace).one().quiet_hours = hours

    def test_held_and_gone_on(self, lumen: Lumen) -> None:
        """Two entries of the scheduler; nothing is sent between them."""
        self.quiet(lumen)
        made = started(lumen, many=5)
        lumen.home.provider = provider = Told()
        pass_time(lumen, hours=8, minutes=5)  # 22:05 in Madrid
        send(lumen, turns=3)
        assert provider.sent == []
        (entry,) = paused(lumen)
        assert (entry.actor.type, entry.actor.name, entry.severity) == ("scheduler", "Scheduler", "notice")
        assert entry.reason == Reason(code="quiet_hours", text="Quiet hours of the workspace: 22:00-08:00")
        assert changes(entry)["pause.resume"].after == "automatic, at 08:00"
        page = lumen.signed_in("Manager").get(f"/campaigns/{made.id}").text
        assert "The scheduler paused this campaign" in page
        assert "It goes on by itself after the quiet hours." in page
        pass_time(lumen, hours=9, minutes=50)
        assert now(lumen, made).status == "paused"
        pass_time(lumen, minutes=10)
        resumed = lumen.entries()[0]
        assert (resumed.action, resumed.actor.name) == ("campaign.resumed", "Scheduler")
        send(lumen)
        assert len(provider.sent) == 5

    def test_the_sender_itself_holds(self, lumen: Lumen) -> None:
        """Even if the scheduler has not looked yet."""
        self.quiet(lumen)
        made = started(lumen, many=5)
        lumen.home.provider = provider = Told()
        lumen.advance(hours=9)
        send(lumen)
        assert provider.sent == []
        assert now(lumen, made).pause["reason"] == "quiet_hours"

    def test_a_start_waits_for_the_morning(self, lumen: Lumen) -> None:
        """Without entries: it is still scheduled."""
        self.quiet(lumen)
        made = campaign(lumen, many=2, schedule_at="2026-11-20T23:00")
        with acting_on(lumen, made) as (work, found):
            campaigns.schedule(work, found)
        pass_time(lumen, hours=10)
        assert now(lumen, made).status == "scheduled"
        page = lumen.signed_in("Agent").get(f"/campaigns/{made.id}").text
        assert "It waits for the end of the quiet hours." in page
        pass_time(lumen, hours=9)
        assert [entry.action for entry in lumen.entries()] == ["campaign.started"]

    def test_nobody_resumes_in_the_night(self, lumen: Lumen) -> None:
        """It is refused, and says when it goes on."""
        self.quiet(lumen)
        made = started(lumen, many=2)
        pass_time(lumen, hours=9)
        data = {"version": str(now(lumen, made).version)}
        answer = lumen.signed_in("Manager").post(f"/campaigns/{made.id}/resume", data=data)
        assert answer.status_code == 409
        assert "It is quiet now." in answer.text

    def test_a_template_is_paused_in_the_night(self, lumen: Lumen) -> None:
        """The campaign does not go on by itself in the morning: its reason is another now."""
        self.quiet(lumen)
        made = started(lumen, many=2)
        pass_time(lumen, hours=9)
        cause = template_becomes(lumen, made, "paused")
        entry = paused(lumen)[1]
        (reason, resume) = entry.changes
        assert (reason.path, reason.before, reason.after) == ("pause.reason", "quiet_hours", "template_paused")
        assert (resume.path, entry.cause) == ("pause.resume", cause)
        pass_time(lumen, hours=12)
        assert now(lumen, made).status == "paused"


class TestDue:
    """A campaign is due and cannot start."""

    def test_its_template_is_not_approved(self, lumen: Lumen) -> None:
        """It pauses and says so; nothing is sent."""
        made = campaign(lumen, many=2, schedule_at="2026-11-20T15:00")
        with acting_on(lumen, made) as (work, found):
            campaigns.schedule(work, found)
            found.template.status = "pending"
        pass_time(lumen, hours=1)
        entry = lumen.entry()
        assert (entry.action, entry.changes[0].before) == ("campaign.paused", "scheduled")
        assert now(lumen, made).audience == 0

    def test_nobody_can_get_it(self, lumen: Lumen) -> None:
        """It failed, and the reason says why."""
        made = campaign(lumen, many=0, schedule_at="2026-11-20T15:00")
        with acting_on(lumen, made) as (work, found):
            campaigns.schedule(work, found)
        pass_time(lumen, hours=1)
        entry = lumen.entry()
        assert (entry.action, entry.reason) == (
            "campaign.failed",
            Reason(code="no_recipients", text="Nobody in Madrid can get it"),
        )
        scheduler.turn(lumen.home)
        assert len(lumen.entries()) == 1
