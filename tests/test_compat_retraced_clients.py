"""The published Retraced client, unchanged, against a real server; it computes the hash of every event itself."""

from __future__ import annotations

from typing import Any

import httpx2

from tests import compatting
from tests.compatting import WORKSPACE, CompatServer, needs_clients, run_node

server = compatting.server

EVERYTHING = {
    "id": True,
    "action": True,
    "description": True,
    "group": {"id": True, "name": True},
    "actor": {"id": True, "name": True, "href": True, "fields": True},
    "target": {"id": True, "name": True, "href": True, "type": True, "fields": True},
    "crud": True,
    "display": {"markdown": True},
    "received": True,
    "created": True,
    "canonical_time": True,
    "is_failure": True,
    "is_anonymous": True,
    "source_ip": True,
    "loc_subdiv1": True,
    "loc_subdiv2": True,
    "component": True,
    "version": True,
    "fields": True,
    "external_id": True,
    "metadata": True,
}
FULL: dict[str, Any] = {
    "action": "contact.deleted",
    "crud": "d",
    "group": {"id": "ws_1", "name": "Casa Lumen"},
    "actor": {"id": "u:1%", "name": "Ana", "href": "https://a.example", "fields": {"role": "Owner"}},
    "target": {"id": "c_9", "name": "Bo", "type": "contact", "href": "https://b.example", "fields": {"vip": "yes"}},
    "created": {"$date": "2026-11-01T12:00:00Z"},
    "source_ip": "203.0.113.7",
    "description": "asked to be removed",
    "is_failure": False,
    "fields": {"b=;": "x:y%", "a": "1"},
    "external_id": "ex:1",
    "metadata": {"z": "1", "B": "2"},
}
BARE = {"action": "a", "crud": "r", "is_anonymous": True}
ODD: list[dict[str, Any]] = [
    BARE,
    BARE | {"fields": {}},
    BARE | {"metadata": {}},
    BARE | {"fields": {"\U0001f600": "1", "\uff61": "2", "": "", "ñ": "%"}},
    BARE | {"source_ip": "1j.4", "description": "", "external_id": ""},
    {"action": "User Signed-In!", "crud": "u", "actor": {"id": " padded "}, "group": {"id": "g" * 300}},
    FULL | {"is_failure": True, "source_ip": "2001:DB8::0001"},
    FULL | {"metadata": {str(number): "x" for number in range(300)}},
]


def run(server: CompatServer, *calls: list[Any], **config: str) -> list[Any]:
    """Run the client."""
    settings = {
        "apiKey": server.admin,
        "projectId": WORKSPACE,
        "endpoint": f"{server.url}/auditlog",
        "component": "api",
        "version": "7",
        "viewLogAction": "audit.log.view",
    }
    return run_node("retraced.mjs", {"config": settings | config, "calls": list(calls)})


@needs_clients
def test_events_with_all_parts_are_taken_and_come_back(server: CompatServer) -> None:
    """The client accepts the hash of each; a search returns what was sent."""
    results = run(
        server,
        ["reportEvent", FULL],
        *(["reportEvent", one] for one in ODD),
        ["reportEvents", [FULL, *ODD]],
        ["query", {"action": "contact.deleted", "crud": "d", "actor_id": "u:1%"}, EVERYTHING, 50],
        ["query", {}, EVERYTHING, 7],
    )
    assert [one for one in results if "error" in one] == []
    assert len(results[len(ODD) + 1]["result"]) == len(ODD) + 1
    found = results[-2]["result"]
    assert found["total"] == 6
    (shown,) = [one for one in found["pages"][0] if one["id"] == results[0]["result"]]
    assert {name: shown[name] for name in ("action", "crud", "description", "external_id", "is_failure")} == {
        "action": "contact.deleted",
        "crud": "d",
        "description": "asked to be removed",
        "external_id": "ex:1",
        "is_failure": False,
    }
    assert shown["group"] == {"id": "ws_1", "name": "Casa Lumen"}
    assert shown["actor"] == FULL["actor"]
    assert shown["target"] == FULL["target"]
    assert shown["fields"] == FULL["fields"]
    assert (shown["component"], shown["version"]) == ("api", "7")
    assert shown["created"] == "2026-11-01T12:00:00.000Z"
    everything = results[-1]["result"]
    # With the two keys of the server and the record of the first search.
    assert [len(page) for page in everything["pages"]] == [7, 7, 7]
    ids = [one["id"] for page in everything["pages"] for one in page]
    assert len(set(ids)) == len(ids) == everything["total"] == 21


