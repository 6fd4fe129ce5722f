"""Signing in with GitHub, which speaks OAuth and no OpenID Connect: its own API answers who somebody is."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from sendero.fetching import Fetch, Unreachable
from sendero.oidc import Fault, Identity, challenge

__all__ = ["ISSUER", "identity", "request"]

ISSUER = "https://github.com"

_API = "https://api.github.com"
_Answer = TypeVar("_Answer")


def request(*, client_id: str, redirect_uri: str, state: str, verifier: str) -> str:
    """Return the address to send a browser to."""
    asked = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": "read:user user:email",
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
        "allow_signup": "false",
    }
    return f"{ISSUER}/login/oauth/authorize?{urlencode(asked)}"


def identity(
    fetch: Fetch, *, client_id: str, secret: str, code: str, redirect_uri: str, verifier: str, domains: list[str]
) -> Identity:
    """Redeem a code and ask who came with it.

    Args:
        domains: Of several verified addresses, the one of these domains is meant; the primary one first.

    Raises:
        Fault: GitHub refuses, does not answer, or knows no verified address of these domains.
    """
    form = {
        "client_id": client_id,
        "client_secret": secret,
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    token = _ask(fetch, f"{ISSUER}/login/oauth/access_token", dict[str, Any], form=form).get("access_token")
    if not isinstance(token, str) or not token:
        raise Fault("provider")  # it refuses with status 200 and an error inside
    headers = {"Authorization": f"Bearer {token}"}
    user = _ask(fetch, f"{_API}/user", dict[str, Any], headers=headers)
    emails = _ask(fetch, f"{_API}/user/emails", list[dict[str, Any]], headers=headers)
    if not isinstance(user.get("id"), int):
        raise Fault("subject")
    verified = [one for one in emails if one.get("verified") is True and isinstance(one.get("email"), str)]
    fitting = [one for one in verified if one["email"].rpartition("@")[2].casefold() in domains]
    if not fitting:
        raise Fault("email")
    chosen = next((one for one in fitting if one.get("primary") is True), fitting[0])
    name = user.get("name") or user.get("login") or ""
    return Identity(subject=str(user["id"]), email=chosen["email"].casefold(), name=str(name))


def _ask(fetch: Fetch, url: str, type_: type[_Answer], **more: Any) -> _Answer:
    try:
        answer = fetch(url, **more)
        if answer.status != 200:
            raise Fault("provider")
        return msgspec.json.decode(answer.body, type=type_)
    except (Unreachable, msgspec.DecodeError):
        raise Fault("provider") from None
