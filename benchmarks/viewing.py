"""The viewer and its API at a million entries: bytes, first rows, interactions, details, proofs, lists over HTTP.

Method: a SQLite log is filled with the corpus once, in `--store`, and read there ever after. A server process (uvicorn,
one worker) serves it and a host page with the viewer under the policy of the real page; its clock, and that of the
browser, begin where the corpus ends. Over HTTP each question is asked `--tries` times on one connection with values
drawn from the entries, never with an ETag, and beside it the same question of the engine in this process. In Chromium
first rows are counted from navigation, in a tab of the host without a cache, to the frame that shows them, and beside
it a bare page that fetches the same entries and writes them as plain list items. Interactions are what Event Timing
says of real keys and clicks: from the event to the next paint, in steps of 8 ms; the list has been read to 500 rows.

    python -m benchmarks.viewing --store DIRECTORY [--entries 1000000] [--tries 60] [--visits 12]
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import whodid
from benchmarks.corpus import DAYS, START
from benchmarks.measure import machine, percentile, table
from benchmarks.read import timed_each
from benchmarks.stores import StoryClock, fill
from benchmarks.viewing_browser import browse, quantiles
from whodid import Actor

_SECRET = b"a secret of the benchmarks, 32 bytes or more"
_WORKSPACE = "bench"
_END = START + timedelta(days=DAYS)
_VIEWER = Actor(type="user", id="usr_0001", name="Reader")
_PERMISSIONS = ("audit:read", "audit:export", "audit:pii")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'"
)
_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Host</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/host.css">"""
_PAGE = f"""{_HEAD}<script type="module" src="/audit/static/viewer.js"></script>
<script type="module" src="/host.js"></script><audit-log-viewer api="/audit" url-sync></audit-log-viewer></html>"""
_SCRIPT = """const token = () => fetch("/token", { method: "POST" }).then((answer) => answer.text());
document.querySelector("audit-log-viewer").getToken = token;"""
_BARE = f"""{_HEAD}<script type="module" src="/bare.js"></script><ol></ol></html>"""
_BARE_SCRIPT = """const token = await (await fetch("/token", { method: "POST" })).text();
const asked = "/audit/v1/entries?range=7d&tz=UTC&limit=50&lang=en";
const answer = await fetch(asked, { headers: { authorization: `Bearer ${token}` } });
const list = document.querySelector("ol");
for (const { occurred_at: at, actor, action } of (await answer.json()).items) {
  const item = list.appendChild(document.createElement("li"));
  item.className = "row";
  item.textContent = `${at} ${actor.name} ${action}`;
}"""
_FILES = {
    "/": ("text/html", _PAGE),
    "/host.css": ("text/css", "body{margin:0}"),
    "/host.js": ("text/javascript", _SCRIPT),
    "/bare": ("text/html", _BARE),
    "/bare.js": ("text/javascript", _BARE_SCRIPT),
}


class RunningClock:
    """A clock that began to run, at the end of the corpus, when it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        """Return its time."""
        return _END + timedelta(seconds=time.monotonic() - self._began)


# -------------------------------------------------------------------------------------------------------------- server


def serve(database: Path, descriptor: int) -> None:
    """Serve the log and the pages on a socket until killed."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Mount, Route

    from whodid.server import asgi, mint_token

    log = whodid.open(f"sqlite:///{database}", clock=RunningClock())

    def token(_: Request) -> PlainTextResponse:
        made = mint_token(_SECRET, workspace=_WORKSPACE, permissions=_PERMISSIONS, viewer=_VIEWER, now=log.now())
        return PlainTextResponse(made)

    def file(path: str) -> Route:
        media_type, text = _FILES[path]
        headers = {"Content-Security-Policy": _POLICY}
        return Route(path, lambda _: Response(text, media_type=media_type, headers=headers))

    app = Starlette(
        routes=[
            *map(file, _FILES),
            Route("/token", token, methods=["POST"]),
            Mount("/audit", asgi(log, secret=_SECRET, read_rate=0)),
        ]
    )
    config = uvicorn.Config(app, lifespan="off", access_log=False, log_level="error", ws="none")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


@contextmanager
def serving(database: Path) -> Iterator[int]:
    """Run the server in a process of its own and give its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        port: int = listener.getsockname()[1]
        command = [sys.executable, "-m", "benchmarks.viewing", "--serve", str(database), str(listener.fileno())]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()])
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/host.css")
            connection.getresponse().read()
            yield port
        finally:
            server.kill()
            server.wait()


# ---------------------------------------------------------------------------------------------------------------- HTTP


class Caller:
    """One connection that asks the API."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._token = ""
        self._taken = -1e9

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        self._connection.request(method, path, headers=headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path} answered {answer.status}: {body[:200]!r}")
        return body

    def get(self, path: str, **query: Any) -> Any:
        """Return an answer of the API; a token is fetched before the old one ends."""
        if time.monotonic() - self._taken > 300:
            self._token = self._ask("POST", "/token", {}).decode()
            self._taken = time.monotonic()
        asked = urlencode({name: value for name, value in query.items() if value})
        address = f"/audit/v1/{path}{'?' if asked else ''}{asked}"
        return json.loads(self._ask("GET", address, {"Authorization": f"Bearer {self._token}"}))


