r"""The evidence document: everything that somebody needs who trusts nobody, as one JSON object.

What lives here: its shape and its only spelling. What a member means for a proof is written once, in
docs/spec/evidence.md; what is checked, and in which order, in `verify`.

The spelling: JSON with sorted members, without spaces (RFC 8785), every ``<`` written ``\u003c``, so that it can stand
inside a page. Hashes, salts, headers and paths are base64; a path is its hashes in one. Times are microseconds since
1970, UTC. Every member is always there, but for those of `Document` that make a file one of version 2.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from whodid import canonical
from whodid.errors import MalformedProof

__all__ = [
    "DIMENSIONS",
    "ENTRY",
    "ERASED",
    "FORM",
    "PURGED",
    "REDACTED",
    "VERSION",
    "VERSION_2",
    "Anchor",
    "Aside",
    "Ask",
    "Bound",
    "Document",
    "Found",
    "Link",
    "Opened",
    "Reason",
    "Span",
    "Statement",
    "Stretch",
    "Whose",
    "decode",
    "encode",
    "version_of",
]

FORM = "evidence"
VERSION, VERSION_2 = 1, 2

Dimension = Literal["actor", "action", "resource", "entry"]
DIMENSIONS: tuple[Dimension, ...] = ("actor", "action", "resource", "entry")
"""In this order they stand in a question, each at most once."""

ENTRY: Final = "entry"
"""The dimension of entries that are named by their indexes; the others are tags."""

REDACTED = "redacted"
ERASED: Final = "erased"
PURGED: Final = "purged"


class Ask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the question: the entries that carry any of these values in a dimension.

    Args:
        values: `[type, id]` of actors and resources, `[name]` of actions, `[index]` of entries, ascending; entries are
            named alone, without other parts and without a period.
    """

    dimension: Dimension
    values: list[list[str]]


