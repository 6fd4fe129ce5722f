"""Heads that somebody kept elsewhere: what a store is held against, so that it can have no other past."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from whodid.errors import InvalidSetting, MalformedProof, ProofError, Purged
from whodid.log import Log, Report
from whodid.proof.checkpoint import open_checkpoint, parse_checkpoint
from whodid.proof.note import Verifier, parse_note

__all__ = ["hold_against", "read_heads"]


class _Delivered(msgspec.Struct):
    """A head as a sink got it."""

    checkpoint: str


def read_heads(names: Sequence[str]) -> list[str]:
    """Return the signed notes of files: one as `whodid head show` prints it, or as many as a sink got, one a line.

    Raises:
        InvalidSetting: A file cannot be read, or holds something else.
    """
    found: list[str] = []
    for name in names:
        try:
            text = Path(name).read_text(encoding="utf-8")
            lines = text.splitlines() if text.startswith("{") else []
            notes = [msgspec.json.decode(line, type=_Delivered).checkpoint for line in lines] or [text]
            for note in notes:
                parse_checkpoint(parse_note(note)[0])
        except OSError as error:
            raise InvalidSetting(f"{name} cannot be read: {error.strerror}", "Check the path") from None
        except (UnicodeDecodeError, msgspec.DecodeError, MalformedProof):
            raise InvalidSetting(
                f"{name} holds no signed head", "Keep what whodid head show prints, or what a sink of heads got"
            ) from None
        found += notes
    return found


def hold_against(
    log: Log, reports: list[Report], notes: Sequence[str], *, alone: bool
) -> tuple[list[Report], list[str], bool]:
    """Hold verified logs against heads that somebody kept.

    Args:
        reports: Of the logs.
        notes: The signed heads.
        alone: Whether the reports are of one workspace that was named, and not of all.

    Returns:
        The reports, with what contradicts a head among their problems, and one more for each log that is not there;
        what is to be said of the heads that do not; and whether all of it could be told.

    Raises:
        InvalidSetting: A head is of another log than that of the workspace that was named.
    """
    by_origin = {report.origin: at for at, report in enumerate(reports)}
    reports, said, all_told = list(reports), [], True
    for note in notes:
        kept = parse_checkpoint(parse_note(note)[0])
        if kept.origin not in by_origin:
            if alone:
                raise InvalidSetting(f"A kept head is of the log {kept.origin}", "Name its workspace, or none")
            by_origin[kept.origin] = len(reports)
            fact = f"A head of {kept.size} entries was kept, and the log is not there"
            reports.append(Report.missing(kept.origin, kept.size, fact))
            continue
        report = reports[by_origin[kept.origin]]
        if not report.workspace:
            continue  # of a log that is not there, one head says enough
        try:
            open_checkpoint(note, Verifier(log.verifier_key(report.workspace)))
        except ProofError as error:
            fact = f"The key of this log did not sign the kept head of {kept.size} entries: {error.fact}"
            reports[by_origin[kept.origin]] = report.contradicted(fact)
            continue
        try:
            log.hold_against(report.workspace, note)
            said.append(f"{report.workspace}: It continues the kept head of {kept.size:,} entries.")
        except Purged:
            all_told = False
            said.append(
                f"{report.workspace}: Whether it continues the kept head of {kept.size:,} entries cannot be told any"
                " more: retention took the hashes. Keep a newer one."
            )
        except ProofError as error:
            fact = f"The kept head of {kept.size} entries contradicts it: {error.fact}"
            reports[by_origin[kept.origin]] = report.contradicted(fact)
    return reports, said, all_told
