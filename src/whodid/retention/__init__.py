"""Retention: content leaves the log when its time is over, by policy, in bounded steps, each of which is an entry.

What lives here: the policy as a value (`policy`), the pure plan of what may go (`plan`), carrying it out (`purge`)
and the thread that does so by itself (`worker`); beside it the thread that seals segments, which must come first
(`sealing`). What does not: how a store removes content (`Log.forget`) and how a segment is sealed (`Log.seal`).
"""

from whodid.retention.plan import removed_on
from whodid.retention.policy import DEFAULT_DAYS, STANDARD, Policy, change_policy, class_of, read_policy
from whodid.retention.purge import Preview, Purge, preview, purge
from whodid.retention.sealing import SealingWorker
from whodid.retention.worker import RetentionWorker

__all__ = [
    "DEFAULT_DAYS",
    "STANDARD",
    "Policy",
    "Preview",
    "Purge",
    "RetentionWorker",
    "SealingWorker",
    "change_policy",
    "class_of",
    "preview",
    "purge",
    "read_policy",
    "removed_on",
]
