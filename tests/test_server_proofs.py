"""The routes that let a reader check the log: signed head, proofs by the page, hashes of the whole tree."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import serving
from tests.serving import ALL, HOME, NOW, READ, Clock, bearer, check_problem, event, record, token
from whodid import Log
from whodid.proof import tree
from whodid.proof.checkpoint import Checkpoint, open_checkpoint
from whodid.proof.note import Verifier
from whodid.retention import purge

clock, log, http = serving.clock, serving.log, serving.http


def fill(log: Log, n: int) -> None:
    """Record so many further entries."""
    record(log, HOME, [event(5000 + at, "contact.created", ago=timedelta(hours=1)) for at in range(n)])


def get(http: TestClient, path: str, *rights: str, now: datetime = NOW) -> dict[str, Any]:
    """Ask as somebody who may read."""
    answer = http.get(path, headers=bearer(token(permissions=rights or ALL, now=now)))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def head(http: TestClient, now: datetime = NOW) -> Checkpoint:
    """Open the signed head with the key that comes with it."""
    told = get(http, "/v1/checkpoint", now=now)
    return open_checkpoint(told["checkpoint"], Verifier(told["vkey"]))[0]


def row(http: TestClient, query: str, now: datetime = NOW) -> list[bytes]:
    """Ask for hashes."""
    told = get(http, f"/v1/hashes?{query}", now=now)
    packed = b64decode(told["hashes"])
    assert len(packed) == 32 * told["count"]
    return [packed[at : at + 32] for at in range(0, len(packed), 32)]


def root(leaves: list[bytes]) -> bytes:
    """Fold hashes to the root of their tree, as RFC 6962 defines it."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return tree.node_hash(root(leaves[:half]), root(leaves[half:]))


def test_the_hashes_of_all_leaves_fold_to_the_signed_root(log: Log, http: TestClient) -> None:
    """Asked for in pieces of any length, across the borders of tiles; and each is the hash of its leaf."""
    fill(log, 700)
    get(http, "/v1/entries")
    signed = head(http)
    assert signed.size == 708
    leaves: list[bytes] = []
    while piece := row(http, f"start={len(leaves)}&limit=150"):
        leaves += piece
    assert len(leaves) == signed.size
    assert root(leaves) == signed.root
    for item in get(http, "/v1/proofs?at=0,255..257,707")["items"]:
        assert tree.leaf_hash(b64decode(item["leaf"])) == leaves[item["entry"]["index"]]
    assert [root(leaves[:256]), root(leaves[256:512])] == row(http, "level=8")


def test_many_proofs_come_under_one_head(log: Log, http: TestClient) -> None:
    """Each path leads to the root of the checkpoint beside it; the entries are as one by one."""
    get(http, "/v1/entries")
    many = get(http, "/v1/proofs?at=5,0..2")
    opened = open_checkpoint(many["checkpoint"], Verifier(many["vkey"]))[0]
    assert many["size"] == opened.size == log.head(HOME).size
    assert [item["entry"]["index"] for item in many["items"]] == [5, 0, 1, 2]
    for item in many["items"]:
        index = item["entry"]["index"]
        path = [b64decode(one) for one in item["path"]]
        tree.check_inclusion(index, opened.size, tree.leaf_hash(b64decode(item["leaf"])), path, opened.root)
        assert {"outcome": "success", "marks": [], **item["entry"]} == get(http, f"/v1/entries/{index}")["entry"]
        assert item["fields"] == get(http, f"/v1/entries/{index}/proof")["fields"]


def test_proofs_disclose_what_the_viewer_sees(http: TestClient) -> None:
    """Without the right to personal values their fields are bare commitments."""
    shown = get(http, "/v1/proofs?at=4")["items"][0]["fields"]
    veiled = get(http, "/v1/proofs?at=4", READ)["items"][0]["fields"]
    assert all("salt" in field for field in shown)
    assert any("commitment" in field for field in veiled)
    assert len(shown) == len(veiled)


def test_what_is_not_there_is_left_out(log: Log, clock: Clock, http: TestClient) -> None:
    """Places beyond the end and purged ones are no items, and no error."""
    assert get(http, "/v1/proofs?at=99..120") == {"items": []}
    clock.advance(days=89)
    fill(log, 600)
    clock.advance(days=2)
    purge(log, HOME)
    first = log.head(HOME).first
    assert 0 < first < 256
    assert [item["entry"]["index"] for item in get(http, f"/v1/proofs?at=0..{first}", now=clock.now)["items"]] == [
        first
    ]


def test_hashes_that_left_with_their_leaves(log: Log, clock: Clock, http: TestClient) -> None:
    """Where whole tiles of leaves were purged their roots are still told, and the log still folds to its head."""
    fill(log, 600)
    clock.advance(days=91)
    record(log, HOME, [event(9000, "contact.created", ago=-timedelta(days=91))])
    purge(log, HOME)
    first = log.head(HOME).first
    assert first == 607
    get(http, "/v1/entries", now=clock.now)
    body = check_problem(http.get("/v1/hashes", headers=bearer(token(now=clock.now))), 400, "invalid-query")
    assert "before 512" in body["detail"]
    assert "level=8" in body["remedy"]
    signed = head(http, clock.now)
    assert root([root(row(http, "level=8&limit=2", clock.now)), root(row(http, "start=512", clock.now))]) == signed.root


def test_a_later_head_extends_an_earlier_one(log: Log, http: TestClient) -> None:
    """The proof that nothing of before was changed."""
    get(http, "/v1/entries")
    before = head(http)
    fill(log, 300)
    after = head(http)
    told = get(http, f"/v1/consistency?from={before.size}")
    assert (told["from"], told["to"]) == (before.size, after.size)
    path = [b64decode(one) for one in told["path"]]
    tree.check_consistency(before.size, after.size, before.root, after.root, path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/proofs", "Write indexes and ranges"),
        ("/v1/proofs?at=3,x", "Write indexes and ranges"),
        ("/v1/proofs?at=-1", "Write indexes and ranges"),
        ("/v1/proofs?at=9..3", "at most 200"),
        ("/v1/proofs?at=0..200", "at most 200"),
        ("/v1/proofs?at=0..9999999999999999", "at most 200"),
        ("/v1/hashes?level=3", "Use 0 for leaves"),
        ("/v1/hashes?limit=0", "Use a whole number from 1"),
        ("/v1/consistency?from=9999", "Use a whole number from 1"),
        ("/v1/consistency?from=0", "Use a whole number from 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(http: TestClient, path: str, words: str) -> None:
    """With the fact and the remedy."""
    assert words in check_problem(http.get(path, headers=bearer(token())), 400, "invalid-query")["remedy"]


@pytest.mark.parametrize("path", ["/v1/checkpoint", "/v1/hashes", "/v1/consistency"])
def test_an_empty_log_has_nothing_to_check(http: TestClient, path: str) -> None:
    """No head, no hash: not there."""
    check_problem(http.get(path, headers=bearer(token("wsp_empty"))), 404, "not-found")


def test_a_viewer_has_an_opaque_name(http: TestClient) -> None:
    """The same for the same person in the same workspace, and it tells neither."""
    name = get(http, "/v1/checkpoint")["viewer"]
    assert name == get(http, "/v1/checkpoint", READ)["viewer"]
    assert len(name) == 16
    assert "maria" not in name
