"""The sender: messages of running campaigns, in batches, each person at most once.

A message is marked `sending` and committed before WhatsApp is called, and the call is made outside every transaction.
If the answer never comes, because the process died or the network did, nobody knows whether the person got it: it is
`unknown` and never sent again. A notice of WhatsApp about it still sets that right.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct

from sendero.errors import Conflict
from sendero.hours import Hours
from sendero.installation import Installation
from sendero.service import audience, campaigns, delivery, guard, running, scheduler
from sendero.service.automatic import SCHEDULER, by_itself
from sendero.tables import Campaign, Contact, Message, Workspace
from sendero.whatsapp.provider import Line, Outgoing, Provider, ProviderFault
from sendero.work import Work, begin

__all__ = ["LOST_AFTER", "give_up", "turn"]

LOST_AFTER = timedelta(minutes=5)
"""How long an answer of WhatsApp can take at most; a message that is being sent for longer has lost it."""

_PER_MINUTE = 12  # batches at most: what is decided meanwhile acts within five seconds, mostly at once
_LARGEST_BATCH = 50
_LONGEST_BATCH = 5.0
_SLOWER = (4, 80007, 130429)
# WhatsApp tells of these by a notice too, which says more. It gets a moment to arrive: then the pause can name it as
# its cause. Refused once more, the campaign pauses without.
_NEWS = (131031, 131048, 132015, 132016)
_LONGEST_WAIT = 900
_RECIPIENT = (
    sa.select(Contact.name, Contact.phone_e164, Contact.bsuid)
    .join(Message, Message.contact_id == Contact.id)
    .where(Message.id == sa.bindparam("key"))
)


class Batch(Struct, frozen=True, kw_only=True):
    """Messages to send now, and what is the same for all of them."""

    workspace: Workspace
    campaign: Campaign
    line: Line
    keys: Sequence[str]


def turn(home: Installation) -> bool:
    """Send one batch of the campaign that has waited longest.

    Returns:
        Whether there was one.
    """
    provider = home.provider
    try:
        with begin(home) as work:
            campaign = _due(work)
            if campaign is None:
                return False
            batch = _batch(work, campaign)
    except Conflict:
        return True  # somebody decided about the campaign meanwhile: look again
    if batch is not None:
        end = time.monotonic() + _LONGEST_BATCH
        for key in batch.keys:
            # What a slow WhatsApp leaves over is part of the next batch.
            if not _send(home, provider, batch, key) or time.monotonic() > end:
                break
    return True


def give_up(home: Installation) -> bool:
    """Mark as unknown what is being sent for longer than an answer can take: whoever sent it is gone."""
    with begin(home) as work:
        late = work.now() - LOST_AFTER
        query = sa.select(Message.id).join(Campaign, Campaign.id == Message.campaign_id)
        lost = query.where(
            Campaign.workspace_id == work.workspace.id, Message.status == "sending", Message.tried_at < late
        )
        for key in work.session.execute(lost).scalars().all():
            delivery.move(work, key, "unknown", work.now())
    return False


def _due(work: Work) -> Campaign | None:
    query = sa.select(Campaign).where(
        Campaign.workspace_id == work.workspace.id,
        Campaign.status == "running",
        Campaign.next_batch_at <= work.now(),
    )
    return work.session.execute(query.order_by(Campaign.next_batch_at, Campaign.id).limit(1)).scalar()


def _batch(work: Work, campaign: Campaign) -> Batch | None:
    """Take the next batch of a campaign, unless something keeps it from sending or nobody is left."""
    now = work.now()
    if running.quiet(work) is not None:
        scheduler.hold(work, campaign)
        return None
    window = Hours.read(campaign.window)
    if window is not None and not window.hold(now, work.workspace.timezone):
        _wait_until(work, campaign, window.next_begin(now, work.workspace.timezone))
        return None
    if not guard.check(work, campaign):
        return None
    size = max(1, min(campaign.rate_per_minute // _PER_MINUTE, _LARGEST_BATCH))
    waiting = sa.select(Message.id, Message.contact_id).where(Message.campaign_id == campaign.id)
    rows = work.session.execute(waiting.where(Message.status == "queued").order_by(Message.id).limit(size)).all()
    if not rows:
        _finish(work, campaign)
        return None
    keys = _within_limit(work, rows)
    if not keys:
        guard.limit_reached(work, campaign)
        return None
    if not _wait_until(work, campaign, now + timedelta(seconds=len(keys) * 60 / campaign.rate_per_minute)):
        return None  # another sender has this batch
    account = campaign.account
    line = Line(
        phone_number_id=account.phone_number_id,
        waba_id=account.waba_id,
        access_token=work.home.vault.open(account.access_token),
        api_version=account.api_version,
    )
    return Batch(workspace=work.workspace, campaign=campaign, line=line, keys=keys)


def _within_limit(work: Work, rows: Sequence[sa.Row[str, str]]) -> list[str]:
    """Return the messages, in order, up to the first that the messaging limit has no room for."""
    room = guard.room(work)
    if room is None or room >= len(rows):
        return [row.id for row in rows]
    known = guard.known(work, (row.contact_id for row in rows))
    keys: list[str] = []
    for row in rows:
        room -= row.contact_id not in known
        if room < 0:
            break
        keys.append(row.id)
    return keys


def _finish(work: Work, campaign: Campaign) -> None:
    """Complete a campaign, as soon as nothing of it is under way."""
    # One look at both: a message that goes from one to the other meanwhile is seen in either.
    left = Message.status.in_(("queued", "sending"))
    under_way = sa.exists().where(Message.campaign_id == campaign.id, left)
    if work.session.execute(sa.select(under_way)).scalar():
        _wait_until(work, campaign, work.now() + timedelta(seconds=10))
    else:
        by_itself(work, SCHEDULER, lambda: running.complete(work, campaign))


def _wait_until(work: Work, campaign: Campaign, at: datetime, **more: int) -> bool:
    """Set when the next batch is due, if nobody else did since the campaign was read."""
    table = Campaign.__table__
    waiting = (
        sa.update(table)  # type: ignore[arg-type]
        .where(table.c.id == campaign.id, table.c.status == "running", table.c.next_batch_at == campaign.next_batch_at)
        .values(next_batch_at=at, **more)
    )
    return work.session.connection().execute(waiting).rowcount == 1


def _send(home: Installation, provider: Provider, batch: Batch, key: str) -> bool:
    """Send one message.

    Returns:
        Whether the batch goes on.
    """
    with begin(home, batch.workspace) as work:
        message = _claim(work, batch, key)
        if message is None:
            # The person is skipped, another sender has it, or the campaign was stopped.
            return _is_running(work, batch)
    try:
        provider_id = provider.send(batch.line, message)
    except ProviderFault as fault:
        return _refused(home, batch, key, fault)
    with begin(home, batch.workspace) as work:
        if not delivery.move(work, key, "sent", work.now(), provider_id=provider_id):
            # A notice was quicker than the answer: the message is further already.
            table = Message.__table__
            known = sa.update(table).where(table.c.id == key).values(provider_id=provider_id)  # type: ignore[arg-type]
            work.session.connection().execute(known)
        if batch.campaign.held_back:
            _hold_back(work, batch, 0, None)
    return True


def _claim(work: Work, batch: Batch, key: str) -> Outgoing | None:
    """Mark a message as being sent, if it waits, its campaign runs and its person may get it."""
    now = work.now()
    if not delivery.move(work, key, "sending", now, only="may_get", tried_at=now):
        delivery.move(work, key, "skipped", now, only="may_not_get")
        return None
    campaign = batch.campaign
    name, phone, bsuid = work.session.connection().execute(_RECIPIENT, {"key": key}).one()
    return Outgoing(
        to=phone or bsuid or "",
        template=campaign.template.name,
        language=campaign.template.language,
        body=campaigns.filled(campaign, name),
        header=campaign.header,
        reference=key,
    )


def _refused(home: Installation, batch: Batch, key: str, fault: ProviderFault) -> bool:
    """Do what an answer that is no success calls for."""
    with begin(home, batch.workspace) as work:
        now, code = work.now(), fault.code
        if code == 0:
            delivery.move(work, key, "unknown", now)
        elif code in guard.CODES or code in _SLOWER or (fault.passing and code not in guard.SPARED):
            delivery.move(work, key, "queued", now, tried_at=None)
            campaign = work.get(Campaign, batch.campaign.id)
            if campaign.status in campaigns.ENDED:
                audience.discard(work, campaign)
        else:
            delivery.move(work, key, "skipped" if code in guard.SPARED else "failed", now, error_code=code)
            return True
    with begin(home, batch.workspace) as work:
        if code in guard.CODES and (batch.campaign.held_back or code not in _NEWS):
            campaign = work.get(Campaign, batch.campaign.id)
            if campaign.status == "running":
                guard.refused(work, campaign, code)
        else:
            times = batch.campaign.held_back + 1
            wait = fault.wait if fault.wait is not None else min(_LONGEST_WAIT, 5 * 2**times)
            _hold_back(work, batch, times, work.now() + timedelta(seconds=wait))
    return False


def _hold_back(work: Work, batch: Batch, times: int, at: datetime | None) -> None:
    table = Campaign.__table__
    values: dict[str, object] = {"held_back": times} if at is None else {"held_back": times, "next_batch_at": at}
    holding = sa.update(table).where(table.c.id == batch.campaign.id, table.c.status == "running").values(values)  # type: ignore[arg-type]
    work.session.connection().execute(holding)


def _is_running(work: Work, batch: Batch) -> bool:
    query = sa.select(Campaign.status).where(Campaign.id == batch.campaign.id)
    return work.session.execute(query).scalar() == "running"
