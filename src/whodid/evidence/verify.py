"""Check an evidence document, offline: no log, no network, no trust in who made it.

Needs the mathematics of `whodid.proof` and nothing of a log. The steps and their order are those of
docs/spec/evidence.md. The verifier inside the page (frontend/src/evidence) takes the same ones, and both must come to
the same verdict.

A problem in form, signature or seals ends the work, because everything else rests on them. All other problems are
collected, so that the first one that is told is the first in the order of the steps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import chain, pairwise

from msgspec import UNSET
from msgspec.structs import replace

from whodid.errors import MalformedProof
from whodid.evidence.document import ERASED, PURGED, Document, Opened, Reason, decode
from whodid.evidence.heads import anchored, linked, signed
from whodid.evidence.levels import levels
from whodid.evidence.pieces import (
    UNREADABLE,
    Piece,
    Refused,
    Salted,
    Sealed,
    dated,
    opened,
    pieces,
    salt_holds,
    salted,
)
from whodid.evidence.reading import (
    agree,
    among,
    asked,
    check_form,
    covers,
    details,
    expected,
    hashes,
    leaf_of,
    withheld,
)
from whodid.evidence.verdict import Anchored, Counts, Cover, Linked, Problem, Signed, Verdict
from whodid.proof import index, leaf, tree
from whodid.proof.checkpoint import Checkpoint
from whodid.proof.leaf import Header
from whodid.proof.note import Verifier, decode_base64
from whodid.proof.seal import Seal, anchor_hash, check_origin
from whodid.proof.volume import Volume

__all__ = ["verify"]

_MAX_PROBLEMS = 100
_KINDS = {PURGED: leaf.PURGE, ERASED: leaf.ERASURE}


class _Ended(Exception):
    """Nothing that follows would mean anything."""


def verify(data: bytes, *, trusted: Iterable[str] = ()) -> Verdict:
    """Verify an evidence document.

    Args:
        data: Its bytes, as `whodid.evidence.page.extract` cuts them out of a file.
        trusted: Verifier keys (vkeys) that the caller got from elsewhere. Without any, the key in the file is used.

    Returns:
        A verdict; whatever the data is, nothing is raised for it.

    Raises:
        InvalidSetting: A trusted key is not a key.
    """
    return _Verification([Verifier(key) for key in trusted]).run(data)


class _Verification:
    def __init__(self, keys: list[Verifier]) -> None:
        self.keys = keys
        self.problems: list[Problem] = []
        self.trusted = False
        self.signed: Signed | None = None
        self.anchors: list[Anchored] = []
        self.linked: list[Linked] = []
        self.cover: Cover | None = None
        self.counts = Counts()
        self.answers: list[Opened] = []
        self.document: Document | None = None
        self.headers: dict[int, Header] = {}
        self.gone: set[int] = set()
        self.spanned = False
        self.order: list[int] = []
        self.salted: list[tuple[Salted, Seal, Piece]] = []

    def run(self, data: bytes) -> Verdict:
        ended = True
        try:
            self._form(data)
            self._steps()
            ended = False
        except _Ended:
            pass
        document = self.document
        return Verdict(
            trusted=self.trusted,
            signed=self.signed,
            anchors=tuple(self.anchors),
            linked=tuple(self.linked),
            statement=None if document is None else document.statement,
            cover=self.cover,
            levels=levels(document, self.cover, self.counts, {problem.code for problem in self.problems}, ended=ended),
            counts=self.counts,
            answers=tuple(self.answers),
            problems=tuple(self.problems[:_MAX_PROBLEMS]),
        )

    def _add(self, code: str, at: int | None = None) -> None:
        self.problems.append(Problem(code=code, index=at))

    def _end(self, code: str) -> _Ended:
        self._add(code)
        return _Ended()

    # ------------------------------------------------------------------------------------- what everything rests on

    def _form(self, data: bytes) -> None:
        try:
            document = decode(data)
            check_form(document)
        except UNREADABLE:
            raise self._end("form") from None
        self.document = document

    def _steps(self) -> None:
        document = self.document
        if document is None:
            raise AssertionError
        try:
            checkpoint, self.signed = signed(document, self.keys)
            self.trusted = bool(self.keys)
            self._heads(document, checkpoint)
            sealed = opened(document, checkpoint)
            covered = pieces(document, sealed)
        except Refused as refusal:
            raise self._end(str(refusal)) from None
        self._dated(document, sealed)
        self._covered(document, sealed, covered)
        self._lookups(document, covered)
        leaves = self._entries(document, checkpoint, covered)
        self._span(document, checkpoint, covered, leaves)
        self._order()
        self._carried(document)
        self._tags(document, covered)
        self._answer(document, covered)

    def _heads(self, document: Document, checkpoint: Checkpoint) -> None:
        self.anchors, wrong = anchored(document, checkpoint)
        self.problems += [Problem(code="anchor", index=at) for at in wrong]
        self.linked, wrong = linked(document, checkpoint)
        self.problems += [Problem(code="linked", index=at) for at in wrong]

    def _dated(self, document: Document, sealed: Sealed) -> None:
        """Check that no seal names a time stamp that was not there yet; from where on is a stamp older than all?"""
        wrong, after = dated(document, sealed, {anchor_hash(one.stamp): one.size for one in self.anchors if one.stamp})
        for number in wrong:
            self._add("dated", number)
        self.anchors = [replace(one, after=after.get(anchor_hash(one.stamp))) for one in self.anchors]

    # ------------------------------------------------------------------------------------------------- the segments

    def _covered(self, document: Document, sealed: Sealed, covered: list[Piece]) -> None:
        """Check the salts of what is covered, and how far it reaches."""
        first, last = covered[0].first, covered[-1].last
        known = list(salted(document, sealed, covered))
        fixed: dict[int, bytes] = {seal.number + 2: seal.commitment for seal in sealed.seals.values()}
        if any(one.number < 2 for one in known):
            try:
                zero, second = [decode_base64(text) for text in document.origin]
                check_origin(self.signed.origin if self.signed else "", zero, second)
                fixed |= {0: zero, 1: second}
            except UNREADABLE:
                self._add("origin")
        elif document.origin:
            self._add("origin")
        since, until = document.statement.since, document.statement.until
        before, after = sealed.seals.get(first - 1), sealed.seals.get(last + 1)
        early = since is None or first == 0 or (before is not None and before.recorded_last < since)
        late = last == sealed.newest or (
            until is not None and after is not None and (not after.indexed or after.recorded_first >= until)
        )
        if not early or not late:
            self._add("period")
        for one in known:
            if one.seal is None or one.piece is None or not salt_holds(one.number, one.salt, fixed.get(one.number)):
                self._add("salt", one.number)
            if one.seal is not None and one.piece is not None:
                self.salted.append((one, one.seal, one.piece))
        for piece in covered:
            if isinstance(piece.sealed, Volume):
                number, salt = piece.stretch.number, piece.stretch.salt
                if not salt_holds(number, salt, piece.sealed.commitment, volume=True):
                    self._add("volume", number)
        counted = [piece.sealed for piece in covered if piece.sealed.indexed]
        self.cover = Cover(
            first=first,
            last=last,
            start=covered[0].sealed.start,
            stop=covered[-1].sealed.stop,
            recorded_first=min((one.recorded_first for one in counted), default=0),
            recorded_last=max((one.recorded_last for one in counted), default=0),
            unindexed=sum(piece.sealed.stop - piece.sealed.start - piece.sealed.indexed for piece in covered),
        )

    def _lookups(self, document: Document, covered: list[Piece]) -> None:
        """Check what the indexes are said to hold for what was asked."""
        values = asked(document)
        for code, stretch, _, _, sealed in covered if values else ():
            try:
                salt = decode_base64(stretch.salt)
                for (dimension, value), found in zip(values, stretch.found, strict=True):
                    tag = leaf.tag(salt, dimension, value)
                    path = decode_base64(found.path)
                    if not found.positions:
                        proof = index.Lookup(key=decode_base64(found.key), value=decode_base64(found.value), path=path)
                        index.check_absence(sealed.root, tag, proof)
                        continue
                    if found.key or found.value or not sealed.start <= found.positions[0]:
                        raise MalformedProof("The proof of a presence has no neighbour")
                    if found.positions[-1] >= sealed.stop:
                        raise MalformedProof("A position is outside of its segment")
                    own = index.Lookup(key=index.key_of(tag), value=index.value_of(found.positions), path=path)
                    index.check_presence(sealed.root, tag, found.positions, own)
            except UNREADABLE:
                self._add(code, stretch.number)

    # -------------------------------------------------------------------------------------------------- the entries

    def _entries(self, document: Document, checkpoint: Checkpoint, covered: list[Piece]) -> dict[int, bytes]:
        """Check what is opened or set aside; return the leaf hashes of what the span must hold."""
        inside = range(document.span.start, covered[-1].sealed.stop) if document.span else range(0)
        leaves: dict[int, bytes] = {}
        for entry in document.entries:
            try:
                hash_, header = leaf_of(entry)
                self._place(entry.index, entry.path, hash_, checkpoint, inside)
            except UNREADABLE:
                self._add("entry", entry.index)
                continue
            self.headers[entry.index] = header
            if entry.index in inside:
                leaves[entry.index] = hash_
        for aside in document.asides:
            try:
                data = decode_base64(aside.header)
                header = Header.decode(data)
                self._place(aside.index, aside.path, tree.leaf_hash(data), checkpoint, range(0))
            except UNREADABLE:
                self._add("entry", aside.index)
            else:
                self.headers[aside.index] = header
        return leaves

    @staticmethod
    def _place(at: int, path: str, hash_: bytes, checkpoint: Checkpoint, inside: range) -> None:
        """Find a leaf in the tree, or leave it to the span that it stands in."""
        if at not in inside:
            tree.check_inclusion(at, checkpoint.size, hash_, hashes(path), checkpoint.root)
        elif path:
            raise MalformedProof("An entry within the span has a path of its own")

    def _span(self, document: Document, checkpoint: Checkpoint, covered: list[Piece], leaves: dict[int, bytes]) -> None:
        """Fold every leaf of the covered segments to a state of the signed tree."""
        span = document.span
        if span is None:
            if not document.statement.asks:
                self._add("span")
            return
        if any(problem.code == "entry" for problem in self.problems):
            return
        first, start, stop = covered[0].sealed.start, span.start, covered[-1].sealed.stop
        if not first <= start <= _explained(first, document.reasons) or stop - start != len(leaves) + len(span.leaves):
            self._add("span")
            return
        headers: dict[int, Header] = {}
        gone: set[int] = set()
        try:
            rest = iter(span.leaves)
            row: list[bytes] = []
            for at in range(start, stop):
                hash_ = leaves.get(at)
                if hash_ is None:
                    data = decode_base64(next(rest))
                    if len(data) == tree.HASH_SIZE:
                        hash_ = data
                        gone.add(at)
                    else:
                        headers[at] = Header.decode(data)
                        hash_ = tree.leaf_hash(data)
                row.append(hash_)
            frontier, _ = tree.extend(hashes(span.frontier), start, row)
            path = hashes(span.consistency)
            tree.check_consistency(stop, checkpoint.size, tree.root(frontier), checkpoint.root, path)
        except UNREADABLE:
            self._add("span")
            return
        self.headers |= headers
        self.gone = gone
        self.spanned = True
        self.counts.headers = len(span.leaves)

    def _order(self) -> None:
        self.order = sorted(self.headers)
        for before, at in pairwise(self.order):
            if self.headers[at].recorded_at < self.headers[before].recorded_at:
                self._add("order", at)

    def _carried(self, document: Document) -> None:
        """Hold the indexes against the headers that are here: a contradiction convicts whoever sealed."""
        values = asked(document)
        for one, seal, piece in self.salted if values else ():
            if Problem(code=piece.code, index=piece.stretch.number) in self.problems:
                continue
            try:
                salt = decode_base64(one.salt)
            except UNREADABLE:
                continue
            tags = [leaf.tag(salt, dimension, value) for dimension, value in values]
            holding = [set(found.positions) for found in piece.stretch.found]
            for at in self._known(seal):
                carried = self.headers[at].tags
                if any((tag in carried) != (at in held) for tag, held in zip(tags, holding, strict=True)):
                    self._add("carry", at)

    def _tags(self, document: Document, covered: list[Piece]) -> None:
        """Compare the tags of each opened entry with what it says; below a volume this takes the segment's salt."""
        for one, seal, _ in self.salted:
            try:
                salt = decode_base64(one.salt)
            except UNREADABLE:
                continue
            for entry in document.entries:
                if seal.start <= entry.index < seal.stop and entry.index in self.headers:
                    try:
                        whole = agree(entry, self.headers[entry.index].tags, salt)
                    except UNREADABLE:
                        self._add("tags", entry.index)
                    else:
                        self.counts.unchecked += not whole
        for piece in covered:
            if isinstance(piece.sealed, Volume):
                for at in self._known(piece.sealed):
                    if not any(seal.start <= at < seal.stop for _, seal, _ in self.salted):
                        self._add("tags", at)

    # --------------------------------------------------------------------------------------------------- the answer

    def _answer(self, document: Document, covered: list[Piece]) -> None:
        """Demand every entry that answers the question, or the reason why it is not here; and nothing else."""
        if not document.statement.asks and not self.spanned:
            return  # without the span nobody knows what every entry is, and that was said
        opened = {entry.index: entry for entry in document.entries}
        purged = [reason for reason in document.reasons if reason.why == PURGED]
        erased = {reason.index for reason in document.reasons if reason.why == ERASED}
        records = {reason.record for reason in document.reasons}
        asked_of = [(one.stretch, one.sealed.start, one.sealed.stop) for one in covered]
        wanted = set(chain.from_iterable(expected(document, asked_of)))
        outside = {at for at in wanted if at in self.headers and self._outside(document, at)}
        missing = sorted((wanted | self.gone) - outside)
        for at in missing:
            if at in opened and at in wanted:
                self._shown(opened[at], erased)
            elif at not in self.headers and among(purged, at):
                self.counts.purged += at in wanted
            else:
                self._add("lacking", at)
        if not document.statement.asks and document.span is not None:
            self.counts.purged += document.span.start - covered[0].sealed.start
        self.counts.answers = self.counts.shown + self.counts.purged
        carriers = {document.sealed} if document.bound is UNSET else {document.sealed, document.bound.carried}
        allowed = (wanted - outside) | records | carriers
        for at in sorted(opened):
            if at not in allowed:
                self._add("extra", at)
        for aside in document.asides:
            if document.span is not None or aside.index not in outside:
                self._add("extra", aside.index)
        absent = [at for at in missing if at not in opened]
        for reason in document.reasons:
            self._reason(reason, document, opened, absent, covered[0].sealed.start)

    def _shown(self, entry: Opened, erased: set[int]) -> None:
        self.answers.append(entry)
        self.counts.shown += 1
        for _, _, why in withheld(entry):
            if why == ERASED and entry.index in erased:
                self.counts.erased += 1
            else:
                self.counts.redacted += 1

    def _reason(
        self, reason: Reason, document: Document, opened: dict[int, Opened], missing: list[int], start: int
    ) -> None:
        """Check that a reason explains something, and that the record that it names says so."""
        if reason.why == ERASED:
            entry = opened.get(reason.index)
            needed = entry is not None and any(why == ERASED for _, _, why in withheld(entry))
            needed = needed and reason.stop == reason.index + 1
        else:
            known = bisect_left(self.order, reason.index) != bisect_left(self.order, reason.stop)
            below = document.span is not None and reason.index < document.span.start and start < reason.stop
            some = bisect_left(missing, reason.index) != bisect_left(missing, reason.stop)
            needed = (some or below) and not known
        if not needed:
            self._add("extra", reason.index)
        elif reason.record is not None:
            try:
                record = opened[reason.record]
                if self.headers[reason.record].kind != _KINDS[reason.why] or not covers(details(record), reason):
                    raise MalformedProof("The record is about something else")
            except UNREADABLE:
                self._add("reason", reason.index)

    def _outside(self, document: Document, at: int) -> bool:
        since, until = document.statement.since, document.statement.until
        recorded_at = self.headers[at].recorded_at
        return (since is not None and recorded_at < since) or (until is not None and recorded_at >= until)

    def _known(self, seal: Seal | Volume) -> list[int]:
        """Return the entries of a segment whose headers are here, by index."""
        return self.order[bisect_left(self.order, seal.start) : bisect_left(self.order, seal.stop)]


def _explained(first: int, reasons: Iterable[Reason]) -> int:
    """Return up to where retention removed everything from an index on: purges follow one another."""
    for reason in reasons:
        if reason.why == PURGED and reason.index <= first:
            first = max(first, reason.stop)
    return first
