"""Commands for what sends from elsewhere: the keys it shows, and what it left on its disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, open_store
from whodid.errors import InvalidSetting
from whodid.log import Log
from whodid.server.keys import SCOPES, KeyRing, MadeKey

__all__ = ["COMMANDS"]


@ui.group
def keys() -> None:
    """Make and end the API keys that programs show to the server.

    A key belongs to one workspace. It is shown when it is made and never
    again; every act on a key is recorded in the log of its workspace.
    """


@keys.command("list")
@ui.json_option
@ui.workspace_option
@ui.store_options
def list_keys(*, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """List the keys of a workspace."""
    with open_store(store, key_file) as log:
        found, now = _ring(log, workspace).all(), log.now()
    if as_json:
        ui.json([key.view(now) for key in found])
        return
    rows = [
        (
            f"wk_{key.id}",
            key.status(now),
            ", ".join(key.scopes),
            _day(key.created_at),
            _day(key.expires_at),
            _day(key.last_used_at),
            key.name,
        )
        for key in found
    ]
    ui.table(("Key", "Status", "Scopes", "Created", "Expires", "Last used", "Name"), rows, wide=6)


@keys.command("create")
@ui.argument("name")
@ui.option("--scope", "scopes", multiple=True, type=ui.Choice(SCOPES), help="May be repeated. [default: write]")
@ui.option("--days", type=int, metavar="N", help="End after N days. [default: never]")
@ui.option("--rate", type=int, metavar="N", help="Events per second at most. [default: the server's]")
@ui.json_option
@ui.workspace_option
@ui.store_options
def create(
    *,
    name: str,
    scopes: tuple[str, ...],
    days: int | None,
    rate: int | None,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Make a key for what NAME says, and show it once.

    \b
    whodid keys create --days 90 billing > billing.key
    """
    with open_store(store, key_file, create=True) as log:
        ring = _ring(log, workspace)
        made = ring.create(name, scopes=scopes or ("write",), expires_at=_end(log, days), rate=rate)
        _show(made, log.now(), as_json=as_json)


@keys.command("rotate")
@ui.argument("key")
@ui.option("--overlap", type=int, default=24, show_default=True, metavar="N", help="Hours that the old key stays good.")
@ui.option("--days", type=int, metavar="N", help="End the new key after N days. [default: never]")
@ui.json_option
@ui.workspace_option
@ui.store_options
def rotate(
    *,
    key: str,
    overlap: int,
    days: int | None,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    """Make a key that follows KEY; for a while both are good.

    Name, scopes and rate stay. Give the new key to whoever uses the old one within
    the overlap, and nothing stops.
    """
    with open_store(store, key_file) as log:
        ring = _ring(log, workspace)
        made = ring.rotate(key, overlap=timedelta(hours=overlap), expires_at=_end(log, days))
        _show(made, log.now(), as_json=as_json)


@keys.command("revoke")
@ui.argument("key")
@ui.json_option
@ui.workspace_option
@ui.store_options
def revoke(*, key: str, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """End KEY now; a running server refuses it within a second."""
    with open_store(store, key_file) as log:
        ended = _ring(log, workspace).revoke(key)
        if as_json:
            ui.json(ended.view(log.now()))
        else:
            ui.note(f"Revoked wk_{ended.id} ({ended.name}).")


def _ring(log: Log, workspace: str | None) -> KeyRing:
    """Return the keys of the workspace that was named, or of the only one; a key may be the first that it has."""
    found = log.workspaces()
    if workspace is None and len(found) != 1:
        raise InvalidSetting("No workspace was named", "Use --workspace, or set WHODID_WORKSPACE")
    return KeyRing(log, workspace or found[0], actor=caller(), context=CONTEXT)


def _end(log: Log, days: int | None) -> datetime | None:
    if days is None:
        return None
    if not 1 <= days <= 3_650:
        raise InvalidSetting(f"A key cannot live {days} days", "Use 1 to 3,650")
    return log.now() + timedelta(days=days)


def _show(made: MadeKey, now: datetime, *, as_json: bool) -> None:
    if as_json:
        ui.json({**made.key.view(now), "key": made.text})
        return
    ui.line(made.text)
    ends = f"until {_day(made.key.expires_at)}" if made.key.expires_at else "until it is revoked"
    ui.note(f"wk_{made.key.id} ({made.key.name}) may {', '.join(made.key.scopes)}, {ends}. It is not shown again.")


def _day(at: datetime | None) -> str:
    return "never" if at is None else f"{at.astimezone(UTC):%Y-%m-%d}"


@ui.command
@ui.argument("spool")
@ui.option("--url", metavar="URL", required=True, help="Address of the server.")
@ui.option("--key-file", "key_file", metavar="PATH", required=True, help="File that holds the API key.")
@ui.option("--timeout", type=float, default=60.0, show_default=True, metavar="N", help="Seconds to keep trying.")
@ui.option("--refused", is_flag=True, help="Also send once more what the server had refused.")
@ui.json_option
@ui.workspace_option
def ship(
    *, spool: str, url: str, key_file: str, timeout: float, refused: bool, as_json: bool, workspace: str | None
) -> None:
    """Send what dead processes left in the folder SPOOL.

    Processes that run send by themselves, and are left alone.

    Exit code 1: something is left, or was refused by the server.
    """
    from whodid.capture.remote import ship as send

    path = Path(key_file)
    with ui.progress("Sending", None) as progress:
        done = send(
            Path(spool),
            url,
            lambda: path.read_text(encoding="utf-8"),
            timeout=timeout,
            workspace=workspace,
            refused=refused,
            progress=progress,
        )
    if as_json:
        ui.json(msgspec.to_builtins(done))
    else:
        ui.note(f"Delivered {ui.counted(done.delivered, 'event')}.")
        if done.quarantined:
            ui.note(f"The server refused {done.quarantined:,}; they lie in {spool}/refused.ndjson, with the reasons.")
        if done.dropped:
            ui.note(f"A full spool had dropped {done.dropped:,}; the log has an entry about it.")
        if done.damaged:
            ui.note(f"Skipped {done.damaged:,} damaged bytes.")
        if done.running:
            ui.note(f"Left {done.running} to processes that run.")
        if not done.finished:
            ui.note(f"Something is left: {done.fault}")
    ui.finish(ui.OK if done.finished and not done.quarantined else ui.PROBLEM)


COMMANDS = {"keys": keys, "ship": ship}
