"""E-mail by SMTP (RFC 5321, RFC 6409): the signed head of the log, to people who keep it, or entries in words.

Of an entry a letter says one line and never the whole: entries are personal data, and mailboxes have their own rules.
TLS is a must, unless private addresses are allowed; the server is checked like every other receiver.
"""

from __future__ import annotations

import html
import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime
from threading import Timer

import msgspec

from whodid import egress
from whodid.errors import InvalidSetting
from whodid.sinks.kinds.base import TAKEN, Kind, Message, Opening, Result
from whodid.sinks.kinds.http import OPTIONS, make_trust, network_fault, split_address
from whodid.sinks.kinds.schedule import read_schedule
from whodid.sinks.kinds.wording import PEOPLE, Line, Wording
from whodid.sinks.said import said_by

__all__ = ["EMAIL"]

_SECONDS = 20.0
_PORTS = {"smtps": 465, "smtp": 587}
_MOST_PEOPLE = 20
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_LASTING = range(550, 555)
"""Answers to the sender, the people or the letter that will be the same the next time."""


class _Email:
    """Writes a letter and hands it over."""

    def __init__(self, opening: Opening) -> None:
        self._url = split_address(opening, ("smtps", "smtp"), clear="")
        self._private = opening.sink.private
        self._trust = make_trust(opening)
        self._from = _address(opening.option("from"), "from")
        self._to = [_address(one, "to") for one in opening.option("to").split(",")]
        if len(self._to) > _MOST_PEOPLE:
            raise InvalidSetting(f"A letter goes to {_MOST_PEOPLE} people at most", "Use the address of a list")
        self._heads = opening.sink.format == "head"
        if read_schedule(opening.sink.options) is not None and self._heads:
            raise InvalidSetting("Heads have a schedule of their own", "Set --heartbeat, not hours or a digest")
        self._wording = Wording(opening)
        self._user = opening.option("user")
        if bool(self._user) != bool(opening.secrets):
            raise InvalidSetting("A name and a password go together", "Give --set user=NAME and --secret-file, or none")
        self._password = opening.secrets[0] if opening.secrets else ""

    def send(self, messages: Sequence[Message]) -> Result:
        """Send each head as a letter, and entries together in one; signs of life are not sent."""
        if not self._heads and not self._wording.lines(messages):
            return TAKEN
        try:
            with _Client(self._url.hostname or "", self._port, self._trust, private=self._private) as client:
                late = Timer(_SECONDS, client.cut)
                late.daemon = True
                late.start()
                try:
                    self._hand_over(client, messages)
                finally:
                    late.cancel()
        except smtplib.SMTPAuthenticationError as error:
            return Result(fault=f"The server does not know the name and the password ({error.smtp_code})")
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            return Result(fault=f"The server refuses the people: {code}: {said_by(said)}", lasting=code in _LASTING)
        except smtplib.SMTPResponseException as error:
            told = f"The server answered {error.smtp_code}: {said_by(error.smtp_error)}"
            return Result(fault=told, lasting=error.smtp_code in _LASTING)
        except smtplib.SMTPException as error:
            told = f": {said_by(str(error))}" if str(error) else ""
            return Result(fault=f"The server does not speak SMTP{told}")
        except (OSError, ValueError, InvalidSetting) as error:
            return Result(fault=network_fault(error))
        return TAKEN

    def close(self) -> None:
        """Do nothing: a connection ends with its delivery."""

    @property
    def _port(self) -> int:
        return self._url.port or _PORTS[self._url.scheme]

    def _hand_over(self, client: _Client, messages: Sequence[Message]) -> None:
        client.open(at_once=self._url.scheme == "smtps", clear=self._private)
        if self._user:
            client.login(self._user, self._password)
        letters = [self._head(message) for message in messages] if self._heads else [self._entries(messages)]
        for letter in letters:
            client.send_message(letter, self._from, self._to)

    def _head(self, message: Message) -> EmailMessage:
        said = msgspec.json.decode(message.body)
        words, size, workspace = self._wording.words, said["size"], message.workspace
        subject = words.counted("head.subject", size, workspace=workspace)
        letter = self._letter(message, words.say("head.test", subject=subject) if said["whodid"] == "test" else subject)
        self._write(
            letter,
            [
                Line(grave=False, title="", text=words.counted("head.holds", size, workspace=workspace)),
                said["checkpoint"],
                Line(grave=False, title="", text=words.say("head.key")),
                said["vkey"],
                Line(grave=False, title="", text=words.counted("head.keep", said["previous"])),
            ],
        )
        letter.add_attachment(
            message.body, maintype="application", subtype="json", filename=f"head-{said['size']}.json"
        )
        return letter

    def _entries(self, messages: Sequence[Message]) -> EmailMessage:
        said = self._wording.lines(messages)
        title = self._wording.title(said)
        letter = self._letter(
            messages[0], self._wording.words.say("subject", workspace=messages[0].workspace, title=title)
        )
        self._write(letter, said)
        return letter

    def _write(self, letter: EmailMessage, said: Sequence[Line | str]) -> None:
        """Write what a letter says, as text and as a page that has the direction of the language.

        Args:
            said: Lines, and texts that are for programs.
        """
        words, link = self._wording.words, self._wording.link
        text = [one if isinstance(one, str) else f"{one.title}\n{one.text}".lstrip("\n") for one in said]
        letter.set_content("\n\n".join([*(one.rstrip("\n") for one in text), *([link] if link else [])]) + "\n")
        parts = [_code(one) if isinstance(one, str) else _paragraph(one) for one in said]
        if link:
            parts.append(f'<p><a href="{html.escape(link)}">{html.escape(words.say("open"))}</a></p>')
        spoken = f'lang="{words.lang}" dir="{"rtl" if words.right_to_left else "ltr"}"'
        # Some readers of mail drop what stands at the root, so the body says it again.
        page = [
            f'<!doctype html>\n<html {spoken}>\n<head><meta charset="utf-8"></head>\n<body><div {spoken}>',
            *parts,
            "</div></body>\n</html>\n",
        ]
        letter.add_alternative("\n".join(page), subtype="html")

    def _letter(self, message: Message, subject: str) -> EmailMessage:
        letter = EmailMessage()
        letter["Subject"] = subject
        letter["From"] = self._from
        letter["To"] = ", ".join(self._to)
        letter["Date"] = format_datetime(message.at)
        letter["Message-ID"] = f"<{message.id}@{self._from.partition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"
        return letter


