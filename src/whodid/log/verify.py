"""Check a stored log as a sceptic would: trust nothing but the key.

Content → leaf → tile → tree → head → signature, and content → index → seal → chain of seals; then the search
structures, which proofs do not cover but people rely on. Everything wrong is collected, and the first bad entry is
named.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Self

import msgspec
from msgspec import Struct

from whodid.errors import ProofError, StoreError, WhodidError
from whodid.log.keys import DeploymentKey
from whodid.log.proving import header_of, levels_of
from whodid.log.verify_seals import SealCheck
from whodid.log.verify_volumes import VolumeCheck
from whodid.proof import leaf, tree
from whodid.proof.checkpoint import open_checkpoint
from whodid.proof.note import Verifier
from whodid.proof.tile import node_from_tiles
from whodid.sequence import Head
from whodid.store.base import Kept, Problem, Store, restore

__all__ = ["Progress", "Report", "lost_logs", "verify_log"]

Progress = Callable[[int, int], None]

_TILE = 256
_MAX_PROBLEMS = 100


class Report(Struct, frozen=True, kw_only=True):
    """What a verification found.

    Args:
        size: Number of leaves.
        checked: Entries whose content was recomputed to their leaf.
        purged: Entries whose content left by retention, each covered by a record of it.
        problems: What is wrong, entries in order; at most 100.
        first_bad: Index of the first bad entry, or None.
        checkpoint: The newest signed head, verified; empty when nothing was signed yet.
    """

    workspace: str
    origin: str
    size: int
    checked: int
    purged: int
    problems: tuple[Problem, ...]
    first_bad: int | None
    checkpoint: str

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @classmethod
    def missing(cls, origin: str, size: int, fact: str) -> Self:
        """Report a log that is not there; which workspace it was of, nobody knows any more.

        Args:
            size: How many entries it had at least.
            fact: How that is known.
        """
        return cls(
            workspace="",
            origin=origin,
            size=size,
            checked=0,
            purged=0,
            problems=(Problem(None, fact),),
            first_bad=None,
            checkpoint="",
        )

    def contradicted(self, fact: str) -> Self:
        """Return the report with one problem more, of no single entry."""
        return msgspec.structs.replace(self, problems=(*self.problems, Problem(None, fact)))


def verify_log(
    store: Store, workspace: str, head: Head, key: DeploymentKey, progress: Progress | None = None
) -> Report:
    """Verify everything that is stored for a workspace.

    Args:
        head: The head to verify; what is recorded meanwhile is left out.
        progress: Called now and then with (entries checked, entries in all).

    Returns:
        A report; it names every problem instead of raising.
    """
    work = _Verification(store, workspace, head)
    checkpoint = ""
    try:
        work.leaves(progress)
        work.tree()
        checkpoint = work.signature(key)
        work.covered()
    except WhodidError as error:
        work.add(getattr(error, "index", None), error.fact)
    try:
        for problem in store.check(workspace):
            if problem.index is None or problem.index < head.size:
                work.add(problem.index, problem.fact)
    except StoreError as error:
        work.add(None, error.fact)
    # Index before fact, and problems of no single entry last.
    ordered = sorted(set(work.problems), key=lambda one: (one.index is None, one.index or 0, one.fact))
    return Report(
        workspace=workspace,
        origin=head.origin,
        size=head.size,
        checked=work.checked,
        purged=head.size - work.checked - len(work.unreadable),
        problems=tuple(ordered[:_MAX_PROBLEMS]),
        first_bad=next((one.index for one in ordered if one.index is not None), None),
        checkpoint=checkpoint,
    )


def lost_logs(store: Store, key: DeploymentKey) -> tuple[Report, ...]:
    """Report the logs of which the deployment key signed heads and which the store does not have; see `Log.lost`."""
    # The heads first: whatever was signed before they are read is in the store, unless somebody took it away.
    signed = list(key.floor.every()) if key.floor is not None else []
    heads = [store.head(name) for name in store.workspaces()] if signed else []
    there = {head.origin for head in heads if head is not None}
    return tuple(
        Report.missing(
            last.origin, last.size, f"{last.size} entries were signed, as {path} tells, and the log is not there"
        )
        for path, last in signed
        if last.origin not in there
    )


class _Verification:
    def __init__(self, store: Store, workspace: str, head: Head) -> None:
        self.store = store
        self.workspace = workspace
        self.head = head
        self.problems: list[Problem] = []
        self.checked = 0
        self.unreadable: set[int] = set()
        self.missing: list[range] = []
        self.records: dict[int, dict[str, Any]] = {}
        self.segments = [one for one in store.segments(workspace) if one.number <= head.segment.number]
        self.starts = [segment.start for segment in self.segments]
        self.seals = SealCheck(store, workspace, head, self.segments, self.add)
        seals = {one.number: one for one in store.seals(workspace)}
        self.volumes = VolumeCheck(store, workspace, head, seals, self.add)
        self.place = 0

    def add(self, index: int | None, fact: str) -> None:
        self.problems.append(Problem(index, fact))

    def leaves(self, progress: Progress | None) -> None:
        """Recompute each leaf and each index from the content, and note which content is missing."""
        self.seals.chain()
        self.volumes.chain()
        number, hashes = -1, b""
        following, recorded_at = 0, 0
        for kept in self._readable():
            if kept.index > following:
                self.missing.append(range(following, kept.index))
            following = kept.index + 1
            if kept.recorded_at < recorded_at:
                self.add(kept.index, "It was recorded earlier than the entry before it")
            recorded_at = max(recorded_at, kept.recorded_at)
            if kept.index // _TILE != number:
                number = kept.index // _TILE
                (hashes,) = self.store.tiles(self.workspace, [(0, number)])
            at = kept.index % _TILE * 32
            self._leaf(kept, hashes[at : at + 32])
            if progress is not None and not self.checked % 1000:
                progress(self.checked, self.head.size - self.head.first)
        self._enter(len(self.segments))
        self.volumes.finish()
        if following < self.head.size:
            self.missing.append(range(following, self.head.size))
        if recorded_at > self.head.recorded_at:
            self.add(None, "The head is older than the newest entry")

    def _readable(self) -> Iterator[Kept]:
        """Read on after an entry that cannot be read."""
        start = 0
        while start < self.head.size:
            try:
                for kept in self.store.read(self.workspace, start, self.head.size):
                    yield kept
                    start = kept.index + 1
                return
            except StoreError as error:
                index = getattr(error, "index", None)
                bad = start if index is None else index
                self.add(bad, error.fact)
                self.unreadable.add(bad)
                if len(self.problems) >= _MAX_PROBLEMS:
                    return
                start = bad + 1

    def _enter(self, place: int) -> None:
        """Go on to another segment: those before it are complete."""
        for segment in self.segments[self.place : place]:
            self.seals.segment(segment)
        self.place = max(self.place, place)

    def _leaf(self, kept: Kept, expected: bytes) -> None:
        place = bisect_right(self.starts, kept.index) - 1
        try:
            if place < 0:
                self.add(kept.index, "The salt of its segment is missing")
                return
            entry = restore(kept, self.workspace)
            header, _ = header_of(kept, entry, self.segments[place].salt)
        except (WhodidError, ValueError, OverflowError) as error:
            self.add(kept.index, error.fact if isinstance(error, WhodidError) else f"It cannot be read: {error}")
            self.unreadable.add(kept.index)
            return
        self.checked += 1
        self._enter(place)
        self.seals.entry(kept, header, entry.details)
        self.volumes.entry(kept, header, entry, self.segments[place].number)
        if tree.leaf_hash(header.encode()) != expected:
            self.add(kept.index, "Its content is not what was recorded")
        elif kept.kind == leaf.PURGE and entry.details is not None:
            self.records[kept.index] = entry.details

    def tree(self) -> None:
        """Fold the tiles, level by level, up to the root of the head."""
        size, level, cut = self.head.size, 0, self.head.first // _TILE
        while True:
            count = size >> 8 * level
            for number in range(cut if level == 0 else 0, -(-count // _TILE)):
                hashes, *above = self.store.tiles(self.workspace, [(level, number), (level + 1, number // _TILE)])
                width = min(_TILE, count - number * _TILE)
                if len(hashes) < width * 32 or len(hashes) % 32:
                    self.add(
                        number * _TILE ** (level + 1), f"Tile {number} of level {level} is not {width} hashes long"
                    )
                    continue
                if width == _TILE:
                    folded = levels_of(hashes[: 32 * _TILE])[-1][0]
                    at = number % _TILE * 32
                    if above[0][at : at + 32] != folded:
                        self.add(
                            number * _TILE ** (level + 1),
                            f"Tile {number} of level {level} does not fold to its hash in the level above",
                        )
            level += 1
            if not size >> 8 * level:
                break
        if self._root(self.head.size) != self.head.root:
            self.add(None, "The tiles do not fold to the root of the head")
        if tree.root(self.head.frontier) != self.head.root or len(self.head.frontier) != size.bit_count():
            self.add(None, "The frontier of the head does not fold to its root")

    def _provable(self, size: int) -> bool:
        return size >= self.head.first // _TILE * _TILE or not size % _TILE

    def _root(self, size: int) -> bytes:
        try:
            return tree.root_at(size, _past(self.store, self.workspace))
        except (ProofError, StoreError):
            return b""

    def signature(self, key: DeploymentKey) -> str:
        """Check the newest signed head against the key and against the tree."""
        last = key.floor.last(self.head.origin) if key.floor is not None else None
        if last is not None and last.size > self.store_size():
            self.add(None, f"{last.size} entries were signed and only {self.store_size()} are there")
        elif last is not None and self._provable(last.size) and self._root(last.size) != last.root:
            self.add(None, f"The head of size {last.size} that was signed last is not a state of this log")
        self._signed("cosigned", key)
        return self._signed("checkpoint", key)

    def _signed(self, name: str, key: DeploymentKey) -> str:
        """Check a signed head that is kept under a name; return it, or nothing."""
        known = self.store.state(self.workspace, name)
        if known is None:
            return ""
        try:
            kept = msgspec.json.decode(known)
            note = kept["note"]
            checkpoint, _ = open_checkpoint(note, Verifier(key.verifier_key(self.head.origin)))
            if checkpoint.size != kept["size"]:
                self.add(None, "The signed head has another size than the one that is kept beside it")
            elif checkpoint.size > self.store_size():
                self.add(None, f"{checkpoint.size} entries were signed and only {self.store_size()} are there")
            elif self._provable(checkpoint.size) and self._root(checkpoint.size) != checkpoint.root:
                self.add(None, f"The signed head of size {checkpoint.size} is not a state of this log")
        except (ProofError, StoreError, msgspec.DecodeError, KeyError, TypeError) as error:
            self.add(None, f"The signed head cannot be verified: {error}")
            return ""
        return str(note)

    def store_size(self) -> int:
        """Return the present size: the newest signature may be younger than the head under check."""
        head = self.store.head(self.workspace)
        return head.size if head else 0

    def covered(self) -> None:
        """Demand a record of a purge for every entry whose content is missing."""
        first = max((int(record.get("first", 0)) for record in self.records.values()), default=0)
        ranges = sorted(
            (int(low), int(high)) for record in self.records.values() for low, high in record.get("ranges", ())
        )
        for gap in self.missing:
            at = max(gap.start, min(first, gap.stop))
            for low, high in ranges:
                if low <= at < high:
                    at = min(high, gap.stop)
            while at < gap.stop and at in self.unreadable:
                at += 1
            if at < gap.stop:
                self.add(at, "Its content is missing, and no record of a purge covers it")
        self._roots()
        if self.head.first > first:
            self.add(None, "The head says that more was purged than the records say")

    def _roots(self) -> None:
        """Compare what records of purges say of tree and seals with them, as far down as they still are there."""
        past = _past(self.store, self.workspace)
        for index, record in self.records.items():
            self.seals.frozen(index, record, past)
            cut, root = int(record.get("first", 0)), record.get("root")
            if cut >= self.head.first // _TILE * _TILE and tree.root_at(cut, past).hex() != root:
                self.add(None, f"The record of the purge up to {cut} says another root than the tree has there")


def _past(store: Store, workspace: str) -> tree.Hashes:
    """Return the past of a log's tree, read from its tiles."""
    return node_from_tiles(lambda level, number: store.tiles(workspace, [(level, number)])[0])
