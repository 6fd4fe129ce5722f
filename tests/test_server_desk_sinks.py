"""The pages of sinks in the console."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import test_server_desk as desk
from tests.receiving import Receiver, receiving
from tests.serving import HOME
from tests.sinking import turn
from whodid import Log
from whodid.server.console import OPERATOR
from whodid.sinks import Health, Sinks, SinkWorker, read_language

clock, console, log, http = desk.clock, desk.console, desk.log, desk.http

PLACE = f"{desk.PLACE}/sinks"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a receiver on this machine."""
    with receiving() as receiver:
        yield receiver


def wish(receiver: Receiver, **more: str) -> dict[str, Any]:
    """Fill in the form of a new sink."""
    return {"name": "SIEM <b>", "kind": "webhook", "address": receiver.url, "private": "yes", "past": "yes", **more}


def version_in(page: str) -> str:
    """Return which settings a form shows."""
    found = re.search(r'name="version" value="([0-9a-f]{32})"', page)
    assert found is not None
    return found[1]


def only(log: Log) -> Health:
    """Return how the only sink is."""
    (health,) = Sinks(log, HOME, actor=OPERATOR).all()
    return health


def test_a_sink_from_adding_to_removing(http: TestClient, log: Log, receiver: Receiver) -> None:
    """Each act does what its button says and is an entry of the operator; texts are texts."""
    assert "Nothing is delivered elsewhere." in http.get(desk.PLACE).text
    page = desk.send(http, PLACE, **wish(receiver)).text
    assert "The sink is added." in page
    assert "SIEM &lt;b&gt;" in page
    assert "SIEM <b>" not in page
    assert re.search(r'value="whsec_[A-Za-z0-9+/=]{44}"', page)
    sink = only(log).sink
    one = f"{PLACE}/{sink.id}"
    assert "whsec_" not in http.get(one).text
    turn(SinkWorker(log))
    assert only(log).behind == 0
    assert [json.loads(got.body)[0]["index"] for got in receiver.got] == [0]

    assert "The receiver took the test." in desk.send(http, f"{one}/test").text
    receiver.statuses = [503]
    refused = desk.send(http, f"{one}/test")
    assert (refused.status_code, "did not take it: The receiver answered 503." in refused.text) == (422, True)
    unsaid = desk.send(http, f"{one}/pause", reason=" ")
    assert (unsaid.status_code, "A reason is missing" in unsaid.text) == (422, True)
    assert "paused for 0 seconds" in desk.send(http, f"{one}/pause", reason="They move").text
    assert "1 of them is failing or paused" in http.get(desk.PLACE).text
    assert "The sink goes on." in desk.send(http, f"{one}/resume").text
    assert "The entries are delivered again." in desk.send(http, f"{one}/backfill", start="2").text
    assert only(log).position.next == 2
    wrong = desk.send(http, f"{one}/backfill", start="two")
    assert (wrong.status_code, "“two” is not the number of an entry" in wrong.text) == (422, True)
    assert re.search(r'value="whsec_[A-Za-z0-9+/=]{44}"', desk.send(http, f"{one}/secret", beside="yes").text)
    assert "The sink is removed." in desk.send(http, f"{one}/remove", reason="Gone").text
    assert http.get(one).status_code == 404
    told = log.find(HOME, "action:audit.stream_changed,audit.stream_tested").entries
    assert {entry.actor for entry in told} == {OPERATOR}
    assert [entry.reason.text for entry in told if entry.reason][::-1] == [
        "The receiver answered 503", "They move", "Gone",
    ]  # fmt: skip


def test_a_sink_is_changed(http: TestClient, log: Log, receiver: Receiver) -> None:
    """The form shows what is there; what is sent is what there is then, and the position stays."""
    desk.send(http, PLACE, **wish(receiver, options="", query="action:contact.created"))
    one = f"{PLACE}/{only(log).sink.id}"
    turn(SinkWorker(log))
    page = http.get(f"{one}/change").text
    assert 'value="SIEM &lt;b&gt;"' in page
    assert 'value="action:contact.created"' in page
    version, position = version_in(page), only(log).position.next
    typed: dict[str, Any] = {
        "name": "Lake",
        "address": receiver.url,
        "format": "ecs",
        "query": "",
        "private": "yes",
        "reason": "Why",
    }
    done = desk.send(http, f"{one}/change", version=version, **typed)
    assert "The sink is changed." in done.text
    sink = only(log).sink
    assert (sink.name, sink.format, sink.query, sink.private) == ("Lake", "ecs", "", True)
    assert only(log).position.next == position
    (entry,) = log.find(HOME, "action:audit.stream_changed", limit=1).entries
    assert (entry.actor, entry.reason and entry.reason.text) == (OPERATOR, "Why")

    late = desk.send(http, f"{one}/change", version=version, **typed | {"name": "Late"})
    assert (late.status_code, "was changed meanwhile" in late.text) == (422, True)
    assert 'value="Lake"' in late.text
    wrong = desk.send(http, f"{one}/change", version=version_in(late.text), **typed | {"query": "planet:mars"})
    assert (wrong.status_code, "planet" in wrong.text, 'value="planet:mars"' in wrong.text) == (422, True, True)
    assert only(log).sink == sink


