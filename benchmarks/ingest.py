"""HTTP ingest with everything on, against the in-process append and against what a user would write instead.

Method: a server process (uvicorn, one worker, SQLite, fsync on every commit, keys, proofs, indexes) takes the corpus
over loopback from this process: single events over 64 connections, and batches of 100 and 1,000 over 4. The peer is a
FastAPI endpoint that checks the same event with pydantic and inserts it as a row with four indexes through SQLAlchemy:
one transaction per request, SQLite with the same durability (WAL, synchronous=FULL), the same program, no proofs.
The third is `log.record_many` in one process and thread with the same batches and no HTTP. Rounds are interleaved.
Printed: events per second, processor microseconds of the server per event (the sender does not count), and ratios.
The peer takes half as many events, which flatters it a little: its indexes stay smaller.

    python -m benchmarks.ingest [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import whodid
from benchmarks.corpus import events
from benchmarks.measure import machine, spread, table
from whodid import Actor, Event

_SECRET = b"a secret of the benchmarks, 32 bytes or more"
_SHAPES = ((1, 64, 4_000), (100, 4, 20_000), (1_000, 4, 40_000))


class Figures(NamedTuple):
    """What one run gave."""

    rate: float
    cpu: float


# ------------------------------------------------------------------------------------------------------------- servers


def serve(name: str, folder: str, descriptor: int) -> None:
    """Serve a contestant on a socket until killed."""
    import uvicorn

    app: Any = whodid_app(folder) if name == "whodid" else peer_app(folder)
    config = uvicorn.Config(app, lifespan="off", access_log=False, log_level="error")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def whodid_app(folder: str) -> Any:
    """Make the application of whodid, and leave a key in the folder."""
    from whodid.server import asgi
    from whodid.server.keys import KeyRing

    log = whodid.open(f"sqlite:///{folder}/audit.db")
    made = KeyRing(log, "w", actor=Actor(type="system", id="benchmarks")).create("benchmarks")
    (Path(folder) / "key").write_text(made.text, encoding="ascii")
    return asgi(log, secret=_SECRET, rate=0)


def peer_app(folder: str) -> Any:
    """Make the endpoint that a user would write: FastAPI, pydantic, SQLAlchemy, one row per event."""
    from fastapi import FastAPI
    from pydantic import create_model

    class Base(DeclarativeBase):
        """Tables."""

    class Row(Base):
        """An event as a row, with the indexes that a list by time, actor, action and resource needs."""

        __tablename__ = "audit"
        id: Mapped[str] = mapped_column(primary_key=True)
        at: Mapped[str] = mapped_column(index=True)
        actor: Mapped[str] = mapped_column(index=True)
        action: Mapped[str] = mapped_column(index=True)
        resource: Mapped[str] = mapped_column(index=True)
        data: Mapped[dict[str, Any]] = mapped_column(sa.JSON)

    engine = sa.create_engine(f"sqlite:///{folder}/peer.db", connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def durable(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    Base.metadata.create_all(engine)
    whole: dict[str, Any] = dict.fromkeys(("reason", "details", "context"), (dict[str, Any] | None, None))
    whole |= dict.fromkeys(("cause", "batch", "kind", "severity"), (str | None, None))
    whole |= dict.fromkeys(("related", "changes"), (list[dict[str, Any]], []))
    whole |= dict.fromkeys(("id", "occurred_at", "action"), (str, ...))
    whole |= dict.fromkeys(("actor", "resource"), (dict[str, Any], ...))
    one = create_model("Sent", outcome=(str, "success"), **whole)
    many = create_model("Batch", events=(list[one], ...))  # type: ignore[valid-type]
    app = FastAPI()

    def insert(batch: Any) -> dict[str, int]:
        rows = [
            Row(
                id=event.id,
                at=event.occurred_at,
                actor=event.actor["id"],
                action=event.action,
                resource=event.resource["id"],
                data=event.model_dump(),
            )
            for event in batch.events
        ]
        with Session(engine) as session, session.begin():
            session.add_all(rows)
        return {"recorded": len(rows)}

    insert.__annotations__["batch"] = many
    app.post("/v1/events")(insert)
    (Path(folder) / "key").write_text("none", encoding="ascii")
    return app


# -------------------------------------------------------------------------------------------------------------- sender


async def send(port: int, requests: Sequence[bytes], connections: int) -> None:
    """Send requests over some connections, each after the answer to the one before."""
    queue = iter(requests)

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in queue:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
                message = head.decode()
                raise RuntimeError(message)
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(work() for _ in range(connections)))


def requests_of(made: Sequence[Event], size: int, key: str) -> list[bytes]:
    """Write the requests that carry events in batches of a size."""
    found = []
    for at in range(0, len(made), size):
        parts = [msgspec.json.encode(one) for one in made[at : at + size]]
        body = parts[0] if size == 1 and key != "none" else b'{"events":[' + b",".join(parts) + b"]}"
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


def over_http(name: str, made: Sequence[Event], size: int, connections: int) -> Figures:
    """Run one contestant and return its figures."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "benchmarks.ingest", "--serve", name, folder, str(listener.fileno())]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()])
        try:
            until = time.monotonic() + 30
            while not (Path(folder) / "key").exists() and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(0.5)
            key = (Path(folder) / "key").read_text(encoding="ascii")
            requests = requests_of(made, size, key)
            warm = max(1, len(requests) // 10)
            asyncio.run(send(port, requests[:warm], connections))
            before, started = seconds_of(server.pid), time.perf_counter()
            asyncio.run(send(port, requests[warm:], connections))
            wall = time.perf_counter() - started
            cpu = seconds_of(server.pid) - before
        finally:
            server.kill()
            server.wait()
    count = len(made) - warm * size
    return Figures(count / wall, 1e6 * cpu / count)


def seconds_of(pid: int) -> float:
    """Return the processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_process(made: Sequence[Event], size: int) -> Figures:
    """Append the same batches without HTTP."""
    with tempfile.TemporaryDirectory() as folder, whodid.open(f"sqlite:///{folder}/audit.db") as log:
        warm = max(size, len(made) // 10 // size * size)
        for at in range(0, warm, size):
            log.record_many("w", made[at : at + size])
        cpu, started = time.process_time(), time.perf_counter()
        for at in range(warm, len(made), size):
            log.record_many("w", made[at : at + size])
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Figures((len(made) - warm) / wall, 1e6 * cpu / (len(made) - warm))


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", nargs=3, metavar=("NAME", "FOLDER", "DESCRIPTOR"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        with suppress(KeyboardInterrupt):
            serve(arguments.serve[0], arguments.serve[1], int(arguments.serve[2]))
        return
    rows = []
    for size, connections, count in _SHAPES:
        made = list(events(count))
        runs: dict[str, list[Figures]] = {"whodid": [], "peer": [], "append": []}
        for _ in range(arguments.rounds):
            runs["append"].append(in_process(made, size))
            runs["whodid"].append(over_http("whodid", made, size, connections))
            runs["peer"].append(over_http("peer", made[: count // 2], size, connections))
        for name, found in runs.items():
            against = [
                (one.rate / peer.rate, one.rate / append.rate)
                for one, peer, append in zip(found, runs["peer"], runs["append"], strict=True)
            ]
            rows.append(
                (
                    f"{size:,} per request, {connections} connections",
                    name,
                    f"{statistics.median(one.rate for one in found):,.0f}",
                    spread([one.cpu for one in found], ".0f"),
                    spread([ratio for ratio, _ in against]),
                    spread([ratio for _, ratio in against]),
                )
            )
    sys.stdout.write(f"{machine()}\n")
    columns = ("Shape", "", "events/s", "CPU µs per event", "against the peer", "against the in-process append")
    table("HTTP ingest", columns, rows)
    sys.stdout.write(json.dumps({"rounds": arguments.rounds}) + "\n")


if __name__ == "__main__":
    main()
