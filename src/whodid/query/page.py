"""Where a list goes on: `Cursor` and `Page`.

Lists are ordered by (occurred_at, index), newest first. A cursor is a place in that order and nothing else: it stays
valid while entries are recorded or purged around it, and it opens nothing that its bearer may not see anyway.
"""

from __future__ import annotations

import binascii
import struct
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

from msgspec import Struct

from whodid.errors import InvalidQuery
from whodid.model import Entry

__all__ = ["Cursor", "Page"]

_FORM = struct.Struct(">BqQ")
_CHECK = struct.Struct(">I")
_VERSION = 1
_LENGTH = (_FORM.size + _CHECK.size) // 3 * 4


class Cursor(Struct, frozen=True, kw_only=True, order=True):
    """The place just after an entry, towards older ones. `str(cursor)` is its text for a URL.

    Args:
        occurred_at: Of that entry, in microseconds since 1970.
        index: Of that entry.
    """

    occurred_at: int
    index: int

    def __str__(self) -> str:
        body = _FORM.pack(_VERSION, self.occurred_at, self.index)
        return urlsafe_b64encode(body + _CHECK.pack(zlib.crc32(body))).decode()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read the text of a cursor.

        Raises:
            InvalidQuery: The text is not one that `str(cursor)` wrote: cut, changed or made up.
        """
        refused = InvalidQuery("This is not a place in the list", "Start again from the newest entry, without a cursor")
        if len(text) != _LENGTH:
            raise refused
        try:
            _, occurred_at, index = _FORM.unpack(urlsafe_b64decode(text.encode("ascii"))[: _FORM.size])
        except (binascii.Error, UnicodeEncodeError, struct.error):
            raise refused from None
        cursor = cls(occurred_at=occurred_at, index=index)
        # Version, check and alphabet at once: only the very text that we would write is ours.
        if str(cursor) != text:
            raise refused
        return cursor


class Page(Struct, frozen=True, kw_only=True):
    """One page of a list, newest first.

    Args:
        entries: What was found.
        next: Where to go on; None when nothing older matches. A page may be short, even empty, and still have a
            `next`: then the store looked at as many entries as it may in one go.
    """

    entries: tuple[Entry, ...]
    next: Cursor | None = None
