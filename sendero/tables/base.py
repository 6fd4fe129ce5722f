"""What all tables share: ids are prefixed ULIDs, times are UTC, every row counts its versions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from whodid.capture.outbox import outbox_table
from whodid.capture.sqlalchemy import model
from whodid.capture.sqlalchemy.model import Model

__all__ = ["Base", "Owned", "Row", "Workspace", "audited", "outbox"]


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


def audited(type_: str, *, ignore: Iterable[str] = (), **more: Any) -> Model:
    """Say how the rows of a table are told when nobody says it for them; every act has its own entry besides.

    Args:
        type_: Of the resource.
        ignore: What changes without being worth an entry.
        more: As of `whodid.capture.sqlalchemy.model`.
    """
    never = {"created_at", "updated_at", *ignore}
    return model(type_, label="name", ignore=never, **{"workspace": "workspace_id", **more})


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

    __audit__ = audited(
        "workspace", ignore={"retention_days"}, workspace="id", actions={"created": "workspace.updated"}
    )
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
