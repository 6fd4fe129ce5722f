"""Changing a sink over HTTP: what changes and what stays, who may, and changes that were made for another version."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import sending, serving
from tests import test_server_sinks as base
from tests.receiving import Receiver, receiving
from tests.serving import HOME, check_problem
from tests.sinking import turn
from tests.test_server_sinks import AISHA, HOOK, signed
from whodid import Log
from whodid.sinks import Sink, SinkChange, Sinks, SinkWorker

clock, log, ring, http = serving.clock, serving.log, sending.ring, serving.http
admin, operator, receiver, hook = base.admin, base.operator, base.receiver, base.hook


@pytest.fixture
def siem(http: TestClient, admin: dict[str, str]) -> dict[str, Any]:
    """Add a sink whose receiver gets to see its secret."""
    wish = {
        "name": "siem",
        "kind": "splunk",
        "address": "https://splunk.example.com/services/collector/event",
        "secret": "splunk-token-1",
        "options": {"index": "audit"},
    }
    made: dict[str, Any] = http.post("/v1/sinks", json=wish, headers=admin).json()
    return made


def settings(log: Log) -> str:
    """Return the settings of the only sink, its secret included, in one word."""
    (found,) = Sinks(log, HOME, actor=AISHA).all()
    return Sinks(log, HOME, actor=AISHA).tag(found.sink.id)


def told(log: Log) -> list[tuple[str, Any, Any]]:
    """Return what the newest entry about sinks says: path, before, after."""
    (entry,) = log.find(HOME, "action:audit.stream_changed", limit=1).entries
    return [(one.path, one.before, one.after) for one in entry.changes if one.class_ != "secret"]


def test_it_changes_and_goes_on_where_it_was(
    http: TestClient, log: Log, operator: dict[str, str], hook: dict[str, Any], receiver: Receiver
) -> None:
    """What is not named stays, the position above all; the entry has what was, what is, and why."""
    one = f"/v1/sinks/{hook['id']}"
    turn(SinkWorker(log))
    size, delivered = log.head(HOME).size, len(receiver.got)
    wish = {"name": "hooks", "query": "action:contact.deleted", "format": "ocsf", "batch": 5, "reason": "Too many"}
    changed = http.patch(one, json=wish, headers=operator)
    shown = changed.json()
    assert {name: shown[name] for name in ("name", "query", "format", "batch")} == {
        name: wish[name] for name in ("name", "query", "format", "batch")
    }
    assert (shown["next"], shown["address"], shown["private"], shown["id"]) == (size, receiver.url, True, hook["id"])
    assert told(log) == [
        ("name", "hook", "hooks"),
        ("query", "", "action:contact.deleted"),
        ("format", "whodid", "ocsf"),
        ("batch", 25, 5),
    ]
    (entry,) = log.find(HOME, "action:audit.stream_changed", limit=1).entries
    assert (entry.actor, entry.reason and entry.reason.text, entry.related[0].name) == (AISHA, "Too many", "hooks")
    turn(SinkWorker(log))
    assert len(receiver.got) == delivered  # nothing that came since is asked for, and nothing came twice
    assert http.get(one, headers=operator).json()["behind"] == 0


def test_nothing_other_is_no_change(
    http: TestClient, log: Log, operator: dict[str, str], hook: dict[str, Any], receiver: Receiver
) -> None:
    """What is so already leaves no entry, and the ETag stays."""
    one = f"/v1/sinks/{hook['id']}"
    tag, size = http.get(one, headers=operator).headers["etag"], log.head(HOME).size
    for wish in ({}, {"name": "hook"}, {"address": receiver.url, "options": {}, "batch": 25}):
        assert http.patch(one, json=wish, headers=operator).headers["etag"] == tag
    assert log.head(HOME).size == size


def test_options_are_changed_one_by_one(
    http: TestClient, log: Log, admin: dict[str, str], siem: dict[str, Any]
) -> None:
    """Those that are not named stay, and null removes one."""
    one = f"/v1/sinks/{siem['id']}"
    changed = http.patch(one, json={"options": {"sourcetype": "x"}}, headers=admin).json()
    assert changed["options"] == {"index": "audit", "sourcetype": "x"}
    assert http.patch(one, json={"options": {"index": None}}, headers=admin).json()["options"] == {"sourcetype": "x"}
    assert told(log)[0][:2] == ("options.index", "audit")


def test_a_change_for_another_version_is_refused(
    http: TestClient, log: Log, admin: dict[str, str], siem: dict[str, Any]
) -> None:
    """Whoever read the sink before somebody else changed it, its secret included, is told to read it again."""
    one = f"/v1/sinks/{siem['id']}"
    first = http.get(one, headers=admin).headers["etag"]
    second = http.patch(one, json={"batch": 7}, headers=admin | {"If-Match": first})
    assert (second.status_code, second.headers["etag"] == first) == (200, False)
    lost = http.patch(one, json={"batch": 9}, headers=admin | {"If-Match": first})
    check_problem(lost, 412, "outdated")
    assert http.get(one, headers=admin).json()["batch"] == 7
    tag = second.headers["etag"]
    http.post(f"{one}/secret", json={"secret": "splunk-token-2"}, headers=admin)
    check_problem(http.patch(one, json={"batch": 9}, headers=admin | {"If-Match": tag}), 412, "outdated")
    assert http.patch(one, json={"batch": 9}, headers=admin | {"If-Match": "*"}).status_code == 200
    # An answer that was packed on its way has a weak tag; it names the same settings.
    weak = f"W/{http.get(one, headers=admin | {'Accept-Encoding': 'identity'}).headers['etag']}"
    assert http.patch(one, json={"batch": 10}, headers=admin | {"If-Match": weak}).status_code == 200


def test_a_secret_changes_with_the_address(
    http: TestClient, log: Log, admin: dict[str, str], siem: dict[str, Any]
) -> None:
    """Both at once, and neither when one of them cannot be; no answer, entry or state holds it."""
    one = f"/v1/sinks/{siem['id']}"
    before = settings(log)
    wish = {"address": "https://other.example.com/services/collector/event", "secret": "splunk-token-2"}
    check_problem(http.patch(one, json=wish | {"format": "csv"}, headers=admin), 422, "invalid-setting")
    assert settings(log) == before
    changed = http.patch(one, json=wish, headers=admin)
    assert changed.json()["address"] == wish["address"]
    assert "splunk-token" not in changed.text
    (entry,) = log.find(HOME, "action:audit.stream_changed", limit=1).entries
    (secret,) = [change for change in entry.changes if change.path == "secret"]
    assert (secret.class_, secret.before_fp, secret.after_fp) == (
        "secret",
        log.fingerprint(HOME, b"splunk-token-1"),
        log.fingerprint(HOME, b"splunk-token-2"),
    )
    kept = [log.state(HOME, name) or b"" for name in ("sinks", f"sinks.secret.{siem['id']}")]
    assert b"splunk-token" not in b"".join([*log.stream_wire(HOME), *kept])


@pytest.mark.parametrize(
    "address",
    ["https://evil.example.com/services/collector/event", "https://splunk.example.com:8088/x", "https://splunk.example.com.evil.example/"],
)  # fmt: skip
def test_a_secret_is_not_sent_where_it_was_not_given_for(
    http: TestClient, log: Log, admin: dict[str, str], siem: dict[str, Any], address: str
) -> None:
    """Whoever may change the address, and does not know the secret, does not get it by a detour."""
    before = settings(log)
    refused = http.patch(f"/v1/sinks/{siem['id']}", json={"address": address}, headers=admin)
    assert "was given for another host" in check_problem(refused, 422, "invalid-setting")["detail"]
    assert settings(log) == before
    same = {"address": "https://splunk.example.com/services/collector"}
    assert http.patch(f"/v1/sinks/{siem['id']}", json=same, headers=admin).status_code == 200


def test_a_webhook_moves_and_signs_as_before(
    http: TestClient, log: Log, operator: dict[str, str], hook: dict[str, Any]
) -> None:
    """Its secret is never sent, so it need not be given again; what waits goes to the new address."""
    turn(SinkWorker(log))
    with receiving() as other:
        changed = http.patch(f"/v1/sinks/{hook['id']}", json={"address": other.url}, headers=operator)
        assert changed.status_code == 200
        turn(SinkWorker(log))
        (got,) = other.got
        (entry,) = json.loads(got.body)
        assert entry["action"] == "audit.stream_changed"
        assert signed(got, hook["secret_text"])


def test_what_is_failing_is_tried_at_once(
    http: TestClient, log: Log, operator: dict[str, str], hook: dict[str, Any], receiver: Receiver
) -> None:
    """Whoever puts the address right need not wait for the next try; one that was paused stays paused."""
    one = f"/v1/sinks/{hook['id']}"
    receiver.statuses = [503]
    turn(SinkWorker(log))
    assert http.get(one, headers=operator).json()["status"] == "failing"
    assert turn(SinkWorker(log)) == 0
    http.patch(one, json={"heartbeat": 3_600}, headers=operator)
    assert turn(SinkWorker(log)) == 1
    assert http.get(one, headers=operator).json()["status"] == "active"
    http.post(f"{one}/pause", json={"reason": "x"}, headers=operator)
    assert http.patch(one, json={"name": "other"}, headers=operator).json()["status"] == "paused"


@pytest.mark.parametrize(
    "wish",
    [
        {"name": "stolen"},
        {"address": "http://127.0.0.1:9/"},
        {"query": "action:contact.deleted"},
        {"options": {"ca": None}},
        {"private": False},
        {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    ],
)
def test_a_key_opens_no_way_into_the_server(
    http: TestClient, log: Log, admin: dict[str, str], hook: dict[str, Any], wish: dict[str, Any]
) -> None:
    """What an operator let reach inside is an operator's to change: another address would be another way in."""
    before, size = settings(log), log.head(HOME).size
    refused = http.patch(f"/v1/sinks/{hook['id']}", json=wish, headers=admin)
    assert check_problem(refused, 403, "denied")["permission"] == "operator"
    (denied,) = log.find(HOME, "outcome:denied", limit=1).entries
    assert (denied.action, denied.details and denied.details["cause"]) == ("audit.stream_changed", "reach")
    assert (settings(log), log.head(HOME).size) == (before, size + 1)


