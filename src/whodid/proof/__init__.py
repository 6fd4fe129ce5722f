"""The mathematics of proofs: trees, tiles, notes and checkpoints, in bytes and integers.

Nothing here knows what an entry is, where it is stored or who asks. The interfaces follow RFC 6962, RFC 9162 and C2SP
(https://c2sp.org), so that what this package proves can be checked without it. What most callers need is collected
here; each file has more: `tree`, `tile`, `note`, `checkpoint`, and `leaf` for the leaves of an audit log.
"""

from whodid.proof.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from whodid.proof.note import Note, Signer, Verifier, open_note, sign_note
from whodid.proof.tile import node_from_tiles
from whodid.proof.tree import (
    Hashes,
    check_consistency,
    check_inclusion,
    consistency_proof,
    extend,
    inclusion_proof,
    leaf_hash,
    root,
    root_at,
)

__all__ = [
    "Checkpoint",
    "Hashes",
    "Note",
    "Signer",
    "Verifier",
    "check_consistency",
    "check_inclusion",
    "consistency_proof",
    "extend",
    "inclusion_proof",
    "leaf_hash",
    "node_from_tiles",
    "open_checkpoint",
    "open_note",
    "root",
    "root_at",
    "sign_checkpoint",
    "sign_note",
]
