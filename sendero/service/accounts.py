"""WhatsApp accounts: connected numbers. Their secrets are sealed in the database; fingerprints reach the log.

What a person does with an account is here; what WhatsApp says about it is in `standings`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from sendero.errors import Conflict, Invalid
from sendero.tables import Account, Campaign, Template
from sendero.whatsapp.provider import Line, Standing
from sendero.work import Work, resource_of
from whodid import Reason

__all__ = [
    "DEFAULTS",
    "EDITABLE",
    "SECRETS",
    "checked",
    "connect",
    "create",
    "delete",
    "line",
    "line_of",
    "listing",
    "new_token",
    "rotate_token",
    "update",
    "uses",
]

EDITABLE = ("name", "is_default_in", "is_default_out", "auto_read_receipt", "api_version")
SECRETS = ("access_token", "app_secret", "webhook_verify_token")
DEFAULTS = ("is_default_in", "is_default_out")
API_VERSIONS = ("v23.0", "v24.0", "v25.0")

_SHOWN = (
    "name", "waba_id", "phone_number_id", "display_phone_number", "verified_name", "name_status", "quality_rating",
    "status", "throughput_level", "mode", "is_default_in", "is_default_out", "auto_read_receipt", "api_version",
)  # fmt: skip
_NUMBER = re.compile(r"[0-9]{1,32}")
_UNFINISHED = ("scheduled", "running")


def snapshot(work: Work, account: Account) -> dict[str, Any]:
    """Return the fields of an account; the secrets in clear, for the fingerprints that take their place."""
    shown = {name: getattr(account, name) for name in _SHOWN}
    return shown | {name: work.home.vault.open(getattr(account, name)) for name in SECRETS}


def line_of(work: Work, account: Account, token: str | None = None) -> Line:
    """Return what it takes to speak for an account.

    Args:
        token: Another access token than its present one.
    """
    return Line(
        phone_number_id=account.phone_number_id,
        waba_id=account.waba_id,
        access_token=work.home.vault.open(account.access_token) if token is None else token,
        api_version=account.api_version,
    )


def line(values: Mapping[str, Any]) -> Line:
    """Return what it takes to speak for a number that is not connected yet, from what `checked` returned."""
    return Line(**{name: values[name] for name in Line.__struct_fields__})


def checked(work: Work, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the form for a new number as they are stored.

    Raises:
        Invalid: Some of them cannot be taken; all faults at once.
    """
    faults: dict[str, str] = {}
    clean = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    if not 0 < len(clean["name"]) <= 100:
        faults["name"] = "An account needs a name of at most 100 characters."
    for field in ("waba_id", "phone_number_id"):
        if not _NUMBER.fullmatch(clean[field]):
            faults[field] = "This is a number without spaces; Meta shows it in the settings of your application."
    if not _is_token(clean["access_token"]):
        faults["access_token"] = "This is not an access token: paste it whole, without spaces."  # noqa: S105 - a text
    for field in ("app_secret", "webhook_verify_token"):
        if not 8 <= len(clean[field]) <= 200 or not clean[field].isascii():
            faults[field] = "Use 8 to 200 letters, digits and signs."
    if clean["api_version"] not in API_VERSIONS:
        faults["api_version"] = "Choose one of the list."
    if "phone_number_id" not in faults and _connected(work, clean["phone_number_id"]):
        faults["phone_number_id"] = "This number is connected already."
    if faults:
        raise Invalid(faults)
    return clean


def connect(work: Work, values: Mapping[str, Any], standing: Standing) -> Account:
    """Connect a number that WhatsApp knows.

    Args:
        values: What `checked` returned.
        standing: What WhatsApp says of the number.
    """
    told = {name: getattr(standing, name) for name in standing.__struct_fields__}
    return create(work, {**values, **told})


