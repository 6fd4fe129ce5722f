"""Commands that read: tail, search, show, stats."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from whodid.canonical import from_micros, time_text, wire
from whodid.catalog import second_line, sentence
from whodid.cli import ui
from whodid.cli.opening import choose, every, open_store
from whodid.errors import InvalidSetting
from whodid.log import Log
from whodid.model import ACTORS, Actor, Change, Entry
from whodid.query import Query, Value, compile_query, parse
from whodid.retention import class_of, holder, read_policy, removed_on, standing_holds

__all__ = ["COMMANDS"]

_POLL = 1.0
_PAGE = 500


@ui.command
@ui.argument("query", nargs=-1)
@ui.option("-f", "--follow", is_flag=True, help="Go on with what is recorded from now on.")
@ui.option(
    "-n", "--lines", type=ui.IntRange(min=0), metavar="N", default=20, show_default=True, help="How many to begin with."
)
@ui.zone_option
@ui.json_option
@ui.workspace_option
@ui.store_options
def tail(
    *,
    query: tuple[str, ...],
    follow: bool,
    lines: int,
    zone: str,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Show the newest entries, oldest of them first; with QUERY, those that match.

    \b
    whodid tail -f
    whodid tail -f kind:security outcome:denied
    """
    with open_store(store, key_file) as log:
        workspace = choose(log, workspace)
        tz = _zone(zone)
        asked = parse(" ".join(query), now=log.now(), zone=zone)
        size = log.head(workspace).size
        begin = list(_newest(log, workspace, asked, lines)) if lines else []
        _show(log, reversed(begin), tz, as_json=as_json)
        wanted = compile_query(asked)
        while follow:
            time.sleep(_POLL)
            after, size = size, log.head(workspace).size
            if size > after:
                found = (entry for entry in log.read(workspace, after, size) if wanted(entry))
                _show(log, found, tz, as_json=as_json)


