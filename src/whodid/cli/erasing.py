"""Commands of erasure: erasing a person, which erasures there were, and erasing again after a restore."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, choose, every, open_store
from whodid.errors import InvalidSetting
from whodid.export import default_folder
from whodid.model import Reason
from whodid.retention import (
    erase_person,
    preview_erasure,
    read_erasures,
    read_register,
    repeat_erasure,
    write_register,
)
from whodid.server.places import add_places

__all__ = ["COMMANDS"]

_MOST_SHOWN = 20


@ui.command
@ui.argument("person")
@ui.option("--reason", metavar="TEXT", help="On which request; it is recorded. Do not name the person.")
@ui.option("--mentions", is_flag=True, help="Also erase what others wrote about the person.")
@ui.option("--despite-holds", is_flag=True, help="Erase also what a legal hold keeps.")
@ui.option("--exports", metavar="PATH", help="Folder of the server's exports. [default: beside the database]")
@ui.option("--dry-run", is_flag=True, help="Only show what would go, and change nothing.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def erase(
    *,
    person: str,
    reason: str | None,
    mentions: bool,
    despite_holds: bool,
    exports: str | None,
    dry_run: bool,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    """Erase PERSON, written as type:id, such as contact:con_7.

    Names, addresses and personal values go for good, from the files as
    well, and export files that the server still keeps are removed, and so is
    what detection learned of the person and wrote about them; entries,
    ids and every proof stay. Files that somebody fetched are not reached.
    """
    with open_store(store, key_file) as log:
        made = Path(exports) if exports else default_folder(store or "")
        add_places(log, exports=made, spool=default_folder(store or "", "spool"))
        at = choose(log, workspace)
        found = preview_erasure(log, at, person)
        if dry_run:
            if as_json:
                ui.json(msgspec.to_builtins(found))
                return
            ui.note(f"{_share(found.fields, found.entries)} would be erased. Nothing was changed.")
            for one in found.mentions[:_MOST_SHOWN]:
                ui.note(f"Mentioned in entry {one.index}, {one.path}: erased with --mentions only.")
            if len(found.mentions) > _MOST_SHOWN:
                ui.note(f"And in {len(found.mentions) - _MOST_SHOWN:,} further places.")
            for hold in found.held:
                ui.note(f"Legal hold {hold.name} ({hold.id}) keeps some of them.")
            return
        if not reason:
            raise InvalidSetting("A person is erased with a reason", "Give --reason, or look first with --dry-run")
        with ui.progress(f"Erasing {person}", None) as progress:
            done = erase_person(
                log,
                at,
                person,
                actor=caller(),
                reason=Reason(text=reason),
                context=CONTEXT,
                mentions=found.mentions if mentions else (),
                despite_holds=despite_holds,
                progress=progress,
            )
    if as_json:
        ui.json(msgspec.to_builtins(done))
    else:
        ui.note(f"Erased {_share(done.fields, done.entries)}; recorded in {len(done.records)}.")
        for name, count in done.elsewhere.items():
            ui.note(f"Removed from {name}: {count:,}.")
        ui.note(f"Not reached: {', '.join(done.beyond)}.")
        if found.mentions and not mentions:
            ui.note(f"{ui.counted(len(found.mentions), 'mention')} by others stay; see --dry-run.")


@ui.group
def erasures() -> None:
    """List erasures, and do them again after an older copy came back.

    Every erasure is noted in a file beside the key, with ids and names of
    fields and none of the values. It is no part of a backup of the database.
    """


@erasures.command("list")
@ui.json_option
@ui.workspace_option
@ui.store_options
def list_erasures(*, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """List the erasures of one workspace or of all, as the log has them."""
    with open_store(store, key_file) as log:
        found = [one for name in every(log, workspace) for one in read_erasures(log, name)]
    if as_json:
        ui.json(msgspec.to_builtins(found))
        return
    rows = [
        (
            f"{one.at:%Y-%m-%d}",
            one.person,
            f"{one.entries:,}",
            one.actor.name or one.actor.id,
            one.reason,
            one.workspace,
        )
        for one in found
    ]
    ui.table(("Erased", "Person", ">Entries", "By", "Reason", "Workspace"), rows, wide=4)


@erasures.command("export")
@ui.argument("file")
@ui.workspace_option
@ui.store_options
def export_erasures(*, file: str, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Write what was erased, as the log has it, to FILE.

    For a register away from this machine. FILE is replaced when it is there.
    """
    with open_store(store, key_file) as log:
        found = [one for name in every(log, workspace) for one in read_erasures(log, name, whole=True)]
    path = Path(file)
    aside = path.with_name(f"{path.name}.part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as written:
        written.write(write_register(found))
        written.flush()
        os.fsync(descriptor)
    aside.replace(path)
    ui.note(f"Wrote {ui.counted(len(found), 'erasure')} to {file}.")


@erasures.command("replay")
@ui.option("--file", metavar="PATH", help="A register. [default: the one beside the key]")
@ui.json_option
@ui.workspace_option
@ui.store_options
def replay(*, file: str | None, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Erase again what was erased before, after a restore.

    What is erased already is skipped, so it may be run at any time.
    """
    with open_store(store, key_file) as log:
        add_places(log, exports=default_folder(store or ""), spool=default_folder(store or "", "spool"))
        known = set(every(log, workspace))
        noted = read_register(Path(file).read_bytes() if file else log.elsewhere.noted())
        done = [
            (one, repeat_erasure(log, one, actor=caller(), context=CONTEXT)) for one in noted if one.workspace in known
        ]
    again = [(one, report) for one, report in done if report.entries]
    if as_json:
        ui.json(
            [{"workspace": one.workspace, "person": one.person, **msgspec.to_builtins(report)} for one, report in again]
        )
        return
    for one, report in again:
        ui.note(f"{one.workspace}: {one.person}: erased {_share(report.fields, report.entries)} again.")
    ui.note(f"Looked at {ui.counted(len(done), 'erasure')}; {len(again):,} had to be done again.")


def _share(fields: int, entries: int) -> str:
    return f"{ui.counted(fields, 'field')} of {ui.counted(entries, 'entry')}"


COMMANDS = {"erase": erase, "erasures": erasures}