def create(work: Work, values: Mapping[str, Any]) -> Account:
    """Create an account.

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
    cause = work.record("account.created", resource_of(account), after=snapshot(work, account))
    _only_default(work, account, cause)
    return account


def update(work: Work, account: Account, values: Mapping[str, Any]) -> bool:
    """Change settings of an account; a new default takes over from the present one.

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
    cause = work.record("account.updated", resource_of(account), before=before, after=after)
    _only_default(work, account, cause)
    return True


def new_token(work: Work, account: Account, token: str) -> str:
    """Return a token that may take the place of the present one.

    Raises:
        Invalid: It is no token, or the present one.
    """
    token = token.strip()
    if not _is_token(token):
        raise Invalid({"token": "This is not an access token: paste it whole, without spaces."})
    if token == work.home.vault.open(account.access_token):
        raise Invalid({"token": "This is the present token."})
    return token


def rotate_token(work: Work, account: Account, token: str, reason: Reason | None = None) -> None:
    """Replace the access token.

    Raises:
        Invalid: It is no token, or the present one.
        Conflict: Somebody else changed the account since it was read.
    """
    token = new_token(work, account, token)
    present = work.home.vault.open(account.access_token)
    account.access_token = work.home.vault.seal(token)
    work.touch(account)
    work.record(
        "account.token_rotated",
        resource_of(account),
        before={"access_token": present},
        after={"access_token": token},
        reason=reason,
    )


def uses(work: Work, account: Account) -> dict[str, int]:
    """Count the templates of an account and the campaigns on it that have not ended."""
    templates = sa.select(sa.func.count()).where(Template.account_id == account.id, Template.deleted_at.is_(None))
    campaigns = sa.select(sa.func.count()).where(
        Campaign.account_id == account.id, Campaign.status.in_(_UNFINISHED), Campaign.deleted_at.is_(None)
    )
    return {
        "templates": work.session.execute(templates).scalar_one(),
        "running_campaigns": work.session.execute(campaigns).scalar_one(),
    }


def delete(work: Work, account: Account, reason: Reason | None = None) -> None:
    """Delete an account; the row stays as a tombstone.

    The token that could act for the number is destroyed. The application's secret stays sealed: WhatsApp goes on
    sending notices until somebody tells it not to, and they must not pass for forged ones.

    Raises:
        Conflict: A campaign on it is scheduled or running, or somebody else changed the account.
    """
    used = uses(work, account)
    if used["running_campaigns"]:
        raise Conflict("A campaign on this account is scheduled or running. Cancel it first.")
    before = snapshot(work, account)
    del before["app_secret"]
    account.deleted_at = work.now()
    account.status = "deleted"
    account.is_default_in = account.is_default_out = False
    account.access_token = account.webhook_verify_token = work.home.vault.seal("")
    work.touch(account)
    work.record(
        "account.deleted", resource_of(account), before=before, after={"status": "deleted"}, reason=reason, details=used
    )


def listing(work: Work) -> list[Account]:
    """Return the connected numbers in order of their names."""
    query = sa.select(Account).where(Account.workspace_id == work.workspace.id, Account.deleted_at.is_(None))
    return list(work.session.execute(query.order_by(Account.name)).scalars())


def _only_default(work: Work, account: Account, cause: str) -> None:
    """Take from the other accounts what this one is the default for now."""
    for other in listing(work):
        lost = [name for name in DEFAULTS if getattr(account, name) and getattr(other, name)]
        if other is account or not lost:
            continue
        for name in lost:
            setattr(other, name, False)
        work.touch(other)
        work.record(
            "account.updated",
            resource_of(other),
            before=dict.fromkeys(lost, True),
            after=dict.fromkeys(lost, False),
            cause=cause,
        )


def _connected(work: Work, phone_number_id: str) -> bool:
    taken = sa.select(sa.exists().where(Account.phone_number_id == phone_number_id, Account.deleted_at.is_(None)))
    return bool(work.session.execute(taken).scalar())


def _is_token(token: str) -> bool:
    return 20 <= len(token) <= 1000 and token.isascii() and not any(character.isspace() for character in token)
