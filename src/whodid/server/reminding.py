"""Telling people that the review of a workspace is overdue: an alert, as `detect` raises and repeats them.

The server joins here what two wings know. Once a week while nobody signs, it is told through the sinks that bring
alerts to people; whoever signs closes it.
"""

from __future__ import annotations

from whodid.detect import DETECTION, Alerts
from whodid.log import Log
from whodid.model import Context
from whodid.review import Reviews

__all__ = ["OVERDUE", "caught_up", "remind_of_review"]

OVERDUE = "review_overdue"
"""Stands where the rule would, in the alert."""

_TITLE = "The review is overdue"
_REASON = "Nobody signed the weekly review of this workspace in time."
_RESPOND = "Look at what happened since the last review, and sign it."


def remind_of_review(log: Log, workspace: str) -> bool:
    """Tell people of a workspace that its review is overdue, once for each week; say whether they were told.

    A workspace in which nobody ever began a review is left alone. Pass it to `DetectionWorker` as `beside`.
    """
    reviews = Reviews(log, workspace, actor=DETECTION, context=Context(source="job"))
    week = reviews.missed()
    if week is None:
        return False
    last = next(iter(reviews.signed(limit=1)), None)
    entry = last if last is not None else next(log.read(workspace, log.head(workspace).first), None)
    if entry is None:
        return False
    # A crash in between tells it twice, and never not at all.
    Alerts(log, workspace).remind_of(OVERDUE, _TITLE, entry, reason=_REASON, respond=_RESPOND, since=week)
    reviews.told(week)
    return True


def caught_up(alerts: Alerts, note: str) -> None:
    """Close the alert about an overdue review.

    Args:
        alerts: As whoever signed acts on them.
        note: For whoever reads the log.
    """
    for one in alerts.active():
        if one.rule == OVERDUE:
            alerts.resolve(one.id, "harmless", note)
