"""What an answer is made of, and what it is made from: values, and the one way to the entries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from whodid.errors import InvalidQuery
from whodid.model import Actor, Entry, Related, Resource
from whodid.query import Query, quote, spans

__all__ = [
    "Answer",
    "Basis",
    "Kept",
    "Level",
    "Part",
    "Reader",
    "Row",
    "Said",
    "Standing",
    "State",
    "Subject",
    "concerned",
    "named",
    "subject_of",
    "text_of",
]


class Subject(Struct, frozen=True, kw_only=True):
    """What a question is about.

    Args:
        name: As the newest entry about it has it; None when none says.
    """

    type: str
    id: str
    name: str | None = None


Part = str | int | datetime | Subject | Actor | Entry
"""What a sentence can speak of; an entry stands for its own sentence."""


class Said(Struct, frozen=True):
    """A sentence that is still without a language.

    Args:
        code: Which one, a key of the files in `locales`.
        parts: What stands in its braces.
    """

    code: str
    parts: dict[str, Part] = {}

    @classmethod
    def of(cls, code: str, **parts: Part) -> Said:
        """Make a sentence of its parts."""
        return cls(code, parts)


class Row(Struct, frozen=True, kw_only=True):
    """One of several things that the answer says.

    Args:
        subject: Whom or what it is about.
        said: In this order.
        indexes: The entries that say so.
        proven: Whether these are among the entries of the basis.
    """

    subject: Subject
    said: tuple[Said, ...]
    indexes: tuple[int, ...] = ()
    proven: bool = True


class Basis(Struct, frozen=True, kw_only=True):
    """Which entries an answer rests on: all that are kept of these actions and, where any is named, these resources.

    Args:
        resources: (type, id), as resource or related; none for any.
        indexes: The entries themselves, ascending, where nothing that an index of a segment knows selects them; then
            there are no actions.
    """

    actions: tuple[str, ...] = ()
    resources: tuple[tuple[str, str], ...] = ()
    indexes: tuple[int, ...] = ()

    def terms(self) -> list[str]:
        """Return the same as the parts of a question that an evidence file is asked with."""
        if self.indexes:
            return [f"entry:{spans(self.indexes)}"]
        asked = [f"action:{','.join(self.actions)}"]
        if self.resources:
            asked.append(f"resource:{','.join(':'.join(one) for one in self.resources)}")
        return asked


State = Literal["held", "part", "failed", "absent"]
"""Proven; proven but for what had gone before; refuted; not claimed."""


class Level(Struct, frozen=True, kw_only=True):
    """One level of completeness.

    Args:
        name: C0 to C4, as docs/concepts/proofs.md tells them.
        said: What that means for this answer.
    """

    name: str
    state: State
    said: Said


class Standing(Struct, frozen=True, kw_only=True):
    """How complete an answer is.

    Args:
        levels: C0 to C4.
        stop: Index after the last entry that is sealed; 0 when nothing is, or nothing could be proven.
        unsealed: Entries that the answer rests on and that are not sealed yet.
    """

    levels: tuple[Level, ...]
    stop: int = 0
    unsealed: int = 0


class Answer(Struct, frozen=True, kw_only=True):
    """An answer.

    Args:
        question: One of `QUESTIONS`.
        subject: What it was asked about, if about one thing.
        since: First moment that was asked about; None for the beginning.
        until: First moment after; None for now.
        finding: The answer in a sentence.
        rows: What there is to say of each thing, where there are several.
        basis: What the evidence for it asks for; None when there is nothing to ask for.
        entries: All that the basis selects, newest first, as the reader may see them.
        limits: What this answer cannot say.
        standing: How complete it is; None when nobody worked that out.
    """

    question: str
    subject: Subject | None
    since: datetime | None
    until: datetime | None
    finding: Said
    rows: tuple[Row, ...]
    basis: Basis | None
    entries: tuple[Entry, ...]
    limits: tuple[Said, ...]
    standing: Standing | None = None


class Kept(Struct, frozen=True, kw_only=True):
    """How far back a log reaches.

    Args:
        size: How many entries were ever recorded.
        first: Index below which no content is left.
        since: When the oldest entry with content was recorded; None for an empty log.
        until: Up to when retention removed entries, as the newest record of a purge says; None when it never did.
    """

    first: int
    since: datetime | None
    until: str | None
    size: int


class Reader(Protocol):
    """The log, as one reader may see it."""

    @property
    def personal(self) -> bool:
        """Whether this reader sees personal values."""
        ...

    @property
    def narrowed(self) -> bool:
        """Whether this reader sees a part of the log only."""
        ...

    def find(self, query: Query) -> Iterator[Entry]:
        """Iterate over matching entries, newest first, with a cover over what is hidden."""
        ...

    def get(self, key: str) -> Entry:
        """Return one entry by its id.

        Raises:
            NotFound: There is none, it has no content any more, or it is not for this reader.
        """
        ...

    def actors(self) -> Iterator[str]:
        """Iterate over the ids of the people who acted, the most active first."""
        ...

    def kept(self) -> Kept:
        """Say how far back the log reaches."""
        ...


def subject_of(text: str) -> Subject:
    """Read the subject of a question.

    Args:
        text: `TYPE:ID`.

    Raises:
        InvalidQuery: It is not written so.
    """
    type_, colon, id_ = text.partition(":")
    if not (type_ and colon and id_) or "\0" in text:
        raise InvalidQuery(f"{quote(text)} names nothing", "Write TYPE:ID, such as contact:con_4H7P")
    return Subject(type=type_, id=id_)


def named(entry: Entry, type_: str, id_: str) -> str | None:
    """Return the name that an entry has for a resource."""
    return next((one.name for one in concerned(entry) if (one.type, one.id) == (type_, id_) and one.name), None)


def concerned(entry: Entry) -> tuple[Resource | Related, ...]:
    """Return the resource of an entry and its related ones."""
    return entry.resource, *entry.related


def text_of(value: object) -> str:
    """Write a recorded value as it can stand in a sentence."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(text_of(one) for one in value)
    if isinstance(value, dict) and isinstance(value.get("$"), str):
        return f"[{value['$']}]"
    return str(value)
