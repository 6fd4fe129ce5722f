"""Retention: content leaves the log when its time is over, by policy, in bounded steps, each of which is an entry.

What lives here: the policy (`policy`) and the legal holds (`holds`) as values, settings whose changes are entries, the
pure plan of what may go (`plan`) and what is lost with it (`loss`), carrying it out
(`purge`) and the thread that does so by itself (`worker`); beside it the thread that seals segments, which must come
first (`sealing`). Erasing a person is in `erasure`, which erasures there were in `register`, and what a file has to
hide of a person in `hidden`. What does not live here: how a store removes content (`Log.forget`, `Log.erase`) and how a
segment is sealed (`Log.seal`).
"""

from whodid.retention.erasure import (
    ErasurePreview,
    ErasureReport,
    Mention,
    erase_person,
    preview_erasure,
    repeat_erasure,
)
from whodid.retention.hidden import hiding
from whodid.retention.holds import (
    Hold,
    HoldPreview,
    holder,
    lost_holds,
    place_hold,
    preview_hold,
    read_holds,
    release_hold,
    standing_holds,
)
from whodid.retention.loss import Answerless, Loss
from whodid.retention.plan import removed_on
from whodid.retention.policy import DEFAULT_DAYS, STANDARD, Policy, change_policy, class_of, read_policy
from whodid.retention.purge import Preview, Purge, preview, purge
from whodid.retention.register import Erased, Gone, read_erasures, read_register, write_register
from whodid.retention.sealing import SealingWorker
from whodid.retention.worker import RetentionWorker

__all__ = [
    "DEFAULT_DAYS",
    "STANDARD",
    "Answerless",
    "Erased",
    "ErasurePreview",
    "ErasureReport",
    "Gone",
    "Hold",
    "HoldPreview",
    "Loss",
    "Mention",
    "Policy",
    "Preview",
    "Purge",
    "RetentionWorker",
    "SealingWorker",
    "change_policy",
    "class_of",
    "erase_person",
    "hiding",
    "holder",
    "lost_holds",
    "place_hold",
    "preview",
    "preview_erasure",
    "preview_hold",
    "purge",
    "read_erasures",
    "read_holds",
    "read_policy",
    "read_register",
    "release_hold",
    "removed_on",
    "repeat_erasure",
    "standing_holds",
    "write_register",
]
