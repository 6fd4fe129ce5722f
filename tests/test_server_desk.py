"""The pages of the console: every act is an entry with the operator as its actor, every refusal one as denied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from starlette.testclient import TestClient

import whodid
from tests import serving
from tests.serving import AWAY, HOME, JOAO, MARIA, NOW, SECRET, Clock, client, event, record
from whodid import Actor, Log, Reason
from whodid.catalog import Action, builtin
from whodid.retention import Policy, change_policy, place_hold, read_policy
from whodid.server.console import OPERATOR, Console
from whodid.server.console.links import make_link_code, take_link
from whodid.server.console.markup import fill, join, tag
from whodid.server.console.words import words_for
from whodid.server.keys import KeyRing

clock, log = serving.clock, serving.log

OWN = {"Sec-Fetch-Site": "same-origin"}
PLACE = f"/console/workspaces/{HOME}"
AISHA = Actor(type="user", id="usr_aisha", name="Aisha Khan")


@pytest.fixture
def console(clock: Clock) -> Console:
    """Make a console."""
    return Console(secret=SECRET, clock=clock)


@pytest.fixture
def http(log: Log, console: Console) -> Iterator[TestClient]:
    """Open the browser of an operator who is signed in."""
    with client(log, console=console) as opened:
        enter(opened, console)
        yield opened


def enter(http: TestClient, console: Console, **more: Any) -> None:
    """Sign in."""
    more.setdefault("operator", True)
    code = console.invite(more.pop("workspace", None), **more)
    assert http.post("/session", json={"code": code}, headers=OWN).status_code == 200


def proof(http: TestClient, path: str = "/console") -> str:
    """Return what the forms of a page carry."""
    found = re.search(r'name="form" value="([^"]+)"', http.get(path).text)
    assert found is not None
    return found[1]


def send(http: TestClient, path: str, *, headers: dict[str, str] = OWN, **fields: Any) -> Any:
    """Send a form of the console and follow where it leads."""
    fields.setdefault("form", proof(http))
    return http.post(path, data=fields, headers=headers)


def made_key(page: str) -> str:
    """Return the key that a page shows."""
    found = re.search(r'value="(wk_[0-9A-Z]{12}_[A-Za-z0-9_\-]{43})"', page)
    assert found is not None
    return found[1]


def test_workspaces_are_listed_with_what_there_is(http: TestClient, log: Log) -> None:
    """Name, entries, age and retention of each; found by a part of the name; text is text."""
    change_policy(log, AWAY, Policy(days=None), actor=MARIA)
    page = http.get("/console")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "same-origin"
    assert [
        text
        for text in (HOME, AWAY, "2 workspaces", "90 days", "for good", "2026-11-20 14:00 UTC")
        if text not in page.text
    ] == []
    assert HOME not in http.get("/console?q=AWAY").text
    nothing = http.get("/console", params={"q": "<b>x</b>"}).text
    assert "&lt;b&gt;x&lt;/b&gt;" in nothing
    assert "<b>x" not in nothing


def test_many_workspaces_come_in_pages(http: TestClient, log: Log) -> None:
    """Fifty at a time, and every one is reached."""
    for number in range(60):
        record(log, f"w{number:02}", [event(5000 + number, "contact.created")])
    first = http.get("/console?q=w").text
    following = re.search(r'href="(/console\?after=[^"]+)"', first)
    assert following is not None
    second = http.get(following[1].replace("&amp;", "&")).text
    names = [re.findall(r"<bdi>(w\w+)</bdi></a></h2>", text) for text in (first, second)]
    assert len(names[0]) == 50
    assert len(set(names[0] + names[1])) == 62
    assert "after=" not in second


def test_a_key_is_made_shown_once_rotated_and_revoked(http: TestClient, log: Log, clock: Clock) -> None:
    """Each act leaves its entry with the operator as actor; the text is on one page, once."""
    page = send(http, f"{PLACE}/keys", name="Billing <b>", scope=["write", "read"], ends="30", rate="50")
    text = made_key(page.text)
    assert "Billing &lt;b&gt;" in page.text
    assert text not in http.get(PLACE).text
    (key,) = KeyRing(log, HOME, actor=MARIA).all()
    assert (key.scopes, key.rate, key.expires_at) == (("write", "read"), 50, NOW + timedelta(days=30))

    one = f"{PLACE}/keys/wk_{key.id}"
    assert "Billing &lt;b&gt;" in http.get(one).text
    page = send(http, f"{one}/rotate", overlap="3600", ends="never")
    assert made_key(page.text) != text
    assert "2026-11-20 15:00 UTC" in page.text
    old, new = KeyRing(log, HOME, actor=MARIA).all()
    assert (old.status(NOW), old.expires_at, new.replaces) == ("active", NOW + timedelta(hours=1), old.id)

    page = send(http, f"{PLACE}/keys/wk_{new.id}/revoke")
    assert "The key is revoked." in page.text
    assert "The key is revoked." not in http.get(PLACE).text
    assert "opens nothing" in http.get(f"{PLACE}/keys/wk_{new.id}").text
    found = log.find(HOME, "category:api_key").entries
    assert [entry.action for entry in found] == ["api_key.revoked", "api_key.created", "api_key.created"]
    assert {entry.actor for entry in found} == {OPERATOR}
    assert {entry.context.source for entry in found if entry.context} == {"web"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "scope": "write"}, "not a name for a key"),
        ({"name": "x"}, "A key needs a scope"),
        ({"name": "x", "scope": "root"}, "no scope root"),
        ({"name": "x", "scope": "write", "rate": "fast"}, "not a number of events"),
        ({"name": "x", "scope": "write", "rate": "0"}, "cannot send 0 events"),
    ],
)
def test_a_form_that_cannot_be_read_comes_back_with_what_was_typed(
    http: TestClient, log: Log, fields: dict[str, Any], said: str
) -> None:
    """The fault stands in the page, the fields are as they were, and nothing happened."""
    page = send(http, f"{PLACE}/keys", ends="30", **fields)
    assert page.status_code == 422
    assert said in page.text
    assert 'value="30" selected' in page.text
    assert f'name="name" value="{fields["name"]}"' in page.text
    assert KeyRing(log, HOME, actor=MARIA).all() == ()


def test_the_first_key_begins_a_workspace(http: TestClient, log: Log) -> None:
    """A name is typed, the page of the workspace is empty, and its first entry is the key."""
    page = http.get("/console/workspaces", params={"workspace": "wsp_new"})
    assert "Nothing was recorded for this workspace yet" in page.text
    assert "wsp_new" not in log.workspaces()
    send(http, "/console/workspaces/wsp_new/keys", name="first", scope="write", ends="never")
    assert [entry.action for entry in log.find("wsp_new").entries] == ["api_key.created"]
    for name in ("a b", "", "é", "../x"):
        assert http.get("/console/workspaces", params={"workspace": name}).status_code == 404


def test_retention_is_foretold_and_saved_with_a_reason(http: TestClient, log: Log, clock: Clock) -> None:
    """The preview changes nothing and keeps what was typed; saving needs a reason and leaves the entry."""
    place = f"{PLACE}/retention"
    clock.advance(minutes=30)
    page = send(http, f"{place}/preview", days="1", reason="Because <i>")
    assert "Nothing would go now." in page.text
    assert "Because &lt;i&gt;" in page.text
    assert send(http, place, days="1", reason=" ").status_code == 422
    for days in ("x", "-1", "1.5", "99999999"):
        assert "is not a number of days" in send(http, place, days=days, reason="y").text
    assert "cannot be had" in send(http, place, days="0", reason="y").text
    assert "cannot be had" in send(http, f"{place}/preview", days="36501", reason="y").text
    assert read_policy(log, HOME).days == 90
    assert "The retention is saved." in send(http, place, days="365", reason="The auditor asked").text
    assert "nothing changed" in send(http, place, days="365", reason="again").text
    assert "saved" in send(http, place, days="", reason="For good").text
    found = log.find(HOME, "action:audit.retention_changed").entries
    assert [entry.reason and entry.reason.text for entry in found] == ["For good", "The auditor asked"]
    assert {entry.actor for entry in found} == {OPERATOR}
    assert read_policy(log, HOME).days is None


def test_the_preview_counts_what_a_purge_would_remove(
    http: TestClient, log: Log, console: Console, clock: Clock
) -> None:
    """Old entries are counted by class and by the day before which they were recorded."""
    clock.advance(days=20)
    enter(http, console)
    page = send(http, f"{PLACE}/retention/preview", days="5").text
    assert "<b>7</b> entries would lose their content, 0 would keep it." in page
    assert "standard 7" in page
    assert "2026-12-05" in page
    assert re.search(r"With them goes [\d.]+ KB of content, before compression, about \d+ people\.", page)
    assert "Who signed in?" in page
    assert "Which API keys were there?" not in page
    assert "legal hold" not in page
    place_hold(log, HOME, name="x", query="resource:contact:con_ana", actor=MARIA, reason=Reason(text="y"))
    page = send(http, f"{PLACE}/retention/preview", days="5").text
    assert "<b>5</b> entries would lose their content" in page
    assert "2 entries among those that stay are kept by a legal hold." in page


def test_classes_of_the_catalog_have_days_of_their_own(clock: Clock, console: Console) -> None:
    """A class that is ticked is kept for its own time; one that is not follows the workspace."""
    declared = Action(
        name="invoice.issued",
        kind="create",
        retention="bookkeeping",
        label={"en": "Issued"},
        sentences={"en": "{actor} issued"},
    )
    catalog = builtin().declare(declared)
    with whodid.open("memory://", clock=clock, catalog=catalog) as log, client(log, console=console) as http:
        record(log, HOME, [event(1, "contact.created")])
        enter(http, console)
        place = f"{PLACE}/retention"
        assert "bookkeeping" in http.get(place).text
        own: dict[str, Any] = {"days": "30", "reason": "x", "days.bookkeeping": "3650"}
        send(http, place, **{**own, "class": "bookkeeping"})
        assert read_policy(log, HOME) == Policy(days=30, classes={"bookkeeping": 3650})
        assert "3,650 days" in http.get("/console").text
        send(http, place, **own)
        assert read_policy(log, HOME) == Policy(days=30)


def test_the_log_opens_with_a_token_for_its_workspace(http: TestClient, clock: Clock) -> None:
    """An operator's page fetches tokens for the workspace in its address, and the log says who opened it."""
    page = http.get(f"/console/workspaces/{AWAY}/log").text
    assert f'data-tokens="/session/token?workspace={AWAY}"' in page
    minted = http.post(f"/session/token?workspace={AWAY}", headers=OWN).text
    items = http.get("/v1/entries", headers={"Authorization": f"Bearer {minted}"}).json()["items"]
    assert (items[0]["action"], items[0]["actor"]["id"]) == ("audit.viewer_opened", "operator")
    assert http.post("/session/token", headers=OWN).status_code == 400


