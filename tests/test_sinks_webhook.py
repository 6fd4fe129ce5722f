"""Sinks over HTTP with real receivers: signatures, what answers mean, and addresses that are not reached."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import standardwebhooks
from cloudevents.core.v1.event import CloudEvent

import whodid
from tests.keeping import HOME, event, record
from tests.receiving import Receiver, certified, receiving, silent
from tests.sinking import managed, only, turn
from whodid import Log, egress
from whodid.errors import InvalidSetting
from whodid.sinks import SinkWorker
from whodid.sinks.kinds import http

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
def log() -> Iterator[Log]:
    """Open a log with sixty entries; its clock is the real one, which signatures are checked by."""
    with whodid.open("memory://") as log:
        record(log, [event(number) for number in range(1, 61)])
        yield log


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Write the secret of a webhook."""
    path = tmp_path / "hook.secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a receiver on this machine."""
    with receiving() as receiver:
        yield receiver


def added(log: Log, receiver: Receiver, secret: Path, **more: object) -> None:
    """Add a webhook to which everything goes."""
    arguments = {"private": True, "start": 0, "secret": f"file:{secret}", **more}
    managed(log).add("hook", "webhook", receiver.url, **arguments)  # type: ignore[arg-type]


def delivered(receiver: Receiver) -> list[int]:
    """Return the indexes that came, delivery by delivery."""
    return [entry["index"] for got in receiver.got for entry in json.loads(got.body)]


def test_signatures_hold_by_the_reference(log: Log, receiver: Receiver, secret: Path) -> None:
    """The library of Standard Webhooks verifies every delivery, and none that was altered."""
    added(log, receiver, secret)
    turn(SinkWorker(log))

    assert delivered(receiver) == [*range(61)]
    assert [len(json.loads(got.body)) for got in receiver.got] == [25, 25, 11]
    hook = standardwebhooks.Webhook(SECRET)
    for got in receiver.got:
        assert hook.verify(got.body.decode(), got.headers) == json.loads(got.body)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            hook.verify(got.body.decode().replace("Maria", "Mario"), got.headers)
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 3


def test_two_secrets_sign_while_they_change(log: Log, receiver: Receiver, secret: Path) -> None:
    """The file is read for every turn, and each of its lines signs."""
    added(log, receiver, secret)
    secret.write_text(f"{OTHER}\n{SECRET}\n")
    turn(SinkWorker(log))

    for one in (SECRET, OTHER):
        assert standardwebhooks.Webhook(one).verify(receiver.got[0].body.decode(), receiver.got[0].headers)
    assert SECRET.encode() not in b"".join(log.stream_wire(HOME))


def test_the_same_delivery_has_the_same_id(log: Log, receiver: Receiver, secret: Path) -> None:
    """So a receiver can tell that it has it already."""
    receiver.statuses = [500]
    added(log, receiver, secret)
    turn(SinkWorker(log))
    managed(log).resume("hook")
    turn(SinkWorker(log))

    assert receiver.got[0].body == receiver.got[1].body
    assert receiver.got[0].headers["webhook-id"] == receiver.got[1].headers["webhook-id"]


def test_cloudevents_are_what_their_library_takes(log: Log, receiver: Receiver, secret: Path) -> None:
    """A batch in the JSON format, each event valid by the reference's own checks."""
    added(log, receiver, secret, format="cloudevents")
    turn(SinkWorker(log))

    assert {got.headers["content-type"] for got in receiver.got} == {"application/cloudevents-batch+json"}
    first = json.loads(receiver.got[0].body)[0]
    data = first.pop("data")
    read = CloudEvent({**first, "time": datetime.fromisoformat(first["time"])}, data)
    assert (read.get_type(), read.get_source()) == ("audit.contact.updated", f"/workspaces/{HOME}")
    assert (read.get_subject(), read.get_extension("sequence")) == ("contact/con_1", "0" * 20)
    assert data == json.loads(next(iter([*log.stream_wire(HOME)][-1:])))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(log: Log, receiver: Receiver, secret: Path, status: int) -> None:
    """Wherever they lead; the sink says so and waits."""
    receiver.statuses = [status]
    receiver.location = f"http://127.0.0.1:{receiver.port}/elsewhere"
    added(log, receiver, secret)
    turn(SinkWorker(log))

    assert [got.path for got in receiver.got] == ["/in"]
    assert only(log).position.fault == f"The receiver redirects (status {status}), which is not followed"


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503])
def test_what_can_be_put_right_is_tried_again(log: Log, receiver: Receiver, secret: Path, status: int) -> None:
    """Nothing goes into quarantine for it."""
    receiver.statuses = [status]
    added(log, receiver, secret)
    turn(SinkWorker(log))
    assert (only(log).status, only(log).position.next, only(log).position.refused) == ("failing", 0, 0)

    managed(log).resume("hook")
    turn(SinkWorker(log))
    assert delivered(receiver)[25:] == [*range(61)]


