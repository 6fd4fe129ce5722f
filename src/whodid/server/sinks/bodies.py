"""What the routes of sinks take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from whodid.sinks import Signature

__all__ = [
    "Backfill",
    "ChangedSink",
    "DropView",
    "Dropped",
    "LanguageView",
    "LanguageWanted",
    "NewSecret",
    "NewSink",
    "Paused",
    "QuarantineList",
    "QuarantinedView",
    "Reasoned",
    "Retried",
    "RetryView",
    "SinkList",
    "SinkMade",
    "SinkView",
    "TestView",
]

_Why = Annotated[str, Meta(min_length=1, max_length=2_000)]
_Secret = Annotated[str, Meta(min_length=1, max_length=4_000)]
_Index = Annotated[int, Meta(ge=0)]
_Indexes = Annotated[list[_Index], Meta(min_length=1, max_length=100)]


class NewSink(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sink to be added.

    Args:
        name: For people; unique in its workspace.
        kind: `webhook`, `syslog`, `splunk`, `elastic` and so on.
        address: Where entries go.
        format: What an entry becomes; the usual one of the kind when absent.
        query: Which entries go there, in the query language without dates; empty for all.
        secret: The secret of its kind; it is kept encrypted and never answered. A webhook without one is given one.
        signature: How the secret that a webhook is given signs; nothing to any other sink.
        options: Of the kind.
        private: Whether addresses that are not on the public internet may be reached; an operator alone may say so.
        batch: How many entries go in one delivery at most; the usual number of the kind when absent.
        heartbeat: Seconds of silence after which a sign of life is sent; 0 sends none.
        start: Index of the first entry that goes there; when absent, the first that is yet to be recorded.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: Annotated[str, Meta(max_length=40)]
    address: Annotated[str, Meta(min_length=1, max_length=2_000)]
    format: Annotated[str, Meta(max_length=40)] | None = None
    query: Annotated[str, Meta(max_length=2_000)] = ""
    secret: _Secret | None = None
    signature: Signature = "hmac"
    options: dict[str, Annotated[str, Meta(max_length=2_000)]] = {}
    private: bool = False
    batch: int | None = None
    heartbeat: int | None = None
    start: _Index | None = None


class ChangedSink(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change about a sink; what is not named stays.

    Args:
        address: Where entries go; checked as for a new sink.
        query: Which entries go there from now on.
        options: Those that change, by name; null removes one, and the others stay.
        private: As for a new sink; an operator alone may say so.
        secret: Another secret, where the address or the options want one; it is kept encrypted and never answered.
        reason: Why; it is recorded.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    address: Annotated[str, Meta(min_length=1, max_length=2_000)] | UnsetType = UNSET
    format: Annotated[str, Meta(max_length=40)] | UnsetType = UNSET
    query: Annotated[str, Meta(max_length=2_000)] | UnsetType = UNSET
    options: dict[str, Annotated[str, Meta(max_length=2_000)] | None] = {}
    private: bool | UnsetType = UNSET
    batch: int | UnsetType = UNSET
    heartbeat: int | UnsetType = UNSET
    secret: _Secret | None = None
    reason: _Why | None = None


class NewSecret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another secret for a sink.

    Args:
        secret: The secret; a webhook without one is given one.
        signature: How the secret that a webhook is given signs.
        beside: Whether the one before stays good for now: a webhook is signed with both until the next change.
    """

    secret: _Secret | None = None
    signature: Signature = "hmac"
    beside: bool = False


class LanguageWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In which language people of the workspace are told.

    Args:
        lang: `en`, `es`, `pt`, `hi` or `ar`.
        reason: Why; it is recorded.
    """

    lang: Annotated[str, Meta(max_length=40)]
    reason: _Why | None = None


class LanguageView(Struct, frozen=True, kw_only=True):
    """The language of a workspace.

    Args:
        languages: Those that there are.
    """

    lang: str
    languages: list[str]


class Reasoned(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why; it is recorded."""

    reason: _Why | None = None


