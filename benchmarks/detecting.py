"""How fast rules look at entries, and how well "unusual hour" and "new place" tell a person from somebody else.

Speed (T9): the entries of the corpus go through all built-in rules, with and without the index by action; baselines and
tests are timed by themselves, too. Delay: a log is written to at a steady rate while a worker follows it, and every
half second something is recorded that raises an alert of its own; measured is from that entry to the one of the alert.

Accuracy: a file of real session starts (CSV, may be gzipped, with `person`, `session_start_utc` in seconds since 1970
and `utc_offset_minutes`), which no part of this project was fitted to: only every third person of it is looked at. The
offset stands for a country; offsets an hour apart are one place, because of summer time. Each session is scored by what
was known before it, and so are two intruders at that moment: one at a random hour, and a real session of somebody five
time zones away or more. The peer of the hour model is a histogram of 168 hours of the week with one added to each, with
its threshold put where it raises as many false alarms.

    python -m benchmarks.detecting [--entries 50000] [--seconds 60] [--rate 200] [--sessions FILE]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

import whodid
from benchmarks.corpus import events
from benchmarks.measure import machine, percentile, table, timed
from whodid.detect import Baseline, DetectionWorker, Run, built_in, observe
from whodid.detect.view import View, person_of
from whodid.model import Actor, Context, Entry, Event, Resource

_THRESHOLD = 0.014
_RATE = 50_000
_FAR = 300


def rates(count: int) -> None:
    """Print entries per second."""
    with whodid.open("memory://") as log:
        whole = list(events(count))
        for at in range(0, count, 1_000):
            log.record_many("bench", whole[at : at + 1_000])
        entries = list(log.read("bench"))
    rules = built_in()
    single = [rule for rule in rules if rule.test is not None]
    actions = {entry.action for entry in entries}
    tests = {one: [rule.test for rule in single if rule.actions is None or one in rule.actions] for one in actions}
    every = [rule.test for rule in single]

    def whole_run(*, index: bool) -> Callable[[], object]:
        run = Run(rules, index=index)
        return lambda: [run.take(entry) for entry in entries]

    def only_tests(*, index: bool) -> None:
        for entry in entries:
            view = View(entry, {})
            for test in tests[entry.action] if index else every:
                if test is not None:
                    test(view)

    def only_baselines() -> None:
        known: dict[str, Baseline] = {}
        for entry in entries:
            person = person_of(entry)
            if person is not None:
                _, known[person] = observe(known.get(person), entry)

    rows = []
    for name, work in (
        ("all: baselines, tests, windows, findings", whole_run(index=True)),
        ("the same without the index by action", whole_run(index=False)),
        ("tests alone", lambda: only_tests(index=True)),
        ("tests alone without the index", lambda: only_tests(index=False)),
        ("baselines alone", only_baselines),
    ):
        rate = len(entries) / timed(work).cpu
        aim = _RATE if name == "tests alone" else 0
        rows.append(
            (name, f"≥ {aim:,}" if aim else "", f"{rate:,.0f}", ("yes" if rate >= aim else "no") if aim else "")
        )
    columns = ("What", "T9 aim", "Entries/s of processor time", "Reached")
    table(f"{len(rules)} rules over {len(entries):,} entries, one core", columns, rows)


def delays(seconds: int, rate: int) -> None:
    """Print how long after its entry an alert was raised."""
    with TemporaryDirectory() as folder, whodid.open(f"sqlite:///{folder}/audit.db") as log:
        ordinary = events(seconds * rate)
        log.record("bench", next(ordinary))
        with DetectionWorker(log):
            begun = time.monotonic()
            for tick in range(seconds * 2):
                log.record_many("bench", list(islice(ordinary, rate // 2)))
                log.record("bench", _weakened(tick))
                time.sleep(max(0.0, begun + (tick + 1) / 2 - time.monotonic()))
            time.sleep(5)
        raised = [entry for entry in log.read("bench") if entry.action == "audit.alert_raised" and entry.cause]
        waited = [(one.recorded_at - log.get("bench", one.cause or "").recorded_at).total_seconds() for one in raised]
    found = percentile(waited, 0.95)
    rows = [
        ("alerts raised", f"{seconds * 2:,}", f"{len(waited):,}", "yes" if len(waited) == seconds * 2 else "no"),
        ("T9 delay after commit, median", "", f"{percentile(waited, 0.5):.2f} s", ""),
        ("T9 delay after commit, p95", "< 2 s", f"{found:.2f} s", "yes" if found < 2 else "no"),
        ("T9 delay after commit, longest", "", f"{max(waited):.2f} s", ""),
    ]
    table(f"{rate} events/s for {seconds} s, a worker with all rules", ("What", "Aim", "Measured", "Reached"), rows)


def _weakened(number: int) -> Event:
    """Make an event that raises an alert which no other is part of."""
    at = datetime.now(UTC)
    return Event(
        id=str(uuid4()), occurred_at=at, action="sso.deleted", actor=Actor(type="user", id="usr_owner"),
        resource=Resource(type="sso", id=f"sso_{number}"),
    )  # fmt: skip


class Session(NamedTuple):
    """One session start."""

    person: str
    at: int
    offset: int


class Score(NamedTuple):
    """What was thought of one session, of the person or of an intruder."""

    tail: float
    naive: float
    new: bool
    old: bool


def sessions(path: Path) -> list[Session]:
    """Read the file, in the order of time."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        read = csv.DictReader(file)
        rows = [Session(r["person"], int(r["session_start_utc"]), int(r["utc_offset_minutes"])) for r in read]
    return sorted(rows, key=lambda row: (row.at, row.person))


