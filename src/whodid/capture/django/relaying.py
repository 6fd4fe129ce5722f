"""From the outboxes of the application's databases to the log."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.apps import apps
from django.db import connections, router

from whodid.capture.capture import Capture
from whodid.capture.django.hook import installed
from whodid.capture.django.outbox import TABLE, Outbox
from whodid.capture.relay import Relay
from whodid.errors import InvalidSetting

__all__ = ["outboxes", "relays"]


def outboxes(aliases: Iterable[str] | None = None) -> list[Outbox]:
    """Return the outboxes of the application: one per database that has the table.

    Args:
        aliases: Look at these databases only.
    """
    found = []
    for alias in connections if aliases is None else aliases:
        if aliases is not None or router.allow_migrate(alias, "whodid", model_name="outbox"):
            with connections[alias].cursor() as cursor:
                if TABLE in connections[alias].introspection.table_names(cursor):
                    found.append(Outbox(alias, capture=installed().capture))
    return found


def relays(aliases: Iterable[str] | None = None, *, interval: float = 1.0) -> list[Relay]:
    """Return a relay per outbox; `start()` runs it in a thread, and commits of this process wake it.

    Args:
        aliases: Of these databases only.
        interval: Seconds until a relay looks by itself.

    Raises:
        InvalidSetting: LOG names a capture, or no database has an outbox.
    """
    home = apps.get_app_config("whodid").home
    if isinstance(home.log(), Capture):
        raise InvalidSetting(
            "LOG names a capture, and a relay needs a log", "Make a Relay(Outbox(alias), log) yourself"
        )
    boxes = outboxes(aliases)
    if not boxes:
        raise InvalidSetting("No database has an outbox", "Run manage.py migrate whodid")
    made = []
    for box in boxes:
        relay = Relay(box, home, interval=interval)
        installed().wakers.append(partial(_woken, box.alias, relay))
        made.append(relay)
    return made


def _woken(alias: str, relay: Relay, committed: str) -> None:
    if alias == committed:
        relay.wake()
