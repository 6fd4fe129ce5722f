"""The published RFC 5424 handler, unchanged, against a listener on TCP, TLS and UDP; framing, addresses, shut doors."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from rfc5424logging import Rfc5424SysLogHandler
from rfc5424logging.transport import FRAMING_NON_TRANSPARENT, FRAMING_OCTET_COUNTING

import whodid
from tests.remoting import OPERATOR, SECRET, WORKSPACE
from whodid import Change, Entry, Log
from whodid.errors import InvalidSetting, StoreUnavailable
from whodid.server.compat.rfc5424 import LARGEST_MESSAGE, Frames, read_message
from whodid.server.compat.syslog import Syslog
from whodid.server.compat.syslog_addresses import read_address
from whodid.server.gate import Buckets, Gate
from whodid.server.keys import KeyRing

ELEMENT = {
    "user.id": "usr_1",
    "user.name": 'Ana "ñ" ]\\',
    "resource.type": "invoice",
    "resource.id": "inv_1",
    "before.total": "10",
    "after.total": "12",
}


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log."""
    with whodid.open("memory://") as opened:
        yield opened


@pytest.fixture
def key(log: Log) -> str:
    """Make a key."""
    return KeyRing(log, WORKSPACE, actor=OPERATOR).create("t").text


@contextmanager
def listening(log: Log, address: str = "tcp://127.0.0.1:0", rate: int = 0) -> Iterator[tuple[str, int]]:
    """Listen; yield host and port."""
    gate = Gate(log, secret=SECRET)
    with Syslog(read_address(address), log, gate, rate=rate, ending_seconds=5) as listener:
        port = int(listener.where.rpartition(":")[2])
        yield "127.0.0.1", port


def handler(address: tuple[str, int], key: str | None, **more: Any) -> Rfc5424SysLogHandler:
    """Make the handler as an application does."""
    values: dict[str, Any] = {"socktype": socket.SOCK_STREAM, "enterprise_id": "32473", "appname": "billing"} | more
    data = {"whodid": {"key": key}} if key else None
    return Rfc5424SysLogHandler(address=address, structured_data=data, hostname="web1", **values)


def say(made: Rfc5424SysLogHandler, number: int = 0, **more: Any) -> None:
    """Log a message through the handler."""
    record = logging.LogRecord("app", logging.WARNING, __file__, 1, "Sent it ñ", None, None)
    record.created = 1_780_000_000 + number / 1000
    record.msgid = more.pop("msgid", "invoice.sent")
    record.structured_data = {"audit": ELEMENT} | more
    made.emit(record)


def entries(log: Log, action: str = "invoice.sent") -> list[Entry]:
    """Return the entries of an action."""
    return [entry for entry in log.read(WORKSPACE) if entry.action == action]


