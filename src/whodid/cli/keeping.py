"""Commands that keep: export, verify, purge, retention."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import msgspec

from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, choose, every, open_store
from whodid.errors import InvalidSetting
from whodid.export import FORMATS, Exported, Format, export, files, verify_export
from whodid.export import Report as FileReport
from whodid.log import Log
from whodid.log import Report as LogReport
from whodid.model import Reason
from whodid.query import parse
from whodid.retention import Policy, change_policy, preview, purge, read_policy

__all__ = ["COMMANDS"]

# ------------------------------------------------------------------------------------------------------------- export


@ui.command
@ui.argument("query", nargs=-1)
@ui.option("-o", "--output", metavar="FILE", default="-", help="File to write. [default: standard output]")
@ui.option("--format", "chosen", type=ui.Choice(FORMATS), help="[default: by the file's name, else ndjson]")
@ui.option("--proofs", is_flag=True, help="Let the file verify offline; ndjson only.")
@ui.option("--bom", is_flag=True, help="Begin CSV with a byte order mark.")
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
    force: bool,
    zone: str,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Write every entry that matches QUERY to a file.

    The file appears only when it is complete, and the export is itself recorded.

    \b
    whodid export -o november.csv date:2026-11-01..2026-11-30
    whodid export --proofs -o evidence.ndjson resource:contact:con_4H7P
    """
    format = chosen or _format_of(output)
    if output == "-" and format == "parquet" and ui.for_people():
        raise InvalidSetting("Parquet is not for a terminal", "Name a file with --output")
    with open_store(store, key_file) as log:
        workspace = choose(log, workspace)
        asked = parse(" ".join(query), now=log.now(), zone=zone)
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
        ui.note(f"{done.count:,} entries, {done.size:,} bytes, sha256 {done.sha256}; recorded as entry {done.index}.")


def _format_of(output: str) -> Format:
    suffix = Path(output).suffix.lower()
    return {".csv": "csv", ".parquet": "parquet"}.get(suffix, "ndjson")  # type: ignore[return-value]


# ------------------------------------------------------------------------------------------------------------- verify


