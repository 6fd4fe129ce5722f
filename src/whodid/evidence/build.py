"""Make an evidence document: read what a question needs, and nothing else.

What lives here: which segments a period needs, which entries answer, what is shown of them. Where it comes from is the
business of a `Source`: a snapshot of a log.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from msgspec import UNSET

from whodid import canonical
from whodid.errors import InvalidQuery, NotFound
from whodid.evidence.document import (
    ERASED,
    FORM,
    PURGED,
    REDACTED,
    VERSION,
    VERSION_2,
    Anchor,
    Aside,
    Bound,
    Document,
    Found,
    Link,
    Opened,
    Reason,
    Span,
    Statement,
    Stretch,
    Whose,
)
from whodid.evidence.question import Question
from whodid.evidence.reading import named, tags_of
from whodid.log import Anchored, Disclosed, Linked, SnapshotSegment, SnapshotVolume
from whodid.model import Actor, Entry
from whodid.proof import leaf
from whodid.proof.index import Lookup
from whodid.proof.seal import Seal
from whodid.proof.volume import Volume, seal_path

__all__ = ["MOST_ENTRIES", "MOST_LEAVES", "Show", "Source", "build"]

MOST_ENTRIES = 20_000
"""A page with more entries than this is no page any more."""

MOST_LEAVES = 250_000
"""Headers that a file may carry."""

Show = Callable[[Entry], Entry]
"""What a reader may see of an entry: the same entry with other values where something is hidden."""


class Source(Protocol):
    """A log at one signed head, as `whodid.log.Snapshot` is one."""

    checkpoint: str
    vkey: str

    @property
    def first(self) -> int:
        """Index below which neither content nor every hash is left."""
        ...

    @property
    def segments(self) -> Sequence[SnapshotSegment]:
        """The sealed segments, oldest first, without a gap, up to the newest."""
        ...

    @property
    def volumes(self) -> Sequence[SnapshotVolume]:
        """The volumes, oldest first, without a gap."""
        ...

    @property
    def origin(self) -> Sequence[bytes]:
        """The commitments to the salts of the first two segments."""
        ...

    def look_up(self, number: int, tag: bytes) -> tuple[Sequence[int], Lookup]:
        """Return the positions of a tag in a sealed segment, and the proof that there are no others."""
        ...

    def look_up_bound(self, number: int, tag: bytes) -> tuple[Sequence[int], Lookup]:
        """Return the positions of a tag in a volume, and the proof that there are no others."""
        ...

    def read(self, start: int, stop: int) -> Iterable[Disclosed]:
        """Iterate over the entries with content in [start, stop), by index."""
        ...

    def hash(self, position: int) -> bytes:
        """Return a leaf hash."""
        ...

    def path(self, position: int) -> Sequence[bytes]:
        """Prove that a leaf is under the signed head."""
        ...

    def frontier(self, size: int) -> Sequence[bytes]:
        """Return the frontier that the tree had at a size."""
        ...

    def consistency(self, size: int) -> Sequence[bytes]:
        """Prove that the signed tree begins with the one of this size."""
        ...

    def anchors(self, stop: int, before: SnapshotSegment | None) -> Sequence[Anchored]:
        """Return heads that somebody outside has seen, by size: best of entries before `stop`, and what a seal names.

        Args:
            before: Whose seal was written before the first entry that matters.
        """
        ...

    def linked(self, stop: int) -> Sequence[Linked]:
        """Return heads that somebody outside has seen in the anchor log, by size, best of entries before `stop`."""
        ...

    def record(self, position: int) -> int | None:
        """Return the index of the entry that recorded the purge of another, if it is still there."""
        ...


def build(
    source: Source,
    question: Question,
    *,
    workspace: str,
    made_at: datetime,
    made_by: Actor,
    show: Show | None = None,
    headers: bool = False,
) -> Document:
    """Make the evidence that answers a question.

    Args:
        show: What the reader of the file may see of an entry; everything by default.
        headers: Carry every header of the covered segments, so that completeness does not rest on the sealed indexes.
            A question for everything always does.

    Raises:
        NotFound: Nothing that the question asks for is sealed and kept.
        InvalidQuery: The answer is too large for one page.
    """
    return _Work(source, question, show, headers=headers or not question.asks).document(workspace, made_at, made_by)


class _Piece(NamedTuple):
    """A segment or a volume that is asked: its number, its salt and its range."""

    number: int
    salt: bytes
    start: int
    stop: int
    ask: Callable[[int, bytes], tuple[Sequence[int], Lookup]]


class _Work:
    def __init__(self, source: Source, question: Question, show: Show | None, *, headers: bool) -> None:
        self.source = source
        self.question = question
        self.show = show
        self.headers = headers
        self.opened: dict[int, Opened] = {}
        self.asides: dict[int, Aside] = {}
        self.gone: dict[int, int | None] = {}
        self.erased: dict[int, int | None] = {}
        self.tags = tags_of(question.asks)
        self.named = named(question.asks)

    def document(self, workspace: str, made_at: datetime, made_by: Actor) -> Document:
        known = self.source.segments
        covered = self._covered(known)
        since = self._since(known, covered[0].seal)
        sealed = known[-1].entry
        volumes = self._volumes(covered)
        inner = {number for one in volumes for number in range(one.volume.first, one.volume.last + 1)}
        stretches, found = self._ask([_segment(one, self.source) for one in covered if one.seal.number not in inner])
        bundles, bound = self._ask([_volume(one, self.source) for one in volumes])
        wanted = sorted(found + bound)
        start, stop = max(covered[0].seal.start, self.source.first), covered[-1].seal.stop
        if len(wanted) > MOST_ENTRIES or (self.headers and stop - start > MOST_LEAVES):
            raise InvalidQuery(
                "The answer is too large for one page",
                "Ask for a shorter period, or export it as NDJSON with proofs",
            )
        inside = range(start, stop) if self.headers else range(0)
        for position in wanted:
            self._open(position, inside)
        headers = self._headers(covered[0].seal.start, inside)
        carried = (self.source.volumes[-1].entry,) if volumes else ()
        for beside in (sealed, *carried, *set(self.gone.values()), *set(self.erased.values())):
            if beside is not None and beside not in self.opened:
                self.asides.pop(beside, None)
                self._open(beside, inside, plain=True)
        # Below volumes the seals are shown one by one; the chain begins with the last two that a volume holds.
        from_ = self.source.volumes[-1].volume.last + 1 if volumes else covered[0].seal.number
        first = max(0, from_ - 2)
        extension = self._bound(known, covered, volumes, bundles) if volumes else None
        salts = [one.number for one in stretches] + ([one for one, _ in extension.salts] if extension else [])
        linked = [self._link(one) for one in self.source.linked(stop)]
        return Document(
            whodid=FORM,
            version=VERSION if extension is None and not linked else VERSION_2,
            statement=Statement(
                asks=list(self.question.asks),
                since=since,
                until=self.question.until,
                workspace=workspace,
                made_at=canonical.micros(made_at),
                made_by=Whose(type=made_by.type, id=made_by.id, name=made_by.name or ""),
            ),
            checkpoint=self.source.checkpoint,
            anchors=[
                Anchor(checkpoint=one.checkpoint, consistency=_text(b"".join(one.consistency)), stamp=_text(one.stamp))
                for one in self.source.anchors(stop, self._before(known, covered[0].seal.number))
            ],
            vkey=self.source.vkey,
            origin=[_text(one) for one in self.source.origin] if min(salts, default=2) < 2 else [],
            seals=[_text(one.seal.encode()) for one in known if one.seal.number >= first],
            sealed=sealed,
            segments=stretches,
            entries=[self.opened[at] for at in sorted(self.opened)],
            asides=[self.asides[at] for at in sorted(self.asides)],
            span=self._span(headers, inside) if self.headers else None,
            reasons=self._reasons(),
            bound=UNSET if extension is None else extension,
            linked=linked or UNSET,
        )

    def _covered(self, known: Sequence[SnapshotSegment]) -> list[SnapshotSegment]:
        """Return the segments that the period needs: all that are kept, but for those before and after it."""
        kept = [one for one in known if one.salt is not None]
        since, until = self.question.since, self.question.until
        if until is not None and kept and kept[0].seal.number and kept[0].seal.recorded_first >= until:
            raise NotFound("What was recorded in this period has left by retention", "Ask for a later period")
        while since is not None and len(kept) > 1 and kept[0].seal.recorded_last < since:
            kept.pop(0)
        if self.named is not None:
            kept = self._naming(kept)
        while until is not None and len(kept) > 1 and _begins(kept[-1].seal, until):
            kept.pop()
        if not kept or known[0].seal.number > max(0, kept[0].seal.number - 2):
            raise NotFound(
                "There is nothing that a file could prove: no segment of this log is sealed and kept",
                "Record something first",
            )
        return kept

    def _naming(self, kept: list[SnapshotSegment]) -> list[SnapshotSegment]:
        """Return the segments from the one with the first named entry on."""
        first, last = (self.named or [0])[0], (self.named or [0])[-1]
        while len(kept) > 1 and kept[0].seal.stop <= first:
            kept.pop(0)
        early = bool(kept) and first < max(kept[0].seal.start, self.source.first)
        if kept and (early or last >= kept[-1].seal.stop):
            absent = first if early else last
            raise NotFound(f"There is no entry {absent}, or it left by retention", "Leave it out")
        return kept

    def _since(self, known: Sequence[SnapshotSegment], first: Seal) -> int | None:
        """Return where the claim begins: nowhere, when the period reaches back to what has left."""
        since = self.question.since
        before = next((one.seal for one in known if one.seal.number == first.number - 1), None)
        return None if since is not None and before is not None and before.recorded_last >= since else since

    def _link(self, one: Linked) -> Link:
        inclusion = _text(b"".join(one.inclusion))
        return Link(
            checkpoint=one.checkpoint,
            stamp=_text(one.stamp),
            entry=_opened(Disclosed(one.entry, one.header, one.salts), inclusion, None, plain=True),
            size=one.head.size,
            root=_text(one.head.root),
            path=_text(one.path),
            consistency=_text(b"".join(self.source.consistency(one.head.size))),
        )

    @staticmethod
    def _before(known: Sequence[SnapshotSegment], first: int) -> SnapshotSegment | None:
        """Return the newest segment whose seal stands before the first entry of another one."""
        return next((one for one in known if one.seal.number == first - 2), None)

    def _volumes(self, covered: Sequence[SnapshotSegment]) -> list[SnapshotVolume]:
        """Return the volumes that stand for covered segments: those that hold nothing else, and have their index."""
        if self.headers or not self.tags:
            return []  # Headers are held against the indexes that were made of them; named entries need no index.
        first, last = covered[0].seal.number, covered[-1].seal.number
        return [
            one
            for one in self.source.volumes
            if one.salt is not None and first <= one.volume.first and one.volume.last <= last
        ]

    def _ask(self, pieces: Sequence[_Piece]) -> tuple[list[Stretch], list[int]]:
        """Look up every asked value in every piece; return the answers and the positions that all of them share."""
        stretches: list[Stretch] = []
        wanted: list[int] = []
        for number, salt, start, stop, ask in pieces:
            found: list[Found] = []
            groups: list[set[int]] = []
            for tags in self.tags:
                group: set[int] = set()
                for dimension, value in tags:
                    positions, proof = ask(number, leaf.tag(salt, dimension, value))
                    neighbour = proof if not positions else None
                    found.append(
                        Found(
                            positions=list(positions),
                            key=_text(neighbour.key) if neighbour else "",
                            value=_text(neighbour.value) if neighbour else "",
                            path=_text(proof.path),
                        )
                    )
                    group.update(positions)
                groups.append(group)
            stretches.append(Stretch(number=number, salt=_text(salt), found=found))
            kept = range(max(start, self.source.first), stop)
            if self.named is not None:
                wanted += [at for at in self.named if at in kept]
            else:
                wanted += set.intersection(*groups) if groups else kept
        return stretches, wanted

    def _bound(
        self,
        known: Sequence[SnapshotSegment],
        covered: Sequence[SnapshotSegment],
        volumes: Sequence[SnapshotVolume],
        bundles: list[Stretch],
    ) -> Bound:
        """Show the volumes, and of the segments below them what else is needed."""
        by_number = {one.seal.number: one for one in known}
        every = [one.volume for one in self.source.volumes]
        here = sorted({*self.opened, *self.asides})
        salted: dict[int, str] = {}
        for one in covered:
            over = any(held.volume.first <= one.seal.number <= held.volume.last for held in volumes)
            if over and one.salt is not None and any(one.seal.start <= at < one.seal.stop for at in here):
                salted[one.seal.number] = _text(one.salt)
        inner = {number for one in volumes for number in range(one.volume.first, one.volume.last + 1)}
        single = [one.seal.number for one in covered if one.seal.number not in inner]
        begin = covered[0].seal.number
        # The seal two before may name a time stamp, and the one after it says from where on that counts.
        edges = (begin - 2, begin - 1, covered[-1].seal.number + 1, every[-1].last)
        needed = {at for number in (*salted, *single) for at in (number, number - 2)} | {*edges}
        chain = max(0, every[-1].last - 1)
        shown = sorted(at for at in needed if 0 <= at < chain or at == every[-1].last)
        first = next(at for at, volume in enumerate(every) if volume.last >= min(*shown, volumes[0].volume.first))
        return Bound(
            volumes=[_text(volume.encode()) for volume in every[first:]],
            carried=self.source.volumes[-1].entry,
            covered=bundles,
            seals=[_shown(at, every, by_number) for at in shown],
            salts=list(salted.items()),
        )

    def _open(self, position: int, inside: range, *, plain: bool = False) -> None:
        """Open an entry, set it aside when the period leaves it out, or say why it has no content.

        Args:
            plain: Whether it stands beside the answer, so that the period says nothing about it.
        """
        one = next(iter(self.source.read(position, position + 1)), None)
        path = "" if position in inside else _text(b"".join(self.source.path(position)))
        if one is None:
            self.gone[position] = self.source.record(position)
        elif plain or self.question.has(one.header.recorded_at):
            self.opened[position] = _opened(one, path, self.show, plain=plain)
            if one.entry.erased is not None:
                record = one.entry.erased.record
                self.erased[position] = record if any(self.source.read(record, record + 1)) else None
        elif not inside:
            self.asides[position] = Aside(index=position, header=_text(one.header.encode()), path=path)

    def _headers(self, first: int, inside: range) -> dict[int, leaf.Header]:
        """Read every header that a span is made of; note what has no content any more, from the first segment on."""
        if not inside:
            return {}
        headers = {one.entry.index: one.header for one in self.source.read(inside.start, inside.stop)}
        for at in range(first, inside.stop):
            if at not in headers:
                self.gone[at] = self.source.record(at)
        return headers

    def _span(self, headers: dict[int, leaf.Header], inside: range) -> Span:
        """Return every leaf that is not opened."""
        rest = [at for at in inside if at not in self.opened]
        return Span(
            start=inside.start,
            frontier=_text(b"".join(self.source.frontier(inside.start))),
            leaves=[_text(headers[at].encode() if at in headers else self.source.hash(at)) for at in rest],
            consistency=_text(b"".join(self.source.consistency(inside.stop))),
        )

    def _reasons(self) -> list[Reason]:
        """Say which content left by retention, neighbours with one record in one breath, and what was erased."""
        reasons: list[Reason] = []
        for at in sorted(self.gone):
            before = reasons[-1] if reasons else None
            start = at
            if before is not None and before.stop == at and before.record == self.gone[at]:
                start = reasons.pop().index
            reasons.append(Reason(index=start, stop=at + 1, why=PURGED, record=self.gone[at]))
        reasons += [Reason(index=at, stop=at + 1, why=ERASED, record=record) for at, record in self.erased.items()]
        return sorted(reasons, key=lambda reason: reason.index)


def _segment(one: SnapshotSegment, source: Source) -> _Piece:
    if one.salt is None:
        raise AssertionError
    return _Piece(one.seal.number, one.salt, one.seal.start, one.seal.stop, source.look_up)


def _volume(one: SnapshotVolume, source: Source) -> _Piece:
    if one.salt is None:
        raise AssertionError
    return _Piece(one.volume.number, one.salt, one.volume.start, one.volume.stop, source.look_up_bound)


def _shown(number: int, every: Sequence[Volume], known: Mapping[int, SnapshotSegment]) -> tuple[str, str]:
    """Return the seal of a segment with its path in the volume that holds it."""
    (volume,) = [one for one in every if one.first <= number <= one.last]
    seals = [known[at].seal.encode() for at in range(volume.first, volume.last + 1)]
    return _text(seals[number - volume.first]), _text(b"".join(seal_path(seals, number - volume.first)))


def _begins(seal: Seal, until: int) -> bool:
    """Tell whether a segment begins after a period."""
    return not seal.indexed or seal.recorded_first >= until


def _opened(one: Disclosed, path: str, show: Show | None, *, plain: bool) -> Opened:
    fields: list[tuple[str, str, str]] = []
    listed = canonical.fields(one.entry)
    shown = listed if show is None else canonical.fields(show(one.entry))
    for (name, value), (_, seen), salt in zip(listed, shown, one.salts, strict=True):
        # Seals and records are verified by their details, which name nobody.
        if value is None:
            fields.append(("", _text(salt), ERASED))
        elif value == seen or (plain and name == b"details"):
            fields.append((name.decode(), _text(salt), value.decode()))
        else:
            fields.append(("", _text(leaf.commit(salt, name, value)), REDACTED))
    return Opened(
        index=one.entry.index,
        kind=one.header.kind,
        recorded_at=one.header.recorded_at,
        tags=_text(b"".join(one.header.tags)),
        fields=fields,
        path=path,
    )


def _text(data: bytes) -> str:
    return b64encode(data).decode()
