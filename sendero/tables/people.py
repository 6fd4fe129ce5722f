"""The people who work here: roles, users, teams, their sessions, how they sign in, and the keys they make."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from sendero.tables.base import Base, Owned, audited

__all__ = [
    "ApiKey",
    "Attempt",
    "Letter",
    "RecoveryCode",
    "ResetLink",
    "Role",
    "SecondStep",
    "Session",
    "SsoAttempt",
    "SsoConnection",
    "SsoIdentity",
    "Team",
    "TeamMember",
    "User",
]


class Role(Owned, Base):
    """A named set of permissions."""

    __audit__ = audited("role")
    __tablename__ = "roles"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "name"),)

    name: Mapped[str]
    description: Mapped[str]
    builtin: Mapped[bool]
    permissions: Mapped[list[str]]


class User(Owned, Base):
    """A person who works in the workspace; never deleted, only deactivated."""

    __audit__ = audited("user", ignore={"last_login_at"})
    __tablename__ = "users"

    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    role_id: Mapped[str] = mapped_column(sa.ForeignKey("roles.id"))
    status: Mapped[str]
    password_hash: Mapped[str | None]
    password_changed_at: Mapped[datetime | None]
    mfa_enabled: Mapped[bool]
    auth_provider: Mapped[str]
    last_login_at: Mapped[datetime | None]
    avatar_color: Mapped[str]

    role: Mapped[Role] = relationship(lazy="joined")


class Session(Base):
    """A signed-in browser; the token itself is not kept, only its hash."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    method: Mapped[str]
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]
    device_key: Mapped[str]
    country: Mapped[str | None]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]

    user: Mapped[User] = relationship(lazy="joined")


class SecondStep(Base):
    """What the app on a person's phone shares with us, sealed, and the last code that was used: each works once."""

    __tablename__ = "second_steps"

    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    secret: Mapped[str]
    last_count: Mapped[int]
    created_at: Mapped[datetime]


class RecoveryCode(Base):
    """A code for whoever has lost the phone; it works once, and only its keyed hash is kept."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    code_hash: Mapped[str] = mapped_column(primary_key=True)


class Attempt(Base):
    """A failed sign-in, kept as long as the throttle needs it.

    `key` is a keyed hash of the person or of the address.
    """

    __tablename__ = "sign_in_attempts"
    __table_args__ = (sa.Index("ix_sign_in_attempts_key_at", "key", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    key: Mapped[str]
    at: Mapped[datetime]


class ResetLink(Base):
    """A link that lets somebody choose a new password; the token itself is not kept, only its hash.

    `made_by` is who asked for it; None when the person did, from the sign-in page.
    """

    __tablename__ = "reset_links"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    made_by: Mapped[str | None] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="joined", foreign_keys=[user_id])


class Letter(Base):
    """A mail that waits to be sent; its text is sealed, because it may hold a link, and goes when it is sent."""

    __tablename__ = "letters"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    to: Mapped[str]
    sealed: Mapped[str]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(index=True)
    tries: Mapped[int]


class Team(Owned, Base):
    """A group of people that conversations are given to."""

    __audit__ = audited("team", actions={"updated": "team.modified"})
    __tablename__ = "teams"

    name: Mapped[str]
    description: Mapped[str]
    assignment: Mapped[str]
    working_hours: Mapped[str]
    deleted_at: Mapped[datetime | None]

    members: Mapped[list[User]] = relationship(secondary="team_members", order_by="User.name", lazy="selectin")


class TeamMember(Base):
    """That somebody is in a team."""

    __tablename__ = "team_members"

    team_id: Mapped[str] = mapped_column(sa.ForeignKey("teams.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)


class ApiKey(Owned, Base):
    """A key that a program signs in with; shown once, kept as a hash. It can do at most what its maker can."""

    __audit__ = audited(
        "api_key",
        ignore={"last_used_at", "expiry_recorded_at", "denied_recorded_at"},
        actions={"updated": "api_key.revoked"},
    )
    __tablename__ = "api_keys"

    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[str] = mapped_column(unique=True)
    created_by: Mapped[str] = mapped_column(sa.ForeignKey("users.id"))
    permissions: Mapped[list[str]]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    expiry_recorded_at: Mapped[datetime | None]
    denied_recorded_at: Mapped[datetime | None]

    maker: Mapped[User] = relationship(lazy="joined")


class SsoConnection(Owned, Base):
    """A provider that people of some e-mail domains sign in with; its secret is sealed."""

    __audit__ = audited("sso")
    __tablename__ = "sso_connections"

    name: Mapped[str]
    provider: Mapped[str]
    issuer: Mapped[str]
    client_id: Mapped[str]
    client_secret: Mapped[str]
    domains: Mapped[list[str]]
    auto_provision: Mapped[bool]
    default_role_id: Mapped[str] = mapped_column(sa.ForeignKey("roles.id"))
    enforced: Mapped[bool]
    deleted_at: Mapped[datetime | None]

    default_role: Mapped[Role] = relationship(lazy="joined")


class SsoAttempt(Base):
    """A sign-in that is under way at a provider: what its answer must match."""

    __tablename__ = "sso_attempts"

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    connection_id: Mapped[str] = mapped_column(sa.ForeignKey("sso_connections.id"))
    nonce: Mapped[str]
    verifier: Mapped[str]
    device: Mapped[str]
    next: Mapped[str]
    expires_at: Mapped[datetime]


class SsoIdentity(Base):
    """Whom a provider means by its own name of a person, from the first sign-in on."""

    __tablename__ = "sso_identities"
    __table_args__ = (sa.UniqueConstraint("connection_id", "user_id"),)

    connection_id: Mapped[str] = mapped_column(sa.ForeignKey("sso_connections.id"), primary_key=True)
    subject_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime]
