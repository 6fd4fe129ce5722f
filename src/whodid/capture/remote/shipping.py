"""Sending what dead processes left in a spool, once, in the calling thread: what `whodid ship` does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from whodid.capture.remote.courier import Counts, Courier, pause_after
from whodid.capture.remote.files import Owner, open_folder, owners, set_aside, take_refused
from whodid.capture.remote.shelf import Shelf
from whodid.capture.remote.transport import Later, Transport, checked_key
from whodid.errors import InvalidSetting, NotFound

__all__ = ["Shipped", "ship"]

_MOST = 200


class _Refused(Struct, frozen=True):
    """What a line of refused events is read for."""

    workspace: str
    event: msgspec.Raw


_line = msgspec.json.Decoder(_Refused).decode


class Shipped(Struct, frozen=True, kw_only=True):
    """What was sent.

    Args:
        delivered: Events that the log has now.
        quarantined: Events that it refused; they lie in `refused.ndjson` with the reasons.
        dropped: Events that a full spool had dropped, and that an entry tells of now.
        damaged: Bytes that were unreadable and were skipped.
        finished: Whether nothing is left of dead processes.
        running: Processes that are running and send by themselves.
        fault: Why something is left.
    """

    delivered: int
    quarantined: int
    dropped: int
    damaged: int
    finished: bool
    running: int
    fault: str


def ship(
    folder: Path,
    url: str,
    key: str | Callable[[], str],
    *,
    timeout: float = 60.0,
    workspace: str | None = None,
    refused: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Shipped:
    """Send what dead processes left in a spool; those that run send by themselves.

    Args:
        folder: Of the spool.
        url: Address of the server.
        key: Its API key with the scope write, or what returns it.
        timeout: Seconds after which to give up on a server that does not take them.
        workspace: The workspace of the key: events wait rather than being refused when the key is another one's.
        refused: Whether to send what was refused earlier once more; what is refused again is set aside again.
        progress: Called with how many events were settled so far.

    Returns:
        What was sent. What is left stays in the spool.

    Raises:
        NotFound: There is no such folder.
        InvalidSetting: A setting cannot be used, or the extra `client` is not installed.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no spool {folder}", "Name the folder that the client was given")
    open_folder(folder)
    if timeout <= 0:
        raise InvalidSetting("The timeout is not positive", "Give it in seconds")
    counts = Counts()
    # What is missing or wrong shows here, before anything is claimed.
    Transport(url, key).close()
    checked_key(key)
    courier = Courier(folder, lambda: Transport(url, key), counts, workspace)
    until = time.monotonic() + timeout
    running, finished, fault = 0, True, ""
    try:
        for name in owners(folder):
            owner = Owner.claim(folder, name)
            if owner is None:
                running += 1
                continue
            shelf = Shelf.of_dead(owner)
            try:
                fault = _deliver(shelf, courier, until, progress)
                if fault:
                    finished = False
                    break
                owner.remove()
            finally:
                shelf.close()
        if refused and finished:
            fault = _again(folder, courier)
            finished = not fault
    finally:
        courier.close()
    return Shipped(
        delivered=counts.delivered,
        quarantined=counts.quarantined,
        dropped=counts.told,
        damaged=counts.damaged,
        finished=finished,
        running=running,
        fault=fault,
    )


def _deliver(shelf: Shelf, courier: Courier, until: float, progress: Callable[[int], None]) -> str:
    """Deliver an owner's frames; return why that could not be done, or nothing."""
    attempts = 0
    while True:
        try:
            if not courier.step(shelf):
                return ""
            attempts = 0
            progress(courier.counts.delivered + courier.counts.quarantined)
        except Later as error:
            attempts += 1
            pause = pause_after(error, attempts)
            if time.monotonic() + pause > until:
                return error.fault
            time.sleep(pause)


def _again(folder: Path, courier: Courier) -> str:
    """Send what was refused once more; return why that could not be done, or nothing."""
    for path in take_refused(folder):
        groups: dict[str, list[bytes]] = {}
        for line in path.read_bytes().splitlines():
            try:
                one = _line(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                courier.counts.damaged += len(line)
                continue
            groups.setdefault(one.workspace, []).append(bytes(one.event))
        still: list[dict[str, object]] = []
        try:
            for workspace, events in groups.items():
                for at in range(0, len(events), _MOST):
                    still += courier.settle(workspace, events[at : at + _MOST])
        except Later as error:
            return error.fault  # the file stays as it is: the log knows by the ids what it has
        if still:
            set_aside(folder, still)
        path.unlink()
        count = sum(map(len, groups.values()))
        courier.counts.delivered += count - len(still)
        courier.counts.quarantined += len(still)
    return ""
