"""Exported files on disk: written whole or not at all, and read backwards as far as verification needs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import SEEK_END
from pathlib import Path
from typing import IO

from whodid.errors import InvalidSetting
from whodid.export.verify import MAX_LINE

__all__ = ["last_line", "lines", "written_whole"]

_STEP = 64 * 1024


@contextmanager
def written_whole(path: Path, *, replace: bool) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when the block ends without an error.

    Until then it is a hidden file in the same folder, readable by its owner only, as is the finished file; a crash
    leaves that hidden file behind and never half an export.

    Args:
        replace: Whether a file that exists may be replaced.

    Raises:
        InvalidSetting: The file exists, or cannot be made.
    """
    if path.exists() and not replace:
        raise InvalidSetting(f"{path} exists", "Choose another name, or replace it with --force")
    try:
        descriptor, hidden = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise InvalidSetting(f"{path} cannot be written: {error.strerror}", "Check folder and permissions") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(hidden).replace(path)
    except BaseException:
        Path(hidden).unlink(missing_ok=True)
        raise


def lines(file: IO[bytes]) -> Iterator[bytes]:
    """Iterate over the lines of a file from where it stands; a line longer than `MAX_LINE` comes in pieces."""
    while line := file.readline(MAX_LINE):
        yield line


def last_line(file: IO[bytes]) -> bytes:
    """Return the last line of a seekable file with its newline, if it has one, and stand at the beginning after it.

    A line longer than `MAX_LINE` is cut at its front.
    """
    at = file.seek(0, SEEK_END)
    tail = b""
    while at > 0 and len(tail) < MAX_LINE:
        step = min(_STEP, at)
        at = file.seek(at - step)
        tail = file.read(step) + tail
        found = tail.rfind(b"\n", 0, len(tail) - 1)
        if found >= 0:
            tail = tail[found + 1 :]
            break
    file.seek(0)
    return tail
