"""How often impossible travel (D02) is wrong about the addresses of one provider, and how many trips it finds (T7).

    whodid geo fetch /tmp/geo
    python -m benchmarks.travelling /tmp/geo [--pairs 10000]

Addresses are drawn at random from all routed ones. Two of one provider, a quarter of an hour apart, are somebody whose
address changed: the naive rule (distance and time alone) beside ours. Two of ordinary networks 5,000 km or more apart,
two hours apart, are a trip that nobody made.
"""

from __future__ import annotations

import argparse
import ipaddress
import random
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.measure import machine
from whodid.detect import Geo, Place
from whodid.detect.geo import distance
from whodid.detect.travel import Stop, travel

_MINUTE = 60_000_000
_SEED = 20_261_127


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=10_000)
    chosen = parser.parse_args()
    geo, draw = Geo(chosen.folder), random.Random(_SEED)
    print(machine())
    places: list[Place] = []
    began = time.process_time()
    tried = 0
    while len(places) < 8 * chosen.pairs:
        tried += 1
        place = geo.place(str(ipaddress.IPv4Address(draw.getrandbits(32))))
        if place is not None and place.asn is not None and place.latitude is not None:
            places.append(place)
    print(f"one look-up: {(time.process_time() - began) / tried * 1e6:.1f} µs")
    print(f"countries on which two sources differ: {sum(one.disputed for one in places) / len(places):.1%}")

    of_network: dict[int, list[Place]] = defaultdict(list)
    for place in places:
        of_network[place.asn or 0].append(place)
    several = [found for found in of_network.values() if len(found) > 1]
    weights = [len(found) for found in several]
    naive = ours = 0
    for found in draw.choices(several, weights, k=chosen.pairs):
        first, second = draw.sample(found, 2)
        features = travel(Stop(0, first, False), Stop(15 * _MINUTE, second, False))
        naive += features["travel_kmh"] >= 900 and features["travel_km"] >= 500
        ours += features["impossible_travel"]
    share = ours / chosen.pairs
    print(f"one provider, 15 minutes: naive {naive / chosen.pairs:.1%}, D02 {share:.2%} (target 0.10% at most)")

    ordinary = [one for one in places if one.net_type is None]
    trips = seen = 0
    while trips < chosen.pairs:
        first, second = draw.sample(ordinary, 2)
        if (distance(first, second) or 0) < 5_000:
            continue
        trips += 1
        seen += travel(Stop(0, first, False), Stop(120 * _MINUTE, second, False))["impossible_travel"]
    print(f"trips of 5,000 km or more in two hours: {seen / trips:.1%} found (target 95%)")


if __name__ == "__main__":
    main()
