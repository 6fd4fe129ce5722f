"""Which API keys existed, who made and who revoked them? Beginnings and ends, as the catalog marks them."""

from __future__ import annotations

from whodid.answers.find import Work, declared
from whodid.answers.shape import Basis, Row, Said, Subject
from whodid.model import Entry

__all__ = ["keys"]

_Result = tuple[Said, tuple[Row, ...], Basis, tuple[Entry, ...]]


def keys(work: Work) -> _Result:
    """Find every key that was valid at some moment of the period, with who made and who ended it."""
    made_by, ended_by = declared(work.catalog, "key_made"), declared(work.catalog, "key_ended")
    only = () if work.subject is None else ((work.subject.type, work.subject.id),)
    basis = Basis(actions=(*made_by, *ended_by), resources=only)
    entries = work.entries(basis)
    lives: dict[tuple[str, str], list[Entry]] = {}
    for entry in reversed(entries):
        key = (entry.resource.type, entry.resource.id)
        if entry.outcome == "success" and (not only or key in only):
            lives.setdefault(key, []).append(entry)
    rows: list[Row] = []
    valid = 0
    for (type_, id_), life in lives.items():
        made = next((one for one in life if one.action in made_by), None)
        ended = next((one for one in life if one.action in ended_by), None)
        if made is not None and work.until is not None and made.occurred_at >= work.until:
            continue
        if ended is not None and work.since is not None and ended.occurred_at < work.since:
            continue
        end = work.until or work.now
        open_ = ended is None or ended.occurred_at >= end
        valid += open_
        said = [Said("key.before") if made is None else Said.of("key.made", actor=made.actor, at=made.occurred_at)]
        said.append(Said("key.open") if ended is None else Said.of("row.entry", entry=ended, at=ended.occurred_at))
        name = next((one.resource.name for one in reversed(life) if one.resource.name), None)
        indexes = tuple(one.index for one in (made, ended) if one is not None)
        rows.append(Row(subject=Subject(type=type_, id=id_, name=name), said=tuple(said), indexes=indexes))
    if not rows:
        return Said("key.none"), (), basis, entries
    return Said.of("key.found", count=len(rows), valid=valid), tuple(rows), basis, entries