def sign_in(session: Session, known: Baseline | None) -> Entry:
    """Make a sign-in; its country is the known offset that is near enough, or its own."""
    places = [int(place) for place in known.countries] if known is not None else []
    near = [place for place in places if abs(place - session.offset) <= 60]
    place = min(near, key=lambda one: abs(one - session.offset)) if near else session.offset
    at = datetime.fromtimestamp(session.at, UTC)
    return Entry(
        id="0", index=0, workspace="w", occurred_at=at, recorded_at=at, action="auth.login", kind="security",
        severity="info", actor=Actor(type="user", id=session.person), resource=Resource(type="user", id=session.person),
        context=Context(country=str(place)),
    )  # fmt: skip


def naive_tail(counts: Sequence[int], at: int) -> float:
    """Return how much of the week is at most as likely as this hour, by counts with one added."""
    here = counts[at // 3_600 % 168] + 1
    return sum(count + 1 for count in counts if count + 1 <= here) / (sum(counts) + 168)


def scored(rows: Sequence[Session], seed: int) -> tuple[list[Score], list[Score], list[Score], int]:
    """Return the scores of sessions, of two intruders, and the number of months in which a person was active."""
    draw = random.Random(seed)
    people = sorted({row.person for row in rows}, key=int)[::3]
    held = set(people)
    own: list[Score] = []
    random_hour: list[Score] = []
    far: list[Score] = []
    months: set[tuple[str, str]] = set()
    known: dict[str, Baseline] = {}
    weeks: dict[str, list[int]] = {person: [0] * 168 for person in people}

    def judge(person: str, session: Session) -> Score:
        features, _ = observe(known[person], sign_in(session, known[person]))
        tail = naive_tail(weeks[person], session.at)
        return Score(features["hour_tail"], tail, features["new_country"], features["sessions"] >= 40)

    for row in rows:
        if row.person not in held:
            continue
        entry = sign_in(row, known.get(row.person))
        features, after = observe(known.get(row.person), entry)
        if not features["learning"]:
            months.add((row.person, f"{entry.occurred_at:%Y-%m}"))
            own.append(judge(row.person, row))
            random_hour.append(judge(row.person, row._replace(at=row.at + draw.randrange(168) * 3_600)))
            other = draw.choice(rows)
            while min(apart := abs(other.offset - row.offset), 1_440 - apart) < _FAR:
                other = draw.choice(rows)
            moment = row.at - row.at % 86_400 + other.at % 86_400
            far.append(judge(row.person, row._replace(at=moment, offset=other.offset)))
        known[row.person] = after
        weeks[row.person][row.at // 3_600 % 168] += 1
    return own, random_hour, far, len(months)


def share(scores: Sequence[Score], wanted: Callable[[Score], bool]) -> float:
    """Return how many of the scores are wanted, in percent."""
    return 100 * sum(map(wanted, scores)) / len(scores)


def accuracy(path: Path) -> None:
    """Print targets and figures."""
    own, hours, far, months = scored(sessions(path), seed=1)
    alarms = share(own, lambda one: one.tail < _THRESHOLD)
    found = share(hours, lambda one: one.tail < _THRESHOLD)
    limit = sorted(one.naive for one in own)[round(len(own) * alarms / 100)]
    peer = share(hours, lambda one: one.naive < limit)
    placed = sum(one.new for one in own) / months
    settled = [one for one in own if one.old]
    rows = [
        ("T5 false alarms of hour_tail < 0.014", "≤ 0.8 %", f"{alarms:.2f} %", alarms <= 0.8),
        ("T5 intruders at random hours found", "≥ 14 %", f"{found:.1f} %", found >= 14),
        ("T5 against the histogram of the week", "≥ 4 ×", f"{found / peer:.1f} × ({peer:.1f} %)", found >= 4 * peer),
        ("T6 new places per active person and month", "≤ 0.03", f"{placed:.3f}", placed <= 0.03),
        ("T6 far intruders found", "≥ 75 %", f"{(f := share(far, lambda one: one.new)):.1f} %", f >= 75),
    ]
    title = f"{len(own):,} sessions of every third person, {months:,} months in which one of them was active"
    table(title, ("What", "Aim", "Measured", "Reached"), [(*row[:3], "yes" if row[3] else "no") for row in rows])
    print(
        f"\nAfter 40 sign-ins, as the rule asks: false alarms "
        f"{share(settled, lambda one: one.tail < _THRESHOLD):.2f} %, "
        f"found {share([one for one in hours if one.old], lambda one: one.tail < _THRESHOLD):.1f} % at random hours, "
        f"{share([one for one in far if one.old], lambda one: one.tail < _THRESHOLD):.1f} % of far intruders."
    )


def main() -> None:
    """Run as a program."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--entries", type=int, default=50_000)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--rate", type=int, default=200)
    options.add_argument("--sessions", type=Path)
    chosen = options.parse_args()
    print(machine())
    rates(chosen.entries)
    delays(chosen.seconds, chosen.rate)
    if chosen.sessions is not None:
        accuracy(chosen.sessions)


if __name__ == "__main__":
    main()
