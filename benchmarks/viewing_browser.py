"""What `viewing` sees of the page: first rows, interactions, details and the check of proofs in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from benchmarks.corpus import DAYS, START
from benchmarks.measure import percentile, table

_END = START + timedelta(days=DAYS)

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

    def first_rows(self, path: str = "/", *, slow: bool = False) -> First:
        """Go from another page of the host to one with rows, and tell how that went."""
        with self.page() as page:
            page.goto(f"{self.address}/host.css")
            devtools = page.context.new_cdp_session(page)
            devtools.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
            devtools.send("Performance.enable")
            if slow:
                devtools.send("Emulation.setCPUThrottlingRate", {"rate": 4})
                devtools.send("Network.enable")
                fast_4g = {"offline": False, "latency": 60, "downloadThroughput": 1.125e6, "uploadThroughput": 1.875e5}
                devtools.send("Network.emulateNetworkConditions", fast_4g)
            before = busy(devtools)
            page.goto(self.address + path)
            page.wait_for_function(_ROWS_SEEN)
            after = busy(devtools)
            # What comes after the rows must not move them; the stream of live entries keeps the network from resting.
            page.wait_for_timeout(1_000)
            rows, moved = page.evaluate("[window.seen.rows, window.seen.moved]")
            return First(rows, after - before, moved)


class First(NamedTuple):
    """How a page came to its first rows.

    Args:
        rows: Milliseconds until they were seen.
        busy: Milliseconds of processor time that the page's thread took until just after that.
        moved: How far anything moved, as layout shift is counted.
    """

    rows: float
    busy: float
    moved: float


def busy(devtools: Any) -> float:
    """Return the milliseconds of processor time that the thread of a page took so far."""
    metrics = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    return 1e3 * float(metrics["TaskDuration"])


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
              ? requestAnimationFrame(() => { window.facts = performance.now() - timeStamp; })
              : requestAnimationFrame(look);
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
                const all = performance.getEntriesByType("resource");
                const asked = all.filter(({ name }) => name.includes("/v1/proofs"));
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
            bare.append(visitor.first_rows("/bare"))
            full.append(visitor.first_rows())
        slow = [visitor.first_rows(slow=True) for _ in range(max(3, visits // 3))]
        found = interactions(visitor)
        for _ in range(max(2, visits // 3)):
            with visitor.page() as page:
                page.goto(visitor.address)
                found["check"].append(checked(page))
    named: list[tuple[str, list[float], float | None]] = [
        ("first rows, no cache", [one.rows for one in full], 300.0),
        ("the bare page, no cache", [one.rows for one in bare], None),
        ("processor time until the first rows", [one.busy for one in full], None),
        ("processor time of the bare page", [one.busy for one in bare], None),
        ("first rows, 4× slower processor, Fast 4G", [one.rows for one in slow], 1_000.0),
        ("any interaction, 500 rows read", found["interactions"], 100.0),
        ("details, from the click", found["details"], 50.0),
        ("check of a page's proofs, after they came", found["check"], 60.0),
    ]
    rows, bare_rows, cpu, bare_cpu = (percentile(each, 0.5) for _, each, _ in named[:4])
    table(
        f"In Chromium, milliseconds; layout moved by {max(one.moved for one in full):.3f}; first rows take "
        f"{rows / bare_rows:.1f}× the time of the bare page and {cpu / bare_cpu:.1f}× its processor time",
        ("what", "times", "p50", "p95", "budget"),
        [(title, len(each), *quantiles(each), f"{budget:.0f}" if budget else "") for title, each, budget in named],
    )


def quantiles(values: list[float]) -> tuple[str, str]:
    """Write the median and the 95th percentile."""
    return f"{percentile(values, 0.5):.1f}", f"{percentile(values, 0.95):.1f}"
