"""What nobody can say from outside: the acts of the log itself.

`audit.purged`, `audit.hold_placed` or `audit.alert_resolved` are believed by whoever reads the log, and some of them by
whodid itself. They are recorded where the act is done; a key that may write does not make them true.
"""

from __future__ import annotations

from whodid.errors import InvalidEvent
from whodid.model import Event

__all__ = ["reserved"]

_NOUN = "audit."
_TOLD_BY_SENDERS = frozenset({"audit.capture_resumed", "audit.capture_stopped", "audit.events_dropped"})


def reserved(event: Event) -> InvalidEvent | None:
    """Return why an event that came in at a door is refused: it claims an act of the log; None for any other.

    What a sender alone can know, that it stopped recording or lost events, it may say.
    """
    if not event.action.startswith(_NOUN) or event.action in _TOLD_BY_SENDERS:
        return None
    return InvalidEvent(
        "/action", f"{event.action} is said by the log alone", "Choose a name that begins with another noun"
    )
