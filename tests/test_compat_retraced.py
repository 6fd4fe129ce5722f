"""The door for Retraced: hashes, searches, sessions and tokens, without a socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.serving import AWAY, HOME, MARIA, SECRET, Clock, client
from whodid import Log
from whodid.server.compat.graphql import parse_document
from whodid.server.compat.retraced_events import event_hash
from whodid.server.compat.retraced_tokens import open_grant
from whodid.server.compat.shared import Refusal
from whodid.server.keys import KeyRing

clock, log = serving.clock, serving.log

PUBLISHER = f"/auditlog/publisher/v1/project/{HOME}"
VIEWER = "/auditlog/viewer/v1"
ENTERPRISE = "/auditlog/enterprise/v1"


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client."""
    with client(log, compat=("retraced",), rate=0) as opened:
        yield opened


@pytest.fixture
def key(log: Log) -> dict[str, str]:
    """Make a key that may do everything in HOME, and return the header that shows it."""
    return shown(KeyRing(log, HOME, actor=MARIA).create("tests", scopes=("admin",)).text)


def shown(text: str) -> dict[str, str]:
    """Return the header that shows a key or a token."""
    return {"Authorization": f"token={text}"}


def event(number: int = 1, **more: Any) -> dict[str, Any]:
    """Make an event."""
    return {
        "action": "thing.made",
        "crud": "c",
        "actor": {"id": f"usr_{number}", "name": f"User {number}"},
        "group": {"id": "g1"},
        "target": {"id": f"t{number}", "type": "thing"},
        "external_id": str(number),
        **more,
    }


def report(http: TestClient, key: dict[str, str], *events: dict[str, Any]) -> list[str]:
    """Report events and return their ids."""
    answer = http.post(f"{PUBLISHER}/event/bulk", json={"events": list(events)}, headers=key)
    assert answer.status_code == 201, answer.text
    return [one["id"] for one in answer.json()]


def session(http: TestClient, key: dict[str, str], **asked: str) -> dict[str, str]:
    """Open a viewer session and return the header that shows it."""
    params = {"group_id": "g1", "actor_id": "viewer", "is_admin": "true"} | asked
    token = http.get(f"{PUBLISHER}/viewertoken", params=params, headers=key).json()["token"]
    opened = http.post(f"{VIEWER}/viewersession", json={"token": token}).json()
    return {"Authorization": opened["token"]}


def searching(fields: str = "external_id", **arguments: Any) -> dict[str, Any]:
    """Write a search."""
    variables = {"query": "", "last": 20, "before": "", **arguments}
    kinds = {"query": "String!", "last": "Int", "first": "Int"}
    used = {name: value for name, value in variables.items() if value is not None}
    declared = ", ".join(f"${name}: {kinds.get(name, 'String')}" for name in used)
    given = ", ".join(f"{name}: ${name}" for name in used)
    page = "totalCount pageInfo { hasPreviousPage hasNextPage }"
    text = f"query Search({declared}) {{ search({given}) {{ {page} edges {{ cursor node {{ {fields} }} }} }} }}"
    return {"query": text, "variables": used}


