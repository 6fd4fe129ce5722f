"""Why did this stop? The entry that stopped it, and the entries that made one another happen before that."""

from __future__ import annotations

from whodid.answers.find import Work, declared
from whodid.answers.shape import Basis, Part, Row, Said, Subject
from whodid.errors import NotFound
from whodid.model import Entry

__all__ = ["stop"]

_FURTHEST = 10
_Result = tuple[Said, tuple[Row, ...], Basis, tuple[Entry, ...]]


def stop(work: Work) -> _Result:
    """Find what stopped the subject last, follow its causes, and tell whether it runs again.

    The basis takes in what caused the stop: the same actions about all resources of the chain.
    """
    subject = work.about()
    key = (subject.type, subject.id)
    stops, starts = (declared(work.catalog, mark, of=subject.type) for mark in ("stop", "start"))
    own = Basis(actions=(*stops, *starts), resources=(key,))
    entries = work.entries(own)
    subject = work.known(entries)
    done = [one for one in entries if one.outcome == "success" and (one.resource.type, one.resource.id) == key]
    stopped = next((one for one in done if one.action in stops), None)
    if stopped is None:
        return Said.of("stop.none", subject=subject), (), own, entries
    chain = _causes(work, stopped)
    basis = Basis(
        actions=tuple(dict.fromkeys((*own.actions, *(one.action for one in chain)))),
        resources=tuple(dict.fromkeys((key, *((one.resource.type, one.resource.id) for one in chain)))),
    )
    rows = tuple(_step(one, first=one is stopped) for one in (stopped, *chain))
    place = (stopped.occurred_at, stopped.index)
    again = [one for one in done if one.action in starts and (one.occurred_at, one.index) > place]
    parts: dict[str, Part] = {"entry": stopped, "at": stopped.occurred_at}
    if again:
        said = Said.of("stop.again", **parts, actor=again[-1].actor, again=again[-1].occurred_at)
    elif chain:
        said = Said.of("stop.caused", **parts, cause=chain[-1], then=chain[-1].occurred_at)
    else:
        said = Said("stop.done", parts)
    return said, rows, basis, work.entries(basis)


def _causes(work: Work, entry: Entry) -> list[Entry]:
    """Follow the causes of an entry, nearest first, as far as they can be read."""
    chain: list[Entry] = []
    seen = {entry.id}
    at = entry
    while at.cause is not None and at.cause not in seen and len(chain) < _FURTHEST:
        seen.add(at.cause)
        try:
            found = work.reader.get(at.cause)
        except NotFound:
            work.limits.append(Said.of("limit.cause", index=at.index))
            break
        chain.append(found)
        at = found
    return chain


def _step(entry: Entry, *, first: bool) -> Row:
    code = "row.entry" if first else "stop.because"
    said = [Said.of(code, entry=entry, at=entry.occurred_at)]
    if entry.reason is not None and (entry.reason.text or entry.reason.code):
        said.append(Said.of("row.reason", reason=entry.reason.text or entry.reason.code or ""))
    resource = entry.resource
    subject = Subject(type=resource.type, id=resource.id, name=resource.name)
    return Row(subject=subject, said=tuple(said), indexes=(entry.index,))
