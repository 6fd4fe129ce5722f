r"""The map of an anchor log: one root for the heads of all logs of a deployment, of which each can be shown alone.

A deployment has one log more than it has workspaces. Each of its entries holds the root of a Merkle Patricia tree (the
one of `whodid.proof.index`) from the names of all logs to their heads. The path of a key follows from its bits, so one
root gives one head for each log; and whoever is shown a path learns nothing of the other logs but hashes.

The encodings (all integers big endian)::

    key   = SHA-256("whodid/anchored-log/v1\n" | origin, UTF-8)
    value = SHA-256("whodid/anchored-head/v1\n" | u64 size | root 32)

The origin of an anchor log is that of any log of the deployment with `anchors` in the place of `audit`; the same key
signs for both, under their own names.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from hashlib import sha256
from itertools import pairwise

from whodid.errors import MalformedProof, Refuted
from whodid.proof.checkpoint import Checkpoint
from whodid.proof.index import Lookup, Patricia, check_lookup
from whodid.proof.note import ED25519, Verifier, decode_base64, key_id

__all__ = ["AnchorMap", "anchors_key", "check_anchored"]

_LOG = b"whodid/anchored-log/v1\n"
_HEAD = b"whodid/anchored-head/v1\n"
_ROW = 72


def _key(origin: str) -> bytes:
    return sha256(_LOG + origin.encode()).digest()


def _value(size: int, root: bytes) -> bytes:
    return sha256(_HEAD + size.to_bytes(8) + root).digest()


class AnchorMap:
    """The heads of all logs of a deployment at one moment.

    Args:
        heads: Key of a log → size and root of its head.
    """

    def __init__(self, heads: dict[bytes, tuple[int, bytes]]) -> None:
        self._heads = dict(sorted(heads.items()))

    @classmethod
    def of(cls, heads: Iterable[Checkpoint]) -> AnchorMap:
        """Make the map of some heads, each of another log."""
        return cls({_key(one.origin): (one.size, one.root) for one in heads})

    def joined(self, heads: Iterable[Checkpoint]) -> AnchorMap:
        """Return the map with some heads in the place of those that it has of their logs."""
        return AnchorMap({**self._heads, **{_key(one.origin): (one.size, one.root) for one in heads}})

    @cached_property
    def _tree(self) -> Patricia:
        return Patricia((key, _value(*head)) for key, head in self._heads.items())

    @property
    def root(self) -> bytes:
        """What the anchor log says of the map."""
        return self._tree.root

    def head(self, origin: str) -> Checkpoint | None:
        """Return the head of a log, or None when the map has none of it."""
        found = self._heads.get(_key(origin))
        return None if found is None else Checkpoint(origin=origin, size=found[0], root=found[1])

    def path(self, origin: str) -> bytes:
        """Prove the head of a log: steps of 33 bytes from the leaf up to the root."""
        return self._tree.look_up(_key(origin)).path

    def encode(self) -> bytes:
        """Return the stored form: of each log its key, its size (u64) and its root."""
        return b"".join(key + size.to_bytes(8) + root for key, (size, root) in self._heads.items())

    @classmethod
    def decode(cls, data: bytes) -> AnchorMap:
        """Read a stored map back.

        Raises:
            MalformedProof: It is not one.
        """
        rows = [data[at : at + _ROW] for at in range(0, len(data), _ROW)]
        if len(data) % _ROW or any(low[:32] >= high[:32] for low, high in pairwise(rows)):
            raise MalformedProof("A stored map of heads is not one")
        return cls({row[:32]: (int.from_bytes(row[32:40]), row[40:]) for row in rows})


def anchors_key(vkey: str, origin: str) -> Verifier:
    """Return the key of a deployment's anchor log from that of one of its other logs: the same, under another name.

    The deployment may have had another name when one of them began; what holds them together is the key.

    Args:
        vkey: Verifier key of the log.
        origin: Name of the anchor log.

    Raises:
        MalformedProof: It is not the name of an anchor log.
    """
    _, _, material = vkey.split("+", 2)
    deployment, kind, id_ = origin.rsplit("/", 2) if origin.count("/") > 1 else ("", "", "")
    if not deployment or kind != "anchors" or not (id_.isascii() and id_.isalnum()):
        raise MalformedProof("The name is not that of an anchor log")
    known = key_id(origin, decode_base64(material)[1:], ED25519)
    return Verifier(f"{origin}+{known.hex()}+{material}")


def check_anchored(root: bytes, head: Checkpoint, path: bytes) -> None:
    """Check that a map has a head of a log.

    Args:
        root: Of the map.
        path: As `AnchorMap.path` builds it.

    Raises:
        MalformedProof: The path has not the shape of one.
        Refuted: The map has another head of this log, or none.
    """
    key = _key(head.origin)
    proof = Lookup(key=key, value=_value(head.size, head.root), path=path)
    if check_lookup(root, key, proof) is None:
        raise Refuted("The map has no head of this log")
