"""Sinks of heads: when they get one, what it proves to whoever keeps it, and letters."""

from __future__ import annotations

import json
import re
import socketserver
import ssl
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

import whodid
from tests import shell
from tests.keeping import HOME, Clock, event, opened, record
from tests.receiving import certified, receiving
from tests.shell import Run
from tests.sinking import Told, managed, only, turn
from whodid import Log
from whodid.errors import InvalidSetting
from whodid.proof.checkpoint import open_checkpoint
from whodid.proof.note import Verifier
from whodid.proof.tree import check_consistency
from whodid.sinks import KINDS, SinkWorker
from whodid.sinks.kinds import Result

run, store = shell.run, shell.store
DOWN = Result(fault="The receiver answered 503")


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log with ten entries."""
    with opened("memory", tmp_path, clock) as log:
        record(log, [event(number) for number in range(1, 11)])
        yield log


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Put a receiver that does as it is told in the place of files."""
    told = Told()
    monkeypatch.setitem(KINDS, "file", told.kind())
    return told


def checked(head: dict[str, Any], log: Log) -> int:
    """Check a head as a receiver does, who has the key from elsewhere; return its size."""
    checkpoint, _ = open_checkpoint(head["checkpoint"], Verifier(log.verifier_key(HOME)))
    assert (checkpoint.size, head["vkey"], head["workspace"]) == (head["size"], log.verifier_key(HOME), HOME)
    return checkpoint.size


def test_heads_come_on_a_schedule_and_each_continues_the_last(log: Log, told: Told, clock: Clock) -> None:
    """The first at once, then one a day where the log grew; no entries; every head proves the one before."""
    managed(log).add("keep", "file", "/tmp/x", format="head")
    worker = SinkWorker(log)
    assert [turn(worker), turn(worker)] == [1, 0]
    clock.advance(days=2)
    assert turn(worker) == 0
    record(log, [event(11)])
    assert turn(worker) == 1
    record(log, [event(number) for number in range(12, 20)])
    clock.advance(hours=23)
    assert turn(worker) == 0
    clock.advance(hours=1)
    assert turn(worker) == 1
    heads = [one for batch in told.got for one in batch]
    assert [(head["whodid"], checked(head, log), head["previous"]) for head in heads] == [
        ("head", 11, 0), ("head", 12, 11), ("head", 20, 12),
    ]  # fmt: skip
    for before, head in pairwise(heads):
        old, new = (open_checkpoint(one["checkpoint"], Verifier(one["vkey"]))[0] for one in (before, head))
        check_consistency(old.size, new.size, old.root, new.root, [b64decode(one) for one in head["consistency"]])
    assert (only(log).position.delivered, only(log).behind) == (3, 0)
    assert log.head(HOME).size == 20  # delivering left nothing in the log


def test_a_head_that_is_not_taken_is_tried_again_and_seen(log: Log, told: Told, clock: Clock) -> None:
    """It fails visibly, waits longer each time, and pauses in the end with an entry that says why."""
    managed(log).add("keep", "file", "/tmp/x", format="head")
    told.judge = lambda _: DOWN
    worker = SinkWorker(log)
    turn(worker)
    assert (only(log).status, only(log).position.fault) == ("failing", DOWN.fault)
    assert turn(worker) == 0
    clock.advance(seconds=6)
    told.judge = lambda _: Result()
    assert turn(worker) == 1
    assert only(log).status == "active"
    record(log, [event(11)])
    told.judge = lambda _: Result(refused={0: "Too large"})
    clock.advance(days=1)
    for _ in range(8):
        turn(worker)
        clock.advance(hours=12)
    assert only(log).status == "paused"
    (said,) = log.find(HOME, "action:audit.stream_changed", limit=1).entries
    assert said.reason is not None
    assert "Too large" in (said.reason.text or "")


def test_what_a_sink_of_heads_cannot_be(log: Log) -> None:
    """No filter, no silence, and no head to a sink of entries."""
    sinks = managed(log)
    for more in ({"query": "action:deleted"}, {"heartbeat": 0}):
        with pytest.raises(InvalidSetting, match="whole log"):
            sinks.add("keep", "file", "/tmp/x", format="head", **more)
    sinks.add("siem", "file", "/tmp/y")
    with pytest.raises(InvalidSetting, match="gets no heads"):
        sinks.send_head("siem")
    with pytest.raises(InvalidSetting, match="no format"):
        sinks.add("hec", "splunk", "https://x.example", format="head")