@ui.command
@ui.argument("file", required=False)
@ui.option("--key", "keys", multiple=True, metavar="VKEY", help="Trusted verifier key, or a file of them.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def verify(
    *,
    file: str | None,
    keys: tuple[str, ...],
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Check for tampering: the store, or FILE, an export made with --proofs.

    A file needs no store. Trust its key only if you got the key from elsewhere
    (--key), or let a store vouch for it (--store).

    \b
    whodid verify --store sqlite:///audit.db
    whodid verify evidence.ndjson --key 'localhost/audit/6f…+1a2b3c4d+AX…'

    Exit code 0: all is well. 1: something was changed. 5: the file agrees with
    itself, but nobody vouches for its key.
    """
    if file is None:
        if keys:
            raise InvalidSetting("--key belongs to a file, and none was named", "Name the exported file")
        _verify_store(store, key_file, workspace, as_json=as_json)
    else:
        _verify_file(file, keys, store, key_file, as_json=as_json)


def _verify_store(store: str | None, key_file: str | None, workspace: str | None, *, as_json: bool) -> None:
    with open_store(store, key_file) as log:
        reports = [_verified(log, name) for name in every(log, workspace)]
    if as_json:
        ui.json([{"ok": report.ok, **msgspec.to_builtins(report)} for report in reports])
    else:
        ui.table((">Checked", ">Purged", "Result", "Workspace"), map(_result_row, reports), wide=3)
        for report in reports:
            if report.first_bad is not None:
                ui.note(f"{report.workspace}: the first bad entry is {report.first_bad}.")
            for problem in report.problems:
                place = "the log" if problem.index is None else f"entry {problem.index}"
                ui.note(f"{report.workspace}, {place}: {problem.fact}.")
    ui.finish(ui.OK if all(report.ok for report in reports) else ui.PROBLEM)


def _verified(log: Log, workspace: str) -> LogReport:
    with ui.progress(f"Verifying {workspace}", log.head(workspace).size) as progress:
        return log.verify(workspace, lambda done, _total: progress(done))


def _result_row(report: LogReport) -> tuple[str, ...]:
    found = len(report.problems)
    result = "ok" if report.ok else f"{found} problem{'s' * (found != 1)}"
    return f"{report.checked:,}", f"{report.purged:,}", result, report.workspace


def _verify_file(name: str, keys: tuple[str, ...], store: str | None, key_file: str | None, *, as_json: bool) -> None:
    trusted = [key for given in keys for key in _read_keys(given)]
    recorded: int | None = None
    with ExitStack() as stack:
        log = stack.enter_context(open_store(store, key_file)) if store and not trusted else None
        if log is not None:
            trusted = [log.verifier_key(workspace) for workspace in log.workspaces()]
        file = stack.enter_context(Path(name).open("rb"))
        manifest = files.last_line(file)
        progress = stack.enter_context(ui.progress("Verifying", _announced(manifest)))
        report = verify_export(_counted(files.lines(file), progress), manifest, trusted=trusted)
        if log is not None and report.trusted:
            recorded = _recorded(log, report)
    if as_json:
        ui.json({"ok": report.ok, "recorded_as": recorded, **msgspec.to_builtins(report)})
    else:
        _tell(report, recorded, vouched=log is not None)
    ui.finish(ui.PROBLEM if not report.ok else ui.OK if report.trusted else ui.UNKNOWN_KEY)


def _announced(manifest: bytes) -> int | None:
    """Return how many entries a manifest speaks of, before anything is verified, for the progress bar alone."""
    try:
        return msgspec.json.decode(manifest, type=_Announced).count
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Announced(msgspec.Struct):
    count: int


def _read_keys(given: str) -> list[str]:
    """Return the keys of a file, one per line, or the key itself."""
    path = Path(given)
    if "+" in given and not path.is_file():
        return [given]
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _counted(lines: Iterator[bytes], progress: Callable[[int], None]) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        if not number % 500:
            progress(number)
        yield line


def _recorded(log: Log, report: FileReport) -> int | None:
    """Return the index of the entry that recorded this very export, if the log has it."""
    if report.workspace not in log.workspaces():
        return None
    for entry in log.stream(report.workspace, "action:audit.exported"):
        if entry.details and entry.details.get("sha256") == report.digest:
            return entry.index
    return None


def _tell(report: FileReport, recorded: int | None, *, vouched: bool) -> None:
    if report.origin:
        asked = report.query or "everything"
        at = "" if report.exported_at is None else f"{report.exported_at:%Y-%m-%d %H:%M:%S} UTC"
        rows = [
            ("Entries", f"{report.proven:,} of {report.count:,} proven"),
            ("Query", f"{asked}, exported {at}"),
            ("Log", f"{report.origin}, {report.size:,} entries, workspace {report.workspace}"),
            ("Key", f"{report.vkey} ({'trusted' if report.trusted else 'nobody vouches for it'})"),
            ("Complete", _completeness(report)),
        ]
        if vouched:
            found = f"this very file, as entry {recorded}" if recorded is not None else "not this file"
            rows.append(("Recorded", found))
        ui.table(("", ""), rows, wide=1)
    for problem in report.problems:
        place = "the manifest" if problem.line is None else f"line {problem.line}"
        entry = "" if problem.index is None else f", entry {problem.index}"
        ui.note(f"{place}{entry}: {problem.fact}.")
    if report.ok and not report.trusted:
        ui.note(
            "The file agrees with itself. Compare its key with one that you got from elsewhere, and pass it as --key."
        )


def _completeness(report: FileReport) -> str:
    if report.gapless:
        return f"every entry from {report.first} to {report.size - 1}"
    return "the file cannot tell; compare it with the log that it came from (--store)"


# -------------------------------------------------------------------------------------------------- purge, retention


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
            _foretell(log, every(log, workspace), as_json=as_json)
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


def _foretell(log: Log, workspaces: list[str], *, as_json: bool) -> None:
    found = [(name, preview(log, name)) for name in workspaces]
    if as_json:
        ui.json([{"workspace": name, **msgspec.to_builtins(one)} for name, one in found])
        return
    rows = []
    for name, one in found:
        for term in one.terms:
            which = ", ".join(f"{label} {count:,}" for label, count in sorted(term.classes.items()))
            span = "" if term.lowest is None else f"{term.lowest}-{term.highest}"
            before = f"{term.cutoff:%Y-%m-%d}"
            rows.append((f"{term.entries:,}", span, before, f"{term.days} days", which, name))
    ui.table((">Would go", "Entries", "Recorded before", "Kept", "Classes", "Workspace"), rows, wide=5)
    for name, one in found:
        ui.note(f"{name}: {one.entries:,} would go, {one.stays:,} would stay. Nothing was changed.")


@ui.command
@ui.option("--days", metavar="N", help="Keep entries for N days, or `forever`.")
@ui.option("--class", "classes", multiple=True, metavar="NAME=N", help="The same for one retention class.")
@ui.option("--reason", metavar="TEXT", help="Why; it is recorded.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def retention(
    *,
    days: str | None,
    classes: tuple[str, ...],
    reason: str | None,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Show how long entries are kept, or change it. A change is itself recorded.

    \b
    whodid retention --days 365 --reason 'Auditor asked for a year'
    """
    with open_store(store, key_file) as log:
        if days is None and not classes:
            names = every(log, workspace)
        else:
            names = [choose(log, workspace)]
            old = read_policy(log, names[0])
            changed = {name: _days(value) for name, _, value in (one.partition("=") for one in classes)}
            policy = Policy(
                days=old.days if days is None else _days(days),
                classes={**old.classes, **changed},
            )
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
    return "for good" if days is None else f"{days} days"


COMMANDS = {"export": export_, "verify": verify, "purge": purge_, "retention": retention}
