"""`whodid serve`: the application, the workers and a socket, from start to orderly end.

The only file that imports uvicorn. It prints where it listens and a link that signs in once; there is no password.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from whodid.errors import InvalidSetting
from whodid.log import Log, open_log
from whodid.retention import RetentionWorker, SealingWorker
from whodid.server.compat.syslog import Syslog
from whodid.server.compat.syslog_addresses import read_address
from whodid.server.config import Settings, read_client_secret, read_secret
from whodid.server.console import Console
from whodid.server.console.desk import Desk
from whodid.server.console.links import take_link
from whodid.server.console.provider import Provider, fetcher
from whodid.server.console.sso import SignOn
from whodid.server.gate import Gate
from whodid.sinks import SinkWorker

__all__ = ["serve"]

_LARGEST_HEADERS = 16 * 1024
_MOST_CONNECTIONS = 512
_IDLE_SECONDS = 5
_BACKLOG = 512


def serve(settings: Settings, *, announce: Callable[[str], None] = print) -> None:
    """Serve a log over HTTP until the process is asked to stop (SIGINT or SIGTERM).

    Requests under way are finished, the worker ends after its present step, and the store is closed.

    Args:
        settings: See `config.load`.
        announce: Called with the lines to show to whoever started the server; the last one holds the sign-in link.

    Raises:
        InvalidSetting: A setting cannot be used, or the extra `server` is not installed.
        StoreError: The store cannot be opened.
    """
    try:
        import uvicorn

        from whodid.server.app import asgi
    except ImportError:
        raise InvalidSetting(
            "The server needs starlette and uvicorn, which are not installed", "Run: pip install 'whodid[server]'"
        ) from None
    secret = read_secret(settings)
    stopping = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_signals_call(stopping.set))
        log = stack.enter_context(
            open_log(settings.store, key=settings.key, name=settings.name, strict=settings.strict)
        )
        workspace = _workspace(settings, log)
        listener = stack.enter_context(_listen(settings.host, settings.port))
        console = Console(secret=secret, clock=log.now, links=lambda code: take_link(log, code))
        app = asgi(
            log,
            secret=secret,
            trusted_proxies=settings.trusted_proxies,
            console=console,
            origins=settings.origins,
            threads=settings.threads,
            downloads=settings.downloads,
            rate=settings.rate,
            compat=[name for name in settings.compat.split(",") if name],
            ending=lambda: server.should_exit,
            sign_on=_sign_on(settings, log),
        )
        stack.enter_context(SealingWorker(log))
        stack.enter_context(SinkWorker(log))
        if settings.retention_minutes:
            stack.enter_context(RetentionWorker(log, interval=settings.retention_minutes * 60.0))
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                # The strict parser with a limit on the size of headers.
                http="h11",
                h11_max_incomplete_event_size=_LARGEST_HEADERS,
                ws="none",
                lifespan="off",
                root_path=_base(settings.url),
                # Forwarded addresses are heeded by the application alone, which counts the proxies.
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=settings.shutdown_seconds,
            )
        )

        def stop() -> None:
            server.should_exit = True

        address = _address(settings, listener)
        announce(f"whodid serves {workspace or _counted(log.workspaces())} of {settings.store}")
        announce(f"Address   {address}/")
        announce(f"Console   {address}/console")
        page = "/" if workspace else "/console"
        code = console.invite(workspace, operator=True)
        announce(f"Sign in   {address}{page}#code={code}   (works once, for 15 minutes)")
        gate = Gate(log, secret=secret)
        for one in map(read_address, settings.syslog):
            syslog = Syslog(one, log, gate, rate=settings.rate, ending_seconds=settings.shutdown_seconds)
            announce(f"Syslog    {stack.enter_context(syslog).where}")
        with _signals_call(stop):
            if not stopping.is_set():
                server.run(sockets=[listener])


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
            f"{host} is no address to listen on: {error.strerror}", "Use 127.0.0.1 or 0.0.0.0"
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise InvalidSetting(
            f"Port {port} of {host} cannot be used: {error.strerror}", "Choose another with --port, or 0 for a free one"
        ) from None
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