def found(http: TestClient, headers: dict[str, str], path: str = f"{PUBLISHER}/graphql", **arguments: Any) -> Any:
    """Search, and return what was found."""
    answer = http.post(path, json=searching(**arguments), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["search"]


def numbers(connection: Any) -> list[str]:
    """Return the external ids of a page."""
    return [edge["node"]["external_id"] for edge in connection["edges"]]


GIVEN: dict[str, Any] = {
    "action": "contact.deleted",
    "actor": {"id": "u:1%"},
    "group": {"id": "ws_1"},
    "target": {"id": "c_9"},
    "source_ip": "203.0.113.7",
    "fields": {"b=;": "x:y%", "a": "1"},
    "external_id": "ex:1",
    "metadata": {"z": "1", "B": "2"},
}
BARE: dict[str, Any] = {"action": "a", "is_anonymous": True}
VECTORS = [
    ("evt_0001", GIVEN, "70f667457ba053bbcea0f469c1ea4e0e8e16a96e5bf6d7bc937e694c6a6c12e8"),
    ("evt_0002", BARE, "1724ca27875c07f4c763abf6f7174a24e6d5cae63781207f0e3782261bc61c48"),
    ("evt_0003", BARE | {"fields": {}}, "8d859cc1df4493a58f8a4077ebf9a17a6789baaa8bb3c349515a1cec1ab2251d"),
    ("evt_0004", BARE | {"metadata": {}}, "16c752fd4dc14adff0c51ff444a3a728a4df796c5c25d1a1fc8151d3cb7eac47"),
    (
        "evt_0005",
        BARE | {"fields": {"\U0001f600": "1", "\uff61": "2"}},
        "76388dad237755495c8df83c607dbf383c22bc863b81d297b20d3156b7851139",
    ),
]


@pytest.mark.parametrize(("id_", "given", "hashed"), VECTORS)
def test_the_hash_is_what_the_client_computes(id_: str, given: dict[str, Any], hashed: str) -> None:
    """Frozen vectors, checked with the published client; a single character changes them."""
    assert event_hash(given, id_) == hashed
    assert event_hash(given | {"source_ip": "203.0.113.8"}, id_) != hashed


def test_a_batch_is_taken_whole_or_not_at_all(http: TestClient, log: Log, key: dict[str, str]) -> None:
    """One bad event refuses all, and the answer says which and why; so does one that only intake refuses."""
    before = log.head(HOME).size
    for bad, field in (
        (event(2, crud="x"), "crud"),
        (event(2, fields={"a": 1}), "fields.a"),
        (event(2, actor={}), "actor.id"),
        (event(2, actor=None), "actor"),
        (event(2, created="yesterday"), "created"),
        (event(2, group={"id": "group:g1"}), "group.id"),
        (event(2, description="bell \x07"), "description"),
    ):
        answer = http.post(f"{PUBLISHER}/event/bulk", json={"events": [event(1), bad]}, headers=key)
        assert answer.status_code == 400, bad
        (invalid,) = answer.json()["invalid"]
        assert (invalid["index"], invalid["violations"][0]["field"]) == (1, field)
        assert answer.headers["x-retraced-requestid"]
    assert log.head(HOME).size == before
    assert http.post(f"{PUBLISHER}/event", json=event(1, teamId="x"), headers=key).status_code == 201


def test_searches_find_what_they_say(http: TestClient, clock: Clock, key: dict[str, str]) -> None:
    """Every key of the query text, alone and together; either side of a period may be empty."""
    report(http, key, event(1, description="Sold to Ñandú"), event(2, crud="d", action="thing.lost"))
    clock.advance(hours=1)
    report(http, key, event(3, action="Order Shipped", is_failure=True, created="2026-11-01T00:00:00Z"))
    for text, expected in {
        "external_id:1,2": ["2", "1"],
        'action:"thing.made"': ["1"],
        "action:thing.*": ["2", "1"],
        'action:"Order Shipped"': ["3"],
        "crud:d external_id:2": ["2"],
        "crud:d,c actor.id:usr_1,usr_2": ["2", "1"],
        'actor.name:"user 2"': ["2"],
        "target.id:t3": ["3"],
        'description:"sold to ñ"': ["1"],
        "received:2026-11-20T14:30:00Z, external_id:1,2,3": ["3"],
        "received:,2026-11-20T14:30:00Z external_id:1,2,3": ["2", "1"],
        "created:2026-11-20T00:00:00Z,2026-11-21T00:00:00Z external_id:1,2,3": ["2", "1"],
        "shipped": ["3"],
    }.items():
        assert numbers(found(http, key, query=text)) == expected, text
    for text in ("planet:mars", "received:yesterday,"):
        assert http.post(f"{PUBLISHER}/graphql", json=searching(query=text), headers=key).status_code == 400


def test_pages_go_on_in_both_directions(http: TestClient, clock: Clock, key: dict[str, str]) -> None:
    """Newest first with last and before, oldest first with first and after; totals and flags are right."""
    for number in range(5):
        clock.advance(seconds=1)
        report(http, key, event(number))
    one = found(http, key, query="crud:c action:thing.made", last=2)
    two = found(http, key, query="crud:c action:thing.made", last=2, before=one["edges"][-1]["cursor"])
    last = found(http, key, query="crud:c action:thing.made", last=2, before=two["edges"][-1]["cursor"])
    assert [numbers(page) for page in (one, two, last)] == [["4", "3"], ["2", "1"], ["0"]]
    assert [page["pageInfo"]["hasPreviousPage"] for page in (one, two, last)] == [True, True, False]
    assert [page["totalCount"] for page in (one, two, last)] == [5, 5, 5]
    old = found(http, key, query="action:thing.made", last=None, before=None, first=3)
    new = found(http, key, query="action:thing.made", last=None, before=None, first=3, after=old["edges"][-1]["cursor"])
    assert [numbers(page) for page in (old, new)] == [["0", "1", "2"], ["3", "4"]]
    assert [page["pageInfo"]["hasNextPage"] for page in (old, new)] == [True, False]
    paged = 'searchPaginated(query: "action:thing.made", pageOffset: 1, pageLimit: 2, sortOrder: asc)'
    text = f"{{ {paged} {{ edges {{ node {{ external_id }} }} }} }}"
    answer = http.post(f"{PUBLISHER}/graphql", json={"query": text}, headers=key).json()
    assert numbers(answer["data"]["searchPaginated"]) == ["1", "2"]
    both = http.post(f"{PUBLISHER}/graphql", json=searching(first=2), headers=key)
    assert both.status_code == 400
    assert both.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "text",
    [
        '{ a: search(query: "") { totalCount } }',
        "{ search { totalCount } search { totalCount } }",
        "{ search { totalCount totalCount } }",
        "{ search { ...all } } fragment all on X { totalCount }",
        "{ search @include(if: true) { totalCount } }",
        "mutation { search { totalCount } }",
        "{ search { totalCount } } { search { totalCount } }",
        "{" * 10_000,
        "{ a " * 9 + "}" * 9,
        "query ($a: [[[[[[[[[[Int]]]]]]]]]]) { search { totalCount } }",
        "{ search(last: 1.5) { totalCount } }",
        '{ search(query: "open) { totalCount } }',
        "query ($query: String!) { search(query: $query) { totalCount } }",
        "",
        "x" * 20_001,
    ],
)
def test_a_query_that_is_not_plain_is_refused(text: str) -> None:
    """Aliases, repeated fields, fragments, directives, other operations, depth, length and garbage."""
    with pytest.raises(Refusal) as refused:
        parse_document(text, {})
    assert refused.value.status == 400