def test_a_webhook_with_heads_is_signed(log: Log, tmp_path: Path) -> None:
    """As Standard Webhooks says, under the same id whenever the same head is sent."""
    secret = tmp_path / "hook.secret"
    secret.write_text("whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz" + "\n")
    secret.chmod(0o600)
    with receiving() as receiver:
        receiver.statuses = [503]
        managed(log).add("hook", "webhook", receiver.url, format="head", secret=f"file:{secret}", private=True)
        assert managed(log).send_head("hook") == "The receiver answered 503"
        assert managed(log).send_head("hook") == ""
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    # The clock of the log stands still in November 2026; the reference compares with the true time.
    signer = Webhook(secret.read_text().strip())
    for got in (first, second):
        at = log.now()
        assert got.headers["webhook-signature"] == signer.sign(got.headers["webhook-id"], at, got.body.decode())
    (head,) = json.loads(second.body)
    assert checked(head, log) == 11


# ------------------------------------------------------------------------------------------------------------- letters


class _Post(socketserver.ThreadingTCPServer):
    """An SMTP server that keeps what it gets.

    Args:
        tls: What TLS is made with; None for a server without.
        refuses: Beginning of a command, and how it is answered.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None, *, at_once: bool = False, **refuses: str) -> None:
        self.tls, self.at_once, self.refuses = tls, at_once, refuses
        self.letters: list[tuple[EmailMessage, list[str], bool, str]] = []
        super().__init__(("127.0.0.1", 0), _Talk)


class _Talk(socketserver.StreamRequestHandler):
    server: _Post

    def handle(self) -> None:
        secure, people, user = False, list[str](), ""
        connection = self.request
        try:
            if self.server.at_once:
                assert self.server.tls is not None
                connection, secure = self.server.tls.wrap_socket(connection, server_side=True), True
            stream = connection.makefile("rwb")
            self._say(stream, "220 post.example")
            while line := stream.readline():
                word = line.decode().strip()
                command = word[:4].upper()
                if command in self.server.refuses:
                    self._say(stream, self.server.refuses[command])
                elif command == "EHLO":
                    more = ["250-STARTTLS"] if self.server.tls and not secure else []
                    self._say(stream, "\r\n".join(["250-post.example", *more, "250 AUTH PLAIN"]))
                elif command == "STAR" and self.server.tls is not None:
                    self._say(stream, "220 go on")
                    connection, secure = self.server.tls.wrap_socket(connection, server_side=True), True
                    stream = connection.makefile("rwb")
                elif command == "AUTH":
                    user = b64decode(word.split()[-1]).decode().replace("\0", " ").strip()
                    self._say(stream, "235 welcome")
                elif command == "RCPT":
                    people.append(re.findall("<(.*)>", word)[0])
                    self._say(stream, "250 good")
                elif command == "DATA":
                    self._say(stream, "354 go on")
                    data = b""
                    while (line := stream.readline()) != b".\r\n":
                        data += line.removeprefix(b".") if line.startswith(b"..") else line
                    letter = message_from_bytes(data, policy=policy.default)
                    assert isinstance(letter, EmailMessage)
                    self.server.letters.append((letter, people, secure, user))
                    self._say(stream, "250 taken")
                elif command == "QUIT":
                    self._say(stream, "221 bye")
                    return
                else:
                    self._say(stream, "250 good")
        except (OSError, ValueError):
            return
        finally:
            connection.close()

    @staticmethod
    def _say(stream: Any, text: str) -> None:
        stream.write(text.encode() + b"\r\n")
        stream.flush()


@contextmanager
def posting(tls: ssl.SSLContext | None, **more: Any) -> Iterator[_Post]:
    """Run an SMTP server."""
    with _Post(tls, **more) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def written(log: Log, address: str, **more: Any) -> str:
    """Add a sink that writes letters, send the head, and return what went wrong."""
    options = {"to": "ana@casa.example, keep@casa.example", "from": "audit@whodid.example", **more.pop("options", {})}
    managed(log).add("letters", "email", address, options=options, private=True, **more)
    return managed(log).send_head("letters")


@pytest.mark.parametrize("at_once", [False, True])
def test_a_letter_holds_a_head_that_can_be_checked(log: Log, tmp_path: Path, at_once: bool) -> None:
    """Over TLS, to everybody, with the key and the head in the text and as a file; a test says that it is one."""
    context, authority = certified(tmp_path)
    password = tmp_path / "password"
    password.write_text("abc 123\n")
    password.chmod(0o600)
    with posting(context, at_once=at_once) as server:
        scheme, port = "smtps" if at_once else "smtp", server.server_address[1]
        more = {"options": {"ca": str(authority), "user": "whodid"}, "secret": f"file:{password}"}
        assert written(log, f"{scheme}://localhost:{port}", **more) == ""
        assert managed(log).test("letters").fault == ""
    (letter, people, secure, user), (test, *_) = server.letters
    assert (people, secure, user) == (["ana@casa.example", "keep@casa.example"], True, "whodid abc 123")
    assert letter["Subject"] == f"Audit log {HOME}: 11 entries"
    assert test["Subject"].startswith("Test: ")
    body = letter.get_body(("plain",))
    assert body is not None
    head = json.loads(next(letter.iter_attachments()).get_content())
    assert checked(head, log) == 11
    assert head["checkpoint"] in body.get_content().replace("\r\n", "\n")
    assert head["vkey"] in body.get_content()


@pytest.mark.parametrize(
    ("refuses", "fault"),
    [
        ({"RCPT": "550 no such person"}, "The server refuses the people: 550: “no such person”"),
        ({"MAIL": "451 later"}, "The server answered 451: “later”"),
        ({"DATA": "554 spam"}, "The server answered 554: “spam”"),
    ],
)
def test_what_a_server_refuses_is_told(log: Log, refuses: dict[str, str], fault: str) -> None:
    """In words, and the sink is failing."""
    with posting(None, **refuses) as server:
        told = written(log, f"smtp://127.0.0.1:{server.server_address[1]}")
    assert told == fault
    assert only(log).status == "failing"
    assert server.letters == []


def test_a_server_that_is_another_gets_no_letter(log: Log, tmp_path: Path) -> None:
    """A certificate that nobody trusts, or of another host; and an address that is closed."""
    context, authority = certified(tmp_path, "elsewhere")
    with posting(context) as server:
        assert "TLS failed" in written(
            log, f"smtp://localhost:{server.server_address[1]}", options={"ca": str(authority)}
        )
    assert server.letters == []
    options = {"to": "a@b.example", "from": "c@d.example"}
    managed(log).add("closed", "email", "smtp://127.0.0.1:1", options=options)
    assert "not on the public internet" in managed(log).send_head("closed")


@pytest.mark.parametrize(
    "options",
    [{"to": "a@b.example"}, {"from": "a@b.example"}, {"to": "a@b.example\r\nBcc: x@y.example", "from": "a@b.example"},
     {"to": "a@b.example", "from": "a@b.example", "user": "u"},
     {"to": ",".join(["a@b.example"] * 21), "from": "a@b.example"}],
)  # fmt: skip
def test_letters_that_cannot_be(log: Log, options: dict[str, str]) -> None:
    """Nobody to write to, nobody who writes, a line break, a name without a password, a crowd."""
    with pytest.raises(InvalidSetting):
        managed(log).add("letters", "email", "smtps://mail.example", options=options)


def test_the_program_sends_heads(run: Run, store: str, tmp_path: Path) -> None:
    """`whodid head show`, and `whodid head send`: to one sink, to all of heads, to none."""
    none = run("head", "send")
    assert (none.code, "no sink that gets heads" in none.err) == (4, True)
    out = tmp_path / "heads.ndjson"
    assert run("sinks", "add", "keep", "file", str(out), "--format", "head").code == 0
    assert run("head", "send").err == "keep: took it.\n"
    assert run("head", "send", "keep").code == 0
    assert run("head", "send", "other").code == 4
    heads = [json.loads(line) for line in out.read_text().splitlines()]
    assert {head["checkpoint"] for head in heads} == {run("head", "show").out}
    with whodid.open(store) as log:
        assert checked(heads[0], log) == log.head(HOME).size
