"""A log in memory that lies when it is told to, as the source of evidence files."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from whodid import canonical
from whodid.catalog import builtin
from whodid.evidence.build import build
from whodid.evidence.document import Document, encode
from whodid.evidence.question import Question, ask
from whodid.evidence.verdict import Verdict
from whodid.evidence.verify import verify
from whodid.log import Anchored, Disclosed, Linked, SnapshotSegment, SnapshotVolume
from whodid.model import Actor, Change, Context, Entry, Related, Resource
from whodid.proof import leaf, tree
from whodid.proof.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from whodid.proof.index import Index, Lookup
from whodid.proof.note import Signer, parse_note
from whodid.proof.seal import NOTHING, Seal, anchor_hash, origin_id, salt_commitment
from whodid.proof.volume import Volume, seals_root, volume_salt_commitment

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MARIA = Actor(type="user", id="usr_2M", name="Maria Torres", email="maria@example.com", role="Manager")
ROBOT = Actor(type="system", id="robot")
CONTACTS = ("con_1", "con_2", "con_3")
ABOUT = ask(["resource:contact:con_1"], catalog=builtin())
QUESTIONS = {
    "contact": ABOUT,
    "person": ask(["actor:user:usr_2M"], catalog=builtin()),
    "both": ask(
        ["actor:user:usr_2M", "resource:contact:con_1,contact:con_2", "action:contact.merged"], catalog=builtin()
    ),
    "access": ask(["access"], catalog=builtin()),
    "nobody": ask(["resource:contact:con_9"], catalog=builtin()),
    "named": ask(["entry:15,18..20,22"], catalog=builtin()),
    "everything": Question(),
}


def bytes_of(*parts: object, size: int = 32) -> bytes:
    """Return bytes that look random and are always the same."""
    return sha256("/".join(map(str, parts)).encode()).digest()[:size]


@dataclass
class _Open:
    start: int
    salt: bytes
    postings: dict[bytes, list[int]] = field(default_factory=dict)


class Workshop:
    """A log of one workspace, written entry by entry.

    Args:
        name: Tells apart logs with other keys and salts.
        forge: Called with every entry before its tags are made; returns the entry whose tags are written instead.
        leave_out: Positions that the indexes do not mention.
    """

    def __init__(
        self,
        name: str = "shop",
        *,
        forge: Callable[[Entry], Entry] = lambda entry: entry,
        leave_out: Iterable[int] = (),
    ) -> None:
        self.name = name
        self.now = START
        self.entries: dict[int, Disclosed] = {}
        self.hashes: list[bytes] = []
        self.seals: list[tuple[Seal, int]] = []
        self.salts: dict[int, bytes] = {number: bytes_of(name, "salt", number) for number in range(200)}
        self.indexes: dict[int, Index] = {}
        self.volumes: list[SnapshotVolume] = []
        self.bindings: dict[int, Index] = {}
        self.records: dict[int, int] = {}
        self.leave_out = set(leave_out)
        self._forge = forge
        self._open = _Open(0, self.salts[0])
        self._commitments = [salt_commitment(number, self.salts[number]) for number in (0, 1)]
        self.signer = Signer(f"localhost/audit/{origin_id(*self._commitments)}", bytes_of(name, "key"))
        self.vkey = self.signer.vkey
        self.checkpoint = ""
        self.first = 0
        self.seen_outside: list[tuple[str, bytes]] = []
        self.stamp = b""
        self.linking: list[Linked] = []

    # ------------------------------------------------------------------------------------------------------- writing

    def add(
        self,
        action: str,
        resource: Resource,
        *,
        actor: Actor = MARIA,
        kind: int = leaf.EVENT,
        **more: Any,
    ) -> int:
        """Record an entry a second after the one before."""
        self.now += timedelta(seconds=1)
        index = len(self.hashes)
        entry = Entry(
            id=str(_uuid(self.name, index)),
            workspace="acme",
            index=index,
            occurred_at=self.now,
            recorded_at=self.now,
            actor=actor,
            action=action,
            kind=more.pop("catalogued", "update"),
            severity="info",
            resource=resource,
            **more,
        )
        salt = self._open.salt
        forged = self._forge(entry)
        tags = tuple(leaf.tag(salt, dimension, value) for dimension, value in canonical.tag_values(forged))
        seed = bytes_of(self.name, "seed", index)
        listed = [(path, value) for path, value in canonical.fields(entry) if value is not None]
        header = leaf.Header(kind, canonical.micros(self.now), leaf.content_root(leaf.commitments(seed, listed)), tags)
        self.entries[index] = Disclosed(entry, header, leaf.salts(seed, len(listed)))
        self.hashes.append(tree.leaf_hash(header.encode()))
        if index not in self.leave_out:
            for tag in tags:
                positions = self._open.postings.setdefault(tag, [])
                if not positions or positions[-1] != index:
                    positions.append(index)
        return index

    def close(self, *, days: int = 1) -> None:
        """Close the open segment, seal it, and let days pass."""
        number, opened = len(self.seals), self._open
        stop = len(self.hashes)
        inside = [self.entries[at].header.recorded_at for at in range(opened.start, stop) if at in self.entries]
        index = Index(opened.start, opened.postings)
        seal = Seal(
            number=number,
            start=opened.start,
            stop=stop,
            indexed=len(inside),
            keys=len(opened.postings),
            recorded_first=min(inside, default=0),
            recorded_last=max(inside, default=0),
            occurred_first=min(inside, default=0),
            occurred_last=max(inside, default=0),
            root=index.root,
            commitment=salt_commitment(number + 2, self.salts[number + 2]),
            previous=self.seals[-1][0].hash if self.seals else NOTHING,
            anchor=anchor_hash(self.stamp) if self.stamp else NOTHING,
        )
        self.indexes[number] = index
        self._open = _Open(stop, self.salts[number + 1])
        self.now += timedelta(days=days)
        details = {"segment": number, "start": opened.start, "stop": stop, "seal": seal.encode().hex()}
        at = self.add("audit.sealed", Resource(type="log", id="acme"), actor=ROBOT, kind=leaf.SEAL, details=details)
        self.seals.append((seal, at))
        self.sign()

    def bind(
        self,
        last: int,
        *,
        lie: Callable[[Volume], Volume] = lambda volume: volume,
        meddle: Callable[[dict[bytes, list[int]], bytes], object] = lambda postings, salt: None,
    ) -> None:
        """Bind the segments that no volume holds, up to one.

        Args:
            lie: Returns the volume that is written instead.
            meddle: Called with what the index is made of, and with its salt.
        """
        before = self.volumes[-1].volume if self.volumes else None
        first, number = before.last + 1 if before else 0, len(self.volumes)
        bound = [seal for seal, _ in self.seals[first : last + 1]]
        kept = [seal for seal in bound if seal.number in self.salts]
        salt = bytes_of(self.name, "volume", number) if kept else None
        postings: dict[bytes, list[int]] = {}
        for seal in kept:
            for at in range(seal.start, seal.stop):
                if at in self.entries and at not in self.leave_out:
                    forged = self._forge(self.entries[at].entry)
                    for value in dict.fromkeys(canonical.tag_values(forged)):
                        postings.setdefault(leaf.tag(salt or b"", *value), []).append(at)
        meddle(postings, salt or b"")
        index = Index(bound[0].start, postings)
        volume = Volume(
            number=number,
            first=first,
            last=last,
            start=bound[0].start,
            stop=bound[-1].stop,
            indexed=sum(seal.indexed for seal in kept),
            keys=len(postings),
            recorded_first=min((seal.recorded_first for seal in kept), default=0),
            recorded_last=max((seal.recorded_last for seal in kept), default=0),
            occurred_first=min((seal.occurred_first for seal in kept), default=0),
            occurred_last=max((seal.occurred_last for seal in kept), default=0),
            seals=seals_root([seal.encode() for seal in bound]),
            root=index.root,
            commitment=volume_salt_commitment(number, salt or bytes(32)),
            previous=before.hash if before else NOTHING,
        )
        volume = lie(volume)
        self.bindings[number] = index
        details = {"number": number, "first": first, "last": last, "volume": volume.encode().hex()}
        at = self.add("audit.bound", Resource(type="log", id="acme"), actor=ROBOT, kind=leaf.SEAL, details=details)
        self.volumes.append(SnapshotVolume(volume, at, salt))
        self.sign()

    def sign(self, size: int | None = None) -> None:
        """Sign the present head, or an earlier one."""
        signed = self.hashes[:size]
        frontier, _ = tree.extend((), 0, signed)
        checkpoint = Checkpoint(origin=self.signer.name, size=len(signed), root=tree.root(frontier))
        self.checkpoint = sign_checkpoint(checkpoint, self.signer)

    def purge(self, *positions: int, below: int = 0) -> int:
        """Remove the content of single entries, or of everything below an index; return the record of it."""
        for at in (*positions, *range(below)):
            self.entries.pop(at, None)
        for seal, _ in self.seals:
            if seal.stop <= below:
                self.salts.pop(seal.number, None)
        for at, (volume, entry, _) in enumerate(self.volumes):
            if volume.first not in self.salts:
                self.volumes[at] = SnapshotVolume(volume, entry, None)
        self.first = max(self.first, below)
        ranges = [[at, at + 1] for at in positions] or [[0, below]]
        details = {"ranges": ranges, "first": self.first}
        written = self.add(
            "audit.purged", Resource(type="log", id="acme"), actor=ROBOT, kind=leaf.PURGE, details=details
        )
        # What has no content any more is not purged again.
        self.records = dict.fromkeys((*positions, *range(below)), written) | self.records
        self.sign()
        return written

    # ------------------------------------------------------------------------------------------ the source of a file

    @property
    def segments(self) -> Sequence[SnapshotSegment]:
        return [SnapshotSegment(seal, at, self.salts.get(seal.number)) for seal, at in self.seals]

    @property
    def origin(self) -> Sequence[bytes]:
        return self._commitments

    def look_up(self, number: int, tag: bytes) -> tuple[Sequence[int], Lookup]:
        return self.indexes[number].look_up(tag)

    def look_up_bound(self, number: int, tag: bytes) -> tuple[Sequence[int], Lookup]:
        return self.bindings[number].look_up(tag)

    def read(self, start: int, stop: int) -> Iterable[Disclosed]:
        return [self.entries[at] for at in range(start, stop) if at in self.entries]

    def hash(self, position: int) -> bytes:
        return self.hashes[position]

    def path(self, position: int) -> Sequence[bytes]:
        return tree.inclusion_proof(position, len(self.hashes), self._roots)

    def frontier(self, size: int) -> Sequence[bytes]:
        return tree.frontier_at(size, self._roots)

    def consistency(self, size: int) -> Sequence[bytes]:
        return tree.consistency_proof(size, len(self.hashes), self._roots)

    def anchors(self, stop: int, before: SnapshotSegment | None = None) -> Sequence[Anchored]:
        return [
            Anchored(note, stamp, self.consistency(parse_checkpoint(parse_note(note)[0]).size))
            for note, stamp in self.seen_outside
        ]

    def linked(self, stop: int) -> Sequence[Linked]:
        return self.linking

    def record(self, position: int) -> int | None:
        return self.records.get(position)

    def _roots(self, positions: Sequence[tuple[int, int]]) -> list[bytes]:
        found = []
        for level, index in positions:
            frontier, _ = tree.extend((), 0, self.hashes[index << level : index + 1 << level])
            found.append(tree.root(frontier))
        return found

    # --------------------------------------------------------------------------------------------------------- files

    def evidence(self, question: Question, **more: Any) -> Document:
        """Make the evidence for a question."""
        return build(self, question, workspace="acme", made_at=self.now, made_by=MARIA, **more)


def furnished(name: str = "shop", *, segments: int = 4, entries: int = 9, **more: Any) -> Workshop:
    """Return a log with a small story in several sealed segments."""
    shop = Workshop(name, **more)
    draw = random.Random(name)
    for _ in range(segments):
        for at in range(entries):
            contact = Resource(type="contact", id=CONTACTS[at % 3], name=f"Contact <{at}>")
            if at % 4 == 3:
                related = (Related(type="contact", id=draw.choice(CONTACTS), rel="absorbed", name="Other"),)
                shop.add("contact.merged", contact, related=related)
            elif at % 4 == 2:
                shop.add("role.changed", Resource(type="user", id="usr_9"), actor=ROBOT)
            else:
                change = Change(path="phone", before=f"+34 600 {at}", after="+34 700 ñ 😀", class_="personal")
                context = Context(source="web", ip="203.0.113.7")
                shop.add("contact.updated", contact, changes=(change,), context=context)
        shop.close()
    return shop


def veiled(entry: Entry) -> Entry:
    """Show an entry without personal data."""
    changes = tuple(replace(change, before={"$": "hidden"}, after={"$": "hidden"}) for change in entry.changes)
    hidden = replace(entry.actor, name="hidden", email="hidden") if entry.actor.email else entry.actor
    return replace(entry, actor=hidden, changes=changes)


def _uuid(*parts: object) -> str:
    text = bytes_of("uuid", *parts, size=16).hex()
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-8{text[17:20]}-{text[20:]}"


def checked(document: Document, *trusted: str) -> Verdict:
    """Verify a document as its bytes."""
    return verify(encode(document), trusted=trusted)


def codes(verdict: Verdict) -> list[tuple[str, int | None]]:
    """List the problems of a verdict."""
    return [(one.code, one.index) for one in verdict.problems]


def carried_by(entry: Entry) -> set[tuple[str, tuple[str, ...]]]:
    """List what an entry can be asked for by."""
    resource = entry.resource
    things = [(resource.type, resource.id), *[(one.type, one.id) for one in entry.related]]
    carried: set[tuple[str, tuple[str, ...]]] = {("resource", thing) for thing in things}
    carried |= {("entry", (str(entry.index),))}
    return carried | {("actor", (entry.actor.type, entry.actor.id)), ("action", (entry.action,))}


def truth(shop: Workshop, question: Question) -> list[int]:
    """Compute what answers a question by reading everything in the sealed segments."""
    asked = [[(ask.dimension, tuple(value)) for value in ask.values] for ask in question.asks]
    found = []
    for at in range(shop.seals[-1][0].stop):
        entry = shop.entries[at].entry
        if all(carried_by(entry) & set(group) for group in asked) and question.has(canonical.micros(entry.recorded_at)):
            found.append(at)
    return found
