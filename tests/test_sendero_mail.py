"""Mails: to a server that speaks SMTP, or into files, and addresses of servers that cannot be meant."""

from __future__ import annotations

import socketserver
import stat
import threading
from collections.abc import Iterator
from typing import Self

import pytest
from msgspec import structs

from sendero.mail import Mail, check, send
from sendero.service import letters
from sendero.tables import Letter
from tests.lumen import Lumen, lumen
from whodid.errors import InvalidSetting

__all__ = ["lumen"]

MAIL = Mail(
    id="let_1", to="ana@lumen.example", subject="Elige tu contraseña", text="Hola, Ana:\n.\nhttps://x.example/y\n"
)


class _Post(socketserver.StreamRequestHandler):
    """Takes mails as a server does, and keeps what was said."""

    def handle(self) -> None:
        said: list[str] = self.server.said  # type: ignore[attr-defined]
        self.wfile.write(b"220 post.example\r\n")
        while line := self.rfile.readline().decode().strip():
            said.append(line)
            word = line.split()[0].upper()
            if word == "DATA":
                self.wfile.write(b"354 go on\r\n")
                while (text := self.rfile.readline()) != b".\r\n":
                    said.append(text.decode().rstrip("\r\n"))
            self.wfile.write(b"221 bye\r\n" if word == "QUIT" else b"250 yes\r\n")


@pytest.fixture
def post(lumen: Lumen) -> Iterator[list[str]]:
    """Run a mail server, set it, and return what is said to it."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Post) as server:
        server.said = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"smtp://127.0.0.1:{server.server_address[1]}"
        lumen.home.settings = structs.replace(lumen.home.settings, smtp=address, sender="Sendero <post@lumen.example>")
        yield server.said  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def test_a_letter_goes_to_the_server(lumen: Lumen, post: list[str]) -> None:
    """Written in one work, sent by the job, gone afterwards; no file is written."""
    with lumen.working() as work:
        letters.write(work, MAIL.to, MAIL.subject, MAIL.text)
    assert letters.turn(lumen.home)
    assert letters.turn(lumen.home) is False
    assert "mail FROM:<post@lumen.example>" in post[1]
    assert post[2] == "rcpt TO:<ana@lumen.example>"
    assert "Auto-Submitted: auto-generated" in post
    assert "Subject: Elige tu =?utf-8?q?contrase=C3=B1a?=" in post
    with lumen.home.session() as session:
        assert session.query(Letter).count() == 0
    assert not (lumen.home.settings.data / "mail").exists()


def test_without_a_server_it_is_a_file_of_ours(lumen: Lumen) -> None:
    """That only the owner of the process can read, because it may hold a link."""
    send(lumen.home, MAIL)
    folder = lumen.home.settings.data / "mail"
    file = folder / "let_1.eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("address", ["post.example", "http://post.example", "smtp://", "smtp:post.example", ""])
def test_an_address_that_is_none(address: str) -> None:
    """Is refused when the process starts, with how to write it."""
    with pytest.raises(InvalidSetting, match="smtps://user:password@host:465"):
        check(address)


def test_elsewhere_nothing_goes_without_tls(lumen: Lumen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not this machine has to speak TLS before it hears anything."""
    said: list[str] = []

    class Server:
        def __init__(self, host: str, port: int, **_: object) -> None:
            said.append(f"{host}:{port}")

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def starttls(self, **_: object) -> None:
            raise ConnectionRefusedError

        def login(self, *_: str) -> None:
            said.append("login")

        send_message = login

    monkeypatch.setattr("smtplib.SMTP", Server)
    lumen.home.settings = structs.replace(lumen.home.settings, smtp="smtp://user:p%40ss@post.example")
    with pytest.raises(ConnectionRefusedError):
        send(lumen.home, MAIL)
    assert said == ["post.example:587"]
