"""Services that Apprise knows: what they get, and what is never said about them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.channel import clock, log, receiver
from tests.keeping import HOME
from tests.receiving import Receiver
from tests.sinking import managed, only, turn
from tests.test_sinks_people import ALERTS, HOSTILE, PLAIN, alert
from whodid import Log
from whodid.errors import InvalidSetting
from whodid.sinks import SinkWorker

# Apprise looks for a package that signs letters, which imports what Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


__all__ = ["clock", "log", "receiver"]


def secret_of(folder: Path, url: str) -> str:
    """Write the secret of a service."""
    path = folder / "service.secret"
    path.write_text(url)
    path.chmod(0o600)
    return f"file:{path}"


def added(log: Log, receiver: Receiver, folder: Path) -> None:
    """Add a service that is the receiver."""
    secret = secret_of(folder, f"json://user:hush@localhost:{receiver.port}/in")
    options = {"link": "https://app.example/settings/alerts"}
    managed(log).add("other", "apprise", "json://", secret=secret, private=True, query=ALERTS, options=options)


def test_a_service_gets_an_alert_as_plain_text(log: Log, receiver: Receiver, tmp_path: Path) -> None:
    """With the link to the page; a name is a text in it, whatever it holds."""
    added(log, receiver, tmp_path)
    alert(log)
    turn(SinkWorker(log))
    (got,) = receiver.got
    said = json.loads(got.body)
    assert said["title"] == "Low alert: Guessing the password of one person"
    assert f"about {PLAIN}, {HOME}, from 5 entries" in said["message"]
    assert said["message"].endswith("https://app.example/settings/alerts")
    assert HOSTILE not in said["message"]
    assert only(log).behind == 0


def test_a_service_that_fails_is_tried_again(log: Log, receiver: Receiver, tmp_path: Path) -> None:
    """What is said of it does not hold its URL, which is a secret."""
    added(log, receiver, tmp_path)
    receiver.statuses = [500]
    result = managed(log).test("other")
    assert result.fault == "The service behind json:// did not take it"
    assert not managed(log).test("other").fault
    assert b"hush" not in b"".join(log.stream_wire(HOME)) + (log.state(HOME, "sinks") or b"")


@pytest.mark.parametrize(
    ("address", "url", "private", "said"),
    [
        ("json://", "json://localhost/in", False, "not checked"),
        ("tgram://", "json://localhost/in", True, "no URL that begins with tgram://"),
        ("nosuch://", "nosuch://hush", True, "knows no service nosuch://"),
        ("tgram://", "tgram://hush", True, "knows no service tgram://"),
    ],
)
def test_what_cannot_work_is_refused(  # noqa: PLR0917
    log: Log,
    tmp_path: Path,
    address: str,
    url: str,
    private: bool,
    said: str,
) -> None:
    """And the secret is not repeated."""
    with pytest.raises(InvalidSetting) as raised:
        managed(log).add("other", "apprise", address, secret=secret_of(tmp_path, url), private=private)
    assert said in str(raised.value)
    assert "hush" not in str(raised.value)


def test_without_the_package_it_says_what_to_install(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apprise is an extra."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(InvalidSetting, match=r"whodid\[apprise\]"):
        managed(log).add("other", "apprise", "json://", secret=secret_of(tmp_path, "json://x"), private=True)
