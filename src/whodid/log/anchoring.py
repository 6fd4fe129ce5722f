"""The anchor log of a deployment: one more log, whose entries hold the root of a map of the heads of all others.

Witnesses and time stamp authorities see this one log instead of one for each workspace, and learn neither how many
there are nor what they are called; each workspace can show its own head in the map. The log is kept in the store under
a name that no workspace can have; the maps that somebody may still ask for are kept as its named state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from whodid import sequence
from whodid.errors import NotFound
from whodid.log.anchors import read_stamp, stamped
from whodid.log.forgetting import Making
from whodid.log.keys import DeploymentKey
from whodid.log.naming import ANCHORS, id_of
from whodid.log.proving import Prover, existing
from whodid.model import Actor, Context, Entry, Event, Resource
from whodid.proof import leaf, tree
from whodid.proof.anchoring import AnchorMap
from whodid.proof.checkpoint import Checkpoint, parse_checkpoint
from whodid.proof.leaf import Header
from whodid.proof.note import parse_note
from whodid.sequence import Head
from whodid.store.base import Store, restore

__all__ = ["ANCHORING", "AnchorLog", "Linked"]

ANCHORING = Actor(type="system", id="anchoring", name="Anchoring")
"""Who anchors."""

_ACTION = "audit.anchored"
_MAPS = "maps"
_KEPT = 3
"""How many of the newest maps are kept; those whose heads were stamped, or cosigned last, are kept beside them."""


class Linked(NamedTuple):
    """A head of a log in the map of an entry of the anchor log.

    Args:
        checkpoint: Signed head of the anchor log; its newest entry is the one that holds the map.
        stamp: What an authority answered for it, or empty.
        entry: The newest entry of that head.
        header: Its leaf.
        salts: Of its fields, in the order of `canonical.fields`.
        inclusion: Proof that it is under the checkpoint.
        head: The head of the log that the map has.
        path: Proof that it is in the map.
    """

    checkpoint: str
    stamp: bytes
    entry: Entry
    header: Header
    salts: list[bytes]
    inclusion: list[bytes]
    head: Checkpoint
    path: bytes


class AnchorLog:
    """Read and extend the anchor log of a deployment.

    Args:
        store: Of the deployment.
        key: Its key.
    """

    def __init__(self, store: Store, key: DeploymentKey) -> None:
        self._store = store
        self._key = key

    def add(self, heads: Iterable[Checkpoint], begin: Callable[[], Head], making: Making) -> int | None:
        """Append an entry with the map of the newest heads, unless the newest map is the same.

        Args:
            heads: Signed ones; a log of which none is given keeps the one of the newest map.
            begin: Makes the head of an anchor log that has no entry yet.
            making: How the entry is made.

        Returns:
            The index of the entry, or None.
        """
        kept = self._kept()
        before = self._map(kept[-1]) if kept else None
        made = (before or AnchorMap({})).joined(heads)
        if made.root == (before or AnchorMap({})).root:
            return None
        event = Event(
            id=id_of(making.seed.hex()),
            occurred_at=making.clock(),
            actor=ANCHORING,
            action=_ACTION,
            resource=Resource(type="log", id="anchors"),
            details={"map": made.root.hex()},
            context=Context(source="job"),
        )
        ready = sequence.prepare(making.check(event), making.seed, leaf.LOG_LINK)
        batch = self._store.append(
            ANCHORS, lambda head, _: sequence.assemble(begin() if head is None else head, (ready,), making.clock())
        )
        if batch is None:
            raise AssertionError
        index = batch.rows[0].index
        # The map first: the list may not name what is not there. An entry whose map a crash took proves nothing.
        self._store.swap_state(ANCHORS, _name(index), None, made.encode())
        self._keep(index)
        return index

    def linked(self, origin: str, size: int, stop: int) -> list[Linked]:
        """Return heads of a log, by size, that stood in the anchor log when somebody outside saw a head of that one.

        Args:
            origin: Of the log.
            size: Of the head that they are linked to; no larger ones are returned.
            stop: Index after the last entry that matters: of those that were stamped it is the first that holds them
                all, or else the newest.
        """
        if self._store.head(ANCHORS) is None:
            return []
        prover = self._prover()
        chosen: Linked | None = None
        for one in reversed(stamped(self._state)):
            stamp = read_stamp(self._state, one.size)
            found = None if stamp is None else self._link(prover, origin, stamp.note, stamp.answer)
            if found is None or found.head.size > size:
                continue
            if chosen is not None and found.head.size < stop:
                break
            chosen = found
        cosigned = prover.cosigned()
        second = None if cosigned is None else self._link(prover, origin, cosigned, b"")
        found_ = [one for one in (chosen, second) if one is not None and one.head.size <= size]
        if (
            chosen is not None
            and second is not None
            and parse_note(chosen.checkpoint)[0] == parse_note(cosigned or "")[0]
        ):
            found_ = [chosen._replace(checkpoint=second.checkpoint)]
        return sorted(found_, key=lambda one: one.head.size)

    def newest(self, origin: str) -> Linked:
        """Return the newest head of a log in the newest map.

        Raises:
            NotFound: There is no anchor log, or it has none of this one yet.
        """
        found = None
        if self._store.head(ANCHORS) is not None:
            prover = self._prover()
            found = self._link(prover, origin, prover.checkpoint(), b"")
        if found is None:
            raise NotFound(
                "No head of this log is in an anchor log", "Whoever runs it sets anchor_log, or whodid anchor"
            )
        return found

    def _link(self, prover: Prover, origin: str, note: str, stamp: bytes) -> Linked | None:
        """Find the head of a log under a head of the anchor log; None when its map is not kept, or has none of it."""
        size = parse_checkpoint(parse_note(note)[0]).size
        kept = self._store.get(ANCHORS, size - 1)
        made = self._map(size - 1)
        head = None if made is None else made.head(origin)
        if made is None or head is None or kept is None:
            return None
        entry = restore(kept, ANCHORS)
        header, salts = prover.header(kept, entry)
        return Linked(
            checkpoint=note,
            stamp=stamp,
            entry=entry,
            header=header,
            salts=salts,
            inclusion=tree.inclusion_proof(size - 1, size, prover.hashes),
            head=head,
            path=made.path(origin),
        )

    def _keep(self, index: int) -> None:
        """Keep the newest maps, and those that somebody outside has seen."""
        while True:
            known = self._state(_MAPS)
            listed = sorted({*self._kept(), index})
            cosigned = self._prover().cosigned()
            seen = {one.size - 1 for one in stamped(self._state)}
            seen |= {parse_checkpoint(parse_note(cosigned)[0]).size - 1} if cosigned else set()
            kept = [one for one in listed if one in seen or one in listed[-_KEPT:]]
            if self._store.swap_state(ANCHORS, _MAPS, known, msgspec.json.encode(kept)):
                break
        for gone in set(listed) - set(kept):
            self._store.swap_state(ANCHORS, _name(gone), self._state(_name(gone)), None)

    def _kept(self) -> list[int]:
        """List the entries of which the map is kept, ascending."""
        known = self._state(_MAPS)
        return msgspec.json.decode(known, type=list[int]) if known else []

    def _map(self, index: int) -> AnchorMap | None:
        data = self._state(_name(index))
        return None if data is None else AnchorMap.decode(data)

    def _prover(self) -> Prover:
        return Prover(self._store, ANCHORS, existing(self._store, ANCHORS), self._key)

    def _state(self, name: str) -> bytes | None:
        return self._store.state(ANCHORS, name)


def _name(index: int) -> str:
    return f"map.{index}"
