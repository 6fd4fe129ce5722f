"""Commands that keep: export, seal, purge, retention."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

import msgspec

from whodid.catalog import Topic
from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, choose, every, listed, open_store
from whodid.errors import InvalidSetting
from whodid.export import FORMATS, Exported, Format, Split, export, files
from whodid.model import Reason
from whodid.query import parse
from whodid.retention import Policy, Preview, change_policy, hiding, preview, purge, read_policy

__all__ = ["COMMANDS"]

_ONE_FILE = {".csv", ".ndjson", ".parquet"}

# ------------------------------------------------------------------------------------------------------------- export


@ui.command
@ui.argument("query", nargs=-1)
@ui.option("-o", "--output", metavar="FILE", default="-", help="File to write. [default: standard output]")
@ui.option("--format", "chosen", type=ui.Choice(FORMATS), help="[default: by the file's name, else ndjson]")
@ui.option("--proofs", is_flag=True, help="Let the file verify offline; ndjson only.")
@ui.option("--bom", is_flag=True, help="Begin CSV with a byte order mark.")
@ui.option("--columns", metavar="NAMES", default="", help="Columns in this order: a,b,c.")
@ui.option("--split", metavar="month|ROWS", help="Several files, zipped.")
@ui.hide_options
@ui.option("--force", is_flag=True, help="Replace the file if it exists.")
@ui.zone_option
@ui.json_option
@ui.workspace_option
@ui.store_options
def export_(
    *,
    query: tuple[str, ...],
    output: str,
    chosen: Format | None,
    proofs: bool,
    bom: bool,
    columns: str,
    split: str | None,
    hide: tuple[str, ...],
    hide_person: tuple[str, ...],
    force: bool,
    zone: str,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Write every entry that matches QUERY to a file.

    \b
    whodid export --proofs -o evidence.ndjson resource:contact:con_4H7P
    whodid export --format csv --split month -o year.zip date:2026
    """
    format = chosen or _format_of(output)
    parts = _split(split)
    if parts is not None and Path(output).suffix.lower() in _ONE_FILE:
        raise InvalidSetting(
            f"Several files make a zip archive, and {output} is the name of one",
            f"Name it .zip, with --format {format}",
        )
    if output == "-" and (format == "parquet" or parts is not None) and ui.for_people():
        raise InvalidSetting("Such a file is not for a terminal", "Name a file with --output")
    with open_store(store, key_file) as log:
        workspace = choose(log, workspace)
        asked = parse(" ".join(query), now=log.now(), zone=zone)
        hidden = hiding(log, workspace, listed(hide), hide_person)
        expected = log.count(workspace, asked)
        with ui.progress("Exporting", expected.value if expected.exact else None) as progress:

            def write(out: IO[bytes]) -> Exported:
                return export(
                    log,
                    workspace,
                    asked,
                    format,
                    out,
                    actor=caller(),
                    context=CONTEXT,
                    proofs=proofs,
                    bom=bom,
                    columns=[name.strip() for name in columns.split(",") if name.strip()],
                    split=parts,
                    zone=zone,
                    hiding=hidden,
                    progress=progress,
                )

            if output == "-":
                done = write(sys.stdout.buffer)
                sys.stdout.buffer.flush()
            else:
                with files.written_whole(Path(output), replace=force) as out:
                    done = write(out)
    if as_json and output != "-":
        ui.json({"file": output, "format": format, **msgspec.to_builtins(done)})
    else:
        count = ui.counted(done.count, "entry")
        ui.note(f"{count}, {done.size:,} bytes, sha256 {done.sha256}; recorded as entry {done.index}.")


def _split(text: str | None) -> Split | None:
    if text is None or text == "month":
        return text  # type: ignore[return-value]
    if not text.isascii() or not text.isdecimal():
        raise InvalidSetting(f"An export cannot be split by {text[:40]!r}", "Use month, or a number of rows")
    return int(text)


def _format_of(output: str) -> Format:
    suffix = Path(output).suffix.lower()
    return {".csv": "csv", ".parquet": "parquet"}.get(suffix, "ndjson")  # type: ignore[return-value]


# --------------------------------------------------------------------------------------------- seal, purge, retention


@ui.command
@ui.option("--close", is_flag=True, help="Seal what the open segment holds as well.")
@ui.option("--bind", is_flag=True, help="Bind all sealed segments to volumes, however few.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def seal(
    *, close: bool, bind: bool, as_json: bool, workspace: str | None, store: str | None, key_file: str | None
) -> None:
    """Seal the segments that have ended, in one workspace or in all.

    A sealed segment has an index with which an export proves that nothing is
    missing; a volume has one for many segments. Each seal and each volume is
    itself an entry. `whodid serve` seals and binds by itself.
    """
    with open_store(store, key_file) as log:
        done = [
            (
                name,
                log.seal(name, close=close, context=CONTEXT),
                log.bind(name, context=CONTEXT) if bind else (),
            )
            for name in every(log, workspace)
        ]
    if as_json:
        ui.json(
            [
                {"workspace": name, "sealed": msgspec.to_builtins(sealed), "bound": msgspec.to_builtins(bound)}
                for name, sealed, bound in done
            ]
        )
        return
    rows = [
        (f"{one.number:,}", f"{one.start}-{one.stop - 1}", f"{one.index:,}", name)
        for name, sealed, _ in done
        for one in sealed
    ]
    ui.table((">Segment", "Entries", ">Seal", "Workspace"), rows, wide=3)
    volumes = [
        (f"{one.number:,}", f"{one.first}-{one.last}", f"{one.start}-{one.stop - 1}", f"{one.index:,}", name)
        for name, _, bound in done
        for one in bound
    ]
    if volumes:
        ui.table((">Volume", "Segments", "Entries", ">Entry", "Workspace"), volumes, wide=4)
    if not rows and not volumes:
        ui.note("Nothing was left to seal.")


