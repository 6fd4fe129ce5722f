"""What an event may measure, and how a fault inside it is reported."""

from __future__ import annotations

import re

from whodid.errors import InvalidEvent

__all__ = [
    "ACTION",
    "EVENT_BYTES",
    "FLOAT_FROM",
    "FLOAT_TO",
    "IDENTIFIER",
    "INTEGER",
    "KEY",
    "KEYS",
    "MAX_DEPTH",
    "NAME",
    "TEXT",
    "TYPE",
    "Fault",
    "invalid",
    "pointer",
]

EVENT_BYTES = 256 * 1024
"""Encoded size of an event."""
MAX_DEPTH = 16
"""Nesting of objects and lists; the event itself is the first level."""
TEXT = 64 * 1024
"""UTF-8 bytes of any text."""
IDENTIFIER = 200
"""Characters of an id."""
NAME = 500
"""Characters of a name, an address, a role, the path of a change."""
KEY = 500
"""Characters of a key."""
KEYS = 200
"""Members of one object."""
INTEGER = 2**53 - 1
"""Integers lie within ± this, so that every JSON reader sees the same number (RFC 8259, section 6)."""
FLOAT_FROM = 1e-4
FLOAT_TO = 1e15
"""Between these a float is written alike by every encoder that follows RFC 8785."""

ACTION = re.compile(r"(?=.{3,100}\Z)[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
TYPE = re.compile(r"[a-z][a-z0-9_]{0,99}")


class Fault(Exception):
    """A fault found deep inside a value; every level on the way out adds its token.

    Args:
        fact: What is wrong.
        remedy: What to do.
        tokens: Keys and indexes from the fault outwards.
    """

    def __init__(self, fact: str, remedy: str, *tokens: str | int) -> None:
        self.fact = fact
        self.remedy = remedy
        self.tokens: list[str | int] = list(tokens)
        super().__init__(fact)

    def at(self, *outer: str | int) -> InvalidEvent:
        """Return the refusal, given the tokens from the event to the value (outermost first)."""
        return InvalidEvent(pointer(*outer, *reversed(self.tokens)), self.fact, self.remedy)


def pointer(*tokens: str | int) -> str:
    """Write a JSON Pointer (RFC 6901) that can be printed: half a surrogate pair in a key is shown as an escape."""
    text = "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in tokens)
    return text.encode("utf-8", "backslashreplace").decode()


def invalid(fact: str, remedy: str, *tokens: str | int) -> InvalidEvent:
    """Return a refusal at the given tokens (outermost first)."""
    return InvalidEvent(pointer(*tokens), fact, remedy)
