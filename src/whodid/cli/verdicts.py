"""What `whodid verify` says of an evidence page."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from whodid.canonical import from_micros, time_text
from whodid.cli import ui
from whodid.cli.outside import Outside
from whodid.errors import MalformedProof
from whodid.evidence import Question, Verdict, as_shipped, extract, verify
from whodid.evidence.document import decode
from whodid.log import Log

__all__ = ["PAGE", "anchor_words", "recorded_as", "verify_page"]

PAGE = b"<!doctype html>"
"""How a page begins, in lower case."""

_TOLD = 10
_STATES = {"held": "proven", "part": "proven in part", "failed": "NOT proven", "absent": "not in this file"}


def verify_page(file: bytes, trusted: Sequence[str], log: Log | None, outside: Outside, *, as_json: bool) -> int:
    """Verify an evidence page and say what was found.

    Args:
        trusted: Verifier keys that the caller named; without any, the log's own are the trusted ones.
        log: That may vouch for the file.
        outside: Who must have seen a head of it, or an earlier one that it is linked to.

    Returns:
        The exit code.
    """
    owners = {} if log is None else {log.verifier_key(workspace): workspace for workspace in log.workspaces()}
    try:
        data, shipped = extract(file), as_shipped(file)
    except MalformedProof:
        data, shipped = b"", False
    verdict = verify(data, trusted=trusted or owners)
    entry = None
    if log is not None and verdict.signed is not None and verdict.trusted:
        entry = recorded_as(log, owners[verdict.signed.vkey], sha256(file).hexdigest())
    heads: list[tuple[str, bytes]] = []
    if verdict.ok:
        heads = [(decode(data).checkpoint, b""), *[(one.checkpoint, one.stamp) for one in verdict.anchors]]
    found = outside.of_heads(heads, verdict.signed.vkey if verdict.signed else "", verdict.linked if verdict.ok else ())
    if as_json:
        ui.json({**_told(verdict, shipped=shipped, entry=entry), **found.told()})
    else:
        _tell(verdict, shipped=shipped, asked=log is not None, recorded=entry)
        for said in found.words():
            ui.note(said)
    good = verdict.ok and found.good
    return ui.PROBLEM if not good else ui.OK if verdict.trusted else ui.UNKNOWN_KEY


def recorded_as(log: Log, workspace: str, digest: str) -> int | None:
    """Return the index of the entry that recorded the making of a file with this SHA-256, hexadecimal."""
    for entry in log.stream(workspace, "action:audit.exported"):
        if entry.details and entry.details.get("sha256") == digest:
            return entry.index
    return None


def anchor_words(size: int, *, stamped: bool, after: int | None = None) -> str:
    """Say what an anchor that holds says of the log.

    Args:
        after: Index from which on entries were recorded after its time stamp, as far as that is known.
    """
    later = f"; entries from {after:,} on were recorded after that" if after is not None else ""
    return f"it went on from a head of {size:,} entries{', with a time stamp' * stamped}{later}"


def _told(verdict: Verdict, *, shipped: bool, entry: int | None) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(verdict)
    found["problems"] = [{**msgspec.to_builtins(one), "fact": one.fact} for one in verdict.problems]
    return {"ok": verdict.ok, "page_as_shipped": shipped, "recorded_as": entry, **found}


def _tell(verdict: Verdict, *, shipped: bool, asked: bool, recorded: int | None) -> None:
    rows: list[tuple[str, str]] = []
    statement, signed, cover = verdict.statement, verdict.signed, verdict.cover
    if statement is not None:
        question = Question(tuple(statement.asks), statement.since, statement.until)
        rows.append(("Question", str(question) or "everything"))
    if signed is not None:
        rows += [
            ("Log", f"{signed.origin}, {signed.size:,} entries signed"),
            ("Key", f"{signed.vkey} ({'trusted' if verdict.trusted else 'nobody vouches for it'})"),
            ("Fingerprint", signed.fingerprint),
        ]
    else:
        rows.append(("Signature", "does not hold, or was not reached"))
    if cover is not None:
        since = "the beginning of the log" if cover.first == 0 else f"entry {cover.start} (nothing is said before)"
        until = f", recorded until {time_text(from_micros(cover.recorded_last))}" if cover.recorded_last else ""
        rows.append(("Reaches", f"from {since} to entry {cover.stop - 1}{until}"))
    rows += [("Anchor", anchor_words(one.size, stamped=bool(one.stamp), after=one.after)) for one in verdict.anchors]
    rows += [
        ("Anchor log", f"{anchor_words(one.size, stamped=bool(one.stamp))}, in {one.checkpoint.partition(chr(10))[0]}")
        for one in verdict.linked
    ]
    for name in ("c0", "c1", "c2", "c3", "c4"):
        level = getattr(verdict.levels, name)
        state = "not provable" if name == "c4" else _STATES[level.state]
        rows.append((name.upper(), f"{state}: {level.words}"))
    counts = verdict.counts
    shown = f"{counts.shown:,} of {counts.answers:,} entries; {counts.purged:,} purged"
    rows.append(("Shown", f"{shown}, {counts.redacted:,} fields withheld, {counts.erased:,} erased"))
    if statement is not None:
        who = statement.made_by
        made = f"workspace {statement.workspace}, {time_text(from_micros(statement.made_at))}"
        rows.append(("Says of itself", f"{made}, {who.name or who.id} ({who.type} {who.id})"))
    rows.append(("Page", "as this whodid makes it" if shipped else "its script is another than that of this whodid"))
    if asked:
        rows.append(("Recorded", "not this file" if recorded is None else f"this very file, as entry {recorded}"))
    ui.table(("", ""), rows, wide=1)
    for problem in verdict.problems[:_TOLD]:
        ui.note(f"{problem.place}: {problem.fact}.")
    if len(verdict.problems) > _TOLD:
        ui.note(f"… and {len(verdict.problems) - _TOLD} further problems; --json lists them.")
    if verdict.ok and not verdict.trusted:
        ui.note("The file agrees with itself. Compare its key with one that you got from elsewhere: --key.")
