"""The report as a page: a table without scripts, made to be printed, with the state of the log in every footer.

Plain functions from values to HTML. Every text is escaped here and nowhere else; names and codes keep their own
direction.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from msgspec import Struct

from whodid.catalog import Catalog, SecondLine, Sentence, second_line, sentence, source_label, write
from whodid.viewer.reader import Seen

__all__ = ["Report", "render", "words"]

_RIGHT_TO_LEFT = frozenset({"ar"})
_SLOT = re.compile(r"\{(\w+)\}")
# In a margin there is no markup that could keep a hash from running with the text around it.
_ISOLATE, _POP = "\u2066", "\u2069"
_STAMP = "%Y-%m-%d %H:%M:%S"


class Report(Struct, frozen=True, kw_only=True):
    """What a report shows.

    Args:
        rows: Newest first.
        total: How many entries match, as a text: `1,846` or `10,000+`.
        whole: Whether `rows` are all of them.
        query: The filters as query text; empty for none.
        size: Number of entries in the log.
        root: Root hash of the log of that size, base64.
    """

    workspace: str
    reader: str
    printed: datetime
    zone: tzinfo
    zone_name: str
    since: datetime | None
    until: datetime | None
    query: str
    rows: Sequence[Seen]
    total: str
    whole: bool
    size: int
    root: str


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return what the report says, by language."""
    file = resources.files("whodid.server") / "report.json"
    return msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, str]])


def render(report: Report, lang: str, catalog: Catalog, *, style: str, nonce: str) -> str:
    """Write the page.

    Args:
        lang: One of the languages of `words`.
        style: Address of the style sheet, escaped.
        nonce: Lets the one style in the page through its policy: footers cannot be written from outside.
    """
    say = words()[lang]
    direction = "rtl" if lang in _RIGHT_TO_LEFT else "ltr"
    state = _fill(say["log"], size=write(report.size, lang), root=f"{_ISOLATE}{report.root}{_POP}")
    indexes = [seen.entry.index for seen in report.rows]
    span = _fill(say["entries"], first=str(min(indexes)), last=str(max(indexes))) if indexes else ""
    facts = [
        (say["workspace"], _bdi(report.workspace)),
        (say["reader"], _bdi(report.reader)),
        (say["printed"], f"{_bdi(_stamp(report.printed, report.zone))} <bdi>{html.escape(report.zone_name)}</bdi>"),
        (say["range"], _period(report, say)),
        (say["filters"], f"<code><bdi>{html.escape(report.query)}</bdi></code>" if report.query else say["everything"]),
        (say["count"], html.escape(report.total)),
    ]
    cut = _fill(say["cut"], shown=write(len(report.rows), lang), total=report.total)
    return "".join(
        [
            f'<!doctype html>\n<html lang="{lang}" dir="{direction}">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f'<title>{html.escape(say["title"])}</title>\n<link rel="icon" href="data:,">\n',
            f'<link rel="stylesheet" href="{style}">\n',
            f'<style nonce="{nonce}">{_margins(say["page"], state, span)}</style>\n</head>\n<body>\n<main>\n',
            f"<h1>{html.escape(say['title'])}</h1>\n<dl>\n",
            *(f"<dt>{html.escape(name)}</dt><dd>{value}</dd>\n" for name, value in facts),
            "</dl>\n",
            "" if report.whole else f'<p class="cut">{html.escape(cut)}</p>\n',
            _table(report, lang, catalog, say) if report.rows else f"<p>{html.escape(say['none'])}</p>\n",
            f'</main>\n<p class="foot">{" · ".join(_bdi(one) for one in (span, state) if one)}</p>\n',
            "</body>\n</html>\n",
        ]
    )


