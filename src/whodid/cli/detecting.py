"""The command that looks for what is unusual in stored entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from whodid.cli import ui
from whodid.cli.opening import choose, open_store
from whodid.query import compile_query, parse

if TYPE_CHECKING:
    from whodid.detect import Finding, Rule, State

__all__ = ["COMMANDS"]


@ui.command
@ui.option("--rule", "rule_files", multiple=True, metavar="FILE", help="Only show what these find; repeatable.")
@ui.option("--since", metavar="DATE", help="Only show findings since 30d, 2026-11-01 …")
@ui.option("--geo", metavar="FOLDER", help="Tables that say where addresses are; see whodid geo.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def detect(
    *,
    rule_files: tuple[str, ...],
    since: str | None,
    geo: str | None,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Find what is unusual in stored entries, oldest first.

    The rules of the workspace, built-in ones with its numbers and those that it
    wrote, look at every entry from the first on, as they would have when it was
    recorded. A rule in a file is Sigma, tried on its own fixtures before.

    \b
    whodid detect --since 30d
    whodid detect --rule night-exports.yml --json
    """
    # Without the extra `detect` the help is there, and the command says what it lacks.
    from whodid.detect import Geo, Run, built_in, load, look, read_settings, recalling, rules_of

    beside = built_in()
    added: list[Rule] = []
    for file in rule_files:
        added += load(file, beside=[*beside, *added])
    own = {rule.name for rule in added}
    with open_store(store, key_file) as log:
        workspace = choose(log, workspace)
        theirs = rules_of(read_settings(log, workspace))
        for rule, why in theirs.broken.items():
            ui.note(f"Rule {rule} of the workspace is left out: {why}")
        rules = [*theirs.all, *added]
        wanted = compile_query(parse(f'date:>="{since}"' if since else "", now=log.now()))
        places = Geo(Path(geo)) if geo is not None else None
        run = Run(rules, geo=places, recall=recalling(log, workspace))
        found = look(log, workspace, rules, wanted=wanted, run=run)
        _show((finding for finding in found if not own or finding.rule in own), as_json=as_json)
        _tell(run.state)


def _show(findings: Iterator[Finding], *, as_json: bool) -> None:
    """Write findings as they are found; memory does not grow with them unless a terminal needs a table."""
    if as_json:
        for finding in findings:
            ui.json(finding)
        return
    columns = (">Index", "When (UTC)", "Level", "Rule", "Why")
    ui.table(columns, map(_row, findings), wide=4)


def _row(finding: Finding) -> tuple[str, ...]:
    return str(finding.index), f"{finding.at:%Y-%m-%d %H:%M:%S}", finding.level, finding.rule, finding.reason


def _tell(state: State) -> None:
    """Say what could not be judged, and end with a problem if a rule was disabled."""
    for name, count in sorted(state.missing.items()):
        ui.note(f"{count:,} of {state.sign_ins:,} sign-ins carry no {name}: whether it was new is not judged for them.")
    for rule, why in sorted(state.disabled.items()):
        ui.note(f"Rule {rule} was disabled: {why}.")
    if state.disabled:
        ui.finish(ui.PROBLEM)


COMMANDS = {"detect": detect}
