"""The hall: record, find, prove and verify, over any store."""

from whodid.log.anchoring import ANCHORING, Linked
from whodid.log.anchors import MOST_STAMPS, Anchored, Stamp, Stamped, keep_stamp, read_stamp, stamped
from whodid.log.announced import Announced
from whodid.log.backing import back_up
from whodid.log.binding import BoundVolume
from whodid.log.carrying import SEALING
from whodid.log.commit import Receipt
from whodid.log.completing import Complete, Gone, Headers
from whodid.log.elsewhere import Elsewhere, Forget
from whodid.log.erasing import Erasure
from whodid.log.forgetting import Forgotten
from whodid.log.hiding import COVER, HIDDEN, Hiding, hide_proven
from whodid.log.keys import DeploymentKey
from whodid.log.lease import Holder, leased, passed
from whodid.log.log import Log
from whodid.log.moving import Moved, abandon_between, move_between
from whodid.log.naming import ANCHORS
from whodid.log.opening import open_log
from whodid.log.proving import Inclusion, ProvenEntry
from whodid.log.sealing import SealedSegment
from whodid.log.snapshot import Disclosed, Snapshot, SnapshotSegment, SnapshotVolume
from whodid.log.verify import Report
from whodid.log.worker import Worker
from whodid.store import scan
from whodid.store.base import Count, Facet, Facets, Histogram, ReplicaReport

__all__ = [
    "ANCHORING",
    "ANCHORS",
    "COVER",
    "HIDDEN",
    "MOST_STAMPS",
    "SEALING",
    "Anchored",
    "Announced",
    "BoundVolume",
    "Complete",
    "Count",
    "DeploymentKey",
    "Disclosed",
    "Elsewhere",
    "Erasure",
    "Facet",
    "Facets",
    "Forget",
    "Forgotten",
    "Gone",
    "Headers",
    "Hiding",
    "Histogram",
    "Holder",
    "Inclusion",
    "Linked",
    "Log",
    "Moved",
    "ProvenEntry",
    "Receipt",
    "ReplicaReport",
    "Report",
    "SealedSegment",
    "Snapshot",
    "SnapshotSegment",
    "SnapshotVolume",
    "Stamp",
    "Stamped",
    "Worker",
    "abandon_between",
    "back_up",
    "hide_proven",
    "keep_stamp",
    "leased",
    "move_between",
    "open_log",
    "passed",
    "read_stamp",
    "scan",
    "stamped",
]
