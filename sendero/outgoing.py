"""What webhooks are told: events wait in the database, put there by the transaction that made them happen.

A change that is rolled back is told to nobody; a change that is committed is told to every webhook that asked for it.
How it is sent is in `sendero.service.deliveries`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session

from sendero.tables import Delivery, Webhook
from whodid import Event

__all__ = ["EVENTS", "TEST", "Listener", "body_of", "listeners", "queue"]

EVENTS = (
    "contact.created",
    "contact.updated",
    "contact.consent_changed",
    "contact.merged",
    "contact.deleted",
    "contact.erased",
    "campaign.started",
    "campaign.paused",
    "campaign.resumed",
    "campaign.cancelled",
    "campaign.completed",
    "campaign.failed",
    "template.status_changed",
)
"""What a webhook can ask for, by the names that the audit log uses."""

TEST = "webhook.test"


class Listener(Struct, frozen=True):
    """A webhook that is switched on, and what it asked for."""

    webhook: str
    events: frozenset[str]


def listeners(session: Session, workspace: str) -> tuple[Listener, ...]:
    """Return the webhooks of a workspace that are switched on."""
    query = sa.select(Webhook.id, Webhook.events).where(
        Webhook.workspace_id == workspace, Webhook.active, Webhook.deleted_at.is_(None)
    )
    with session.no_autoflush:
        return tuple(Listener(key, frozenset(events)) for key, events in session.execute(query))


def body_of(event: Event, workspace: str) -> str:
    """Return what a receiver gets of an event.

    It says who did it, by id and name. A contact goes by its id alone and changed fields by their names alone: whoever
    wants more asks for it with an API key, which can be refused.
    """
    status = next((change for change in event.changes if change.path == "status"), None)
    said: dict[str, Any] = {
        "id": event.id,
        "event": event.action,
        "occurred_at": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "workspace": workspace,
        "actor": {"type": event.actor.type, "id": event.actor.id, "name": event.actor.name},
        "resource": {"type": event.resource.type, "id": event.resource.id},
        "changed": [change.path for change in event.changes],
    }
    if event.resource.type != "contact":
        said["resource"]["name"] = event.resource.name
    if status is not None and isinstance(status.after, str):
        said["status"] = status.after
    if event.reason is not None and event.reason.code:
        said["reason"] = event.reason.code
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def queue(
    waiting: Sequence[Listener], event: str, body: str, now: datetime, new_id: Callable[[str], str]
) -> tuple[sa.Insert, list[dict[str, Any]]]:
    """Return what lets an event wait for each of some webhooks: a statement and its rows."""
    return sa.insert(Delivery), [
        {
            "id": new_id("del"),
            "webhook_id": listener.webhook,
            "event": event,
            "body": body,
            "status": "waiting",
            "tries": 0,
            "due_at": now,
            "last_status": None,
            "last_fault": None,
            "created_at": now,
            "delivered_at": None,
        }
        for listener in waiting
    ]
