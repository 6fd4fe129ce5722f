"""The levels of completeness, from what was found: each with its words.

C0 to C3 are computed; C4 is stated, because no log can show it.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from whodid.evidence.document import Document
from whodid.evidence.reading import named
from whodid.evidence.verdict import Counts, Cover, Level, Levels

__all__ = ["levels"]

_C4 = Level(
    state="absent",
    words="That everything that happened was logged, no log can show. An outbox, numbered producers and signed"
    " receipts narrow it",
)
_REACHED = {
    "c0": frozenset({"entry", "span", "order"}),
    "c1": frozenset({"entry", "span", "segments"}),
    "c2": frozenset({"origin", "period", "salt", "volume", "index", "entry", "span", "carry", "lacking", "reason"}),
    "c3": frozenset({"entry", "span", "salt", "tags"}),
}


def levels(
    document: Document | None, cover: Cover | None, counts: Counts, codes: AbstractSet[str], *, ended: bool
) -> Levels:
    """Compute the levels.

    Args:
        codes: Of the problems that were found.
        ended: Whether the work ended before its end.
    """
    if document is None or cover is None or ended:
        failed = Level(state="failed", words="Not shown: the verification ended before it")
        return Levels(c0=failed, c1=failed, c2=failed, c3=failed, c4=_C4)
    span = document.span is not None
    segments = f"segments {cover.first} to {cover.last} (entries {cover.start} to {cover.stop - 1})"
    said = {
        "c0": "The entries stand at their places in the log, and their times do not go backwards",
        "c1": f"Every leaf of {segments} is here" if span else "Not every header is in this file",
        "c2": "Every entry that the question names is here"
        if named(document.statement.asks) is not None
        else f"Every entry of {segments} that answers the question is here, by "
        + ("all headers" if span else "the sealed indexes"),
        "c3": f"The {counts.shown} shown entries were filed under what they say",
    }
    refuted = {
        "c0": "Entries are not at their places, or their times go backwards",
        "c1": "The headers are not every leaf of the covered segments",
        "c2": "Entries that answer the question may be missing",
        "c3": "It is not shown that the entries were filed under what they say",
    }
    if cover.unindexed:
        said["c2"] += f"; {cover.unindexed} entries had lost their content before their segment was sealed"
    if counts.unchecked:
        said["c3"] += f", but for {counts.unchecked} of them not all of it is shown"
    found = {}
    for name, against in _REACHED.items():
        failed_here = bool(codes & against)
        part = (name == "c2" and cover.unindexed) or (name == "c3" and counts.unchecked)
        absent = name == "c1" and not span
        found[name] = Level(
            state="absent" if absent else "failed" if failed_here else "part" if part else "held",
            words=refuted[name] if failed_here and not absent else said[name],
        )
    return Levels(**found, c4=_C4)