def test_a_plain_query_is_read() -> None:
    """Values of every kind, defaults, comments, escapes and commas."""
    text = """
    # a comment with { and "
    query Q($n: Int = 3, $left: String) {
      search(query: "a\\"\\u00f1\\n", last: $n, before: $left, on: true) { x { y, z } }
    }
    """
    (field,) = parse_document(text, {})
    assert field.arguments == {"query": 'a"ñ\n', "last": 3, "before": None, "on": True}
    assert [one.name for one in field.selection[0].selection] == ["y", "z"]


def test_viewer_tokens_and_sessions_end_and_do_not_stand_for_each_other(
    http: TestClient, clock: Clock, key: dict[str, str]
) -> None:
    """Five minutes and ten; a token reads nothing, a session opens nothing, and a changed one is none."""
    params = {"group_id": "g1", "actor_id": "viewer"}
    token = http.get(f"{PUBLISHER}/viewertoken", params=params, headers=key).json()["token"]
    text = session(http, key)["Authorization"]
    assert open_grant(SECRET, token, "session", now=clock()) is None
    assert open_grant(SECRET, text, "token", now=clock()) is None
    head, body, signature = text.split(".")
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    for forged in (f"{none}.{body}.", f"{none}.{body}.{signature}", f"{head}.{body}x.{signature}", "..", "", token):
        answer = http.post(f"{VIEWER}/graphql", json=searching(), headers={"Authorization": forged})
        assert answer.status_code == 401, forged
        # With errors in it, a viewer would tell its user instead of asking for a new token.
        assert "errors" not in answer.json()
    clock.advance(minutes=5)
    assert http.post(f"{VIEWER}/viewersession", json={"token": token}).status_code == 401
    assert http.post(f"{VIEWER}/graphql", json=searching(), headers={"Authorization": text}).status_code == 200
    clock.advance(minutes=5)
    assert http.post(f"{VIEWER}/graphql", json=searching(), headers={"Authorization": text}).status_code == 401
    assert http.get(f"{PUBLISHER}/viewertoken", params={"actor_id": "x"}, headers=key).status_code == 400


