"""Whether a stored index, of a segment or of a volume, is the one that was fixed, and holds what the entries carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from whodid.errors import ProofError, StoreError
from whodid.proof.index import Index

__all__ = ["check_index"]


class Fixed(Protocol):
    """What a seal and a volume fix of their index."""

    @property
    def root(self) -> bytes: ...
    @property
    def keys(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...


def check_index(
    read: Callable[[], bytes | None],
    fixed: Fixed,
    found: Mapping[bytes, Sequence[int]],
    present: set[int],
    add: Callable[[int | None, str], None],
    *,
    name: str,
    done: str,
    within: str,
) -> bool:
    """Compare a stored index with what was fixed of it and with the entries that have content.

    Args:
        read: Reads the encoded index; None where there is none.
        found: The entries that carry each tag, by their index.
        present: The entries that have content.
        add: Told each problem, with the entry that it is about.
        name: Whose index it is.
        done: What was done to fix it.
        within: What its entries lie in.

    Returns:
        Whether there was an index to compare.
    """
    try:
        stored = read()
        index = None if stored is None else Index.decode(stored)
    except (ProofError, StoreError) as error:
        add(None, error.fact)
        return False
    if index is None:
        add(None, f"The index {name} is missing")
        return False
    if index.root != fixed.root or len(index.postings) != fixed.keys:
        add(None, f"The index {name} is not the one that was {done}")
    for tag, carrying in found.items():
        for position in set(carrying).difference(index.postings.get(tag, ())):
            add(position, f"The index {name} leaves it out")
    for tag, positions in index.postings.items():
        for position in present.intersection(positions).difference(found.get(tag, ())):
            add(position, f"The index {name} has it under a tag that it does not carry")
        if positions[0] < fixed.start or positions[-1] >= fixed.stop:
            add(None, f"The index {name} reaches beyond {within}")
    return True
