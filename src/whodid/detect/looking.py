"""Rules over the stored entries of a workspace: the way from the log to a run.

Entries are taken from the beginning of the log, because what is unusual depends on what came before; findings before a
given time are left out afterwards. The entries are the same and in the same order as for whoever follows the log, so
the findings are, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from whodid.detect.rule import Rule
from whodid.detect.run import Finding, Run
from whodid.log import Log

__all__ = ["look"]


def look(
    log: Log, workspace: str, rules: Sequence[Rule], *, since: datetime | None = None, run: Run | None = None
) -> Iterator[Finding]:
    """Yield what rules find in the entries that are stored now.

    Args:
        log: The log to read.
        workspace: Whose log.
        rules: Parts before the rules that are made of them.
        since: Leave out what occurred before.
        run: Go on with this one, from the entry that it has not seen, instead of from the beginning; it has its rules.

    Raises:
        NotFound: Nothing was ever recorded for this workspace.
    """
    work = run if run is not None else Run(rules)
    for entry in log.read(workspace, work.state.next, log.head(workspace).size):
        for finding in work.take(entry):
            if since is None or finding.at >= since:
                yield finding