def test_a_log_that_is_not_there_is_not_opened(http: TestClient, log: Log) -> None:
    """Looking is an entry, and would begin the log of a workspace whose name was mistyped."""
    assert http.get("/console/workspaces/wsp_hmoe/log").status_code == 404
    assert "wsp_hmoe" not in log.workspaces()


# ------------------------------------------------------------------------------------------------------------- refusals


def test_without_a_session_every_page_leads_to_signing_in(log: Log, console: Console) -> None:
    """No page and no act for whoever is not signed in, and the page that is left says nothing of the store."""
    with client(log, console=console) as http:
        for handler in [one for one in paths(http) if one[1] != "/console"]:
            answer = http.request(handler[0], handler[1], follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, "/console")
        front = http.get("/console")
        assert [name for name in (HOME, AWAY, "Sessions") if name in front.text] == []
    assert log.head(HOME).size == 7


def paths(http: TestClient) -> list[tuple[str, str]]:
    """List the console's routes, filled."""
    found = []
    for route in http.app.routes:  # type: ignore[attr-defined] # TestClient calls it an ASGI application only
        if route.path.startswith("/console"):
            path = route.path.replace("{workspace}", HOME).replace("{id}", "wk_000000000000")
            found += [(method, path) for method in route.methods - {"HEAD"}]
    assert len(found) > 12
    return found


