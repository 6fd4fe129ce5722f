"""No request through a door for another product's clients reaches another workspace: every route, every credential."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.serving import AWAY, HOME, MARIA, SECRET, Clock, client, open_log
from tests.test_server_isolation import FOREIGN
from whodid import Log
from whodid.server import asgi
from whodid.server.compat import PRODUCTS
from whodid.server.keys import KeyRing

PUBLISHER = "/auditlog/publisher/v1/project/{project}"
TOKENS = f"{PUBLISHER}/group/{{group:path}}/enterprisetoken"
VIEWER = "/auditlog/viewer/v1"
ENTERPRISE = "/auditlog/enterprise/v1"

WORKOS_ROUTES = {
    ("POST", "/audit_logs/events"),
    ("POST", "/audit_logs/exports"),
    ("GET", "/audit_logs/exports/{id}"),
    ("GET", "/audit_logs/exports/{ticket}/download"),
    ("GET", "/audit_logs/actions"),
    ("GET", "/audit_logs/actions/{name:path}/schemas"),
    ("POST", "/audit_logs/actions/{name:path}/schemas"),
    ("GET", "/organizations/{id}/audit_logs_retention"),
    ("PUT", "/organizations/{id}/audit_logs_retention"),
    ("GET", "/organizations/{id}/audit_log_configuration"),
    ("POST", "/portal/generate_link"),
}
PUBLISHER_ROUTES = {
    ("POST", f"{PUBLISHER}/event"),
    ("POST", f"{PUBLISHER}/event/bulk"),
    ("GET", f"{PUBLISHER}/viewertoken"),
    ("POST", f"{PUBLISHER}/graphql"),
    ("GET", TOKENS),
    ("POST", TOKENS),
    ("GET", f"{TOKENS}/{{token}}"),
    ("PUT", f"{TOKENS}/{{token}}"),
    ("DELETE", f"{TOKENS}/{{token}}"),
}
VIEWER_ROUTES = {
    ("POST", f"{VIEWER}/viewersession"),
    ("POST", f"{VIEWER}/graphql"),
    ("POST", f"{VIEWER}/graphql/paginated"),
    ("GET", f"{VIEWER}/project/{{project}}/exports"),
    ("POST", f"{VIEWER}/project/{{project}}/export"),
    ("GET", f"{VIEWER}/project/{{project}}/export/{{id}}/rendered"),
    ("GET", f"{VIEWER}/project/{{project}}/eitapi_tokens"),
    ("POST", f"{VIEWER}/project/{{project}}/eitapi_token"),
    ("PUT", f"{VIEWER}/project/{{project}}/eitapi_token/{{id}}"),
    ("DELETE", f"{VIEWER}/project/{{project}}/eitapi_token/{{id}}"),
}
ENTERPRISE_ROUTES = {
    ("POST", f"{ENTERPRISE}/graphql"),
    ("POST", f"{ENTERPRISE}/search/saved"),
    ("POST", f"{ENTERPRISE}/search/active"),
    ("GET", f"{ENTERPRISE}/search/active/{{id}}"),
    ("GET", f"{ENTERPRISE}/search/adhoc"),
}
SPLUNK = "/services/collector"
GENERAL_ROUTES = {
    ("POST", "/v1/logs"),
    ("POST", "/cloudevents"),
    *(("POST", f"{SPLUNK}{rest}") for rest in ("", "/event", "/event/1.0", "/raw", "/raw/1.0", "/ack")),
    ("POST", "/mcp"),
    ("GET", f"{SPLUNK}/health"),
    ("GET", f"{SPLUNK}/health/1.0"),
}
PREFLIGHT = ("OPTIONS", f"{VIEWER}/{{rest:path}}")
EVERY = WORKOS_ROUTES | PUBLISHER_ROUTES | VIEWER_ROUTES | ENTERPRISE_ROUTES | GENERAL_ROUTES


class Made(NamedTuple):
    """What one workspace has: credentials, and the ids of what it made."""

    key: str
    session: str
    viewer_token: str
    enterprise: str
    ids: dict[str, str]


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """Open two workspaces."""
    with open_log(Clock()) as opened:
        yield opened


@pytest.fixture(scope="module")
def http(log: Log) -> Iterator[TestClient]:
    """Open a client."""
    with client(log, compat=PRODUCTS) as opened:
        yield opened


@pytest.fixture(scope="module")
def home(log: Log, http: TestClient) -> Made:
    """Make one of everything at home."""
    return made(log, http, HOME)


@pytest.fixture(scope="module")
def away(log: Log, http: TestClient) -> Made:
    """Make one of everything away, in a group of the same name."""
    return made(log, http, AWAY)


def made(log: Log, http: TestClient, workspace: str) -> Made:
    """Make one of everything."""
    key = KeyRing(log, workspace, actor=MARIA).create("t", scopes=("admin",)).text
    shown, bearer = {"Authorization": f"token={key}"}, {"Authorization": f"Bearer {key}"}
    base = f"/auditlog/publisher/v1/project/{workspace}"
    event = {"action": "thing.made", "crud": "c", "actor": {"id": f"{workspace}_actor"}, "group": {"id": "g"}}
    assert http.post(f"{base}/event", json=event, headers=shown).status_code == 201
    token = http.get(f"{base}/viewertoken?group_id=g&actor_id=v&is_admin=true", headers=shown).json()["token"]
    session = http.post(f"{VIEWER}/viewersession", json={"token": token}).json()["token"]
    enterprise = http.post(f"{base}/group/g/enterprisetoken", json={}, headers=shown).json()["token"]
    own = {"Authorization": f"token={enterprise}"}
    saved = http.post(f"{ENTERPRISE}/search/saved", json={"name": workspace}, headers=own).json()["id"]
    ordered = {"organization_id": workspace, "range_start": "2026-01-01", "range_end": "2027-01-01"}
    schema = {"targets": [{"type": f"{workspace}_kind"}]}
    for verb in ("made", "hidden"):  # what is posted for the first one at home makes it there
        http.post(f"/audit_logs/actions/{workspace}.{verb}/schemas", json=schema, headers=bearer)
    ids = {
        "order": http.post("/audit_logs/exports", json=ordered, headers=bearer).json()["id"],
        "saved": saved,
        "active": http.post(f"{ENTERPRISE}/search/active", json={"saved_search_id": saved}, headers=own).json()["id"],
        "export": http.post(
            f"{VIEWER}/project/{workspace}/export",
            json={"name": workspace, "exportBody": {}},
            headers={"Authorization": session},
        ).json()["id"],
        "action": f"{workspace}.made",
    }
    return Made(key, session, token, enterprise, ids)


def test_the_matrix_covers_every_route(log: Log) -> None:
    """A new route has to be added here, or this fails; without the setting there is none of them."""
    plain = {route.path for route in asgi(log, secret=SECRET).routes if isinstance(route, Route)}
    routes = [route for route in asgi(log, secret=SECRET, compat=PRODUCTS).routes if isinstance(route, Route)]
    added = {
        (method, route.path)
        for route in routes
        if route.path not in plain
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert added == EVERY | {PREFLIGHT}


def filled(path: str, away: Made, project: str) -> str:
    """Fill a pattern with what is away."""
    id_ = away.ids["order" if "audit_logs/exports" in path else "active" if "active" in path else "export"]
    values = {
        "{project}": project,
        "{group:path}": "g",
        "{token}": away.enterprise,
        "{ticket}": "x",
        "{name:path}": away.ids["action"],
        "{id}": AWAY if path.startswith("/organizations") else id_,
    }
    for name, value in values.items():
        path = path.replace(name, value)
    return f"{path}?group_id=g&actor_id=v" if "viewertoken" in path else path


def bodies(away: Made) -> dict[str, Any]:
    """Return a body in which everything that can be named is away's."""
    return {
        "organization_id": AWAY,
        "organization": AWAY,
        "intent": "audit_logs",
        "event": {},
        "range_start": "2026-01-01",
        "range_end": "2027-01-01",
        "targets": [{"type": "t"}],
        "retention_period_in_days": 30,
        "saved_search_id": away.ids["saved"],
        "display_name": "x",
        "displayName": "x",
        "name": "x",
        "exportBody": {},
        "action": "thing.made",
        "crud": "c",
        "is_anonymous": True,
        "events": [{"action": "thing.made", "crud": "c", "is_anonymous": True}],
        "query": '{ search(query: "", last: 100) { totalCount edges { node { raw } } } }',
    }


