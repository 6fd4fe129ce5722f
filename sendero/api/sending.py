"""Segments, templates and campaigns in JSON: what is sent to whom. They are read here, not changed."""

from __future__ import annotations

from typing import Any, TypeVar

import sqlalchemy as sa

from sendero.api.call import Answer, Call, Route, instant
from sendero.errors import Missing
from sendero.tables import Campaign, Segment, Template

__all__ = ["ROUTES"]

_Row = TypeVar("_Row", Segment, Template, Campaign)


def segments(call: Call) -> Answer:
    """List the segments."""
    return _page(call, Segment, _segment)


def templates(call: Call) -> Answer:
    """List the templates."""
    return _page(call, Template, _template)


def campaigns(call: Call) -> Answer:
    """List the campaigns."""
    return _page(call, Campaign, _campaign)


def campaign(call: Call) -> Answer:
    """Show a campaign."""
    row = call.work.get(Campaign, call.path["id"])
    if row.deleted_at is not None:
        raise Missing
    return Answer(data=_campaign(row), headers={"ETag": f'"{row.version}"'})


def _page(call: Call, table: type[_Row], shown: Any) -> Answer:
    """Return one page of the rows that were not deleted, the newest first."""
    page, limit = call.page()
    query = sa.select(table).where(table.workspace_id == call.work.workspace.id, table.deleted_at.is_(None))
    total = call.work.session.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
    ordered = query.order_by(table.created_at.desc(), table.id.desc()).offset((page - 1) * limit).limit(limit)
    items = [shown(row) for row in call.work.session.execute(ordered).scalars()]
    return Answer(data={"items": items, "total": total, "page": page, "limit": limit})


def _segment(row: Segment) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "filter": row.filter,
        "contacts": row.count_cached,
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
    }


def _template(row: Template) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "display_name": row.display_name,
        "language": row.language,
        "category": row.category,
        "status": row.status,
        "quality": row.quality,
        "account_id": row.account_id,
        "components": row.components,
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
    }


def _campaign(row: Campaign) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "account_id": row.account_id,
        "template_id": row.template_id,
        "segment_id": row.segment_id,
        "schedule_at": instant(row.schedule_at),
        "window": row.window or None,
        "rate_per_minute": row.rate_per_minute,
        "pause": row.pause or None,
        "cancel": row.cancel or None,
        "counters": row.counters,
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
        "version": row.version,
    }


_PAGED = ("page", "limit")

ROUTES = (
    Route(
        method="GET",
        path="/segments",
        needs="segments:read",
        answer=segments,
        says="segments with how many contacts they have, the newest first",
        query=_PAGED,
    ),
    Route(
        method="GET",
        path="/templates",
        needs="templates:read",
        answer=templates,
        says="templates and where they stand in WhatsApp's review, the newest first",
        query=_PAGED,
    ),
    Route(
        method="GET",
        path="/campaigns",
        needs="campaigns:read",
        answer=campaigns,
        says="campaigns with their counters, the newest first",
        query=_PAGED,
    ),
    Route(
        method="GET",
        path="/campaigns/{id}",
        needs="campaigns:read",
        answer=campaign,
        says="a campaign; when it was paused or cancelled, why",
    ),
)
