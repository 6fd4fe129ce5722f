"""A webhook: a JSON array by POST, signed as Standard Webhooks 1.0 says.

The id of a delivery follows from the messages in it, so the same delivery has the same id however often it is sent.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256

from whodid.errors import InvalidSetting
from whodid.sinks.formats import JSON_FORMATS
from whodid.sinks.kinds.base import Kind, Message, Opening, Result
from whodid.sinks.kinds.http import OPTIONS, Way

__all__ = ["WEBHOOK"]

_PREFIX = "whsec_"
_LEAST = 24


class _Webhook:
    """Signs and posts."""

    def __init__(self, opening: Opening) -> None:
        self._way = Way(opening)
        self._keys = [_key(secret) for secret in opening.secrets]
        self._now = opening.now
        events = opening.sink.format == "cloudevents"
        self._type = "application/cloudevents-batch+json" if events else "application/json"

    def send(self, messages: Sequence[Message]) -> Result:
        """Post the messages."""
        body = b"[%b]" % b",".join(message.body for message in messages)
        told = sha256("\n".join(message.id for message in messages).encode()).hexdigest()[:32]
        at = str(int(self._now().timestamp()))
        signed = b"msg_%b.%b.%b" % (told.encode(), at.encode(), body)
        signatures = [b64encode(hmac.digest(key, signed, "sha256")).decode() for key in self._keys]
        return self._way.post(
            body,
            {
                "Content-Type": self._type,
                "User-Agent": "whodid",
                "webhook-id": f"msg_{told}",
                "webhook-timestamp": at,
                "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
            },
        ).result()

    def close(self) -> None:
        """Close the connection."""
        self._way.close()


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _LEAST:
        raise InvalidSetting(
            f"The secret of a webhook is {_PREFIX} and at least {_LEAST} bytes in Base64",
            f'Make one with: echo "{_PREFIX}$(openssl rand -base64 32)"',
        )
    return key


WEBHOOK = Kind(formats=(*JSON_FORMATS, "head"), options=OPTIONS, batch=25, most=1_000, secret=True, open=_Webhook)
