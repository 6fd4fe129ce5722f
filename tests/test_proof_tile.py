"""Tiles: every one of them at every size, the past read back from them, paths and bundles, and other people's tiles."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.errors import MalformedProof
from whodid.proof.checkpoint import parse_checkpoint
from whodid.proof.note import parse_note
from whodid.proof.tile import (
    TILE,
    additions,
    covering,
    decode_bundle,
    encode_bundle,
    node_from_tiles,
    parse_path,
    path,
    width_at,
)
from whodid.proof.tree import (
    Nodes,
    check_consistency,
    check_inclusion,
    consistency_proof,
    extend,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    root_at,
)

FOREIGN = Path(__file__).parent / "vectors" / "foreign"
VECTORS: dict[str, Any] = json.loads((FOREIGN / "notes-checkpoints-tiles.json").read_text(encoding="utf-8"))[
    "tile_paths"
]
MAX_SIZE = 300
LEAVES = [leaf_hash(b"leaf %d" % number) for number in range(MAX_SIZE)]


@cache
def mth(start: int, end: int) -> bytes:
    """MTH(D[start:end]) of RFC 6962 section 2.1, over LEAVES, by recursion."""
    if end - start == 1:
        return LEAVES[start]
    k = 1
    while k * 2 < end - start:
        k *= 2
    return node_hash(mth(start, start + k), mth(start + k, end))


def specified(size: int) -> dict[tuple[int, int], bytes]:
    """Return the tiles of LEAVES[:size] by the formula of tlog-tiles.

    Hash i of tile n of level l is MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l]).
    """
    tiles: dict[tuple[int, int], bytes] = {}
    for level in range(3):
        for place in range(size // 256**level):
            name = (level, place // 256)
            tiles[name] = tiles.get(name, b"") + mth(place * 256**level, (place + 1) * 256**level)
    return tiles


class Tiles:
    """Tiles in memory, written as a store would write them: by appending, without reading."""

    def __init__(self) -> None:
        self.stored: dict[tuple[int, int], bytes] = {}
        self.reads: list[tuple[int, int]] = []

    def write(self, nodes: list[Nodes]) -> None:
        """Append what `extend` returned, and demand that every addition meets the end of its tile."""
        for addition in additions(nodes):
            name = (addition.level, addition.index)
            assert len(self.stored.get(name, b"")) == addition.start * 32
            assert addition.hashes
            self.stored[name] = self.stored.get(name, b"") + addition.hashes
            assert len(self.stored[name]) <= TILE * 32

    def read(self, level: int, index: int) -> bytes:
        """Return a tile, and remember that it was asked for."""
        self.reads.append((level, index))
        return self.stored[level, index]


def always(tile: bytes) -> Callable[[int, int], bytes]:
    """Return a reader that knows one tile only."""
    return lambda _level, _index: tile


def grown(leaves: list[bytes], *sizes: int) -> tuple[Tiles, tuple[bytes, ...]]:
    """Return the tiles and the frontier of a tree that grew through some sizes to the number of its leaves."""
    tiles = Tiles()
    frontier: tuple[bytes, ...] = ()
    start = 0
    for end in (*sizes, len(leaves)):
        frontier, nodes = extend(frontier, start, leaves[start:end])
        tiles.write(nodes)
        start = end
    return tiles, frontier


# --------------------------------------------------------------------------------------------------------- growing them


def test_every_tile_at_every_size_is_the_oracle_s() -> None:
    """A tree grown leaf by leaf to 300 has, at every size, exactly the tiles of the specification, and its root."""
    tiles = Tiles()
    frontier: tuple[bytes, ...] = ()
    hashes = node_from_tiles(tiles.read)

    for size in range(1, MAX_SIZE + 1):
        frontier, nodes = extend(frontier, size - 1, LEAVES[size - 1 : size])
        tiles.write(nodes)
        assert tiles.stored == specified(size)
        assert {name: width_at(*name, size) * 32 for name in tiles.stored} == {
            name: len(tile) for name, tile in tiles.stored.items()
        }
        assert root_at(size, hashes) == mth(0, size)
        assert frontier_at(size, hashes) == frontier


def test_every_proof_around_a_full_tile_comes_from_tiles() -> None:
    """Where a tile fills up, every inclusion and consistency proof that is built over tiles holds."""
    tiles, _ = grown(LEAVES, 100)
    hashes = node_from_tiles(tiles.read)

    for size in (255, 256, 257, MAX_SIZE):
        for index in range(size):
            check_inclusion(index, size, LEAVES[index], inclusion_proof(index, size, hashes), mth(0, size))
            check_consistency(
                index + 1, size, mth(0, index + 1), mth(0, size), consistency_proof(index + 1, size, hashes)
            )


def test_every_node_of_a_tree_comes_from_tiles() -> None:
    """All 300 leaves and all complete subtrees above them are read back as the oracle has them, in any mixture."""
    tiles, _ = grown(LEAVES, 1, 2, 255, 257)
    positions = [(level, index) for level in range(9) for index in range(MAX_SIZE >> level)]
    positions = positions[::2] + positions[1::2]

    found = node_from_tiles(tiles.read)(positions)

    assert found == [mth(index << level, (index + 1) << level) for level, index in positions]


def test_three_levels_of_tiles() -> None:
    """70,000 leaves have the tiles that tlog-tiles says, and a proof over them reads each tile once and holds."""
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(70_000)]
    wanted = VECTORS["size_70000"]
    tiles, frontier = grown(leaves, 1, 300, 65_536)

    widths = {name: len(tile) // 32 for name, tile in tiles.stored.items()}
    assert [sum(width == TILE for (level, _), width in widths.items() if level == n) for n in (0, 1, 2)] == [
        wanted["level0_full"],
        wanted["level1_full"],
        0,
    ]
    assert widths[0, wanted["level0_full"]] == wanted["level0_partial"]
    assert widths[1, wanted["level1_full"]] == wanted["level1_partial"]
    assert widths[2, 0] == wanted["level2_partial"]
    assert widths == {
        (level, index): width_at(level, index, 70_000)
        for level in range(4)
        for index in range(274)
        if width_at(level, index, 70_000)
    }

    hashes = node_from_tiles(tiles.read)
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        tiles.reads.clear()
        proof = inclusion_proof(index, 70_000, hashes)
        assert len(tiles.reads) == len(set(tiles.reads)) <= 5
        check_inclusion(index, 70_000, leaves[index], proof, root(frontier))


@given(st.lists(st.integers(0, 300), max_size=8))
def test_batches_do_not_show_in_tiles(sizes: list[int]) -> None:
    """Whatever the batches, the tiles are those of one append."""
    tiles, frontier = grown(LEAVES, *sorted(sizes))

    assert tiles.stored == grown(LEAVES)[0].stored
    assert root(frontier) == mth(0, MAX_SIZE)


# --------------------------------------------------------------------------------------------------------- reading them


@given(st.integers(0, 62), st.integers(0, 2**20))
def test_covering_names_the_hashes_below_a_node(level: int, index: int) -> None:
    """The hashes that a node is folded from cover exactly its leaves, within one tile."""
    tile_level, tile_index, start, count = covering(level, index)

    below = 256**tile_level
    assert (tile_index * TILE + start) * below == index << level
    assert count * below == 1 << level
    assert 0 <= start < start + count <= TILE
    assert count < TILE


@pytest.mark.parametrize(
    ("tile", "position"),
    [
        (b"", (0, 0)),
        (b"x" * 31, (0, 0)),
        (b"x" * 63, (0, 0)),
        (b"x" * 64, (0, 2)),
        (b"x" * 96, (1, 1)),
        (b"x" * 32 * 257, (0, 0)),
    ],
)
def test_tiles_that_cannot_be_are_refused(tile: bytes, position: tuple[int, int]) -> None:
    """A tile that is too short for a node, too long for a tile, or not made of hashes is refused."""
    with pytest.raises(MalformedProof, match="Tile 0 of level 0"):
        node_from_tiles(always(tile))([position])


def test_a_changed_tile_changes_the_root() -> None:
    """One bit in any hash of a tile is seen in the root that follows from it."""
    tiles, frontier = grown(LEAVES[:20])
    tile = tiles.stored[0, 0]

    for at in range(0, len(tile), 32):
        changed = tile[:at] + bytes([tile[at] ^ 1]) + tile[at + 1 :]
        assert root_at(20, node_from_tiles(always(changed))) != root(frontier)


# ---------------------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize(("level", "index", "width", "text"), VECTORS["tile"])
def test_tile_paths_of_tessera(level: int, index: int, width: int, text: str) -> None:
    """Tile paths are those of Tessera, where a width of 0 means a full tile."""
    assert path(level, index, width or TILE) == text
    assert parse_path(text) == (level, index, width or TILE)


@pytest.mark.parametrize(("index", "size", "text"), VECTORS["entries_for_index_and_size"])
def test_bundle_paths_of_tessera(index: int, size: int, text: str) -> None:
    """The bundle of an entry in a tree of some size has the path that Tessera gives it."""
    bundle = (None, index // TILE, width_at(0, index // TILE, size))

    assert path(*bundle) == text
    assert parse_path(text) == bundle


@pytest.mark.parametrize(("index", "text"), VECTORS["n_only"])
def test_index_of_the_specification(index: int, text: str) -> None:
    """The example index of tlog-tiles is written as there."""
    assert path(0, index) == f"tile/0/{text}"


def test_the_last_tiles_that_can_be() -> None:
    """The highest level and the largest index have a path."""
    text = "tile/63/x009/x223/x372/x036/x854/x775/807"

    assert path(63, 2**63 - 1) == text
    assert parse_path(text) == (63, 2**63 - 1, TILE)


@given(st.none() | st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, TILE))
def test_paths_round_trip(level: int | None, index: int, width: int) -> None:
    """Every tile has a path that names it."""
    assert parse_path(path(level, index, width)) == (level, index, width)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/x001x000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/" + "x001/" * 2000 + "000",
    ],
)
def test_other_paths_are_refused(text: str) -> None:
    """A path that is not the one path of a tile names nothing."""
    with pytest.raises(MalformedProof):
        parse_path(text)


@pytest.mark.parametrize("tile", [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257)])
def test_tiles_that_cannot_be_have_no_path(tile: tuple[int, int, int]) -> None:
    """A level, index or width outside of the specification is refused."""
    with pytest.raises(MalformedProof):
        path(*tile)


# -------------------------------------------------------------------------------------------------------------- bundles


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=TILE))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    """What goes into a bundle comes out of it."""
    assert decode_bundle(encode_bundle(entries)) == entries


def test_bundles_at_their_limits() -> None:
    """256 entries and an entry of 65,535 bytes fit into a bundle; one more of either does not."""
    assert len(decode_bundle(encode_bundle([b""] * 256))) == 256
    assert decode_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]

    refusals: list[Callable[[], object]] = [
        lambda: encode_bundle([]),
        lambda: encode_bundle([b""] * 257),
        lambda: encode_bundle([bytes(65_536)]),
        lambda: decode_bundle(b""),
        lambda: decode_bundle(bytes(2 * 257)),
    ]
    for refusal in refusals:
        with pytest.raises(MalformedProof):
            refusal()


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=5), st.data())
def test_a_bundle_that_is_cut_off_is_refused_or_shorter(entries: list[bytes], data: st.DataObject) -> None:
    """Cut anywhere but between two entries, a bundle is refused; nothing is ever made up."""
    bundle = encode_bundle(entries)
    cut = data.draw(st.integers(1, len(bundle) - 1))
    ends = {len(encode_bundle(entries[:count])): count for count in range(1, len(entries))}

    if cut in ends:
        assert decode_bundle(bundle[:cut]) == entries[: ends[cut]]
    else:
        with pytest.raises(MalformedProof):
            decode_bundle(bundle[:cut])


# -------------------------------------------------------------------------------------------------- tiles of others


def read_foreign(log: Path, size: int) -> Callable[[int, int], bytes]:
    """Return a reader of tiles below a folder, for a tree of some size."""

    def read(level: int, index: int) -> bytes:
        return (log / path(level, index, width_at(level, index, size))).read_bytes()

    return read


def test_sunlight_mirror_tiles() -> None:
    """The tiles of Sunlight's mirror, a tree of 300 leaves, have the root that the mirror signed; all proofs hold."""
    folder = FOREIGN / "sunlight-witness"
    text, _ = parse_note((folder / "mirror-checkpoint.txt").read_bytes())
    checkpoint = parse_checkpoint(text)
    read = read_foreign(folder / "mirror", checkpoint.size)
    hashes = node_from_tiles(read)
    leaves = hashes([(0, index) for index in range(checkpoint.size)])

    assert checkpoint.size == 300
    assert root_at(300, hashes) == checkpoint.root
    assert read(1, 0) == root(extend((), 0, leaves[:256])[0])
    for index in range(300):
        check_inclusion(index, 300, leaves[index], inclusion_proof(index, 300, hashes), checkpoint.root)


@pytest.mark.parametrize("size", range(1, 16))
def test_tessera_entries_and_tiles(size: int) -> None:
    """The entries of Tessera's log hash to its leaf tile, and the bundle is written as we would write it."""
    folder = FOREIGN / "tessera-log"
    bundle = (folder / path(None, 0, size)).read_bytes()
    entries = decode_bundle(bundle)

    assert len(entries) == size
    assert encode_bundle(entries) == bundle
    assert b"".join(map(leaf_hash, entries)) == read_foreign(folder, size)(0, 0)
