"""The answers of the API that let a reader check the log: signed head, proofs, hashes of the tree.

Nothing here can be read: hashes and commitments go to everybody who may read the log, a salt only with the field that
its reader sees whole.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from whodid.canonical import fields
from whodid.errors import InvalidQuery, NotFound, Purged
from whodid.model import Entry
from whodid.proof.leaf import commit
from whodid.proof.tile import TILE
from whodid.query import quote
from whodid.viewer.asks import LARGEST, number
from whodid.viewer.reader import Reader

__all__ = ["checkpoint", "consistency", "hashes", "proof", "proofs"]

_MOST_PROOFS = 200
_MOST_HASHES = 16_384
_PLACES = re.compile(r"(0|[1-9][0-9]{0,15})(?:\.\.(0|[1-9][0-9]{0,15}))?")
_LEVELS = {"0": 0, "8": 1}


def proof(reader: Reader, key: int | str) -> dict[str, Any]:
    """Return the proof that an entry is in the log: leaf header, path, signed head and the key to check it.

    `fields` binds what the viewer sees of the entry to the leaf: each field that it sees whole comes with its salt and
    its exact text, each other one as the bare commitment, which tells nothing. Of an erased one there is nothing else.
    """
    found = reader.entry(key)
    for inclusion, salts in reader.log.disclose(reader.workspace, [found.index]):
        return {
            "index": inclusion.index,
            "size": inclusion.size,
            "leaf": _text(inclusion.leaf),
            "path": [_text(one) for one in inclusion.path],
            "checkpoint": inclusion.checkpoint,
            "vkey": inclusion.vkey,
            "fields": _disclosed(reader, found, salts),
        }
    raise Purged(found.index)


def proofs(reader: Reader, found: Mapping[str, str]) -> dict[str, Any]:
    """Return many entries with their proofs under one signed head; what this viewer may not read is left out.

    Args:
        found: The parameter `at`: indexes and ranges of them (`3,7,10..109`), at most 200 in all.
    """
    entries: dict[int, Entry] = {}
    for index in _places(found.get("at", "")):
        with suppress(NotFound):  # purged entries are not there either
            entries[index] = reader.entry(index)
    items = []
    note: dict[str, Any] = {}
    for inclusion, salts in reader.log.disclose(reader.workspace, entries) if entries else ():
        entry = entries[inclusion.index]
        note = {"size": inclusion.size, "checkpoint": inclusion.checkpoint, "vkey": inclusion.vkey}
        items.append(
            {
                "entry": reader.seen(entry).wire,
                "leaf": _text(inclusion.leaf),
                "path": [_text(one) for one in inclusion.path],
                "fields": _disclosed(reader, entry, salts),
            }
        )
    return {**note, "items": items}


def checkpoint(reader: Reader, viewer: str) -> dict[str, Any]:
    """Return the signed head, the key that checks it, and the first index that may still have content.

    Args:
        viewer: Opaque name of this viewer in this workspace, for what a page remembers.
    """
    size, first = _grown(reader)
    return {
        "size": size,
        "first": first,
        "checkpoint": reader.log.checkpoint(reader.workspace),
        "vkey": reader.log.verifier_key(reader.workspace),
        "viewer": viewer,
    }


def consistency(reader: Reader, found: Mapping[str, str]) -> dict[str, Any]:
    """Return the proof that the log of size `to` extends the log of size `from` (RFC 6962, 2.1.2)."""
    size, _ = _grown(reader)
    new = number(found, "to", size, 1, size)
    old = number(found, "from", new, 1, new)
    return {
        "from": old,
        "to": new,
        "path": [_text(one) for one in reader.log.prove_consistency(reader.workspace, old, new)],
    }


def hashes(reader: Reader, found: Mapping[str, str]) -> dict[str, Any]:
    """Return hashes of the tree, one after the other in one base64 text.

    Args:
        found: The parameters `level` (0 for leaves, 8 for roots of complete subtrees of 256), `start` and `limit`.
    """
    size, first = _grown(reader)
    level = found.get("level", "0")
    if level not in _LEVELS:
        raise InvalidQuery(f"level cannot be {quote(level)}", "Use 0 for leaves, 8 for subtrees of 256 leaves")
    start = number(found, "start", 0, 0, LARGEST)
    limit = number(found, "limit", _MOST_HASHES, 1, _MOST_HASHES)
    kept = first // TILE * TILE
    if level == "0" and start < kept:
        raise InvalidQuery(
            f"The hashes of leaves before {kept} left with their content", "Ask for them with level=8, as subtrees"
        )
    row = reader.log.hashes(reader.workspace, _LEVELS[level], start, start + limit)
    return {"size": size, "start": start, "count": len(row), "hashes": _text(b"".join(row))}


def _grown(reader: Reader) -> tuple[int, int]:
    size, first = reader.head()
    if not size:
        raise NotFound("Nothing was recorded in this log yet", "There is something to check after the first entry")
    return size, first


def _places(text: str) -> list[int]:
    listed: list[int] = []
    for piece in text.split(","):
        matched = _PLACES.fullmatch(piece)
        if matched is None:
            raise InvalidQuery(f"at cannot be {quote(piece[:40])}", "Write indexes and ranges of them: 3,7,10..109")
        begin = int(matched[1])
        end = int(matched[2]) if matched[2] is not None else begin
        if end < begin or len(listed) + end - begin >= _MOST_PROOFS:
            raise InvalidQuery(
                f"at names no entries or more than {_MOST_PROOFS}", f"Ask for at most {_MOST_PROOFS} at once"
            )
        listed += range(begin, end + 1)
    return listed


def _disclosed(reader: Reader, entry: Entry, salts: list[bytes]) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = []
    for (path, value), (_, shown), salt in zip(fields(entry), fields(reader.seen(entry).shown), salts, strict=True):
        if value is None:
            listed.append({"commitment": _text(salt)})
        elif value == shown:
            listed.append({"path": path.decode(), "salt": _text(salt), "value": value.decode()})
        else:
            listed.append({"commitment": _text(commit(salt, path, value))})
    return listed


def _text(data: bytes) -> str:
    return b64encode(data).decode()
