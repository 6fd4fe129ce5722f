"""Which witnesses of a policy have signed a head."""

from __future__ import annotations

from msgspec import Struct

from whodid.errors import ProofError
from whodid.proof.checkpoint import open_checkpoint, parse_checkpoint
from whodid.proof.note import Verifier
from whodid.proof.policy import Policy

__all__ = ["Seen", "seen"]


class Seen(Struct, frozen=True, kw_only=True):
    """Who stands for a head besides the log.

    Args:
        size: Of the head; 0 when it cannot be read, or there is none.
        present: Names, in the policy, of the witnesses whose signatures hold.
        met: Whether they are the quorum of the policy.
    """

    size: int
    present: tuple[str, ...]
    met: bool

    def __str__(self) -> str:
        quorum = "which is the quorum" if self.met else "which is not the quorum of the policy"
        return f"{self.size:,} entries are cosigned by {', '.join(self.present) or 'nobody'}, {quorum}."


def seen(note: str | None, vkey: str, policy: Policy) -> Seen:
    """Open a signed head with the keys of its log and its witnesses.

    One signature of a known key that does not hold condemns them all.

    Args:
        note: The head, or None.
        vkey: Key of the log.
    """
    if note is None:
        return Seen(size=0, present=(), met=policy.met(()))
    try:
        _, opened = open_checkpoint(note, Verifier(vkey), witnesses=[one.key for one in policy.witnesses])
        size = parse_checkpoint(opened.text).size
    except ProofError:
        return Seen(size=0, present=(), met=False)
    signed = {one.by for one in opened.known}
    names = tuple(one.name for one in policy.witnesses if one.key in signed)
    return Seen(size=size, present=names, met=policy.met(signed))
