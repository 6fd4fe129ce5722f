"""The remote client: where a service records that does not hold the log."""

from __future__ import annotations

import asyncio
import atexit
import os
import re
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct

from whodid.capture.insisting import Check
from whodid.capture.remote.files import keyed, spool_key
from whodid.capture.remote.sender import Sender
from whodid.capture.remote.spool import Durability, OnFull, Spool
from whodid.capture.remote.transport import Transport, checked_key, checked_url
from whodid.catalog import Catalog, builtin
from whodid.errors import InvalidSetting
from whodid.model import Event

__all__ = ["Client", "ClientStatus"]

_SHORTEST_KEY = 16
_ID = re.compile(r"wk_([0-9A-Z]{1,32})_")


class ClientStatus(Struct, frozen=True, kw_only=True):
    """What a client did so far, in this process.

    Args:
        accepted: Events that were taken into the spool.
        delivered: Events that the log has, those of dead processes that were delivered here included.
        waiting: Accepted events that are not settled yet.
        quarantined: Events that the log refused; they lie in `refused.ndjson` with the reasons.
        dropped: Events that found no room under `on_full="gap"`.
        gaps: Of those, how many no entry tells of yet.
        damaged: Bytes of spool files that were unreadable and were skipped.
        oldest_seconds: Age of the oldest event that waits; 0 when none does.
        spool_bytes: What the spool takes on the disk.
        failures: Deliveries that could not be made.
        fault: What the last of them said; empty when there was none.
    """

    accepted: int
    delivered: int
    waiting: int
    quarantined: int
    dropped: int
    gaps: int
    damaged: int
    oldest_seconds: float
    spool_bytes: int
    failures: int
    fault: str


