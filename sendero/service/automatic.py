"""Who acts when no person does: the scheduler and the campaign guard."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context

from sendero.work import Work
from whodid import Actor

__all__ = ["GUARD", "SCHEDULER", "by_itself"]

GUARD = Actor(type="system", id="campaign-guard", name="Campaign guard")
SCHEDULER = Actor(type="scheduler", id="scheduler", name="Scheduler")


def by_itself(work: Work, actor: Actor, act: Callable[[], None]) -> None:
    """Do something that nobody asked for: not from the address of whoever happened to bring it about."""

    def alone() -> None:
        with work.acting(actor=actor, source="job"):
            act()

    Context().run(alone)
