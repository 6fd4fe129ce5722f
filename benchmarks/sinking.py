"""What continuous delivery costs: entries per second to a file and to a receiver over HTTP, against the plain export.

Method: a whodid log on SQLite takes the corpus. It is exported as NDJSON into a file; then a sink delivers all of it to
a file (each delivery synced to the disk), and a sink of another kind delivers it to a receiver on this machine, a
process of its own that reads each request and answers 200, as a webhook and as a bucket (objects of 5,000 entries,
compressed and signed). Deliveries, positions, leases and signatures are as in a
server.
Rounds take turns; ratios are of medians.

    python -m benchmarks.sinking [--entries 50000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import whodid
from benchmarks.corpus import events
from benchmarks.measure import machine, spread, table, timed
from whodid.export import export
from whodid.model import Actor
from whodid.sinks import Sinks, SinkWorker

_WORKSPACE = "bench"
_ACTOR = Actor(type="system", id="bench")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RECEIVER = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.connection.setsockopt(6, 1, 1)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")

    do_PUT = do_POST

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def exported(log: whodid.Log, path: Path) -> None:
    """Export everything into a file."""
    with path.open("wb") as out:
        export(log, _WORKSPACE, "", "ndjson", out, actor=_ACTOR)


def delivered(worker: SinkWorker) -> None:
    """Let the sinks that are due have a turn to the end."""
    worker.round()
    worker.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"Sinks.\n{machine()}")
    with (
        tempfile.TemporaryDirectory(prefix="whodid-bench-") as text,
        whodid.open(f"sqlite:///{Path(text, 'audit.db')}") as log,
        subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True) as receiver,
    ):
        folder = Path(text)
        try:
            _measure(log, folder, receiver, options.entries, options.rounds)
        finally:
            receiver.kill()


def _measure(log: whodid.Log, folder: Path, receiver: subprocess.Popen[str], entries: int, rounds: int) -> None:
    supply = events(entries)
    for _ in range(0, entries, 500):
        log.record_many(_WORKSPACE, [event for event, _ in zip(supply, range(500), strict=False)])
    secret, keys = folder / "secret", folder / "keys"
    for path, text in ((secret, SECRET), (keys, "AKIDEXAMPLE:wJalrXUtnFEMI")):
        path.write_text(text)
        path.chmod(0o600)
    assert receiver.stdout is not None
    address = f"http://127.0.0.1:{receiver.stdout.readline().strip()}/in"
    sinks, worker = Sinks(log, _WORKSPACE, actor=_ACTOR), SinkWorker(log)
    rates: dict[str, list[float]] = {}
    for number in range(rounds):
        size = log.head(_WORKSPACE).size
        took = timed(partial(exported, log, folder / "export.ndjson")).wall
        rates.setdefault("export", []).append(size / took)
        for name, kind, where, batch in (
            ("file, 500 a delivery", "file", str(folder / f"sink-{number}.ndjson"), 500),
            ("webhook, 25 a delivery", "webhook", address, 25),
            ("webhook, 500 a delivery", "webhook", address, 500),
            ("bucket, 5,000 an object", "s3", address, 5_000),
        ):
            sinks.add(
                "sink", kind, where, batch=batch, start=0, private=True,
                secret="" if kind == "file" else f"file:{keys if kind == 's3' else secret}",
                options={"every": "0"} if kind == "s3" else {},
            )  # fmt: skip
            took = timed(partial(delivered, worker)).wall
            position = sinks.get("sink").position
            assert position.delivered == position.next, position
            rates.setdefault(name, []).append(position.delivered / took)
            sinks.remove("sink")
    base = statistics.median(rates["export"])
    rows = [(name, spread(found, ",.0f"), f"{statistics.median(found) / base:.2f}") for name, found in rates.items()]
    table("Delivery", ("to", "entries/s", "of the export"), rows)


if __name__ == "__main__":
    main()
