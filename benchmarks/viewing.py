"""The viewer and its API at a million entries: bytes, first rows, interactions, details, proofs, lists over HTTP.

Method: a SQLite log is filled with the corpus once, in `--store`, and read there ever after. A server process (uvicorn,
one worker) serves it and a host page with the viewer under the policy of the real page; its clock, and that of the
browser, begin where the corpus ends. Over HTTP each question is asked `--tries` times on one connection with values
drawn from the entries, never with an ETag, and beside it the same question of the engine in this process. In Chromium
first rows are counted from navigation to the frame that shows them, in a profile without a cache, and beside it a bare
page that fetches the same entries and writes them as plain list items. Interactions are what Event Timing says of real
keys and clicks: from the event to the next paint, in steps of 8 ms; the profile has read 500 rows.

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
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import whodid
from benchmarks.corpus import DAYS, START
from benchmarks.measure import machine, percentile, table
from benchmarks.read import fill, timed_each
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
_HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Host</title><link rel="icon" href="data:,">'
    '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/host.css">'
)
_FILES = {
    "/host.css": ("text/css", "body{margin:0}"),
    "/": (
        "text/html",
        f'{_HEAD}<script type="module" src="/audit/static/viewer.js"></script><script type="module" src="/host.js">'
        '</script><audit-log-viewer api="/audit" url-sync></audit-log-viewer></html>',
    ),
    "/host.js": (
        "text/javascript",
        'const token = () => fetch("/token", { method: "POST" }).then((answer) => answer.text());\n'
        'document.querySelector("audit-log-viewer").getToken = token;',
    ),
    "/bare": ("text/html", f'{_HEAD}<script type="module" src="/bare.js"></script><ol></ol></html>'),
    "/bare.js": (
        "text/javascript",
        'const token = await (await fetch("/token", { method: "POST" })).text();\n'
        'const asked = "/audit/v1/entries?range=7d&tz=UTC&limit=50&lang=en";\n'
        "const answer = await fetch(asked, { headers: { authorization: `Bearer ${token}` } });\n"
        'const list = document.querySelector("ol");\n'
        "for (const { occurred_at: at, actor, action } of (await answer.json()).items) {\n"
        '  const item = list.appendChild(document.createElement("li"));\n'
        '  item.className = "row";\n'
        "  item.textContent = `${at} ${actor.name} ${action}`;\n"
        "}",
    ),
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
        made = mint_token(
            _SECRET, workspace=_WORKSPACE, permissions=_PERMISSIONS, viewer=_VIEWER, now=log.now()
        )
        return PlainTextResponse(made)

    def file(path: str) -> Route:
        media_type, text = _FILES[path]
        headers = {"Content-Security-Policy": _POLICY}
        return Route(path, lambda _: Response(text, media_type=media_type, headers=headers))

    app = Starlette(
        routes=[
            *map(file, _FILES),
            Route("/token", token, methods=["POST"]),
            Mount("/audit", asgi(log, secret=_SECRET)),
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
        http_ = timed_each(
            (lambda q=text(one): caller.get("entries", q=q, range=range_, limit=50, lang="en")) for one in drawn
        )
        since = f"date:>={week}" if range_ == "7d" else f"date:{range_}"
        engine = timed_each((lambda q=text(one): log.find(_WORKSPACE, f"{q} {since}".strip())) for one in drawn)
        return title, http_, engine, 20.0

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


# ------------------------------------------------------------------------------------------------------------- browser

# The clock of the page, shifted without touching performance.now; the frame in which rows are seen first; what moved.
_INIT = """
(() => {
  const shift = SHIFT, Real = Date;
  globalThis.Date = class extends Real {
    constructor(...given) { given.length ? super(...given) : super(Real.now() + shift); }
    static now() { return Real.now() + shift; }
  };
  window.seen = { rows: 0, moved: 0, events: new Map() };
  const look = () => {
    const root = document.querySelector("audit-log-viewer")?.shadowRoot ?? document;
    if (root.querySelector(".row[data-index], li.row")) {
      // This frame paints them; a message comes after it.
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => { window.seen.rows = performance.now(); };
      port2.postMessage(0);
    } else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (!one.hadRecentInput) window.seen.moved += one.value;
  }).observe({ type: "layout-shift", buffered: true });
  new PerformanceObserver((list) => {
    for (const { interactionId: id, duration, name } of list.getEntries()) {
      const known = window.seen.events.get(id);
      if (id && (!known || known[0] < duration)) window.seen.events.set(id, [duration, name]);
    }
  }).observe({ type: "event", buffered: true, durationThreshold: 16 });
})();
"""
_ROWS_SEEN = "() => window.seen.rows > 0"


class Visitor:
    """A browser that looks at the page."""

    def __init__(self, browser: Any, port: int) -> None:
        self._browser = browser
        self.address = f"http://127.0.0.1:{port}"

    @contextmanager
    def page(self) -> Iterator[Any]:
        """Open a page in a profile without a cache."""
        context = self._browser.new_context(
            viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="Europe/Madrid"
        )
        shift = (_END - datetime.now(tz=_END.tzinfo)).total_seconds() * 1e3
        context.add_init_script(_INIT.replace("SHIFT", str(round(shift))))
        try:
            yield context.new_page()
        finally:
            context.close()

    def first_rows(self, path: str = "/", *, slow: bool = False) -> tuple[float, float]:
        """Return the milliseconds until rows are seen, and how far anything moved."""
        with self.page() as page:
            if slow:
                devtools = page.context.new_cdp_session(page)
                devtools.send("Emulation.setCPUThrottlingRate", {"rate": 4})
                devtools.send("Network.enable")
                fast_4g = {"offline": False, "latency": 60, "downloadThroughput": 1.125e6, "uploadThroughput": 1.875e5}
                devtools.send("Network.emulateNetworkConditions", fast_4g)
            page.goto(self.address + path)
            page.wait_for_function(_ROWS_SEEN)
            # What comes after the rows must not move them; the stream of live entries keeps the network from resting.
            page.wait_for_timeout(1_000)
            rows, moved = page.evaluate("[window.seen.rows, window.seen.moved]")
            return rows, moved


def interactions(visitor: Visitor) -> dict[str, list[float]]:
    """Use the page as its readers do; return milliseconds of interactions, of details, and of the check of a page."""
    found: dict[str, list[float]] = {"details": [], "check": []}
    with visitor.page() as page:
        page.goto(visitor.address)
        viewer = page.locator("audit-log-viewer")
        rows = viewer.locator(".row[data-index]")
        rows.first.wait_for()
        found["check"].append(checked(page))
        while rows.count() < 500:
            before = rows.count()
            page.keyboard.press("End")
            viewer.locator(".list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
            page.wait_for_function(
                "n => document.querySelector('audit-log-viewer').shadowRoot.querySelectorAll('.row').length > n",
                arg=before,
            )
        viewer.locator(".list").evaluate("list => list.scrollTo(0, 0)")
        page.wait_for_timeout(300)
        for _ in range(3):
            use(page, viewer)
        for at in range(12):
            row = rows.nth(at)
            row.hover(position={"x": 6, "y": 6})
            page.wait_for_timeout(150)
            found["details"].append(opened(page, row))
            page.keyboard.press("Escape")
        page.wait_for_timeout(300)
        events: dict[str, Any] = dict(page.evaluate("[...window.seen.events.entries()]"))
        slowest = sorted(events.values(), reverse=True)[:3]
        print("Slowest interactions:", ", ".join(f"{name} {duration:.0f} ms" for duration, name in slowest))
        # Event Timing leaves out what took less than 16 ms: those keys and clicks are counted with that bound.
        quick = page.evaluate("performance.interactionCount ?? 0") - len(events)
        found["interactions"] = [duration for duration, _ in events.values()] + [16.0] * max(0, quick)
    return found


def use(page: Any, viewer: Any) -> None:
    """Move, open, step, change tabs, filter, search, mark bars, change the zone and the range, undo."""
    keys = ["j"] * 12 + ["Enter", "]", "]", "[", "2", "3", "4", "1", "Escape", "k", "t", "t", "?", "Escape"]
    viewer.locator(".row .hit").first.focus()
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(60)
    for name in ("User", "Action type", "Resource"):
        viewer.get_by_role("button", name=name, exact=True).click()
        page.wait_for_timeout(200)
        page.keyboard.press("Escape")
    viewer.get_by_role("button", name="Updated").click()
    settled(page)
    viewer.get_by_role("button", name="Clear all").click()
    settled(page)
    page.keyboard.press("/")
    page.keyboard.type("refund", delay=60)
    settled(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    settled(page)
    viewer.locator(".pw").focus()
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Escape"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
    for name in ("30 days", "Last 7 days"):
        viewer.get_by_role("button", name=name).click()
        settled(page)


def settled(page: Any) -> None:
    """Wait until the list shows what was asked for."""
    page.wait_for_timeout(200)
    page.wait_for_function(
        "() => document.querySelector('audit-log-viewer').shadowRoot.querySelector('.list:not(.dim) .row, .empty')"
    )


def opened(page: Any, row: Any) -> float:
    """Click a row and return the milliseconds until the facts of its entry are drawn."""
    page.evaluate(
        """() => { window.facts = 0; const root = document.querySelector("audit-log-viewer").shadowRoot;
          root.addEventListener("click", ({ timeStamp }) => {
            const look = () => root.querySelector(".drawer .meta")
              ? requestAnimationFrame(() => { window.facts = performance.now() - timeStamp; }) : requestAnimationFrame(look);
            requestAnimationFrame(look);
          }, { once: true, capture: true }); }"""
    )
    row.locator(".hit").click(position={"x": 6, "y": 6})
    page.wait_for_function("() => window.facts > 0")
    return float(page.evaluate("window.facts"))


def checked(page: Any) -> float:
    """Return the milliseconds from the last byte of a page's proofs until the badge says what they are worth."""
    return float(
        page.evaluate(
            """() => new Promise((done) => {
              const root = document.querySelector("audit-log-viewer").shadowRoot;
              const look = () => {
                const asked = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/v1/proofs"));
                if (asked.length && root.querySelector(".proof.ok, .proof.pending"))
                  done(performance.now() - Math.max(...asked.map(({ responseEnd }) => responseEnd)));
                else requestAnimationFrame(look);
              };
              look();
            })"""
        )
    )


