"""The models of the watched application: a column of each kind, and every way in which rows hang together."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from whodid.capture.sqlalchemy import model

__all__ = [
    "Base", "Clerk", "Comment", "Crowd", "Engineer", "Like", "Note", "Person", "Post", "Project", "Role", "Seat",
    "Staff", "Task", "Team", "members",
]  # fmt: skip


class Base(DeclarativeBase):
    """The application's tables."""


class Role(enum.Enum):
    """What somebody may do."""

    READER = "reader"
    WRITER = "writer"


members = sa.Table(
    "person_group",
    Base.metadata,
    sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
    sa.Column("group_id", sa.ForeignKey("crowd.id"), primary_key=True),
)


class Person(Base):
    """Somebody, with a column of each kind."""

    __tablename__ = "person"
    __audit__ = model(
        "person",
        label="name",
        ignore={"updated_at"},
        redact={"notes"},
        fields={"consent_marketing": "consent.marketing"},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    role: Mapped[Role] = mapped_column(default=Role.READER)
    active: Mapped[bool] = mapped_column(default=True)
    balance: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    seen_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    settings: Mapped[dict[str, Any] | None] = mapped_column(MutableDict.as_mutable(sa.JSON))
    consent_marketing: Mapped[bool | None]
    notes: Mapped[str | None]
    updated_at: Mapped[datetime | None] = mapped_column(onupdate=sa.func.current_timestamp())
    groups: Mapped[list[Crowd]] = relationship(secondary=members, back_populates="people")


class Crowd(Base):
    """A group of people."""

    __tablename__ = "crowd"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    people: Mapped[list[Person]] = relationship(secondary=members, back_populates="groups")


class Post(Base):
    """A text with a heavy part and comments."""

    __tablename__ = "post"
    __audit__ = model("post", label="title", soft_delete="deleted_at", workspace="shop")
    id: Mapped[int] = mapped_column(primary_key=True)
    shop: Mapped[str | None]
    title: Mapped[str]
    picture: Mapped[bytes | None] = mapped_column(deferred=True)
    deleted_at: Mapped[datetime | None]
    hits: Mapped[int] = mapped_column(server_default="0")
    comments: Mapped[list[Comment]] = relationship(cascade="all, delete-orphan")


class Comment(Base):
    """What is lost with its post."""

    __tablename__ = "remark"
    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int] = mapped_column(sa.ForeignKey("post.id"))
    text: Mapped[str]
    likes: Mapped[list[Like]] = relationship(cascade="all, delete-orphan")


class Like(Base):
    """What is lost with its comment."""

    __tablename__ = "liking"
    id: Mapped[int] = mapped_column(primary_key=True)
    comment_id: Mapped[int] = mapped_column(sa.ForeignKey("remark.id"))
    who: Mapped[str]


class Team(Base):
    """What the database cascades from."""

    __tablename__ = "team"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    projects: Mapped[list[Project]] = relationship(passive_deletes=True, cascade="all, delete")


class Project(Base):
    """Deleted by the database."""

    __tablename__ = "project"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("team.id", ondelete="CASCADE"))
    name: Mapped[str]


class Task(Base):
    """Deleted by the database, after its project."""

    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id", ondelete="CASCADE"))
    name: Mapped[str]


class Note(Base):
    """Left behind by the database, without its team."""

    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("team.id", ondelete="SET NULL"))
    text: Mapped[str]


class Seat(Base):
    """An association object with a composite key."""

    __tablename__ = "seat"
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("team.id"), primary_key=True)
    rank: Mapped[str]


class Staff(Base):
    """The top of a joined-table inheritance."""

    __tablename__ = "staff"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    name: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "staff"}  # noqa: RUF012 - as SQLAlchemy wants it


class Engineer(Staff):
    """In two tables."""

    __tablename__ = "engineer"
    id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str]
    __mapper_args__ = {"polymorphic_identity": "engineer"}  # noqa: RUF012


class Clerk(Staff):
    """In the table of the top."""

    desk: Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "clerk"}  # noqa: RUF012