@needs_clients
def test_refusals_reach_the_caller_and_record_nothing(server: CompatServer) -> None:
    """A bad event, a batch with one bad event, too many, a foreign project and a false key."""
    bad = {"action": "a.b", "crud": "x", "actor": {"id": "u"}}
    good = {"action": "a.b", "crud": "c", "actor": {"id": "u"}}
    before = server.log.head(WORKSPACE).size
    results = run(
        server,
        ["reportEvent", bad],
        ["reportEvents", [good, bad]],
        ["reportEvents", [good] * 51],
        ["reportEvent", {"action": "a.b", "crud": "c"}],
        ["getViewerToken", "", "usr_1", False],
    )
    assert [one["error"] for one in results] == ["Unexpected HTTP response: 400 Bad Request"] * 5
    strange = run(server, ["reportEvent", good], projectId="wsp_other") + run(server, ["reportEvent", good], apiKey="x")
    assert [one["error"] for one in strange] == ["Unexpected HTTP response: 401 Unauthorized"] * 2
    assert server.log.head(WORKSPACE).size == before
    server.faults = ["503"]
    (busy,) = run(server, ["reportEvent", good])
    assert busy["error"] == "Unexpected HTTP response: 503 Service Unavailable"


@needs_clients
def test_a_viewer_sees_its_group_and_leaves_an_entry(server: CompatServer) -> None:
    """Token, session, search: the entries of the group and no others, by the longer selection of the viewer."""
    other = FULL | {"group": {"id": "ws_2"}}
    results = run(
        server, ["reportEvents", [FULL, other]], ["getViewerToken", "ws_1", "usr_7", True], ["query", {}, EVERYTHING, 9]
    )
    assert results[2]["result"]["total"] == 4  # both keys of the server, and the two events
    with httpx2.Client(base_url=f"{server.url}/auditlog") as http:
        opened = http.post("/viewer/v1/viewersession", json={"token": results[1]["result"]}).json()
        assert opened["project_id"] == WORKSPACE
        session = {"Authorization": opened["token"], "Origin": "https://shop.example"}
        asked = {
            "query": LONG,
            "variables": {"query": "crud:c,u,d", "last": 20, "before": ""},
            "operationName": "Search",
        }
        answer = http.post("/viewer/v1/graphql", json=asked, headers=session)
        assert answer.headers["access-control-allow-origin"] == "*"
        found = answer.json()["data"]["search"]
        assert found["totalCount"] == 1
        assert found["edges"][0]["node"]["group"]["id"] == "ws_1"
        quiet = http.post("/viewer/v1/graphql?skipViewLogEvent=true", json=asked, headers=session)
        assert quiet.status_code == 200
        assert (
            http.post("/viewer/v1/graphql", json=asked, headers={"Authorization": results[1]["result"]}).status_code
            == 401
        )
    (seen,) = server.entries("audit.log.view")
    assert (seen.actor.id, seen.related[0].id) == ("usr_7", "ws_1")


LONG = """
query Search($query: String!, $last: Int, $before: String) {
  search(query: $query, last: $last, before: $before) {
    totalCount, pageInfo { hasPreviousPage }
    edges { cursor node { id action crud created received canonical_time description
      actor { id name href fields { key value } } group { id name }
      target { id name href type fields { key value } }
      display { markdown } is_failure is_anonymous source_ip country loc_subdiv1 loc_subdiv2
      component version fields { key value } external_id metadata { key value } raw } }
  }
}
"""
