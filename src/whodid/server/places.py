"""Which places besides a log an erasure reaches, wherever it begins: over HTTP, on a page or on the command line."""

from __future__ import annotations

from pathlib import Path

from whodid import detect, review, sinks
from whodid.capture.remote.files import forget_refused
from whodid.export import forget_exports
from whodid.log import Log

__all__ = ["add_places"]


def add_places(log: Log, *, exports: Path | None, spool: Path | None = None) -> None:
    """Make known to a log where values of people stand besides it.

    Args:
        exports: The folder of the exports; None where there is none.
        spool: The folder of what waits for the store, where the server that opens it is not this process.
    """
    log.elsewhere.add("detection", lambda workspace, person: detect.erase(log, workspace, person))
    log.elsewhere.add("reviews", lambda workspace, person: review.erase(log, workspace, person))
    log.elsewhere.add("answers", lambda workspace, _: sinks.erase(log, workspace))
    if exports is not None:
        log.elsewhere.add("exports", lambda workspace, _: forget_exports(exports, workspace))
    if spool is not None:
        log.elsewhere.add("spool", lambda workspace, person: forget_refused(spool, workspace, person))
