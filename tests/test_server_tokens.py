"""Viewer tokens: what they say comes back, and nothing else opens anything."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.serving import ALL, MARIA, NOW, SECRET, token
from whodid.errors import InvalidQuery, InvalidSetting
from whodid.server import mint_token, verify_token
from whodid.server.signing import mac, pack, unpack
from whodid.server.tokens import Claims

OTHER_SECRET = b"another secret, as long as the first one"


def test_a_token_says_what_was_minted() -> None:
    """Workspace, viewer, rights, filter, origin and language come back as they were given."""
    minted = token(locked="resource:contact:con_1", origin="https://app.example.com", lang="es", ttl=60)
    claims = verify_token(SECRET, minted, now=NOW)
    assert claims is not None
    assert (claims.workspace, claims.viewer, claims.permissions) == ("wsp_home", MARIA, tuple(sorted(ALL)))
    assert (claims.locked, claims.origin, claims.lang) == ("resource:contact:con_1", "https://app.example.com", "es")
    assert claims.expires_at - claims.issued_at == 60
    assert claims.may("audit:pii")
    assert not claims.may("audit:admin")


def test_each_token_has_a_name_of_its_own() -> None:
    """Two tokens with the same content differ in their jti."""
    first, second = (verify_token(SECRET, token(), now=NOW) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.jti != second.jti


@pytest.mark.parametrize(
    ("after", "valid"),
    [(timedelta(0), True), (timedelta(seconds=599), True), (timedelta(seconds=600), False), (timedelta(days=1), False)],
)
def test_a_token_ends_with_its_life(after: timedelta, valid: bool) -> None:
    """It is good until the second before its end."""
    assert (verify_token(SECRET, token(), now=NOW + after) is not None) is valid


def test_a_token_from_the_future_is_void() -> None:
    """A clock that is a little behind is forgiven, a token of tomorrow is not."""
    assert verify_token(SECRET, token(), now=NOW - timedelta(seconds=50)) is not None
    assert verify_token(SECRET, token(), now=NOW - timedelta(seconds=90)) is None


def test_any_changed_character_voids_a_token() -> None:
    """No single character of a token can be replaced, and none left out."""
    minted = token()
    for place, character in enumerate(minted):
        other = "A" if character != "A" else "B"
        assert verify_token(SECRET, minted[:place] + other + minted[place + 1 :], now=NOW) is None, place
        assert verify_token(SECRET, minted[:place] + minted[place + 1 :], now=NOW) is None, place


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "wv1..",
        "wv1.e30.",
        "Bearer",
        "wv1",
        "wv1." + "A" * 20_000,
        "wv1.é.é",
        "wv1.\ud800.x",
        "wv2.e30.e30",
    ],
)
def test_garbage_is_no_token(text: str) -> None:
    """What is no token is refused without an error of its own."""
    assert verify_token(SECRET, text, now=NOW) is None


def test_a_token_of_another_secret_is_void() -> None:
    """Only the server's own secret makes tokens."""
    foreign = mint_token(OTHER_SECRET, workspace="wsp_home", viewer=MARIA, permissions=ALL, now=NOW)
    assert verify_token(SECRET, foreign, now=NOW) is None
    assert verify_token(OTHER_SECRET, foreign, now=NOW) is not None


def forged(claims: Claims, purpose: str = "whodid viewer token 1") -> str:
    """Sign any claims with the right secret, as a broken or hostile host would."""
    payload = msgspec.json.encode(claims, order="sorted")
    return f"wv1.{pack(payload)}.{pack(mac(SECRET, purpose, payload))}"


def test_a_host_cannot_sign_a_longer_life() -> None:
    """Ten minutes hold for whoever signs, not only for our own minting."""
    start = int(NOW.timestamp())
    claims = Claims(jti="x", workspace="w", viewer=MARIA, permissions=ALL, issued_at=start, expires_at=start + 601)
    assert verify_token(SECRET, forged(claims), now=NOW) is None
    shorter = msgspec.structs.replace(claims, expires_at=start + 600)
    assert verify_token(SECRET, forged(shorter), now=NOW) is not None