def _table(report: Report, lang: str, catalog: Catalog, say: Mapping[str, str]) -> str:
    columns = ("time", "what", "where", "action", "entry")
    head = "".join(f'<th scope="col" class="{name}">{html.escape(say[name])}</th>' for name in columns)
    parts = [f"<table>\n<thead><tr>{head}</tr></thead>\n"]
    day = ""
    for seen in report.rows:
        at = seen.entry.occurred_at.astimezone(report.zone)
        if f"{at:%Y-%m-%d}" != day:
            parts.append("</tbody>\n" if day else "")
            day = f"{at:%Y-%m-%d}"
            parts.append(f'<tbody>\n<tr class="day"><th colspan="5" scope="rowgroup">{day}</th></tr>\n')
        line = _second(second_line(seen.shown, lang, catalog), lang)
        more = f"<small>{line}</small>" if line else ""
        parts.append(
            f'<tr><td class="time">{at:%H:%M:%S}</td>'
            f"<td>{_said(sentence(seen.entry, lang, catalog))}{more}</td>"
            f"<td>{_bdi(_source(seen, lang))}</td>"
            f"<td><code>{_bdi(seen.entry.action)}</code></td>"
            f'<td class="entry">{seen.entry.index}</td></tr>\n'
        )
    return "".join([*parts, "</tbody>\n</table>\n"])


def _said(said: Sentence) -> str:
    """Write a sentence with its names isolated and the actor strong."""
    written = []
    for at, text in enumerate(_SLOT.split(said.template)):
        if at % 2 == 0:
            written.append(html.escape(text))
        else:
            name = _bdi(said.parts[text].text)
            written.append(f"<b>{name}</b>" if text == "actor" else name)
    return "".join(written)


def _second(line: SecondLine, lang: str) -> str:
    """Write the second line; where it lists changes, each value keeps its own direction."""
    if line.form != "changes":
        return _bdi(line.plain(lang)) if line.form else ""
    arrow = "←" if lang in _RIGHT_TO_LEFT else "→"
    written = []
    for change in line.changes:
        sides = [write({"$": "hidden"}, lang)] if change.class_ == "secret" else []
        sides = sides or [*(f"+ {one}" for one in change.added), *(f"− {one}" for one in change.removed)]
        if not sides and change.op == "add" and change.before is None and change.after is not None:
            sides = [change.after]
        between = ", "
        if not sides:
            sides, between = [change.before or write(None, lang), change.after or write(None, lang)], f" {arrow} "
        written.append(f"{html.escape(change.label)}: {between.join(_bdi(one) for one in sides)}")
    return " · ".join([*written, *([f"<bdi>+{line.more}</bdi>"] if line.more else [])])


def _source(seen: Seen, lang: str) -> str:
    context: Mapping[str, Any] = seen.wire.get("context", {})
    source = context.get("source")
    # A hidden value is a marker and no text; the line does without it.
    place = next((context[name] for name in ("city", "country", "ip") if isinstance(context.get(name), str)), "")
    return " · ".join(part for part in (source_label(source, lang) if source else "", place) if part)


def _period(report: Report, say: Mapping[str, str]) -> str:
    since = _bdi(_stamp(report.since, report.zone)) if report.since else ""
    until = _bdi(_stamp(report.until, report.zone)) if report.until else ""
    if since and until:
        return _fill(say["between"], since=since, until=until)
    return _fill(say["since"], since=since) if since else _fill(say["until"], until=until) if until else say["always"]


def _margins(page: str, state: str, span: str) -> str:
    """Write the margin boxes of every printed page: what the log was, which entries, which page of how many."""
    counted = " ".join(
        f"counter({text})" if at % 2 else _quoted(text) for at, text in enumerate(_SLOT.split(page)) if at % 2 or text
    )
    lines = "\n".join(one for one in (state, span) if one)
    box = "font: 7.5pt ui-sans-serif, system-ui, sans-serif; color: #4b4a4f;"
    return (
        "@page { margin: 14mm 12mm 18mm; "
        f"@bottom-left {{ content: {_quoted(lines)}; {box} white-space: pre; }} "
        f"@bottom-right {{ content: {counted}; {box} }} }}"
    )


def _quoted(text: str) -> str:
    """Write a CSS string; everything but letters and digits of ASCII as its code, so that nothing can end it."""
    return '"' + "".join(one if one.isascii() and one.isalnum() else f"\\{ord(one):x} " for one in text) + '"'


def _bdi(text: str) -> str:
    return f"<bdi>{html.escape(text)}</bdi>"


def _stamp(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime(_STAMP)


def _fill(template: str, **slots: str) -> str:
    return _SLOT.sub(lambda found: slots.get(found[1], found[0]), template)
