"""Commands for legal holds: what they keep, no purge removes."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, choose, every, open_store
from whodid.model import Reason
from whodid.retention import Hold, place_hold, preview_hold, release_hold, standing_holds

__all__ = ["COMMANDS"]


@ui.group
def hold() -> None:
    """Keep entries from being purged, whatever the policy says.

    A hold is a query: while it is there, nothing that matches it is removed.
    Placing and releasing it is recorded.
    """


@hold.command("list")
@ui.json_option
@ui.workspace_option
@ui.store_options
def list_holds(*, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """List the holds of one workspace or of all."""
    with open_store(store, key_file) as log:
        found = [(name, one) for name in every(log, workspace) for one in standing_holds(log, name)]
    if as_json:
        ui.json([{"workspace": name, **msgspec.to_builtins(one)} for name, one in found])
    else:
        _table(found)


@hold.command("preview")
@ui.argument("query")
@ui.json_option
@ui.workspace_option
@ui.store_options
def preview(*, query: str, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Show what a hold on QUERY would keep, and place none."""
    with open_store(store, key_file) as log:
        found = preview_hold(log, choose(log, workspace), query)
    if as_json:
        ui.json(msgspec.to_builtins(found))
        return
    span = f", recorded {found.oldest:%Y-%m-%d} to {found.newest:%Y-%m-%d}" if found.oldest and found.newest else ""
    ui.note(f"A hold on {found.query} would keep {ui.counted(found.entries, 'entry')}{span}. Nothing was changed.")


@hold.command("place")
@ui.argument("name")
@ui.argument("query")
@ui.option("--reason", metavar="TEXT", required=True, help="Why; it is recorded.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def place(
    *,
    name: str,
    query: str,
    reason: str,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Place a hold on QUERY; NAME is the matter or case number.

    \b
    whodid hold place 'Case 118' resource:contact:con_7 --reason 'Complaint'
    """
    with open_store(store, key_file) as log:
        at = choose(log, workspace)
        why = Reason(text=reason)
        placed = place_hold(log, at, name=name, query=query, actor=caller(), reason=why, context=CONTEXT)
    _tell(placed, "Placed", as_json=as_json)


@hold.command("release")
@ui.argument("hold")
@ui.option("--reason", metavar="TEXT", required=True, help="Why; it is recorded.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def release(
    *, hold: str, reason: str, as_json: bool, workspace: str | None, store: str | None, key_file: str | None
) -> None:
    """Release HOLD; the next purge may remove what it kept."""
    with open_store(store, key_file) as log:
        at = choose(log, workspace)
        released = release_hold(log, at, hold, actor=caller(), reason=Reason(text=reason), context=CONTEXT)
    _tell(released, "Released", as_json=as_json)


def _tell(one: Hold, done: str, *, as_json: bool) -> None:
    if as_json:
        ui.json(msgspec.to_builtins(one))
    else:
        ui.note(f"{done} {one.id} ({one.name}): {one.query}")


def _table(found: Iterable[tuple[str, Hold]]) -> None:
    rows = [
        (one.id, f"{one.placed_at:%Y-%m-%d}", one.placed_by.name or one.placed_by.id, one.name, one.query, name)
        for name, one in found
    ]
    ui.table(("Hold", "Placed", "By", "Name", "Query", "Workspace"), rows, wide=4)


COMMANDS = {"hold": hold}