def test_a_viewer_stays_within_its_group(http: TestClient, log: Log, key: dict[str, str]) -> None:
    """Searches, exports and tokens of one group show nothing of another, whatever the groups are called."""
    report(http, key, event(1), event(2, group={"id": "g2", "name": "g1"}), event(3, group={"id": "G1"}))
    report(http, key, event(4, group={"id": "x:g1"}), event(5, group=None, target={"id": "g1", "type": "group"}))
    mine, other = session(http, key), session(http, key, group_id="g2")
    for text in ("", "external_id:1,2,3,4,5", "thing", "actor.id:usr_2,usr_1"):
        seen = found(http, mine, f"{VIEWER}/graphql?skipViewLogEvent=true", query=text)
        assert numbers(seen) == ["1"], text
        assert seen["totalCount"] == 1
    made = http.post(
        f"{VIEWER}/project/{HOME}/export", json={"name": "All / of it", "exportBody": {"version": 1}}, headers=mine
    ).json()
    rows = http.get(f"{VIEWER}/project/{HOME}/export/{made['id']}/rendered", headers=mine)
    assert rows.headers["content-disposition"] == 'attachment; filename="All-of-it.csv"'
    assert "usr_1" in rows.text
    assert "usr_2" not in rows.text
    assert [one["id"] for one in http.get(f"{VIEWER}/project/{HOME}/exports?limit=", headers=mine).json()] == [
        made["id"]
    ]
    assert http.get(f"{VIEWER}/project/{HOME}/exports", headers=other).json() == []
    assert http.get(f"{VIEWER}/project/{HOME}/export/{made['id']}/rendered", headers=other).status_code == 404
    assert http.get(f"{VIEWER}/project/{AWAY}/exports", headers=mine).status_code == 401
    assert [entry.actor.id for entry in log.read(HOME) if entry.action == "audit.exported"] == ["viewer"]


def test_a_viewer_of_one_thing_does_not_see_its_namesakes(http: TestClient, key: dict[str, str]) -> None:
    """A token for a target finds entries by its id only, although the name of another is the same text."""
    report(http, key, event(1), event(2, target={"id": "t9", "name": "t1"}), event(3, target={"id": "t3", "name": "x"}))
    seen = found(http, session(http, key, target_id="t1"), f"{VIEWER}/graphql?skipViewLogEvent=true")
    assert (numbers(seen), seen["totalCount"]) == (["1"], 1)


def test_every_reading_by_a_viewer_is_an_entry(http: TestClient, log: Log, key: dict[str, str]) -> None:
    """With the action of its token, by the viewer, about the group; not when the viewer asks to leave it out."""
    headers = session(http, key, view_log_action="Portal Opened")
    found(http, headers, f"{VIEWER}/graphql")
    found(http, headers, f"{VIEWER}/graphql/paginated")
    found(http, headers, f"{VIEWER}/graphql?skipViewLogEvent=true")
    seen = [entry for entry in log.read(HOME) if (entry.details or {}).get("retraced_action") == "Portal Opened"]
    assert [(one.actor.id, one.related[0].id) for one in seen] == [("viewer", "g1")] * 2


