"""Connections with providers of single sign-on: set up, changed, removed. Every such change is critical.

The secret is sealed and never shown; its fingerprint reaches the log. A connection is enforced only after somebody came
in by it, so that a wrong setting locks nobody out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from sendero import github, oidc
from sendero.errors import Forbidden, Invalid
from sendero.service import sso_rules
from sendero.tables import Role, SsoConnection, SsoIdentity, User
from sendero.work import Work
from whodid import Reason, Resource

__all__ = ["ISSUERS", "PROVIDERS", "create", "is_tried", "remove", "resource", "update"]

PROVIDERS = ("google", "microsoft", "github", "oidc")
ISSUERS = {"google": "https://accounts.google.com", "github": github.ISSUER}
"""Of the providers that have one for everybody."""

_MICROSOFT = re.compile(r"https://login\.microsoftonline\.com/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/v2\.0")
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+")
# Whoever has an address there is no colleague for that.
_PUBLIC = ("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "gmx.de")
_PLAIN = ("name", "provider", "issuer", "client_id", "domains", "auto_provision", "enforced")


def snapshot(work: Work, connection: SsoConnection) -> dict[str, Any]:
    """Return the fields of a connection; the secret in clear, for the fingerprint that takes its place."""
    shown = {name: getattr(connection, name) for name in _PLAIN}
    secret = work.home.vault.open(connection.client_secret)
    return {**shown, "default_role": connection.default_role.name, "client_secret": secret}


def resource(connection: SsoConnection) -> Resource:
    """Name a connection by the domains it is for."""
    return Resource(type="sso", id=connection.id, name=", ".join(connection.domains))


def create(work: Work, by: User, values: Mapping[str, Any], role: Role) -> SsoConnection:
    """Set a connection up.

    Args:
        values: name, provider, issuer, client_id, client_secret, domains and auto_provision.
        role: Of the people whom it creates.

    Raises:
        Invalid: A value cannot be taken, or the provider does not answer as one.
        Forbidden: The role can do more than `by`.
    """
    clean = _checked(work, values, None)
    if not clean["client_secret"]:
        raise Invalid({"client_secret": "Paste the secret that the provider shows with the client id."})
    now = work.now()
    connection = SsoConnection(
        id=work.new_id("sso"),
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        **{name: clean[name] for name in _PLAIN if name != "enforced"},
        enforced=False,
        client_secret=work.home.vault.seal(clean["client_secret"]),
        default_role_id=role.id,
        default_role=role,
        deleted_at=None,
    )
    _check_reach(work, by, "sso.created", connection)
    _check_role(by, role, "sso.created", connection)
    _check_provider(work, connection)
    work.add(connection)
    work.record("sso.created", resource(connection), after=snapshot(work, connection))
    return connection


def update(work: Work, by: User, connection: SsoConnection, values: Mapping[str, Any], role: Role) -> bool:
    """Change a connection.

    Args:
        values: As for `create`, and enforced; an empty secret keeps the present one.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: A value cannot be taken, the provider does not answer as one, or nobody came in by it yet.
        Forbidden: The role can do more than `by`.
    """
    _check_reach(work, by, "sso.updated", connection)
    clean = _checked(work, values, connection)
    if values["enforced"] and not connection.enforced and not is_tried(work, connection):
        raise Invalid({"enforced": "Sign in with it once before you enforce it, so that nobody is locked out."})
    before = snapshot(work, connection)
    for name in _PLAIN:
        setattr(connection, name, values["enforced"] if name == "enforced" else clean[name])
    if clean["client_secret"]:
        connection.client_secret = work.home.vault.seal(clean["client_secret"])
    if role.id != connection.default_role_id:
        _check_role(by, role, "sso.updated", connection)
    connection.default_role_id, connection.default_role = role.id, role
    after = snapshot(work, connection)
    if before == after:
        return False
    if before["issuer"] != after["issuer"]:
        # Another provider means other people by the same names.
        work.session.execute(sa.delete(SsoIdentity).where(SsoIdentity.connection_id == connection.id))
        connection.enforced = False
        after = snapshot(work, connection)
        _check_provider(work, connection)
    work.touch(connection)
    work.record("sso.updated", resource(connection), before=before, after=after)
    return True


def remove(work: Work, connection: SsoConnection, reason: Reason | None) -> None:
    """Remove a connection; nobody signs in by it any more, and passwords open again."""
    before = snapshot(work, connection)
    named = resource(connection)
    connection.deleted_at = work.now()
    work.touch(connection)
    work.record("sso.deleted", named, before=before, reason=reason)


def is_tried(work: Work, connection: SsoConnection) -> bool:
    """Tell whether anybody came in by a connection."""
    query = sa.select(sa.exists().where(SsoIdentity.connection_id == connection.id))
    return bool(work.session.execute(query).scalar())


def _checked(work: Work, values: Mapping[str, Any], present: SsoConnection | None) -> dict[str, Any]:
    clean = {name: str(values[name]).strip() for name in ("name", "provider", "issuer", "client_id", "client_secret")}
    provider = clean["provider"]
    clean["issuer"] = ISSUERS.get(provider, clean["issuer"])
    domains = list(dict.fromkeys(re.split(r"[\s,;]+", str(values["domains"]).strip().casefold())))
    faults: dict[str, str] = {}
    if not 0 < len(clean["name"]) <= 60:
        faults["name"] = "A connection needs a name of at most 60 characters."
    if provider not in PROVIDERS:
        faults["provider"] = "Choose one of the list."
    elif provider == "microsoft" and not _MICROSOFT.fullmatch(clean["issuer"]):
        faults["issuer"] = "Write the issuer of your own directory: https://login.microsoftonline.com/<id>/v2.0."
    elif provider == "oidc" and (not clean["issuer"] or len(clean["issuer"]) > 300 or "#" in clean["issuer"]):
        faults["issuer"] = "Write the address of the issuer, like https://login.example.com."
    for name in ("client_id", "client_secret"):
        if len(clean[name]) > 500 or any(character.isspace() for character in clean[name]):
            faults[name] = "Paste it whole, without spaces."
    if not clean["client_id"]:
        faults["client_id"] = "Paste the client id that the provider shows."
    if not all(_DOMAIN.fullmatch(domain) for domain in domains) or len(domains) > 20:
        faults["domains"] = "Write up to 20 domains like casalumen.es, separated by commas."
    elif any(domain in _PUBLIC for domain in domains):
        faults["domains"] = "Everybody can have an address there. Use a domain of your own."
    else:
        others = (sso_rules.of_domain(work, domain) for domain in domains)
        if any(other is not None and (present is None or other.id != present.id) for other in others):
            faults["domains"] = "Another connection has one of these domains already."
    if faults:
        raise Invalid(faults)
    return {**clean, "domains": domains, "auto_provision": bool(values["auto_provision"])}


def _check_role(by: User, role: Role, action: str, connection: SsoConnection) -> None:
    if role.name == "Owner" or not set(role.permissions) <= set(by.role.permissions):
        raise Forbidden(
            "People who are created by single sign-on cannot get a role that can do more than you, nor the owner's.",
            action=action,
            resource=resource(connection),
            code="above_own_rights",
        )


def _check_reach(work: Work, by: User, action: str, connection: SsoConnection) -> None:
    """Refuse whoever could become somebody mightier with a provider of their own. Owners are out of its reach."""
    query = sa.select(Role).where(Role.workspace_id == work.workspace.id, Role.name != "Owner")
    held = query.where(sa.exists().where(User.role_id == Role.id, User.status != "deactivated"))
    for role in work.session.execute(held).scalars():
        if not set(role.permissions) <= set(by.role.permissions):
            raise Forbidden(
                "Single sign-on decides who comes in. Only somebody who may do all that others may can set it up.",
                action=action,
                resource=resource(connection),
                code="above_own_rights",
            )


def _check_provider(work: Work, connection: SsoConnection) -> None:
    """Refuse an issuer that does not answer as one."""
    if connection.provider == "github":
        return
    try:
        oidc.discover(work.home.fetch, connection.issuer)
    except oidc.Fault as fault:
        if fault.check == "issuer":
            raise Invalid({"issuer": "The provider calls itself otherwise. Copy the issuer exactly."}) from None
        raise Invalid(
            {"issuer": "No provider answers at this address. It must be reachable by https on the public internet."}
        ) from None