def wait(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


def ended(connection: socket.socket) -> bool:
    """Wait until the other side has ended a connection."""
    connection.settimeout(10)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


# ------------------------------------------------------------------------------------------------------- the client


@pytest.mark.parametrize("framing", [FRAMING_OCTET_COUNTING, FRAMING_NON_TRANSPARENT])
def test_an_event_arrives_whole(log: Log, key: str, framing: int) -> None:
    """Structured data has actor, resource and change; escapes are undone; the key is nowhere in the log."""
    with listening(log) as address:
        made = handler(address, key, framing=framing)
        say(made)
        wait(lambda: bool(entries(log)))
        made.close()
    (entry,) = entries(log)
    assert (entry.actor.type, entry.actor.id, entry.actor.name) == ("user", "usr_1", 'Ana "ñ" ]\\')
    assert (entry.resource.type, entry.resource.id) == ("invoice", "inv_1")
    assert entry.changes == (Change(path="total", before="10", after="12"),)
    assert (entry.severity, entry.occurred_at) == ("warning", datetime.fromtimestamp(1_780_000_000, UTC))
    assert entry.details is not None
    assert (entry.details["message"], entry.details["app"], entry.details["host"]) == ("Sent it ñ", "billing", "web1")
    assert key not in str(list(log.read(WORKSPACE)))


def test_a_message_in_our_own_form_is_taken_as_it_is(log: Log, key: str) -> None:
    """A message that is a JSON object with action, actor and resource can say everything."""
    own = '{"action": "a.b", "actor": {"type": "api_key", "id": "k"}, "resource": {"type": "t", "id": "r"}}'
    with listening(log) as address, socket.create_connection(address) as sent:
        sent.sendall(f'<13>1 2026-11-01T00:00:00Z h a - - [whodid@1 key="{key}"] @cee: {own}\n'.encode())
        wait(lambda: bool(entries(log, "a.b")))
    assert entries(log, "a.b")[0].actor.type == "api_key"


def test_a_handler_that_reconnects_and_repeats_adds_nothing(log: Log, key: str) -> None:
    """The same message on a second connection is a repetition; twice on one connection it is meant."""
    with listening(log) as address:
        for _ in range(2):
            made = handler(address, key)
            say(made, 1)
            say(made, 1)
            say(made, 2)
            made.close()
        wait(lambda: len(entries(log)) == 3)
    assert len(entries(log)) == 3


def test_what_was_sent_before_the_end_is_recorded(log: Log, key: str) -> None:
    """The listener stops right after the last message left the sender: everything that arrived is there."""
    with listening(log) as address:
        made = handler(address, key)
        for number in range(300):
            say(made, number)
    assert len(entries(log)) == 300
    made.close()


def test_what_waits_in_the_sender_is_recorded_too(log: Log, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the buffer of the listener holds, sent and closed before the listener has read it."""
    real = log.record_many

    def slowly(workspace: str, events: Any) -> Any:
        time.sleep(0.01)
        return real(workspace, events)

    monkeypatch.setattr(log, "record_many", slowly)
    head = f'<13>1 2026-11-01T00:00:00Z h a - thing.made [whodid@1 key="{key}"]'
    data = b"".join(f"{head} {number} {'x' * 800}\n".encode() for number in range(1_500))
    with listening(log) as address, socket.socket() as sent:
        sent.connect(address)
        sent.sendall(data)
        sent.close()
    assert len(entries(log, "thing.made")) == 1_500


def test_nothing_is_read_while_the_store_is_away(log: Log, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is held and recorded when the store is back, once."""
    real, away = log.record_many, [True]
    tried: list[int] = []

    def sometimes(workspace: str, events: Any) -> Any:
        tried.append(1)
        if away[0]:
            raise StoreUnavailable("away")
        return real(workspace, events)

    with listening(log) as address:
        made = handler(address, key)
        say(made, 0)
        wait(lambda: bool(entries(log)))
        monkeypatch.setattr(log, "record_many", sometimes)
        say(made, 1)
        wait(lambda: len(tried) >= 2)
        assert len(entries(log)) == 1
        away[0] = False
        wait(lambda: len(entries(log)) == 2)
        made.close()


def test_a_stop_while_the_store_is_away_says_what_was_lost(
    log: Log, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no answer that could tell the sender, so the server's own log has the number."""
    tried: list[int] = []

    def never(*_: Any) -> None:
        tried.append(1)
        raise StoreUnavailable("away")

    gate = Gate(log, secret=SECRET)
    with Syslog(read_address("tcp://127.0.0.1:0"), log, gate, rate=0, ending_seconds=0) as listener:
        made = handler(("127.0.0.1", int(listener.where.rpartition(":")[2])), key)
        say(made, 0)
        wait(lambda: bool(entries(log)))
        monkeypatch.setattr(log, "record_many", never)
        say(made, 1)
        wait(lambda: bool(tried))
    made.close()
    assert "1 messages were read and could not be recorded" in caplog.text


def test_a_message_that_was_cut_off_is_not_recorded(log: Log, key: str, caplog: pytest.LogCaptureFixture) -> None:
    """Half a message is none, and the server's own log says so, also while the listener stops."""
    whole = f'<13>1 2026-11-01T00:00:00Z h a - thing.made [whodid@1 key="{key}"] one\n'.encode()
    with listening(log) as address, socket.create_connection(address) as sent:
        sent.sendall(whole + whole[:-20])
        sent.close()
    assert len(entries(log, "thing.made")) == 1
    assert "was cut off" in caplog.text


@pytest.mark.parametrize("shown", [None, "wk_no"])
def test_who_shows_no_valid_key_is_cut_off(log: Log, shown: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is recorded, the connection ends, and the key is not in the server's own log."""
    with listening(log) as address:
        made = handler(address, shown)
        say(made)
        assert ended(made.transport.socket)
        made.close()
    assert log.workspaces() == []
    assert "showed no valid key" in caplog.text
    assert "wk_no" not in caplog.text


def test_a_key_that_may_not_write_is_cut_off(log: Log) -> None:
    """With an entry that tells, as at every door."""
    key = KeyRing(log, WORKSPACE, actor=OPERATOR).create("r", scopes=("read",)).text
    with listening(log) as address:
        made = handler(address, key)
        say(made)
        assert ended(made.transport.socket)
        made.close()
    assert [entry.details for entry in entries(log, "api_key.denied")] == [{"cause": "scope", "route": "SYSLOG tcp"}]


def test_datagrams_are_taken(log: Log, key: str) -> None:
    """UDP, with the handler's own default; one without a key is not recorded."""
    with listening(log, "udp://127.0.0.1:0") as address:
        for shown in (None, key):
            made = handler(address, shown, socktype=socket.SOCK_DGRAM)
            say(made, 1)
            say(made, 2)
            made.close()
        wait(lambda: len(entries(log)) == 2)
    assert len(entries(log)) == 2


def test_a_rate_slows_the_reading_down(log: Log, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a key may send is not refused but waits, for as long as it takes until there is room."""
    rests: list[float] = []
    gate = Gate(log, secret=SECRET)
    with Syslog(read_address("tcp://127.0.0.1:0"), log, gate, rate=1, ending_seconds=5) as listener:
        monkeypatch.setattr(listener, "_buckets", Buckets(1, least=45, tick=lambda: sum(rests)))
        monkeypatch.setattr(listener, "_rest", lambda seconds, _: rests.append(seconds))
        made = handler(("127.0.0.1", int(listener.where.rpartition(":")[2])), key)
        for number in range(50):
            say(made, number)
        wait(lambda: len(entries(log)) == 50)
        made.close()
    assert sum(rests) == pytest.approx(5)


# -------------------------------------------------------------------------------------------------------------- TLS


def certificates(folder: Path) -> None:
    """Make an authority, and certificates of a server, of a sender, and of a stranger with an authority of its own."""
    for authority, names in (("ca", ("server", "sender")), ("other", ("stranger",))):
        root_key, root_name = ec.generate_private_key(ec.SECP256R1()), named(authority)
        write(folder / f"{authority}.pem", certificate(root_name, root_name, root_key, root_key, ca=True))
        for name in names:
            own = ec.generate_private_key(ec.SECP256R1())
            made = certificate(named(name), root_name, own, root_key, ca=False)
            key = own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write(folder / f"{name}.pem", made + key)


def named(name: str) -> x509.Name:
    """Make a name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(subject: x509.Name, issuer: x509.Name, own: Any, signer: Any, *, ca: bool) -> bytes:
    """Make a certificate for the local host."""
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    return built.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def write(path: Path, data: bytes) -> None:
    """Write a file."""
    path.write_bytes(data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make certificates."""
    certificates(tmp_path)
    return tmp_path


def secured(address: tuple[str, int], key: str | None, folder: Path, name: str | None = None) -> Rfc5424SysLogHandler:
    """Make the handler for TLS.

    Args:
        name: Whose certificate it shows.
    """
    own = str(folder / f"{name}.pem") if name else None
    files = {"tls_ca_bundle": str(folder / "ca.pem"), "tls_client_cert": own, "tls_client_key": own}
    return handler(("localhost", address[1]), key, tls_enable=True, framing=FRAMING_OCTET_COUNTING, **files)


def test_messages_travel_encrypted(log: Log, key: str, folder: Path) -> None:
    """TLS with a key in the message; what was sent before the end is recorded."""
    with listening(log, f"tls://127.0.0.1:0?cert={folder}/server.pem") as address:
        made = secured(address, key, folder)
        for number in range(50):
            say(made, number)
        wait(lambda: bool(entries(log)))
    made.close()
    assert len(entries(log)) == 50


def test_a_certificate_opens_one_workspace(log: Log, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever shows a certificate of the authority writes without a key; nobody else gets in."""
    query = f"cert={folder}/server.pem&client_ca={folder}/ca.pem&workspace={WORKSPACE}"
    with listening(log, f"tls://127.0.0.1:0?{query}") as address:
        made = secured(address, None, folder, "sender")
        say(made)
        wait(lambda: WORKSPACE in log.workspaces())
        made.close()
        for name in (None, "stranger"):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                shut = secured(address, None, folder, name)
                shut.transport.socket.settimeout(10)
                shut.transport.socket.recv(1)  # TLS 1.3 tells a refusal with the first bytes
            shut.close()
        # What the standard library writes is no RFC 5424 at all; it is kept as it is.
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "sender.pem")
        with context.wrap_socket(socket.create_connection(address), server_hostname="localhost") as plain:
            plain.sendall(b"<14>it works\0no priority\n")
            wait(lambda: len(entries(log, "message.logged")) == 2)
    assert len(entries(log)) == 1
    told = [entry.details for entry in entries(log, "message.logged")]
    assert [(one and one["message"], one and one["unparsed"], one and one["level"]) for one in told] == [
        ("it works", True, "info"),
        ("no priority", True, "notice"),
    ]
    assert "broke off" in caplog.text


# -------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("address", "fact"),
    [
        ("tcp://127.0.0.1", "cannot be read"),
        ("tcp://127.0.0.1:x", "cannot be read"),
        ("http://127.0.0.1:1", "cannot be read"),
        ("tcp://u:p@127.0.0.1:1", "cannot be read"),
        ("tcp://127.0.0.1:1?color=red", "not known"),
        ("tcp://0.0.0.0:1", "in the clear"),
        ("udp://[::]:1", "in the clear"),
        ("tcp://audit.example:1", "in the clear"),
        ("tls://127.0.0.1:1", "needs a certificate"),
        ("tcp://127.0.0.1:1?cert=x", "mean nothing"),
        ("tcp://127.0.0.1:1?workspace=a", "Anybody could write"),
        ("tls://127.0.0.1:1?cert=x&workspace=a", "Anybody could write"),
        ("tls://127.0.0.1:1?cert=x&client_ca=y&workspace=a/b", "no name"),
    ],
)
def test_an_address_that_would_be_an_open_door_is_refused(address: str, fact: str) -> None:
    """Before anything listens, with the remedy."""
    with pytest.raises(InvalidSetting, match=fact) as refused:
        read_address(address)
    assert refused.value.remedy


def test_a_door_may_be_opened_on_purpose_only(log: Log) -> None:
    """Keys in the clear where the network is trusted; files and ports that cannot be used say so."""
    assert read_address("udp://0.0.0.0:514?exposed=yes").host == "0.0.0.0"
    gate = Gate(log, secret=SECRET)
    with listening(log) as (host, port), pytest.raises(InvalidSetting, match="cannot be used"):
        Syslog(read_address(f"tcp://{host}:{port}"), log, gate, rate=0, ending_seconds=1)
    with pytest.raises(InvalidSetting, match="certificates"):
        Syslog(read_address("tls://127.0.0.1:0?cert=/nowhere"), log, gate, rate=0, ending_seconds=1)


# ---------------------------------------------------------------------------------------------------------- framing


def test_both_framings_may_be_mixed_and_cut_anywhere() -> None:
    """Whatever pieces the bytes come in, the messages are the same."""
    stream = b"8 <1>a\nb\x00c<2>line\n\r\n<3>nul\x0012 <4>twelve b.<5>last\n"
    whole = Frames().feed(stream)
    for size in range(1, len(stream)):
        frames = Frames()
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [one for piece in pieces for one in frames.feed(piece)] == whole
        assert not frames.pending


def test_a_message_that_is_too_large_is_left_out_alone() -> None:
    """Counted or not, the ones before and after it are there, and it is counted as lost."""
    big = b"<1>" + b"x" * LARGEST_MESSAGE
    stream = b"4 <1>a" + str(len(big)).encode() + b" " + big + b"4 <1>b" + big + b"\n<1>c\n"
    frames = Frames()
    found = [one for at in range(0, len(stream), 1000) for one in frames.feed(stream[at : at + 1000])]
    assert found == [b"<1>a", b"<1>b", b"<1>c"]
    assert frames.lost == 2
    frames.feed(b"<1>half")
    assert frames.pending


@pytest.mark.parametrize(
    "raw",
    [
        b"<192>1 - - - - - -",
        b"<13>2 - - - - - -",
        b"<13>1 2026-13-01T00:00:00Z - - - - -",
        b"<13>1 - - - - - x",
        b"<13>1 - - - - - [a",
        b'<13>1 - - - - - [a b="c]',
        b"<13>1 - - - - - [a]x",
        b"\xff\xfe",
        b"",
    ],
)
def test_what_is_no_rfc_5424_is_a_plain_text(raw: bytes) -> None:
    """Nothing raises, and all of it is kept."""
    message = read_message(raw)
    assert not message.parsed
    assert message.text in raw.decode("utf-8", "backslashreplace")


def test_every_part_of_a_message_is_read() -> None:
    """The example of RFC 5424, section 6.5, with two elements, escapes and a byte order mark."""
    raw = (
        b'<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 77 ID47 [a@1 x="1\\"\\]\\\\" x="\\n"][b@2]'
        b" \xef\xbb\xbfAn event"
    )
    message = read_message(raw)
    assert (message.facility, message.severity) == (20, 5)
    assert (message.host, message.app, message.process, message.name) == (
        "mymachine.example.com",
        "evntslog",
        "77",
        "ID47",
    )
    assert message.at == datetime(2003, 10, 11, 22, 14, 15, 3000, tzinfo=UTC)
    assert message.elements == {"a@1": [("x", '1"]\\'), ("x", "\\n")], "b@2": []}
    assert message.text == "An event"
