"""The command that answers an auditor's question, and writes the evidence for it."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from whodid.answers import QUESTIONS, Answer, Basis, Reading, Said, Speaker, Standing, answer, subject_of, title
from whodid.catalog import LANGUAGES
from whodid.cli import ui
from whodid.cli.evidencing import dates
from whodid.cli.opening import CONTEXT, caller, choose, open_store
from whodid.errors import InvalidQuery, NotFound
from whodid.evidence import Made, Question, about, ask, make, prove
from whodid.export import files
from whodid.log import Log
from whodid.query import parse

__all__ = ["COMMANDS"]


@ui.command
@ui.argument("question", type=ui.Choice(tuple(QUESTIONS)))
@ui.argument("subject", required=False)
@ui.option("--on", metavar="DATES", help="Day or period: 2026-11-20, 2026-11, 30d.")
@ui.option("-o", "--output", metavar="FILE", help="Write the evidence for the answer to this file as well.")
@ui.option("--force", is_flag=True, help="Replace the file if it exists.")
@ui.option("--lang", type=ui.Choice(LANGUAGES), default="en", show_default=True, help="Language of the answer.")
@ui.zone_option
@ui.json_option
@ui.workspace_option
@ui.store_options
def answering(
    *,
    question: str,
    subject: str | None,
    on: str | None,
    output: str | None,
    force: bool,
    lang: str,
    zone: str,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Answer QUESTION about SUBJECT (TYPE:ID), and say what cannot be said.

    \b
    whodid answer deletion contact:con_4H7P        Who deleted this?
    whodid answer approval template:tpl_5D         How did this get approved?
    whodid answer roles --on 2026-11-20            Who had which role?
    whodid answer keys --on 2026-11                Which API keys existed?
    whodid answer stop campaign:cmp_8Q2F -o why.html    Why did this stop?
    whodid answer session session:ses_9VX4         What happened in this session?
    """
    with open_store(store, key_file) as log:
        workspace = choose(log, workspace)
        now = log.now()
        period = parse(f"date:{dates(on)}" if on else "", now=now, zone=zone)
        found = answer(
            Reading(log, workspace),
            log.catalog,
            question,
            subject_of(subject) if subject else None,
            since=period.since,
            until=period.until,
            now=now,
            prove=lambda basis: prove(log, workspace, about(basis.actions, basis.resources)),
        )
        # Before the evidence is made, which adds an entry of its own.
        speaker = Speaker(log.catalog, lang, ZoneInfo(zone))
        made = _write(log, workspace, found, Path(output), force=force) if output else None
        if as_json:
            ui.json(_view(found, speaker, made, output))
            return
        ui.line(f"{title(question, lang)} {speaker.name(found.subject) if found.subject else ''}".rstrip())
        ui.line(f"{speaker.say(found.finding)}.")
        for row in found.rows:
            ui.line(f"  {speaker.name(row.subject)}: {speaker.line(row.said)}  [{', '.join(map(str, row.indexes))}]")
        ui.line(f"It rests on these entries: {', '.join(str(one.index) for one in found.entries) or 'none'}")
        for line in _standing(found.standing, speaker):
            ui.line(line)
        for limit in found.limits:
            ui.line(f"- {speaker.say(limit)}.")
    if made is not None:
        rests = ui.counted(made.count, "entry")
        ui.note(f"{output}: {rests}, {len(made.file):,} bytes; recorded as entry {made.index}.")


def _write(log: Log, workspace: str, found: Answer, path: Path, *, force: bool) -> Made:
    if found.basis is None:
        raise NotFound(
            "There is nothing that evidence could ask for", "The catalog declares no action that answers this"
        )
    with files.written_whole(path, replace=force) as out:
        made = make(
            log,
            workspace,
            _asking(log, found.basis),
            actor=caller(),
            context=CONTEXT,
        )
        if made.count != len(found.entries):
            raise InvalidQuery("Entries were recorded while the answer was given", "Ask again")
        out.write(made.file)
    return made


def _standing(standing: Standing | None, speaker: Speaker) -> list[str]:
    """Say how complete an answer is, a line per level."""
    if standing is None:
        return []
    lines = [f"{one.name} {one.state}: {speaker.say(one.said)}." for one in standing.levels]
    if standing.stop and standing.unsealed:
        lines.append(f"{speaker.say(Said.of('level.open', count=standing.unsealed))}.")
    return lines


def _asking(log: Log, basis: Basis) -> Question:
    """Return what the evidence is asked for."""
    if basis.indexes:
        return ask(basis.terms(), catalog=log.catalog)
    return about(basis.actions, basis.resources)


def _view(found: Answer, speaker: Speaker, made: Made | None, output: str | None) -> dict[str, object]:
    return {
        "question": found.question,
        "finding": speaker.say(found.finding),
        "rows": [
            {
                "type": row.subject.type,
                "id": row.subject.id,
                "name": row.subject.name,
                "said": speaker.line(row.said),
                "entries": row.indexes,
                "proven": row.proven,
            }
            for row in found.rows
        ],
        "entries": [entry.index for entry in found.entries],
        "limits": [speaker.say(limit) for limit in found.limits],
        "completeness": {}
        if found.standing is None
        else {one.name: {"state": one.state, "words": speaker.say(one.said)} for one in found.standing.levels}
        | {"sealed": found.standing.stop, "unsealed": found.standing.unsealed},
        "evidence": None if made is None else {"file": output, "count": made.count, "sha256": made.sha256},
    }


COMMANDS = {"answer": answering}