def test_what_a_key_may_not_do_its_viewers_may_not(http: TestClient, log: Log) -> None:
    """A key without export makes viewers without; without admin they see no addresses; write alone makes none."""
    ring = KeyRing(log, HOME, actor=MARIA)
    writer = shown(ring.create("w").text)
    reader = shown(ring.create("r", scopes=("read",)).text)
    report(http, writer, event(1, source_ip="203.0.113.7"))
    assert http.get(f"{PUBLISHER}/viewertoken?group_id=g1&actor_id=x", headers=writer).status_code == 403
    assert http.post(f"{PUBLISHER}/event", json=event(2), headers=reader).status_code == 403
    viewer = session(http, reader)
    (edge,) = found(http, viewer, f"{VIEWER}/graphql", fields="source_ip")["edges"]
    assert edge["node"]["source_ip"] is None
    made = http.post(f"{VIEWER}/project/{HOME}/export", json={"name": "x", "exportBody": {}}, headers=viewer).json()
    assert http.get(f"{VIEWER}/project/{HOME}/export/{made['id']}/rendered", headers=viewer).status_code == 403


def test_enterprise_tokens_search_their_group_and_are_recorded(http: TestClient, log: Log, key: dict[str, str]) -> None:
    """Shown once and kept as a digest; searches walk on; each call and each act on a token is an entry."""
    path = f"{PUBLISHER}/group/g1/enterprisetoken"
    made = http.post(path, json={"display_name": "SIEM", "view_log_action": "siem.pulled"}, headers=key)
    assert made.status_code == 201
    text = made.json()["token"]
    assert text.encode() not in (log.state(HOME, "retraced_tokens") or b"")
    report(http, key, *(event(number) for number in range(4)), event(9, group={"id": "g2"}))
    headers = shown(text)
    one = http.get(f"{ENTERPRISE}/search/adhoc?action=thing.made&page_size=3", headers=headers)
    two = http.get(
        f"{ENTERPRISE}/search/adhoc?action=thing.made&page_size=3",
        headers=headers | {"If-None-Match": one.headers["etag"]},
    )
    assert [[item["external_id"] for item in page.json()["events"]] for page in (one, two)] == [["0", "1", "2"], ["3"]]
    saved = http.post(
        f"{ENTERPRISE}/search/saved", json={"name": "all", "actor_ids": ["usr_1", "usr_3"]}, headers=headers
    )
    active = http.post(
        f"{ENTERPRISE}/search/active", json={"saved_search_id": saved.json()["id"]}, headers=headers
    ).json()["id"]
    pages = [http.get(f"{ENTERPRISE}/search/active/{active}?page_size=1", headers=headers).json() for _ in range(3)]
    assert [[item["external_id"] for item in page["events"]] for page in pages] == [["1"], ["3"], []]
    again = http.get(f"{ENTERPRISE}/search/active/{active}?page_size=1&next={pages[0]['next']}", headers=headers).json()
    assert again["events"] == pages[1]["events"]
    assert found(http, headers, f"{ENTERPRISE}/graphql", query="action:thing.made")["totalCount"] == 4
    pulled = [entry for entry in log.read(HOME) if entry.action == "siem.pulled"]
    assert {entry.actor.id for entry in pulled} == {f"enterprise:{text[:7]}"}
    assert len(pulled) == 9
    (listed,) = http.get(path, headers=key).json()
    assert text.startswith(listed["token"])
    renamed = http.put(f"{path}/{text}", json={"display_name": "New"}, headers=key)
    assert renamed.json()["display_name"] == "New"
    assert http.get(f"{PUBLISHER}/group/g2/enterprisetoken/{text}", headers=key).status_code == 404
    assert http.delete(f"{path}/{listed['token']}", headers=key).status_code == 204
    for wrong in (text, listed["token"], text[:-1] + "x", "x"):
        assert http.get(f"{ENTERPRISE}/search/adhoc", headers=shown(wrong)).status_code == 401
    acts = [entry.action for entry in log.read(HOME) if entry.resource.id == text[:7]]
    assert acts == ["api_key.created", "api_key.renamed", "api_key.revoked"]


