"""Telephone numbers as people write them, and the form that two of them are compared in."""

from __future__ import annotations

import re

__all__ = ["e164", "phone_key"]

_FILLING = re.compile(r"[\s().\-/]")
_COUNTRY = "34"  # of the demo workspace; a number without a country code is taken as Spanish


def e164(text: str) -> str | None:
    """Return a number in the form of ITU-T E.164 (`+34611204880`), or None when it is none."""
    digits = _FILLING.sub("", text)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if not digits.startswith("+"):
        digits = f"+{_COUNTRY}{digits.removeprefix('0')}"
    return digits if re.fullmatch(r"\+[1-9][0-9]{7,14}", digits) else None


def phone_key(text: str | None) -> str | None:
    """Return what two writings of the same number share: its last nine digits."""
    digits = re.sub(r"\D", "", text or "")
    return digits[-9:] if len(digits) >= 9 else None
