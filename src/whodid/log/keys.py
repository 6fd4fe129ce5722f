"""The deployment key: one secret that signs checkpoints and keys fingerprints.

It lives beside the database and not in it: whoever copies the database alone can read the log, but cannot sign another
history. A backup needs both files, kept apart.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from pathlib import Path

from whodid.errors import InvalidSetting
from whodid.files.private import make_private
from whodid.log.floor import Floor
from whodid.log.vault import Vault
from whodid.proof import note

__all__ = ["DeploymentKey"]

_FIRST_LINE = "whodid deployment key v1"


class DeploymentKey:
    """Sign as a log of this deployment and fingerprint secrets of its workspaces.

    Args:
        seed: 32 secret bytes (an Ed25519 seed).
        path: The file that it came from, if it came from one.
    """

    def __init__(self, seed: bytes, path: Path | None = None) -> None:
        self._seed = seed
        self._path = path
        self.floor = None if path is None else Floor(path.with_name(f"{path.name}.signed"))
        """What was signed last, kept beside the key file."""
        self.vault = Vault(seed)
        """Keeps texts in the store that the store cannot read."""
        self.register = None if path is None else path.with_name(f"{path.name}.erased")
        """Where erasures are noted, for the day on which an older copy of the database comes back."""

    @classmethod
    def at(cls, path: Path, *, create: bool) -> DeploymentKey:
        """Read the key file, or make it.

        Args:
            create: Whether a missing file may be made; not where a log already exists that another key signed.

        Raises:
            InvalidSetting: The file is missing (and may not be made), unreadable or not a key.
        """
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            if not create:
                raise InvalidSetting(
                    f"The key file {path} of this log is missing", "Restore it from its backup beside the database"
                ) from None
            return cls._write(path, os.urandom(32))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSetting(
                f"The key file {path} cannot be read: {_why(error)}", "Check it and its permissions"
            ) from None
        try:
            if len(lines) != 2 or lines[0] != _FIRST_LINE:
                raise ValueError
            seed = base64.b64decode(lines[1], validate=True)
            if len(seed) != 32:
                raise ValueError
        except (ValueError, binascii.Error):
            raise InvalidSetting(f"{path} is not a key file of whodid", "Restore it from its backup") from None
        return cls(seed, path)

    @classmethod
    def _write(cls, path: Path, seed: bytes) -> DeploymentKey:
        try:
            make_private(path, f"{_FIRST_LINE}\n{base64.b64encode(seed).decode()}\n")
        except OSError as error:
            raise InvalidSetting(
                f"The key file {path} cannot be made: {error.strerror}",
                "Name a place that can be written, or make room",
            ) from None
        return cls.at(path, create=False)

    def beside(self, path: Path) -> DeploymentKey:
        """Return this key as another file has it, which is written if it is missing.

        Raises:
            InvalidSetting: That file holds another key.
        """
        found = DeploymentKey.at(path, create=False) if path.exists() else self._write(path, self._seed)
        if found.identity != self.identity:
            raise InvalidSetting(f"The key file {path} holds another key", "Name another place for the key")
        return found

    def alone(self) -> DeploymentKey:
        """Return the key without the notes that stand beside its file."""
        return DeploymentKey(self._seed)

    def check(self) -> None:
        """Look whether the next start would find this key in its file.

        Raises:
            InvalidSetting: The file is gone, cannot be read, or holds another key.
        """
        if self._path is not None and DeploymentKey.at(self._path, create=False).identity != self.identity:
            raise InvalidSetting(f"The key file {self._path} holds another key", "Restore it from its backup")

    def signer(self, origin: str) -> note.Signer:
        """Return the signer of the log with this origin."""
        return note.Signer(origin, self._seed)

    def verifier_key(self, origin: str) -> str:
        """Return the verifier key (vkey, C2SP signed-note) of the log with this origin."""
        return self.signer(origin).vkey

    @property
    def identity(self) -> str:
        """A short public name of the key, to tell that a database and a key file belong together."""
        return hashlib.sha256(self.verifier_key("identity").encode()).hexdigest()[:16]

    def fingerprint(self, workspace: str, value: bytes) -> str:
        """Return a keyed fingerprint of a secret value: 64 bits, comparable within the workspace only."""
        key = hmac.digest(self._seed, b"whodid/fingerprint/v1\n" + workspace.encode(), "sha256")
        return hmac.digest(key, value, "sha256")[:8].hex()


def _why(error: OSError | UnicodeDecodeError) -> str:
    """Return what went wrong without the path, which stands in the message already."""
    return (error.strerror or "") if isinstance(error, OSError) else "it is no text"
