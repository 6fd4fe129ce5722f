"""What a rule would have found in the last 30 days, before anybody saves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from whodid.detect.geo import Geo
from whodid.detect.looking import recalling
from whodid.detect.rule import Level, Rule
from whodid.detect.run import Finding, Run
from whodid.errors import InvalidRule
from whodid.log import Log

__all__ = ["DAYS", "MOST_FOUND", "Preview", "check_preview", "preview"]

DAYS = 30
"""How far back it looks."""

MOST_FOUND = 300
"""Findings in that time beyond which nobody would look at any: such a rule is refused."""

_MOST = 100_000
_SHOWN = 20


class Preview(Struct, frozen=True, kw_only=True):
    """What a rule would have found.

    Args:
        since: When the first entry occurred that could have been one; 30 days ago, or later.
        entries: How many entries were looked at since then.
        whole: Whether all of the 30 days were looked at.
        found: How many findings there would have been.
        levels: How many of each level.
        last: The last of them, newest first.
        failed: Why the rule failed, if it did.
    """

    since: datetime
    entries: int
    whole: bool
    found: int
    levels: dict[Level, int]
    last: tuple[Finding, ...]
    failed: str | None = None

    def weekly(self, now: datetime) -> float:
        """Return how many there would be in a week.

        Args:
            now: When the 30 days end.
        """
        days = max((now - self.since) / timedelta(days=1), 1.0)
        return self.found * 7 / days


def preview(log: Log, workspace: str, rules: Sequence[Rule], name: str, *, geo: Geo | None = None) -> Preview:
    """Return what a rule would have found in the last 30 days.

    A rule that asks for features is run over what came before, too: what is usual depends on it. More than 100,000
    entries are not looked at; then it begins with the newest of those.

    Args:
        rules: Parts before the rules that are made of them, with all whose signals it asks for.
        name: Of the rule.
        geo: Where addresses are.

    Raises:
        NotFound: Nothing was ever recorded for this workspace.
    """
    head, since = log.head(workspace), log.now() - timedelta(days=DAYS)
    first = max(head.first, head.size - _MOST)
    learns = any(field.startswith("features.") for rule in rules if rule.name == name for field in rule.reads)
    start = first if learns else _from(log, workspace, since, first, head.size)
    run, looked, oldest = Run(rules, geo=geo, recall=recalling(log, workspace)), 0, log.now()
    found: list[Finding] = []
    for entry in log.read(workspace, start, head.size):
        findings = run.take(entry)
        if entry.occurred_at >= since:
            looked += 1
            oldest = min(oldest, entry.occurred_at)
            found += [one for one in findings if one.rule == name]
    cut = first > head.first and (learns or start == first)
    return Preview(
        since=oldest,
        entries=looked,
        whole=not cut,
        found=len(found),
        levels=dict(Counter(one.level for one in found)),
        last=tuple(found[: -_SHOWN - 1 : -1]),
        failed=run.state.disabled.get(name),
    )


def check_preview(title: str, seen: Preview, now: datetime) -> None:
    """Refuse a rule that would find something in nearly everything.

    Args:
        title: What people call it.
        now: When the 30 days end.

    Raises:
        InvalidRule: It would have found more than 300 things, or it fails.
    """
    if seen.failed is not None:
        raise InvalidRule("The rule", title, f"It fails: {seen.failed}", "Write it in another way")
    if seen.found > MOST_FOUND:
        days = max(round((now - seen.since) / timedelta(days=1)), 1)
        raise InvalidRule(
            "The rule",
            title,
            f"It would have raised {seen.found:,} alerts in {days} days, more than anybody looks at",
            "Narrow it, ask for more entries at once, or tell the same less often",
        )


def _from(log: Log, workspace: str, since: datetime, first: int, size: int) -> int:
    """Return the index of the first entry that was recorded since a time; indexes grow with it."""
    low, high = first, size
    while low < high:
        middle = (low + high) // 2
        entry = next(log.read(workspace, middle, high), None)
        if entry is None or entry.recorded_at >= since:
            high = middle
        else:
            low = entry.index + 1
    return low
