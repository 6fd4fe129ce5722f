"""Tiles: how the hashes and the entries of a tree are cut into resources that never change again.

The layout is C2SP tlog-tiles (https://c2sp.org/tlog-tiles). A tile is up to 256 neighbouring hashes of one level,
concatenated. Only every eighth level of the tree is kept: tile level 0 holds the leaf hashes, tile level 1 the roots of
complete subtrees of 256 leaves, tile level 2 those of 65,536, and so on; the levels between are hashed again when
somebody needs them. A full tile is final, a partial one only ever grows at its right end. Beside the tiles stand the
entry bundles: the leaf data of the same 256 leaves, each preceded by its length.

This file turns what `tree.extend` completed into additions to tiles (`additions`), tiles into the past of a tree
(`node_from_tiles`), and names into paths and back. It neither reads nor writes anything: the store hands bytes in.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from whodid.errors import MalformedProof
from whodid.proof.tree import HASH_SIZE, Hashes, Nodes, node_hash

__all__ = [
    "TILE",
    "Addition",
    "ReadTile",
    "additions",
    "covering",
    "decode_bundle",
    "encode_bundle",
    "node_from_tiles",
    "parse_path",
    "path",
    "width_at",
]

TILE = 256
"""Hashes in a full tile, and entries in a full bundle."""

_HEIGHT = 8  # levels of the tree from one tile level to the next: 2**8 == TILE
_MAX_LEVEL = 63
_LENGTH = struct.Struct(">H")
_MAX_ENTRY = 0xFFFF
# Seven groups of three digits hold every index below 2**63.
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?")

ReadTile = Callable[[int, int], bytes]
"""Given a tile level and a tile index, return the hashes of that tile, concatenated; it may be partial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """Hashes that one tile gains at its right end.

    Args:
        level: Tile level.
        index: Place of the tile within its level.
        start: How many hashes the tile has already; 0 means that the tile is new.
        hashes: What it gains, concatenated.
    """

    level: int
    index: int
    start: int
    hashes: bytes


