"""Who deleted this? Deletions by their kind, and being merged into something else."""

from __future__ import annotations

from whodid.answers.find import Work, term
from whodid.answers.shape import Basis, Row, Said, Subject
from whodid.model import Entry
from whodid.query import Query

__all__ = ["deletion"]

_ABSORBED = "absorbed"
_Result = tuple[Said, tuple[Row, ...], Basis, tuple[Entry, ...]]


def deletion(work: Work) -> _Result:
    """Find who deleted the subject, or merged it away, and whether it came back."""
    subject = work.about()
    key = (subject.type, subject.id)
    absorbing = {entry.action for entry in work.reader.find(_touching(subject)) if _absorbed(entry, key)}
    actions = tuple(dict.fromkeys((*work.kinds("create", "delete"), *sorted(absorbing))))
    basis = Basis(actions=actions, resources=(key,))
    entries = work.entries(basis)
    subject = work.known(entries)
    own = [entry for entry in entries if (entry.resource.type, entry.resource.id) == key]
    ends = [
        entry
        for entry in entries
        if entry.outcome == "success" and (_absorbed(entry, key) or (entry.kind == "delete" and entry in own))
    ]
    attempts = [entry for entry in own if entry.kind == "delete" and entry.outcome != "success"]
    rows = [_row(subject, entry) for entry in (*ends, *attempts)]
    if not ends:
        return Said.of("deletion.none", subject=subject), tuple(rows), basis, entries
    last = ends[0]
    place = (last.occurred_at, last.index)
    back = [one for one in own if one.kind == "create" and (one.occurred_at, one.index) > place]
    if back:
        said = Said.of("deletion.back", entry=last, at=last.occurred_at, again=back[0].occurred_at)
    elif _absorbed(last, key):
        into = Subject(type=last.resource.type, id=last.resource.id, name=last.resource.name)
        said = Said.of("deletion.merged", subject=subject, into=into, actor=last.actor, at=last.occurred_at)
    else:
        said = Said.of("deletion.done", entry=last, at=last.occurred_at)
    return said, tuple(rows), basis, entries


def _touching(subject: Subject) -> Query:
    return Query(terms=(term("related", f"{subject.type}:{subject.id}"),))


def _absorbed(entry: Entry, key: tuple[str, str]) -> bool:
    return any((one.type, one.id) == key and one.rel == _ABSORBED for one in entry.related)


def _row(subject: Subject, entry: Entry) -> Row:
    said = [Said.of("row.entry", entry=entry, at=entry.occurred_at)]
    if entry.reason is not None and entry.reason.text:
        said.append(Said.of("row.reason", reason=entry.reason.text))
    return Row(subject=subject, said=tuple(said), indexes=(entry.index,))