def test_no_credential_of_home_reaches_away(log: Log, http: TestClient, home: Made, away: Made) -> None:
    """Every route, asked with every credential of HOME for things of AWAY: nothing of AWAY comes back or changes."""
    before = log.head(AWAY)
    states = {
        name: log.state(AWAY, name) for name in ("retention", "retraced_tokens", "retraced_exports", "workos_schemas")
    }
    words = [*FOREIGN, f"{AWAY}_actor", f"{AWAY}_kind"]
    shown = {
        "bearer": f"Bearer {home.key}",
        "splunk": f"Splunk {home.key}",
        "key": f"token={home.key}",
        "session": home.session,
        "viewer token": home.viewer_token,
        "enterprise": f"token={home.enterprise}",
        "nothing": "",
    }
    for method, path in sorted(EVERY):
        for project in (AWAY, HOME):
            for name, credential in shown.items():
                headers = {"Authorization": credential} if credential else {}
                answer = http.request(method, filled(path, away, project), json=bodies(away), headers=headers)
                held = [word for word in words if word in answer.text.replace(filled(path, away, project), "")]
                assert held == [], (method, path, name, answer.text)
                named = "{project}" in path or path.startswith("/organizations")
                if ((project == AWAY and named) or name == "nothing") and not path.startswith(f"{SPLUNK}/health"):
                    assert answer.status_code in {401, 404}, (method, path, name)
    assert log.head(AWAY) == before
    assert {name: log.state(AWAY, name) for name in states} == states


