"""What single sign-on means for those who do not use it: whose password no longer opens anything."""

from __future__ import annotations

import sqlalchemy as sa

from sendero.tables import SsoConnection, User
from sendero.work import Work

__all__ = ["domain_of", "enforced", "is_exempt", "living", "of_domain"]


def domain_of(email: str) -> str:
    """Return the domain of an e-mail address."""
    return email.rpartition("@")[2].strip().casefold()


def living(work: Work) -> list[SsoConnection]:
    """Return the connections of the workspace in order of their names."""
    query = sa.select(SsoConnection).where(
        SsoConnection.workspace_id == work.workspace.id, SsoConnection.deleted_at.is_(None)
    )
    return list(work.session.execute(query.order_by(SsoConnection.name, SsoConnection.id)).scalars())


def of_domain(work: Work, domain: str) -> SsoConnection | None:
    """Return the connection of a domain; there is at most one."""
    return next((one for one in living(work) if domain in one.domains), None)


def enforced(work: Work, email: str) -> SsoConnection | None:
    """Return the connection that an address must sign in with, or None when a password will do."""
    found = of_domain(work, domain_of(email))
    return found if found is not None and found.enforced else None


def is_exempt(user: User | None) -> bool:
    """Tell whether a person may use a password all the same.

    An owner may: when the provider is down or its settings are wrong, somebody must still get in to change them.
    """
    return user is not None and user.role.name == "Owner"
