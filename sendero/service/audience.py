"""The audience of a campaign: who gets it, frozen when it starts, and how far each of them came.

Who stopped marketing messages gets none of any kind; a marketing template needs consent that was given. Counters are
counted up in the database by whoever moves a message, so that no two of them overwrite one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from sendero.ids import ulid
from sendero.service import segments
from sendero.tables import Campaign, Contact, Message, Template
from sendero.work import Work

__all__ = ["CONDITIONS", "Preview", "discard", "freeze", "preview", "tally"]

_AT_ONCE = 5_000
_TABLE = Message.__table__
_CAMPAIGNS = Campaign.__table__


def _may_get(marketing: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return the condition on a contact's consent, given whether the template is one for marketing."""
    return sa.or_(
        Contact.consent_marketing == "opted_in", sa.and_(~marketing, Contact.consent_marketing != "opted_out")
    )


_REACHABLE = sa.or_(Contact.phone_e164.is_not(None), Contact.bsuid.is_not(None))
_RUNS = sa.exists().where(Campaign.id == _TABLE.c.campaign_id, Campaign.status == "running").correlate(_TABLE)
_WILLING = (
    sa.select(Contact.id)
    .join(Campaign, Campaign.id == _TABLE.c.campaign_id)
    .join(Template, Template.id == Campaign.template_id)
    .where(
        Contact.id == _TABLE.c.contact_id,
        Contact.deleted_at.is_(None),
        Contact.merged_into.is_(None),
        Contact.erased_at.is_(None),
        _may_get(Template.category == "marketing"),
        _REACHABLE,
    )
    .correlate(_TABLE)
    .exists()
)
CONDITIONS: Mapping[str, sa.ColumnElement[bool]] = {
    "may_get": sa.and_(_RUNS, _WILLING),
    "may_not_get": sa.and_(_RUNS, ~_WILLING),
}
"""What can be asked of a message as it is moved: that its campaign runs, and whether its person may get it."""


class Preview(Struct, frozen=True, kw_only=True):
    """Who would get a campaign now.

    Args:
        many: How many people.
        optout: How many of the segment may get nothing, for want of consent.
        unreachable: How many of the others have neither a telephone number nor a WhatsApp id.
    """

    many: int
    optout: int
    unreachable: int


def preview(work: Work, campaign: Campaign) -> Preview:
    """Count who would get a campaign now."""
    query = segments.matching(work, campaign.segment.filter)
    allowed = query.where(_allowed(campaign))
    total, willing, many = (_count(work, one) for one in (query, allowed, allowed.where(_REACHABLE)))
    return Preview(many=many, optout=total - willing, unreachable=willing - many)


def freeze(work: Work, campaign: Campaign, now: datetime) -> tuple[Preview, str]:
    """Write one queued message for everybody who gets the campaign.

    Returns:
        How many there are, and the SHA-256 of their sorted ids, one a line.
    """
    counted = preview(work, campaign)
    query = segments.matching(work, campaign.segment.filter).where(_allowed(campaign), _REACHABLE)
    ids = sorted(work.session.execute(query.with_only_columns(Contact.id)).scalars())
    common = {
        "campaign_id": campaign.id,
        "account_id": campaign.account_id,
        "status": "queued",
        "created_at": now,
        "updated_at": now,
    }
    connection = work.session.connection()
    for at in range(0, len(ids), _AT_ONCE):
        rows: list[dict[str, Any]] = [
            {"id": ulid("msg", now, work.home.entropy(10)), "contact_id": key, **common}
            for key in ids[at : at + _AT_ONCE]
        ]
        connection.execute(sa.insert(_TABLE), rows)  # type: ignore[arg-type]
    digest = sha256("\n".join(ids).encode()).hexdigest()
    return Preview(many=len(ids), optout=counted.optout, unreachable=counted.unreachable), digest


def discard(work: Work, campaign: Campaign) -> int:
    """Give up the messages that wait.

    Returns:
        How many.
    """
    discarding = (
        sa.update(_TABLE)  # type: ignore[arg-type]
        .where(_TABLE.c.campaign_id == campaign.id, _TABLE.c.status == "queued")
        .values(status="discarded", updated_at=work.now())
    )
    many = work.session.connection().execute(discarding).rowcount
    tally(work, campaign.id, queued=-many, discarded=many)
    work.session.expire(campaign, ["queued", "discarded"])
    return many


def tally(work: Work, campaign_id: str, **by: int) -> None:
    """Add to the counters of a campaign; its version stays, because nobody decided anything.

    Args:
        by: Counter → how many more.
    """
    if by:
        more = {f"more_{name}": many for name, many in by.items()}
        work.session.connection().execute(_tallying(tuple(by)), {"key": campaign_id, **more})


@cache
def _tallying(names: tuple[str, ...]) -> sa.Update:
    values = {name: _CAMPAIGNS.c[name] + sa.bindparam(f"more_{name}", type_=sa.Integer) for name in names}
    return sa.update(_CAMPAIGNS).where(_CAMPAIGNS.c.id == sa.bindparam("key")).values(values)  # type: ignore[arg-type]


def _allowed(campaign: Campaign) -> sa.ColumnElement[bool]:
    return _may_get(sa.literal(campaign.template.category == "marketing"))


def _count(work: Work, query: sa.Select[Contact]) -> int:
    ids = query.with_only_columns(Contact.id).subquery()
    return work.session.execute(sa.select(sa.func.count()).select_from(ids)).scalar_one()
