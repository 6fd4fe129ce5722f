"""The command that erases a person."""

from __future__ import annotations

from pathlib import Path

import msgspec

from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, choose, open_store
from whodid.errors import InvalidSetting
from whodid.export import default_folder
from whodid.model import Reason
from whodid.retention import erase_person, preview_erasure
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
        add_places(log, exports=Path(exports) if exports else default_folder(store or ""))
        at = choose(log, workspace)
        found = preview_erasure(log, at, person)
        if dry_run:
            if as_json:
                ui.json(msgspec.to_builtins(found))
                return
            ui.note(f"{found.fields:,} fields of {found.entries:,} entries would be erased. Nothing was changed.")
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
        ui.note(f"Erased {done.fields:,} fields of {done.entries:,} entries; recorded in {len(done.records)}.")
        for name, count in done.elsewhere.items():
            ui.note(f"Removed from {name}: {count:,}.")
        ui.note(f"Not reached: {', '.join(done.beyond)}.")
        if found.mentions and not mentions:
            ui.note(f"{len(found.mentions):,} mentions by others stay; see --dry-run.")


COMMANDS = {"erase": erase}
