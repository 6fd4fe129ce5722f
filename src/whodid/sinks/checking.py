"""What cannot work is refused when somebody asks for it, and not when something is to be delivered."""

from __future__ import annotations

from whodid.errors import InvalidSetting
from whodid.log import Log
from whodid.query import parse
from whodid.sinks.delivery import open_receiver
from whodid.sinks.heads import HEAD
from whodid.sinks.kinds import KINDS
from whodid.sinks.settings import Sink

__all__ = ["check_sink"]

_LONGEST_NAME = 100


def check_sink(log: Log, workspace: str, sink: Sink) -> None:
    """Refuse a sink that cannot work: its kind is known, and everything else about it is looked at.

    Raises:
        InvalidSetting: It cannot.
        InvalidQuery: Its filter cannot be read.
    """
    kind = KINDS[sink.kind]
    if not 1 <= len(sink.name) <= _LONGEST_NAME or not sink.name.isprintable() or sink.name != sink.name.strip():
        raise InvalidSetting(f"{sink.name!r} is no name for a sink", f"Use 1 to {_LONGEST_NAME} characters")
    if sink.format not in kind.formats:
        raise InvalidSetting(
            f"A {sink.kind} sink has no format {sink.format!r}", f"Use one of {', '.join(kind.formats)}"
        )
    if not 1 <= sink.batch <= kind.most:
        raise InvalidSetting(f"A delivery of {sink.batch} entries cannot be had", f"Use 1 to {kind.most:,}")
    if not 0 <= sink.heartbeat <= 86_400:
        raise InvalidSetting(f"A heartbeat every {sink.heartbeat} seconds cannot be had", "Use 0 to 86,400")
    if sink.format == HEAD and (sink.query or not sink.heartbeat):
        raise InvalidSetting(
            "A head is of the whole log, and is sent on a schedule", "Leave out the filter, or name seconds"
        )
    query = parse(sink.query, now=log.now())
    if query.since is not None or query.until is not None:
        raise InvalidSetting("The filter of a sink holds for good and has no dates", "Say where to begin instead")
    for option in sink.options:
        if option not in kind.options:
            known = ", ".join(sorted(kind.options)) or "none"
            raise InvalidSetting(f"A {sink.kind} sink has no option {option!r}", f"It has {known}")
    if kind.secret and not sink.secret:
        raise InvalidSetting(f"A {sink.kind} sink needs a secret", "Name its file or variable")
    open_receiver(log, workspace, sink, again=False).close()