def test_administrators_of_a_group_manage_its_tokens_in_the_viewer(
    http: TestClient, log: Log, clock: Clock, key: dict[str, str]
) -> None:
    """Made, renamed and removed by an administrator; refused to everybody else; readable in the list for a while."""
    admin, plain = session(http, key), session(http, key, is_admin="false")
    project = f"{VIEWER}/project/{HOME}"
    text = http.post(f"{project}/eitapi_token", json={"displayName": "CLI"}, headers=admin).json()["id"]
    assert http.get(f"{ENTERPRISE}/search/adhoc", headers=shown(text)).status_code == 200
    (listed,) = http.get(f"{project}/eitapi_tokens", headers=admin).json()
    assert listed == {"id": text, "display_name": "CLI"}
    assert text.encode() not in (log.state(HOME, "retraced_tokens") or b"")
    assert (
        http.put(f"{project}/eitapi_token/{listed['id']}", json={"displayName": "B"}, headers=admin).status_code == 200
    )
    assert http.get(f"{project}/eitapi_tokens", headers=plain).status_code == 403
    assert http.post(f"{project}/eitapi_token", json={"displayName": "x"}, headers=plain).status_code == 403
    assert http.delete(f"{project}/eitapi_token/{listed['id']}", headers=plain).status_code == 403
    clock.advance(minutes=10)
    assert http.get(f"{project}/eitapi_tokens", headers=admin).status_code == 401
    admin = session(http, key)
    (listed,) = http.get(f"{project}/eitapi_tokens", headers=admin).json()
    assert listed == {"id": text.partition("_")[0], "display_name": "B"}
    assert http.get(f"{ENTERPRISE}/search/adhoc", headers=shown(listed["id"])).status_code == 401
    assert http.delete(f"{project}/eitapi_token/{listed['id']}", headers=admin).status_code == 204
    assert http.get(f"{ENTERPRISE}/search/adhoc", headers=shown(text)).status_code == 401


def test_one_group_takes_no_room_from_another(http: TestClient, key: dict[str, str]) -> None:
    """Its oldest saved exports go beyond fifty, and it has fifty tokens at most; others keep theirs."""
    mine, other = session(http, key), session(http, key, group_id="g2")
    project = f"{VIEWER}/project/{HOME}"
    for headers, count in ((other, 1), (mine, 52)):
        for number in range(count):
            body = {"name": f"e{number}", "exportBody": {}}
            assert http.post(f"{project}/export", json=body, headers=headers).status_code == 201
    names = [one["name"] for one in http.get(f"{project}/exports", headers=mine).json()]
    assert (len(names), names[0], names[-1]) == (50, "e51", "e2")
    assert [one["name"] for one in http.get(f"{project}/exports", headers=other).json()] == ["e0"]
    made = [http.post(f"{project}/eitapi_token", json={"displayName": "x"}, headers=mine) for _ in range(51)]
    assert [one.status_code for one in made] == [201] * 50 + [400]
    assert http.post(f"{project}/eitapi_token", json={"displayName": "x"}, headers=other).status_code == 201


def test_pages_of_other_origins_may_ask(http: TestClient) -> None:
    """A browser's question beforehand is answered, and refusals carry the headers too; publishers' routes do not."""
    asked = http.options(f"{VIEWER}/graphql", headers={"Origin": "https://shop.example"})
    assert asked.status_code == 204
    assert "Authorization" in asked.headers["access-control-allow-headers"]
    refused = http.post(f"{VIEWER}/graphql", json=searching())
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")
    assert refused.headers["access-control-expose-headers"].startswith("Content-Disposition")
    assert "access-control-allow-origin" not in http.post(f"{PUBLISHER}/event", json=event()).headers


