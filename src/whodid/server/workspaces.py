"""What an operator sees of the workspaces of a deployment: how much there is and how old, never what it says."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from whodid.errors import NotFound
from whodid.log import Log
from whodid.retention import Policy, read_policy

__all__ = ["WorkspaceList", "WorkspaceView", "look_at", "page_of"]


class WorkspaceView(Struct, frozen=True, kw_only=True):
    """A workspace as its operator sees it.

    Args:
        size: Number of entries that were ever recorded.
        entries: How many of them still have their content.
        oldest_at: When the oldest of those was recorded.
        last_at: When the newest was recorded.
        retention: How long entries are kept.
    """

    workspace: str
    size: int
    entries: int
    oldest_at: datetime | None
    last_at: datetime | None
    retention: Policy


class WorkspaceList(Struct, frozen=True, kw_only=True):
    """Workspaces by name.

    Args:
        total: How many there are.
        next: Name to go on after; null when these are the last.
    """

    items: tuple[WorkspaceView, ...]
    total: int
    next: str | None


def look_at(log: Log, workspace: str) -> WorkspaceView:
    """Return what there is to say of one workspace; one without a log is empty."""
    policy = read_policy(log, workspace)
    try:
        stats = log.stats(workspace)
    except NotFound:
        return WorkspaceView(workspace=workspace, size=0, entries=0, oldest_at=None, last_at=None, retention=policy)
    oldest = next(log.read(workspace, stats["first"]), None)
    newest = next(log.read(workspace, stats["size"] - 1), oldest)
    return WorkspaceView(
        workspace=workspace,
        size=stats["size"],
        entries=stats["entries"],
        oldest_at=oldest.recorded_at if oldest else None,
        last_at=newest.recorded_at if newest else None,
        retention=policy,
    )


def page_of(log: Log, *, search: str = "", after: str = "", limit: int) -> WorkspaceList:
    """Return workspaces whose name has a text in it, from a name on."""
    found = [name for name in log.workspaces() if search.lower() in name.lower()]
    rest = [name for name in found if name > after]
    shown = rest[:limit]
    return WorkspaceList(
        items=tuple(look_at(log, name) for name in shown),
        total=len(found),
        next=shown[-1] if len(rest) > len(shown) else None,
    )
