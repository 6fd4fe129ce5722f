"""Run the workspace: `python -m sendero`."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
import uvicorn

from sendero.installation import Installation, Settings
from sendero.jobs import Jobs
from sendero.mail import check
from sendero.service import auth
from sendero.story.begin import DAYS, OWNER, tell
from sendero.tables import User, Workspace
from sendero.web.app import application
from sendero.work import begin
from whodid import Actor
from whodid.detect import DetectionWorker
from whodid.errors import InvalidSetting, WhodidError
from whodid.retention import RetentionWorker, SealingWorker
from whodid.server import remind_of_review

_DATA = Path("var")
_ROOM = 60 * 2**20
_OPERATOR = Actor(type="system", id="operator", name="Operator")


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m sendero", description="A workspace for marketing over WhatsApp.")
    parser.add_argument("--data", type=Path, default=_DATA, help="folder of the databases (default: var)")
    parser.add_argument(
        "--database",
        default=os.environ.get("SENDERO_DATABASE"),
        help="SQLAlchemy address of the workspace's own database (default: SQLite in the folder)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")
    parser.add_argument("--proxies", type=int, default=0, help="how many proxies of yours stand in front (default: 0)")
    parser.add_argument("--url", help="where people reach it, for links in mails (default: http://HOST:PORT)")
    parser.add_argument(
        "--smtp",
        default=os.environ.get("SENDERO_SMTP"),
        help="mail server, like smtps://user:password@host:465 (default: mails become files in the folder)",
    )
    parser.add_argument(
        "--sender",
        default=os.environ.get("SENDERO_SENDER", "Sendero <sendero@localhost>"),
        help="whom mails come from (default: Sendero <sendero@localhost>)",
    )
    parser.add_argument(
        "--private-sso", action="store_true", help="let single sign-on use a provider on this machine, to try it out"
    )
    parser.add_argument(
        "--private-webhooks", action="store_true", help="let webhooks reach this machine itself, to try them out"
    )
    parser.add_argument(
        "--whatsapp",
        choices=("demo", "cloud"),
        default=os.environ.get("SENDERO_WHATSAPP", "demo"),
        help="WhatsApp to speak with: one that is played in this process, or Meta's (default: demo)",
    )
    parser.add_argument("--days", type=int, default=DAYS, help=f"length of the first start's story (default: {DAYS})")
    parser.add_argument(
        "--times",
        type=int,
        default=1,
        help="how many times the usual happens in it; the first start takes as much longer (default: 1)",
    )
    commands = parser.add_subparsers(dest="command", title="commands")
    password = commands.add_parser("password", help="give a person a new generated password")
    password.add_argument("email")
    chosen = parser.parse_args(arguments)
    shown = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    settings = Settings(
        data=chosen.data,
        database=chosen.database,
        trusted_proxies=chosen.proxies,
        url=(chosen.url or f"http://{shown}:{chosen.port}").rstrip("/"),
        smtp=chosen.smtp or None,
        sender=chosen.sender,
        private_sso=chosen.private_sso,
        private_webhooks=chosen.private_webhooks,
        provider=chosen.whatsapp,
    )
    try:
        if settings.smtp is not None:
            check(settings.smtp)
        if chosen.whatsapp not in ("demo", "cloud"):  # the parser checks what was typed, not what the environment says
            raise InvalidSetting(f"There is no WhatsApp {chosen.whatsapp!r}", "Set SENDERO_WHATSAPP to demo or cloud")
        if chosen.days < 1:
            raise InvalidSetting(f"A story cannot last {chosen.days} days", "Use --days 1 or more")
        if not 1 <= chosen.times <= 20:
            raise InvalidSetting(f"{chosen.times} times the usual cannot happen", "Use --times 1 to 20")
        if chosen.command == "password":
            return new_password(settings, chosen.email)
        return serve(settings, chosen.host, chosen.port, chosen.days, chosen.times)
    except WhodidError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or chosen.data}: {error.strerror}. Check the folder and its rights.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def serve(settings: Settings, host: str, port: int, days: int, times: int) -> int:
    """Serve the workspace until it is interrupted; fill it with the story first if it is new."""
    with _listen(host, port) as listening:
        fresh = first_start(settings, days, times)
        with Installation(settings) as home, home.relay, Jobs(home), contextlib.ExitStack() as workers:
            detection = DetectionWorker(home.log, beside=remind_of_review)
            for worker in (SealingWorker(home.log), RetentionWorker(home.log), detection):
                workers.enter_context(worker)
            shown = f"[{host}]" if ":" in host else host
            print(f"\nSendero runs at http://{shown}:{port}")
            if fresh is not None:
                print(f"Sign in as {OWNER} with the password {fresh}")
                print("It is shown this once and kept nowhere. For a new one:")
            else:
                print(f"Sign in as {OWNER}. For a new password:")
            data = "" if settings.data == _DATA else f" --data {settings.data}"
            print(f"  {_python()} -m sendero{data} password {OWNER}\n", flush=True)
            config = uvicorn.Config(
                application(home),
                log_level="warning",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=5,
            )
            # It ends in order and then raises the signal once more.
            with contextlib.suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listening])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """Open the port before anything else, so that a busy one is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Bound alone, another one could bind it too, and fail only when its story is told.
        listening.listen()
    except OSError as error:
        listening.close()
        raise InvalidSetting(
            f"Port {port} of {host} cannot be used: {error.strerror}", "Choose another one with --port"
        ) from None
    return listening


