"""Webhooks over HTTP that are signed with Ed25519: the secret key stays, the public one is there to be read."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import sending, serving
from tests import test_server_sinks as base
from tests.receiving import Receiver
from tests.serving import HOME, check_problem
from tests.sinking import turn
from tests.test_server_sinks import HOOK
from tests.test_server_sinks import signed as shared
from tests.test_sinks_signing import PUBLIC_KEY, SECRET_KEY, signed, versions
from whodid import Log
from whodid.sinks import SinkWorker

clock, log, ring, http = serving.clock, serving.log, sending.ring, serving.http
admin, operator, receiver = base.admin, base.operator, base.receiver


@pytest.fixture
def hook(http: TestClient, operator: dict[str, str], receiver: Receiver) -> dict[str, Any]:
    """Add a webhook with a pair of keys that the server made."""
    wish = HOOK | {"address": receiver.url, "private": True, "heartbeat": 0, "signature": "ed25519"}
    made: dict[str, Any] = http.post("/v1/sinks", json=wish, headers=operator).json()
    return made


def test_the_secret_key_is_never_shown(
    http: TestClient, log: Log, admin: dict[str, str], hook: dict[str, Any], receiver: Receiver
) -> None:
    """Not even once: the receiver needs the public key, which every answer has."""
    (key,) = hook["public_keys"]
    assert (hook["secret_text"], hook["secret"], key[:5], len(key)) == (None, "kept", "whpk_", 49)
    one = http.get(f"/v1/sinks/{hook['id']}", headers=admin)
    assert one.json()["public_keys"] == [key]
    assert http.get("/v1/sinks", headers=admin).json()["items"][0]["public_keys"] == [key]
    turn(SinkWorker(log))
    assert (versions(receiver.got[0]), signed(receiver.got[0], key)) == (["v1a"], True)
    kept = [log.state(HOME, name) or b"" for name in ("sinks", f"sinks.secret.{hook['id']}")]
    assert b"whsk_" not in b"".join([*log.stream_wire(HOME), *kept, one.content])


def test_keys_change_with_two_signatures(
    http: TestClient, admin: dict[str, str], hook: dict[str, Any], receiver: Receiver
) -> None:
    """The new one first; then from a public key to a shared secret, both at once for as long as it takes."""
    one = f"/v1/sinks/{hook['id']}"
    (old,) = hook["public_keys"]
    both = http.post(f"{one}/secret", json={"signature": "ed25519", "beside": True}, headers=admin).json()
    new, still = both["public_keys"]
    assert (still == old, new == old, both["secret_text"]) == (True, False, None)
    http.post(f"{one}/test", headers=admin)
    assert (versions(receiver.got[-1]), signed(receiver.got[-1], new), signed(receiver.got[-1], old)) == (
        ["v1a", "v1a"],
        True,
        True,
    )
    mixed = http.post(f"{one}/secret", json={"beside": True}, headers=admin).json()
    assert mixed["public_keys"] == [new]
    http.post(f"{one}/test", headers=admin)
    assert versions(receiver.got[-1]) == ["v1", "v1a"]
    assert shared(receiver.got[-1], mixed["secret_text"])
    assert signed(receiver.got[-1], new)
    assert not signed(receiver.got[-1], old)
    last = http.post(f"{one}/secret", json={"secret": SECRET_KEY}, headers=admin).json()
    assert (last["public_keys"], last["secret_text"]) == ([PUBLIC_KEY], None)


def test_a_signature_is_one_of_two(http: TestClient, admin: dict[str, str]) -> None:
    """Another one is refused; a sink that is no webhook has no key."""
    check_problem(http.post("/v1/sinks", json=HOOK | {"signature": "rsa"}, headers=admin), 422, "invalid-body")
    wish = {"name": "x", "kind": "otlp", "address": "https://otel.example.com/v1/logs", "signature": "ed25519"}
    made = http.post("/v1/sinks", json=wish, headers=admin).json()
    assert (made["public_keys"], made["secret"]) == ([], "none")