class Paused(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a sink is fed no more.

    Args:
        reason: It is recorded.
    """

    reason: _Why


class Backfill(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where entries are delivered again.

    Args:
        start: Index of the first of them; before the one that comes next.
        reason: Why; it is recorded.
    """

    start: _Index
    reason: _Why | None = None


class Retried(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is delivered once more.

    Args:
        indexes: Of entries in quarantine; all of them when absent.
    """

    indexes: _Indexes | None = None


class Dropped(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not delivered any more.

    Args:
        indexes: Of entries in quarantine; all of them when absent.
        reason: Why; it is recorded.
    """

    indexes: _Indexes | None = None
    reason: _Why


class SinkView(Struct, frozen=True, kw_only=True):
    """A sink and how it is.

    Args:
        query: Which entries go there; empty for all.
        secret: Where its secret is: nowhere, in the store, or in a file or a variable of the server.
        public_keys: What the receiver of a webhook checks signatures with, the newest first; empty where it shares the
            secret, and where the server cannot read it.
        private: Whether addresses that are not on the public internet may be reached.
        status: `failing`: the last delivery failed, the next one is due at `retry_at`.
        next: Index of the entry that comes next.
        behind: How many entries of the log are still to be looked at.
        lag: Seconds since the first of them was recorded; 0 when there are none.
        delivered: How many entries the receiver took, those that it took twice counted twice.
        refused: How many it refuses for good.
        quarantined: How many of those are in quarantine, the newest hundred at most.
        purged: How many entries were purged before their turn came.
        sent_at: When it last took anything, signs of life included.
        silence: Seconds since then; null when it never took anything.
        attempts: How many deliveries in a row failed.
        fault: Why the last one did; empty when it did not.
        failing_since: When the first of them failed.
        retry_at: When the next one is due.
        paused_at: Since when it is not fed.
        paused: Seconds since then.
        paused_because: Why it paused by itself; empty when a person paused it.
    """

    id: str
    name: str
    kind: str
    address: str
    format: str
    query: str
    secret: Literal["none", "kept", "file", "env"]
    public_keys: list[str]
    options: dict[str, str]
    private: bool
    batch: int
    heartbeat: int
    status: Literal["active", "failing", "paused"]
    next: int
    behind: int
    lag: float
    delivered: int
    refused: int
    quarantined: int
    purged: int
    sent_at: datetime | None
    silence: float | None
    attempts: int
    fault: str
    failing_since: datetime | None
    retry_at: datetime | None
    paused_at: datetime | None
    paused: float | None
    paused_because: str


class SinkMade(SinkView, frozen=True, kw_only=True):
    """A sink whose secret was set.

    Args:
        secret_text: The secret, where the server made one that the receiver needs, shown this once; null otherwise.
    """

    secret_text: str | None


class SinkList(Struct, frozen=True, kw_only=True):
    """The sinks of a workspace, in the order in which they were added."""

    items: list[SinkView]


class TestView(Struct, frozen=True, kw_only=True):
    """What became of a test.

    Args:
        taken: Whether the receiver took it.
        fault: Why not.
    """

    taken: bool
    fault: str


class QuarantinedView(Struct, frozen=True, kw_only=True):
    """An entry that the receiver refuses for good.

    Args:
        index: Of the entry.
        id: Of the entry.
        at: When it was refused.
        fault: What the receiver said.
    """

    index: int
    id: str
    at: datetime
    fault: str


class QuarantineList(Struct, frozen=True, kw_only=True):
    """What is in quarantine, oldest first.

    Args:
        refused: How many entries the receiver refuses for good; older ones than the newest hundred are not listed.
    """

    items: list[QuarantinedView]
    refused: int


class RetryView(QuarantineList, frozen=True, kw_only=True):
    """What became of a new try, and what is left.

    Args:
        taken: How many entries the receiver took now.
        fault: Why the last of the others was not taken.
    """

    taken: int
    fault: str


class DropView(QuarantineList, frozen=True, kw_only=True):
    """What is left in quarantine.

    Args:
        dropped: How many entries left it.
    """

    dropped: int
