"""How campaigns run in the story: the scheduler starts them, and their messages go out in batches.

Life sends each message by itself and waits for WhatsApp. Here a batch is moved on at once, with the same functions, the
same consent asked for each person, and the same guard before each batch.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from sendero.hours import Hours
from sendero.service import delivery, guard, running, scheduler
from sendero.service.automatic import SCHEDULER, by_itself
from sendero.story.teller import Teller
from sendero.tables import Campaign, Message
from sendero.tables.sending import COUNTERS
from sendero.work import Work

__all__ = ["Sending"]

_BATCHES = 9  # that a campaign is sent in
_PAUSE = timedelta(seconds=2)
_OUTCOMES = (("read", 61), ("delivered", 30), ("sent", 6), ("failed", 3))
_NO_WHATSAPP = 131026


class Sending:
    """Sends the campaigns of the story."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._refusals: dict[str, tuple[int, int]] = {}

    def expect(self, key: str, code: int, *, after: int) -> None:
        """Let WhatsApp refuse a campaign with a code of its own once so many messages were sent, until it ends."""
        self._refusals[key] = (code, after)

    def look(self, key: str) -> None:
        """Let the scheduler do what is due, and send."""
        with self._teller.apart() as home:
            scheduler.turn(home)
        self.go(key)

    def go(self, key: str) -> None:
        """Send the next batch of a campaign, unless something keeps it from sending, and plan the one after."""
        work = self._teller.work
        campaign = work.get(Campaign, key)
        work.session.refresh(campaign)
        if campaign.status != "running":
            return
        if (quiet := running.quiet(work)) is not None:
            scheduler.hold(work, campaign)
            end = quiet.next_end(work.now(), work.workspace.timezone)
            self._teller.at(end + _PAUSE, lambda: self.look(key))
            return
        if not guard.check(work, campaign) or self._is_refused(work, campaign):
            return
        waiting = sa.select(Message.id).where(Message.campaign_id == key, Message.status == "queued")
        size = -(-campaign.audience // _BATCHES)
        keys = work.session.execute(waiting.order_by(Message.id).limit(size)).scalars().all()
        if not keys:
            by_itself(work, SCHEDULER, lambda: running.complete(work, campaign))
            return
        for message in keys:
            self._send(work, message)
        self._plan_next(work, campaign, timedelta(minutes=len(keys) / campaign.rate_per_minute))

    def _send(self, work: Work, key: str) -> None:
        now = work.now()
        if not delivery.move(work, key, "sending", now, only="may_get", tried_at=now):
            delivery.move(work, key, "skipped", now, only="may_not_get")
            return
        dice = self._teller.dice
        outcome = dice.choices([name for name, _ in _OUTCOMES], [weight for _, weight in _OUTCOMES])[0]
        at = now + timedelta(seconds=dice.uniform(1, 20))
        if outcome == "failed":
            delivery.move(work, key, "failed", at, error_code=_NO_WHATSAPP)
        else:
            delivery.move(work, key, outcome, at, provider_id=f"wamid.{dice.randbytes(12).hex().upper()}")

    def _is_refused(self, work: Work, campaign: Campaign) -> bool:
        code, after = self._refusals.get(campaign.id, (0, 0))
        if not code or campaign.sent < after:
            return False
        guard.refused(work, campaign, code)
        return True

    def _plan_next(self, work: Work, campaign: Campaign, wait: timedelta) -> None:
        at = work.now() + wait
        table = Campaign.__table__
        # As the sender does it: when the next batch is due is nobody's decision, and no new version.
        due = sa.update(table).where(table.c.id == campaign.id).values(next_batch_at=at)  # type: ignore[arg-type]
        work.session.connection().execute(due)
        work.session.expire(campaign, [*COUNTERS, "next_batch_at"])
        window = Hours.read(campaign.window)
        if window is not None and not window.hold(at, work.workspace.timezone):
            at = window.next_begin(at, work.workspace.timezone)
        self._teller.at(at, lambda key=campaign.id: self.go(key))  # type: ignore[misc]
