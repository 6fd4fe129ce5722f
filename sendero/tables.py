"""The tables of the workspace. Ids are prefixed ULIDs, times are UTC, every row counts its versions.

Only shapes live here; what may happen to a row is decided in `sendero.service`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship

from whodid.capture.outbox import outbox_table

__all__ = ["Account", "Attempt", "Base", "Contact", "Role", "Session", "Template", "User", "Workspace", "outbox"]


class Instant(sa.types.TypeDecorator[datetime]):
    """A UTC instant; stored without a zone, because SQLite has none."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Store UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return an aware datetime."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The tables of Sendero."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Instant,
        dict[str, Any]: sa.JSON,
        list[str]: sa.JSON,
        list[dict[str, Any]]: sa.JSON,
    }


outbox = outbox_table(Base.metadata)


class Row:
    """What every row of the workspace has."""

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True, sort_order=-2)
    created_at: Mapped[datetime] = mapped_column(sort_order=1)
    updated_at: Mapped[datetime] = mapped_column(sort_order=1)
    version: Mapped[int] = mapped_column(sort_order=1)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 - the mapper hands over the class
        # The version is the optimistic lock: an update of a row that somebody else changed since fails.
        return {"version_id_col": cls.__table__.c.version}  # type: ignore[attr-defined]


class Workspace(Row, Base):
    """The customer space."""

    __tablename__ = "workspaces"

    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    timezone: Mapped[str]
    locale: Mapped[str]
    owner_user_id: Mapped[str | None]
    portfolio_limit: Mapped[str]
    retention_days: Mapped[int]
    quiet_hours: Mapped[str]


class Owned(Row):
    """A row that belongs to a workspace."""

    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspaces.id"), index=True, sort_order=-1)


class Role(Owned, Base):
    """A named set of permissions."""

    __tablename__ = "roles"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "name"),)

    name: Mapped[str]
    description: Mapped[str]
    builtin: Mapped[bool]
    permissions: Mapped[list[str]]


class User(Owned, Base):
    """A person who works in the workspace; never deleted, only deactivated."""

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


class Attempt(Base):
    """A failed sign-in, kept as long as the throttle needs it.

    `key` is a keyed hash of the person or of the address.
    """

    __tablename__ = "sign_in_attempts"
    __table_args__ = (sa.Index("ix_sign_in_attempts_key_at", "key", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    key: Mapped[str]
    at: Mapped[datetime]


class Account(Owned, Base):
    """A connected WhatsApp number; its three secrets are sealed with the key of the installation."""

    __tablename__ = "whatsapp_accounts"

    name: Mapped[str]
    waba_id: Mapped[str]
    phone_number_id: Mapped[str]
    display_phone_number: Mapped[str]
    verified_name: Mapped[str]
    name_status: Mapped[str]
    quality_rating: Mapped[str]
    status: Mapped[str]
    throughput_level: Mapped[str]
    mode: Mapped[str]
    is_default_in: Mapped[bool]
    is_default_out: Mapped[bool]
    auto_read_receipt: Mapped[bool]
    api_version: Mapped[str]
    access_token: Mapped[str]
    app_secret: Mapped[str]
    webhook_verify_token: Mapped[str]
    deleted_at: Mapped[datetime | None]


class Template(Owned, Base):
    """A message template and where it stands in WhatsApp's review."""

    __tablename__ = "templates"

    account_id: Mapped[str] = mapped_column(sa.ForeignKey("whatsapp_accounts.id"))
    name: Mapped[str]
    display_name: Mapped[str]
    language: Mapped[str]
    category: Mapped[str]
    components: Mapped[dict[str, Any]]
    status: Mapped[str]
    rejected_reason: Mapped[str | None]
    quality: Mapped[str]
    pause_count: Mapped[int]
    paused_until: Mapped[datetime | None]
    disable_at: Mapped[datetime | None]
    meta_template_id: Mapped[str | None]
    edited_on: Mapped[list[str]]
    deleted_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship(lazy="joined")


class Contact(Owned, Base):
    """A person who may get messages. A deleted or merged row stays as a tombstone."""

    __tablename__ = "contacts"
    __table_args__ = (
        sa.Index("ix_contacts_workspace_id_name", "workspace_id", "search_name"),
        sa.Index("ix_contacts_workspace_id_phone", "workspace_id", "phone_key"),
    )

    name: Mapped[str]
    search_name: Mapped[str]
    phone_e164: Mapped[str | None]
    phone_key: Mapped[str | None]
    bsuid: Mapped[str | None]
    username: Mapped[str | None]
    email: Mapped[str | None]
    birthday: Mapped[str | None]
    city: Mapped[str | None]
    language: Mapped[str | None]
    account_id: Mapped[str | None] = mapped_column(sa.ForeignKey("whatsapp_accounts.id"))
    owner_user_id: Mapped[str | None] = mapped_column(sa.ForeignKey("users.id"))
    tags: Mapped[list[str]]
    custom: Mapped[dict[str, Any]]
    consent_marketing: Mapped[str]
    consent_source: Mapped[str | None]
    consent_evidence: Mapped[str | None]
    consent_captured_at: Mapped[datetime | None]
    lifecycle: Mapped[str]
    source: Mapped[str]
    merged_into: Mapped[str | None] = mapped_column(sa.ForeignKey("contacts.id"))
    deleted_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]

    owner: Mapped[User | None] = relationship(lazy="joined")
