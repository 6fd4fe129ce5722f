"""Reviews: people look at what happened since the last time, and sign that they did.

`matter` says what has to be looked at, `sample` draws from the rest, `plan` makes items of both: values in, values out.
With a log work `reviews` (begin, look, sign) and `check` (was it done by the rules). It knows alerts by their entries
only; raising one is for the doors.
"""

from __future__ import annotations

from whodid.review.check import Checked, check, rests_on
from whodid.review.matter import WHYS, Why, why
from whodid.review.plan import MOST_ITEMS, MOST_QUEUED, Item, Mark, Review
from whodid.review.reviews import EVERY, LONGEST_COMMENT, SIGNED, STARTED, Reviews, Standing, erase
from whodid.review.sample import RULE

__all__ = [
    "EVERY",
    "LONGEST_COMMENT",
    "MOST_ITEMS",
    "MOST_QUEUED",
    "RULE",
    "SIGNED",
    "STARTED",
    "WHYS",
    "Checked",
    "Item",
    "Mark",
    "Review",
    "Reviews",
    "Standing",
    "Why",
    "check",
    "erase",
    "rests_on",
    "why",
]
