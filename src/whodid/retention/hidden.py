"""What a file has to hide of some people: what an erasure would take, and what others wrote about them."""

from __future__ import annotations

from collections.abc import Sequence

from whodid.log import Hiding, Log
from whodid.retention.erasure import traces

__all__ = ["hiding"]


def hiding(log: Log, workspace: str, fields: Sequence[str] = (), people: Sequence[str] = ()) -> Hiding | None:
    """Return what a file has to hide; None when that is nothing.

    Args:
        fields: As `whodid.log.Hiding` names them.
        people: `TYPE:ID`; with their own values, every field goes in which one of their names or addresses occurs.

    Raises:
        InvalidSetting: A field cannot be hidden, or a person is nobody.
        NotFound: The workspace has no log.
    """
    if not fields and not people:
        return None
    known = log.head(workspace).size
    found: dict[int, tuple[str, ...]] = {}
    for person in people:
        for index, paths in traces(log, workspace, person).items():
            found[index] = (*found.get(index, ()), *paths)
    return Hiding(fields=tuple(fields), people=tuple(people), traces=found, known=known if people else None)
