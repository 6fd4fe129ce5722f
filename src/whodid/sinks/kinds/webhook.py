"""A webhook: a JSON array by POST, signed as Standard Webhooks 1.0 says.

The form of a secret says how it signs: `whsec_` with HMAC-SHA256, so that whoever checks could sign as well; `whsk_`
with Ed25519, so that whoever checks needs the public key (`whpk_`) alone. Each secret of a sink signs every delivery.

The id of a delivery follows from the messages in it, so the same delivery has the same id however often it is sent.
"""

from __future__ import annotations

import binascii
import hmac
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from whodid.errors import InvalidSetting
from whodid.sinks.formats import JSON_FORMATS
from whodid.sinks.kinds.base import Kind, Message, Opening, Result
from whodid.sinks.kinds.http import OPTIONS, Way

__all__ = ["WEBHOOK", "Signature", "generate_secret", "public_keys"]

Signature = Literal["hmac", "ed25519"]
"""How a delivery is signed."""

_SYMMETRIC, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_LEAST = 24
_SEED = 32


class _Webhook:
    """Signs and posts."""

    def __init__(self, opening: Opening) -> None:
        self._way = Way(opening)
        self._signers = [_signer(secret) for secret in opening.secrets]
        self._now = opening.now
        events = opening.sink.format == "cloudevents"
        self._type = "application/cloudevents-batch+json" if events else "application/json"

    def send(self, messages: Sequence[Message]) -> Result:
        """Post the messages."""
        body = b"[%b]" % b",".join(message.body for message in messages)
        told = sha256("\n".join(message.id for message in messages).encode()).hexdigest()[:32]
        at = str(int(self._now().timestamp()))
        signed = b"msg_%b.%b.%b" % (told.encode(), at.encode(), body)
        return self._way.post(
            body,
            {
                "Content-Type": self._type,
                "User-Agent": "whodid",
                "webhook-id": f"msg_{told}",
                "webhook-timestamp": at,
                "webhook-signature": " ".join(sign(signed) for sign in self._signers),
            },
        ).result()

    def close(self) -> None:
        """Close the connection."""
        self._way.close()


def generate_secret(signature: Signature = "hmac") -> str:
    """Return a new secret of a webhook."""
    return f"{_PRIVATE if signature == 'ed25519' else _SYMMETRIC}{b64encode(os.urandom(_SEED)).decode()}"


def public_keys(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return what receivers check deliveries with: the public key of each secret that has one, in the same order.

    Raises:
        InvalidSetting: A secret cannot be used.
    """
    return tuple(
        f"{_PUBLIC}{b64encode(_private(one).public_key().public_bytes_raw()).decode()}"
        for one in secrets
        if one.startswith(_PRIVATE)
    )


def _signer(secret: str) -> Callable[[bytes], str]:
    """Return what makes the signatures of a secret, each with its version.

    Raises:
        InvalidSetting: The secret cannot be used.
    """
    if secret.startswith(_PRIVATE):
        private = _private(secret)
        return lambda signed: f"v1a,{b64encode(private.sign(signed)).decode()}"
    key = _decoded(secret.removeprefix(_SYMMETRIC))
    if len(key) < _LEAST:
        raise InvalidSetting(
            f"The secret of a webhook is {_SYMMETRIC} and at least {_LEAST} bytes in Base64, or {_PRIVATE} and a key",
            f'Make one with: echo "{_SYMMETRIC}$(openssl rand -base64 32)"',
        )
    return lambda signed: f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def _private(secret: str) -> Ed25519PrivateKey:
    """Return the key of a `whsk_` secret: the seed of RFC 8032, alone or with its public key after it."""
    key = _decoded(secret.removeprefix(_PRIVATE))
    if len(key) in {_SEED, 2 * _SEED}:
        private = Ed25519PrivateKey.from_private_bytes(key[:_SEED])
        if key[_SEED:] in {b"", private.public_key().public_bytes_raw()}:
            return private
    raise InvalidSetting(
        f"The secret key of a webhook is {_PRIVATE} and the {_SEED} bytes of an Ed25519 seed in Base64",
        f'Make one with: echo "{_PRIVATE}$(openssl rand -base64 {_SEED})"',
    )


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


WEBHOOK = Kind(
    formats=(*JSON_FORMATS, "head"),
    options=OPTIONS,
    batch=25,
    most=1_000,
    secret=True,
    hands_over=False,
    open=_Webhook,
)
