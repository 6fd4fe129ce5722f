"""A deployment worth moving, and what of it has to be the same after the move."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import whodid
from tests.keeping import HOME, MARIA, NOW, Clock, event, full_event, record
from whodid import Log, Reason
from whodid.retention import Policy, change_policy, erase_person, place_hold, purge
from whodid.server.keys import KeyRing

WHY = Reason(text="Request 9")
OTHER = "wsp_other"


def furnish(url: str, key: Path | None = None, entries: int = 700) -> None:
    """Fill a store: two workspaces, sealed days, a purge, an erasure, a hold, a policy, a key, signed heads, state."""
    clock = Clock(NOW - timedelta(days=30))
    with whodid.open(url, key=key, clock=clock, name="moving.example") as log:
        record(log, (event(number, at=clock.now) for number in range(entries // 2)))
        log.checkpoint(HOME)
        clock.advance(days=1)
        record(log, (event(number, at=clock.now) for number in range(entries // 2, entries)))
        log.seal(HOME)
        clock.advance(days=1)
        record(log, [full_event(500_000, clock.now)])
        log.seal(HOME)
        log.bind(HOME)
        place_hold(log, HOME, name="Case 118", query="resource:contact:con_300", actor=MARIA, reason=WHY)
        change_policy(log, HOME, Policy(days=20), actor=MARIA)
        erase_person(log, HOME, "contact:con_600", actor=MARIA, reason=WHY)
        clock.advance(days=19, hours=1)
        purge(log, HOME)
        KeyRing(log, HOME, actor=MARIA).create("CRM")
        log.swap_shared_state("visitors", None, b"7")
        record(log, [event(1, at=clock.now)], OTHER)
        log.checkpoint(OTHER)
        log.checkpoint(HOME)
        record(log, [event(600_000, at=clock.now)])


def picture(log: Log) -> dict[str, Any]:
    """Return everything that is kept, from below the surface."""
    store = log._store
    return {
        workspace: (
            store.head(workspace),
            list(store.read(workspace, 0, 1_000_000)),
            store.segments(workspace),
            store.seals(workspace),
            [store.postings(workspace, sealed.number) for sealed in store.seals(workspace)],
            [store.second(workspace, sealed.number) for sealed in store.seals(workspace)],
            store.volumes(workspace),
            [store.volume_postings(workspace, bound.number) for bound in store.volumes(workspace)],
            store.states(workspace),
            store.tiles(workspace, [(level, number) for level in range(3) for number in range(8)]),
        )
        for workspace in ["", *store.workspaces()]
    }
