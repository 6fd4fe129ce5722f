"""How complete an answer is, level by level: what is proven of it, up to where, and what is only said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from whodid.answers.shape import Basis, Level, Said, Standing, State
from whodid.errors import InvalidQuery, NotFound
from whodid.model import Entry

__all__ = ["Prove", "Proved", "stand"]

_LEVELS = ("c0", "c1", "c2", "c3")


class Proved(Protocol):
    """What the sealed part of a log proves of an answer."""

    @property
    def states(self) -> Mapping[str, State]:
        """`c0` to `c4` → a `State`."""
        ...

    @property
    def start(self) -> int:
        """Index of the first entry that is covered."""
        ...

    @property
    def stop(self) -> int:
        """Index after the last."""
        ...

    @property
    def indexes(self) -> Collection[int]:
        """The entries that answer, of those with content."""
        ...


Prove = Callable[[Basis], Proved]
"""Works out what is proven of an answer with this basis; raises NotFound when nothing is sealed."""


def stand(prove: Prove, basis: Basis, entries: tuple[Entry, ...], *, size: int, narrowed: bool) -> Standing:
    """Say how complete an answer is.

    Args:
        entries: That it rests on.
        size: Entries in the log before they were read: what came later is not held against the answer.
        narrowed: Whether the reader sees a part of the log only.
    """
    if narrowed:
        return _absent("narrowed")
    if not basis.actions:
        return _absent("named" if basis.indexes else "nothing")
    try:
        proved = prove(basis)
    except NotFound:
        return _absent("unsealed")
    except InvalidQuery:
        return _absent("large")
    covered = range(proved.start, min(proved.stop, size))
    here = {entry.index for entry in entries}
    states: dict[str, State] = dict(proved.states)
    if {at for at in here if at in covered} != {at for at in proved.indexes if at in covered}:
        states["c2"] = "failed"
    parts: dict[str, int] = {"first": proved.start, "last": proved.stop - 1, "count": len(here & set(covered))}
    levels = [
        Level(name=name.upper(), state=states[name], said=Said(f"level.{name}.{states[name]}", dict(parts)))
        for name in _LEVELS
    ]
    return Standing(
        levels=(*levels, _c4()), stop=proved.stop, unsealed=sum(entry.index >= proved.stop for entry in entries)
    )


def _absent(why: str) -> Standing:
    levels = [Level(name=name.upper(), state="absent", said=Said(f"level.{why}")) for name in _LEVELS]
    return Standing(levels=(*levels, _c4()))


def _c4() -> Level:
    return Level(name="C4", state="absent", said=Said("level.c4"))
