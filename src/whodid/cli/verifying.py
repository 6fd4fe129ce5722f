"""The command that verifies: a store, or an exported file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from whodid.cli import ui
from whodid.cli.kept import hold_against, read_heads
from whodid.cli.opening import every, open_store, read_keys
from whodid.cli.outside import NOTHING, Outside
from whodid.cli.verdicts import PAGE, anchor_words, recorded_as, verify_page
from whodid.errors import InvalidSetting
from whodid.export import Report as FileReport
from whodid.export import files, verify_export
from whodid.log import ANCHORS, Log
from whodid.log import Report as LogReport
from whodid.retention import lost_holds
from whodid.witness import read_policy
from whodid.witness.stamp import read_certificates

__all__ = ["COMMANDS"]

_TOLD = 10


@ui.command
@ui.argument("file", required=False)
@ui.option("--key", "keys", multiple=True, metavar="VKEY", help="Trusted verifier key, or a file of them.")
@ui.option("--policy", metavar="FILE", help="Demand the witnesses of a policy (C2SP tlog-policy).")
@ui.option("--head", "heads", multiple=True, metavar="FILE", help="Signed head that was kept; repeatable.")
@ui.option("--stamps", metavar="FILE", help="Demand a time stamp; PEM file of its authority.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def verify(
    *,
    file: str | None,
    keys: tuple[str, ...],
    policy: str | None,
    heads: tuple[str, ...],
    stamps: str | None,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Check for tampering: the store, or FILE, which it made with proofs.

    A file needs no store. Trust its key only if you got the key from elsewhere
    (--key), or let a store vouch for it (--store). The script of an evidence
    page is ignored.

    \b
    whodid verify --store sqlite:///audit.db --head kept-in-october.txt
    whodid verify contact.html --key 'localhost/audit/6f…+1a2b3c4d+AX…'

    Exit code 0: all is well. 1: something was changed. 5: the file agrees with
    itself, but nobody vouches for its key.
    """
    rules = Outside(read_policy(policy) if policy else None, read_certificates(stamps) if stamps else ())
    if file is None:
        if keys:
            raise InvalidSetting("--key belongs to a file, and none was named", "Name the exported file")
        _verify_store(store, key_file, workspace, rules, read_heads(heads), as_json=as_json)
    elif heads:
        raise InvalidSetting("--head is held against a store, and a file was named", "Name no file, but --store")
    else:
        _verify_file(file, keys, store, key_file, rules, as_json=as_json)


def _verify_store(
    store: str | None,
    key_file: str | None,
    workspace: str | None,
    outside: Outside,
    heads: list[str],
    *,
    as_json: bool,
) -> None:
    with open_store(store, key_file) as log:
        # Those come first: a store of which everything was taken is no empty store.
        lost = log.lost() if workspace is None else ()
        names = [] if lost and not log.workspaces() else every(log, workspace)
        if workspace is None and log.has_anchors():
            names.append(ANCHORS)
        reports = [_verified(log, name) for name in names]
        found = [outside.of_log(log, one.workspace) for one in reports]
        held, continued, all_told = hold_against(log, reports, heads, alone=workspace is not None)
        reports, lost = held[: len(reports)], (*lost, *held[len(reports) :])
    good = not lost and all(report.ok for report in reports) and all(one.good for one in found)
    if as_json:
        ui.json(
            [
                {"ok": report.ok, **msgspec.to_builtins(report), **one.told()}
                for report, one in [*zip(reports, found, strict=True), *((one, NOTHING) for one in lost)]
            ]
        )
    else:
        ui.table((">Checked", ">Purged", "Result", "Workspace"), map(_result_row, [*reports, *lost]), wide=3)
        for report in [*reports, *lost]:
            if report.first_bad is not None:
                ui.note(f"{report.workspace}: the first bad entry is {report.first_bad}.")
            for problem in report.problems[:_TOLD]:
                place = "the log" if problem.index is None else f"entry {problem.index}"
                ui.note(f"{report.workspace or report.origin}, {place}: {problem.fact}.")
            _rest(len(report.problems))
        for report, one in zip(reports, found, strict=True):
            for said in one.words():
                ui.note(f"{report.workspace}: {said}")
        for said in continued:
            ui.note(said)
        if lost:
            ui.note("Restore the newest copy of the store. The file of a log that was given up on purpose can go.")
    ui.finish(ui.PROBLEM if not good else ui.OK if all_told else ui.ABSENT)


def _verified(log: Log, workspace: str) -> LogReport:
    with ui.progress(f"Verifying {workspace}", log.head(workspace).size) as progress:
        report = log.verify(workspace, lambda done, _total: progress(done))
    for hold in lost_holds(log, workspace) if workspace != ANCHORS else ():
        report = report.contradicted(
            f"the legal hold {hold.id} was placed at {hold.placed_at:%Y-%m-%d %H:%M} and never released, and somebody "
            "took it away; it is heeded all the same"
        )
    return report


def _result_row(report: LogReport) -> tuple[str, ...]:
    found = len(report.problems)
    result = "ok" if report.ok else f"{found} problem{'s' * (found != 1)}"
    return f"{report.checked:,}", f"{report.purged:,}", result, report.workspace or report.origin


