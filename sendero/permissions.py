"""What can be permitted, and the roles that every workspace starts with."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["AREAS", "BUILTIN", "KEY_PERMISSIONS", "PERMISSIONS", "touches_power"]

AREAS: dict[str, tuple[str, ...]] = {
    "contacts": ("read", "create", "update", "delete", "merge", "export", "manage"),
    "segments": ("read", "create", "update", "delete"),
    "templates": ("read", "create", "update", "delete"),
    "campaigns": ("read", "create", "update", "delete", "start", "pause"),
    "accounts": ("read", "create", "update", "delete", "manage"),
    "users": ("read", "create", "manage"),
    "teams": ("read", "create", "update", "delete"),
    "roles": ("read", "create", "update", "delete"),
    "webhooks": ("read", "create", "update", "delete"),
    "keys": ("read", "create", "delete"),
    "sso": ("read", "manage"),
    "workspace": ("update",),
    "audit": ("read", "export", "pii", "manage"),
}
"""Verbs by area.

`accounts:manage` replaces tokens, `users:manage` changes roles, deactivates people and ends their sessions,
`contacts:manage` erases a person, `campaigns:start` schedules, starts and resumes, `campaigns:pause` pauses and
cancels, `audit:pii` shows personal values in the log, `audit:manage` changes how long it is kept.
"""

PERMISSIONS: tuple[str, ...] = tuple(f"{area}:{verb}" for area, verbs in AREAS.items() for verb in verbs)

KEY_PERMISSIONS: tuple[str, ...] = (
    "contacts:read",
    "contacts:create",
    "contacts:update",
    "contacts:delete",
    "segments:read",
    "templates:read",
    "campaigns:read",
    "campaigns:pause",
)
"""What an API key can be permitted: what the routes of the API ask for."""

_EVERYDAY = (
    "contacts:read",
    "contacts:create",
    "contacts:update",
    "segments:read",
    "templates:read",
    "campaigns:read",
)

BUILTIN: dict[str, tuple[str, tuple[str, ...]]] = {
    "Owner": ("Everything, including who may do what.", PERMISSIONS),
    "Admin": ("Runs the workspace: people, roles, accounts and the audit log.", PERMISSIONS),
    "Manager": (
        "Runs the daily work: contacts, templates, and reading the audit log.",
        (
            *_EVERYDAY,
            "contacts:delete",
            "contacts:merge",
            "contacts:export",
            "segments:create",
            "segments:update",
            "segments:delete",
            "templates:create",
            "templates:update",
            "templates:delete",
            "campaigns:create",
            "campaigns:update",
            "campaigns:delete",
            "campaigns:start",
            "campaigns:pause",
            "accounts:read",
            "users:read",
            "teams:read",
            "teams:update",
            "webhooks:read",
            "audit:read",
        ),
    ),
    "Agent": ("Talks with customers and keeps their contacts current.", _EVERYDAY),
    "Auditor": ("Reads and exports the audit log, and nothing else.", ("audit:read", "audit:export")),
}
"""Name → description and permissions."""


def touches_power(permissions: Collection[str]) -> bool:
    """Tell whether permissions let somebody delete, decide about people, or reach the audit log."""
    return any(
        permission.endswith(":delete") or permission.startswith(("users:", "roles:", "audit:"))
        for permission in permissions
    )
