"""Whether the clock may be believed when it says that content is over.

Purged content does not come back when a clock does. Rounds of retention keep the time at which they looked; a clock
that has leapt ahead since then is believed once it has said so for a day, and one that went back at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from whodid.errors import InvalidSetting
from whodid.log import Log

__all__ = ["check_steady"]

_STATE = "retention.clock"
_WAIT = timedelta(days=1)
_USUAL = timedelta(days=1)


class _Seen(Struct, frozen=True):
    """What rounds saw on the clock.

    Args:
        at: The time that is believed.
        leapt: The first of later times that are not believed yet.
    """

    at: datetime
    leapt: datetime | None = None


def check_steady(log: Log, interval: timedelta) -> None:
    """Look whether the clock went on as clocks do, and keep what it says.

    Args:
        interval: Between two rounds.

    Raises:
        InvalidSetting: It has leapt ahead, by more than a day and more than two rounds, less than a day ago.
        StoreError: What was seen cannot be read or kept.
    """
    now = log.now()
    old = log.shared_state(_STATE)
    seen = _Seen(now) if old is None else msgspec.json.decode(old, type=_Seen)
    steady = now <= seen.at + max(_USUAL, 2 * interval)
    if steady or (seen.leapt is not None and now >= seen.leapt + _WAIT):
        new = _Seen(now)
    else:
        new = _Seen(seen.at, now if seen.leapt is None else min(now, seen.leapt))
    encoded = msgspec.json.encode(new)
    if encoded != old:
        # Not taken means that another server looked a moment ago; its clock is heeded in the next round.
        log.swap_shared_state(_STATE, old, encoded)
    if new.leapt is not None:
        raise InvalidSetting(
            f"The clock says {now:%Y-%m-%d %H:%M} and said {seen.at:%Y-%m-%d %H:%M} when retention looked last",
            f"Set the clock; if it is right, content goes from {new.leapt + _WAIT:%Y-%m-%d %H:%M} on, or now with "
            "whodid purge",
        )
