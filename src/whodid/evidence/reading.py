"""Reading an evidence document: what its members mean, before anything about them is checked.

What lives here: the rules of form, the leaf of an opened entry, the positions that a question asks for. Whatever does
not fit raises; which step of the verification that refutes is for `verify` to say.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import UNSET

from whodid.errors import MalformedProof
from whodid.evidence.document import DIMENSIONS, ENTRY, ERASED, PURGED, REDACTED, Ask, Document, Opened, Reason, Stretch
from whodid.proof import leaf, tree
from whodid.proof.leaf import Header
from whodid.proof.note import decode_base64

__all__ = [
    "MOST",
    "agree",
    "among",
    "asked",
    "check_form",
    "covers",
    "details",
    "expected",
    "hashes",
    "leaf_of",
    "links",
    "named",
    "tags_of",
    "withheld",
]

MOST = (1 << 53) - 1
_TAGS = {"actor": leaf.ACTOR, "action": leaf.ACTION, "resource": leaf.RESOURCE}


def check_form(document: Document) -> None:
    """Refuse what has the shape of a document and cannot be one.

    Raises:
        MalformedProof: It is not one.
    """
    dimensions = [ask.dimension for ask in document.statement.asks]
    if dimensions != [one for one in DIMENSIONS if one in dimensions]:
        raise MalformedProof("The parts of the question are not in order")
    for ask in document.statement.asks:
        width = 1 if ask.dimension in {"action", ENTRY} else 2
        if not ask.values or any(len(value) != width or "\0" in "".join(value) for value in ask.values):
            raise MalformedProof("A part of the question asks for nothing that can be found")
    if document.linked is not UNSET and not document.linked:
        raise MalformedProof("The document is linked to nothing")
    if ENTRY in dimensions:
        _check_named(document)
    _check_pieces(document)
    for indexes in (
        [one.index for one in document.entries],
        [one.index for one in document.asides],
    ):
        if any(low >= high for low, high in pairwise(indexes)):
            raise MalformedProof("Entries stand at the wrong place, or twice")
    if {one.index for one in document.entries} & {one.index for one in document.asides}:
        raise MalformedProof("An entry is opened and set aside")
    for why in (PURGED, ERASED):
        reasons = [one for one in document.reasons if one.why == why]
        if any(one.stop <= one.index for one in reasons) or any(a.stop > b.index for a, b in pairwise(reasons)):
            raise MalformedProof("Reasons stand at the wrong place, or speak of nothing")
    for entry in (*document.entries, *links(document)):
        paths = [path for path, _, _ in entry.fields if path]
        if len(set(paths)) != len(paths) or any(why not in {REDACTED, ERASED} for _, _, why in withheld(entry)):
            raise MalformedProof("A field is there twice, or withheld for no known reason")
    if any(not 0 <= number <= MOST for number in _numbers(document)):
        raise MalformedProof("A number is negative or beyond what every reader of JSON understands")


def _check_pieces(document: Document) -> None:
    """Refuse what covers nothing, or covers it in two ways."""
    bound = None if document.bound is UNSET else document.bound
    stretches = [*document.segments, *(bound.covered if bound is not None else ())]
    count = len(asked(document))
    if not stretches or not document.seals or any(len(one.found) != count for one in stretches):
        raise MalformedProof("The document has no segments, or not one answer per asked value")
    if bound is None:
        return
    if not bound.volumes or not bound.covered or document.span is not None or not count:
        raise MalformedProof("There are volumes where nothing needs them")
    if any(low >= high for low, high in pairwise([number for number, _ in bound.salts])):
        raise MalformedProof("Salts stand at the wrong place, or twice")


def _check_named(document: Document) -> None:
    """Refuse entries that are not named alone, by their indexes, ascending."""
    statement = document.statement
    (ask, *others) = statement.asks
    texts = [value[0] for value in ask.values]
    indexes = [int(one) if one.isascii() and one.isdigit() and len(one) <= len(str(MOST)) else -1 for one in texts]
    if others or (statement.since, statement.until) != (None, None):
        raise MalformedProof("Entries are named beside something else")
    if [str(one) for one in indexes] != texts or any(a >= b for a, b in pairwise(indexes)) or indexes[-1] > MOST:
        raise MalformedProof("Entries are named twice, or not by an index")


def _numbers(document: Document) -> Iterator[int]:
    statement = document.statement
    yield from (document.sealed, statement.made_at, statement.since or 0, statement.until or 0)
    bound = () if document.bound is UNSET else (document.bound,)
    for one in bound:
        yield one.carried
        yield from (number for number, _ in one.salts)
    for stretch in (*document.segments, *(stretch for one in bound for stretch in one.covered)):
        yield stretch.number
        for found in stretch.found:
            yield from found.positions
    for link in () if document.linked is UNSET else document.linked:
        yield link.size
    for entry in (*document.entries, *links(document)):
        yield from (entry.index, entry.kind, entry.recorded_at)
    for aside in document.asides:
        yield aside.index
    for reason in document.reasons:
        yield from (reason.index, reason.stop, reason.record or 0)
    if document.span is not None:
        yield document.span.start


def links(document: Document) -> list[Opened]:
    """List the entries of the anchor log that are opened."""
    return [] if document.linked is UNSET else [one.entry for one in document.linked]


def asked(document: Document) -> list[tuple[int, bytes]]:
    """List what was asked for as (dimension of a tag, its value)."""
    return [one for tags in tags_of(document.statement.asks) for one in tags]


def tags_of(asks: Iterable[Ask]) -> list[list[tuple[int, bytes]]]:
    """List what each part of a question asks for as (dimension of a tag, its value)."""
    return [
        [(_TAGS[ask.dimension], "\0".join(value).encode()) for value in ask.values]
        for ask in asks
        if ask.dimension != ENTRY
    ]


def named(asks: Iterable[Ask]) -> list[int] | None:
    """List the entries that a question names, or None when it asks for what they carry."""
    return next(([int(value) for (value,) in ask.values] for ask in asks if ask.dimension == ENTRY), None)


def expected(document: Document, covered: Iterable[tuple[Stretch, int, int]]) -> Iterator[Iterable[int]]:
    """Compute, per covered piece, the positions that answer the question; of every entry, those of the span.

    Args:
        covered: Each with its first position, and the first after it.
    """
    least = 0 if document.span is None else document.span.start
    indexes = named(document.statement.asks)
    if indexes is not None:
        # Nothing says under what an entry beyond the covered pieces was filed: shown, it is no answer.
        pieces, opened = list(covered), {entry.index for entry in document.entries}
        yield [at for at in indexes if at not in opened or any(start <= at < stop for _, start, stop in pieces)]
        return
    for stretch, start, stop in covered:
        found = iter(stretch.found)
        groups = [{at for _ in ask.values for at in next(found).positions} for ask in document.statement.asks]
        yield set.intersection(*groups) if groups else range(max(least, start), stop)


def leaf_of(entry: Opened) -> tuple[bytes, Header]:
    """Recompute the leaf of an opened entry.

    Raises:
        MalformedProof: What is there does not make a leaf.
    """
    commitments = []
    for path, first, second in entry.fields:
        if path:
            salt = decode_base64(first)
            if len(salt) != leaf.SALT_SIZE:
                raise MalformedProof("A salt does not have 16 bytes")
            commitments.append(leaf.commit(salt, path.encode(), second.encode()))
        else:
            commitment = decode_base64(first)
            if len(commitment) != tree.HASH_SIZE:
                raise MalformedProof("A commitment does not have 32 bytes")
            commitments.append(commitment)
    tags = decode_base64(entry.tags)
    count, rest = divmod(len(tags), leaf.TAG_SIZE)
    if rest or count > leaf.MAX_TAGS or entry.kind > 0xFF:
        raise MalformedProof("The entry does not make a leaf")
    cut = tuple(tags[at : at + leaf.TAG_SIZE] for at in range(0, len(tags), leaf.TAG_SIZE))
    data = Header(entry.kind, entry.recorded_at, leaf.content_root(commitments), cut).encode()
    return tree.leaf_hash(data), Header.decode(data)


def hashes(text: str) -> list[bytes]:
    """Cut hashes that are written in one; the last may be too short, and is refused where it is used."""
    data = decode_base64(text)
    return [data[at : at + tree.HASH_SIZE] for at in range(0, len(data), tree.HASH_SIZE)]


def withheld(entry: Opened) -> list[tuple[str, str, str]]:
    """List the fields of an entry that are commitments alone."""
    return [field for field in entry.fields if not field[0]]


def _said(entry: Opened) -> dict[str, Any]:
    """Read the shown fields that tags are made of, and the details."""
    wanted = {"core", "actor.id", "resource.id", "related", "details"}
    return {path: msgspec.json.decode(value) for path, _, value in entry.fields if path in wanted}


def details(entry: Opened) -> dict[str, Any]:
    """Read the details of an entry.

    Raises:
        MalformedProof: They are not an object.
        KeyError: They are not shown.
    """
    details = _said(entry)["details"]
    if not isinstance(details, dict):
        raise MalformedProof("The details are not an object")
    return details


def agree(entry: Opened, tags: Sequence[bytes], salt: bytes) -> bool:
    """Compare tags with content; return whether there was content for all of them.

    Raises:
        MalformedProof: One of them is the tag of something else.
    """
    said = _said(entry)
    listed: list[tuple[int, str] | None] = [
        (leaf.ACTOR, f"{said['actor.id']['type']}\0{said['actor.id']['id']}") if "actor.id" in said else None,
        (leaf.ACTION, _text(said["core"]["action"])) if "core" in said else None,
        (leaf.RESOURCE, f"{said['resource.id']['type']}\0{said['resource.id']['id']}")
        if "resource.id" in said
        else None,
    ]
    if "related" in said:
        if not isinstance(said["related"], list):
            raise MalformedProof("The related resources are not a list")
        listed += [(leaf.RESOURCE, _named(one)) for one in said["related"]]
    elif withheld(entry):
        listed += [None] * (len(tags) - len(listed))
    if len(listed) != len(tags):
        raise MalformedProof("There are more or fewer tags than there should be")
    for tag, one in zip(tags, listed, strict=True):
        if one is not None and leaf.tag(salt, one[0], one[1].encode()) != tag:
            raise MalformedProof("It is the tag of something else")
    return None not in listed


def _named(one: dict[str, Any]) -> str:
    return f"{_text(one['type'])}\0{_text(one['id'])}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise MalformedProof("What a tag is made of is not a text")
    return value


def covers(details: dict[str, Any], reason: Reason) -> bool:
    """Tell whether a record of a purge or an erasure, whose ranges ascend, speaks of all that it is said to explain."""
    first = details.get("first", 0)
    at = first if type(first) is int and reason.index < first else reason.index
    for low, high in details.get("ranges", []):
        if type(low) is int and type(high) is int and low <= at < high:
            at = high
    return at >= reason.stop


def among(reasons: Sequence[Reason], at: int) -> bool:
    """Tell whether one of some ascending reasons speaks of an entry."""
    place = bisect_right(reasons, at, key=lambda reason: reason.index) - 1
    return place >= 0 and at < reasons[place].stop