def test_a_reader_does_not_become_an_operator(log: Log, console: Console) -> None:
    """A session that opens one log sees no page of the console; acts that it tries are denied in that log."""
    with client(log, console=console) as http:
        enter(http, console, workspace=HOME, viewer=JOAO, permissions=("audit:read",), operator=False)
        for method, path in paths(http):
            answer = http.request(method, path, headers=OWN, data={"form": "x"} if method == "POST" else None)
            assert answer.status_code == 403
            assert AWAY not in answer.text
        assert http.post(f"/session/token?workspace={AWAY}", headers=OWN).status_code == 403
    denied = log.find(HOME, "outcome:denied actor:usr_joao").entries
    assert {entry.action for entry in denied} == {
        "api_key.created",
        "api_key.revoked",
        "audit.retention_changed",
        "audit.hold_placed",
        "audit.hold_released",
        "audit.erased",
        "audit.stream_changed",
        "audit.stream_tested",
    }
    assert all(entry.details and entry.details["cause"] == "operator" for entry in denied)
    assert log.find(AWAY, "outcome:denied").entries == ()
    assert KeyRing(log, HOME, actor=MARIA).all() == ()


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"form": "wrong"}, OWN),
        ({"form": ""}, OWN),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
        ({}, {"Sec-Fetch-Site": "same-site"}),
        ({}, {"Origin": "https://evil.example"}),
        ({}, {"Origin": "null"}),
        ({}, OWN | {"Content-Type": "text/plain"}),
        ({}, OWN | {"Content-Type": "application/json"}),
    ],
)
def test_forged_forms_are_refused_and_recorded(
    http: TestClient, log: Log, fields: dict[str, str], headers: dict[str, str]
) -> None:
    """Without the word of the session's own forms, or from elsewhere, nothing happens but a denied entry."""
    for path in (f"{PLACE}/keys", f"{PLACE}/retention"):
        answer = send(
            http, path, headers=headers, **{"name": "x", "scope": "write", "days": "1", "reason": "y", **fields}
        )
        assert answer.status_code == 403
        assert "Nothing was changed" in answer.text
    denied = log.find(HOME, "outcome:denied").entries
    assert sorted(entry.action for entry in denied) == ["api_key.created", "audit.retention_changed"]
    assert {entry.actor for entry in denied} == {OPERATOR}
    assert read_policy(log, HOME).days == 90


