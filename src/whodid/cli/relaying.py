"""The command that carries events from the outbox of an application to a log."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from whodid.capture.builder import Builder
from whodid.capture.relay import Backlog, Quarantined, Recorder, Relay, RelayStatus
from whodid.catalog import Catalog
from whodid.cli import ui
from whodid.cli.opening import named, open_store
from whodid.errors import InvalidSetting, WhodidError

if TYPE_CHECKING:
    from whodid.capture.outbox import Outbox

__all__ = ["COMMANDS"]

_TOLD = 20
_BATCH = 500
_LOOK = 0.2
_BETWEEN_REPORTS = 10.0


class _Told(Struct, frozen=True, kw_only=True):
    """A line of --json.

    Args:
        delivered: Events that the log has, since the relay began.
        refused: Events that it refused, since the relay began.
        waiting: Events that wait now; None while the database cannot be reached.
        oldest: When the longest waiting one was written.
        aside: Refused events that lie in the outbox.
        fault: Why the newest delivery stopped; empty when it did not.
    """

    at: datetime
    delivered: int
    refused: int
    waiting: int | None
    oldest: datetime | None
    aside: int | None
    fault: str


@ui.command
@ui.argument("database_url", metavar="DATABASE_URL", envvar="WHODID_OUTBOX")
@ui.option("--once", is_flag=True, help="Deliver what is committed now, and end.")
@ui.option("--refused", is_flag=True, help="Also deliver once more what was refused.")
@ui.option("--interval", type=float, default=1.0, show_default=True, metavar="N", help="Seconds between two looks.")
@ui.option("--schema", metavar="NAME", help="Database schema of the outbox.")
@ui.option("--catalog", metavar="MODULE:NAME", help="The application's own catalog.")
@ui.option("--url", metavar="URL", help="Send to this server, not to a store.")
@ui.option("--api-key", "api_key", metavar="PATH", help="File that holds the server's API key.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def relay(
    *,
    database_url: str,
    once: bool,
    refused: bool,
    interval: float,
    schema: str | None,
    catalog: str | None,
    url: str | None,
    api_key: str | None,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Carry events from an application's outbox to the log, until stopped.

    The outbox is the table whodid_outbox of the database at DATABASE_URL, or at
    the one that the variable WHODID_OUTBOX names. Several relays may run.

    \b
    whodid relay --store sqlite:///audit.db postgresql+psycopg://shop@host/shop

    Exit code 1: with --once, something was refused or could not be delivered.
    """
    declared = _catalog(catalog)
    outbox = _outbox(database_url, schema, workspace, declared)
    if not 0 < interval <= 3600:
        raise InvalidSetting(f"An interval of {interval:g} seconds cannot be used", "Use more than 0, at most 3600")
    with ExitStack() as stack:
        log: Recorder
        if url is not None:
            log = stack.enter_context(_server(url, api_key, workspace))
        else:
            _apart(outbox, store)
            log = stack.enter_context(open_store(store, key_file, create=True, catalog=declared))
        outbox.backlog()  # a wrong address shows now, not as a failure that is tried again
        if refused:
            _release(outbox)
        made = Relay(outbox, log, batch=_BATCH, interval=interval)
        if once:
            _once(made, outbox, as_json=as_json)
        else:
            if not as_json:
                ui.note(f"Carrying events from {outbox.address} to {url or store}. SIGTERM or Ctrl+C ends it.")
            _until_stopped(made, outbox, as_json=as_json)


def _outbox(database_url: str, schema: str | None, workspace: str | None, catalog: Catalog | None) -> Outbox:
    try:
        from whodid.capture.outbox import Outbox
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("whodid"):
            raise
        raise InvalidSetting(
            f"The relay needs {error.name}, which is not installed", "Run: pip install 'whodid[sqlalchemy]'"
        ) from None
    capture = None if catalog is None else Builder(catalog, None)
    return Outbox.at(database_url, schema=schema, only=workspace, capture=capture)