def additions(nodes: Iterable[Nodes]) -> Iterator[Addition]:
    """Yield what the tiles gain by an append, tile by tile.

    Args:
        nodes: What `tree.extend` returned beside the frontier.

    Yields:
        Every tile that changes, once; lower levels first, left to right. Each tile already holds exactly `start`
        hashes if every earlier append was written.
    """
    for level, first, hashes in nodes:
        place, done = first, 0
        while done < len(hashes):
            index, start = divmod(place, TILE)
            piece = hashes[done : done + (TILE - start) * HASH_SIZE]
            yield Addition(level=level // _HEIGHT, index=index, start=start, hashes=piece)
            place += TILE - start
            done += len(piece)


def covering(level: int, index: int) -> tuple[int, int, int, int]:
    """Return where the hashes are from which the root of a complete subtree follows.

    Args:
        level: Level of the subtree in the tree (not a tile level).
        index: Its index at that level.

    Returns:
        (tile level, tile index, start, count): the tile, the first of its hashes that is needed, and how many are: 1
        when the level is a multiple of 8, otherwise a power of two up to 128, to be hashed pairwise up to one.
    """
    above = level % _HEIGHT
    tile_index, start = divmod(index << above, TILE)
    return level // _HEIGHT, tile_index, start, 1 << above


def node_from_tiles(read_tile: ReadTile) -> Hashes:
    """Return the past of a tree, as the functions of `whodid.proof.tree` take it, over stored tiles.

    Args:
        read_tile: Reads one tile. It is called once per tile for each call of the returned function.

    Returns:
        A function from (level, index) of complete subtrees to their roots. It raises `MalformedProof` when a tile is
        shorter than the subtree demands, longer than 256 hashes, or not a whole number of hashes.
    """

    def hashes(positions: Sequence[tuple[int, int]]) -> list[bytes]:
        tiles: dict[tuple[int, int], bytes] = {}
        roots: list[bytes] = []
        for level, index in positions:
            tile_level, tile_index, start, count = covering(level, index)
            tile = tiles.get((tile_level, tile_index))
            if tile is None:
                tile = tiles[tile_level, tile_index] = read_tile(tile_level, tile_index)
            if len(tile) % HASH_SIZE or not start + count <= len(tile) // HASH_SIZE <= TILE:
                raise MalformedProof(
                    f"Tile {tile_index} of level {tile_level} has {len(tile)} bytes, which cannot hold the "
                    f"{count} hashes from hash {start} that are needed",
                    "Rebuild the tile from its entries, or read it from another copy",
                )
            roots.append(_fold(tile[start * HASH_SIZE : (start + count) * HASH_SIZE]))
        return roots

    return hashes


def width_at(level: int, index: int, size: int) -> int:
    """Return how many hashes a tile holds in a tree of `size` leaves: 0 (there is no such tile) to 256.

    For level 0 this is the number of entries of the bundle with the same index, too.
    """
    return min(max((size >> _HEIGHT * level) - index * TILE, 0), TILE)


def path(level: int | None, index: int, width: int = TILE) -> str:
    """Return the path of a tile or bundle below the address of its log, such as ``tile/0/x001/x234/067.p/12``.

    Args:
        level: Tile level, 0 to 63; None for an entry bundle.
        index: Zero-based place of the tile within its level.
        width: Number of hashes or entries, 1 to 256; less than 256 is a partial tile.

    Raises:
        MalformedProof: If there cannot be such a tile.
    """
    if not (level is None or 0 <= level <= _MAX_LEVEL) or not 0 <= index < 1 << 63 or not 1 <= width <= TILE:
        raise MalformedProof(
            f"There is no tile of level {level}, index {index} and width {width}",
            "Use levels up to 63, indexes below 2^63 and widths from 1 to 256",
        )
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    kind = "entries" if level is None else str(level)
    partial = "" if width == TILE else f".p/{width}"
    return f"tile/{kind}/{'/'.join(reversed(groups))}{partial}"


def parse_path(text: str) -> tuple[int | None, int, int]:
    """Return the level, index and width of the tile or bundle that a path names; the inverse of `path`.

    Raises:
        MalformedProof: If it names none. Every tile has one path only: additional zeros are refused.
    """
    match = _PATH.fullmatch(text)
    if match:
        kind, groups, width = match.groups()
        tile = (
            None if kind == "entries" else int(kind),
            int(groups.replace("x", "").replace("/", "")),
            TILE if width is None else int(width),
        )
        if path(*tile) == text:
            return tile
    raise MalformedProof("The path does not name a tile", "Write tile/<level>/<index> or tile/entries/<index>")


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bundle of the leaf data of up to 256 neighbouring leaves.

    Raises:
        MalformedProof: If there are none or more than 256, or one is longer than 65,535 bytes.
    """
    _require_bundle(len(entries))
    if any(len(entry) > _MAX_ENTRY for entry in entries):
        raise MalformedProof("An entry of a bundle is longer than 65,535 bytes")
    return b"".join([_LENGTH.pack(len(entry)) + entry for entry in entries])


def decode_bundle(data: bytes) -> list[bytes]:
    """Return the leaf data that a bundle holds.

    Raises:
        MalformedProof: If the bundle is empty, is cut off, or holds more than 256 entries.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + _LENGTH.size
        if start > len(data):
            raise MalformedProof(f"The bundle ends within the length of entry {len(entries)}")
        at = start + _LENGTH.unpack_from(data, at)[0]
        if at > len(data):
            raise MalformedProof(f"The bundle ends within entry {len(entries)}")
        entries.append(data[start:at])
    _require_bundle(len(entries))
    return entries


def _require_bundle(count: int) -> None:
    if not 1 <= count <= TILE:
        raise MalformedProof(f"A bundle of {count} entries is not one of 1 to {TILE} entries")


def _fold(hashes: bytes) -> bytes:
    """Hash a power of two of neighbouring hashes pairwise up to one."""
    row = [hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)]
    while len(row) > 1:
        pairs = iter(row)
        row = [node_hash(left, right) for left, right in zip(pairs, pairs, strict=True)]
    return row[0]
