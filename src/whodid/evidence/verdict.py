"""The verdict on an evidence file: a list, not a tick.

What lives here: its shape, and the sentences of what can be wrong. How it is reached is in `verify`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from whodid.evidence.document import Opened, Statement

__all__ = ["FACTS", "Anchored", "Counts", "Cover", "Level", "Levels", "Linked", "Problem", "Signed", "State", "Verdict"]

State = Literal["held", "part", "failed", "absent"]
"""Proven; proven but for what is withheld; refuted, or not reached; not claimed by this file."""

FACTS = {
    "form": "The file is not an evidence document as it was made",
    "key": "The file names another key than a trusted one",
    "signature": "The signed head of the log does not hold",
    "anchor": "The head that somebody outside has seen is not an earlier state of this log",
    "linked": "The head that stood in the anchor log of the deployment is not an earlier state of this log",
    "seal": "The newest seal is not an entry of the log",
    "chain": "The seals do not follow one another",
    "bound": "The newest volume is not an entry of the log, or volumes and seals do not follow one another",
    "dated": "The seal of this segment names a time stamp of a head that was not there yet",
    "origin": "The name of the log does not commit to the salts of its first segments",
    "segments": "The segments leave a gap, or one of them is not sealed",
    "period": "The segments do not reach over the whole asked period",
    "salt": "The salt of this segment is not the one that was fixed before its first entry",
    "volume": "This volume says something else about what was asked for, or its salt is another",
    "index": "The sealed index of this segment says something else about what was asked for",
    "entry": "The entry is not what was recorded at this place of the log",
    "span": "The headers are not those of the log",
    "order": "It was recorded earlier than the entry before it",
    "carry": "The header of the entry carries something else than the index says of it",
    "tags": "The entry was filed under another actor, action or resource than it names",
    "lacking": "The entry belongs to the answer and is not in the file",
    "extra": "It does not belong to the answer",
    "reason": "The record that should explain what is missing does not",
}
"""What can be wrong, by its code, in the order in which it is looked for."""


_PLACES = {
    "dated": "segment",
    "salt": "segment",
    "volume": "volume",
    "index": "segment",
    "anchor": "anchor",
    "linked": "link",
}


class Problem(Struct, frozen=True, kw_only=True):
    """Something that does not hold.

    Args:
        code: A key of FACTS.
        index: The entry, for `dated`, `salt` and `index` the segment, for `volume` the volume, for `anchor` its place
            among the anchors, for `linked` among the links; None for the file as a whole.
    """

    code: str
    index: int | None = None

    @property
    def fact(self) -> str:
        """What is the case, in one sentence without a full stop."""
        return FACTS[self.code]

    @property
    def place(self) -> str:
        """Where, in words."""
        if self.index is None:
            return "the file"
        return f"{_PLACES.get(self.code, 'entry')} {self.index}"


class Level(Struct, frozen=True, kw_only=True):
    """How one level of completeness stands, and its words."""

    state: State
    words: str


class Levels(Struct, frozen=True, kw_only=True):
    """What is proven: order, every header, every answer, content; and what no log can show."""

    c0: Level
    c1: Level
    c2: Level
    c3: Level
    c4: Level


class Signed(Struct, frozen=True, kw_only=True):
    """The signed head that everything leads to.

    Args:
        root: Hexadecimal.
        fingerprint: SHA-256 of the public key, hexadecimal; what people compare.
    """

    origin: str
    size: int
    root: str
    vkey: str
    fingerprint: str


class Anchored(Struct, frozen=True, kw_only=True):
    """A head that the log went on from, which somebody outside may have seen.

    Args:
        checkpoint: The signed note. Who else signed it is for a policy to say (`whodid.proof.policy`).
        stamp: Its time stamp (RFC 3161), which is not checked here; empty when there is none.
        after: Index from which on entries were recorded after that stamp, because a seal before them names it; None
            when no seal in the file does.
    """

    size: int
    checkpoint: str
    stamp: bytes
    after: int | None = None


class Linked(Struct, frozen=True, kw_only=True):
    """A head that the log went on from, which stood in the anchor log of its deployment.

    Args:
        size: Of that head of this log.
        checkpoint: Signed note of the anchor log. Who else signed it is for a policy to say (`whodid.proof.policy`).
        stamp: Time stamp of that note (RFC 3161), which is not checked here; empty when there is none.
        vkey: Key of the anchor log.
    """

    size: int
    checkpoint: str
    stamp: bytes
    vkey: str


class Cover(Struct, frozen=True, kw_only=True):
    """How far the file reaches.

    Args:
        first: Number of the first covered segment; 0 is the beginning of the log.
        last: Number of the last.
        start: Index of the first covered entry.
        stop: Index after the last.
        recorded_first: Microseconds since 1970 of the earliest indexed entry; 0 when there is none.
        recorded_last: Likewise of the latest.
        unindexed: Entries whose content had gone before their segment was sealed.
    """

    first: int
    last: int
    start: int
    stop: int
    recorded_first: int
    recorded_last: int
    unindexed: int


class Counts(Struct, kw_only=True):
    """What the file holds.

    Args:
        answers: Entries that answer the question, shown or purged.
        shown: Of these, with content.
        purged: Of these, without.
        redacted: Fields of shown entries that the maker withheld.
        erased: Fields of shown entries that were erased from the log.
        unchecked: Shown entries whose tags could not all be compared with content.
        headers: Leaves beside the entries.
    """

    answers: int = 0
    shown: int = 0
    purged: int = 0
    redacted: int = 0
    erased: int = 0
    unchecked: int = 0
    headers: int = 0


class Verdict(Struct, frozen=True, kw_only=True):
    """Everything that was found.

    Args:
        trusted: Whether the caller trusts the key; otherwise the file brought it along.
        signed: None when the signature does not hold.
        anchors: Those that hold, by size.
        linked: Likewise those in the anchor log of the deployment.
        cover: None when it was not reached.
        statement: What the file claims; its workspace, maker and time are only said. None when it cannot be read.
        answers: The entries that answer the question, by index; only with `ok` they are to be believed.
        problems: In the order in which they were found; at most 100.
    """

    trusted: bool
    signed: Signed | None
    anchors: tuple[Anchored, ...]
    linked: tuple[Linked, ...]
    statement: Statement | None
    cover: Cover | None
    levels: Levels
    counts: Counts
    answers: tuple[Opened, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; look at `trusted` as well."""
        return not self.problems
