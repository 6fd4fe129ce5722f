"""How did this get approved? Every round from what was written to the word `approved`.

An approval is a successful entry in which a field becomes `approved`, or whose action is called so.
"""

from __future__ import annotations

from whodid.answers.find import Work, declared
from whodid.answers.shape import Basis, Part, Row, Said, text_of
from whodid.model import Change, Entry

__all__ = ["approval"]

_APPROVED = "approved"
_Result = tuple[Said, tuple[Row, ...], Basis, tuple[Entry, ...]]


def approval(work: Work) -> _Result:
    """Find who approved the subject and when, who had written what was approved, and what became of it."""
    subject = work.about()
    basis = Basis(actions=declared(work.catalog, "approval", of=subject.type), resources=((subject.type, subject.id),))
    entries = work.entries(basis)
    subject = work.known(entries)
    written: Entry | None = None
    approvals: list[Entry] = []
    rows: list[Row] = []
    after: tuple[Entry, str] | None = None
    for entry in reversed(entries):
        if entry.outcome != "success" or (entry.resource.type, entry.resource.id) != (subject.type, subject.id):
            continue
        if _approves(entry):
            said = [Said.of("approval.round", actor=entry.actor, at=entry.occurred_at)]
            if written is not None:
                said.append(Said.of("approval.written", entry=written, at=written.occurred_at))
            indexes = (entry.index,) if written is None else (written.index, entry.index)
            rows.append(Row(subject=subject, said=tuple(said), indexes=indexes))
            approvals.append(entry)
            after = None
            continue
        if entry.kind in {"create", "update"}:
            written = entry
        left = next((change for change in entry.changes if _is_approved(change.before)), None)
        if left is not None:
            after = entry, text_of(left.after)
    if not approvals:
        return Said.of("approval.none", subject=subject), (), basis, entries
    last = approvals[-1]
    parts: dict[str, Part] = {"subject": subject, "actor": last.actor, "at": last.occurred_at}
    if after is None:
        return Said("approval.done", parts), tuple(rows), basis, entries
    left_by, status = after
    parts |= {"status": status, "by": left_by.actor, "then": left_by.occurred_at}
    return Said("approval.left", parts), tuple(rows), basis, entries


def _approves(entry: Entry) -> bool:
    return entry.action.rpartition(".")[2] == _APPROVED or any(_becomes(change) for change in entry.changes)


def _becomes(change: Change) -> bool:
    return _is_approved(change.after) and not _is_approved(change.before)


def _is_approved(value: object) -> bool:
    return isinstance(value, str) and value.casefold() == _APPROVED
