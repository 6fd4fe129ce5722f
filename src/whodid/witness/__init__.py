"""Witnesses: asking others to cosign the heads of a log (`ask`), and being one for the logs of others (`book`, `door`).

A witness cosigns a head only if it continues the one that it cosigned before. So whoever finds its signature knows that
everybody was shown the same history, without trusting the operator of the log. The protocol is C2SP tlog-witness.
"""

from whodid.witness.ask import Cosigned, cosign, read_policy
from whodid.witness.seen import Seen, seen

__all__ = ["Cosigned", "Seen", "cosign", "read_policy", "seen"]
