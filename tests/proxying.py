"""A network between a program and its PostgreSQL that can be told to be slow, to swallow what is sent, or to be cut.

As a program it only forwards, from within a network namespace: python -m tests.proxying ADDRESS SOCKET. It says which
port it took, and ends with its standard input.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from pathlib import Path

__all__ = ["Network"]


class Network:
    """Forward connections from a port of this machine to the socket of a server of the tests.

    `mode` may be changed at any time, and holds for what is sent from then on:

    * `fine`: everything is forwarded.
    * `slow`: each piece waits for `delay` seconds, in both directions.
    * `silent`: nothing is forwarded and nothing is closed, for old connections and for new ones, as when a firewall
      forgot them.
    * `cut`: connections are broken off, and new ones as well.
    * `no answer to COMMIT`: a commit arrives, and from its answer on its connection is silent.
    * `no COMMIT`: a commit does not arrive, and from then on its connection is silent.

    Args:
        place: The socket of the server.
        address: Where to listen.
    """

    def __init__(self, place: Path, *, address: str = "127.0.0.1", delay: float = 0.02) -> None:
        self.mode = "fine"
        self.delay = delay
        self.swallowed = threading.Event()
        """Set once a commit, or its answer, was lost."""
        self._place = place
        self._listener = socket.create_server((address, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._lines: set[_Line] = set()
        self._halves: list[_Line] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, role: str, database: str) -> str:
        """Return the address of a database on the other side."""
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    @property
    def open(self) -> int:
        """How many connections there are."""
        with self._lock:
            return len(self._lines)

    def cut(self) -> None:
        """Break off every connection, and the ones to come."""
        self.mode = "cut"
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            line.end()

    def forget(self) -> None:
        """Forward nothing any more for the connections that there are, and everything for new ones."""
        with self._lock:
            for line in self._lines:
                line.silent = True

    def heal(self) -> None:
        """Forward everything again; what was swallowed is gone for good, with the connection that it was in."""
        self.mode = "fine"

    def close(self) -> None:
        """Break off everything and stop listening."""
        self.cut()
        for line in self._halves:
            line.end()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def left(self, line: _Line, *, half: bool = False) -> None:
        """Forget a connection that ended; or that ended here, while the other side has not been told."""
        with self._lock:
            self._lines.discard(line)
            if half:
                self._halves.append(line)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.mode == "cut":
                    near.close()
                    continue
                line = _Line(self, near, self._place)
                with self._lock:
                    self._lines.add(line)
                line.start()


class _Line:
    """One connection, with a thread in each direction."""

    def __init__(self, network: Network, near: socket.socket, place: Path) -> None:
        self._network = network
        self._near = near
        self._far = socket.socket(socket.AF_UNIX)
        self._place = place
        self.silent = False

    def start(self) -> None:
        """Begin to forward."""
        try:
            self._far.connect(str(self._place))
        except OSError:
            self.end()
            return
        for ends in ((self._near, self._far), (self._far, self._near)):
            threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def end(self) -> None:
        """Break it off in both directions."""
        for one in (self._near, self._far):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._network.left(self)

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        network = self._network
        there = sink is self._far
        try:
            while piece := source.recv(65_536):
                if network.mode == "slow":
                    time.sleep(network.delay)
                if there and b"COMMIT\0" in piece and network.mode.endswith("COMMIT"):
                    self.silent = True
                    if network.mode == "no answer to COMMIT":
                        sink.sendall(piece)
                    network.mode = "fine"
                    network.swallowed.set()
                elif network.mode == "silent":
                    self.silent = True
                elif not self.silent:
                    sink.sendall(piece)
        except OSError:
            pass
        if self.silent:
            # One side is not told that the other has gone: the network between them is what is broken.
            network.left(self, half=True)
            return
        self.end()


def main(address: str, place: str) -> None:
    """Forward until the standard input ends."""
    network = Network(Path(place), address=address)
    sys.stdout.write(f"{network.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    network.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
