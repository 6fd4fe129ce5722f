"""Webhooks that are signed with Ed25519: checked by those who have the public key alone, and while keys change."""

from __future__ import annotations

import shutil
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
import standardwebhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests import shell
from tests import test_sinks_webhook as hooks
from tests.receiving import Got, Receiver
from tests.shell import Run
from tests.sinking import managed, turn
from tests.test_sinks_webhook import added, delivered
from whodid import Log
from whodid.errors import InvalidSetting
from whodid.sinks import SinkWorker, generate_secret
from whodid.sinks.kinds.webhook import public_keys

# RFC 8032, 7.1, the first vector.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SECRET_KEY = f"whsk_{b64encode(SEED).decode()}"
PUBLIC_KEY = f"whpk_{b64encode(PUBLIC).decode()}"
NODE = shutil.which("node")

log, secret, receiver = hooks.log, hooks.secret, hooks.receiver
run, store = shell.run, shell.store


def signed(got: Got, key: str) -> bool:
    """Check a delivery as a receiver does who has nothing but a `whpk_` key."""
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    public = Ed25519PublicKey.from_public_bytes(b64decode(key.removeprefix("whpk_")))
    for one in got.headers["webhook-signature"].split(" "):
        version, _, signature = one.partition(",")
        if version == "v1a":
            try:
                public.verify(b64decode(signature), content)
            except InvalidSignature:
                continue
            return True
    return False


def versions(got: Got) -> list[str]:
    """Return which kinds of signatures a delivery has."""
    return [one.partition(",")[0] for one in got.headers["webhook-signature"].split(" ")]


def holding(secret: Path, *secrets: str) -> Path:
    """Write secrets, the newest first."""
    secret.write_text("".join(f"{one}\n" for one in secrets))
    return secret


def test_the_public_key_alone_checks_every_delivery(log: Log, receiver: Receiver, secret: Path) -> None:
    """Nothing that was altered holds: neither the body nor what stands beside it, nor another key."""
    added(log, receiver, holding(secret, SECRET_KEY))
    turn(SinkWorker(log))

    assert delivered(receiver) == [*range(61)]
    for got in receiver.got:
        assert versions(got) == ["v1a"]
        assert signed(got, PUBLIC_KEY)
        for headers, body in (
            ({}, got.body.replace(b"Maria", b"Mario")),
            ({"webhook-id": "msg_0"}, got.body),
            ({"webhook-timestamp": "1"}, got.body),
        ):
            assert not signed(Got(got.method, got.path, {**got.headers, **headers}, body), PUBLIC_KEY)
        assert not signed(got, public_keys([generate_secret("ed25519")])[0])


@pytest.mark.skipif(NODE is None, reason="Node.js is missing: it is the other implementation that checks")
def test_another_implementation_agrees(log: Log, receiver: Receiver, secret: Path, tmp_path: Path) -> None:
    """Node.js reads the `whpk_` key as it is written, and finds a signature of each delivery."""
    assert NODE is not None
    added(log, receiver, holding(secret, SECRET_KEY), batch=61)
    turn(SinkWorker(log))
    (got,) = receiver.got
    body = tmp_path / "body"
    body.write_bytes(got.body)
    program = """
        const {createPublicKey, verify} = require("node:crypto");
        const [path, key, id, at, signatures] = process.argv.slice(1);
        const raw = Buffer.from(key.slice("whpk_".length), "base64");
        const x = raw.toString("base64url");
        const publicKey = createPublicKey({key: {kty: "OKP", crv: "Ed25519", x}, format: "jwk"});
        const content = Buffer.concat([Buffer.from(`${id}.${at}.`), require("node:fs").readFileSync(path)]);
        const held = signatures.split(" ").filter((one) => one.startsWith("v1a,")).map((one) =>
            verify(null, content, publicKey, Buffer.from(one.slice("v1a,".length), "base64")));
        console.log(JSON.stringify(held));
    """
    headers = [got.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")]
    held = subprocess.run(
        [NODE, "-e", program, str(body), PUBLIC_KEY, *headers], capture_output=True, text=True, check=True
    )
    assert held.stdout.strip() == "[true]"


def test_two_keys_sign_while_they_change(log: Log, receiver: Receiver, secret: Path) -> None:
    """Two of a kind, and one of each: a receiver moves from a shared secret to a public key without a gap."""
    added(log, receiver, holding(secret, SECRET_KEY), batch=25)
    other = generate_secret("ed25519")
    holding(secret, other, SECRET_KEY)
    assert managed(log).public_keys("hook") == (public_keys([other])[0], PUBLIC_KEY)
    managed(log).test("hook")
    holding(secret, SECRET_KEY, hooks.SECRET)
    assert managed(log).public_keys("hook") == (PUBLIC_KEY,)
    managed(log).test("hook")

    first, second = receiver.got
    assert (versions(first), versions(second)) == (["v1a", "v1a"], ["v1a", "v1"])
    assert [signed(first, key) for key in (public_keys([other])[0], PUBLIC_KEY)] == [True, True]
    assert signed(second, PUBLIC_KEY)
    # The reference knows shared secrets alone, and passes over what is for others.
    assert standardwebhooks.Webhook(hooks.SECRET).verify(second.body.decode(), second.headers)
    assert not signed(second, public_keys([other])[0])


def test_a_key_is_a_seed_alone_or_with_its_public_half() -> None:
    """As the standard's own libraries write it, and as others do; the public key is that of RFC 8032."""
    assert public_keys([SECRET_KEY, f"whsk_{b64encode(SEED + PUBLIC).decode()}", hooks.SECRET]) == (PUBLIC_KEY,) * 2


@pytest.mark.parametrize(
    "key",
    ["whsk_", "whsk_abc", *(f"whsk_{b64encode(one).decode()}" for one in (SEED[:31], SEED + SEED)), PUBLIC_KEY],
)
def test_what_is_no_secret_key_is_refused(log: Log, receiver: Receiver, secret: Path, key: str) -> None:
    """When the sink is added; what is said does not hold it."""
    with pytest.raises(InvalidSetting, match="of a webhook is whs") as raised:
        added(log, receiver, holding(secret, key))
    assert managed(log).all() == []
    assert len(key) < 6 or key not in str(raised.value)


def test_the_program_prints_the_public_key(run: Run, store: str, tmp_path: Path) -> None:
    """And says that there is none where the receiver shares the secret."""
    secret = tmp_path / "hook.secret"
    secret.write_text(SECRET_KEY)
    secret.chmod(0o600)
    assert run("sinks", "add", "hook", "webhook", "https://x.example", "--secret-file", str(secret)).code == 0
    assert run("sinks", "public-key", "hook").out == f"{PUBLIC_KEY}\n"
    assert SECRET_KEY not in run("sinks", "list", "--json").out
    secret.write_text(hooks.SECRET)
    none = run("sinks", "public-key", "hook")
    assert (none.code != 0, "has no public key" in none.err) == (True, True)
