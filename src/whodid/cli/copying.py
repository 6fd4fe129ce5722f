"""The commands that make a second store of one: a backup, and a move."""

from __future__ import annotations

from pathlib import Path

import msgspec

from whodid.cli import ui
from whodid.errors import InvalidSetting, StoreUnavailable
from whodid.log import abandon_between, back_up, move_between

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


@ui.command
@ui.argument("file")
@ui.json_option
@ui.store_options
def backup(*, file: str, as_json: bool, store: str | None, key_file: str | None) -> None:
    r"""Copy a SQLite store to FILE while it is used, and verify the copy.

    \b
    whodid backup --store sqlite:///audit.db backup.db

    FILE must not exist; only its owner can read it. Back up the key file
    apart from it, once. Exit code 1: the copy has the problems that are listed,
    and so has the store. A PostgreSQL database has tools of its own.
    """
    if not store:
        raise InvalidSetting("No store was named", "Use --store sqlite:///audit.db, or set WHODID_STORE")
    if store.startswith(_SQLITE) and not Path(store.removeprefix(_SQLITE)).exists():
        raise StoreUnavailable(f"There is no database at {store}", "Check --store or WHODID_STORE")
    with ui.steps() as told:
        reports = back_up(store, Path(file), key=key_file, told=told)
    good = all(one.ok for one in reports)
    if as_json:
        ui.json([{"ok": one.ok, **msgspec.to_builtins(one)} for one in reports])
    else:
        ui.table(
            (">Entries", ">Purged", "Result", "Workspace"),
            [(f"{one.checked:,}", f"{one.purged:,}", "ok" if one.ok else "damaged", one.workspace) for one in reports],
            wide=3,
        )
        for one in reports:
            for problem in one.problems[:3]:
                ui.note(f"{one.workspace}: {problem.fact}.")
    ui.finish(ui.OK if good else ui.PROBLEM)


COMMANDS = {"backup": backup, "copy": copy}
