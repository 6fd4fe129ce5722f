"""Listens for syslog (RFC 5424) on TCP, TLS and UDP, beside the HTTP door and with the same keys.

Syslog has no answer: a message counts as sent when it left the sender. So what was read is held until it is recorded,
and nothing more is read meanwhile: the sender's own buffers fill up, and its sending blocks. Whoever shows no valid key
is cut off, which is the only thing that a sender can notice.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from whodid.capture.middleware import parse_address
from whodid.errors import InvalidEvent, StoreError
from whodid.log import Log
from whodid.model import Context
from whodid.server.compat.rfc5424 import Frames, Message, read_message
from whodid.server.compat.saying import MOST_MESSAGES, Arrived, settle
from whodid.server.compat.syslog_addresses import SyslogAddress
from whodid.server.compat.syslog_messages import Twins, shown_key, taken
from whodid.server.gate import Buckets, Gate
from whodid.server.meter import Meter

__all__ = ["Syslog"]

_log = logging.getLogger("whodid.server")

_MOST_CONNECTIONS = 128
_BACKLOG = 128
_READ = 64 * 1024
_HANDSHAKE_SECONDS = 10.0
_TICK = 0.2
_IDLE_TICK = 1.0
_DRAIN_SECONDS = 10.0
_LONGEST_PAUSE = 5.0
_QUIET_SECONDS = 60.0
_DATAGRAMS = 500

_Result = TypeVar("_Result")


class _Admission(NamedTuple):
    workspace: str
    bucket: str
    rate: int | None = None


class _Given(NamedTuple):
    """A message with what is known of it besides."""

    message: Message
    twin: int


class _Stopped(Exception):
    """The time to stop has come before something was recorded."""


class Syslog:
    """One address that takes messages, from `with` to the end of its block.

    Args:
        gate: Reads the keys that messages show.
        rate: Messages per second and key; 0 for no limit. Beyond it, nothing is read for a while.
        ending_seconds: How long what was read may take to be recorded when the server stops.
        meter: Counts messages, and how often the store did not take them.
    """

    def __init__(
        self,
        address: SyslogAddress,
        log: Log,
        gate: Gate,
        *,
        rate: int,
        ending_seconds: float,
        meter: Meter | None = None,
    ) -> None:
        self._address = address
        self._log = log
        self._gate = gate
        self._buckets = Buckets(rate, least=MOST_MESSAGES)
        self._ending_seconds = ending_seconds
        self._meter = meter or Meter()
        self._stopping = threading.Event()
        self._deadline = self._last_read = 0.0
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, bool] = {}
        """Whether each has shown a valid key, oldest first."""
        self._threads: list[threading.Thread] = []
        self._warned: dict[str, float] = {}
        self._tls = address.context()
        self._socket = address.listen(_BACKLOG)
        host, port = self._socket.getsockname()[:2]
        self.where = f"{address.scheme}://[{host}]:{port}" if ":" in host else f"{address.scheme}://{host}:{port}"
        """The address, with the port that was found for 0."""

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def __enter__(self) -> Self:
        self._start(self._datagrams if self._address.scheme == "udp" else self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        now = time.monotonic()
        self._deadline = now + self._ending_seconds
        self._last_read = now + min(_DRAIN_SECONDS, self._ending_seconds)
        self._stopping.set()
        self._threads[0].join()
        self._socket.close()
        for thread in self._threads[1:]:
            thread.join(max(0.0, self._deadline - time.monotonic()) + _TICK)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="whodid-syslog", daemon=True)
        self._threads = [one for one in self._threads if one is self._threads[0] or one.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _warn(self, what: str, *details: object) -> None:
        """Tell the operator, once a minute for the same."""
        now = time.monotonic()
        with self._lock:
            if now - self._warned.get(what, -_QUIET_SECONDS) < _QUIET_SECONDS:
                return
            self._warned[what] = now
        _log.warning("syslog %s: " + what, self.where, *details)

    # ------------------------------------------------------------------------------------------------- connections

    def _accept(self) -> None:
        while True:
            # Who was let in by the system before the end is heard to the end.
            ending = self._stopping.is_set()
            self._socket.settimeout(0.0 if ending else _TICK)
            try:
                connection, peer = self._socket.accept()
            except (TimeoutError, BlockingIOError):
                if ending:
                    return
                continue
            except OSError as error:
                if ending:
                    return
                self._warn("a connection was not accepted: %s", error)
                self._stopping.wait(_TICK)
                continue
            if self._room():
                with self._lock:
                    self._connections[connection] = False
                self._start(self._converse, connection, peer[0])
            else:
                self._warn(f"there are {_MOST_CONNECTIONS} connections; one more was turned away")
                connection.close()

    def _room(self) -> bool:
        """Make room for one more connection: the oldest one that never showed a valid key goes."""
        with self._lock:
            if len(self._connections) < _MOST_CONNECTIONS:
                return True
            stranger = next((one for one, known in self._connections.items() if not known), None)
            if stranger is not None:
                del self._connections[stranger]
                with suppress(OSError):  # it may be gone already
                    # The method of an SSL socket would drop the encryption first.
                    socket.socket.shutdown(stranger, socket.SHUT_RDWR)
            return stranger is not None

    def _converse(self, connection: socket.socket, peer: str) -> None:
        stream = connection
        frames, twins = Frames(), Twins()
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            stream = self._secured(connection)
            while data := self._read(stream):
                given = [_Given(read_message(raw), twins.count(raw)) for raw in frames.feed(data)]
                if not self._take(given, peer):
                    break
                if given:
                    self._know(stream)
                if frames.lost:
                    self._warn("a message of %s was too large and is not recorded", peer)
                    frames.lost = 0
            else:
                if frames.pending:
                    self._warn("the last message of %s was cut off and is not recorded", peer)
        except (OSError, ssl.SSLError) as error:
            self._warn("a connection broke off: %s", error)
        except _Stopped:
            pass
        except Exception:  # noqa: BLE001 - whatever it is, the other connections go on and the log has the traceback
            _log.exception("syslog %s: a connection failed", self.where)
        finally:
            with self._lock:
                self._connections.pop(stream, None)
            stream.close()

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        connection.settimeout(_HANDSHAKE_SECONDS)
        stream = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            # Wrapping takes the descriptor over; whoever ends the reading must find the one that is open.
            self._connections[stream] = self._connections.pop(connection, False)
        try:
            stream.do_handshake()
        except BaseException:
            with self._lock:
                self._connections.pop(stream, None)
            stream.close()
            raise
        return stream

    def _read(self, stream: socket.socket) -> bytes:
        """Return what a connection has to say next; nothing at its end, and when it is quiet while the server stops.

        What left the sender may still be in the sender's system, waiting for room here: so the reading does not end
        with the first moment in which there is nothing.
        """
        while True:
            ending = self._stopping.is_set()
            if ending and time.monotonic() > self._last_read:
                return b""
            stream.settimeout(_TICK if ending else _IDLE_TICK)
            try:
                return stream.recv(_READ)
            except TimeoutError:
                if ending:
                    return b""

    def _know(self, connection: socket.socket) -> None:
        with self._lock:
            if connection in self._connections:
                self._connections[connection] = True

    # ---------------------------------------------------------------------------------------------------- datagrams

    def _datagrams(self) -> None:
        while True:
            by_peer: dict[str, list[_Given]] = {}
            for raw, peer in self._received():
                by_peer.setdefault(peer, []).append(_Given(read_message(raw), 0))
            if not by_peer and self._stopping.is_set():
                return
            for peer, given in by_peer.items():
                try:
                    self._take(given, peer)
                except _Stopped:
                    return
                except Exception:  # noqa: BLE001 - whatever it is, the next datagram is read
                    _log.exception("syslog %s: a datagram failed", self.where)

    def _received(self) -> Iterator[tuple[bytes, str]]:
        """Yield the datagrams that are there, after waiting a moment for the first."""
        self._socket.settimeout(0.0 if self._stopping.is_set() else _TICK)
        for _ in range(_DATAGRAMS):
            try:
                raw, peer = self._socket.recvfrom(_READ)
            except OSError:  # nothing there
                return
            yield raw, peer[0]
            self._socket.settimeout(0.0)

    # ----------------------------------------------------------------------------------------------------- messages

    def _take(self, given: list[_Given], peer: str) -> bool:
        """Record messages; say whether each of them showed a valid key.

        Raises:
            _Stopped: The server stops, and the store did not take them in time.
        """
        context = Context(source="api", ip=parse_address(peer))
        groups: dict[_Admission, list[Arrived]] = {}
        strangers = 0
        for one in given:
            admission = self._insist(lambda one=one: self._admission(one.message, context), 1)  # type: ignore[misc]
            if admission is None:
                strangers += 1
                continue
            try:
                groups.setdefault(admission, []).append(taken(one.message, one.twin, self._log.now()))
            except InvalidEvent as fault:
                self._meter.events("refused", 1)
                self._warn("a message of %s was refused: %s", peer, fault)
        for admission, arrived in groups.items():
            self._slowly(admission, len(arrived))
            faults = self._insist(
                lambda admission=admission, arrived=arrived: settle(  # type: ignore[misc]
                    self._log, admission.workspace, [*arrived], whole=False, meter=self._meter
                ),
                len(arrived),
            )
            for refusal in filter(None, faults):
                self._warn("a message of %s was refused: %s", peer, refusal)
        if strangers:
            self._warn("messages of %s showed no valid key and are not recorded", peer)
        return not strangers

    def _admission(self, message: Message, context: Context) -> _Admission | None:
        if self._address.workspace is not None:
            return _Admission(self._address.workspace, "")
        text = shown_key(message)
        if not text:
            return None
        route = f"SYSLOG {self._address.scheme}"
        admitted = self._gate.remembered(text) or self._gate.admit(text, route=route, context=context)
        if admitted is None:
            return None
        if not admitted.key.may("write"):
            self._gate.denied(admitted, "scope", route=route, context=context)
            return None
        return _Admission(admitted.workspace, admitted.key.id, admitted.key.rate)

    def _slowly(self, admission: _Admission, count: int) -> None:
        """Wait until the rate has room."""
        while (pause := self._buckets.take(admission.bucket, count, rate=admission.rate)) > 0:
            self._rest(min(pause, _LONGEST_PAUSE), count)

    def _insist(self, work: Callable[[], _Result], count: int) -> _Result:
        """Try until the store is there."""
        pause = 0.1
        while True:
            try:
                return work()
            except StoreError as error:
                self._meter.store_failed(type(error).__name__)
                self._warn("the store does not take messages, so none are read: %s", error)
            self._rest(pause, count)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _rest(self, seconds: float, count: int) -> None:
        if self._stopping.is_set():
            if time.monotonic() + seconds > self._deadline:
                _log.error("syslog %s: %d messages were read and could not be recorded", self.where, count)
                raise _Stopped
            time.sleep(seconds)
        else:
            self._stopping.wait(seconds)
