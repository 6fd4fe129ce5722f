"""Receivers that hang, lie and lead elsewhere: every kind gives up in time, loses nothing and goes nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bucketing import KEYS
from tests.keeping import HOME, Clock, event, opened, record
from tests.lying import LIES, lying
from tests.receiving import receiving
from tests.sinking import managed, only, turn
from whodid import Log
from whodid.sinks import KINDS, SinkWorker
from whodid.sinks.kinds import email, http, syslog

HOOK = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OVER_HTTP: dict[str, tuple[str, dict[str, str]]] = {
    "webhook": (HOOK, {}),
    "splunk": ("token", {}),
    "datadog": ("key", {}),
    "otlp": ("token", {}),
    "elastic": ("key", {"index": "audit"}),
    "s3": (KEYS, {"every": "0"}),
    "slack": ("{url}/services/hush", {}),
    "teams": ("{url}/services/hush", {}),
}
"""Kinds that speak HTTP: secret and options."""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Open a log with three entries."""
    with opened("memory", tmp_path, Clock()) as made:
        record(made, [event(number) for number in range(1, 4)])
        yield made


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no receiver have ten seconds."""
    for module in (http, email, syslog):
        monkeypatch.setattr(module, "_SECONDS", 0.3)


def added(log: Log, kind: str, url: str, folder: Path, **more: Any) -> None:
    """Add a sink of a kind that speaks HTTP."""
    text, options = OVER_HTTP[kind]
    path = folder / "secret"
    path.write_text(text.format(url=url))
    path.chmod(0o600)
    managed(log).add(kind, kind, url, private=True, start=0, secret=f"file:{path}", options=options, **more)


def test_these_are_all_that_speak_http() -> None:
    """A new kind has to be added here, or to those that speak something else."""
    assert OVER_HTTP.keys() | {"file", "email", "syslog", "apprise"} == KINDS.keys()


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_receiver_that_lies_gets_nothing_for_it(log: Log, tmp_path: Path, kind: str, lie: str) -> None:
    """The turn ends, nothing counts as delivered, nothing is in quarantine, and the sink says what is the matter."""
    with lying(LIES[lie]) as liar:
        added(log, kind, f"http://127.0.0.1:{liar.port}/b", tmp_path)
        turn(SinkWorker(log))
        assert liar.connections == 1
    health = only(log)
    assert (health.position.next, health.position.delivered, health.position.quarantine) == (0, 0, ())
    assert health.position.fault
    paused = lie == "is gone" and kind != "s3"
    assert health.status == ("paused" if paused else "failing")
    if paused:
        assert "410" in health.sink.paused_because


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("kind", OVER_HTTP)
def test_no_kind_follows_into_private_addresses(log: Log, tmp_path: Path, kind: str, status: int) -> None:
    """Wherever a redirect leads, nobody there hears anything, the secret least of all."""
    with receiving() as inside, receiving() as receiver:
        receiver.statuses, receiver.location = [status], inside.url
        added(log, kind, receiver.url.removesuffix("/in") + "/b", tmp_path)
        turn(SinkWorker(log))
        assert len(receiver.got) == 1
        assert inside.got == []
    assert str(status) in only(log).position.fault
    assert only(log).position.next == 0


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_secret_is_in_no_fault(log: Log, tmp_path: Path, kind: str) -> None:
    """A receiver that repeats what it was sent does not bring the secret into the log."""
    with receiving() as receiver:
        receiver.echoes = True
        receiver.statuses = [500]
        added(log, kind, receiver.url.removesuffix("/in") + "/b", tmp_path)
        turn(SinkWorker(log))
        result = managed(log).test(kind)
    secret = (tmp_path / "secret").read_text()
    assert "500" in only(log).position.fault
    assert secret not in only(log).position.fault + result.fault
    assert secret.encode() not in b"".join(log.stream_wire(HOME))


@pytest.mark.parametrize("lie", [name for name in LIES if name not in {"is gone", "goes on for ever"}])
def test_a_mail_server_that_lies_gets_no_letter(log: Log, lie: str) -> None:
    """SMTP has its own ways to hang, and its own patience."""
    people = {"from": "audit@example.com", "to": "owner@example.com"}
    with lying(LIES[lie]) as liar:
        managed(log).add(
            "mail", "email", f"smtp://127.0.0.1:{liar.port}", private=True, start=0, format="whodid", options=people
        )
        turn(SinkWorker(log))
    health = only(log)
    assert (health.status, health.position.next, health.position.quarantine) == ("failing", 0, ())


@pytest.mark.parametrize("lie", ["hangs", "speaks noise", "floods"])
def test_a_syslog_that_speaks_no_tls_gets_nothing(log: Log, lie: str) -> None:
    """The handshake has an end, too."""
    with lying(LIES[lie]) as liar:
        managed(log).add("siem", "syslog", f"tls://127.0.0.1:{liar.port}", private=True, start=0)
        turn(SinkWorker(log))
    assert (only(log).status, only(log).position.next) == ("failing", 0)


def test_one_that_hangs_keeps_nobody_waiting(log: Log, tmp_path: Path) -> None:
    """The others have everything before it is given up."""
    with lying(LIES["hangs"]) as liar, receiving() as receiver:
        added(log, "webhook", f"http://127.0.0.1:{liar.port}/b", tmp_path)
        managed(log).add("good", "otlp", receiver.url, private=True, start=0)
        worker = SinkWorker(log)
        worker.round()
        while managed(log).get("good").behind:
            pass
        assert managed(log).get("webhook").position.attempts == 0
        worker.wait()
    assert managed(log).get("webhook").status == "failing"
