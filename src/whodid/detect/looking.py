"""Rules over the stored entries of a workspace: the way from the log to a run.

Entries are taken from the beginning of the log, because what is unusual depends on what came before; findings that
nobody asked for are left out afterwards. The entries are the same and in the same order as for whoever follows the log,
so the findings are, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from whodid.detect.rule import Rule
from whodid.detect.run import Finding, Run
from whodid.log import Log
from whodid.model import Entry

__all__ = ["look", "recalling"]


def recalling(log: Log, workspace: str) -> Callable[[int], Entry | None]:
    """Return what fetches an entry of a workspace by its index; None when it is gone."""
    return lambda index: next(log.read(workspace, index, index + 1), None)


def look(
    log: Log,
    workspace: str,
    rules: Sequence[Rule],
    *,
    wanted: Callable[[Entry], bool] = lambda _: True,
    run: Run | None = None,
) -> Iterator[Finding]:
    """Yield what rules find in the entries that are stored now.

    Args:
        log: The log to read.
        workspace: Whose log.
        rules: Parts before the rules that are made of them.
        wanted: Whether to yield the findings that an entry completes; it is learned from in any case.
        run: Go on with this one, from the first entry that it has not seen, instead of from the beginning.

    Raises:
        NotFound: Nothing was ever recorded for this workspace.
    """
    work = run if run is not None else Run(rules, recall=recalling(log, workspace))
    for entry in log.read(workspace, work.state.next, log.head(workspace).size):
        found = work.take(entry)
        if found and wanted(entry):
            yield from found