def test_what_a_key_may_is_told_of_the_settings_that_it_changes(
    http: TestClient, log: Log, admin: dict[str, str], siem: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator lets the sink reach inside while the key's change is on its way: then it is too late for that."""
    real, acts = Sinks.change, list[str]()

    def late(sinks: Sinks, name: str, wish: SinkChange, **more: Any) -> Sink:
        if not acts:
            acts.append(name)
            real(Sinks(log, HOME, actor=AISHA), name, SinkChange(private=True))
        return real(sinks, name, wish, **more)

    monkeypatch.setattr(Sinks, "change", late)
    wish = {"address": "http://127.0.0.1:9/", "secret": "splunk-token-2"}
    check_problem(http.patch(f"/v1/sinks/{siem['id']}", json=wish, headers=admin), 403, "denied")
    (found,) = Sinks(log, HOME, actor=AISHA).all()
    assert (acts, found.sink.address, found.sink.private) == ([siem["id"]], siem["address"], True)


@pytest.mark.parametrize("wish", [{"private": True}, {"options": {"ca": "/etc/shadow"}}])
def test_a_key_widens_no_sink(
    http: TestClient, log: Log, admin: dict[str, str], siem: dict[str, Any], wish: dict[str, Any]
) -> None:
    """Neither into the network of the server nor to files on its disk."""
    before = settings(log)
    check_problem(http.patch(f"/v1/sinks/{siem['id']}", json=wish, headers=admin), 403, "denied")
    assert settings(log) == before


# Apprise looks for a package that signs letters, which imports what Python is about to drop.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_key_aims_nothing_by_its_secret(
    http: TestClient, log: Log, admin: dict[str, str], operator: dict[str, str]
) -> None:
    """The secret of such a sink says where it leads, so another secret is another way in."""
    wish = {"name": "pager", "kind": "apprise", "address": "json://", "secret": "json://pager.example", "private": True}
    made = http.post("/v1/sinks", json=wish, headers=operator).json()
    before = settings(log)
    aimed = http.post(f"/v1/sinks/{made['id']}/secret", json={"secret": "json://127.0.0.1:9"}, headers=admin)
    check_problem(aimed, 403, "denied")
    assert settings(log) == before


