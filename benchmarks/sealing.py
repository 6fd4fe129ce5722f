"""What sealing costs: of writers while it goes on, of space, of time per segment, and of an answer with its proof.

Method: a whodid log on SQLite takes one full segment of the corpus in batches of a hundred, fsync on every commit; the
segment is sealed alone, and its time and bytes are noted. A second one is then taken while a thread seals it in pieces
(every `--pieces`-th of it closed on demand, far more often than a server does), and a third with no sealing. Last, one
actor is asked for over all segments, with the proof, and the answer is checked.

    python -m benchmarks.sealing [--entries 65536] [--pieces 8]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import whodid
from benchmarks.corpus import events
from benchmarks.measure import machine, table, timed
from whodid.proof.complete import check_answer
from whodid.proof.leaf import ACTOR

_BATCH = 100


def record(log: whodid.Log, chunk: Sequence[whodid.Event]) -> None:
    """Record in batches."""
    for at in range(0, len(chunk), _BATCH):
        log.record_many("bench", chunk[at : at + _BATCH])


def record_while_sealing(log: whodid.Log, chunk: Sequence[whodid.Event], pieces: int) -> None:
    """Record in batches while a thread seals after every piece."""
    ready, over = threading.Semaphore(0), threading.Event()

    def work() -> None:
        while ready.acquire() and not over.is_set():
            log.seal("bench", close=True)

    thread = threading.Thread(target=work)
    thread.start()
    size = len(chunk) // pieces
    for at in range(0, len(chunk), size):
        ready.release()
        record(log, chunk[at : at + size])
    over.set()
    ready.release()
    thread.join()


def used(log: whodid.Log) -> int:
    """Return the bytes in use."""
    stats = log.stats("bench")
    return stats["bytes"] - stats["free_bytes"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=65_536)
    parser.add_argument("--pieces", type=int, default=8)
    options = parser.parse_args()
    print(f"Sealing.\n{machine()}")
    supply = events(3 * options.entries)
    chunks = [[next(supply) for _ in range(options.entries)] for _ in range(3)]
    with (
        tempfile.TemporaryDirectory(prefix="whodid-bench-") as folder,
        whodid.open(f"sqlite:///{Path(folder, 'audit.db')}") as log,
    ):
        first = timed(partial(record, log, chunks[0]))
        before = used(log)
        sealed = timed(partial(log.seal, "bench", close=True))
        after = used(log)
        busy = timed(partial(record_while_sealing, log, chunks[1], options.pieces))
        log.seal("bench", close=True)
        calm = timed(partial(record, log, chunks[2]))
        log.seal("bench", close=True)
        actor = f"user\0{chunks[0][0].actor.id}".encode()
        asked = timed(partial(log.complete, "bench", ACTOR, actor))
        given = log.complete("bench", ACTOR, actor)
        checked = timed(partial(check_answer, log.head("bench").origin, given.answer))
        proofs = sum(len(one.proof.path) + 64 for one in given.answer.segments)
        segments = len(given.answer.segments)
    count = options.entries
    table(
        f"{count:,} entries in batches of {_BATCH}",
        ("", "figure"),
        (
            ("entries/s, empty log, no sealing", f"{count / first.wall:,.0f}"),
            (
                f"entries/s, second part, a thread sealing every {count // options.pieces:,}",
                f"{count / busy.wall:,.0f}",
            ),
            ("entries/s, third part, no sealing", f"{count / calm.wall:,.0f}"),
            ("seconds to seal the segment", f"{sealed.wall:.2f}"),
            ("µs of CPU per entry to seal", f"{sealed.cpu / count * 1e6:.1f}"),
            ("bytes per entry before", f"{before / count:.1f}"),
            ("bytes per entry after", f"{after / count:.1f}"),
            (f"ms to answer for one actor over {segments} segments", f"{asked.wall * 1e3:.0f}"),
            ("bytes of index proofs per segment", f"{proofs / segments:.0f}"),
            ("ms to check the answer", f"{checked.wall * 1e3:.1f}"),
        ),
    )


if __name__ == "__main__":
    main()
