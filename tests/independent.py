"""A verifier of evidence that was written from docs/spec alone: if it fails, the page or the program is wrong.

It uses nothing of whodid, follows the steps of docs/spec/evidence.md by their numbers, and covers both versions of the
file except for what is said of outsiders (`anchors`, `linked`, dated seals). The page's own verifier is its beginning.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["Found", "Wrong", "check", "commitment", "data_of"]

_MARK = '<script id="evidence" type="application/json">'
_DIMENSIONS = {"actor": 1, "resource": 2, "action": 3}
_MEMBERS = {
    *("whodid", "version", "statement", "checkpoint", "vkey", "anchors", "seals", "sealed", "origin", "segments"),
    *("entries", "asides", "span", "reasons"),
}


class Wrong(Exception):
    """What the specification calls a problem; the text begins with its name."""


class Found(NamedTuple):
    """What a file shows.

    Args:
        shown: Entries that answer the question.
        purged: Indexes that answer it and whose content went.
        erased: Fields of shown entries that were erased, as a record of the log says.
        withheld: Fields of shown entries that are not here otherwise.
    """

    shown: int
    purged: int
    erased: int
    withheld: int


def data_of(page: str) -> str:
    """Return the data of an evidence page."""
    _must(page.count(_MARK) == 1, "form")
    data, end, _ = page.partition(_MARK)[2].partition("</script>")
    _must(bool(end), "form")
    return data


def check(page: str, vkey: str) -> Found:
    """Verify a page against a key that came by another way.

    Raises:
        Wrong: The first problem.
    """
    data = data_of(page)
    file = json.loads(data)
    spelt = json.dumps(file, sort_keys=True, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    further = set(file) - _MEMBERS
    _must(spelt == data and file["whodid"] == "evidence" and set(file) >= _MEMBERS, "form")
    _must(further <= {"bound", "linked"} and file["version"] == 1 + bool(further), "form")
    _must(file["vkey"] == vkey, "key")
    return _File(file, *_checkpoint(file["checkpoint"], vkey)).check()


class _File:
    """The steps, one method each where it is worth it."""

    def __init__(self, file: dict[str, Any], origin: str, size: int, root: bytes) -> None:
        self.file, self.origin, self.size, self.root = file, origin, size, root
        self.entries = {entry["index"]: entry for entry in file["entries"]}
        _must([entry["index"] for entry in file["entries"]] == sorted(self.entries), "form")
        self.headers = {at: _header(entry) for at, entry in self.entries.items()}
        self.fields = {
            at: {path: json.loads(value) for path, _, value in entry["fields"] if path}
            for at, entry in self.entries.items()
        }
        self.asides = {aside["index"]: b64decode(aside["header"]) for aside in file["asides"]}
        self.needed = {file["sealed"]}
        self.seals: dict[int, bytes] = {}
        self.volumes: dict[int, bytes] = {}
        self.salts: dict[int, bytes] = {}
        self.claims: dict[tuple[str, str], set[int]] = {}

    def check(self) -> Found:
        """Go through the steps, and return what is shown."""
        spanned = self.places()
        self.chain()
        if "bound" in self.file:
            self.bound(self.file["bound"])
        first = self.period()
        self.salted()
        answer = self.answer(spanned)
        known = {at: one for at, one in spanned.items() if one} | self.headers | self.asides
        times = [_number(known[at], 2) for at in sorted(known)]
        _must(times == sorted(times), "order")
        for at, header in known.items():
            self.filed(at, header)
        purged, erased = self.reasons()
        statement = self.file["statement"]
        shown = 0
        for at in answer:
            if (header := known.get(at)) is None:
                _must(at in purged, f"lacking {at}")
                continue
            at_that_time = _number(header, 2)
            within = statement["since"] is None or at_that_time >= statement["since"]
            within = within and (statement["until"] is None or at_that_time < statement["until"])
            _must(at in self.entries or not within, f"lacking {at}")
            shown += within
        extra = self.entries.keys() - answer - self.needed
        _must(not extra, f"extra {min(extra, default=None)}")
        # What is below the span of a file about everything was asked for as well.
        below = self.file["span"]["start"] - _number(self.seals[first], 5) if not statement["asks"] else 0
        hidden = [(at, why) for at in answer & set(self.entries) for why in _withheld(self.entries[at])]
        explained = sum(why == "erased" and at in erased for at, why in hidden)
        return Found(shown, len(answer & purged) + below, explained, len(hidden) - explained)

    # 8

    def places(self) -> dict[int, bytes | None]:
        """Find every entry and aside in the tree; return the leaves of the span by their index."""
        spanned = self.span(self.file["span"]) if self.file["span"] is not None else {}
        for at, entry in self.entries.items():
            if at not in spanned:
                _place(at, self.size, self.headers[at], entry["path"], root=self.root, what="entry")
        for aside in self.file["asides"]:
            _place(aside["index"], self.size, self.asides[aside["index"]], aside["path"], root=self.root, what="aside")
        return spanned

    def span(self, span: dict[str, Any]) -> dict[int, bytes | None]:
        """Fold the leaves of the span and what is before it, and follow the log on to the signed tree."""
        _must("bound" not in self.file and not self.file["asides"], "form")
        given = [b64decode(leaf) for leaf in span["leaves"]]
        at, leaves, hashes = span["start"], dict[int, bytes | None](), list[bytes]()
        while True:
            if at in self.entries and not self.entries[at]["path"]:
                leaves[at] = self.headers[at]
                hashes.append(_hash(b"\0", self.headers[at]))
            elif given:
                leaf = given.pop(0)
                leaves[at] = None if len(leaf) == 32 else leaf
                hashes.append(leaf if len(leaf) == 32 else _hash(b"\0", leaf))
            else:
                break
            at += 1
        start = span["start"]
        before = [1 << bit for bit in reversed(range(start.bit_length())) if start >> bit & 1]
        peaks = list(zip(before, _cut(span["frontier"]), strict=True))
        for leaf in hashes:
            width, value = 1, leaf
            while peaks and peaks[-1][0] == width:
                value = _hash(b"\1", peaks.pop()[1], value)
                width *= 2
            peaks.append((width, value))
        _, top = peaks.pop()
        while peaks:
            top = _hash(b"\1", peaks.pop()[1], top)
        _must(_consistent(at, self.size, top, _cut(span["consistency"])) == self.root, "span")
        return leaves

    # 3, 4, 4a

    def chain(self) -> None:
        """Follow the seals to the newest, which an entry of the log carries."""
        seals = [b64decode(seal) for seal in self.file["seals"]]
        sealed = self.file["sealed"]
        _must(sealed in self.entries and self.entries[sealed]["kind"] == 2, "seal")
        _must(self.fields[sealed]["details"]["seal"] == seals[-1].hex(), "seal")
        for before, after in pairwise(seals):
            _must(_number(after, 1, 4) == _number(before, 1, 4) + 1, "chain")
            _must(_number(after, 5) == _number(before, 13), "chain")
            _must(after[125:157] == _digest("seal", before), "chain")
        self.seals = {_number(seal, 1, 4): seal for seal in seals}

    def bound(self, bound: dict[str, Any]) -> None:
        """Follow the volumes to the newest, and find further seals in the trees of theirs."""
        volumes = [b64decode(volume) for volume in bound["volumes"]]
        carried = bound["carried"]
        _must(carried in self.entries and self.entries[carried]["kind"] == 2, "bound")
        _must(self.fields[carried]["details"]["volume"] == volumes[-1].hex(), "bound")
        self.needed.add(carried)
        for before, after in pairwise(volumes):
            _must(_number(after, 1, 4) == _number(before, 1, 4) + 1, "bound")
            _must(_number(after, 5, 4) == _number(before, 9, 4) + 1, "bound")
            _must(_number(after, 13) == _number(before, 21), "bound")
            _must(after[169:201] == _digest("volume", before), "bound")
        self.volumes = {_number(volume, 1, 4): volume for volume in volumes}
        below = set()
        for text, path in bound["seals"]:
            seal = b64decode(text)
            number = _number(seal, 1, 4)
            (volume,) = (one for one in volumes if _number(one, 5, 4) <= number <= _number(one, 9, 4))
            first, last = _number(volume, 5, 4), _number(volume, 9, 4)
            _place(number - first, last - first + 1, seal, path, root=volume[73:105], what="bound")
            _must(number != first or _number(seal, 5) == _number(volume, 13), "bound")
            _must(number != last or _number(seal, 13) == _number(volume, 21), "bound")
            _must(self.seals.get(number, seal) == seal, "bound")
            self.seals[number] = seal
            below.add(number)
        _must(_number(volumes[-1], 9, 4) in below, "bound")

    # 4b, 6

    def period(self) -> int:
        """Return the first covered segment; all of them are neighbours, and no others hold what is asked for."""
        covered: list[tuple[int, int]] = [(number, number) for number, _, _ in self.file["segments"]]
        for number, _, _ in self.file.get("bound", {}).get("covered", []):
            covered.append((_number(self.volumes[number], 5, 4), _number(self.volumes[number], 9, 4)))
        covered.sort()
        _must(all(after[0] == before[1] + 1 for before, after in pairwise(covered)), "segments")
        first, last, newest = covered[0][0], covered[-1][1], max(self.seals)
        since, until = self.file["statement"]["since"], self.file["statement"]["until"]
        _must(since is None or not first or _number(self.seals[first - 1], 37) < since, "period")
        _must(last == newest or (until is not None and _number(self.seals[last + 1], 29) >= until), "period")
        return first

    # 5

    def salted(self) -> None:
        """Hold every salt against the commitment that was made before the segment had an entry."""
        committed = {number + 2: seal[93:125] for number, seal in self.seals.items()}
        if self.file["origin"]:
            first, second = map(b64decode, self.file["origin"])
            _must(self.origin.rpartition("/")[2] == _digest("origin", first, second).hex()[:40], "origin")
            committed |= {0: first, 1: second}
        given = [(number, salt) for number, salt, _ in self.file["segments"]]
        given += self.file.get("bound", {}).get("salts", [])
        for number, text in given:
            salt = b64decode(text)
            _must(committed.get(number) == _digest("segment-salt", number.to_bytes(8, "big"), salt), "salt")
            self.salts[number] = salt

    # 6a, 7

    def answer(self, spanned: dict[int, bytes | None]) -> set[int]:
        """Return the indexes that answer the question, by the sealed indexes or because it asks for all."""
        asks = self.file["statement"]["asks"]
        if not asks:
            _must(bool(spanned), "form")
            return set(spanned)
        if asks[0]["dimension"] == "entry":
            return {int(value) for (value,) in asks[0]["values"]}
        found: set[int] = set()
        for number, _, lookups in self.file["segments"]:
            seal = self.seals[number]
            bounds = range(_number(seal, 5), _number(seal, 13))
            found |= self.looked_up(seal[61:93], self.salts[number], lookups, bounds, f"index {number}")
        for number, text, lookups in self.file.get("bound", {}).get("covered", []):
            volume, salt = self.volumes[number], b64decode(text)
            _must(volume[137:169] == _digest("volume-salt", number.to_bytes(8, "big"), salt), "volume")
            bounds = range(_number(volume, 13), _number(volume, 21))
            found |= self.looked_up(volume[105:137], salt, lookups, bounds, f"volume {number}")
        return found

    def looked_up(self, root: bytes, salt: bytes, lookups: list[Any], bounds: range, what: str) -> set[int]:
        """Check what one index holds for each asked value; return what all parts of the question share."""
        following, groups = iter(lookups), list[set[int]]()
        for asked in self.file["statement"]["asks"]:
            groups.append(set())
            for value in asked["values"]:
                positions = _looked_up(root, _tag(salt, asked["dimension"], value), next(following), what)
                _must(set(positions) <= set(bounds), what)
                self.claims.setdefault((asked["dimension"], "\0".join(value)), set()).update(positions)
                groups[-1] |= set(positions)
        return set.intersection(*groups)

    # 10, 11

    def filed(self, at: int, header: bytes) -> None:
        """Hold the tags of a header against what the indexes say of it, and against what the entry says."""
        numbers = [one for one, seal in self.seals.items() if _number(seal, 5) <= at < _number(seal, 13)]
        if not numbers or numbers[0] not in self.salts:
            return
        salt, tags = self.salts[numbers[0]], [header[start : start + 16] for start in range(43, len(header), 16)]
        for (dimension, value), places in self.claims.items():
            _must((_tag(salt, dimension, [value]) in tags) == (at in places), f"carry {at}")
        if at in self.fields:
            said = self.fields[at]
            things = [(one["type"], one["id"]) for one in (said["resource.id"], *said.get("related", []))]
            expected = [_tag(salt, "actor", (said["actor.id"]["type"], said["actor.id"]["id"]))]
            expected += [
                _tag(salt, "action", [said["core"]["action"]]),
                *(_tag(salt, "resource", one) for one in things),
            ]
            _must(tags == expected, f"tags {at}")

    # 13

    def reasons(self) -> tuple[set[int], set[int]]:
        """Return which entries were purged and which lost fields, as records of the log say."""
        gone: dict[str, set[int]] = {"purged": set(), "erased": set()}
        for reason in self.file["reasons"]:
            meant = range(reason["index"], reason["stop"])
            gone[reason["why"]].update(meant)
            if reason["record"] is None:
                continue
            self.needed.add(reason["record"])
            _must(reason["record"] in self.entries, "reason")
            details, kind = self.fields[reason["record"]]["details"], self.entries[reason["record"]]["kind"]
            _must(kind == {"purged": 4, "erased": 3}[reason["why"]], "reason")
            told = [range(start, stop) for start, stop in details["ranges"]]
            below = details["first"] if kind == 4 else 0
            _must(all(at < below or any(at in one for one in told) for at in meant), "reason")
        return gone["purged"], gone["erased"]


# ----------------------------------------------------------------------------------------------- bytes and mathematics


def _must(holds: bool, problem: str) -> None:
    if not holds:
        raise Wrong(problem)


def _hash(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def _digest(label: str, *parts: bytes) -> bytes:
    return _hash(f"whodid/{label}/v1\n".encode(), *parts)


def _number(data: bytes, at: int, width: int = 8) -> int:
    return int.from_bytes(data[at : at + width])


def _cut(text: str | list[str], width: int = 32) -> list[bytes]:
    data = b64decode(text) if isinstance(text, str) else b"".join(map(b64decode, text))
    return [data[at : at + width] for at in range(0, len(data), width)]


def _tag(salt: bytes, dimension: str, value: Sequence[str]) -> bytes:
    return _digest("tag", salt, bytes([_DIMENSIONS[dimension]]), "\0".join(value).encode())[:16]


def _withheld(entry: dict[str, Any]) -> list[str]:
    """Return why fields of an entry are not shown, as the file says."""
    return [why for path, _, why in entry["fields"] if not path]


def commitment(path: str, salt: str, value: str) -> str:
    """Return what stands in the place of a field that is not shown."""
    name, text = path.encode(), value.encode()
    sizes = len(name).to_bytes(2, "big"), len(text).to_bytes(4, "big")
    return b64encode(_digest("field", b64decode(salt), sizes[0], name, sizes[1], text)).decode()


def _header(entry: dict[str, Any]) -> bytes:
    commitments = [
        b64decode(commitment(path, first, second) if path else first) for path, first, second in entry["fields"]
    ]
    root = _digest("content", len(commitments).to_bytes(2, "big"), *commitments)
    tags, kind = b64decode(entry["tags"]), int(entry["kind"])
    recorded_at = int(entry["recorded_at"]).to_bytes(8, "big")
    return bytes([1, kind]) + recorded_at + root + bytes([len(tags) // 16]) + tags


def _checkpoint(note: str, vkey: str) -> tuple[str, int, bytes]:
    name, key_id, material = vkey.split("+", 2)
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = [line for line in signatures.splitlines() if line.startswith(f"\u2014 {name} ")]
    _must(len(lines) == 1, "signature")
    signature = b64decode(lines[0].split(" ")[2])
    _must(signature[:4].hex() == key_id == _hash(name.encode(), b"\n", b64decode(material)).hex()[:8], "signature")
    try:
        Ed25519PublicKey.from_public_bytes(b64decode(material)[1:]).verify(signature[4:], text.encode())
    except InvalidSignature:
        raise Wrong("signature") from None
    origin, size, root = text.splitlines()[:3]
    _must(origin == name, "signature")
    return origin, int(size), b64decode(root)


def _place(index: int, size: int, data: bytes, path: str, *, root: bytes, what: str) -> None:
    """RFC 9162, 2.1.3.2."""
    at, last, value = index, size - 1, _hash(b"\0", data)
    for sibling in _cut(path):
        _must(last > 0, f"{what} {index}")
        if at & 1 or at == last:
            value = _hash(b"\1", sibling, value)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            value = _hash(b"\1", value, sibling)
        at, last = at >> 1, last >> 1
    _must(last == 0 and value == root, f"{what} {index}")


def _consistent(old: int, new: int, root: bytes, proof: list[bytes]) -> bytes:
    """RFC 9162, 2.1.4.2: return the root of the new tree, which begins with the old one."""
    if old == new:
        _must(not proof, "span")
        return root
    proof = [root, *proof] if old & (old - 1) == 0 else proof
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = proof[0]
    for sibling in proof[1:]:
        _must(last > 0, "span")
        if at & 1 or at == last:
            first, second = _hash(b"\1", sibling, first), _hash(b"\1", sibling, second)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            second = _hash(b"\1", second, sibling)
        at, last = at >> 1, last >> 1
    _must(last == 0 and first == root, "span")
    return second


def _looked_up(root: bytes, tag: bytes, found: list[Any], what: str) -> list[int]:
    """Follow the bits of the key of a tag to its leaf, or to one that shows that there is none."""
    positions: list[int] = found[0]
    asked = _digest("index-key", tag)
    _must(positions == sorted(set(positions)), what)
    key, value = b64decode(found[1]), b64decode(found[2])
    if positions:
        key = asked
        value = _digest("positions", len(positions).to_bytes(4, "big"), *(at.to_bytes(8, "big") for at in positions))
    _must((key == asked) == bool(positions), what)
    if not key:
        _must(root == _hash(), what)
        return positions
    below, hashed = 256, _hash(key, value)
    for step in _cut(found[3], 33):
        bit = step[0]
        side, wanted = (one[bit >> 3] >> (7 - (bit & 7)) & 1 for one in (key, asked))
        _must(bit < below and side == wanted, what)
        below, hashed = bit, _hash(*((step[1:], hashed) if side else (hashed, step[1:])), step[:1])
    _must(hashed == root, what)
    return positions
