"""How a log appends the entry that carries what was fixed of it: the seal of a segment, or a volume."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct

from whodid import canonical, sequence
from whodid.log.naming import id_of
from whodid.model import Actor, Content, Context, Event, Resource
from whodid.proof import leaf
from whodid.sequence import Batch, Head, Prepared
from whodid.store.base import Known, Store

__all__ = ["SEALING", "Carried", "Carrying", "stretch"]

SEALING = Actor(type="system", id="sealing", name="Sealing")
"""Who seals and binds."""


class Carried(Struct, frozen=True, kw_only=True):
    """The entry that was appended."""

    index: int
    recorded_at: datetime


def stretch(start: int, stop: int) -> dict[str, int]:
    """Say which part of the log something is about, for the details of an entry that carries it.

    Args:
        start: Index of its first entry.
        stop: Index after its last one.
    """
    return {"entries": stop - start, "start": start, "stop": stop}


class Carrying:
    """What appends such entries to the log of one workspace.

    Args:
        check: Makes content of an event, as intake does.
        clock: Returns now, UTC.
        draw: Returns that many random bytes.
    """

    def __init__(
        self,
        store: Store,
        workspace: str,
        check: Callable[[Event], Content],
        clock: Callable[[], datetime],
        draw: Callable[[int], bytes],
    ) -> None:
        self.store = store
        self.workspace = workspace
        self.clock = clock
        self.draw = draw
        self._check = check

    def append(
        self,
        action: str,
        name: str,
        details: dict[str, Any],
        context: Context | None,
        place: Callable[[Head, Prepared, datetime], Batch | None],
    ) -> Carried | None:
        """Append an entry.

        Args:
            action: What is done.
            name: Of what is fixed: the id follows from it, so that not even two stores of one log could hold it twice.
            details: What is fixed, and what people want to know of it.
            context: Where from, if a person asked for it.
            place: Makes the batch of the head under the store's lock; None when it was done already.

        Returns:
            The entry, or None when somebody else was faster.
        """
        event = Event(
            id=id_of(name),
            occurred_at=self.clock(),
            actor=SEALING,
            action=action,
            resource=Resource(type="log", id=self.workspace),
            details=details,
            context=context or Context(source="job"),
        )
        ready = sequence.prepare(self._check(event), self.draw(leaf.SEED_SIZE), leaf.SEAL)

        def assemble(head: Head | None, _: Known) -> Batch | None:
            return None if head is None else place(head, ready, self.clock())

        batch = self.store.append(self.workspace, assemble)
        if batch is None:
            return None
        row = batch.rows[0]
        return Carried(index=row.index, recorded_at=canonical.from_micros(row.recorded_at))
