"""`whodid serve`: the application, the workers and a socket, from start to orderly end.

The only file that imports uvicorn and its parser. It prints where it listens and a link that signs in once; there is no
password.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from whodid.catalog import without_password
from whodid.detect import DetectionWorker, Geo
from whodid.errors import InvalidSetting
from whodid.export import default_folder
from whodid.log import Log, open_log
from whodid.retention import RetentionWorker, SealingWorker
from whodid.server.app import asgi
from whodid.server.arenas import bound_arenas
from whodid.server.compat import NEVER_AGAIN
from whodid.server.compat.syslog import Syslog
from whodid.server.compat.syslog_addresses import read_address
from whodid.server.config import Settings, read_client_secret, read_secret, read_token
from whodid.server.console import Console
from whodid.server.console.desk import Desk
from whodid.server.console.links import take_link
from whodid.server.console.provider import Provider, fetcher
from whodid.server.console.sso import SignOn
from whodid.server.exports import export_worker
from whodid.server.gate import Gate
from whodid.server.lapsing import LapseWorker
from whodid.server.limits import let_open
from whodid.server.logs import Failures, written_as_lines
from whodid.server.meter import Meter
from whodid.server.metrics import PrometheusMeter
from whodid.server.reminding import remind_of_review
from whodid.server.standing import StandingWorker
from whodid.server.waiting import Waiting
from whodid.server.witnessing import AnchorWorker, StampWorker, WitnessWorker
from whodid.sinks import SinkWorker
from whodid.witness import read_policy
from whodid.witness.stamp import Authority, read_certificates

__all__ = ["serve"]

_LARGEST_HEADERS = 16 * 1024
_IDLE_SECONDS = 5
_HEAD_SECONDS = 15
_BACKLOG = 512
_SWITCH_SECONDS = 0.0005


def serve(settings: Settings, *, announce: Callable[[str], None] = print) -> None:
    """Serve a log over HTTP until the process is asked to stop (SIGINT or SIGTERM).

    After SIGTERM the server says for `drain_seconds` that it is not ready and takes in nothing new; then it stops
    listening. Requests under way are finished, the workers end after their present step, and the store is closed.

    Args:
        settings: See `config.load`.
        announce: Called with the lines to show to whoever started the server; the last one holds the sign-in link.

    Raises:
        InvalidSetting: A setting cannot be used, or the extra `metrics` is needed and not installed.
        StoreError: The store cannot be opened, or the logs are kept in another one.
    """
    secret, token = read_secret(settings), read_token(settings)
    bound_arenas()
    # A thread that writes or reads much would keep the connections waiting for five milliseconds at each step.
    sys.setswitchinterval(_SWITCH_SECONDS)
    metrics = PrometheusMeter(token) if token is not None else None
    meter = metrics or Meter()
    stopping = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_signals_call(stopping.set))
        stack.enter_context(written_as_lines(settings.log_level))
        log = stack.enter_context(
            open_log(
                settings.store,
                key=settings.key,
                name=settings.name,
                strict=settings.strict,
                replicas=settings.replicas,
                replica_lag=settings.replica_lag_seconds,
                replica_wait=settings.replica_wait_ms / 1000,
            )
        )
        log.check_place()
        too_few = let_open(settings.connections)
        workspace = _workspace(settings, log)
        listener = stack.enter_context(_listen(settings.host, settings.port))
        exports = export_worker(
            log,
            Path(settings.exports_folder) if settings.exports_folder else default_folder(settings.store),
            threads=settings.downloads,
            most_bytes=settings.exports_bytes,
            meter=meter,
        )
        meter.watch_replicas(log.replicas)
        waiting = _waiting(settings, log, meter, stack)
        # A folder that was named and cannot be used is a mistake; a reader of rules that is not installed is a choice.
        geo = Geo(Path(settings.geo_folder)) if settings.detect and settings.geo_folder is not None else None
        console = Console(secret=secret, clock=log.now, links=lambda code: take_link(log, code))
        authority = _authority(settings)
        app = asgi(
            log,
            secret=secret,
            trusted_proxies=settings.trusted_proxies,
            console=console,
            origins=settings.origins,
            threads=settings.threads,
            downloads=settings.downloads,
            exports=exports,
            rate=settings.rate,
            read_rate=settings.read_rate,
            compat=settings.compat,
            waiting=waiting,
            metrics=metrics,
            ending=lambda: server.ending,
            crowded=lambda: server.crowded,
            sign_on=_sign_on(settings, log),
            stamps=authority,
            geo=geo,
        )
        stack.enter_context(SealingWorker(log, on_round=meter.sealed, on_error=Failures("Sealing", meter.seal_failed)))
        stack.enter_context(LapseWorker(log))
        standing = stack.enter_context(StandingWorker(log, on_error=Failures("Signing")))
        meter.watch("logs_unsigned", lambda: standing.refused)
        anchored = settings.anchor_log
        if anchored:
            stack.enter_context(AnchorWorker(log))
        if settings.witness_policy is not None:
            stack.enter_context(WitnessWorker(log, read_policy(settings.witness_policy), anchored=anchored))
        if authority is not None:
            stack.enter_context(StampWorker(log, authority, anchored=anchored))
        stack.enter_context(exports)
        meter.watch_sinks(stack.enter_context(SinkWorker(log)).healths)
        undetected = _detect(settings, log, geo, meter, stack)
        if settings.retention_minutes:
            worker = RetentionWorker(
                log,
                interval=settings.retention_minutes * 60.0,
                on_round=meter.purged,
                on_error=Failures("Retention", meter.purge_failed),
            )
            stack.enter_context(worker)
        server = _Server(_uvicorn(settings, app), drain=settings.drain_seconds)
        gate = Gate(log, secret=secret)
        # Bound before anything is announced: a port or a certificate may be wrong.
        listeners = [
            Syslog(one, log, gate, rate=settings.rate, ending_seconds=settings.shutdown_seconds, meter=meter)
            for one in map(read_address, settings.syslog)
        ]
        meter.watch("syslog_connections", lambda: sum(one.connections for one in listeners))
        address = _address(settings, listener)
        announce(f"whodid serves {workspace or _counted(log.workspaces())} of {without_password(settings.store)}")
        for replica in settings.replicas:
            announce(f"Reads at  {without_password(replica)}")
        announce(f"Address   {address}/")
        announce(f"Console   {address}/console")
        page = "/" if workspace else "/console"
        code = console.invite(workspace, operator=True)
        announce(f"Sign in   {address}{page}#code={code}   (works once, for 15 minutes)")
        for syslog in listeners:
            stack.enter_context(syslog)
            announce(f"Syslog    {syslog.where}")
        if waiting is None and not NEVER_AGAIN.isdisjoint(settings.compat):
            announce("While the store is away, events of clients that never send again are lost: set spool_folder")
        if too_few:
            announce(too_few)
        if undetected:
            announce(f"Detection is off: {undetected}")
        with _signals_call(server.stop):
            if not stopping.is_set():
                server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that says for a while that it will stop before it stops listening.

    Args:
        drain: Seconds between SIGTERM and the end of listening. Ctrl+C does not wait.
    """

    def __init__(self, config: uvicorn.Config, *, drain: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._until: float | None = None

    @property
    def crowded(self) -> bool:
        """Whether there are more connections than there should be."""
        most = self.config.limit_concurrency
        return most is not None and len(self.server_state.connections) > most

    @property
    def ending(self) -> bool:
        """Whether it was asked to stop."""
        return self.should_exit or self._until is not None

    def stop(self) -> None:
        """Stop listening now, and end when what is under way is done."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Heed a signal; the second one does not wait."""
        if sig == signal.SIGTERM and not self.ending:
            self._until = time.monotonic() + self._drain
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Look ten times a second whether the time to stop has come."""
        if self._until is not None and time.monotonic() >= self._until:
            self.stop()
        return await super().on_tick(counter)


class _Connection(H11Protocol):
    """A connection that is not refused for being one too many, and has to say what it wants.

    uvicorn answers whatever comes over one too many with 503: probes of the health too, and without saying when to come
    back. Here the application answers, and lets the connection end with the answer; twice as many are the most.
    A request whose head does not arrive in time ends its connection; of the body the application takes care.
    """

    def __init__(self, config: uvicorn.Config, *arguments: Any, **more: Any) -> None:
        super().__init__(config, *arguments, **more)
        self._most = 2 * (config.limit_concurrency or 0)
        self.limit_concurrency = None
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are far too many."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            transport.close()
        else:
            self._expect()

    def data_received(self, data: bytes) -> None:
        """Read on; the first bytes of a head start the time for the rest of it."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._rest()
        elif self._late is None:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._rest()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._late = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _uvicorn(settings: Settings, app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        # The strict parser with a limit on the size of headers.
        http=_Connection,
        h11_max_incomplete_event_size=_LARGEST_HEADERS,
        ws="none",
        lifespan="off",
        root_path=_base(settings.url),
        # Forwarded addresses are heeded by the application alone, which counts the proxies.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        limit_concurrency=settings.connections,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )


def _authority(settings: Settings) -> Authority | None:
    """Return who stamps heads with the time, if the settings name somebody."""
    if settings.stamp_url is None or settings.stamp_certificates is None:
        return None
    return Authority(url=settings.stamp_url, certificates=read_certificates(settings.stamp_certificates))


def _detect(settings: Settings, log: Log, geo: Geo | None, meter: Meter, stack: ExitStack) -> str:
    """Start detection if it is asked for; return why it cannot be had, or nothing."""
    if not settings.detect:
        return ""
    try:
        worker = DetectionWorker(
            log,
            geo=geo,
            beside=remind_of_review,
            on_round=meter.detected,
            on_error=Failures("Detection", meter.detection_failed),
        )
    except InvalidSetting as error:
        return str(error)
    stack.enter_context(worker)
    return ""


def _waiting(settings: Settings, log: Log, meter: Meter, stack: ExitStack) -> Waiting | None:
    """Open the place where events wait for the store, if a door needs one or something was left in it."""
    folder = Path(settings.spool_folder) if settings.spool_folder else default_folder(settings.store, "spool")
    if folder is None or (NEVER_AGAIN.isdisjoint(settings.compat) and not folder.is_dir()):
        return None
    return stack.enter_context(Waiting(log, folder, most_bytes=settings.spool_bytes, meter=meter))


def _sign_on(settings: Settings, log: Log) -> Callable[[Console, Desk], SignOn] | None:
    issuer, client_id, url = settings.oidc_issuer, settings.oidc_client_id, settings.url
    if issuer is None or client_id is None or url is None:
        return None
    secret = read_client_secret(settings)
    provider = Provider(issuer, client_id=client_id, secret=secret, fetch=fetcher())
    return lambda console, desk: SignOn(
        console, desk, provider, operators=settings.oidc_operators, url=url, clock=log.now
    )


def _workspace(settings: Settings, log: Log) -> str | None:
    """Return the workspace whose log the printed link opens; None when that is not clear, and it opens the console."""
    if settings.workspace is not None:
        return settings.workspace
    found = log.workspaces()
    return found[0] if len(found) == 1 else None


def _counted(workspaces: list[str]) -> str:
    return "no workspace yet" if not workspaces else f"{len(workspaces)} workspaces"


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InvalidSetting(
            f"{host} is no address to listen on: {error.strerror}", "Use 127.0.0.1, ::1, 0.0.0.0 or ::"
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        remedy = {
            errno.EADDRNOTAVAIL: "Use an address of this machine with --host, such as 127.0.0.1 or 0.0.0.0",
            errno.EACCES: "Choose one above 1023 with --port, and let a proxy stand in front",
        }.get(error.errno or 0, "Choose another with --port, or 0 for a free one")
        raise InvalidSetting(f"Port {port} of {host} cannot be used: {error.strerror}", remedy) from None
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    if settings.url is not None:
        return settings.url.rstrip("/")
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _base(url: str | None) -> str:
    return urlsplit(url).path.rstrip("/") if url is not None else ""


@contextmanager
def _signals_call(stop: Callable[[], None]) -> Iterator[None]:
    """Keep a signal from killing the process before the store is closed.

    uvicorn catches signals while it runs, and raises them once more when it has stopped; before and after that they
    find a handler that asks it to stop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.signal(one, lambda *_: stop()) for one in caught}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