def test_the_language_of_the_workspace(http: TestClient, log: Log) -> None:
    """The form shows the one that is chosen."""
    assert '<option value="en" selected>English' in http.get(PLACE).text
    page = desk.send(http, f"{PLACE}/language", lang="hi").text
    assert "The language is set." in page
    assert '<option value="hi" selected>Hindi' in page
    assert read_language(log, HOME) == "hi"
    wrong = desk.send(http, f"{PLACE}/language", lang="fr")
    assert (wrong.status_code, "There is no language" in wrong.text) == (422, True)


def test_the_language_of_a_sink(http: TestClient, log: Log, receiver: Receiver) -> None:
    """It is chosen where a sink is made and where it is changed, unless its kind tells no people."""
    spoken = wish(receiver, kind="slack", secret=receiver.url, told_in="hi")
    assert 'id="told_in" name="told_in" aria-describedby="told_in-hint"' in http.get(PLACE).text
    assert "The sink is added." in desk.send(http, PLACE, **spoken).text
    assert only(log).sink.options == {"lang": "hi"}
    one = f"{PLACE}/{only(log).sink.id}"
    for chosen, options in (("ar", {"lang": "ar"}), ("", {})):
        page = http.get(f"{one}/change").text
        assert re.search(r'<option value="(\w*)" selected>(?:Hindi|Arabic)', page)
        assert "lang=hi" not in page
        typed: dict[str, Any] = {
            "name": "People",
            "address": receiver.url,
            "format": "whodid",
            "private": "yes",
            "told_in": chosen,
        }
        assert "The sink is changed." in desk.send(http, f"{one}/change", version=version_in(page), **typed).text
        assert only(log).sink.options == options
    assert '<option value="" selected>that of the workspace' in http.get(f"{one}/change").text
    desk.send(http, f"{one}/remove", reason="Gone")

    deaf = desk.send(http, PLACE, **wish(receiver, told_in="es"))
    assert (deaf.status_code, '<option value="es" selected>Spanish' in deaf.text) == (422, True)
    desk.send(http, PLACE, **wish(receiver))
    assert 'name="told_in"' not in http.get(f"{PLACE}/{only(log).sink.id}/change").text


def test_a_webhook_with_a_pair_of_keys(http: TestClient, log: Log, receiver: Receiver) -> None:
    """The page shows the public key, and the secret one never."""
    page = desk.send(http, PLACE, **wish(receiver, signature="ed25519")).text
    (key,) = Sinks(log, HOME, actor=OPERATOR).public_keys(only(log).sink.id)
    assert key in page
    assert re.search(r"whs(k|ec)_[A-Za-z0-9+/]{8}", page) is None
    assert 'id="made"' not in page
    both = desk.send(http, f"{PLACE}/{only(log).sink.id}/secret", signature="ed25519", beside="yes").text
    assert [key in both, len(re.findall(r"<code>whpk_", both))] == [True, 2]


def test_what_is_in_quarantine_is_seen_to(http: TestClient, log: Log, receiver: Receiver) -> None:
    """It is listed with what the receiver said, delivered once more, and let go with a reason."""
    desk.send(http, PLACE, **wish(receiver, options="ca=\n"))
    one = f"{PLACE}/{only(log).sink.id}"
    receiver.refuses = lambda body: any(entry.get("index") == 3 for entry in json.loads(body))
    turn(SinkWorker(log))
    page = http.get(one).text
    assert "Entry 3, " in page
    assert "The receiver answered 422" in page
    again = desk.send(http, f"{one}/retry")
    assert (again.status_code, "did not take it: The receiver answered 422" in again.text) == (422, True)
    assert desk.send(http, f"{one}/drop", reason="").status_code == 422
    assert "Nothing is in quarantine any more." in desk.send(http, f"{one}/drop", reason="Theirs").text
    assert only(log).position.quarantine == ()
    assert "Entry 3, " not in http.get(one).text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": " "}, "is no name for a sink"),
        ({"address": "ftp://x"}, "is no address to send to"),
        ({"private": ""}, "in the clear"),
        ({"query": "planet:mars"}, "planet"),
        ({"options": "mode"}, "sets nothing"),
        ({"secret": "abc"}, "The secret of a webhook"),
    ],
)
def test_a_form_that_cannot_be_read_comes_back(
    http: TestClient, log: Log, receiver: Receiver, more: dict[str, str], said: str
) -> None:
    """With what was typed, but for the secret, and what is wrong; there is no sink."""
    page = desk.send(http, PLACE, **wish(receiver) | more)
    assert page.status_code == 422
    notice = re.search(r'role="alert">([^<]+)<', page.text)
    assert notice is not None
    assert said in notice[1]
    assert 'value="abc"' not in page.text
    assert Sinks(log, HOME, actor=OPERATOR).all() == []


def test_a_workspace_without_a_log_has_no_sinks(http: TestClient, log: Log, receiver: Receiver) -> None:
    """Neither looking nor adding begins one."""
    place = "/console/workspaces/wsp_none/sinks"
    assert http.get(place).status_code == 404
    assert desk.send(http, place, **wish(receiver)).status_code == 404
    assert "wsp_none" not in log.workspaces()
