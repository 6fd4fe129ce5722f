"""The indexes of segments and volumes, as a store keeps them."""

from __future__ import annotations

from whodid.errors import StoreCorrupt
from whodid.proof.index import Index
from whodid.store.base import Store

__all__ = ["segment_index", "volume_index"]


def segment_index(store: Store, workspace: str, number: int) -> Index:
    """Return the index of a sealed segment that is kept.

    Raises:
        StoreCorrupt: It is not there.
    """
    return _index(store.postings(workspace, number), f"segment {number}")


def volume_index(store: Store, workspace: str, number: int) -> Index:
    """Return the index of a volume whose salt is kept.

    Raises:
        StoreCorrupt: It is not there.
    """
    return _index(store.volume_postings(workspace, number), f"volume {number}")


def _index(stored: bytes | None, name: str) -> Index:
    if stored is None:
        raise StoreCorrupt(f"The index of {name} is missing", "Run whodid verify, and restore a backup")
    return Index.decode(stored)
