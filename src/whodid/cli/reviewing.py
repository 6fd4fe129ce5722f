"""The commands that show reviews: how the workspace stands, and what was signed, checked anew and with its evidence.

To begin and to sign one takes a person whom the log knows; that is done in the viewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whodid.canonical import time_text
from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, choose, open_store
from whodid.evidence import Made, ask, make
from whodid.export import files
from whodid.log import Log
from whodid.model import Entry
from whodid.query import indexes_of, spans
from whodid.review import Checked, Reviews, check, rests_on

__all__ = ["COMMANDS"]

_ITEMS = {
    "same": "The rules make the same items of its period.",
    "different": "The rules make other items of its period: it was not done by them, or the catalog changed since.",
    "gone": "Entries of its period left by retention: whether its items are those of the rules cannot be told.",
}


@ui.group
def review() -> None:
    """Show the reviews of a log, and check what was signed.

    A review is begun and signed in the viewer, by a person.
    """


@review.command("list")
@ui.json_option
@ui.workspace_option
@ui.store_options
def list_reviews(*, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """List signed reviews, newest first, and say when the next one is due."""
    with open_store(store, key_file) as log:
        reviews = Reviews(log, choose(log, workspace), actor=caller())
        standing, signed = reviews.standing(), reviews.signed()
    due = None if standing.due_at is None else time_text(standing.due_at)
    if as_json:
        under_way = None if standing.open is None else standing.open.number
        ui.json(
            {"due_at": due, "overdue": standing.overdue, "open": under_way, "items": [_short(one) for one in signed]}
        )
        return
    columns = (">Review", "Signed (UTC)", "By", "Entries", ">Items", ">Unseen", "Comment")
    ui.table(columns, map(_row, signed), wide=6)
    if standing.open is not None:
        done, all_ = len(standing.open.marks), len(standing.open.items)
        ui.note(f"Review {standing.open.number} is under way: {done} of {all_} items were looked at.")
    if due is not None:
        ui.note(f"The next review {'was' if standing.overdue else 'is'} due on {due[:10]}.")


@review.command("show")
@ui.argument("number", type=int)
@ui.option("-o", "--output", metavar="FILE", help="Write the evidence for it to this file as well.")
@ui.option("--force", is_flag=True, help="Replace the file if it exists.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def show(
    *,
    number: int,
    output: str | None,
    force: bool,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    """Show signed review NUMBER, do it again, and say whether the same came out.

    The evidence file holds exactly its entry and the entries it rests on.
    """
    with open_store(store, key_file) as log:
        workspace = choose(log, workspace)
        entry = Reviews(log, workspace, actor=caller()).entry(number)
        checked = check(log, workspace, entry)
        made = _write(log, workspace, entry, Path(output), force=force) if output else None
    if as_json:
        file = None if made is None else {"file": output, "count": made.count, "sha256": made.sha256}
        ui.json({**_short(entry), "details": entry.details, "checked": checked, "evidence": file})
    else:
        _tell(entry, checked)
        if made is not None:
            rests = ui.counted(made.count, "entry")
            ui.note(f"{output}: {rests}, {len(made.file):,} bytes; recorded as entry {made.index}.")
    if not checked.checkpoint or checked.items == "different":
        ui.finish(ui.PROBLEM)


def _write(log: Log, workspace: str, entry: Entry, path: Path, *, force: bool) -> Made:
    first = log.head(workspace).first
    kept = [at for at in rests_on(entry) if at >= first]
    with files.written_whole(path, replace=force) as out:
        question = ask([f"entry:{spans(kept)}"], catalog=log.catalog)
        made = make(log, workspace, question, actor=caller(), context=CONTEXT)
        out.write(made.file)
    return made


def _said(entry: Entry) -> Mapping[str, Any]:
    return entry.details or {}


def _short(entry: Entry) -> dict[str, Any]:
    said = _said(entry)
    return {
        "number": said["review"],
        "index": entry.index,
        "signed_at": time_text(entry.recorded_at),
        "signed_by": entry.actor.name or entry.actor.id,
        "since": said["since"],
        "until": said["until"],
        "comment": entry.reason.text if entry.reason is not None else None,
        "counts": said["counts"],
    }


def _row(entry: Entry) -> tuple[str, ...]:
    said, short = _said(entry), _short(entry)
    counts = said["counts"]
    return (
        str(short["number"]),
        f"{entry.recorded_at:%Y-%m-%d %H:%M}",
        short["signed_by"],
        f"{said['start']}..{said['stop'] - 1}",
        str(counts["seen"] + counts["unseen"]),
        str(counts["unseen"]),
        short["comment"] or "",
    )


def _tell(entry: Entry, checked: Checked) -> None:
    said, short = _said(entry), _short(entry)
    counts, sample = said["counts"], said["sample"]
    ui.line(f"Review {short['number']}, signed by {short['signed_by']} at {short['signed_at']} (entry {entry.index})")
    ui.line(f"Entries {said['start']} to {said['stop'] - 1}, from {said['since']} to {said['until']}")
    ui.line(f"Checkpoint: {said['size']} entries, root {said['root']}")
    drawn = len(indexes_of(sample["entries"]))
    ui.line(f"Sample: {drawn} of {sample['of']}, by the rule {sample['rule']}: {sample['entries']}")
    ui.line(
        f"Looked at: {counts['seen']}; not: {counts['unseen']}; raised: {counts['raised']}; own acts: {counts['own']}"
    )
    if said.get("unseen_reason"):
        ui.line(f"Why not: {said['unseen_reason']}")
    if short["comment"]:
        ui.line(f"Comment: {short['comment']}")
    for item in said["items"]:
        looked = f"{item['seen'][:16]}Z {item['by']}" if "seen" in item else "not looked at"
        more = [item[name] for name in ("comment", "alert") if name in item]
        ui.line("  " + "; ".join([f"{item['why']} {item['entries']}: {looked}", *more]))
    ui.line("- " + ("The log continues" if checked.checkpoint else "The log does not continue") + " its checkpoint.")
    ui.line(f"- {_ITEMS[checked.items]}")


COMMANDS = {"review": review}
