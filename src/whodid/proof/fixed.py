"""What seals and volumes have in common as bytes: a version, fields of fixed width, a hash, a salt committed to.

Which fields these are, and what they mean, is for `seal` and `volume`.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import Any

from whodid.errors import MalformedProof

__all__ = ["Form", "commit_salt"]

VERSION = 1


class Form:
    """The encoding of one kind of value.

    Args:
        noun: What it is called in errors.
        fields: After the version, as `struct` names them, big endian.
        prefix: Goes before the bytes that are hashed, so that no value is taken for one of another kind.
    """

    def __init__(self, noun: str, fields: str, prefix: bytes) -> None:
        self._noun = noun
        self._struct = struct.Struct(f">B{fields}")
        self._prefix = prefix
        self.size = self._struct.size

    def write(self, values: tuple[Any, ...]) -> bytes:
        """Encode a value."""
        return self._struct.pack(VERSION, *values)

    def read(self, data: bytes) -> list[Any]:
        """Take exactly one encoded value apart.

        Raises:
            MalformedProof: It has another length, or an unknown version.
        """
        if len(data) != self.size:
            raise MalformedProof(f"A {self._noun} has {self.size} bytes and this has {len(data)}")
        version, *values = self._struct.unpack(data)
        if version != VERSION:
            raise MalformedProof(
                f"{self._noun.capitalize()} version {version} is unknown", "Verify with a newer whodid"
            )
        return values

    def hash(self, values: tuple[Any, ...]) -> bytes:
        """Return what the next value calls its `previous`."""
        return sha256(self._prefix + self.write(values)).digest()


def commit_salt(prefix: bytes, number: int, salt: bytes) -> bytes:
    """Return 32 bytes that bind the salt of what has this number, and hide it."""
    return sha256(prefix + number.to_bytes(8) + salt).digest()