def over_http(log: whodid.Log, caller: Caller, tries: int) -> list[tuple[str, list[float], list[float] | None, float]]:
    """Ask everything that a page asks; return (question, over HTTP, in the engine, budget) in milliseconds."""
    head = log.head(_WORKSPACE)
    draw = random.Random(7)
    drawn = [log.get(_WORKSPACE, draw.randrange(head.first, head.size)) for _ in range(tries)]
    week = f"{_END - timedelta(days=6):%Y-%m-%d}"

    def lists(title: str, text: Callable[[whodid.Entry], str], range_: str = "90d") -> tuple[Any, ...]:
        since = f"date:>={week}" if range_ == "7d" else f"date:{range_}"
        over = timed_each(
            partial(caller.get, "entries", q=text(one), range=range_, limit=50, lang="en") for one in drawn
        )
        engine = timed_each(partial(log.find, _WORKSPACE, f"{text(one)} {since}".strip()) for one in drawn)
        return title, over, engine, 20.0

    days = [_END - timedelta(days=day) for day in range(DAYS, -1, -1)]
    hours = [_END - timedelta(hours=hour) for hour in range(24 * 7, -1, -3)]
    every = max(10, tries // 2)

    def sums(title: str, ask: Callable[[], Any], engine: Callable[[], Any] | None) -> tuple[Any, ...]:
        return title, timed_each(iter([ask] * every)), timed_each(iter([engine] * every)) if engine else None, 50.0

    def facet(field: str) -> tuple[Any, ...]:
        def ask() -> Any:
            return caller.get("facets", range="90d", field=field, limit=200)

        return sums(f"facet {field}, 90 days", ask, lambda: log.facets(_WORKSPACE, "date:90d", field, limit=200))

    return [
        lists("newest 50, 7 days", lambda _: "", "7d"),
        lists("newest 50, 90 days", lambda _: ""),
        lists("one actor", lambda one: f"actor:{one.actor.id}"),
        lists("one resource", lambda one: f"resource:{one.resource.type}:{one.resource.id}"),
        lists("one action", lambda one: f"action:{one.action}"),
        lists("only deletes", lambda _: "kind:delete"),
        lists("denied", lambda _: "is:denied"),
        lists("actor and action", lambda one: f"actor:{one.actor.id} action:{one.action}"),
        lists("a name", lambda one: f'"{one.resource.name}"'),
        lists("changed field and value", lambda _: "change:city after:mumbai"),
        sums(
            "histogram, 7 days",
            lambda: caller.get("histogram", range="7d", buckets=60, tz="Europe/Madrid"),
            lambda: log.histogram(_WORKSPACE, "", hours),
        ),
        sums(
            "histogram, 90 days",
            lambda: caller.get("histogram", range="90d", buckets=60, tz="Europe/Madrid"),
            lambda: log.histogram(_WORKSPACE, "", days),
        ),
        *map(facet, ("actor", "action", "type")),
        sums("what stands out, 7 days", lambda: caller.get("insights", range="7d", buckets=60), None),
        sums("suggestions for actor:ma", lambda: caller.get("suggest", range="7d", term="actor:ma"), None),
    ]


def main() -> None:
    """Fill once, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--tries", type=int, default=60)
    parser.add_argument("--visits", type=int, default=12)
    parser.add_argument("--serve", nargs=2, metavar=("DATABASE", "DESCRIPTOR"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        with suppress(KeyboardInterrupt):
            serve(Path(options.serve[0]), int(options.serve[1]))
        return
    if options.store is None:
        parser.error("--store is missing: name a directory that may keep the log")
    options.store.mkdir(parents=True, exist_ok=True)
    database = options.store / "audit.db"
    if not database.exists():
        filling = options.store / "filling.db"
        clock = StoryClock()
        with whodid.open(f"sqlite:///{filling}", clock=clock) as log:
            fill(log, clock, options.entries)
        Path(f"{filling}.key").rename(f"{database}.key")
        filling.rename(database)
    with serving(database) as port, whodid.open(f"sqlite:///{database}", clock=RunningClock()) as log:
        print(f"The viewer at {log.head(_WORKSPACE).size:,} entries.\n{machine()}")
        static = resources.files("whodid.viewer") / "static"
        sizes = [
            (name, f"{len(gzip.compress((static / name).read_bytes(), 9)) / 1024:.1f}", budget)
            for name, budget in (("viewer.js", "40"), ("locales/en.json", ""), ("details.js", ""), ("more.js", ""))
        ]
        table("Bytes, KB with gzip", ("file", "KB", "budget"), sizes)
        asked = over_http(log, Caller(port), options.tries)
        table(
            "Milliseconds over HTTP, and of the same question in the engine",
            ("question", "p50", "p95", "engine p50", "engine p95", "engine's budget", "HTTP by engine, p50"),
            [
                (title, *quantiles(each), *quantiles(engine), f"{budget:.0f}", ratio(each, engine))
                if engine
                else (title, *quantiles(each), "", "", "", "")
                for title, each, engine, budget in asked
            ],
        )
        browse(port, options.visits)


def ratio(each: list[float], other: list[float]) -> str:
    """Write by how much the median of one is that of another."""
    return f"{percentile(each, 0.5) / percentile(other, 0.5):.1f}"


if __name__ == "__main__":
    main()
