"""The command that moves the logs to another store."""

from __future__ import annotations

from pathlib import Path

import msgspec

from whodid.cli import ui
from whodid.errors import StoreUnavailable
from whodid.log import abandon_between, move_between

__all__ = ["COMMANDS"]

_SQLITE = "sqlite:///"


@ui.command
@ui.argument("source")
@ui.argument("destination")
@ui.option("--key-file", envvar="WHODID_KEY_FILE", metavar="PATH", help="Key of SOURCE. [default: beside it]")
@ui.option("--to-key-file", metavar="PATH", help="Where the key of DESTINATION shall be. [default: beside it]")
@ui.option("--abandon", is_flag=True, help="Give up an unfinished copy, and use SOURCE again.")
@ui.json_option
def copy(
    *, source: str, destination: str, key_file: str | None, to_key_file: str | None, abandon: bool, as_json: bool
) -> None:
    r"""Move all logs from SOURCE to DESTINATION, an empty store.

    \b
    whodid copy sqlite:///audit.db postgresql://whodid@db.example/whodid

    Entries, proofs, seals, signed heads, policies, holds, keys of workspaces:
    everything goes along as it is. From the first moment on, SOURCE records
    and signs nothing; servers answer 503 and senders keep their events. At the
    end DESTINATION is verified and SOURCE stays to be read. Interrupted, the
    same command goes on where it was.
    """
    if source.startswith(_SQLITE) and not Path(source.removeprefix(_SQLITE)).exists():
        raise StoreUnavailable(f"There is no database at {source}", "Check SOURCE")
    if abandon:
        abandon_between(source, destination)
        ui.note("Given up. The source records and signs again; the destination is of no use any more.")
        return
    with ui.steps() as told:
        moved = move_between(source, destination, key=key_file, destination_key=to_key_file, told=told)
    if as_json:
        ui.json(msgspec.to_builtins(moved._asdict()))
        return
    ui.table(
        (">Entries", ">Purged", "Result", "Workspace"),
        [(f"{one.checked:,}", f"{one.purged:,}", "ok", one.workspace) for one in moved.workspaces],
        wide=3,
    )
    said = "entry was" if moved.entries == 1 else "entries were"
    ui.note(f"{moved.entries:,} {said} copied and verified. Point servers and applications to the new store.")


COMMANDS = {"copy": copy}
