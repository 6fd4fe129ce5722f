"""The hall: record, find, prove and verify, over any store."""

from whodid.log.announced import Announced
from whodid.log.commit import Receipt
from whodid.log.completing import Complete, Gone, Headers
from whodid.log.erasing import Erasure
from whodid.log.forgetting import Forgotten
from whodid.log.hiding import COVER, HIDDEN, Hiding, hide_proven
from whodid.log.keys import DeploymentKey
from whodid.log.lease import Holder, leased
from whodid.log.log import Log
from whodid.log.opening import open_log
from whodid.log.proving import Inclusion, ProvenEntry
from whodid.log.sealing import SEALING, SealedSegment
from whodid.log.snapshot import Disclosed, Snapshot, SnapshotSegment
from whodid.log.verify import Report
from whodid.log.worker import Worker
from whodid.store import scan
from whodid.store.base import Count, Facet, Facets, Histogram

__all__ = [
    "COVER",
    "HIDDEN",
    "SEALING",
    "Announced",
    "Complete",
    "Count",
    "DeploymentKey",
    "Disclosed",
    "Erasure",
    "Facet",
    "Facets",
    "Forgotten",
    "Gone",
    "Headers",
    "Hiding",
    "Histogram",
    "Holder",
    "Inclusion",
    "Log",
    "ProvenEntry",
    "Receipt",
    "Report",
    "SealedSegment",
    "Snapshot",
    "SnapshotSegment",
    "Worker",
    "hide_proven",
    "leased",
    "open_log",
    "scan",
]
