"""Whether our matcher of Sigma says what the SQLite backend says (T1), and our windows what its plans say (T2).

    pip install -r benchmarks/peers.txt
    git clone https://github.com/SigmaHQ/sigma /tmp/sigma
    python -m benchmarks.parity --rules /tmp/sigma/rules --events FOLDER [--streams 200]

T1: every rule of SigmaHQ for cloud services, applications and identities on every real event of a folder of NDJSON
files (the event in `raw`). The rule goes to the backend as it is, and to our reader with `details.` before its fields;
the event is a row of a table, and the details of an entry. Compared are rules without free keywords on events in which
every field of the rule holds one value or none. A column that a rule compares with a number is numeric, because SQLite
takes a number and the text of it for different things.

T2: made-up streams of a few people, with hits exactly one window apart and a moment more; each is put through five
correlations by both. The first time at which a group fires must be the same.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import msgspec
import yaml
from sigma.backends.sqlite.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from benchmarks.measure import machine, table
from whodid.detect import Rule, Run
from whodid.detect.sigma import parse_rules
from whodid.detect.view import View
from whodid.errors import InvalidRule
from whodid.model import Actor, Entry, Resource

_AREAS = ("cloud", "application", "identity")
_PRODUCTS = frozenset({"aws", "azure", "bitbucket", "gcp", "github", "m365", "okta", "onelogin"})
_START = datetime(2026, 3, 2, 9, tzinfo=UTC)
_SPAN = 600
_SEED = 20_261_127


def connection() -> apsw.Connection:
    """Open a database in memory that knows regular expressions."""
    found = apsw.Connection(":memory:")
    found.create_scalar_function("REGEXP", _holds, 2)
    return found


def _holds(*asked: Any) -> bool:
    pattern, value = asked
    return value is not None and re.search(pattern, str(value)) is not None


def entry(index: int, at: datetime, action: str, details: dict[str, Any]) -> Entry:
    """Make an entry that carries an event."""
    return Entry(
        id=f"{index:08x}", index=index, workspace="w", occurred_at=at, recorded_at=at, action=action, kind="update",
        severity="info", actor=Actor(type="user", id="usr_1"), resource=Resource(type="event", id="1"), details=details,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------------ T1


def read_events(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the raw events of a folder."""
    for file in sorted(folder.glob("*.ndjson")):
        for line in file.read_bytes().splitlines():
            raw = msgspec.json.decode(line)["raw"]
            if isinstance(raw, dict):
                yield raw


def value_of(event: Mapping[str, Any], field: str) -> Any:
    """Return what stands in an event under a dotted name; None where there is nothing."""
    value: Any = event
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def renamed(detection: Any) -> Any:
    """Return a detection with `details.` before every field."""
    if isinstance(detection, list):
        return [renamed(one) for one in detection]
    if isinstance(detection, dict):
        return {
            f"details.{field}": f"details.{value}" if "|fieldref" in field else value
            for field, value in detection.items()
        }
    return detection


def numbers_in(detection: Any) -> Iterator[str]:
    """Yield the fields of a detection that are compared with a number."""
    for one in detection if isinstance(detection, list) else detection.values() if isinstance(detection, dict) else ():
        yield from numbers_in(one)
    for field, value in detection.items() if isinstance(detection, dict) else ():
        if any(type(one) is int for one in (value if isinstance(value, list) else [value])):
            yield field.partition("|")[0]


def ours(document: dict[str, Any]) -> Rule:
    """Read a rule of SigmaHQ with our reader."""
    found = document["detection"]
    detection = {name: one if name == "condition" else renamed(one) for name, one in found.items()}
    source = {"product": "auditlog", "service": "audit"}
    text = yaml.safe_dump({"title": document["title"], "logsource": source, "detection": detection}, sort_keys=False)
    (rule,) = parse_rules(text, document["title"], "own")
    return rule