@ui.command
@ui.argument("query", nargs=-1)
@ui.option(
    "-n",
    "--limit",
    type=ui.IntRange(min=0),
    metavar="N",
    default=50,
    show_default=True,
    help="How many at most; 0 for all.",
)
@ui.option("--count", "only_count", is_flag=True, help="Only say how many there are.")
@ui.zone_option
@ui.json_option
@ui.workspace_option
@ui.store_options
def search(
    *,
    query: tuple[str, ...],
    limit: int,
    only_count: bool,
    zone: str,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Find entries, newest first.

    QUERY is words and field:value terms, all of which must hold; a comma means or,
    a minus excludes, * ends a prefix.

    \b
    whodid search 'actor:"Maria Torres"' -kind:security date:yesterday
    whodid search action:contact.* change:email after:example.com
    whodid search resource:contact:con_4H7P ip:83.45.112.0/24

    \b
    Fields: actor action category kind type resource related id change before
    after reason via ip country outcome severity request session batch cause
    index date is
    """
    with open_store(store, key_file) as log:
        workspace = choose(log, workspace)
        tz = _zone(zone)
        asked = parse(" ".join(query), now=log.now(), zone=zone)
        if only_count:
            count = log.count(workspace, asked)
            text = f"{count.value:,}{'' if count.exact else '+'}"
            ui.json({"count": count.value, "exact": count.exact}) if as_json else ui.line(text)
            return
        shown = _show(log, _newest(log, workspace, asked, limit), tz, as_json=as_json)
        if not shown:
            ui.note("No entries match.")
            for term in asked.terms:
                if term.field == "actor" and not term.negated:
                    _say_how_actors_are_named(term.values)
        elif shown == limit:
            count = log.count(workspace, asked)
            if count.value > shown:
                more = f"{count.value:,}{'' if count.exact else '+'}"
                ui.note(f"{shown:,} of {more} entries; --limit 0 shows all.")


def _say_how_actors_are_named(values: Iterable[Value]) -> None:
    """Tell who asked for a part of a name, or as evidence is asked, why nobody was found."""
    for value in values:
        type_, colon, id_ = value.text.partition(":")
        if colon and type_ in ACTORS:
            ui.note(f"An actor is named without its type: actor:{id_}")
        elif not value.prefix:
            ui.note(f"actor:{value.text} is a whole id, name or address; actor:{value.text}* begins so.")


def _newest(log: Log, workspace: str, asked: Query, limit: int) -> Iterator[Entry]:
    """Yield matching entries, newest first; all of them if the limit is 0."""
    left = limit or -1
    cursor = None
    while left:
        page = log.find(workspace, asked, cursor=cursor, limit=min(left, _PAGE) if left > 0 else _PAGE)
        yield from page.entries
        left -= len(page.entries) if left > 0 else 0
        cursor = page.next
        if cursor is None:
            return


def _show(log: Log, entries: Iterable[Entry], zone: ZoneInfo, *, as_json: bool) -> int:
    shown = 0

    def rows() -> Iterator[tuple[str, ...]]:
        nonlocal shown
        for entry in entries:
            shown += 1
            said = sentence(entry, "en", log.catalog).text()
            under = second_line(entry, "en", log.catalog).plain("en")
            yield str(entry.index), _when(entry.occurred_at, zone), said, under

    if as_json:
        for entry in entries:
            shown += 1
            ui.raw(wire(entry) + b"\n")
    else:
        ui.table((">Index", f"When ({zone.key})", "What", "More"), rows(), wide=2)
    return shown


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSetting(f"There is no time zone {name!r}", "Use a name such as Europe/Madrid or UTC") from None


def _when(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


# --------------------------------------------------------------------------------------------------------------- show


@ui.command
@ui.argument("key")
@ui.zone_option
@ui.json_option
@ui.workspace_option
@ui.store_options
def show(*, key: str, zone: str, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Show everything about one entry. KEY is its index or its id."""
    with open_store(store, key_file) as log:
        workspace = choose(log, workspace)
        tz = _zone(zone)
        entry = log.get(workspace, int(key) if key.isascii() and key.isdecimal() else key)
        if as_json:
            ui.raw(wire(entry) + b"\n")
            return
        ui.table(("", ""), _facts(log, entry, tz), wide=1)
        if entry.changes:
            ui.table(("Changed", "Before", "After"), map(_change_row, entry.changes), wide=2)


def _facts(log: Log, entry: Entry, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    yield "What", sentence(entry, "en", log.catalog).text()
    yield "When", f"{entry.occurred_at.astimezone(zone):%Y-%m-%d %H:%M:%S.%f} {zone.key}"
    if abs((entry.recorded_at - entry.occurred_at).total_seconds()) > 2:
        yield "Recorded", f"{entry.recorded_at.astimezone(zone):%Y-%m-%d %H:%M:%S.%f} {zone.key}"
    yield "Who", _actor(entry.actor)
    yield "Action", f"{entry.action} ({entry.kind}, {entry.severity})"
    yield "Outcome", entry.outcome
    yield "Resource", _thing(entry.resource.type, entry.resource.id, entry.resource.name)
    for related in entry.related:
        yield f"Related ({related.rel})", _thing(related.type, related.id, related.name)
    if entry.reason is not None:
        yield "Why", ": ".join(part for part in (entry.reason.code, entry.reason.text) if part)
    for name, value in (("Cause", entry.cause), ("Batch", entry.batch)):
        if value is not None:
            yield name, value
    if entry.context is not None:
        for name, value in msgspec.to_builtins(entry.context).items():
            yield name.replace("_", " ").capitalize().replace("Ip", "IP"), str(value)
    for name, value in (entry.details or {}).items():
        yield f"details.{name}", value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if entry.marks:
        yield "Marks", " ".join(entry.marks)
    if entry.erased is not None:
        fields = ", ".join(entry.erased.paths)
        yield "Erased", f"{fields}, on {entry.erased.at:%Y-%m-%d}; recorded in entry {entry.erased.record}"
    yield "Index, id", f"{entry.index} in {entry.workspace}, {entry.id}"
    policy = read_policy(log, entry.workspace)
    held = holder(standing_holds(log, entry.workspace))(entry)
    if held is not None:
        yield "Kept until", f"legal hold {held.name} ({held.id}) is released"
        return
    day = removed_on(entry.recorded_at, policy.days_for(class_of(log.catalog, entry.action)))
    yield "Kept until", "for good" if day is None else f"{day.isoformat()} by the retention policy"


def _actor(actor: Actor) -> str:
    name = actor.name or actor.id
    known = [part for part in (actor.email, actor.role, f"{actor.type} {actor.id}") if part]
    text = f"{name} ({', '.join(known)})"
    return text if actor.on_behalf_of is None else f"{text} on behalf of {_actor(actor.on_behalf_of)}"


def _thing(type_: str, id_: str, name: str | None) -> str:
    return f"{name} ({type_} {id_})" if name else f"{type_} {id_}"


def _change_row(change: Change) -> tuple[str, str, str]:
    if change.class_ == "secret":
        before, after = change.before_fp, change.after_fp
        return change.path, f"secret, fingerprint {before or 'none'}", f"secret, fingerprint {after or 'none'}"
    if change.added is not msgspec.UNSET or change.removed is not msgspec.UNSET:
        return change.path, f"− {_value(change.removed)}", f"+ {_value(change.added)}"
    return change.path, _value(change.before), _value(change.after)


def _value(value: Any) -> str:
    if value is msgspec.UNSET:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


# -------------------------------------------------------------------------------------------------------------- stats


@ui.command
@ui.json_option
@ui.workspace_option
@ui.store_options
def stats(*, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Show how much a store holds: of one workspace with what it is made of, or of all."""
    with open_store(store, key_file) as log:
        found = [_figures(log, name) for name in every(log, workspace)]
        if as_json:
            ui.json(found if workspace is None else found[0])
            return
        columns = (">Entries", ">Kept", "Oldest", "Newest", "Retention", "Workspace")
        ui.table(columns, map(_figure_row, found), wide=5)
        if len(found) == 1:
            for field in ("kind", "action", "actor"):
                facets = log.facets(found[0]["workspace"], "", field, limit=10)
                ui.table((">Entries", field.capitalize()), [(f"{f.count:,}", f.label) for f in facets.values])


def _figures(log: Log, workspace: str) -> dict[str, Any]:
    figures: dict[str, Any] = {"workspace": workspace, **log.stats(workspace)}
    head = log.head(workspace)
    oldest = next(log.read(workspace, head.first), None)
    figures["origin"] = head.origin
    figures["oldest_at"] = None if oldest is None else time_text(oldest.recorded_at)
    figures["newest_at"] = time_text(from_micros(head.recorded_at))
    figures["retention"] = msgspec.to_builtins(read_policy(log, workspace))
    figures["verifier_key"] = log.verifier_key(workspace)
    return figures


def _figure_row(figures: dict[str, Any]) -> tuple[str, ...]:
    days = figures["retention"]["days"]
    return (
        f"{figures['size']:,}",
        f"{figures['entries']:,}",
        (figures["oldest_at"] or "")[:10],
        figures["newest_at"][:10],
        "for good" if days is None else ui.counted(days, "day"),
        figures["workspace"],
    )


COMMANDS = {"tail": tail, "search": search, "show": show, "stats": stats}
