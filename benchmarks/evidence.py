"""What evidence costs: twelve entries from a large log, as a file, to make, to check in Python and in a browser.

Method: a whodid log on SQLite takes the corpus of 90 days, a segment a day, sealed as the days end, with twelve entries
about one contact spread over it. The evidence about that contact is made (its own verification included), and checked:
in Python from the bytes of the file (best and median of 50), in Chromium by opening the file from the disk (the time
that the page itself states; best and median of 9 openings, and the first), with `--firefox` in Firefox too. Then the
same for every header of one day.

    python -m benchmarks.evidence [--entries 1000000] [--firefox]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import whodid
from benchmarks.corpus import DAYS, START, events
from benchmarks.measure import machine, table, timed
from whodid.evidence import Question, ask, extract, make, verify

_BATCH = 1_000
_WANTED = 12
_BUDGET_BYTES, _BUDGET_PYTHON, _BUDGET_BROWSER = 150 * 1024, 10, 100


class Clock:
    """Stands where it was set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        """Return the time that it shows."""
        return self.now


def batches(count: int) -> Iterator[list[whodid.Event]]:
    """Yield the corpus in order of time, with what is asked for among it."""
    every = count // _WANTED
    batch: list[whodid.Event] = []
    for number, event in enumerate(events(count)):
        batch.append(event)
        if number % every == every // 2:
            contact = whodid.Resource(type="contact", id="con_wanted", name="Juan Pérez")
            twin = event.id[:-1] + ("0" if event.id[-1] != "0" else "1")
            batch.append(
                whodid.Event(
                    id=twin,
                    occurred_at=event.occurred_at,
                    actor=event.actor,
                    action="contact.updated",
                    resource=contact,
                    changes=(whodid.Change(path="phone", before="+34 600", after=f"+34 {number}", class_="personal"),),
                    context=event.context,
                )
            )
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    yield batch


def fill(log: whodid.Log, clock: Clock, count: int) -> None:
    """Record and seal as the days go by."""
    for batch in batches(count):
        clock.now = max(clock.now, batch[-1].occurred_at + timedelta(seconds=1))
        log.record_many("bench", batch)
        log.seal("bench")


def in_a_browser(file: Path, times: int) -> list[float]:
    """Open a file again and again; the milliseconds that the page needed to check itself."""
    from tests.browsing import started

    found = []
    with started() as browser:
        page = browser.new_page()
        for _ in range(times):
            page.goto(file.as_uri())
            page.wait_for_function("document.querySelector('main').dataset.took")
            assert page.locator("main").get_attribute("data-verdict") == "ok"
            found.append(float(page.locator("main").get_attribute("data-took") or "nan"))
    return found


def in_firefox(file: Path, times: int) -> list[float]:
    """Do the same in Firefox."""
    from tests.firefoxing import firefox_started

    found = []
    with tempfile.TemporaryDirectory(prefix="whodid-bench-") as profile, firefox_started(Path(profile)) as browser:
        for _ in range(times):
            browser.open(file)
            found.append(float(browser.until("document.querySelector('main').dataset.took")))
            assert browser.run("return document.querySelector('main').dataset.verdict") == "ok"
    return found


def measured(log: whodid.Log, question: Question, folder: Path, *, firefox: bool) -> list[str]:
    """Make the evidence for a question, and check it."""
    actor = whodid.Actor(type="user", id="usr_auditor")
    made = []
    making = timed(lambda: made.append(make(log, "bench", question, actor=actor)))
    (one,) = made
    key = log.verifier_key("bench")
    assert verify(extract(one.file), trusted=[key]).ok
    python = [timed(partial(lambda: verify(extract(one.file), trusted=[key]))).wall * 1e3 for _ in range(50)]
    file = folder / "evidence.html"
    file.write_bytes(one.file)
    opened = [in_a_browser(file, 10), *([in_firefox(file, 10)] if firefox else [])]
    return [
        f"{one.count:,}",
        f"{len(one.file) / 1024:,.1f}",
        f"{making.wall:.2f}",
        f"{min(python):.1f} / {statistics.median(python):.1f}",
        *[f"{one[0]:.0f} / {min(one[1:]):.0f} / {statistics.median(one[1:]):.0f}" for one in opened],
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--firefox", action="store_true")
    options = parser.parse_args()
    print(f"Evidence.\n{machine()}")
    clock = Clock()
    with (
        tempfile.TemporaryDirectory(prefix="whodid-bench-") as name,
        whodid.open(f"sqlite:///{Path(name, 'audit.db')}", clock=clock) as log,
    ):
        filling = timed(partial(fill, log, clock, options.entries))
        about = ask(["resource:contact:con_wanted"], catalog=log.catalog)
        day = START + timedelta(days=DAYS // 2)
        whole = ask(["action:contact.merged"], catalog=log.catalog, since=day, until=day + timedelta(days=1))
        rows = [
            ["one contact, all days", *measured(log, about, Path(name), firefox=options.firefox)],
            ["merges of one day", *measured(log, whole, Path(name), firefox=options.firefox)],
        ]
    columns = (
        "question",
        "entries",
        f"KiB (budget {_BUDGET_BYTES // 1024})",
        "s to make",
        f"ms in Python, best / median ({_BUDGET_PYTHON})",
        f"ms in Chromium, first / best / median ({_BUDGET_BROWSER})",
        *(["the same in Firefox"] if options.firefox else []),
    )
    table(f"{options.entries:,} entries in {DAYS} days, recorded and sealed in {filling.wall:,.0f} s", columns, rows)


if __name__ == "__main__":
    main()
