"""Time stamps over HTTP: which heads are stamped, checking one offline, and ordering one, which is an act."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from starlette.testclient import TestClient

from tests import sending, serving
from tests.serving import (
    AWAY,
    HOME,
    MARIA,
    NOW,
    READ,
    SECRET,
    Clock,
    bearer,
    check_problem,
    client,
    event,
    record,
    token,
)
from tests.stamping import Stamper
from whodid import Log
from whodid.errors import WitnessError
from whodid.log import leased
from whodid.proof import tree
from whodid.proof.checkpoint import open_checkpoint
from whodid.proof.note import Verifier, decode_base64, parse_note
from whodid.server import mint_operator_token
from whodid.server.keys import KeyRing
from whodid.witness.stamp import LEASE, LEASE_STATE, Authority, check_stamp

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing: it is the authority")

clock, log, ring = serving.clock, serving.log, sending.ring


@pytest.fixture(scope="module")
def stamper(tmp_path_factory: pytest.TempPathFactory) -> Stamper:
    """Make an authority."""
    return Stamper(tmp_path_factory.mktemp("tsa") / "good")


@pytest.fixture
def http(log: Log, stamper: Stamper) -> Iterator[TestClient]:
    """Open a client of a server that is set up with the authority."""
    authority = Authority(url="https://tsa.example/", certificates=stamper.certificates)
    with patch("whodid.witness.stamp.post", stamper), client(log, stamps=authority) as opened:
        yield opened


@pytest.fixture
def admin(ring: KeyRing) -> dict[str, str]:
    """Return the headers of a key that may administer."""
    return bearer(ring.create("admin", scopes=("admin",)).text)


def acts(log: Log, workspace: str = HOME) -> list[Any]:
    """List what was recorded of orders, newest first."""
    return list(log.stream(workspace, "action:audit.stamped"))


def test_an_order_is_an_entry(http: TestClient, log: Log, admin: dict[str, str], clock: Clock) -> None:
    """The stamp is of the head before it; `audit.stamped` names who ordered it, and how many entries it covers."""
    size = log.head(HOME).size
    answer = http.post("/v1/stamps", headers=admin)
    assert answer.status_code == 201
    assert answer.json()["size"] == size
    (said,) = acts(log)
    assert (said.index, said.outcome, said.actor.type) == (size, "success", "api_key")
    assert (said.details["entries"], said.details["stamped_at"]) == (size, answer.json()["at"])
    assert http.get("/v1/stamps", headers=admin).json() == {"items": [{"size": size, "at": answer.json()["at"]}]}


def test_a_stamp_is_checked_without_the_server(
    http: TestClient, log: Log, admin: dict[str, str], stamper: Stamper
) -> None:
    """The note, its stamp, and the way from there to a later head: with the key of the log and the root certificate."""
    http.post("/v1/stamps", headers=admin)
    record(log, HOME, [event(60 + at, "contact.updated") for at in range(5)])
    reader = bearer(token(permissions=(READ,)))
    (one,) = http.get("/v1/stamps", headers=reader).json()["items"]
    told = http.get(f"/v1/stamps/{one['size']}", headers=reader).json()
    head = http.get("/v1/checkpoint", headers=reader).json()
    key = Verifier(head["vkey"])
    stamped, _ = open_checkpoint(told["checkpoint"], key)
    now, _ = open_checkpoint(head["checkpoint"], key)
    text, _ = parse_note(told["checkpoint"])
    at = check_stamp(base64.b64decode(told["stamp"]), text, stamper.certificates)
    assert at.strftime("%Y-%m-%dT%H:%M:%S") == told["at"][:19]
    path = [decode_base64(step) for step in told["consistency"]]
    tree.check_consistency(stamped.size, now.size, stamped.root, now.root, path)
    assert now.size == stamped.size + 6


def test_a_head_that_has_a_stamp_needs_no_other(http: TestClient, log: Log, admin: dict[str, str]) -> None:
    """The same stamp again, without a new entry; after something was recorded, a new one."""
    first = http.post("/v1/stamps", headers=admin).json()
    assert http.post("/v1/stamps", headers=admin).json()["size"] == first["size"] + 1  # the record of the first
    assert len(acts(log)) == 2


def test_what_is_no_stamp_is_not_found(http: TestClient, admin: dict[str, str]) -> None:
    """Neither another size nor anything else."""
    for size in ("0", "999", "-1", "x", "1e3", "9" * 40, "\u0661"):
        check_problem(http.get(f"/v1/stamps/{size}", headers=admin), 404, "not-found")


def test_an_authority_that_does_not_stamp(http: TestClient, log: Log, admin: dict[str, str]) -> None:
    """502, without a word about where it is; the attempt is an entry, and nothing is kept."""
    fault = WitnessError("Nobody answers at https://tsa.internal:8443/x", "Check the address")
    with patch("whodid.witness.stamp.post", side_effect=fault):
        answer = http.post("/v1/stamps", headers=admin)
    check_problem(answer, 502, "bad-gateway")
    assert "tsa.internal" not in answer.text
    assert [one.outcome for one in acts(log)] == ["failed"]
    assert http.get("/v1/stamps", headers=admin).json() == {"items": []}


def test_a_log_is_stamped_by_one_at_a_time(http: TestClient, log: Log, admin: dict[str, str]) -> None:
    """Whoever comes second is told to look again."""
    with leased(log, HOME, LEASE_STATE, LEASE) as lease:
        assert lease is not None
        answer = http.post("/v1/stamps", headers=admin)
    check_problem(answer, 409, "not-ready")
    assert answer.headers["retry-after"] == "2"
    assert http.post("/v1/stamps", headers=admin).status_code == 201


def test_a_server_without_an_authority_stamps_nothing(log: Log, admin: dict[str, str]) -> None:
    """It says so, and lists what was stamped elsewhere."""
    with client(log) as http:
        check_problem(http.post("/v1/stamps", headers=admin), 501, "not-available")
        assert http.get("/v1/stamps", headers=admin).json() == {"items": []}
    assert acts(log) == []


def test_who_may_read_and_who_may_order(http: TestClient, log: Log, ring: KeyRing) -> None:
    """Reading takes audit:read, ordering the scope admin; a viewer who tries leaves an entry."""
    nobody, reader = bearer(token(permissions=())), bearer(token(permissions=(READ,)))
    assert http.get("/v1/stamps").status_code == 401
    assert http.post("/v1/stamps").status_code == 401
    assert http.get("/v1/stamps", headers=nobody).status_code == 403
    assert http.get("/v1/stamps", headers=reader).status_code == 200
    assert http.post("/v1/stamps", headers=reader).status_code == 403
    assert [(one.outcome, one.actor.type) for one in acts(log)] == [("denied", "user")]
    for scopes in (("write",), ("read",), ("export",)):
        key = bearer(ring.create("other", scopes=scopes).text)
        assert http.post("/v1/stamps", headers=key).status_code == 403, scopes
    assert http.get("/v1/stamps?x=1", headers=reader).status_code == 400


def test_an_operator_names_the_workspace(http: TestClient, log: Log) -> None:
    """And has the head of that one stamped."""
    sent = bearer(mint_operator_token(SECRET, operator=MARIA, now=NOW)) | {"X-Whodid-Workspace": AWAY}
    size = log.head(AWAY).size
    assert http.post("/v1/stamps", headers=sent).json()["size"] == size
    assert acts(log, AWAY)[0].actor.name == MARIA.name
    assert acts(log) == []
