"""Backups: a copy of the database while it is used, checked before anybody relies on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from whodid.log.opening import engine, key_of
from whodid.log.proving import existing
from whodid.log.verify import Report, verify_log

__all__ = ["back_up"]


def back_up(
    url: str,
    path: Path,
    *,
    key: str | None = None,
    told: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
) -> tuple[Report, ...]:
    """Write a copy of a database, while others go on writing to it, and verify every log in the copy.

    Args:
        url: Of the database.
        path: A new file.
        key: The key file, if it is not where it is by default.
        told: Called with what is going on, how much of it is done, and how much there is.

    Returns:
        What the verification found; a log in it may have problems, which its original then has as well.

    Raises:
        InvalidSetting: The file cannot be made, or the engine has tools of its own for this.
        StoreError: Nothing was written.
    """
    store, place = engine(url)
    try:
        # Whatever is signed while the copy is made is no fault of the copy.
        checking = key_of(store, Path(key or place or "")).alone()
        store.back_up(path)
    finally:
        store.close()
    copy, _ = engine(f"sqlite:///{path}")
    try:
        reports = []
        for workspace in copy.workspaces():

            def tell(done: int, size: int, name: str = workspace) -> None:
                told(f"Verifying {name}", done, size)

            reports.append(verify_log(copy, workspace, existing(copy, workspace), checking, tell))
        return tuple(reports)
    finally:
        copy.close()