def test_a_form_of_another_session_is_forged(log: Log, console: Console) -> None:
    """What the forms of one session carry opens nothing in another."""
    with client(log, console=console) as one, client(log, console=console) as other:
        enter(one, console)
        enter(other, console)
        assert send(one, f"{PLACE}/keys", form=proof(other), name="x", scope="write").status_code == 403


def test_a_refusal_in_a_workspace_that_is_not_there_makes_none(http: TestClient, log: Log) -> None:
    """A forged form does not bring a log into being."""
    assert send(http, "/console/workspaces/nowhere/keys", form="wrong", name="x").status_code == 403
    assert "nowhere" not in log.workspaces()


@pytest.mark.parametrize("path", [f"{PLACE}/keys/wk_000000000000", f"{PLACE}/keys/x", "/console/workspaces/a%20b"])
def test_what_is_not_there_is_not_found(http: TestClient, path: str) -> None:
    """As a page, with a way back."""
    page = http.get(path)
    assert page.status_code == 404
    assert 'href="/console"' in page.text
    assert page.headers["content-type"].startswith("text/html")


def test_a_store_that_is_away_is_said_without_its_secrets(http: TestClient, log: Log) -> None:
    """What the store says goes into the server's own log; the page says that it cannot be reached."""
    from whodid.errors import StoreUnavailable

    with patch.object(log, "record", side_effect=StoreUnavailable("host db.internal is down", "x")):
        page = send(http, f"{PLACE}/keys", name="x", scope="write", ends="never")
    assert page.status_code == 503
    assert "db.internal" not in page.text
    assert KeyRing(log, HOME, actor=MARIA).all() == ()