def test_foreign_ids_answer_like_absent_ones(http: TestClient, home: Made, away: Made) -> None:
    """An export, a search, a token or a schema of AWAY is to HOME what was never there."""
    key, bearer = {"Authorization": f"token={home.key}"}, {"Authorization": f"Bearer {home.key}"}
    own, session = {"Authorization": f"token={home.enterprise}"}, {"Authorization": home.session}
    asked = [
        ("/audit_logs/exports/{}", away.ids["order"], bearer),
        ("/audit_logs/actions/{}/schemas", f"{AWAY}.hidden", bearer),
        ("/organizations/{}/audit_logs_retention", AWAY, bearer),
        (f"{ENTERPRISE}/search/active/{{}}", away.ids["active"], own),
        (f"{VIEWER}/project/{HOME}/export/{{}}/rendered", away.ids["export"], session),
        (f"/auditlog/publisher/v1/project/{HOME}/group/g/enterprisetoken/{{}}", away.enterprise, key),
    ]
    for pattern, foreign, headers in asked:
        answers = [http.get(pattern.format(one), headers=headers) for one in (foreign, "absent")]
        assert [one.status_code for one in answers] == [404, 404], pattern
        assert answers[0].json() == answers[1].json(), pattern


def test_a_project_of_others_answers_like_one_that_is_not_there(http: TestClient, home: Made) -> None:
    """With a good key: the same status and the same words."""
    key = {"Authorization": f"token={home.key}"}
    for body in ({"action": "a.b", "crud": "c", "is_anonymous": True}, {}):
        answers = [
            http.post(f"/auditlog/publisher/v1/project/{one}/event", json=body, headers=key) for one in (AWAY, "absent")
        ]
        assert answers[0].status_code == answers[1].status_code == 401
        assert answers[0].json() == answers[1].json()
