"""Files with secrets, made whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from whodid.files.folders import sync_folder

__all__ = ["make_private"]


def make_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, durably, unless there is one of that name.

    A crash leaves no half of it, and of two processes that start at once one wins: read it afterwards.

    Raises:
        OSError: It cannot be written; nothing of it is left.
    """
    # Named at random: what a crash left behind is in nobody's way. In a container each process has the same number.
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as made:
            made.write(text)
            made.flush()
            os.fsync(made.fileno())
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()
    sync_folder(path.parent)
