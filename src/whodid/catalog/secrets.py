"""Secrets by their look: tokens, private keys, addresses with a password, card numbers inside a text.

Names of fields are judged in `classes`. This is the second net: it finds what somebody pasted into a reason or put
under an innocent name. It knows formats, not entropy, so that an opaque id is never taken for a secret.
"""

from __future__ import annotations

import re

__all__ = ["SHORTEST", "holds_secret", "is_credential", "without_secrets"]

SHORTEST = 16
"""No format below is shorter than this many characters: a shorter text need not be searched."""

_REDACTED = "[redacted]"

_FORMATS = re.compile(
    r"""
      eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*                          # JSON web token
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----[\s\S]*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    | ://[^/\s:@"]*:[^/\s@"]+@                                  # password inside an address
    | [?&](?:access_token|api_?key|client_secret|password|secret|sig|signature|token)=[^&\s"]{8,}
    | [Bb]earer\ [\w.~+/=-]{16,}
    | [rs]k_(?:live|test)_\w{16,}                               # Stripe
    | sk-[\w-]{20,}
    | gh[opsur]_[A-Za-z0-9]{30,} | github_pat_\w{30,} | glpat-[\w-]{20,}
    | xox[abeoprs]-[\w-]{12,} | xapp-[\w-]{20,}                 # Slack
    | A(?:KIA|SIA)[0-9A-Z]{16} | AIza[\w-]{35} | ya29\.[\w-]{20,}
    | EAA[A-Za-z0-9]{40,}                                       # Meta
    | whsec_[\w+/=]{16,} | SG\.[\w-]{16,}\.[\w-]{16,} | npm_[A-Za-z0-9]{36} | pypi-[\w-]{40,} | hf_[A-Za-z]{30,}
    | \b[3-6]\d{3}(?P<gap>[\ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{4}\b  # card number as people write it
    """,
    re.VERBOSE | re.ASCII,
)
_HEADS = (
    "eyJ", "sk_", "rk_", "sk-", "ghp", "gho", "ghs", "ghu", "ghr", "git", "glp", "xox", "xap", "AKI", "ASI", "AIz",
    "ya2", "EAA", "whs", "SG.", "npm", "pyp", "hf_",
)  # fmt: skip


def holds_secret(text: str) -> bool:
    """Tell whether a text contains something that has the format of a secret."""
    if len(text) < SHORTEST:
        return False
    return any(_is_secret(match) for match in _FORMATS.finditer(text))


def is_credential(identifier: str) -> bool:
    """Tell whether an identifier is itself a credential; cheaper than `holds_secret`, for text without spaces."""
    return identifier.startswith(_HEADS) and holds_secret(identifier)


def without_secrets(text: str) -> str:
    """Return a text with every secret in it replaced by `[redacted]`; the very same text when there is none."""
    if len(text) < SHORTEST or not holds_secret(text):
        return text
    return _FORMATS.sub(lambda match: _REDACTED if _is_secret(match) else match[0], text)


def _is_secret(match: re.Match[str]) -> bool:
    return match["gap"] is None or _luhn(match[0])


def _luhn(number: str) -> bool:
    """Check the last digit of a card number (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in number if digit.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
