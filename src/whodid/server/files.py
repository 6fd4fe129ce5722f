"""A finished file as an answer: whole, or the part that is still missing (RFC 9110, section 14), with its digest.

What is sent is read in pieces, so a slow client holds a file open and nothing else.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from io import SEEK_END
from typing import IO

from whodid.server.answers import Answer, Call
from whodid.server.problems import problem

__all__ = ["send_part"]

_PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class _Part(Iterator[bytes]):
    """Pieces of a file; it is closed at the end, when the client leaves, and when nobody ever asks for one."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file = file
        self._left = size
        file.seek(start)

    def __next__(self) -> bytes:
        piece = self._file.read(min(_PIECE, self._left)) if self._left else b""
        if not piece:
            self.close()
            raise StopIteration
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        """Stop; idempotent."""
        self._left = 0
        self._file.close()

    def __del__(self) -> None:
        self.close()


def send_part(file: IO[bytes], call: Call, *, tag: str, sha256: str, filename: str, media_type: str) -> Answer:
    """Answer with a file, or with the part of it that a request asks for.

    Args:
        file: Open for reading; it is closed when it is sent.
        tag: Names exactly these bytes.
        sha256: Of the whole file, hexadecimal.
    """
    size = file.seek(0, SEEK_END)
    if f'"{tag}"' in [part.strip() for part in call.headers.get("if-none-match", "").split(",")]:
        file.close()
        return Answer(status=304, headers=(("ETag", f'"{tag}"'), ("Cache-Control", "no-store")))
    headers: tuple[tuple[str, str], ...] = (
        ("ETag", f'"{tag}"'),
        ("Accept-Ranges", "bytes"),
        ("Repr-Digest", f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode()}:"),
        ("Content-Disposition", f'attachment; filename="{filename}"'),
        ("Cache-Control", "no-store"),
        ("X-Accel-Buffering", "no"),
    )
    start, stop, status = 0, size, 200
    asked = call.headers.get("range", "")
    # A part of another file is no use: then the whole of this one is sent.
    if asked and call.headers.get("if-range", f'"{tag}"') == f'"{tag}"':
        match = _RANGE.fullmatch(asked.strip())
        if match is not None and (match[1] or match[2]):
            start, stop = _bounds(match[1], match[2], size)
            if start >= stop:
                file.close()
                return problem(416, call.request_id, headers=(("Content-Range", f"bytes */{size}"),))
            status = 206
            headers += (("Content-Range", f"bytes {start}-{stop - 1}/{size}"),)
    headers += (("Content-Length", str(stop - start)),)
    length = 0 if call.method == "HEAD" else stop - start
    return Answer(status=status, body=_Part(file, start, length), media_type=media_type, headers=headers)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size
