"""The command that makes an evidence file."""

from __future__ import annotations

from pathlib import Path

from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, choose, listed, open_store
from whodid.evidence import ask, make
from whodid.export import files
from whodid.query import parse, quote
from whodid.retention import hiding

__all__ = ["COMMANDS", "dates"]


@ui.command
@ui.argument("question", nargs=-1)
@ui.option("-o", "--output", metavar="FILE", required=True, help="File to write, an HTML page.")
@ui.option("--recorded", metavar="DATES", help="Only what was recorded then: 30d, 2026-11 …")
@ui.option("--headers", is_flag=True, help="Carry every header, and rest on no index.")
@ui.hide_options
@ui.option("--force", is_flag=True, help="Replace the file if it exists.")
@ui.zone_option
@ui.json_option
@ui.workspace_option
@ui.store_options
def evidence(
    *,
    question: tuple[str, ...],
    output: str,
    recorded: str | None,
    headers: bool,
    hide: tuple[str, ...],
    hide_person: tuple[str, ...],
    force: bool,
    zone: str,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Write one page that answers QUESTION and proves that nothing is missing.

    All parts must hold, a comma means or; without any it is about everything.

    \b
    whodid evidence -o contact.html resource:contact:con_4H7P
    whodid evidence -o maria.html actor:user:usr_2M --recorded 2026-11
    whodid evidence -o access.html access    (also: approvals, action:contact.*)
    """
    with open_store(store, key_file) as log:
        workspace = choose(log, workspace)
        period = parse(f"date:{dates(recorded)}" if recorded else "", now=log.now(), zone=zone)
        asked = ask(question, catalog=log.catalog, since=period.since, until=period.until)
        hidden = hiding(log, workspace, listed(hide), hide_person)
        with files.written_whole(Path(output), replace=force) as out:
            made = make(log, workspace, asked, actor=caller(), context=CONTEXT, headers=headers, hiding=hidden)
            out.write(made.file)
    if as_json:
        ui.json(
            {"file": output, "count": made.count, "size": len(made.file), "sha256": made.sha256, "index": made.index}
        )
    else:
        entries = ui.counted(made.count, "entry")
        ui.note(f"{entries}, {len(made.file):,} bytes, sha256 {made.sha256}; recorded as entry {made.index}.")


def dates(text: str) -> str:
    """Write dates as people give them so that the query language reads them as one value."""
    return "..".join(quote(piece) if " " in piece else piece for piece in text.split(".."))


COMMANDS = {"evidence": evidence}