class Client:
    """Sends events to a server of whodid, through a spool on this machine's disk.

    `whodid.connect` makes one. `take` returns when the events are in the spool: the network is never in the caller's
    path, and no `await` is needed. A thread sends them; whatever ends the process, what was taken is sent by the next
    one with the same spool, or by `whodid ship`.

    Args:
        url: Address of the server, such as `https://audit.example.com`.
        key: Its API key with the scope write, or what returns it.
        spool: Folder of the spool, of this program's own; below the user's state folder when not given.
        workspace: The only workspace that events may be for.
        catalog: The declared actions; the built-in ones when absent.
        check: Refuses what the server would refuse; see `Client.check`.
        fingerprint_key: At least 16 secret bytes, the same in all services whose secrets are to be comparable; made
            beside the spool when not given.
        max_bytes: What the spool may take on the disk.
        on_full: Whether an event that finds no room raises SpoolFull, or is dropped, counted and told of.
        wait_ms: How long `take` may wait for room before it raises.
        durability: Whether what was taken outlives the process, or the power as well.
        exit_flush_s: How long the end of the interpreter may be held up to send what waits.

    Raises:
        InvalidSetting: A setting cannot be used, or the extra `client` is not installed.
    """

    def __init__(
        self,
        url: str,
        key: str | Callable[[], str],
        *,
        spool: str | os.PathLike[str] | None = None,
        workspace: str | None = None,
        catalog: Catalog | None = None,
        check: Check | None = None,
        fingerprint_key: bytes | None = None,
        max_bytes: int = 2**30,
        on_full: OnFull = "raise",
        wait_ms: int = 50,
        durability: Durability = "process",
        exit_flush_s: float = 2.0,
    ) -> None:
        self.url = checked_url(url)
        text = checked_key(key)
        if fingerprint_key is not None and len(fingerprint_key) < _SHORTEST_KEY:
            raise InvalidSetting(
                f"The fingerprint key has {len(fingerprint_key)} bytes", f"Use at least {_SHORTEST_KEY} random ones"
            )
        # Made and closed at once: what is missing or wrong shows here, not in a thread.
        Transport(self.url, key).close()
        self.catalog = builtin() if catalog is None else catalog
        self._workspace = workspace
        self._check = check
        self._spool = Spool(
            Path(spool) if spool is not None else _usual_folder(self.url, text),
            max_bytes=max_bytes,
            on_full=on_full,
            wait_ms=wait_ms,
            durability=durability,
        )
        self._fingerprint_key = spool_key(self.folder) if fingerprint_key is None else fingerprint_key
        self._sender = Sender(self._spool, lambda: Transport(self.url, key), workspace)
        self._exit_flush = exit_flush_s
        self._closed = False
        _open.add(self)

    @property
    def folder(self) -> Path:
        """The folder of the spool."""
        return self._spool.folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def take(self, workspace: str, events: Sequence[Event]) -> None:
        """Keep events in the spool; they are on their way when this returns.

        Raises:
            InvalidEvent: One of them has no JSON form or is too large; none was kept.
            InvalidSetting: The client is for another workspace, or closed.
            SpoolFull: There is no room, after waiting for it.
            SpoolError: The disk failed.
        """
        if self._workspace is not None and workspace != self._workspace:
            raise InvalidSetting(
                f"This client is for the workspace {self._workspace!r}, not for {workspace!r}",
                "Connect once more with the key of the other one",
            )
        try:
            self._spool.take(workspace, events)
        finally:
            # Also when there is no room: what fills the spool may be what dead processes left.
            self._sender.wake()

    def check(self, workspace: str, event: Event) -> None:
        """Refuse now what the server would refuse, by the catalog of this client.

        Raises:
            InvalidEvent: The event would be refused; `pointer` says where the fault is.
        """
        if self._check is not None:
            self._check(workspace, event)

    def fingerprint(self, workspace: str, value: bytes) -> str:
        """Return the keyed fingerprint of a secret value, comparable within a workspace."""
        return keyed(self._fingerprint_key, workspace, value)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until what was taken before is with the server, or was refused by it.

        Args:
            timeout: Seconds to wait for that.

        Returns:
            Whether it is; otherwise it stays in the spool and is sent later.
        """
        return self._sender.flush(timeout)

    async def aflush(self, timeout: float = 10.0) -> bool:  # noqa: ASYNC109 - it is how long the thread may wait
        """Wait like `flush`, without holding up the event loop."""
        return await asyncio.to_thread(self.flush, timeout)

    def status(self) -> ClientStatus:
        """Return what was done so far, for metrics."""
        counts, spool = self._sender.counts, self._spool
        oldest = self._sender.oldest()
        live = spool.live
        return ClientStatus(
            accepted=spool.accepted,
            delivered=counts.delivered,
            waiting=max(0, spool.accepted - self._sender.settled),
            quarantined=counts.quarantined,
            dropped=spool.dropped,
            gaps=live.gaps.total() if live is not None else 0,
            damaged=counts.damaged,
            oldest_seconds=0.0 if oldest is None else max(0.0, time.time() - oldest / 1000),
            spool_bytes=spool.used(),
            failures=counts.failures,
            fault=counts.fault,
        )

    def close(self) -> None:
        """Send what waits, for as long as an exit may take, and let go of the spool; idempotent."""
        if self._closed:
            return
        self._closed = True
        _open.discard(self)
        self._spool.shut()
        delivered = self._sender.flush(self._exit_flush, once=True)
        self._sender.stop()
        self._spool.close(delivered=delivered)

    def leave(self) -> None:
        """Send what waits as far as the end of the interpreter may be held up for it."""
        self._sender.flush(self._exit_flush, once=True)


_open: weakref.WeakSet[Client] = weakref.WeakSet()


@atexit.register
def _leave() -> None:
    for client in list(_open):
        client.leave()


def _usual_folder(url: str, key: str) -> Path:
    """Return the folder of a destination: what one key accepts must not be sent with another one."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    match = _ID.match(key)
    host = re.sub(r"[^A-Za-z0-9.-]", "_", urlsplit(url).netloc)
    return Path(state) / "whodid" / "spool" / (f"{host}-{match[1]}" if match else host)
