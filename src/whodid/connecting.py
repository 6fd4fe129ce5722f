"""From an address and a key to a client: puts the checks of intake behind the client, which does not know them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from whodid.catalog import Catalog, builtin
from whodid.intake import Intake
from whodid.model import Event

if TYPE_CHECKING:
    from whodid.capture.remote import Client

__all__ = ["connect"]


def connect(
    url: str,
    key: str | Callable[[], str],
    *,
    spool: str | os.PathLike[str] | None = None,
    workspace: str | None = None,
    catalog: Catalog | None = None,
    strict: bool = False,
    fingerprint_key: bytes | None = None,
    max_bytes: int = 2**30,
    on_full: Literal["raise", "gap"] = "raise",
    wait_ms: int = 50,
    durability: Literal["process", "power"] = "process",
    exit_flush_s: float = 2.0,
) -> Client:
    """Send events to a server of whodid; needs the extra `client`.

    Args:
        url: Address of the server, such as `https://audit.example.com`.
        key: Its API key with the scope write, or what returns it.
        spool: Folder where events wait, of this program's own; below the user's state folder when not given.
        workspace: The only workspace that events may be for.
        catalog: The declared actions; the built-in ones when absent.
        strict: Whether `check` refuses undeclared actions.
        fingerprint_key: At least 16 secret bytes, the same in all services whose secrets are to be comparable; made
            beside the spool when not given.
        max_bytes: What the spool may take on the disk.
        on_full: Whether an event that finds no room raises SpoolFull, or is dropped, counted and told of by an entry.
        wait_ms: How long recording may wait for room before it raises.
        durability: Whether what was taken outlives the process, or the power as well.
        exit_flush_s: How long the end of the interpreter may be held up to send what waits.

    Returns:
        The client; close it, or use it as a context manager.

    Raises:
        InvalidSetting: A setting cannot be used, or the extra `client` is not installed.
    """
    from whodid.capture.remote import Client

    declared = builtin() if catalog is None else catalog
    made: Client | None = None

    def fingerprint(workspace: str, value: bytes) -> str:
        return made.fingerprint(workspace, value) if made is not None else ""

    intake = Intake(declared, strict=strict, fingerprint=fingerprint)

    def check(workspace: str, event: Event) -> None:
        intake.check(event, workspace, datetime.now(UTC))

    made = Client(
        url,
        key,
        spool=spool,
        workspace=workspace,
        catalog=declared,
        check=check,
        fingerprint_key=fingerprint_key,
        max_bytes=max_bytes,
        on_full=on_full,
        wait_ms=wait_ms,
        durability=durability,
        exit_flush_s=exit_flush_s,
    )
    return made