def _python() -> str:
    """Return how this Python is called from the present folder."""
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def first_start(settings: Settings, days: int, times: int = 1) -> str | None:
    """Fill a new installation with the story.

    It is built elsewhere, in memory if there is a place for it, and moved into place when it is whole: whatever
    interrupts the first start, the next one begins anew.

    Returns:
        The owner's password, or None when the installation was there already.
    """
    if settings.database is not None:
        return _first_start_elsewhere(settings, days, times)
    settings.data.mkdir(parents=True, exist_ok=True)
    with _locked(settings.data):
        return None if _is_there(settings.data) else _begin(settings, days, times)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from beginning in the same folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InvalidSetting(f"Another process begins in {folder} just now", "Wait until it has started") from None
    finally:
        os.close(descriptor)


def _is_there(folder: Path) -> bool:
    """Tell whether a folder holds an installation, whole.

    Raises:
        InvalidSetting: It holds something else, or lacks what cannot be made anew.
    """
    if (folder / "sendero.db").exists():
        for name in ("audit.db", "vault.key"):
            # Made anew, an empty log or a key that opens nothing would pass for the real one.
            if not (folder / name).exists():
                raise InvalidSetting(f"{folder / name} is missing", "Restore it from its backup")
        return True
    if any(folder.iterdir()):
        raise InvalidSetting(f"The folder {folder} holds something else", "Choose an empty folder with --data")
    return False


def _begin(settings: Settings, days: int, times: int) -> str:
    aside = settings.data.with_name(f".{settings.data.name}.first-start")
    shutil.rmtree(aside, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="sendero-", dir=_memory()) as scratch:
        password = _tell(Settings(data=Path(scratch) / "data"), days, times)
        shutil.copytree(Path(scratch) / "data", aside)
    for file in [*aside.iterdir(), aside]:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    aside.rename(settings.data)
    return password


def _memory() -> str | None:
    """Return a folder in memory, where thousands of durable commits cost nothing; None when there is none with room."""
    shared = Path("/dev/shm")  # noqa: S108 - only its room is used; the folder made in it is private
    roomy = os.access(shared, os.W_OK | os.X_OK) and shutil.disk_usage(shared).free > _ROOM
    return str(shared) if roomy else None


def new_password(settings: Settings, email: str) -> int:
    """Give a person a new password and print it; their sessions end."""
    if settings.database is None and not (settings.data / "sendero.db").exists():
        raise InvalidSetting(f"There is no workspace in {settings.data}", "Start it once: python -m sendero")
    with Installation(settings) as home:
        with begin(home) as work, work.acting(actor=_OPERATOR, source="cli"):
            query = sa.select(User).where(User.email == email.strip().casefold())
            user = work.session.execute(query).scalar_one_or_none()
            if user is None:
                raise InvalidSetting(f"Nobody here has the address {email}", "See the addresses under Settings → Users")
            if user.status == "deactivated":
                raise InvalidSetting(f"{user.name} is deactivated", "Reactivate them under Settings → Users first")
            password = auth.reset_password(work, user)
        home.relay.drain()
    print(f"{email} can sign in with the password {password}")
    print("Every session of theirs was ended. It is shown this once and kept nowhere.")
    return 0


def _first_start_elsewhere(settings: Settings, days: int, times: int) -> str | None:
    """Fill a database of another engine, which cannot be moved into place."""
    with Installation(settings) as home, home.session() as session:
        workspace = session.execute(sa.select(Workspace)).scalar_one_or_none()
        if workspace is not None:
            return None
    return _tell(settings, days, times)


def _tell(settings: Settings, days: int, times: int) -> str:
    began = time.monotonic()
    print(f"First start: telling {days} days of the workspace Casa Lumen …", flush=True)
    terminal = sys.stdout.isatty()

    def progress(part: float) -> None:
        if terminal:
            print(f"\r  {part:4.0%}", end="", flush=True)

    password = tell(settings, days=days, times=times, progress=progress)
    print(f"{chr(13) if terminal else ''}  done in {time.monotonic() - began:.0f} s", flush=True)
    return password


if __name__ == "__main__":
    # Both ways of being stopped end in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(main())
