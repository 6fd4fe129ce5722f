"""What the store may keep but must not be able to read: texts under a key that lies beside it, never in it.

AES-256 in GCM (NIST SP 800-38D) with a random nonce; what a text is for is bound to it, so that nobody who can write to
the store can use it for anything else.
"""

from __future__ import annotations

import binascii
import hmac
import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whodid.errors import InvalidSetting

__all__ = ["Vault"]

_NONCE = 12


class Vault:
    """Encrypt and decrypt small texts.

    Args:
        seed: The secret of the deployment key; the key of each workspace is derived from it.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def encrypt(self, workspace: str, use: str, text: str) -> str:
        """Return a text as only this deployment can read it, for this workspace and use."""
        nonce = os.urandom(_NONCE)
        return b64encode(nonce + self._cipher(workspace).encrypt(nonce, text.encode(), use.encode())).decode()

    def decrypt(self, workspace: str, use: str, encrypted: str) -> str:
        """Return a text that `encrypt` made.

        Raises:
            InvalidSetting: It was made with another key, for something else, or was altered.
        """
        try:
            raw = b64decode(encrypted, validate=True)
            return self._cipher(workspace).decrypt(raw[:_NONCE], raw[_NONCE:], use.encode()).decode()
        except (binascii.Error, ValueError, InvalidTag):
            raise InvalidSetting(
                "A secret in the store cannot be read with this key file", "Restore the key file, or set it again"
            ) from None

    def _cipher(self, workspace: str) -> AESGCM:
        return AESGCM(hmac.digest(self._seed, b"whodid/vault/v1\n" + workspace.encode(), "sha256"))
