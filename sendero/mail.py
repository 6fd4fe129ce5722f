"""The way out for mails: an SMTP server that the operator names, else files in a folder, for trying things out."""

from __future__ import annotations

import os
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from sendero.installation import Installation
from whodid.errors import InvalidSetting

__all__ = ["Mail", "check", "folder", "send"]

_SECONDS = 20
_PORTS = {"smtp": 587, "smtps": 465}


class Mail(Struct, frozen=True, kw_only=True):
    """A mail in plain text.

    Args:
        id: Of the letter it is; two attempts to send it have the same.
    """

    id: str
    to: str
    subject: str
    text: str


def check(address: str) -> None:
    """Check how an SMTP server is named.

    Raises:
        InvalidSetting: Not like `smtp://user:password@host:587`, or a password would go without TLS.
    """
    parts = urlsplit(address)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InvalidSetting("The SMTP server cannot be understood", "Write it like smtps://user:password@host:465")


def folder(home: Installation) -> str | None:
    """Return where mails are written because nothing sends them; None when a server does."""
    return None if home.settings.smtp else str(home.settings.data / "mail")


def send(home: Installation, mail: Mail) -> None:
    """Send a mail, or write it down.

    Raises:
        OSError: The server, or the folder, does not take it.
        smtplib.SMTPException: The same, in the server's words.
    """
    message = EmailMessage()
    message["From"] = home.settings.sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(home.clock())
    message["Message-ID"] = make_msgid(mail.id, "sendero.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if home.settings.smtp is None:
        place = home.settings.data / "mail"
        place.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(place / f"{mail.id}.eml", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(message.as_bytes())
        return
    _submit(home.settings.smtp, message)


def _submit(address: str, message: EmailMessage) -> None:
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    trust = ssl.create_default_context()
    own = host in ("localhost", "127.0.0.1", "::1")
    server = (
        smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=trust)
        if parts.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=_SECONDS)
    )
    with server:
        if parts.scheme == "smtp" and not own:
            server.starttls(context=trust)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
