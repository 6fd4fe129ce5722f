"""The words: what somebody says happened (`Event`) and what has a place in a log (`Entry`).

`Content` is the step between: an event that was checked and completed, still without a place.

Values only: frozen, keyword-only, without behaviour beyond their own shape. The same definitions decode and
encode the wire form and yield the JSON Schema (`schema()`); there is no second description of an event anywhere.

Times are `datetime` in UTC with microseconds. JSON values (`before`, `after`, `details`) are plain Python: None, bool,
int, float, str, list, dict. None of them is ever part of a cycle, so the garbage collector is told not to look at them
(`gc=False`): it would come by again and again while a batch is made, and never find anything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

__all__ = [
    "ACTORS",
    "KINDS",
    "OUTCOMES",
    "SEVERITIES",
    "Actor",
    "Change",
    "Content",
    "Context",
    "Entry",
    "Event",
    "FieldClass",
    "Kind",
    "Outcome",
    "Reason",
    "Related",
    "Resource",
    "Severity",
    "schema",
]

Kind = Literal["create", "update", "delete", "status", "security"]
Outcome = Literal["success", "denied", "failed"]
Severity = Literal["info", "notice", "warning", "critical"]
FieldClass = Literal["plain", "personal", "secret"]
ActorType = Literal["user", "api_key", "system", "scheduler", "provider", "anonymous"]
Source = Literal["web", "api", "import", "job", "webhook", "sso", "cli"]

ACTORS: tuple[ActorType, ...] = ("user", "api_key", "system", "scheduler", "provider", "anonymous")
KINDS: tuple[Kind, ...] = ("create", "update", "delete", "status", "security")
OUTCOMES: tuple[Outcome, ...] = ("success", "denied", "failed")
SEVERITIES: tuple[Severity, ...] = ("info", "notice", "warning", "critical")


class Actor(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who did it, with name, email and role as they were at that moment.

    Args:
        type: What kind of actor this is.
        id: Opaque and stable; never a name or an address, because it outlives an erasure.
        on_behalf_of: Whose rights were used, under impersonation or by an agent.
    """

    type: ActorType
    id: str
    name: str | None = None
    email: str | None = None
    role: str | None = None
    on_behalf_of: Actor | None = None


class Resource(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was affected, with its name as it was at that moment."""

    type: str
    id: str
    name: str | None = None


class Related(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A further resource and how it takes part (`rel`: cause, absorbed, member …)."""

    type: str
    id: str
    rel: str
    name: str | None = None


class Change(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One field that changed.

    `before` and `after` are absent (not null) where there was or is no value. A set-like field carries `added` and
    `removed` instead. A secret carries neither: only `before_fp` and `after_fp`, keyed fingerprints that tell whether
    it changed and whether a value came back.

    A value that is not there as it was is a marker, an object with the member `$`: `redacted` (with a fingerprint
    `fp`), `truncated` (too long; `length` in bytes or `items`, `sha256`, `head`, and the `part` that differs), `bytes`,
    `unencodable` (with the name of its `type`), `unknown` and `db_computed`.
    """

    path: str
    op: Literal["add", "remove", "replace", "set"] = "replace"
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET
    added: list[Any] | UnsetType = UNSET
    removed: list[Any] | UnsetType = UNSET
    class_: FieldClass = msgspec.field(default="plain", name="class")
    before_fp: str | None = None
    after_fp: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")


class Reason(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Why it was done: a code for machines, a text for people, or both."""

    code: str | None = None
    text: str | None = None


class Context(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where it came from.

    Args:
        country: ISO 3166-1 alpha-2.
    """

    source: Source | None = None
    ip: str | None = None
    forwarded_ip: str | None = None
    user_agent: str | None = None
    country: str | None = None
    city: str | None = None
    request: str | None = None
    session: str | None = None


class Event(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What somebody says happened, before it has a place.

    Args:
        id: A UUID (version 7 unless it was derived from a foreign id): the idempotency key everywhere.
        occurred_at: When it happened, by the sender's clock.
        action: `noun.verb`, past tense.
        cause: Id of the entry that made this one happen.
        batch: Common to entries of one import or bulk change.
        kind: Only heeded for an action that the catalog does not declare.
        severity: Overrides the catalog's, for example when a role became Owner.
    """

    id: str
    occurred_at: datetime
    actor: Actor
    action: str
    resource: Resource
    outcome: Outcome = "success"
    related: tuple[Related, ...] = ()
    changes: tuple[Change, ...] = ()
    reason: Reason | None = None
    cause: str | None = None
    batch: str | None = None
    details: dict[str, Any] | None = None
    context: Context | None = None
    kind: Kind | None = None
    severity: Severity | None = None


class Content(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An event that was checked and completed by the catalog, and has no place yet.

    Args:
        marks: What intake noticed, sorted: `late` (occurred long before it was recorded), `redacted` (a secret was
            replaced before storing), `sensitive` (it touches secrets or access rights), `undeclared` (the action is
            not in the catalog).
    """

    id: str
    occurred_at: datetime
    actor: Actor
    action: str
    kind: Kind
    severity: Severity
    resource: Resource
    outcome: Outcome = "success"
    related: tuple[Related, ...] = ()
    changes: tuple[Change, ...] = ()
    reason: Reason | None = None
    cause: str | None = None
    batch: str | None = None
    details: dict[str, Any] | None = None
    context: Context | None = None
    marks: tuple[str, ...] = ()

    @property
    def category(self) -> str:
        """The noun of the action."""
        return self.action.partition(".")[0]


class Erased(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was erased from an entry on the request of a person.

    Args:
        at: When.
        paths: The fields that are gone, in their order (docs/spec/entry-encoding.md): proofs have their commitments.
        record: Index of the entry that records the erasure; the newest where there were several.
    """

    at: datetime
    paths: tuple[str, ...]
    record: int


class Entry(Content, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An event that has a place in the log of a workspace.

    Args:
        index: Zero-based, gap-free place in the workspace's log.
        recorded_at: When the log took it; never decreases along the index.
        erased: What an erasure took from it since. It is no part of what was recorded, and no proof speaks of it.
    """

    workspace: str
    index: int
    recorded_at: datetime
    erased: Erased | None = None


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of `Event` and `Entry` with all that they contain.

    Returns:
        A document whose `$defs` hold one schema per type.
    """
    _, definitions = msgspec.json.schema_components([Event, Entry], ref_template="#/$defs/{name}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": definitions}
