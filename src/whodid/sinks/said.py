"""What receivers say when they refuse something: kept between marks, so that it can be told from what we say of it."""

from __future__ import annotations

import re

__all__ = ["MOST_SAID", "said_by", "without_words"]

MOST_SAID = 300
"""Characters that are kept of it."""

_MARKS = re.compile("[“”]")
_SAID = re.compile("“[^”]*(?:”|$)")


def said_by(receiver: bytes | str) -> str:
    """Put what a receiver said between marks, in one line; it may repeat what it was sent."""
    text = receiver.decode(errors="replace") if isinstance(receiver, bytes) else receiver
    return f"“{_MARKS.sub(chr(34), ' '.join(text.split()))[:MOST_SAID]}”"


def without_words(fault: str) -> str:
    """Return why something failed without what the receiver said about it."""
    return _SAID.sub("“…”", fault)