def test_markup_in_a_name_stays_text(http: TestClient, key: dict[str, str]) -> None:
    """What a page renders as Markdown holds no markup of a sender."""
    report(http, key, event(1, actor={"id": "u", "name": "<img src=x onerror=alert(1)> [x](javascript:y)"}))
    (edge,) = found(http, key, query="external_id:1", fields="display { markdown }")["edges"]
    assert edge["node"]["display"]["markdown"].startswith(r"**\<img src=x onerror=alert\(1\)\> \[x\]\(javascript:y\)**")


def counted(http: TestClient, key: dict[str, str], arguments: str, selection: str = "") -> dict[str, Any]:
    """Ask for counts."""
    node = selection or "... on Action { action } ... on Group { id name }"
    fields = f"totalCount pageInfo {{ hasNextPage }} edges {{ count cursor node {{ {node} }} }}"
    text = f"{{ counts({arguments}) {{ {fields} }} }}"
    answer = http.post(f"{PUBLISHER}/graphql", json={"query": text}, headers=key)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()["data"]["counts"]
    return told


def test_counts_are_per_action_or_group(http: TestClient, clock: Clock, key: dict[str, str]) -> None:
    """The most frequent first, in pages, within a period that includes both its ends, of some kinds only."""
    at = "2026-11-19T12:00:00Z"
    for number in range(3):
        report(http, key, event(number, action="Order Shipped", created=at, group={"id": "g1", "name": f"G{number}"}))
    report(http, key, event(3, action="thing.lost", crud="d", created=at, group={"id": "g2"}))
    report(http, key, event(4, action="thing.lost", crud="d", created="2026-11-18T12:00:00Z", group=None))
    period = f'startTime: "{at}", endTime: "{at}"'
    one = counted(http, key, f'type: "action", {period}, first: 1')
    assert (one["totalCount"], one["pageInfo"]) == (2, {"hasNextPage": True})
    assert one["edges"] == [{"count": 3, "cursor": "MA==", "node": {"action": "Order Shipped"}}]
    two = counted(http, key, f'type: "action", {period}, first: 1, after: "MA=="', "action __typename")
    assert two["edges"] == [{"count": 1, "cursor": "MQ==", "node": {"action": "thing.lost", "__typename": "Action"}}]
    assert two["pageInfo"] == {"hasNextPage": False}
    groups = counted(http, key, f'type: "group", {period}')["edges"]
    assert [(one["node"], one["count"]) for one in groups] == [
        ({"id": "g1", "name": "G2"}, 3),
        ({"id": "g2", "name": None}, 1),
    ]
    lost = counted(http, key, f'type: "action", crud: "d", endTime: "{at}"')["edges"]
    assert [(one["node"]["action"], one["count"]) for one in lost if one["node"]["action"] == "thing.lost"] == [
        ("thing.lost", 2)
    ]


@pytest.mark.parametrize(
    "asked",
    [
        "counts { totalCount }",
        'counts(type: "actor") { totalCount }',
        'counts(type: "action", crud: "x") { totalCount }',
        'counts(type: "action", startTime: "soon") { totalCount }',
        'counts(type: "action", after: "!") { totalCount }',
        'counts(type: "action", after: "eA==") { totalCount }',
        'counts(type: "action", first: 0) { totalCount }',
        'counts(type: "action") { edges { node { ... on Action } } }',
        'counts(type: "action") { edges { node { ...Action } } }',
        'counts(type: "action") { edges { node { ... on Action { id } } } }',
        'counts(type: "action") { edges { node { ... on Action { action } ... on Action { action } } } }',
        'search(query: "") { edges { node { ... on Event { id } } } }',
    ],
)
def test_counts_that_cannot_be_asked_are_refused(http: TestClient, key: dict[str, str], asked: str) -> None:
    """400, with the reason."""
    report(http, key, event(1))
    answer = http.post(f"{PUBLISHER}/graphql", json={"query": f"{{ {asked} }}"}, headers=key)
    assert answer.status_code == 400
    assert answer.json()["error"]
