"""How many alerts the example workspace has in 95 days, and whether what was planted in them is found (T8).

Method: the story of the example workspace is told through its own services, as on a first start: eleven people, their
ordinary days, and threads that somebody is to find. All rules look at every entry from the first on, as a follower
would have. An alert is a finding above `info`. Those that belong to a planted thread are counted by themselves; the
others are what people would be disturbed with for nothing.

    python -m benchmarks.budget [--days 95] [--folder FOLDER]

With `--folder`, the story is told there once and taken from there afterwards.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import machine, table
from sendero.installation import Installation, Settings
from sendero.story.begin import DAYS, tell
from sendero.story.cast import PEOPLE
from whodid.detect import Finding, built_in, look

_END = datetime(2026, 11, 20, 13, 35, tzinfo=UTC)
_AIM_A_WEEK = 3
_PLANTED = (
    ("a stranger guesses Maria's password", "password_guessing", "Maria Torres"),
    ("João comes from Lisbon", "new_country", "João Silva"),
    ("João is made Admin minutes later", "power_granted", "João Silva"),
    ("agents may delete for two days", "power_granted", "role Agent"),
    ("a token is replaced by somebody who never did that", "protection_weakened", "account.token_rotated"),
    ("a webhook is moved to another host", "protection_weakened", "webhook.updated"),
    ("single sign-on becomes optional", "protection_weakened", "sso.updated"),
    ("a second single sign-on is removed", "protection_weakened", "sso.deleted"),
    ("the log is kept for less long", "log_touched", "audit.retention_changed"),
    ("Maria exports more than ever", "bulk_export", "Maria Torres"),
)
"""What the story plants that a rule must find: in words, the rule, and what its reason says."""


def alerts(folder: Path, days: int) -> tuple[list[Finding], float, int]:
    """Return the alerts of the story, how many weeks it takes, and how many entries it has."""
    settings = Settings(data=folder)
    if not (folder / "audit.db").exists():
        tell(settings, days=days, end=_END)
    with Installation(settings, clock=lambda: _END) as home:
        (workspace,) = home.log.workspaces()
        size = home.log.head(workspace).size
        found = [one for one in look(home.log, workspace, built_in()) if one.level != "info"]
    return found, days / 7, size


def main() -> None:
    """Run as a program."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--days", type=int, default=DAYS)
    options.add_argument("--folder", type=Path)
    chosen = options.parse_args()
    print(machine())
    with TemporaryDirectory() as folder:
        found, weeks, size = alerts(chosen.folder or Path(folder) / "story", chosen.days)
    rows, planted = [], set()
    for what, rule, said in _PLANTED:
        mine = [at for at, one in enumerate(found) if one.rule == rule and said in one.reason]
        planted |= set(mine)
        rows.append((what, rule, found[mine[0]].level if mine else "", "yes" if mine else "no"))
    others = [one for at, one in enumerate(found) if at not in planted]
    table("T8: what was planted", ("Thread", "Rule", "Level", "Found"), rows)
    for one in others:
        print(f"not planted: {one.at:%Y-%m-%d %H:%M} {one.level} {one.rule}: {one.reason}")
    weekly, all_found = len(others) / weeks, all(row[3] == "yes" for row in rows)
    print(
        f"\n{size:,} entries of {len(PEOPLE)} people in {weeks:.1f} weeks: {len(found)} alerts, "
        f"{len(found) / weeks:.2f} a week; without what was planted {weekly:.2f} a week (aim at most {_AIM_A_WEEK})."
    )
    print(f"T8: {'reached' if all_found and weekly <= _AIM_A_WEEK else 'missed'}")


if __name__ == "__main__":
    main()