def test_a_digest_for_another_purpose_is_no_signature() -> None:
    """The same secret signs other things; they are not tokens."""
    start = int(NOW.timestamp())
    claims = Claims(jti="x", workspace="w", viewer=MARIA, permissions=ALL, issued_at=start, expires_at=start + 60)
    assert verify_token(SECRET, forged(claims, "whodid export ticket 1"), now=NOW) is None


def test_the_origin_binds_where_a_browser_names_one() -> None:
    """A page of another origin cannot use the token; a request that names no origin can."""
    minted = token(origin="https://app.example.com")
    assert verify_token(SECRET, minted, now=NOW, origin="https://app.example.com") is not None
    assert verify_token(SECRET, minted, now=NOW, origin=None) is not None
    assert verify_token(SECRET, minted, now=NOW, origin="https://evil.example") is None
    assert verify_token(SECRET, minted, now=NOW, origin="https://app.example.com.evil.example") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ttl": 601}, "cannot live 601 seconds"),
        ({"ttl": 0}, "cannot live 0 seconds"),
        ({"permissions": ["audit:read", "audit:root"]}, "no permission audit:root"),
        ({"workspace": ""}, "needs a workspace"),
        ({"origin": "app.example.com"}, "not a web origin"),
        ({"origin": "https://app.example.com/path"}, "not a web origin"),
        ({"lang": "../../etc"}, "not a language tag"),
    ],
)
def test_minting_refuses_what_no_token_may_say(change: dict[str, Any], message: str) -> None:
    """Mistakes show where the token is made, not later as a closed door."""
    with pytest.raises(InvalidSetting, match=message):
        token(**change)


def test_minting_refuses_a_filter_that_means_nothing() -> None:
    """A locked filter with a mistake is refused at once."""
    with pytest.raises(InvalidQuery):
        token(locked='actor:"never closed')
    with pytest.raises(InvalidQuery):
        token(locked="nosuchfield:x")


def test_minting_refuses_a_short_secret() -> None:
    """Thirty-one bytes are not enough."""
    with pytest.raises(InvalidSetting, match="31 bytes"):
        mint_token(b"x" * 31, workspace="w", viewer=MARIA, now=NOW)


def test_base64_has_one_spelling() -> None:
    """A second text for the same bytes is refused, so that nothing signed has two forms."""
    assert unpack(pack(b"\x00\x01")) == b"\x00\x01"
    assert unpack("AAE=") is None
    assert unpack("AAF") is None  # the same bytes with stray bits at the end
    assert unpack("A A") is None
    assert unpack("\ud800") is None


def test_signed_bytes_that_say_nothing_are_no_token() -> None:
    """Even a right signature does not make claims of other JSON, of more members or of no JSON."""
    for payload in (b"", b"[]", b"{}", b"\xff", b'{"jti":1}', b"[" * 3000):
        minted = f"wv1.{pack(payload)}.{pack(mac(SECRET, 'whodid viewer token 1', payload))}"
        assert verify_token(SECRET, minted, now=NOW) is None, payload[:20]
    start = int(NOW.timestamp())
    claims = Claims(jti="x", workspace="w", viewer=MARIA, permissions=ALL, issued_at=start, expires_at=start + 60)
    more = msgspec.to_builtins(claims) | {"workspaces": ["w", "v"]}
    payload = msgspec.json.encode(more)
    minted = f"wv1.{pack(payload)}.{pack(mac(SECRET, 'whodid viewer token 1', payload))}"
    assert verify_token(SECRET, minted, now=NOW) is None


def test_minting_refuses_a_token_that_no_header_could_carry() -> None:
    """A locked filter of six thousand characters is too long for a header."""
    with pytest.raises(InvalidSetting, match="larger than a header"):
        token(locked=" ".join(f"-resource:contact:con_{number:04}" for number in range(99)) + " x" + "y" * 4000)


def test_a_host_mints_tokens_without_a_web_framework() -> None:
    """Importing the server's face imports neither starlette nor uvicorn; asking for the application does."""
    code = (
        "import sys, whodid.server as s; assert not {'starlette', 'uvicorn', 'anyio'} & set(sys.modules); "
        "assert callable(s.asgi) and 'starlette' in sys.modules; "
        "assert not hasattr(s, 'nothing')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
