"""Check an evidence document, offline: no log, no network, no trust in who made it.

Needs the mathematics of `whodid.proof` and nothing of a log. The steps and their order are those of
docs/spec/evidence.md. The verifier inside the page (frontend/src/evidence) takes the same ones, and both must come to
the same verdict.

A problem in form, signature or seals ends the work, because everything else rests on them. All other problems are
collected, so that the first one that is told is the first in the order of the steps.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from hashlib import sha256
from itertools import chain, pairwise

import msgspec

from whodid.errors import InvalidSetting, MalformedProof, WhodidError
from whodid.evidence.document import ERASED, PURGED, Document, Opened, Reason, decode
from whodid.evidence.levels import levels
from whodid.evidence.reading import (
    MOST,
    agree,
    asked,
    check_form,
    covers,
    details,
    expected,
    hashes,
    leaf_of,
    named,
    withheld,
)
from whodid.evidence.verdict import Anchored, Counts, Cover, Problem, Signed, Verdict
from whodid.proof import index, leaf, tree
from whodid.proof.checkpoint import Checkpoint, open_checkpoint
from whodid.proof.leaf import Header
from whodid.proof.note import ED25519, Verifier, decode_base64
from whodid.proof.seal import Seal, check_chain, check_origin, salt_commitment

__all__ = ["verify"]

_MAX_PROBLEMS = 100
_KINDS = {PURGED: leaf.PURGE, ERASED: leaf.ERASURE}
# What reading hostile bytes may raise besides our own errors.
_UNREADABLE = (
    WhodidError,
    ValueError,
    TypeError,
    OverflowError,
    KeyError,
    IndexError,
    struct.error,
    msgspec.DecodeError,
)


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
        self.cover: Cover | None = None
        self.counts = Counts()
        self.answers: list[Opened] = []
        self.document: Document | None = None
        self.headers: dict[int, Header] = {}
        self.gone: set[int] = set()
        self.spanned = False
        self.order: list[int] = []

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
        except _UNREADABLE:
            raise self._end("form") from None
        self.document = document

    def _steps(self) -> None:
        document = self.document
        if document is None:
            raise AssertionError
        checkpoint = self._signature(document)
        self._anchored(document, checkpoint)
        seals = self._seals(document, checkpoint)
        covered = self._covered(document, seals)
        self._lookups(document, covered)
        leaves = self._entries(document, checkpoint, covered)
        self._span(document, checkpoint, covered, leaves)
        self._order()
        self._carried(document, covered)
        self._tags(document, covered)
        self._answer(document, covered)

    def _signature(self, document: Document) -> Checkpoint:
        try:
            own = Verifier(document.vkey)
        except InvalidSetting:
            raise self._end("signature") from None
        if own.type != ED25519:
            raise self._end("signature")
        if self.keys and own not in self.keys:
            raise self._end("key")
        try:
            checkpoint, _ = open_checkpoint(document.checkpoint, own)
        except _UNREADABLE:
            raise self._end("signature") from None
        if checkpoint.size > MOST:
            raise self._end("signature")
        public = decode_base64(own.vkey.split("+", 2)[2])[1:]
        self.trusted = bool(self.keys)
        self.signed = Signed(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            vkey=own.vkey,
            fingerprint=sha256(public).hexdigest(),
        )
        return checkpoint

    def _anchored(self, document: Document, checkpoint: Checkpoint) -> None:
        """Check that the log went on from every head that somebody outside is said to have seen."""
        own = Verifier(document.vkey)
        below = 0
        for at, anchor in enumerate(document.anchors):
            try:
                earlier, _ = open_checkpoint(anchor.checkpoint, own)
                stamp, path = decode_base64(anchor.stamp), hashes(anchor.consistency)
                if not below < earlier.size <= checkpoint.size:
                    raise MalformedProof("The anchors do not ascend, or lie beyond the signed head")
                tree.check_consistency(earlier.size, checkpoint.size, earlier.root, checkpoint.root, path)
            except _UNREADABLE:
                self._add("anchor", at)
            else:
                below = earlier.size
                self.anchors.append(Anchored(size=earlier.size, checkpoint=anchor.checkpoint, stamp=stamp))

    def _seals(self, document: Document, checkpoint: Checkpoint) -> list[Seal]:
        """Open the newest seal by its entry, and all others by the chain that it ends."""
        try:
            (entry,) = [one for one in document.entries if one.index == document.sealed]
            hash_, header = leaf_of(entry)
            path = hashes(entry.path)
            tree.check_inclusion(entry.index, checkpoint.size, hash_, path, checkpoint.root)
            carried = details(entry)["seal"]
            if header.kind != leaf.SEAL or carried != decode_base64(document.seals[-1]).hex():
                raise MalformedProof("The entry carries another seal")
        except _UNREADABLE:
            raise self._end("seal") from None
        try:
            seals = [Seal.decode(decode_base64(one)) for one in document.seals]
            check_chain(seals)
            first, last = document.segments[0].number, document.segments[-1].number
            if seals[0].number != max(0, first - 2) or seals[-1].stop > document.sealed:
                raise MalformedProof("The chain begins elsewhere, or ends after its own entry")
        except _UNREADABLE:
            raise self._end("chain") from None
        numbers = [one.number for one in document.segments]
        if numbers != list(range(first, last + 1)) or last > seals[-1].number:
            raise self._end("segments")
        return seals

    # ------------------------------------------------------------------------------------------------- the segments

    def _covered(self, document: Document, seals: list[Seal]) -> list[Seal]:
        """Return the seals of the covered segments, once their salts and their reach are checked."""
        offset = seals[0].number
        first, last = document.segments[0].number, document.segments[-1].number
        covered = seals[first - offset : last - offset + 1]
        fixed: dict[int, bytes] = {seal.number + 2: seal.commitment for seal in seals}
        if first < 2:
            try:
                zero, one = [decode_base64(text) for text in document.origin]
                check_origin(self.signed.origin if self.signed else "", zero, one)
                fixed |= {0: zero, 1: one}
            except _UNREADABLE:
                self._add("origin")
        elif document.origin:
            self._add("origin")
        since, until = document.statement.since, document.statement.until
        after = seals[last - offset + 1 :]
        early = since is None or first == 0 or seals[first - 1 - offset].recorded_last < since
        late = not after or (until is not None and (not after[0].indexed or after[0].recorded_first >= until))
        if not early or not late:
            self._add("period")
        for stretch in document.segments:
            try:
                salt = decode_base64(stretch.salt)
                good = len(salt) == 32 and fixed.get(stretch.number) == salt_commitment(stretch.number, salt)
            except _UNREADABLE:
                good = False
            if not good:
                self._add("salt", stretch.number)
        counted = [seal for seal in covered if seal.indexed]
        self.cover = Cover(
            first=first,
            last=last,
            start=covered[0].start,
            stop=covered[-1].stop,
            recorded_first=min((seal.recorded_first for seal in counted), default=0),
            recorded_last=max((seal.recorded_last for seal in counted), default=0),
            unindexed=sum(seal.stop - seal.start - seal.indexed for seal in covered),
        )
        return covered

    def _lookups(self, document: Document, covered: list[Seal]) -> None:
        """Check what the indexes are said to hold for what was asked."""
        values = asked(document)
        for stretch, seal in zip(document.segments if values else (), covered, strict=bool(values)):
            try:
                salt = decode_base64(stretch.salt)
                for (dimension, value), found in zip(values, stretch.found, strict=True):
                    tag = leaf.tag(salt, dimension, value)
                    path = decode_base64(found.path)
                    if not found.positions:
                        proof = index.Lookup(key=decode_base64(found.key), value=decode_base64(found.value), path=path)
                        index.check_absence(seal.root, tag, proof)
                        continue
                    if found.key or found.value or not seal.start <= found.positions[0]:
                        raise MalformedProof("The proof of a presence has no neighbour")
                    if found.positions[-1] >= seal.stop:
                        raise MalformedProof("A position is outside of its segment")
                    own = index.Lookup(key=index.key_of(tag), value=index.value_of(found.positions), path=path)
                    index.check_presence(seal.root, tag, found.positions, own)
            except _UNREADABLE:
                self._add("index", stretch.number)

    # -------------------------------------------------------------------------------------------------- the entries

    def _entries(self, document: Document, checkpoint: Checkpoint, covered: list[Seal]) -> dict[int, bytes]:
        """Check what is opened or set aside; return the leaf hashes of what the span must hold."""
        inside = range(document.span.start, covered[-1].stop) if document.span else range(0)
        leaves: dict[int, bytes] = {}
        for entry in document.entries:
            try:
                hash_, header = leaf_of(entry)
                self._place(entry.index, entry.path, hash_, checkpoint, inside)
            except _UNREADABLE:
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
            except _UNREADABLE:
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

    def _span(self, document: Document, checkpoint: Checkpoint, covered: list[Seal], leaves: dict[int, bytes]) -> None:
        """Fold every leaf of the covered segments to a state of the signed tree."""
        span = document.span
        if span is None:
            if not document.statement.asks:
                self._add("span")
            return
        if any(problem.code == "entry" for problem in self.problems):
            return
        first, start, stop = covered[0].start, span.start, covered[-1].stop
        explained = first == start or any(
            reason.why == PURGED and reason.index <= first < start <= reason.stop for reason in document.reasons
        )
        if not explained or stop - start != len(leaves) + len(span.leaves):
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
        except _UNREADABLE:
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

    def _carried(self, document: Document, covered: list[Seal]) -> None:
        """Hold the indexes against the headers that are here: a contradiction convicts whoever sealed."""
        values = asked(document)
        for stretch, seal in zip(document.segments if values else (), covered, strict=bool(values)):
            if Problem(code="index", index=stretch.number) in self.problems:
                continue
            salt = decode_base64(stretch.salt)
            tags = [leaf.tag(salt, dimension, value) for dimension, value in values]
            holding = [set(found.positions) for found in stretch.found]
            for at in self._known(seal):
                carried = self.headers[at].tags
                if any((tag in carried) != (at in held) for tag, held in zip(tags, holding, strict=True)):
                    self._add("carry", at)

    def _tags(self, document: Document, covered: list[Seal]) -> None:
        """Compare the tags of each opened entry with what it says."""
        for stretch, seal in zip(document.segments, covered, strict=True):
            try:
                salt = decode_base64(stretch.salt)
            except _UNREADABLE:
                continue
            for entry in document.entries:
                if seal.start <= entry.index < seal.stop and entry.index in self.headers:
                    try:
                        whole = agree(entry, self.headers[entry.index].tags, salt)
                    except _UNREADABLE:
                        self._add("tags", entry.index)
                    else:
                        self.counts.unchecked += not whole

    # --------------------------------------------------------------------------------------------------- the answer

    def _answer(self, document: Document, covered: list[Seal]) -> None:
        """Demand every entry that answers the question, or the reason why it is not here; and nothing else."""
        if not document.statement.asks and not self.spanned:
            return  # without the span nobody knows what every entry is, and that was said
        opened = {entry.index: entry for entry in document.entries}
        purged = [reason for reason in document.reasons if reason.why == PURGED]
        erased = {reason.index for reason in document.reasons if reason.why == ERASED}
        records = {reason.record for reason in document.reasons}
        wanted = set(chain.from_iterable(expected(document, covered)))
        for at in named(document.statement.asks) or ():
            if at in opened and not covered[0].start <= at < covered[-1].stop:
                self._add("lacking", at)  # nothing here says under what it was filed
        outside = {at for at in wanted if at in self.headers and self._outside(document, at)}
        missing = sorted((wanted | self.gone) - outside)
        for at in missing:
            if at in opened and at in wanted:
                self._shown(opened[at], erased)
            elif at not in self.headers and _among(purged, at):
                self.counts.purged += at in wanted
            else:
                self._add("lacking", at)
        if not document.statement.asks and document.span is not None:
            self.counts.purged += document.span.start - covered[0].start
        self.counts.answers = self.counts.shown + self.counts.purged
        allowed = (wanted - outside) | records | {document.sealed}
        for at in sorted(opened):
            if at not in allowed:
                self._add("extra", at)
        for aside in document.asides:
            if document.span is not None or aside.index not in outside:
                self._add("extra", aside.index)
        absent = [at for at in missing if at not in opened]
        for reason in document.reasons:
            self._reason(reason, document, opened, absent, covered[0].start)

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
            below = document.span is not None and reason.index <= start < document.span.start
            some = bisect_left(missing, reason.index) != bisect_left(missing, reason.stop)
            needed = (some or below) and not known
        if not needed:
            self._add("extra", reason.index)
        elif reason.record is not None:
            try:
                record = opened[reason.record]
                if self.headers[reason.record].kind != _KINDS[reason.why] or not covers(details(record), reason):
                    raise MalformedProof("The record is about something else")
            except _UNREADABLE:
                self._add("reason", reason.index)

    def _outside(self, document: Document, at: int) -> bool:
        since, until = document.statement.since, document.statement.until
        recorded_at = self.headers[at].recorded_at
        return (since is not None and recorded_at < since) or (until is not None and recorded_at >= until)

    def _known(self, seal: Seal) -> list[int]:
        """Return the entries of a segment whose headers are here, by index."""
        return self.order[bisect_left(self.order, seal.start) : bisect_left(self.order, seal.stop)]


def _among(reasons: list[Reason], at: int) -> bool:
    """Tell whether one of some ascending reasons speaks of an entry."""
    place = bisect_right(reasons, at, key=lambda reason: reason.index) - 1
    return place >= 0 and at < reasons[place].stop
