"""One installation: its settings, its database, its log, its keys, and how they are opened and closed together."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import Session, sessionmaker

import whodid
from sendero import tables
from sendero.actions import catalog
from sendero.fetching import Fetch, Fetcher
from sendero.migrations import migrate
from sendero.vault import Vault, secret_file
from sendero.whatsapp.cloud import CloudApi
from sendero.whatsapp.demo import DemoWhatsApp
from sendero.whatsapp.provider import Provider
from whodid.capture import Capture, Relay
from whodid.capture.outbox import Outbox
from whodid.capture.sqlalchemy import install

__all__ = ["Installation", "Settings"]


class Settings(Struct, frozen=True, kw_only=True):
    """Where an installation lives.

    Args:
        data: Folder of the databases and key files.
        database: SQLAlchemy address of Sendero's own database; a SQLite file in `data` when not given.
        trusted_proxies: How many proxies of yours stand in front; 0 heeds no forwarded address.
        url: Where people reach the workspace; the links in mails begin with it.
        smtp: The mail server, like `smtps://user:password@host:465`; without one, mails become files in `data`.
        sender: Whom mails come from.
        private_sso: Whether providers of single sign-on may be this machine itself, without TLS too: for trying out.
        private_webhooks: Whether webhooks may reach this machine itself, without TLS too: for trying them out.
        provider: The WhatsApp to speak with: `demo`, which lives in this process, or Meta's, `cloud`.
    """

    data: Path
    database: str | None = None
    trusted_proxies: int = 0
    url: str = "http://127.0.0.1:8000"
    smtp: str | None = None
    sender: str = "Sendero <sendero@localhost>"
    private_sso: bool = False
    private_webhooks: bool = False
    provider: Literal["demo", "cloud"] = "demo"

    @property
    def address(self) -> str:
        """The SQLAlchemy address of Sendero's own database."""
        return self.database or f"sqlite:///{self.data / 'sendero.db'}"

    @property
    def log_address(self) -> str:
        """The address of the audit log."""
        return f"sqlite:///{self.data / 'audit.db'}"


class Installation:
    """Everything that lives as long as the process.

    Args:
        settings: Where it lives.
        clock: Returns now, UTC; the story of the demo tells its own time.
        log_clock: The same for the log, when its present is another.
        entropy: Returns that many random bytes for ids.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        log_clock: Callable[[], datetime] | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.entropy = entropy
        self._closing = ExitStack()
        with ExitStack() as opening:
            settings.data.mkdir(parents=True, exist_ok=True)
            self.vault = Vault.at(settings.data / "vault.key")
            self.secret = secret_file(settings.data / "web.key", secrets.token_bytes(32))
            self.engine = _engine(settings.address)
            opening.callback(self.engine.dispose)
            migrate(self.engine)
            self.sessions = sessionmaker(self.engine, expire_on_commit=False)
            whatsapp = CloudApi() if settings.provider == "cloud" else DemoWhatsApp(self)
            opening.callback(whatsapp.close)
            self.provider: Provider = whatsapp
            self.log = opening.enter_context(
                whodid.open(
                    settings.log_address, catalog=catalog(), strict=True, name="sendero", clock=log_clock or clock
                )
            )
            self.capture = Capture.to(self.log, strict=True, clock=clock, entropy=entropy)
            self.outbox = Outbox(self.engine, tables.outbox, check=self.log.check)
            self.relay = Relay(self.outbox, self.log)
            opening.callback(self.outbox.on_commit(self.sessions, self.relay.wake))
            self.watching = install(self.sessions, self.capture, self.outbox, models=tables.WATCHED, unclaimed="raise")
            opening.callback(self.watching.remove)
            self.fetch: Fetch = Fetcher(private=settings.private_sso)
            self._closing = opening.pop_all()

    def close(self) -> None:
        """Close the log and the database."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def session(self) -> Session:
        """Open a database session."""
        return self.sessions()


def _engine(address: str) -> sa.Engine:
    # What people type and the hashes of their passwords must not reach the server's own log with an error.
    engine = sa.create_engine(address, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "busy_timeout = 5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
