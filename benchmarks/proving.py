"""What proofs cost: per entry, everything on against everything off; sizes and times of checking; purge and erasure.

Method. Per entry: a log on SQLite records the corpus in batches of a thousand and seals it; the same work that proofs
are (commitments, leaf, tags, tree, index) is then done once more on the same entries, alone. Everything off is the
first without the second; printed is the ratio, with each part. Proofs: a log takes the corpus of 90 days, a segment a
day, sealed as the days end; each kind of proof is made at places all over it, measured in bytes of its hashes, and
checked in Python, median of all. Last, one person with a hundred entries is erased, and the oldest day is purged with
its segment. Beside each figure stands what the design expected of it.

    python -m benchmarks.proving [--entries 1000000] [--each 20000]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import whodid
from benchmarks.corpus import DAYS, START, events
from benchmarks.evidence import Clock, fill
from benchmarks.measure import machine, table, timed
from whodid import canonical
from whodid.proof import leaf, tree
from whodid.proof.checkpoint import open_checkpoint
from whodid.proof.complete import check_range
from whodid.proof.index import Index, check_absence
from whodid.proof.note import Verifier
from whodid.retention import Policy, change_policy, erase_person, preview_erasure, purge

_WORKSPACE = "bench"
_BATCH = 1_000
_TRIES = 200
_PERSON_ENTRIES = 100
_ACTOR = whodid.Actor(type="user", id="usr_operator", name="Operator")
_MARIA = whodid.Actor(type="user", id="usr_maria", name="Maria Torres", email="maria@example.com")


def micros(work: Callable[[], object], count: int) -> float:
    """Return the microseconds of processor time that each of so many takes, the best of three rounds."""
    return min(timed(work).cpu for _ in range(3)) / count * 1e6


def per_entry(count: int) -> None:
    """Print what an entry costs with proofs, and without."""
    corpus = list(events(count))
    clock = Clock()
    clock.now = START + timedelta(days=DAYS)
    with (
        tempfile.TemporaryDirectory(prefix="whodid-bench-") as folder,
        whodid.open(f"sqlite:///{folder}/audit.db", clock=clock) as log,
    ):
        cpu = 0.0
        for at in range(0, count, _BATCH):
            cpu += timed(partial(log.record_many, _WORKSPACE, corpus[at : at + _BATCH])).cpu
        recorded = cpu / count * 1e6
        sealing = timed(partial(log.seal, _WORKSPACE, close=True)).cpu / count * 1e6
        entries = list(log.read(_WORKSPACE))[:count]
    count = len(entries)
    listed = [[(path, value) for path, value in canonical.fields(one) if value is not None] for one in entries]
    seeds = [sha256(b"%d" % at).digest()[: leaf.SEED_SIZE] for at in range(count)]
    salt = bytes(32)
    values = [canonical.tag_values(one) for one in entries]
    bound = [leaf.commitments(seed, fields) for seed, fields in zip(seeds, listed, strict=True)]
    tags = [tuple([leaf.tag(salt, dimension, value) for dimension, value in one]) for one in values]
    headers = [
        leaf.Header(leaf.EVENT, canonical.micros(one.recorded_at), leaf.content_root(own), marks)
        for one, own, marks in zip(entries, bound, tags, strict=True)
    ]
    hashes = [tree.leaf_hash(header.encode()) for header in headers]
    postings: dict[bytes, list[int]] = {}
    for at, marks in enumerate(tags):
        for tag in dict.fromkeys(marks):
            postings.setdefault(tag, []).append(at)

    def grow() -> None:
        frontier: Sequence[bytes] = ()
        for at in range(0, count, _BATCH):
            frontier, _ = tree.extend(frontier, at, hashes[at : at + _BATCH])

    parts: list[tuple[str, str, Callable[[], object]]] = [
        (
            f"{statistics.mean(map(len, bound)):.1f} commitments",
            "7.5 for 8",
            lambda: [leaf.commitments(seed, fields) for seed, fields in zip(seeds, listed, strict=True)],
        ),
        (
            "tags",
            "–",
            lambda: [[leaf.tag(salt, dimension, value) for dimension, value in one] for one in values],
        ),
        (
            "leaf: content root, header, hash",
            "0.4",
            lambda: [
                tree.leaf_hash(leaf.Header(leaf.EVENT, 1, leaf.content_root(own), marks).encode())
                for own, marks in zip(bound, tags, strict=True)
            ],
        ),
        ("tree, batches of 1,000", "1.0", grow),
        ("index of the segment", "1.6–2.7", lambda: Index(0, postings).root),
    ]
    costs = [micros(work, count) for _, _, work in parts]
    total = recorded + sealing
    rows = [
        ("recorded, everything on", "", f"{recorded:.1f}"),
        ("sealed", "", f"{sealing:.1f}"),
        *[(name, said, f"{cost:.2f}") for (name, said, _), cost in zip(parts, costs, strict=True)],
        ("of these, proofs", "11–12", f"{sum(costs):.1f}"),
        ("everything on / everything off", "", f"{total / (total - sum(costs)):.2f}"),
    ]
    table(f"µs of one core per entry, {count:,} entries", ("what", "expected", "measured"), rows)


def spread_over(size: int) -> list[int]:
    """Return places all over a log."""
    return [at * (size - 1) // (_TRIES - 1) for at in range(_TRIES)]


def checked(checks: Iterable[tuple[int, Callable[[], object]]]) -> tuple[str, str]:
    """Return the bytes of proofs (median, most) and the microseconds of checking one (median)."""
    sizes, spent = [], []
    for size, check in checks:
        started = time.perf_counter()
        check()
        spent.append((time.perf_counter() - started) * 1e6)
        sizes.append(size)
    return f"{statistics.median(sizes):,.0f} ({max(sizes):,})", f"{statistics.median(spent):,.1f}"


def proofs(log: whodid.Log) -> None:
    """Print sizes and times of each kind of proof."""
    head, _ = open_checkpoint(log.checkpoint(_WORKSPACE), Verifier(log.verifier_key(_WORKSPACE)))
    size, snapshot = head.size, log.snapshot(_WORKSPACE)
    places = spread_over(size)

    def inclusions() -> Iterable[tuple[int, Callable[[], object]]]:
        for at in places:
            found = log.prove(_WORKSPACE, at)
            hash_ = tree.leaf_hash(found.leaf)
            yield 32 * len(found.path), partial(tree.check_inclusion, at, size, hash_, found.path, head.root)

    def consistencies() -> Iterable[tuple[int, Callable[[], object]]]:
        for old in places[1:-1]:
            path, root = log.prove_consistency(_WORKSPACE, old, size), tree.root(snapshot.frontier(old))
            yield 32 * len(path), partial(tree.check_consistency, old, size, root, head.root, path)

    def absences() -> Iterable[tuple[int, Callable[[], object]]]:
        for one in snapshot.segments[:40]:
            assert one.salt is not None
            for at in range(5):
                tag = leaf.tag(one.salt, leaf.RESOURCE, b"contact\0nobody_%d" % at)
                _, proof = snapshot.look_up(one.seal.number, tag)
                length = len(proof.key) + len(proof.value) + len(proof.path)
                yield length, partial(check_absence, one.seal.root, tag, proof)

    rows = [
        ("inclusion", "≤ 640, 15–20 µs", *checked(inclusions())),
        ("consistency", "≤ 1,280", *checked(consistencies())),
        ("absence in a segment", "444, 10–24 µs", *checked(absences())),
        ("seal", "about 190", f"{len(snapshot.segments[0].seal.encode())}", ""),
    ]
    start, stop = size // 2, min(size // 2 + 11_111, size)
    found = log.headers(_WORKSPACE, start, stop)
    leaves = [header for header in found.headers if header is not None]
    cost = micros(
        lambda: check_range(start, [tree.leaf_hash(one) for one in leaves], size, head.root, found.proof), len(leaves)
    )
    rows.append(
        ("every header of a day, each", "93 B, 1.0 µs", f"{statistics.mean(map(len, leaves)):.0f}", f"{cost:.2f}")
    )
    verified = timed(lambda: log.verify(_WORKSPACE))
    rows.append(("everything stored, each entry, content too", "–", "", f"{verified.cpu / size * 1e6:.2f}"))
    table(f"Proofs in a log of {size:,} entries", ("proof", "expected", "bytes, median (most)", "µs to check"), rows)


def forgetting(log: whodid.Log, clock: Clock) -> None:
    """Print how long a person and a day take to leave."""
    size = log.head(_WORKSPACE).size
    seen = timed(lambda: preview_erasure(log, _WORKSPACE, "user:usr_maria"))
    done = []
    erased = timed(
        lambda: done.append(
            erase_person(log, _WORKSPACE, "user:usr_maria", actor=_ACTOR, reason=whodid.Reason(text="Request 1"))
        )
    )
    assert done[0].entries == _PERSON_ENTRIES
    change_policy(log, _WORKSPACE, Policy(days=DAYS - 1), actor=_ACTOR)
    clock.now = START + timedelta(days=DAYS, minutes=5)
    steps: list[float] = []
    last = [time.perf_counter()]

    def step(_: int) -> None:
        now = time.perf_counter()
        steps.append(now - last[0])
        last[0] = now

    gone: list[int] = []
    purged = timed(lambda: gone.append(purge(log, _WORKSPACE, progress=step).entries))
    table(
        f"Leaving a log of {size:,} entries",
        ("what", "entries", "seconds", "longest step, ms"),
        [
            ("looking for a person", f"{_PERSON_ENTRIES}", f"{seen.wall:.2f}", ""),
            ("erasing the person, the file rewritten", f"{_PERSON_ENTRIES}", f"{erased.wall:.2f}", ""),
            ("purging the oldest day", f"{gone[0]:,}", f"{purged.wall:.2f}", f"{max(steps, default=0.0) * 1e3:.0f}"),
        ],
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=20_000)
    options = parser.parse_args()
    print(f"Proofs.\n{machine()}")
    per_entry(options.each)
    clock = Clock()
    with (
        tempfile.TemporaryDirectory(prefix="whodid-bench-") as name,
        whodid.open(f"sqlite:///{Path(name, 'audit.db')}", clock=clock) as log,
    ):
        fill(log, clock, options.entries)
        person = [
            whodid.Event(
                id=f"019ac000-0000-7000-8000-{at:012d}",
                occurred_at=clock.now,
                actor=_MARIA,
                action="contact.updated",
                resource=whodid.Resource(type="contact", id=f"con_{at}", name=f"Contact {at}"),
            )
            for at in range(_PERSON_ENTRIES)
        ]
        log.record_many(_WORKSPACE, person)
        log.seal(_WORKSPACE, close=True)
        proofs(log)
        forgetting(log, clock)


if __name__ == "__main__":
    main()
