"""Segments, templates and campaigns in JSON: what is sent to whom, and stopping it."""

from __future__ import annotations

from typing import Any, TypeVar

import sqlalchemy as sa
from msgspec import Struct

from sendero.api.call import Answer, Call, Route, instant
from sendero.errors import Missing
from sendero.service import running
from sendero.tables import Campaign, Segment, Template
from whodid import Reason

__all__ = ["ROUTES"]

_Row = TypeVar("_Row", Segment, Template, Campaign)


class PauseIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a campaign is paused, in words."""

    note: str


class CancelIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a campaign is cancelled: a code, and for `manual` the words."""

    reason: str = "manual"
    note: str | None = None


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
    return _answer(_living(call))


def pause(call: Call) -> Answer:
    """Pause a campaign."""
    row = _living(call)
    call.check_version(row)
    running.pause(call.work, row, Reason(code="manual", text=call.json(PauseIn).note.strip() or None))
    return _answer(row)


def cancel(call: Call) -> Answer:
    """End a campaign for good."""
    row, why = _living(call), call.json(CancelIn)
    call.check_version(row)
    running.cancel(call.work, row, Reason(code=why.reason, text=(why.note or "").strip() or None))
    return _answer(row)


def _living(call: Call) -> Campaign:
    row = call.work.get(Campaign, call.path["id"])
    if row.deleted_at is not None:
        raise Missing
    return row


def _answer(row: Campaign) -> Answer:
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
        "variables": row.variables,
        "header": row.header or None,
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
    Route(
        method="POST",
        path="/campaigns/{id}/pause",
        needs="campaigns:pause",
        answer=pause,
        says="pauses a campaign; `note` says why",
    ),
    Route(
        method="POST",
        path="/campaigns/{id}/cancel",
        needs="campaigns:pause",
        answer=cancel,
        says="ends a campaign for good; `reason` and `note` say why",
    ),
)