# ------------------------------------------------------------------------------------------------------------- sessions


def test_sessions_are_listed_and_ended(http: TestClient, log: Log, console: Console) -> None:
    """An operator sees who is signed in and ends another's session at once; signing out ends the own one."""
    with client(log, console=console) as other:
        enter(other, console, viewer=AISHA)
        page = http.get("/console/sessions").text
        assert [text for text in ("Operator", "Aisha Khan", "this session", "unknown") if text not in page] == []
        found = re.search(r"/console/sessions/([0-9a-f]+)/end", page)
        assert found is not None
        assert "The session is ended." in send(http, f"/console/sessions/{found[1]}/end").text
        assert 'role="alert" hidden' in other.get("/console").text
    held = http.cookies.get("whodid_session")
    assert "Sign in" in send(http, "/console/sign-out").text
    again = http.get("/console", headers={"Cookie": f"whodid_session={held}"})
    assert HOME not in again.text


def test_links_of_the_command_line_work_once_and_soon(log: Log, clock: Clock) -> None:
    """The store keeps a digest; a second look, another code and a quarter of an hour find nothing."""
    code = make_link_code(log, AISHA)
    assert code.encode() not in (log.shared_state("console links") or b"")
    assert take_link(log, "x" * 43) is None
    assert take_link(log, code) == AISHA
    assert take_link(log, code) is None
    assert log.shared_state("console links") is None
    late = make_link_code(log, AISHA)
    clock.advance(minutes=15)
    assert take_link(log, late) is None


def test_a_link_of_the_command_line_opens_the_console(log: Log, clock: Clock) -> None:
    """Its operator is the actor of what follows."""
    console = Console(secret=SECRET, clock=clock, links=lambda code: take_link(log, code))
    with client(log, console=console) as http:
        code = make_link_code(log, AISHA)
        assert http.post("/session", json={"code": code}, headers=OWN).status_code == 200
        send(http, f"{PLACE}/keys", name="x", scope="write", ends="never")
    assert log.find(HOME, "action:api_key.created").entries[0].actor == AISHA


# --------------------------------------------------------------------------------------------------------------- markup


def test_texts_cannot_become_markup() -> None:
    """Whatever is not made by `tag` is escaped, in content, attributes and slots alike."""
    evil = """</script><img src=x onerror="alert('1')">&"""
    for made in (
        tag("p", evil),
        tag("p", [None, [evil]]),
        tag("p", "", title=evil),
        fill("a {x} b", x=evil),
        join(evil),
    ):
        assert "<img" not in made
        assert '"alert' not in made
    assert tag("a", tag("b", 1), class_="x", hidden=True, open=False, href=None) == '<a class="x" hidden><b>1</b></a>'
    assert tag("input", aria_label="é", for_="q") == '<input aria-label="é" for="q">'


def test_an_unknown_language_is_answered_in_english() -> None:
    """Sizes and counts are written for people."""
    say = words_for("xx")
    assert say.lang == "en"
    assert (say.counted("count", 1), say.counted("count", 2)) == ("1 workspace", "2 workspaces")
    assert [say.size(one) for one in (0, 999, 1000, 123_456, 12_345_678_901)] == [
        "0 B",
        "999 B",
        "1.0 KB",
        "123 KB",
        "12.3 GB",
    ]
