"""What happens by itself: named jobs, each done again and again; all in one thread, but those that wait for others.

A job that fails is tried at its next turn and never stops the others. Every job does its work in units of work of its
own, so that a stop between two of them leaves nothing half done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from msgspec import Struct

from sendero.installation import Installation
from sendero.service import api_keys, deliveries, erase, imports, letters, scheduler, sender, sessions
from sendero.whatsapp import inbound, turns

__all__ = ["JOBS", "Job", "Jobs"]

_log = logging.getLogger("sendero.jobs")


class Job(Struct, frozen=True, kw_only=True):
    """Something to do every so often.

    Args:
        every: Seconds from the end of one turn to the beginning of the next.
        run: Does one turn; returns whether there is more to do at once.
        alone: Whether it has a thread of its own, because it waits for other machines.
    """

    name: str
    every: float
    run: Callable[[Installation], bool]
    alone: bool = False


JOBS: tuple[Job, ...] = (
    Job(name="send letters", every=2, run=letters.turn),
    Job(name="end idle sessions", every=60, run=sessions.sweep),
    Job(name="read imports", every=1, run=imports.turn),
    Job(name="sweep imports", every=3600, run=imports.sweep),
    Job(name="erase from the audit log", every=20, run=erase.erase_from_log, alone=True),
    Job(name="empty deleted contacts", every=3600, run=erase.empty_deleted),
    Job(name="expire API keys", every=30, run=api_keys.expire),
    Job(name="deliver to webhooks", every=1, run=deliveries.deliver, alone=True),
    Job(name="forget old deliveries", every=3600, run=deliveries.forget),
    Job(name="play WhatsApp", every=1, run=turns.play, alone=True),
    Job(name="ask how the numbers stand", every=900, run=turns.ask_standings, alone=True),
    Job(name="forget old notices", every=3600, run=inbound.forget),
    Job(name="start, hold and go on", every=2, run=scheduler.turn),
    Job(name="send", every=0.5, run=sender.turn, alone=True),
    Job(name="give lost messages up", every=60, run=sender.give_up),
)
"""Every job of the workspace."""


class Jobs:
    """Does jobs in threads, from `__enter__` to `__exit__`.

    Args:
        home: The installation.
        jobs: What to do.
    """

    def __init__(self, home: Installation, jobs: Sequence[Job] = JOBS) -> None:
        self._home = home
        self._ending = threading.Event()
        together = [job for job in jobs if not job.alone]
        self._threads = [
            threading.Thread(target=self._run, args=(group,), name="sendero-jobs", daemon=True)
            for group in (together, *([job] for job in jobs if job.alone))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(15)

    def _run(self, jobs: Sequence[Job]) -> None:
        dues = dict.fromkeys(jobs, 0.0)
        while not self._ending.is_set():
            for job, due in dues.items():
                if due <= time.monotonic() and not self._ending.is_set():
                    dues[job] = time.monotonic() + (0 if self._turn(job) else job.every)
            rest = min(dues.values(), default=time.monotonic() + 1) - time.monotonic()
            self._ending.wait(max(rest, 0.01))

    def _turn(self, job: Job) -> bool:
        try:
            return job.run(self._home)
        except Exception:  # noqa: BLE001 - whatever it was, the others go on and this one has another turn
            _log.exception("the job %s failed; it is tried again", job.name)
            return False