@pytest.mark.parametrize(
    ("wish", "fault"),
    [
        ({"name": "other"}, "There is a sink 'other'"),
        ({"name": " x"}, "is no name for a sink"),
        ({"address": "ftp://x"}, "is no address to send to"),
        ({"address": "http://splunk.example.com/"}, "in the clear"),
        ({"address": "https://[x"}, "is no address to send to"),
        ({"format": "csv"}, "no format 'csv'"),
        ({"format": "head"}, "gets no entries"),
        ({"query": "planet:mars"}, "planet"),
        ({"query": "date:today"}, "dates"),
        ({"options": {"planet": "mars"}}, "no option 'planet'"),
        ({"batch": 0}, "A delivery of 0 entries"),
        ({"heartbeat": -1}, "A heartbeat every -1"),
        ({"secret": "a\nb\u0000"}, "what no header can carry"),
    ],
)
def test_what_cannot_work_changes_nothing(  # noqa: PLR0917
    http: TestClient, log: Log, admin: dict[str, str], siem: dict[str, Any], wish: dict[str, Any], fault: str
) -> None:
    """It is checked as a new sink is, before anything is written."""
    http.post("/v1/sinks", json=HOOK | {"name": "other"}, headers=admin)
    before, size = Sinks(log, HOME, actor=AISHA).tag(siem["id"]), log.head(HOME).size
    extra = {"secret": "splunk-token-3"} if "address" in wish else {}
    answer = http.patch(f"/v1/sinks/{siem['id']}", json=extra | wish, headers=admin)
    assert answer.status_code in {400, 422}
    assert fault in answer.json()["detail"]
    assert (Sinks(log, HOME, actor=AISHA).tag(siem["id"]), log.head(HOME).size) == (before, size)
    assert log.state(HOME, f"sinks.secret.{siem['id']}.new") is None


