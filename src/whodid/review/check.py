"""Check a signed review against the log: whether it holds what the rules say it must hold, and nothing was chosen."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

from msgspec import Struct

from whodid.errors import ProofError, Purged
from whodid.log import Log
from whodid.model import Entry
from whodid.proof.checkpoint import parse_checkpoint
from whodid.proof.tree import check_consistency
from whodid.query import indexes_of, spans
from whodid.review.plan import plan

__all__ = ["Checked", "check", "rests_on"]

_UNKNOWN = {"start": 0, "stop": 0, "size": 0, "root": "", "items": []}


class Checked(Struct, frozen=True, kw_only=True):
    """What came of checking a signed review.

    Args:
        checkpoint: Whether the log continues the tree that the review names.
        items: Whether its items, the sample among them, are those that the rules make of its period: `same`,
            `different`, or `gone` when entries of the period left by retention, so that nobody can tell.
    """

    checkpoint: bool
    items: Literal["same", "different", "gone"]


def check(log: Log, workspace: str, entry: Entry) -> Checked:
    """Do again what the review says it did.

    Args:
        entry: Of the signed review.
    """
    said: dict[str, Any] = {**_UNKNOWN, **(entry.details or {})}
    start, stop = said["start"], said["stop"]
    kept = list(log.read(workspace, start, stop))
    items: Literal["same", "different", "gone"] = "gone"
    if len(kept) == stop - start:
        before = [at for one in said["items"] for at in indexes_of(one["entries"]) if at < start]
        made = plan(kept, log.catalog, bytes.fromhex(said["root"]), stop=stop, standing=before)
        mine = [(one.why, spans(one.entries)) for one in made.items]
        items = "same" if mine == [(one["why"], one["entries"]) for one in said["items"]] else "different"
    return Checked(checkpoint=_continues(log, workspace, said["size"], said["root"]), items=items)


def rests_on(entry: Entry) -> tuple[int, ...]:
    """Return the indexes of the entries that a signed review rests on, its own last."""
    said = (entry.details or {}).get("items", [])
    return tuple(sorted({at for one in said for at in indexes_of(one["entries"])} | {entry.index}))


def _continues(log: Log, workspace: str, size: int, root: str) -> bool:
    note = log.checkpoint(workspace)
    now = parse_checkpoint(note.partition("\n\n")[0] + "\n")
    with suppress(ProofError, Purged, ValueError):
        proof = log.prove_consistency(workspace, size, now.size)
        check_consistency(size, now.size, bytes.fromhex(root), now.root, proof)
        return True
    return False
