"""Seals: their bytes, their chain, and the salts they commit to."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.errors import MalformedProof, Refuted
from whodid.proof.seal import (
    NOTHING,
    SEAL_SIZE,
    Seal,
    check_chain,
    check_origin,
    origin_id,
    salt_commitment,
)

moments = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)).map(sorted)
hashes = st.binary(min_size=32, max_size=32)


@st.composite
def seals(draw: st.DrawFn) -> Seal:
    """Any seal that does not contradict itself."""
    start = draw(st.integers(0, 2**63))
    stop = start + draw(st.integers(1, 2**31))
    recorded, occurred = draw(moments), draw(moments)
    return Seal(
        number=draw(st.integers(0, 2**32 - 1)),
        start=start,
        stop=stop,
        indexed=draw(st.integers(0, stop - start)),
        keys=draw(st.integers(0, 2**32 - 1)),
        recorded_first=recorded[0],
        recorded_last=recorded[1],
        occurred_first=occurred[0],
        occurred_last=occurred[1],
        root=draw(hashes),
        commitment=draw(hashes),
        previous=draw(hashes),
        anchor=draw(hashes),
    )


def chain(count: int) -> list[Seal]:
    """Return seals that follow one another."""
    found: list[Seal] = []
    for number in range(count):
        found.append(
            Seal(
                number=number,
                start=number * 10,
                stop=number * 10 + 10,
                indexed=10,
                keys=3,
                recorded_first=1,
                recorded_last=2,
                occurred_first=0,
                occurred_last=1,
                root=bytes((number,)) * 32,
                commitment=salt_commitment(number + 2, bytes(32)),
                previous=found[-1].hash if found else NOTHING,
                anchor=NOTHING,
            )
        )
    return found


@given(seals())
def test_comes_back(seal: Seal) -> None:
    """Decode what was encoded."""
    data = seal.encode()
    assert len(data) == SEAL_SIZE == 189
    assert Seal.decode(data) == seal


@given(seals(), st.integers(0, SEAL_SIZE - 1), st.integers(1, 255))
def test_every_byte_counts(seal: Seal, at: int, change: int) -> None:
    """Change any byte: another seal or none."""
    data = bytearray(seal.encode())
    data[at] ^= change
    try:
        other = Seal.decode(bytes(data))
    except MalformedProof:
        return
    assert other != seal
    assert other.hash != seal.hash


def test_refuses_what_is_no_seal() -> None:
    """Refuse other lengths, other versions and numbers that contradict each other."""
    (seal,) = chain(1)
    data = seal.encode()
    for bad in (data[:-1], data + b"\0", b"", b"\x02" + data[1:]):
        with pytest.raises(MalformedProof):
            Seal.decode(bad)
    for wrong in (
        seal._replace(stop=seal.start),
        seal._replace(indexed=11),
        seal._replace(recorded_first=3),
        seal._replace(occurred_first=2),
    ):
        with pytest.raises(MalformedProof, match="contradict"):
            Seal.decode(wrong.encode())


def test_hash_by_hand() -> None:
    """Write the hashed bytes out as the specification says."""
    (seal,) = chain(1)
    assert seal.hash == sha256(b"whodid/seal/v1\n" + seal.encode()).digest()
    assert salt_commitment(3, b"s" * 32) == sha256(b"whodid/segment-salt/v1\n" + (3).to_bytes(8) + b"s" * 32).digest()


def test_chain() -> None:
    """Change, leave out, swap and repeat seals."""
    found = chain(6)
    check_chain([])
    check_chain(found)
    check_chain(found[2:])
    for number in range(6):
        for wrong in (
            found[number]._replace(root=bytes(32) if number else b"x" * 32),
            found[number]._replace(start=found[number].start + 1),
        ):
            bent = [*found[:number], wrong, *found[number + 1 :]]
            if number == 5 and wrong.start == found[5].start:
                check_chain(bent)  # the newest is authenticated by its entry, not by the chain
                continue
            with pytest.raises(Refuted):
                check_chain(bent)
    for bent in (found[:2] + found[3:], [found[1], found[0]], [found[0], found[0]]):
        with pytest.raises(Refuted):
            check_chain(bent)
    for first in (found[0]._replace(previous=b"x" * 32), found[0]._replace(start=1)):
        with pytest.raises(Refuted, match="begin"):
            check_chain([first])


def test_origin() -> None:
    """Refuse commitments that the origin does not name."""
    first, second = salt_commitment(0, b"a" * 32), salt_commitment(1, b"b" * 32)
    origin = f"example.com/audit/{origin_id(first, second)}"
    assert origin_id(first, second) == sha256(b"whodid/origin/v1\n" + first + second).hexdigest()[:40]
    check_origin(origin, first, second)
    for one, other in ((second, first), (first, first), (salt_commitment(0, b"b" * 32), second)):
        with pytest.raises(Refuted):
            check_origin(origin, one, other)
