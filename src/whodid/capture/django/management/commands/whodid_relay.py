"""`manage.py whodid_relay`: carries committed events to the log until it is stopped."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from whodid.capture.django.relaying import relays

__all__ = ["Command"]


class Command(BaseCommand):
    """Runs the relays of all outboxes in one process; several may run at the same time."""

    help = "Carries events from the outboxes of the databases to the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--database", action="append", help="of this database only; may be repeated")
        parser.add_argument("--once", action="store_true", help="deliver what is committed now, and end")
        parser.add_argument("--interval", type=float, default=1.0, help="seconds between two looks (default: 1)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Deliver."""
        made = relays(options["database"], interval=options["interval"])
        if options["once"]:
            self.stdout.write(f"{sum(relay.drain() for relay in made)} events were delivered or set aside.")
            return
        ended = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: ended.set())
        with ExitStack() as stack:
            for relay in made:
                stack.enter_context(relay)
            ended.wait()
