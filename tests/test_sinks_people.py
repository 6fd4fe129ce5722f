"""What people get: Slack, Teams and letters, in words, with nothing in them that a channel would take for more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.alerting import follow, wrong
from tests.channel import clock, log, receiver
from tests.keeping import HOME, Clock, event
from tests.receiving import Receiver
from tests.sinking import managed, only, turn
from tests.test_sinks_heads import posting
from whodid import Log, Resource
from whodid.detect import Alerts
from whodid.errors import InvalidSetting
from whodid.sinks import SinkWorker

__all__ = ["clock", "log", "receiver"]

HOSTILE = "<!channel> *b* [x](http://evil.example) </at> & \r\nBcc: eve@evil.example \u202e"
PLAIN = "<!channel> *b* [x](http://evil.example) </at> & Bcc: eve@evil.example"
ALERTS = "action:audit.alert_raised"


def alert(log: Log, times: int = 5) -> None:
    """Let a stranger guess at somebody whose name means harm, and detection notice it."""
    her = Resource(type="user", id="usr_eve", name=HOSTILE)
    log.record_many(HOME, [wrong(50 + one, log.now(), her) for one in range(times)])
    follow(log)


def added(log: Log, kind: str, receiver: Receiver, folder: Path, **more: Any) -> None:
    """Add a channel whose secret is its address."""
    secret = folder / "channel.secret"
    secret.write_text(f"{receiver.url.rstrip('/')}/services/T000/B000/hush\n")
    secret.chmod(0o600)
    managed(log).add(kind, kind, receiver.url, secret=f"file:{secret}", private=True, query=ALERTS, **more)


def test_slack_gets_an_alert_as_plain_text(log: Log, receiver: Receiver, tmp_path: Path) -> None:
    """One post at the secret address, with a button; names are no markup, and nobody is called."""
    added(log, "slack", receiver, tmp_path, options={"link": "https://app.example/settings/alerts"})
    alert(log)
    turn(SinkWorker(log))

    (got,) = receiver.got
    assert got.path == "/in/services/T000/B000/hush"
    post = json.loads(got.body)
    section, button = post["blocks"]
    assert post["text"] == "Low alert: Guessing the password of one person"
    assert section["text"]["type"] == "plain_text"
    assert section["text"]["text"].startswith(
        f"{post['text']}\nabout {PLAIN}, {HOME}, from 5 entries, 20 November 2026, "
    )
    assert button["elements"][0]["url"] == "https://app.example/settings/alerts"
    assert only(log).position.fault == ""


def test_teams_gets_a_card(log: Log, receiver: Receiver, tmp_path: Path) -> None:
    """Its runs of text know no markup; what is grave is marked."""
    added(log, "teams", receiver, tmp_path)
    alert(log)
    turn(SinkWorker(log))

    (got,) = receiver.got
    (attachment,) = json.loads(got.body)["attachments"]
    card = attachment["content"]
    assert (card["type"], card["version"], card["actions"]) == ("AdaptiveCard", "1.4", [])
    (block,) = card["body"]
    assert block["type"] == "RichTextBlock"
    assert [run["type"] for run in block["inlines"]] == ["TextRun"] * 2
    assert (block["inlines"][0]["color"], PLAIN in block["inlines"][1]["text"]) == ("Default", True)


def test_a_sign_of_life_and_other_entries_are_not_posted(log: Log, receiver: Receiver, tmp_path: Path) -> None:
    """The sink counts as alive all the same; a test is posted."""
    added(log, "slack", receiver, tmp_path)
    turn(SinkWorker(log))
    assert receiver.got == []
    assert only(log).position.sent_at == log.now()
    assert managed(log).test("slack").fault == ""
    assert json.loads(receiver.got[0].body)["text"] == "Test"


def test_several_alerts_are_one_post(log: Log, receiver: Receiver, tmp_path: Path) -> None:
    """Five guesses and ten guesses noticed in one round."""
    added(log, "slack", receiver, tmp_path)
    alert(log, 10)
    turn(SinkWorker(log))
    (got,) = receiver.got
    post = json.loads(got.body)
    assert len(post["blocks"]) == 2
    assert post["text"].endswith("(and 1 more)")


@pytest.mark.parametrize("kind", ["slack", "teams"])
@pytest.mark.parametrize("secret", ["https://evil.example/services/x", "http://127.0.0.1:9", "hush-hush"])
def test_the_secret_address_is_at_the_host_of_the_settings(log: Log, tmp_path: Path, kind: str, secret: str) -> None:
    """Elsewhere nothing is sent; and what is said never holds the secret."""
    file = tmp_path / "secret"
    file.write_text(secret)
    file.chmod(0o600)
    with pytest.raises(InvalidSetting, match="no address at") as caught:
        managed(log).add("chat", kind, "http://127.0.0.1:9", secret=f"file:{file}", private=True)
    assert secret not in str(caught.value) or secret == "http://127.0.0.1:9"


def test_a_link_that_is_none_is_refused(log: Log, receiver: Receiver, tmp_path: Path) -> None:
    """A button that runs something must not be."""
    with pytest.raises(InvalidSetting, match="link cannot be"):
        added(log, "slack", receiver, tmp_path, options={"link": "javascript:alert(1)"})


def test_a_letter_says_what_was_noticed(log: Log) -> None:
    """Alerts of one delivery are one letter; a name cannot add a header."""
    with posting(None) as server:
        options = {"to": "owners@lumen.example", "from": "audit@lumen.example", "link": "https://app.example/alerts"}
        address = f"smtp://127.0.0.1:{server.server_address[1]}"
        managed(log).add("mail", "email", address, format="whodid", query=ALERTS, options=options, private=True)
        alert(log, 10)
        turn(SinkWorker(log))
        assert only(log).position.fault == ""
        ((letter, people, _, _),) = server.letters
    assert people == ["owners@lumen.example"]
    assert letter["Subject"] == f"{HOME}: Low alert: Guessing the password of one person (and 1 more)"
    assert letter["Bcc"] is None
    body = letter.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert f"about {PLAIN}, {HOME}, from 5 entries" in text
    assert "Medium alert: Guessing the password of one person" in text
    assert text.rstrip().endswith("https://app.example/alerts")


def test_other_entries_are_their_sentence(log: Log, receiver: Receiver, tmp_path: Path) -> None:
    """A channel may follow whatever a query asks for."""
    added(log, "slack", receiver, tmp_path)
    managed(log).remove("slack")
    secret = tmp_path / "channel.secret"
    managed(log).add("all", "slack", receiver.url, secret=f"file:{secret}", private=True, query="type:contact")
    log.record(HOME, event(7, "contact.deleted"))
    turn(SinkWorker(log))
    (section,) = json.loads(receiver.got[0].body)["blocks"]
    assert section["text"]["text"].startswith(
        "Maria Torres deleted contact Contact 7\ncontact.deleted, wsp_home, entry "
    )


def test_a_reminder_says_that_it_is_one(log: Log, receiver: Receiver, tmp_path: Path, clock: Clock) -> None:
    """So that nobody looks for a second alert."""
    added(log, "slack", receiver, tmp_path)
    alerts = Alerts(log, HOME)
    alerts.raise_by_hand(log.get(HOME, 0), "This is odd", level="high")
    clock.advance(days=1)
    assert alerts.remind() == 1
    turn(SinkWorker(log))
    (post,) = [json.loads(got.body) for got in receiver.got]
    assert [block["text"]["text"].split("\n")[0] for block in post["blocks"]] == [
        "High alert: Raised by a person",
        "Still open: high alert: Raised by a person",
    ]