def _paragraph(line: Line) -> str:
    title = f"<strong>{html.escape(line.title)}</strong><br>" if line.title else ""
    return f"<p>{title}{html.escape(line.text)}</p>"


def _code(text: str) -> str:
    return f'<pre dir="ltr">{html.escape(text)}</pre>'


class _Client(smtplib.SMTP):
    """A connection to an address that is checked when it is made."""

    def __init__(self, host: str, port: int, trust: ssl.SSLContext, *, private: bool) -> None:
        super().__init__(local_hostname=socket.gethostname(), timeout=_SECONDS)
        self._where = (host, port)
        self._trust = trust
        self._private = private
        self._at_once = False
        self._host = host  # what TLS compares the certificate with

    def open(self, *, at_once: bool, clear: bool) -> None:
        """Connect.

        Args:
            at_once: Whether TLS begins before the first word (RFC 8314); else it is asked for.
            clear: Whether it goes on without TLS when the server has none.
        """
        self._at_once = at_once
        host, port = self._where
        code, said = self.connect(host, port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)
        self.ehlo()
        if not at_once and (self.has_extn("starttls") or not clear):
            self.starttls(context=self._trust)
            self.ehlo()

    def cut(self) -> None:
        """End the connection from another thread, because the time is over."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)

    def _get_socket(self, host: str, port: int, timeout: float | None) -> socket.socket:
        connection = egress.connect(host, port, private=self._private, seconds=_SECONDS)
        if self._at_once:
            return self._trust.wrap_socket(connection, server_hostname=host)
        return connection


def _address(text: str, name: str) -> str:
    if not _ADDRESS.fullmatch(text.strip()):
        raise InvalidSetting(f"The option {name} cannot be {text!r}", "Use addresses such as audit@example.com")
    return text.strip()


EMAIL = Kind(
    formats=("head", "whodid"),
    options={
        **OPTIONS,
        "to": "who gets it, with commas between",
        "from": "who sends it",
        "user": "name at the server, with a secret as its password",
        **PEOPLE,
    },
    batch=20,
    most=100,
    secret=False,
    open=_Email,
)
