"""Whether somebody can have gone from one sign-in to the next: the exact rule of impossible travel.

All of it must hold: two different networks (two addresses of one provider are more than 500 km apart in 18 % of cases
and nobody moved), two countries that two sources agree on, both networks ordinary ones that no colleagues share, at
least 500 km after 100 km were taken off for how rough the tables are, and more than 900 km in an hour.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from whodid.detect.geo import Place, distance

__all__ = ["Stop", "travel"]

_ROUGH = 100.0
_FAR = 500.0
_FAST = 900.0
_LEAST_HOURS = 0.1
_HOUR = 3_600_000_000


class Stop(Struct, frozen=True, array_like=True):
    """Where somebody signed in.

    Args:
        at: Microseconds since 1970.
        shared: Whether colleagues use the network, too.
    """

    at: int
    place: Place
    shared: bool


def travel(before: Stop | None, now: Stop) -> dict[str, Any]:
    """Return the features of the way from one sign-in to the next; none where a place is not known well enough."""
    if before is None or now.at < before.at:
        return {}
    km = distance(before.place, now.place)
    if km is None or before.place.asn is None or now.place.asn is None:
        return {}
    hours = (now.at - before.at) / _HOUR
    speed = max(0.0, km - _ROUGH) / max(_LEAST_HOURS, hours)
    ordinary = not any(one.shared or one.place.net_type is not None or not one.place.agreed for one in (before, now))
    possible = before.place.asn == now.place.asn or not ordinary or km - _ROUGH < _FAR or speed < _FAST
    return {
        "travel_km": round(km),
        "travel_hours": round(hours, 1),
        "travel_kmh": round(speed),
        "previous_city": before.place.city,
        "impossible_travel": not possible,
    }