def _verify_file(
    name: str,
    keys: tuple[str, ...],
    store: str | None,
    key_file: str | None,
    outside: Outside,
    *,
    as_json: bool,
) -> None:
    trusted = [key for given in keys for key in read_keys(given)]
    vouched: _Vouched | None = None
    with ExitStack() as stack:
        log = stack.enter_context(open_store(store, key_file)) if store and not trusted else None
        owners = {} if log is None else {log.verifier_key(workspace): workspace for workspace in log.workspaces()}
        file = stack.enter_context(Path(name).open("rb"))
        if file.read(len(PAGE)).lower() == PAGE:
            file.seek(0)
            code = verify_page(file.read(), trusted, log, outside, as_json=as_json)
            ui.finish(code)
        manifest = files.last_line(file)
        progress = stack.enter_context(ui.progress("Verifying", _announced(manifest)))
        report = verify_export(_counted(files.lines(file), progress), manifest, trusted=trusted or owners)
        if log is not None and report.trusted:
            vouched = _vouched(log, owners[report.vkey], report)
    heads = [(_note(manifest), b""), *[(one.checkpoint, one.stamp) for one in report.anchors]] if report.ok else []
    found = outside.of_heads(heads, report.vkey)
    good = report.ok and (vouched is None or vouched.fault is None) and found.good
    if as_json:
        known = None if vouched is None else vouched.entry
        fault = None if vouched is None else vouched.fault
        ui.json({"ok": good, "recorded_as": known, "log_says": fault, **msgspec.to_builtins(report), **found.told()})
    else:
        _tell(report, vouched)
        for said in found.words():
            ui.note(said)
    ui.finish(ui.PROBLEM if not good else ui.OK if report.trusted else ui.UNKNOWN_KEY)


class _Vouched(NamedTuple):
    """What the log says about a file that its key signed.

    Args:
        entry: Index of the entry that recorded this very file.
        fault: Why the log cannot be the file's origin as it stands.
    """

    entry: int | None
    fault: str | None


def _vouched(log: Log, workspace: str, report: FileReport) -> _Vouched:
    """Look for the entry that recorded the file; without it lines may be missing that no proof speaks of."""
    if report.workspace != workspace:
        return _Vouched(
            None, f"The file calls the workspace {report.workspace!r}, and the key is that of {workspace!r}"
        )
    entry = recorded_as(log, workspace, report.digest)
    # Its place was at or above the size that is signed in the file: if that was never purged, it was never there.
    if entry is not None or report.gapless or log.head(workspace).first > report.size:
        return _Vouched(entry, None)
    return _Vouched(None, "The log recorded no export of this very file: entries may be missing from it")


def _announced(manifest: bytes) -> int | None:
    """Return how many entries a manifest speaks of, before anything is verified, for the progress bar alone."""
    try:
        return msgspec.json.decode(manifest, type=_Announced).count
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Announced(msgspec.Struct):
    count: int


def _note(manifest: bytes) -> str:
    """Return the checkpoint of a manifest that was verified."""
    return msgspec.json.decode(manifest, type=_Signed).checkpoint


class _Signed(msgspec.Struct):
    checkpoint: str


def _counted(lines: Iterator[bytes], progress: Callable[[int], None]) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        if not number % 500:
            progress(number)
        yield line


def _tell(report: FileReport, vouched: _Vouched | None) -> None:
    if report.origin:
        asked = report.query or "everything"
        at = "" if report.exported_at is None else f"{report.exported_at:%Y-%m-%d %H:%M:%S} UTC"
        rows = [
            ("Entries", f"{report.proven:,} of {report.count:,} proven; {report.hidden:,} fields hidden in this file"),
            ("Query", f"{asked}, exported {at}"),
            ("Log", f"{report.origin}, {report.size:,} entries, workspace {report.workspace}"),
            ("Key", f"{report.vkey} ({'trusted' if report.trusted else 'nobody vouches for it'})"),
            ("Complete", _completeness(report)),
        ]
        rows += [("Anchor", anchor_words(one.size, stamped=bool(one.stamp))) for one in report.anchors]
        if vouched is not None:
            found = f"this very file, as entry {vouched.entry}" if vouched.entry is not None else "not this file"
            rows.append(("Recorded", found))
        ui.table(("", ""), rows, wide=1)
    for problem in report.problems[:_TOLD]:
        place = "the manifest" if problem.line is None else f"line {problem.line}"
        entry = "" if problem.index is None else f", entry {problem.index}"
        ui.note(f"{place}{entry}: {problem.fact}.")
    _rest(len(report.problems))
    if vouched is not None and vouched.fault is not None:
        ui.note(f"the log: {vouched.fault}.")
    if report.ok and not report.trusted:
        ui.note(
            "The file agrees with itself. Compare its key with one that you got from elsewhere, and pass it as --key."
        )


def _rest(problems: int) -> None:
    """Say how many problems were not told."""
    if problems > _TOLD:
        ui.note(f"… and {problems - _TOLD} further problems; --json lists them.")


def _completeness(report: FileReport) -> str:
    if report.gapless:
        return f"every entry from {report.first} to {report.size - 1}"
    return "the file cannot tell; compare it with the log that it came from (--store)"


COMMANDS = {"verify": verify}