@ui.command
@ui.option("--dry-run", is_flag=True, help="Only show what would go, and change nothing.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def purge_(*, dry_run: bool, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Remove the content of entries whose time is over.

    In one workspace or in all. Whole days go, counted from when an entry was
    recorded; every step is itself recorded, and what remains still verifies.
    `whodid serve` does this by itself.

    Exit code 1: another process is purging, and some may be left.
    """
    with open_store(store, key_file) as log:
        if dry_run:
            _foretell([(name, preview(log, name)) for name in every(log, workspace)], as_json=as_json)
            return
        done = []
        for name in every(log, workspace):
            with ui.progress(f"Purging {name}", None) as progress:
                done.append((name, purge(log, name, actor=caller(), context=CONTEXT, progress=progress)))
        while log.tend():
            pass
    if as_json:
        ui.json([{"workspace": name, **msgspec.to_builtins(one)} for name, one in done])
    else:
        rows = [(f"{one.entries:,}", f"{one.first:,}", "yes" if one.finished else "no", name) for name, one in done]
        ui.table((">Removed", ">First left", "Finished", "Workspace"), rows, wide=3)
    ui.finish(ui.OK if all(one.finished for _, one in done) else ui.PROBLEM)


def _foretell(found: list[tuple[str, Preview]], *, as_json: bool) -> None:
    if as_json:
        ui.json([{"workspace": name, **msgspec.to_builtins(one)} for name, one in found])
        return
    rows = []
    for name, one in found:
        for term in one.terms:
            which = ", ".join(f"{label} {count:,}" for label, count in sorted(term.classes.items()))
            span = "" if term.lowest is None else f"{term.lowest}-{term.highest}"
            before = f"{term.cutoff:%Y-%m-%d}"
            rows.append((f"{term.entries:,}", span, before, ui.counted(term.days, "day"), which, name))
    ui.table((">Would go", "Entries", "Recorded before", "Kept", "Classes", "Workspace"), rows, wide=5)
    for name, one in found:
        held = f", {one.held:,} of them by a legal hold" if one.held else ""
        _tell_loss(one)
        ui.note(f"{name}: {one.entries:,} would go, {one.stays:,} would stay{held}. Nothing was changed.")


_ASKED: dict[Topic, str] = {
    "deletions": "who deleted something",
    "access": "who had which right",
    "approvals": "how a template was approved",
    "keys": "which API keys there were",
    "sign_ins": "who signed in",
    "stops": "why a campaign stopped",
}


def _tell_loss(found: Preview) -> None:
    """Tell what could no longer be said."""
    loss = found.loss
    if found.entries:
        ui.note(f"With them go {loss.bytes:,} bytes about {loss.people:,} people.")
    for one in loss.questions:
        entries = ui.counted(one.entries, "entry")
        ui.note(f"No longer told: {_ASKED[one.question]}, up to {one.until:%Y-%m-%d} ({entries}).")


@ui.command
@ui.option("--days", metavar="N", help="Keep entries for N days, or `forever`.")
@ui.option("--class", "classes", multiple=True, metavar="NAME=N", help="The same for one retention class.")
@ui.option("--reason", metavar="TEXT", help="Why; it is recorded.")
@ui.option("--dry-run", is_flag=True, help="Only show what would go then, and change nothing.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def retention(
    *,
    days: str | None,
    classes: tuple[str, ...],
    reason: str | None,
    dry_run: bool,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Show how long entries are kept, or change it. A change is itself recorded.

    \b
    whodid retention --days 30 --dry-run
    whodid retention --days 365 --reason 'Auditor asked for a year'
    """
    with open_store(store, key_file) as log:
        if days is None and not classes and not dry_run:
            names = every(log, workspace)
        else:
            names = [choose(log, workspace)]
            old = read_policy(log, names[0])
            changed = {name: _days(value) for name, _, value in (one.partition("=") for one in classes)}
            policy = Policy(
                days=old.days if days is None else _days(days),
                classes={**old.classes, **changed},
            )
            if dry_run:
                _foretell([(names[0], preview(log, names[0], policy))], as_json=as_json)
                return
            why = Reason(text=reason) if reason else None
            change_policy(log, names[0], policy, actor=caller(), context=CONTEXT, reason=why)
        policies = [(name, read_policy(log, name)) for name in names]
    if as_json:
        ui.json([{"workspace": name, **msgspec.to_builtins(policy)} for name, policy in policies])
        return
    rows = [
        (_span(policy.days), ", ".join(f"{one} {_span(n)}" for one, n in sorted(policy.classes.items())), name)
        for name, policy in policies
    ]
    ui.table(("Kept", "Classes", "Workspace"), rows, wide=2)


def _days(text: str) -> int | None:
    if text == "forever":
        return None
    if not text.isascii() or not text.isdecimal():
        raise InvalidSetting(f"{text!r} is not a number of days", "Use a number, or the word forever")
    return int(text)


def _span(days: int | None) -> str:
    return "for good" if days is None else ui.counted(days, "day")


COMMANDS = {"export": export_, "seal": seal, "purge": purge_, "retention": retention}
