"""No request of one workspace manages another: keys, retention, holds, erasures, sinks, stamps, and operators."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from tests import test_server_isolation as routes
from tests.serving import (
    AWAY,
    HOME,
    MARIA,
    NOW,
    SECRET,
    bearer,
    check_problem,
    token,
)
from tests.test_server_isolation import FOREIGN, clean
from whodid import Log, Reason
from whodid.log import Stamp, keep_stamp
from whodid.retention import place_hold
from whodid.server import mint_operator_token
from whodid.server.keys import KeyRing
from whodid.sinks import Sinks, read_language

log, http = routes.log, routes.http


def test_a_key_manages_the_workspace_it_belongs_to(http: TestClient, log: Log) -> None:
    """With the widest key of HOME, no route of keys, retention and workspaces tells or changes anything of AWAY."""
    away = KeyRing(log, AWAY, actor=MARIA).create("away only", scopes=("admin",)).key
    key = bearer(KeyRing(log, HOME, actor=MARIA).create("home only", scopes=("admin",)).text)
    held = place_hold(
        log, AWAY, name="away matter", query="type:contact", actor=MARIA, reason=Reason(text="They asked")
    )
    before = log.head(AWAY).size
    absent = {clean(http.delete("/v1/keys/wk_000000000000", headers=key))}
    for name in (f"wk_{away.id}", away.id):
        hidden = [
            http.delete(f"/v1/keys/{name}", headers=key),
            http.post(f"/v1/keys/{name}/rotate", json={}, headers=key),
        ]
        assert {clean(one)[1].replace(away.id, "000000000000") for one in hidden} == {text for _, text in absent}
        assert {one.status_code for one in hidden} == {404}
    by = {"reason": "x", "by": {"id": "usr_1", "name": "x"}}
    released = [
        clean(http.post(f"/v1/holds/{one}/release", json=by, headers=key)) for one in (held.id, "hld_" + "a" * 16)
    ]
    assert released[0] == (404, released[1][1].replace("hld_" + "a" * 16, held.id))
    meant = {"person": "contact:con_100"}
    told = [
        http.post("/v1/erasures/preview", json=meant, headers=key).json()["entries"],
        http.post("/v1/erasures", json=meant | by, headers=key).json()["entries"],
    ]
    assert told == [0, 0]
    assert log.get(AWAY, 0).resource.name is not None
    listed = [http.get(f"/v1/{name}", headers=key).text for name in ("keys", "workspaces", "holds", "erasures")]
    assert [
        word
        for word in ("away only", away.id, held.id, "away matter", *FOREIGN)
        if any(word in text for text in listed)
    ] == []
    assert http.get("/v1/workspaces", headers=key).json()["total"] == 1
    for workspace in (AWAY, "nowhere"):
        named = key | {"X-Whodid-Workspace": workspace}
        answers = [
            http.get("/v1/keys", headers=named),
            http.post("/v1/keys", json={"name": "x"}, headers=named),
            http.put("/v1/retention", json={"days": 1}, headers=named),
            http.post("/v1/retention/preview", json={"days": 1}, headers=named),
            http.get("/v1/holds", headers=named),
            http.get("/v1/erasures", headers=named),
            http.post("/v1/erasures", json={"person": "contact:con_100"} | by, headers=named),
            http.post("/v1/erasures/preview", json={"person": "contact:con_100"}, headers=named),
            http.post("/v1/holds", json={"name": "x", "query": "type:contact"} | by, headers=named),
            http.post("/v1/holds/preview", json={"query": "type:contact"}, headers=named),
            http.post(f"/v1/holds/{held.id}/release", json=by, headers=named),
            http.post("/v1/stamps", headers=named),
            http.get("/v1/workspaces", headers=named),
        ]
        assert {one.status_code for one in answers} == {403}
        assert len({clean(one) for one in answers}) == 1
    assert http.put("/v1/retention", json={"days": 89}, headers=key).status_code == 200
    assert http.get("/v1/retention", headers=bearer(token(AWAY))).json()["days"] == 90
    assert log.head(AWAY).size == before


def test_a_key_manages_the_sinks_of_the_workspace_it_belongs_to(http: TestClient, log: Log) -> None:
    """A sink of AWAY is to HOME as one that never was, for every route; its secret and its name are nowhere."""
    key = bearer(KeyRing(log, HOME, actor=MARIA).create("home sinks", scopes=("admin",)).text)
    sinks = Sinks(log, AWAY, actor=MARIA)
    sink = sinks.add("away hook", "otlp", "https://away.example.com/v1/logs", kept="away secret")
    before, size, tag = sinks.get("away hook").position, log.head(AWAY).size, sinks.tag("away hook")
    assert http.get("/v1/sinks", headers=key).json() == {"items": []}
    orders: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("DELETE", "", None),
        ("PATCH", "", {"name": "mine"}),
        ("PATCH", "", {"address": "https://mine.example.com/v1/logs", "secret": "mine"}),
        ("POST", "/secret", {"secret": "mine"}),
        ("POST", "/pause", {"reason": "x"}),
        ("POST", "/resume", {}),
        ("POST", "/backfill", {"start": 0}),
        ("POST", "/test", None),
        ("GET", "/quarantine", None),
        ("POST", "/quarantine/retry", {}),
        ("POST", "/quarantine/drop", {"reason": "x"}),
    ]
    for method, suffix, body in orders:
        answers = [
            clean(http.request(method, f"/v1/sinks/{id_}{suffix}", json=body, headers=key))
            for id_ in (sink.id, "away hook", "snk_000000000000")
        ]
        texts = {
            text.replace(sink.id, "").replace("away hook", "").replace("snk_000000000000", "") for _, text in answers
        }
        assert ({status for status, _ in answers}, len(texts)) == ({404}, 1), suffix
        named = http.request(
            method, f"/v1/sinks/{sink.id}{suffix}", json=body, headers=key | {"X-Whodid-Workspace": AWAY}
        )
        assert named.status_code == 403
    away = key | {"X-Whodid-Workspace": AWAY}
    assert http.post("/v1/sinks", json={"name": "x"}, headers=away).status_code == 403
    assert http.put("/v1/language", json={"lang": "hi"}, headers=away).status_code == 403
    assert http.get("/v1/language", headers=away).status_code == 403
    assert http.put("/v1/language", json={"lang": "hi"}, headers=key).status_code == 200
    assert (read_language(log, HOME), read_language(log, AWAY)) == ("hi", "en")
    assert (sinks.get("away hook").position, log.head(AWAY).size, sinks.tag("away hook")) == (before, size, tag)


def test_stamps_are_those_of_the_own_log(http: TestClient, log: Log) -> None:
    """A stamp of AWAY is not listed at home, and its size answers like one that nobody stamped."""
    keep_stamp(log, AWAY, Stamp(at=NOW, note=log.checkpoint(AWAY), answer=b"stamp"))
    size = log.head(AWAY).size
    home, away = bearer(token(HOME)), bearer(token(AWAY))
    assert http.get("/v1/stamps", headers=away).json()["items"][0]["size"] == size
    assert http.get("/v1/stamps", headers=home).json() == {"items": []}
    foreign, absent = (http.get(f"/v1/stamps/{one}", headers=home) for one in (size, size + 1_000))
    assert foreign.status_code == 404
    assert clean(foreign) == clean(absent)


def test_an_operator_reads_no_entry(http: TestClient) -> None:
    """An operator token manages every workspace, and opens the log of none."""
    sent = bearer(mint_operator_token(SECRET, operator=MARIA, now=NOW)) | {"X-Whodid-Workspace": HOME}
    assert {one["workspace"] for one in http.get("/v1/workspaces", headers=sent).json()["items"]} == {HOME, AWAY}
    for path in ("/v1/entries", "/v1/entries/0", "/v1/facets?field=actor", "/v1/retention", "/v1/checkpoint"):
        check_problem(http.get(path, headers=sent), 401, "unauthorised")
    check_problem(http.post("/v1/exports", json={"format": "csv"}, headers=sent), 401, "unauthorised")
    check_problem(http.post("/v1/events", json={}, headers=sent), 401, "unauthorised")
