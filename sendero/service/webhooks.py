"""Webhooks: addresses that are told what happens. Their secret and the values of their headers are sealed."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from sendero import outgoing
from sendero.egress import url_fault
from sendero.errors import Invalid
from sendero.service import deliveries
from sendero.tables import Webhook
from sendero.work import Work, resource_of
from whodid import Reason

__all__ = ["create", "delete", "listing", "rotate_secret", "try_out", "update"]

MOST_HEADERS = 8

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,498}[\x21-\x7e])?")
_OURS = (
    "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie", "expect",
    "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via",
)  # fmt: skip


def snapshot(work: Work, webhook: Webhook) -> dict[str, Any]:
    """Return the fields of a webhook; the secrets in clear, for the fingerprints that take their place."""
    opened = work.home.vault.open
    return {
        "name": webhook.name,
        "url": webhook.url,
        "events": webhook.events,
        **{f"headers.{name}": opened(value) for name, value in webhook.headers.items()},
        "secret": opened(webhook.secret),
        "active": webhook.active,
    }


def create(work: Work, values: Mapping[str, Any]) -> tuple[Webhook, str]:
    """Create a webhook.

    Args:
        values: name, url, events, active, and headers (name → value).

    Returns:
        The webhook, and its secret, which is shown once.

    Raises:
        Invalid: A value cannot be taken.
    """
    clean = _checked(work, values, None)
    secret, now = _new_secret(), work.now()
    webhook = Webhook(
        id=work.new_id("whk"),
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        secret=work.home.vault.seal(secret),
        health="ok",
        consecutive_failures=0,
        deleted_at=None,
        **clean,
    )
    work.add(webhook)
    work.record("webhook.created", resource_of(webhook), after=snapshot(work, webhook))
    return webhook, secret


def update(work: Work, webhook: Webhook, values: Mapping[str, Any]) -> bool:
    """Change a webhook. What still waits for one that is switched off is given up.

    Args:
        values: As for `create`; headers are those to add or replace, and `kept` names the present ones that stay.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: A value cannot be taken.
        Conflict: Somebody else changed it since it was read.
    """
    before = snapshot(work, webhook)
    host = urlsplit(webhook.url).netloc
    clean = _checked(work, values, webhook)
    was_active = webhook.active
    for name, value in clean.items():
        setattr(webhook, name, value)
    after = snapshot(work, webhook)
    if before == after:
        return False
    work.touch(webhook)
    if was_active and not webhook.active:
        deliveries.give_up(work, webhook.id)
    moved = urlsplit(webhook.url).netloc != host
    work.record(
        "webhook.updated",
        resource_of(webhook),
        before=before,
        after=after,
        severity="warning" if moved else None,
    )
    return True


def rotate_secret(work: Work, webhook: Webhook, reason: Reason | None = None) -> str:
    """Replace the secret; the next delivery is signed with the new one.

    Returns:
        The new secret, which is shown once.

    Raises:
        Conflict: Somebody else changed the webhook since it was read.
    """
    before, secret = {"secret": work.home.vault.open(webhook.secret)}, _new_secret()
    webhook.secret = work.home.vault.seal(secret)
    work.touch(webhook)
    work.record("webhook.updated", resource_of(webhook), before=before, after={"secret": secret}, reason=reason)
    return secret


def delete(work: Work, webhook: Webhook, reason: Reason | None) -> None:
    """Delete a webhook; what still waits for it is given up.

    Raises:
        Conflict: Somebody else changed it since it was read.
    """
    before = snapshot(work, webhook)
    webhook.deleted_at, webhook.active = work.now(), False
    work.touch(webhook)
    deliveries.give_up(work, webhook.id)
    work.record("webhook.deleted", resource_of(webhook), before=before, reason=reason)


def try_out(work: Work, webhook: Webhook) -> None:
    """Send a test, once, to a webhook that may be switched off."""
    body = deliveries.trial_body(work)
    listener = outgoing.Listener(webhook.id, frozenset())
    work.session.execute(*outgoing.queue([listener], outgoing.TEST, body, work.now(), work.new_id))


def listing(work: Work) -> list[Webhook]:
    """Return the webhooks in order of their names."""
    query = sa.select(Webhook).where(Webhook.workspace_id == work.workspace.id, Webhook.deleted_at.is_(None))
    return list(work.session.execute(query.order_by(Webhook.name, Webhook.id)).scalars())


def _new_secret() -> str:
    return f"whsec_{secrets.token_urlsafe(32)}"


def _checked(work: Work, values: Mapping[str, Any], webhook: Webhook | None) -> dict[str, Any]:
    faults: dict[str, str] = {}
    name, url = str(values["name"]).strip(), str(values["url"]).strip()
    if not 0 < len(name) <= 60:
        faults["name"] = "A webhook needs a name of at most 60 characters."
    if fault := url_fault(url, loopback=work.home.settings.private_webhooks):
        faults["url"] = fault
    wanted = set(values["events"])
    if not wanted or not wanted <= set(outgoing.EVENTS):
        faults["events"] = "Choose at least one event of the list."
    present = webhook.headers if webhook is not None else {}
    headers = {key: value for key, value in present.items() if key in values.get("kept", ())}
    for key, value in values["headers"].items():
        if not _HEADER.fullmatch(key) or key.lower() in _OURS or key.lower().startswith("x-webhook-"):
            faults["headers"] = "A header needs a name of letters, digits and -, and some names are taken."
        elif not _VALUE.fullmatch(value):
            faults["headers"] = "A header needs a value of at most 500 plain characters."
        else:
            other = next((known for known in headers if known.lower() == key.lower()), key)
            if other not in present or work.home.vault.open(present[other]) != value:
                headers[other] = work.home.vault.seal(value)
    if len(headers) > MOST_HEADERS:
        faults["headers"] = "A webhook has at most 8 headers."
    if faults:
        raise Invalid(faults)
    events = [event for event in outgoing.EVENTS if event in wanted]
    return {"name": name, "url": url, "events": events, "headers": headers, "active": bool(values["active"])}