class Whose(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who made the file, as the maker says."""

    type: str
    id: str
    name: str


class Statement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file claims to answer.

    Args:
        asks: All of them must hold for an entry; none means every entry.
        since: First `recorded_at` that counts; None from where the file begins.
        until: First `recorded_at` that does not count any more; None up to where the file ends.
        workspace: The customer space, as the maker calls it.
    """

    asks: list[Ask]
    since: int | None
    until: int | None
    workspace: str
    made_at: int
    made_by: Whose


class Found(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """What the index of a segment holds for one asked value; written as an array, for there are many.

    Args:
        positions: Ascending; none when the value is absent.
        key: Key of the neighbour that proves an absence; empty otherwise.
        value: Value of that neighbour; empty otherwise.
        path: Steps of 33 bytes, leaf to root.
    """

    positions: list[int]
    key: str
    value: str
    path: str


class Stretch(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """A segment, or a volume, that the question covers; written as an array.

    Args:
        salt: Blinds the tags of its index.
        found: One per asked value, in the order of the question.
    """

    number: int
    salt: str
    found: list[Found]


class Opened(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry with what it says.

    Args:
        kind: Of the leaf.
        tags: Of the header, in one.
        fields: `[path, salt, value]` of a field that is shown, `["", commitment, why]` of one that is withheld, in the
            order in which the leaf commits to them; `why` is REDACTED or ERASED.
        path: Inclusion proof; empty when the span of headers contains the entry.
    """

    index: int
    kind: int
    recorded_at: int
    tags: str
    fields: list[tuple[str, str, str]]
    path: str


class Aside(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A header alone: of an entry that carries what was asked for and was recorded outside of the asked period."""

    index: int
    header: str
    path: str


class Span(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every leaf of the covered segments, to the last.

    Args:
        start: Index of the first leaf; above the first of the segments only where everything below was purged.
        frontier: Of the tree before the first leaf.
        leaves: For every leaf that is not an opened entry, in order, its header, or its hash when the content is gone.
        consistency: From the tree that ends with the span to the signed one.
    """

    start: int
    frontier: str
    leaves: list[str]
    consistency: str


class Reason(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why content is not here.

    Args:
        index: The first entry that it speaks of.
        stop: The first after it that it does not speak of.
        why: PURGED for the whole content, ERASED for the fields that are marked so.
        record: The entry in this file that recorded the act; None when that record has gone as well.
    """

    index: int
    stop: int
    why: Literal["purged", "erased"]
    record: int | None


class Anchor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An earlier head, or this one, that somebody outside has seen.

    Args:
        checkpoint: Signed note; signatures of witnesses stand in it.
        consistency: From the tree of that head to the signed one.
        stamp: Time stamp of that head (RFC 3161), or empty.
    """

    checkpoint: str
    consistency: str
    stamp: str


class Bound(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Volumes that stand for the segments that they hold.

    Args:
        volumes: Encoded, from the first that is needed to the newest.
        carried: Index of the entry that carries the newest.
        covered: The volumes that the question covers.
        seals: `[seal, inclusion path in its volume]` of the segments below volumes that something else here needs, by
            number: those whose salts are here, those two before, and those that bound the period.
        salts: `[number, salt]` of the segments below covered volumes of which entries are here, by number.
    """

    volumes: list[str]
    carried: int
    covered: list[Stretch]
    seals: list[tuple[str, str]]
    salts: list[tuple[int, str]]


class Link(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An earlier head, or this one, in the anchor log of the deployment, of which somebody outside has seen a head.

    Args:
        checkpoint: Signed note of the anchor log; signatures of witnesses stand in it.
        stamp: Time stamp of that head of the anchor log (RFC 3161), or empty.
        entry: An entry of the anchor log, opened.
        size: Of the head of this log that its map has.
        root: Likewise.
        path: In the map, steps of 33 bytes, leaf to root.
        consistency: From the tree of that head to the signed one.
    """

    checkpoint: str
    stamp: str
    entry: Opened
    size: int
    root: str
    path: str
    consistency: str


class Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of it.

    Args:
        whodid: FORM.
        checkpoint: Signed note over the tree that every path leads to.
        anchors: By size.
        vkey: The key that is said to have signed; whoever verifies gets it from elsewhere.
        origin: Commitments to the salts of the first two segments, when one of them is covered; else none.
        seals: From the one that commits to the first salt, or that bounds the period, to the newest; below volumes from
            the last but one that the newest volume holds.
        sealed: Index of the entry that carries the newest seal.
        segments: The covered ones.
        entries: By index: what answers the question, the entry `sealed`, and the records that `reasons` name.
        asides: By index.
        span: None when the file carries no headers beside its entries.
        reasons: By index.
        bound: Only in files of version 2, where volumes stand for segments.
        linked: Only in files of version 2, where the deployment has an anchor log. By size.
    """

    whodid: str
    version: int
    statement: Statement
    checkpoint: str
    anchors: list[Anchor]
    vkey: str
    origin: list[str]
    seals: list[str]
    sealed: int
    segments: list[Stretch]
    entries: list[Opened]
    asides: list[Aside]
    span: Span | None
    reasons: list[Reason]
    bound: Bound | UnsetType = UNSET
    linked: list[Link] | UnsetType = UNSET


_decode = msgspec.json.Decoder(Document).decode


def version_of(document: Document) -> int:
    """Return the version of the format that a document needs."""
    return VERSION if document.bound is UNSET and document.linked is UNSET else VERSION_2


def encode(document: Document) -> bytes:
    """Return the only spelling of a document."""
    return canonical.encode(document).replace(b"<", b"\\u003c")


def decode(data: bytes) -> Document:
    """Read a document.

    Raises:
        MalformedProof: It is none, it is of another version, or it is not written as `encode` writes it.
    """
    try:
        document = _decode(data)
        same = encode(document) == data
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, OverflowError) as error:
        raise MalformedProof(f"This is not an evidence document: {error}") from None
    if (document.whodid, document.version) != (FORM, version_of(document)):
        raise MalformedProof("The evidence is of another version", "Verify with a newer whodid")
    if not same:
        raise MalformedProof("The evidence is not written as it was made")
    return document
