"""The anchor log over HTTP and from the shell: its proof for one workspace, and nothing of the others."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

import whodid
from tests import serving
from tests.serving import AWAY, HOME, READ, Clock, bearer, check_problem, event, record, token
from tests.stamping import Stamper
from whodid import Log
from whodid.cli import ui
from whodid.log import ANCHORS, stamped
from whodid.proof import tree
from whodid.proof.anchoring import anchors_key, check_anchored
from whodid.proof.checkpoint import Checkpoint, open_checkpoint
from whodid.proof.leaf import LOG_LINK, Header
from whodid.proof.note import Verifier
from whodid.server.witnessing import StampWorker
from whodid.witness.stamp import Authority

clock, log, http = serving.clock, serving.log, serving.http


def hashes(listed: list[str]) -> list[bytes]:
    """Return what is written in base64."""
    return [b64decode(one) for one in listed]


def test_a_workspace_shows_its_head_in_the_anchor_log(http: TestClient, log: Log) -> None:
    """Everything to check it with, up to the head of now; the key is that of the log under another name."""
    sent = bearer(token())
    check_problem(http.get("/v1/anchor", headers=sent), 404, "not-found")
    log.anchor()
    record(log, HOME, [event(900, "contact.created")])
    found: dict[str, Any] = http.get("/v1/anchor", headers=sent).json()
    vkey = log.verifier_key(HOME)
    anchored, _ = open_checkpoint(found["checkpoint"], anchors_key(vkey, found["checkpoint"].split("\n")[0]))
    leaf = b64decode(found["leaf"])
    assert Header.decode(leaf).kind == LOG_LINK
    tree.check_inclusion(found["index"], anchored.size, tree.leaf_hash(leaf), hashes(found["inclusion"]), anchored.root)
    now, _ = open_checkpoint(http.get("/v1/tlog/checkpoint", headers=sent).text, Verifier(vkey))
    head = Checkpoint(origin=now.origin, size=found["size"], root=b64decode(found["root"]))
    check_anchored(b64decode(found["map"]), head, b64decode(found["path"]))
    tree.check_consistency(head.size, now.size, head.root, now.root, hashes(found["consistency"]))
    assert head.size < now.size


def test_it_tells_nothing_of_another_workspace(http: TestClient, log: Log) -> None:
    """Neither name nor head; and nobody without the right to read is answered."""
    log.anchor()
    away = log.head(AWAY)
    text = http.get("/v1/anchor", headers=bearer(token())).text
    for foreign in (AWAY, away.origin, b64encode(away.root).decode()):
        assert foreign not in text
    mine, theirs = (http.get("/v1/anchor", headers=bearer(token(one))).json() for one in (HOME, AWAY))
    assert mine["root"] != theirs["root"]
    assert (mine["checkpoint"], mine["map"]) == (theirs["checkpoint"], theirs["map"])
    assert http.get("/v1/anchor").status_code == 401
    assert http.get("/v1/anchor", headers=bearer(token(permissions=["audit:export"]))).status_code == 403
    assert http.get("/v1/anchor", headers=bearer(token(permissions=[READ]))).status_code == 200
    assert http.get("/v1/anchor?workspace=wsp_away", headers=bearer(token())).status_code == 400


def test_one_stamp_a_day_is_for_all(log: Log, tmp_path: Path) -> None:
    """The worker has the anchor log stamped in the place of the workspaces, once there is one."""
    stamper = Stamper(tmp_path / "tsa")
    authority = Authority(url="https://tsa.example/", certificates=stamper.certificates)
    worker = StampWorker(log, authority, send=stamper, anchored=True)
    assert worker.round() == 0
    log.anchor()
    assert [worker.round(), worker.round()] == [1, 0]
    for workspace, sizes in ((ANCHORS, [1]), (HOME, []), (AWAY, [])):
        assert [one.size for one in stamped(lambda name, at=workspace: log.state(at, name))] == sizes  # type: ignore[misc]


def test_the_shell_anchors_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`whodid anchor` prints the key for witnesses, and `whodid verify` checks the anchor log with the others."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url, clock=Clock()) as log:
        record(log, HOME, [event(1, "contact.created")])
        record(log, AWAY, [event(2, "contact.created")])
    assert ui.run(["anchor", "--json", "--store", url]) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    assert (told["index"], told["size"], told["workspaces"]) == (0, 1, 2)
    assert Verifier(told["vkey"]).name.startswith("localhost/anchors/")
    assert ui.run(["anchor", "--store", url]) == 0
    assert "No head is newer" in capsys.readouterr().err
    assert ui.run(["verify", "--store", url]) == 0
    assert [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines()] == [AWAY, HOME, ANCHORS]
    policy = tmp_path / "policy.txt"
    policy.write_text("quorum none\n")
    assert ui.run(["cosign", "--anchors", "--policy", str(policy), "--store", url]) == 0
    assert capsys.readouterr().out.endswith(f"{ANCHORS}\n")
    assert ui.run(["cosign", "--anchors", "--workspace", HOME, "--policy", str(policy), "--store", url]) == 2
