"""The shapes of entries, as a viewer sees them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from whodid.model import ActorType, FieldClass, Kind, Outcome, Severity

__all__ = ["Count", "EntryView", "Instant", "Page", "Row", "SeenEntry", "Shape"]

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""RFC 3339 in UTC, six digits after the second."""


class Hidden(Struct, frozen=True, forbid_unknown_fields=True):
    """Stands where a value would stand that this viewer may not see (`hidden`), or that was erased (`erased`)."""

    mark: Literal["hidden", "erased"] = msgspec.field(name="$")


class Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of an answer."""


class SeenActor(Shape, frozen=True):
    """Who did it, with name, email and role as they were at that moment.

    Args:
        id: Opaque and stable.
        on_behalf_of: Whose rights were used, under impersonation or by an agent.
    """

    type: ActorType
    id: str
    name: str | Hidden | UnsetType = UNSET
    email: str | Hidden | UnsetType = UNSET
    role: str | UnsetType = UNSET
    on_behalf_of: SeenActor | UnsetType = UNSET


class SeenResource(Shape, frozen=True):
    """What was affected, with its name as it was at that moment."""

    type: str
    id: str
    name: str | Hidden | UnsetType = UNSET


class SeenRelated(SeenResource, frozen=True, kw_only=True):
    """A further resource.

    Args:
        rel: How it takes part: cause, absorbed, member …
    """

    rel: str


class SeenReason(Shape, frozen=True):
    """Why it was done: a code for machines, a text for people, or both."""

    code: str | UnsetType = UNSET
    text: str | Hidden | UnsetType = UNSET


class SeenContext(Shape, frozen=True):
    """Where it came from.

    Args:
        country: ISO 3166-1 alpha-2.
    """

    source: str | UnsetType = UNSET
    ip: str | Hidden | UnsetType = UNSET
    forwarded_ip: str | Hidden | UnsetType = UNSET
    user_agent: str | Hidden | UnsetType = UNSET
    country: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    request: str | UnsetType = UNSET
    session: str | UnsetType = UNSET


class SeenChange(Shape, frozen=True):
    """One field that changed.

    Args:
        op: replace when absent.
        before: Absent where there was no value; of a secret always.
        after: Absent where there is no value; of a secret always.
        added: Members of a set-like field.
        removed: The same.
        class_: plain when absent.
        before_fp: Keyed fingerprint of a secret.
        after_fp: The same.
        from_: Where the value came from.
    """

    path: str
    op: Literal["add", "remove", "replace", "set"] | UnsetType = UNSET
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET
    added: list[Any] | UnsetType = UNSET
    removed: list[Any] | UnsetType = UNSET
    class_: FieldClass | UnsetType = msgspec.field(default=UNSET, name="class")
    before_fp: str | UnsetType = UNSET
    after_fp: str | UnsetType = UNSET
    from_: str | UnsetType = msgspec.field(default=UNSET, name="from")


class SeenErased(Shape, frozen=True):
    """What was erased from an entry on the request of a person.

    Args:
        paths: The fields that are gone; proofs have their commitments.
        record: Index of the entry that records it.
    """

    at: Instant
    paths: list[str]
    record: int


class SeenEntry(Shape, frozen=True):
    """An entry, as this viewer sees it.

    Args:
        index: Zero-based, gap-free place in the log of the workspace.
        occurred_at: When it happened, by the sender's clock.
        recorded_at: When the log took it; never decreases along the index.
        cause: Id of the entry that made this one happen.
        batch: Common to entries of one import or bulk change.
        marks: What was noticed: late, redacted, sensitive, undeclared.
        erased: What an erasure took from it since.
    """

    workspace: str
    index: int
    id: str
    occurred_at: Instant
    recorded_at: Instant
    actor: SeenActor
    action: str
    kind: Kind
    severity: Severity
    resource: SeenResource
    outcome: Outcome | UnsetType = UNSET
    related: list[SeenRelated] | UnsetType = UNSET
    changes: list[SeenChange] | UnsetType = UNSET
    reason: SeenReason | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    batch: str | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET
    context: SeenContext | UnsetType = UNSET
    marks: list[str] | UnsetType = UNSET
    erased: SeenErased | UnsetType = UNSET


class SentencePart(Shape, frozen=True):
    """One part of a sentence: the text to show and what it names.

    Args:
        type: Type of the actor or resource, `action`, `value`, or `date` or `time` for a text in the form of RFC 3339.
        id: Id of the actor or resource; empty for everything else.
    """

    text: str
    type: str
    id: str


class SaidSentence(Shape, frozen=True):
    """What happened, in one sentence: plain text, never markup.

    Args:
        template: The sentence with named parts in braces.
        parts: Every part that the template names.
    """

    template: str
    parts: dict[str, SentencePart]


class ShownChange(Shape, frozen=True):
    """One change, written for people.

    Args:
        before: Absent when there was no value or it is secret.
        after: Absent when there is no value or it is secret.
    """

    path: str
    label: str
    op: str
    class_: FieldClass = msgspec.field(name="class")
    before: str | Hidden | UnsetType = UNSET
    after: str | Hidden | UnsetType = UNSET
    added: list[str] | UnsetType = UNSET
    removed: list[str] | UnsetType = UNSET
    before_fp: str | UnsetType = UNSET
    after_fp: str | UnsetType = UNSET


class Second(Shape, frozen=True):
    """The line under the sentence.

    Args:
        form: Which of the three it is; null when there is nothing to say.
        text: The reason without quotation marks, or the summary.
        changes: At most two.
        more: How many changes are not listed.
        summary: The summary in parts, where dates or times are among them.
    """

    form: Literal["reason", "changes", "summary"] | None
    text: str | UnsetType = UNSET
    changes: list[ShownChange] | UnsetType = UNSET
    more: int | UnsetType = UNSET
    summary: SaidSentence | UnsetType = UNSET


class Row(Shape, frozen=True, kw_only=True):
    """An entry as a row of a list.

    Args:
        index: Zero-based, gap-free place in the log of the workspace.
        cause: Id of the entry that made this one happen.
        batch: Common to entries of one import or bulk change.
        source: Where it came from: web, api, import, job, webhook, sso, cli.
        country: ISO 3166-1 alpha-2.
    """

    index: int
    id: str
    occurred_at: Instant
    recorded_at: Instant
    actor: SeenActor
    action: str
    kind: Kind
    severity: Severity
    resource: SeenResource
    related: list[SeenRelated] | UnsetType = UNSET
    reason: SeenReason | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    batch: str | UnsetType = UNSET
    outcome: Outcome
    marks: list[str]
    source: str | None
    country: str | None
    city: str | None
    ip: str | Hidden | None
    sentence: SaidSentence
    second: Second


class EntryView(Shape, frozen=True):
    """Everything about one entry.

    Args:
        labels: Path of a field → what it is called.
        values: Path of a field, or `details.<name>` → code that it holds → what the code is called.
        removed_on: The day on which retention removes it; null when it never does.
        held: Whether a legal hold keeps it, whatever the day.
        cause: The entry that made this one happen, where this viewer may see it.
    """

    entry: SeenEntry
    sentence: SaidSentence
    second: Second
    labels: dict[str, str]
    values: dict[str, dict[str, str]]
    removed_on: date | None
    held: bool
    cause: Row | UnsetType = UNSET


class Count(Shape, frozen=True):
    """How many.

    Args:
        exact: false when there may be more.
    """

    value: int
    exact: bool


class Head(Shape, frozen=True):
    """Where the log ends and begins.

    Args:
        size: How many entries were ever recorded.
        first: The first index that may still have content.
    """

    size: int
    first: int


class Period(Shape, frozen=True):
    """A period; null where it has no end of its own."""

    since: Instant | None
    until: Instant | None


class Page(Shape, frozen=True):
    """A page of entries, newest first.

    Args:
        next: Where the list goes on, for `cursor`; null at its end.
        range: The period that was asked for.
        viewer: Id of whoever reads, so that a page can tell what is the reader's own.
    """

    items: list[Row]
    next: str | None
    count: Count
    head: Head
    range: Period
    viewer: str
