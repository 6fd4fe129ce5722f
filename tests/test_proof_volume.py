"""Volumes as bytes: what is one, what follows what, and which seals stand below them."""

from __future__ import annotations

from typing import Any

import pytest

from whodid.errors import MalformedProof, Refuted
from whodid.proof.seal import NOTHING, Seal
from whodid.proof.volume import (
    VOLUME_SIZE,
    Volume,
    check_seal,
    check_volumes,
    seal_path,
    seals_root,
    volume_salt_commitment,
)

SEALS = [Seal(number, 10 * number, 10 * number + 10, 10, 3, 1, 2, 1, 2, *[bytes(32)] * 4) for number in range(9)]
ENCODED = [seal.encode() for seal in SEALS]


def volume(first: int = 0, last: int = 8, **changes: Any) -> Volume:
    """Return a volume over some of the seals."""
    known = {
        "number": 0,
        "first": first,
        "last": last,
        "start": SEALS[first].start,
        "stop": SEALS[last].stop,
        "indexed": SEALS[last].stop - SEALS[first].start,
        "keys": 3,
        "recorded_first": 1,
        "recorded_last": 2,
        "occurred_first": 1,
        "occurred_last": 2,
        "seals": seals_root(ENCODED[first : last + 1]),
        "root": bytes(32),
        "commitment": bytes(32),
        "previous": NOTHING,
    }
    return Volume(**{**known, **changes})


def test_a_volume_comes_back_from_its_bytes() -> None:
    """Two hundred and one of them; every bit counts for its hash."""
    one = volume()
    assert len(one.encode()) == VOLUME_SIZE == 201
    assert Volume.decode(one.encode()) == one
    for at in range(1, VOLUME_SIZE):
        data = bytearray(one.encode())
        data[at] ^= 1
        try:
            assert Volume.decode(bytes(data)).hash != one.hash
        except MalformedProof:
            assert at < 73


@pytest.mark.parametrize(
    "data",
    [
        b"",
        volume().encode()[:-1],
        b"\2" + volume().encode()[1:],
        volume(indexed=91).encode(),
        volume(stop=8).encode(),
        volume()._replace(first=9).encode(),
        volume(recorded_first=3).encode(),
        volume(occurred_first=3).encode(),
    ],
)
def test_what_is_no_volume(data: bytes) -> None:
    """Another length or version, or numbers that cannot be."""
    with pytest.raises(MalformedProof):
        Volume.decode(data)


def test_volumes_follow_one_another() -> None:
    """By number, first segment, first entry and hash; the first begins the log."""
    one = volume(0, 3)
    two = volume(4, 6, number=1, previous=one.hash)
    three = volume(7, 8, number=2, previous=two.hash)
    for good in ([], [one], [two], [one, two, three], [two, three]):
        check_volumes(good)
    bad = [
        [one, three],
        [two, one],
        [one, two._replace(number=2)],
        [one, two._replace(first=5)],
        [one, two._replace(start=41)],
        [one, two._replace(previous=NOTHING)],
        [one._replace(first=1)],
        [one._replace(previous=bytes([1]) * 32)],
        [one._replace(start=1)],
    ]
    for given in bad:
        with pytest.raises(Refuted):
            check_volumes(given)


def test_a_seal_stands_at_its_place_in_its_volume() -> None:
    """Every one of every volume, and no other."""
    for first in range(9):
        for last in range(first, 9):
            one, inside = volume(first, last), ENCODED[first : last + 1]
            for place, data in enumerate(inside):
                path = seal_path(inside, place)
                assert check_seal(one, data, path) == SEALS[first + place]
                others = [at for at in range(9) if at != first + place]
                for at in others:
                    with pytest.raises((Refuted, MalformedProof)):
                        check_seal(one, ENCODED[at], path)


def test_a_volume_begins_and_ends_with_its_segments() -> None:
    """One that says otherwise is refused by whoever sees its first or its last seal, or one beyond."""
    path = [seal_path(ENCODED, place) for place in range(9)]
    for changes, at in (({"start": 1}, 0), ({"stop": 95}, 8), ({"start": 20}, 1), ({"stop": 20, "indexed": 9}, 3)):
        with pytest.raises(Refuted):
            check_seal(volume(**changes), ENCODED[at], path[at])


def test_a_salt_is_committed_to_with_its_number() -> None:
    """Neither another number nor another salt has the same commitment."""
    made = {volume_salt_commitment(number, bytes([salt]) * 32) for number in range(3) for salt in range(3)}
    assert len(made) == 9