def compare_rules(rules: Path, events: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Compare both on every rule and event.

    Returns:
        What was counted, and the differences.
    """
    backend, database = sqliteBackend(), connection()
    told = list(read_events(events))
    compiled: list[tuple[Rule, str]] = []
    numeric: set[str] = set()
    skipped = {"with keywords, or for another product": 0, "refused by our reader": 0, "refused by the backend": 0}
    # SQLite does not tell names apart that differ in capitals only.
    for file in sorted(file for area in _AREAS for file in (rules / area).rglob("*.yml")):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        keywords = any(isinstance(one, list) and not isinstance(one[0], dict) for one in document["detection"].values())
        if keywords or document["logsource"].get("product") not in _PRODUCTS:
            skipped["with keywords, or for another product"] += 1
            continue
        try:
            (query,) = backend.convert(SigmaCollection.from_dicts([document]))
        except (SigmaError, NotImplementedError):
            skipped["refused by the backend"] += 1
            continue
        try:
            compiled.append((ours(document), str(query).partition(" WHERE ")[2]))
            numeric |= set(numbers_in(document["detection"]))
        except InvalidRule as error:
            print(error)
            skipped["refused by our reader"] += 1
    named: dict[str, str] = {}
    for rule, _ in compiled:
        for field in sorted(rule.reads):
            named.setdefault(field.casefold(), field)
    apart = [(rule, query) for rule, query in compiled if all(named[one.casefold()] == one for one in rule.reads)]
    skipped["with a field that another one writes in other letters"] = len(compiled) - len(apart)
    compiled = apart
    fields = sorted(field.removeprefix("details.") for field in named.values())
    columns = ", ".join(f'"{field}" {"NUMERIC" if field in numeric else ""} COLLATE NOCASE' for field in fields)
    database.execute(f"CREATE TABLE logs ({columns})")
    rows = [[_cell(value_of(event, field)) for field in fields] for event in told]
    database.executemany(f"INSERT INTO logs VALUES ({', '.join('?' * len(fields))})", rows)
    views = [View(entry(at, _START, "event.seen", event), {}) for at, event in enumerate(told)]
    pairs = fired = 0
    differences = []
    for rule, query in compiled:
        assert rule.test is not None
        hits = {row[0] - 1 for row in database.execute(f"SELECT rowid FROM logs WHERE {query}")}
        names = [field.removeprefix("details.") for field in rule.reads]
        for at, event in enumerate(told):
            if any(isinstance(value_of(event, field), list | dict) for field in names):
                continue
            pairs += 1
            held = rule.test(views[at])
            fired += held
            if held is not (at in hits):
                differences.append(f"{rule.title}: ours {held}, on {[(n, value_of(event, n)) for n in names]}")
    counted = [
        ("rules compared", f"{len(compiled):,}"),
        *((f"rules {why}", f"{count:,}") for why, count in skipped.items()),
        ("events", f"{len(told):,}"),
        ("pairs compared", f"{pairs:,}"),
        ("pairs in which the rule held", f"{fired:,}"),
    ]
    return counted, differences


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return None
    return str(value).lower() if isinstance(value, bool) else value


# ------------------------------------------------------------------------------------------------------------------ T2

_PARTS = """
title: A
name: a
logsource: {product: auditlog}
detection: {wanted: {action: x.a}, condition: wanted}
---
title: B
name: b
logsource: {product: auditlog}
detection: {wanted: {action: x.b}, condition: wanted}
---
title: Whole
name: whole
"""
CORRELATIONS = {
    "event_count": "correlation: {type: event_count, rules: [a], group-by: [WHO], timespan: 10m, condition: {gte: 3}}",
    "event_count of two": "correlation: {type: event_count, rules: [a, b], group-by: [WHO], timespan: 10m, "
    "condition: {gt: 3}}",
    "value_count": "correlation: {type: value_count, rules: [a], group-by: [WHO], timespan: 10m, "
    "condition: {field: NET, gte: 3}}",
    "temporal": "correlation: {type: temporal, rules: [a, b], group-by: [WHO], timespan: 10m}",
    "temporal_ordered": "correlation: {type: temporal_ordered, rules: [a, b], group-by: [WHO], timespan: 10m}",
}


def stream(draw: random.Random) -> list[tuple[float, str, str, str]]:
    """Make hits: when (seconds), which part, whose, from which network; none at the same time as another."""
    made: dict[float, tuple[str, str, str]] = {}
    at = 0.0
    for _ in range(draw.randrange(10, 60)):
        at += draw.choice((0.001, 1.0, 60.0, _SPAN / 2, _SPAN / 3, 200.0, _SPAN - 0.001, float(_SPAN), _SPAN + 0.001))
        at = round(at, 3)
        made[at] = (draw.choice("aab"), draw.choice(("ann", "bob", "eve")), draw.choice(("n1", "n2", "n3", "n4")))
    return [(when, *rest) for when, rest in sorted(made.items())]


def first_ours(text: str, hits: list[tuple[float, str, str, str]]) -> dict[str, float]:
    """Return when each group fires first, by our windows."""
    found: dict[str, float] = {}
    run = Run(parse_rules(text.replace("WHO", "details.who").replace("NET", "details.net"), "stream", "own"))
    for index, (at, part, who, net) in enumerate(hits):
        when = _START + timedelta(seconds=at)
        for one in run.take(entry(index, when, f"x.{part}", {"who": who, "net": net})):
            if one.rule == "whole":
                found.setdefault(one.group["details.who"], at)
    return found


def first_theirs(queries: list[str], hits: list[tuple[float, str, str, str]]) -> dict[str, float]:
    """Return when each group fires first, by the plan of the backend."""
    database = connection()
    database.execute("CREATE TABLE logs (timestamp, action, who, net)")
    rows = [((_START + timedelta(seconds=at)).isoformat(), f"x.{part}", who, net) for at, part, who, net in hits]
    database.executemany("INSERT INTO logs VALUES (?, ?, ?, ?)", rows)
    found: dict[str, float] = {}
    for _, group, when, *_ in database.execute(queries[-1]):
        at = round(float(when) - _START.timestamp(), 3)
        who = msgspec.json.decode(group)["who"]
        found[who] = min(at, found.get(who, at))
    return found


def compare_windows(streams: int) -> list[tuple[str, str, str]]:
    """Compare both on made-up streams; return a row per correlation."""
    backend, rows = sqliteBackend(), []
    for name, correlation in CORRELATIONS.items():
        text = _PARTS + correlation
        plain = text.replace("WHO", "who").replace("NET", "net")
        queries = [str(query) for query in backend.convert(SigmaCollection.from_yaml(plain))]
        draw = random.Random(_SEED)
        groups = differing = 0
        for _ in range(streams):
            hits = stream(draw)
            mine, theirs = first_ours(text, hits), first_theirs(queries, hits)
            groups += len(mine.keys() | theirs.keys())
            differing += sum(mine.get(one) != theirs.get(one) for one in mine.keys() | theirs.keys())
        rows.append((name, f"{groups:,}", f"{differing:,}"))
    return rows


def main() -> None:
    """Run as a program."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rules", type=Path)
    options.add_argument("--events", type=Path)
    options.add_argument("--streams", type=int, default=200)
    chosen = options.parse_args()
    print(machine())
    if chosen.rules is not None and chosen.events is not None:
        counted, differences = compare_rules(chosen.rules, chosen.events)
        for one in differences[:20]:
            print(one)
        table("T1: our matcher and the SQLite backend", ("What", "Measured"), counted)
        print(f"\nT1 differences: {len(differences):,} (aim 0): {'reached' if not differences else 'missed'}")
    rows = compare_windows(chosen.streams)
    table(f"T2: {chosen.streams} streams per correlation", ("Correlation", "Groups that fired", "Differing"), rows)
    print(f"\nT2 differences: aim 0: {'reached' if all(row[2] == '0' for row in rows) else 'missed'}")


if __name__ == "__main__":
    main()
