"""Passwords: argon2id hashes, generated passwords, and what a person may choose."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

__all__ = ["SHORTEST", "generate", "hashed", "matches", "outdated", "weakness"]

SHORTEST = 12
"""Characters that a chosen password needs (NIST SP 800-63B: length counts, composition rules do not)."""

_LONGEST = 200
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is mistaken for something else
_COMMON = ("password", "contraseña", "qwertyuiop", "123456789", "sendero", "whatsapp", "casalumen")

_hasher = PasswordHasher()
# Checked when there is nobody of that name, so that both answers take the same time.
_NOBODY = _hasher.hash(secrets.token_urlsafe())


def hashed(password: str) -> str:
    """Return the argon2id hash of a password."""
    return _hasher.hash(password)


def matches(password: str, password_hash: str | None) -> bool:
    """Tell whether a password belongs to a hash; as slow without a hash as with one."""
    try:
        _hasher.verify(password_hash or _NOBODY, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return password_hash is not None


def outdated(password_hash: str) -> bool:
    """Tell whether a hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def generate() -> str:
    """Return a new password of about 79 bits that can be read aloud."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def weakness(password: str, *, email: str, name: str) -> str | None:
    """Say what is wrong with a chosen password, in words for people; None when it is good."""
    if len(password) < SHORTEST:
        return "Use at least 12 characters; a sentence is easiest to remember."
    if len(password) > _LONGEST:
        return "Use at most 200 characters."
    plain = password.casefold()
    for part in (email.partition("@")[0], *name.split()):
        plain = plain.replace(part.casefold(), "") if len(part) > 2 else plain
    for word in _COMMON:
        plain = plain.replace(word, "")
    if len(set(plain)) < 5:
        return "This is too easy to guess: it is mostly your name, a common word or a repetition."
    return None