def _catalog(text: str | None) -> Catalog | None:
    if text is None:
        return None
    found = named(text)
    if not isinstance(found, Catalog):
        raise InvalidSetting(f"{text} is not a catalog", "Name what whodid.builtin().declare(...) returned")
    return found


@contextmanager
def _server(url: str, api_key: str | None, workspace: str | None) -> Iterator[Recorder]:
    if api_key is None:
        raise InvalidSetting("No API key was named", "Use --api-key with the file that holds it")
    if workspace is None:
        raise InvalidSetting("An API key belongs to one workspace, and none was named", "Use --workspace")
    from whodid.capture.remote import RemoteRecorder

    path = Path(api_key)
    recorder = RemoteRecorder(url, lambda: path.read_text(encoding="utf-8"))
    try:
        yield recorder
    finally:
        recorder.close()


def _apart(outbox: Outbox, store: str | None) -> None:
    """Refuse a log in the very file of the outbox: two libraries of SQLite would drop the locks of each other."""
    if outbox.file is None or store is None or not store.startswith("sqlite:///"):
        return
    if Path(store.removeprefix("sqlite:///")).resolve() == outbox.file.resolve():
        raise InvalidSetting("The outbox and the log are one file", "Give the log a file of its own")


def _release(outbox: Outbox) -> None:
    while found := outbox.quarantined(_BATCH):
        outbox.release(one.place for one in found)


def _once(made: Relay, outbox: Outbox, *, as_json: bool) -> None:
    fault = ""
    with ui.progress("Delivering", outbox.backlog().waiting) as progress:
        try:
            made.drain(progress)
        except WhodidError as error:
            fault = str(error)
    status = made.status()
    _tell(status, outbox, fault, as_json=as_json)
    ui.finish(ui.PROBLEM if fault or status.quarantined else ui.OK)


def _until_stopped(made: Relay, outbox: Outbox, *, as_json: bool) -> None:
    """Run the relay, and tell at once when it fails or works again, and now and then how far it is."""
    ended = threading.Event()
    was = {name: signal.signal(name, lambda *_: ended.set()) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        with made:
            told, last = made.status(), float("-inf")
            while not ended.wait(_LOOK):
                status, now = made.status(), time.monotonic()
                moved = (status.delivered, status.quarantined) != (told.delivered, told.quarantined)
                if status.fault != told.fault or (moved and now - last >= _BETWEEN_REPORTS):
                    _tell(status, outbox, status.fault, as_json=as_json)
                    told, last = status, now
    finally:
        for name, handler in was.items():
            signal.signal(name, handler)
    _tell(made.status(), outbox, made.status().fault, as_json=as_json)


def _tell(status: RelayStatus, outbox: Outbox, fault: str, *, as_json: bool) -> None:
    """Say what was done since the beginning, and what there is to do."""
    backlog: Backlog | None = None
    aside: list[Quarantined] = []
    try:
        backlog = outbox.backlog()
        aside = outbox.quarantined(_TOLD) if status.quarantined and not as_json else []
    except WhodidError as error:
        fault = fault or str(error)
    if as_json:
        ui.json(
            _Told(
                at=datetime.now(UTC),
                delivered=status.delivered,
                refused=status.quarantined,
                waiting=None if backlog is None else backlog.waiting,
                oldest=None if backlog is None else backlog.oldest,
                aside=None if backlog is None else backlog.quarantined,
                fault=fault,
            )
        )
        return
    waiting = f", {backlog.waiting:,} wait" if backlog is not None and backlog.waiting else ""
    refused = f", {status.quarantined:,} were refused" if status.quarantined else ""
    ui.note(f"Delivered {ui.counted(status.delivered, 'event')}{refused}{waiting}.")
    for one in aside:
        ui.note(f"{one.workspace}, place {one.place}: {one.fault}")
    if fault:
        ui.note(fault)


COMMANDS = {"relay": relay}
