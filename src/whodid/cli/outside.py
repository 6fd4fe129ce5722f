"""What outsiders say of a log: witnesses that cosigned a head of it, and authorities that stamped one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from cryptography.x509 import Certificate
from msgspec import Struct
from msgspec.structs import replace

from whodid.evidence.verdict import Linked
from whodid.log import Log
from whodid.proof.policy import Policy
from whodid.witness import Seen, seen
from whodid.witness.stamp import Dated, dated, kept

__all__ = ["NOTHING", "Outside", "Said"]


class Said(Struct, frozen=True, kw_only=True):
    """What was found.

    Args:
        witnesses: None when nobody asked for witnesses.
        stamps: None when nobody asked for time stamps.
    """

    witnesses: Seen | None
    stamps: tuple[Dated, ...] | None

    @property
    def good(self) -> bool:
        """Whether everything that was asked for is there, and holds."""
        dates = self.stamps is None or (bool(self.stamps) and all(one.at is not None for one in self.stamps))
        return dates and (self.witnesses is None or self.witnesses.met)

    def words(self) -> list[str]:
        """Say it, in sentences."""
        found = [] if self.witnesses is None else [str(self.witnesses)]
        if self.stamps is not None:
            # Of a year of stamps, what is wrong, and from when to when they reach.
            wrong = [one for one in self.stamps if one.at is None]
            right = [one for one in self.stamps if one.at is not None]
            shown = dict.fromkeys([*wrong, *right[:1], *right[-1:]])
            found += [str(one) for one in shown] or ["There is no time stamp."]
        return found

    def told(self) -> dict[str, Any]:
        """Return it as members of a JSON object."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


NOTHING = Said(witnesses=None, stamps=None)
"""Nothing was asked for, or there was nobody to ask about."""


class Outside(NamedTuple):
    """What is asked for.

    Args:
        policy: Witnesses that must have cosigned, or None.
        certificates: Of authorities one of which must have stamped, or none.
    """

    policy: Policy | None
    certificates: Sequence[Certificate]

    def of_log(self, log: Log, workspace: str) -> Said:
        """Look at what is kept beside a log."""
        cosigned, vkey = log.cosigned(workspace), log.verifier_key(workspace)
        return Said(
            witnesses=None if self.policy is None else seen(cosigned, vkey, self.policy),
            stamps=tuple(kept(log, workspace, self.certificates)) if self.certificates else None,
        )

    def of_heads(self, heads: Sequence[tuple[str, bytes]], vkey: str, linked: Sequence[Linked] = ()) -> Said:
        """Look at verified heads of one log that a file holds, each with its time stamp or none.

        Args:
            linked: Heads of it that stood in the anchor log of its deployment: what was said of that one is said of
                them.
        """
        witnesses = None
        if self.policy is not None:
            policy = self.policy
            found = [seen(note, vkey, policy) for note, _ in heads]
            found += [replace(seen(one.checkpoint, one.vkey, policy), size=one.size) for one in linked]
            witnesses = max(found or [seen(None, vkey, policy)], key=lambda one: (one.met, len(one.present), one.size))
        stamps = None
        if self.certificates:
            stamps = (
                *(dated(stamp, note, self.certificates) for note, stamp in heads if stamp),
                *(
                    replace(dated(one.stamp, one.checkpoint, self.certificates), size=one.size)
                    for one in linked
                    if one.stamp
                ),
            )
        return Said(witnesses=witnesses, stamps=stamps)