def browse(port: int, visits: int) -> None:
    """Measure in Chromium and print."""
    from tests import browsing

    with browsing.started() as browser:
        visitor = Visitor(browser, port)
        visitor.first_rows()
        full, bare = [], []
        for _ in range(visits):
            bare.append(visitor.first_rows("/bare")[0])
            full.append(visitor.first_rows())
        slow = [visitor.first_rows(slow=True)[0] for _ in range(max(3, visits // 3))]
        found = interactions(visitor)
        for _ in range(max(2, visits // 3)):
            with visitor.page() as page:
                page.goto(visitor.address)
                found["check"].append(checked(page))
    rows = [one for one, _ in full]
    moved = max(one for _, one in full)
    named = [
        ("first rows, no cache", rows, 300.0),
        ("the bare page, no cache", bare, None),
        ("first rows, 4× slower processor, Fast 4G", slow, 1_000.0),
        ("any interaction, 500 rows read", found["interactions"], 100.0),
        ("details, from the click", found["details"], 50.0),
        ("check of a page's proofs, after they came", found["check"], 60.0),
    ]
    table(
        f"In Chromium, milliseconds; layout moved by {moved:.3f}; first rows are "
        f"{percentile(rows, 0.5) / percentile(bare, 0.5):.1f}× the bare page",
        ("what", "times", "p50", "p95", "budget"),
        [(title, len(each), *quantiles(each), f"{budget:.0f}" if budget else "") for title, each, budget in named],
    )


def quantiles(values: list[float]) -> tuple[str, str]:
    """Write the median and the 95th percentile."""
    return f"{percentile(values, 0.5):.1f}", f"{percentile(values, 0.95):.1f}"


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
        fill(filling, options.entries)
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
