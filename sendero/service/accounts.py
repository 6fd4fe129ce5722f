"""WhatsApp accounts: connected numbers. Their secrets are sealed in the database; fingerprints reach the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from sendero.errors import Invalid
from sendero.tables import Account
from sendero.work import Work, resource_of
from whodid import Reason

__all__ = ["EDITABLE", "SECRETS", "create", "listing", "rotate_token", "update"]

EDITABLE = ("name", "is_default_in", "is_default_out", "auto_read_receipt", "api_version")
SECRETS = ("access_token", "app_secret", "webhook_verify_token")
API_VERSIONS = ("v23.0", "v24.0", "v25.0")

_SHOWN = (
    "name", "waba_id", "phone_number_id", "display_phone_number", "verified_name", "name_status", "quality_rating",
    "status", "throughput_level", "mode", "is_default_in", "is_default_out", "auto_read_receipt", "api_version",
)  # fmt: skip


def snapshot(work: Work, account: Account) -> dict[str, Any]:
    """Return the fields of an account; the secrets in clear, for the fingerprints that take their place."""
    shown = {name: getattr(account, name) for name in _SHOWN}
    return shown | {name: work.home.vault.open(getattr(account, name)) for name in SECRETS}


def create(work: Work, values: Mapping[str, Any]) -> Account:
    """Connect a number.

    Args:
        values: All fields of an account; the three secrets in clear.
    """
    now = work.now()
    account = Account(
        id=work.new_id("acc"),
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        deleted_at=None,
        **{name: values[name] for name in _SHOWN},
        **{name: work.home.vault.seal(values[name]) for name in SECRETS},
    )
    work.add(account)
    work.record("account.created", resource_of(account), after=snapshot(work, account))
    return account


def update(work: Work, account: Account, values: Mapping[str, Any]) -> bool:
    """Change settings of an account.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: A value cannot be taken.
        Conflict: Somebody else changed it since it was read.
    """
    name = str(values["name"]).strip()
    if not 0 < len(name) <= 100:
        raise Invalid({"name": "An account needs a name of at most 100 characters."})
    if values["api_version"] not in API_VERSIONS:
        raise Invalid({"api_version": "Choose one of the list."})
    before = snapshot(work, account)
    for field in EDITABLE:
        setattr(account, field, name if field == "name" else values[field])
    after = snapshot(work, account)
    if before == after:
        return False
    work.touch(account)
    work.record("account.updated", resource_of(account), before=before, after=after)
    return True


def rotate_token(work: Work, account: Account, token: str, reason: Reason | None = None) -> None:
    """Replace the access token.

    Raises:
        Invalid: It is no token, or the present one.
        Conflict: Somebody else changed the account since it was read.
    """
    token = token.strip()
    if len(token) < 20 or not token.isascii() or any(character.isspace() for character in token):
        raise Invalid({"token": "This is not an access token: paste it whole, without spaces."})
    present = work.home.vault.open(account.access_token)
    if token == present:
        raise Invalid({"token": "This is the present token."})
    account.access_token = work.home.vault.seal(token)
    work.touch(account)
    work.record(
        "account.token_rotated",
        resource_of(account),
        before={"access_token": present},
        after={"access_token": token},
        reason=reason,
    )


def listing(work: Work) -> list[Account]:
    """Return the connected numbers in order of their names."""
    query = sa.select(Account).where(Account.workspace_id == work.workspace.id, Account.deleted_at.is_(None))
    return list(work.session.execute(query.order_by(Account.name)).scalars())