def test_410_pauses(log: Log, receiver: Receiver, secret: Path) -> None:
    """The receiver wants no more, and the log says so."""
    receiver.statuses = [410]
    added(log, receiver, secret)
    turn(SinkWorker(log))

    assert (only(log).status, only(log).sink.paused_because) == ("paused", "The receiver answered 410")
    assert [*log.read(HOME)][-1].action == "audit.stream_changed"


def test_what_is_too_large_goes_in_halves(log: Log, receiver: Receiver, secret: Path) -> None:
    """413 is about the delivery, not about its entries."""
    receiver.statuses = [413]
    added(log, receiver, secret)
    turn(SinkWorker(log))

    assert [len(json.loads(got.body)) for got in receiver.got] == [25, 12, 13, 25, 11]
    assert delivered(receiver)[25:] == [*range(61)]
    assert only(log).position.refused == 0


def test_private_addresses_are_not_reached(
    log: Log, receiver: Receiver, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are checked on each connection: a name that led elsewhere when the sink was added gains nothing."""
    managed(log).add("hook", "webhook", "https://hooks.example.com/in", secret=f"file:{secret}", start=0)
    monkeypatch.setattr(egress, "resolve", lambda host, port: ["127.0.0.1"])
    turn(SinkWorker(log))

    assert receiver.got == []
    assert only(log).position.fault == ("hooks.example.com leads to 127.0.0.1, which is not on the public internet")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://hooks.example.com/", "in the clear"),
        ("ftp://hooks.example.com/", "no address to send to"),
        ("hooks.example.com", "no address to send to"),
        ("https://", "no address to send to"),
        ("https://hooks.example.com:99999/", "no address to send to"),
        ("https://hooks.example.com/\r\nX: y", "no address to send to"),
        ("https://me:pass@hooks.example.com/", "holds a name, a password"),
        ("https://hooks.example.com/a b", "holds a name, a password, a space"),
    ],
)
def test_addresses_that_cannot_be_used(log: Log, secret: Path, address: str, told: str) -> None:
    """They are refused when the sink is added."""
    with pytest.raises(InvalidSetting, match=told):
        managed(log).add("hook", "webhook", address, secret=f"file:{secret}")


def test_secrets_that_cannot_be_used(log: Log, secret: Path) -> None:
    """Without one, with a weak one, with one that others may read: refused without repeating it."""
    with pytest.raises(InvalidSetting, match="needs a secret"):
        managed(log).add("hook", "webhook", "https://hooks.example.com/")
    secret.write_text("hunter2")
    with pytest.raises(InvalidSetting, match="at least 24 bytes in Base64") as caught:
        managed(log).add("hook", "webhook", "https://hooks.example.com/", secret=f"file:{secret}")
    assert "hunter2" not in str(caught.value)
    secret.chmod(0o644)
    with pytest.raises(InvalidSetting, match="Others may read the secret file"):
        managed(log).add("hook", "webhook", "https://hooks.example.com/", secret=f"file:{secret}")


def test_tls_is_checked(log: Log, secret: Path, tmp_path: Path) -> None:
    """A certificate that nobody known signed is refused; its authority may be named."""
    tls, authority = certified(tmp_path)
    with receiving(tls) as receiver:
        added(log, receiver, secret)
        turn(SinkWorker(log))
        assert only(log).position.fault == "TLS failed: CERTIFICATE_VERIFY_FAILED"
        managed(log).remove("hook")
        added(log, receiver, secret, options={"ca": str(authority)})
        turn(SinkWorker(log))
        assert delivered(receiver)[:61] == [*range(61)]
        assert only(log).status == "active"
    with pytest.raises(InvalidSetting, match="authority /no/such"):
        managed(log).add("b", "webhook", "https://a.example/", secret=f"file:{secret}", options={"ca": "/no/such"})


def test_receivers_that_hang_or_drip_are_cut_off(
    log: Log, receiver: Receiver, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver has so many seconds for everything, however busy it looks."""
    monkeypatch.setattr(http, "_SECONDS", 0.3)
    receiver.drip.set()
    added(log, receiver, secret)
    turn(SinkWorker(log))
    assert "did not answer within" in only(log).position.fault
    managed(log).remove("hook")
    with silent() as port:
        managed(log).add("mute", "webhook", f"http://127.0.0.1:{port}/", secret=f"file:{secret}", private=True)
        turn(SinkWorker(log))
        assert "did not answer within" in only(log).position.fault
    managed(log).resume("mute")
    turn(SinkWorker(log))
    assert "The connection failed" in only(log).position.fault


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120.0), ("0", 0.0), ("999999999", 86_400.0), ("-1", None), ("soon", None), ("", None), ("1" * 400, None)],
)
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    """A day at most; what is none is not heeded."""
    assert http._seconds(text) == seconds


def test_retry_after_as_a_date() -> None:
    """The other spelling of RFC 9110; what is over asks for nothing."""
    later = datetime.now(UTC) + timedelta(seconds=100)
    assert 90 < (http._seconds(f"{later:%a, %d %b %Y %H:%M:%S} GMT") or 0) <= 100
    assert http._seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
