"""Secrets of third parties (tokens of WhatsApp accounts) are sealed before they reach the database.

A copy of the database alone gives none of them away: the key is a file of its own beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from whodid.errors import InvalidSetting

__all__ = ["Vault", "secret_file"]


def secret_file(path: Path, make: bytes) -> bytes:
    """Return the content of a secret file; write `make` to it, readable by the owner only, if there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        file.write(make)
        file.flush()
        os.fsync(file.fileno())
    return make


class Vault:
    """Seals and opens texts.

    Args:
        key: A key of `Fernet.generate_key`.

    Raises:
        InvalidSetting: It is not such a key.
    """

    def __init__(self, key: bytes) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError:
            raise InvalidSetting("The key of the vault is not a key", "Restore the file from its backup") from None

    @classmethod
    def at(cls, path: Path) -> Vault:
        """Return the vault whose key is in a file; make the file if there is none."""
        return cls(secret_file(path, Fernet.generate_key()))

    def seal(self, text: str) -> str:
        """Encrypt a text."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Decrypt what `seal` returned.

        Raises:
            InvalidSetting: It was sealed with another key.
        """
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise InvalidSetting(
                "A sealed value cannot be opened with this vault", "Restore the key file that it was sealed with"
            ) from None
