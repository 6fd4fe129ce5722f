"""API keys: what programs sign in with. A key is shown once and kept as a hash, and can do at most what its maker can.

active → expired | revoked. A key expires by itself, and is recorded as expired once; whoever presents it later is
refused for that reason.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from sendero.errors import Conflict, Forbidden, Invalid
from sendero.installation import Installation
from sendero.permissions import KEY_PERMISSIONS
from sendero.tables import ApiKey, User
from sendero.work import Work, begin, resource_of
from whodid import Actor, Reason, Resource

__all__ = [
    "LIFETIMES",
    "REVOKE_REASONS",
    "create",
    "expire",
    "find",
    "listing",
    "permitted",
    "prefix_of",
    "revoke",
    "revoke_all",
    "state",
]

LIFETIMES: Mapping[str, int | None] = {"30_days": 30, "90_days": 90, "1_year": 365, "no_expiry": None}
REVOKE_REASONS = ("not_used", "replaced", "security", "left_the_company", "other")

_BEGINNING = "ak_live_"
_SHOWN = len(_BEGINNING) + 4
_SCHEDULER = Actor(type="scheduler", id="scheduler", name="Scheduler")


def prefix_of(text: str) -> str | None:
    """Return the part of a key that is not secret, or None when the text is no key of ours."""
    return text[:_SHOWN] if text.startswith(_BEGINNING) and len(text) > 2 * _SHOWN else None


def state(key: ApiKey, now: datetime) -> str:
    """Tell whether a key is active, expired or revoked."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"


def permitted(key: ApiKey) -> list[str]:
    """Return what a key may do now: what it was given and its maker still may."""
    maker = key.maker
    mighty = maker.role.permissions if maker.status == "active" else ()
    return [permission for permission in key.permissions if permission in mighty]


def create(work: Work, by: User, values: Mapping[str, Any]) -> tuple[ApiKey, str]:
    """Make a key.

    Args:
        by: Whose rights it uses.
        values: name, lifetime and permissions.

    Returns:
        The key and its text, which is kept nowhere but as a hash.

    Raises:
        Invalid: A value cannot be taken.
        Forbidden: It would permit more than `by` may.
    """
    name, faults = str(values["name"]).strip(), {}
    if not 0 < len(name) <= 60:
        faults["name"] = "A key needs a name of at most 60 characters."
    if values["lifetime"] not in LIFETIMES:
        faults["lifetime"] = "Choose one of the list."
    wanted = set(values["permissions"])
    if not wanted:
        faults["permissions"] = "Choose at least one permission."
    elif not wanted <= set(KEY_PERMISSIONS):
        faults["permissions"] = "Choose permissions of the list."
    if faults:
        raise Invalid(faults)
    key_id = work.new_id("key")
    _check_power(by, wanted, Resource(type="api_key", id=key_id, name=name))
    text = _BEGINNING + secrets.token_urlsafe(32)
    now, days = work.now(), LIFETIMES[values["lifetime"]]
    key = ApiKey(
        id=key_id,
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        name=name,
        prefix=text[:_SHOWN],
        key_hash=_hashed(text),
        created_by=by.id,
        maker=by,
        permissions=[permission for permission in KEY_PERMISSIONS if permission in wanted],
        expires_at=None if days is None else now + timedelta(days=days),
        last_used_at=None,
        revoked_at=None,
        expiry_recorded_at=None,
        denied_recorded_at=None,
    )
    work.add(key)
    shown = {"prefix": key.prefix, "permissions": key.permissions, "expires_at": _day(key.expires_at)}
    work.record("api_key.created", resource_of(key), after=shown | {"key_hash": key.key_hash})
    return key, text


def revoke(work: Work, key: ApiKey, reason: Reason | None, *, cause: str | None = None) -> None:
    """Make a key useless, at once and for good.

    Args:
        cause: Id of the event that made it happen, if it was not done for its own sake.

    Raises:
        Conflict: It is not active, or somebody else changed it since it was read.
    """
    if state(key, work.now()) != "active":
        raise Conflict("This key is not active any more.")
    key.revoked_at = work.now()
    work.touch(key)
    work.record(
        "api_key.revoked",
        resource_of(key),
        before={"status": "active"},
        after={"status": "revoked", "revoked_at": key.revoked_at},
        reason=reason,
        details={"last_used_at": _day(key.last_used_at)} if key.last_used_at else None,
        cause=cause,
    )


def active_of(work: Work, user: User) -> list[ApiKey]:
    """Return the active keys that somebody made."""
    return [key for key in listing(work) if key.created_by == user.id and state(key, work.now()) == "active"]


def revoke_all(work: Work, user: User, cause: str) -> None:
    """Revoke the active keys of somebody who can no longer sign in.

    Args:
        cause: Id of the event that says so.
    """
    for key in active_of(work, user):
        revoke(work, key, Reason(code="maker_deactivated"), cause=cause)


def expire(home: Installation) -> bool:
    """Record the keys that expired since the last time, each once.

    Returns:
        Whether there may be more.
    """
    with home.session() as session:
        due = sa.select(sa.exists().where(*_unrecorded(home.clock())))
        if not session.execute(due).scalar():
            return False
    with begin(home) as work, work.acting(actor=_SCHEDULER, source="job"):
        query = sa.select(ApiKey).where(*_unrecorded(work.now())).order_by(ApiKey.expires_at).limit(100)
        keys = work.session.execute(query).scalars().all()
        for key in keys:
            key.expiry_recorded_at = work.now()
            work.touch(key)
            work.record("api_key.expired", resource_of(key), before={"status": "active"}, after={"status": "expired"})
    return len(keys) == 100


def find(work: Work, text: str) -> ApiKey | None:
    """Return the key of a text. What is looked up is a hash, so the time it takes tells nothing about any key."""
    wanted = _hashed(text)
    key = work.session.execute(sa.select(ApiKey).where(ApiKey.key_hash == wanted)).scalar_one_or_none()
    return key if key is not None and hmac.compare_digest(key.key_hash, wanted) else None


def listing(work: Work) -> list[ApiKey]:
    """Return the keys, the newest first."""
    query = sa.select(ApiKey).where(ApiKey.workspace_id == work.workspace.id)
    return list(work.session.execute(query.order_by(ApiKey.created_at.desc(), ApiKey.id)).scalars())


def _unrecorded(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (ApiKey.expires_at <= now, ApiKey.revoked_at.is_(None), ApiKey.expiry_recorded_at.is_(None))


def _hashed(text: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(text.encode()).hexdigest()


def _day(at: datetime | None) -> str | None:
    return None if at is None else at.date().isoformat()


def _check_power(by: User, permissions: Collection[str], resource: Resource) -> None:
    if more := sorted(set(permissions) - set(by.role.permissions)):
        raise Forbidden(
            "You can only give a key permissions that you have yourself.",
            permission=more[0],
            action="api_key.created",
            resource=resource,
            code="above_own_rights",
        )
