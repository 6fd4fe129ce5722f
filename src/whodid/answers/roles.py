"""Who had which role on a given day? What was recorded about it, before and after that day.

A role is a field whose path ends in `role` or `roles`, and a state is one that ends in `status`, in the entries of the
actions that the catalog marks. Of people whose role no kept entry tells, the role is taken that stands in their own
acts: it was written down with them, and the evidence file of this answer does not hold them.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from msgspec import UNSET

from whodid.answers.find import Work, declared, term
from whodid.answers.shape import Basis, Part, Row, Said, Subject, text_of
from whodid.model import Change, Entry
from whodid.query import Query

__all__ = ["roles"]

_ROLES = frozenset({"role", "roles"})
_STATES = frozenset({"status"})
_PERSON = "user"
_Result = tuple[Said, tuple[Row, ...], Basis, tuple[Entry, ...]]
_Key = tuple[str, str]


class _Value(NamedTuple):
    """What a field was, and the entry that says so; `since` is None when it was so before that entry."""

    text: str
    entry: Entry
    since: datetime | None


def roles(work: Work) -> _Result:
    """Compute who had which role at the beginning of the period, and what changed within it."""
    only = () if work.subject is None else ((work.subject.type, work.subject.id),)
    basis = Basis(actions=declared(work.catalog, "role"), resources=only)
    entries = work.entries(basis)
    end = work.until or work.now
    start = work.since or end
    lives: dict[_Key, list[Entry]] = {}
    for entry in reversed(entries):
        key = (entry.resource.type, entry.resource.id)
        if entry.outcome == "success" and (not only or key in only):
            lives.setdefault(key, []).append(entry)
    rows = [row for key, life in lives.items() if (row := _life(key, life, start, end)) is not None]
    told = {(row.subject.type, row.subject.id) for row in rows} | {
        key for key, life in lives.items() if life[0].kind == "create"
    }
    rows += _acted(work, told, end)
    rows.sort(key=lambda row: ((row.subject.name or row.subject.id).casefold(), row.subject.id))
    if not rows:
        return Said.of("role.none", at=start), (), basis, entries
    code = "role.found" if all(row.proven for row in rows) else "role.partly"
    unproven = sum(not row.proven for row in rows)
    return Said.of(code, at=start, count=len(rows), unproven=unproven), tuple(rows), basis, entries


def _life(key: _Key, life: list[Entry], start: datetime, end: datetime) -> Row | None:
    """Say what one person had; None when the person was not there at all, or nothing tells."""
    if life[0].kind == "create" and life[0].occurred_at >= end:
        return None
    gone = [one for one in life if one.kind == "delete" and one.occurred_at < start]
    if gone and not any(one.kind == "create" and one.occurred_at > gone[-1].occurred_at for one in life):
        return None
    role, state = _value(life, _ROLES, start), _value(life, _STATES, start)
    within = [one for one in life if start <= one.occurred_at < end]
    said: list[Said] = []
    indexes: list[int] = []
    for code, found in (("role.held", role), ("role.state", state)):
        if found is not None:
            since: dict[str, Part] = {} if found.since is None else {"since": found.since, "actor": found.entry.actor}
            said.append(Said.of(code if since else f"{code}_before", value=found.text, **since))
            indexes.append(found.entry.index)
    for entry in within:
        for change in entry.changes:
            value = _after(change) if _named(change, _ROLES | _STATES) else None
            if value is not None:
                code = "role.became" if _named(change, _ROLES) else "role.state_became"
                said.append(Said.of(code, value=value, at=entry.occurred_at, actor=entry.actor))
                indexes.append(entry.index)
    if role is None and not any(one.code == "role.became" for one in said):
        return None
    name = next((one.resource.name for one in reversed(life) if one.resource.name), None)
    subject = Subject(type=key[0], id=key[1], name=name)
    return Row(subject=subject, said=tuple(said), indexes=tuple(dict.fromkeys(indexes)))


def _value(life: list[Entry], paths: frozenset[str], at: datetime) -> _Value | None:
    """Return what a field was at a moment: what it last became, or what the first later change found it to be."""
    later: _Value | None = None
    for entry in reversed(life):
        for change in entry.changes:
            if not _named(change, paths):
                continue
            if entry.occurred_at < at:
                value = _after(change)
                return None if value is None else _Value(value, entry, entry.occurred_at)
            if change.before is not UNSET:
                later = _Value(text_of(change.before), entry, None)
            elif change.op == "add":
                later = None
    return later


def _named(change: Change, paths: frozenset[str]) -> bool:
    return change.path.rpartition(".")[2] in paths


def _after(change: Change) -> str | None:
    if change.after is not UNSET:
        return text_of(change.after)
    if change.added is not UNSET or change.removed is not UNSET:
        signs = (("+", change.added), ("−", change.removed))
        return ", ".join(
            f"{sign}{text_of(one)}" for sign, values in signs if isinstance(values, list) for one in values
        )
    return None


def _acted(work: Work, told: set[_Key], end: datetime) -> list[Row]:
    """Take the role of everybody else from what they did last before the end of the period."""
    rows: list[Row] = []
    asked = work.subject
    people = [asked.id] if asked is not None else work.reader.actors()
    for id_ in people:
        if (_PERSON, id_) in told or (asked is not None and asked.type != _PERSON):
            continue
        query = Query(terms=(term("actor", id_),), until=end)
        entry = next(
            (
                one
                for one in work.reader.find(query)
                if (one.actor.type, one.actor.id) == (_PERSON, id_) and one.actor.role
            ),
            None,
        )
        if entry is not None and entry.actor.role is not None:
            subject = Subject(type=_PERSON, id=id_, name=entry.actor.name)
            said = (Said.of("role.acted", value=entry.actor.role, at=entry.occurred_at, index=entry.index),)
            rows.append(Row(subject=subject, said=said, indexes=(entry.index,), proven=False))
    return rows