@pytest.mark.parametrize("wish", [{"kind": "webhook"}, {"next": 0}, {"name": None}, {"options": {"index": 5}}, [], "x"])
def test_orders_are_what_is_described(http: TestClient, admin: dict[str, str], siem: dict[str, Any], wish: Any) -> None:
    """The kind and the position are no settings, and what is not understood is not passed over."""
    check_problem(http.patch(f"/v1/sinks/{siem['id']}", json=wish, headers=admin), 422, "invalid-body")


def test_the_language_of_the_workspace_is_chosen(http: TestClient, log: Log, admin: dict[str, str]) -> None:
    """The choice is an entry; what is so already is none, and one that nobody speaks here is refused."""
    assert http.get("/v1/language", headers=admin).json() == {"lang": "en", "languages": ["en", "es", "pt", "hi", "ar"]}
    chosen = http.put("/v1/language", json={"lang": "pt", "reason": "We are in São Paulo"}, headers=admin)
    assert chosen.json()["lang"] == "pt"
    size = log.head(HOME).size
    (entry,) = log.find(HOME, "action:audit.stream_changed", limit=1).entries
    assert ([(one.path, one.before, one.after) for one in entry.changes], entry.related) == (
        [("language", "en", "pt")],
        (),
    )
    assert entry.reason is not None
    assert entry.reason.text == "We are in São Paulo"
    assert http.put("/v1/language", json={"lang": "pt"}, headers=admin).json()["lang"] == "pt"
    check_problem(http.put("/v1/language", json={"lang": "fr"}, headers=admin), 422, "invalid-setting")
    assert log.head(HOME).size == size


def test_a_refused_reason_leaves_the_old_secret(
    http: TestClient, log: Log, admin: dict[str, str], siem: dict[str, Any]
) -> None:
    """What the entry cannot say is not done: the secret that was there is there again."""
    before = settings(log)
    wish = {"secret": "splunk-token-2", "reason": "\u0000"}
    assert http.patch(f"/v1/sinks/{siem['id']}", json=wish, headers=admin).status_code == 422
    assert settings(log) == before
