"""What can be permitted, and the roles that every workspace starts with."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["AREAS", "BUILTIN", "PERMISSIONS", "touches_power"]

AREAS: dict[str, tuple[str, ...]] = {
    "contacts": ("read", "create", "update", "delete", "merge"),
    "templates": ("read", "create", "update", "delete"),
    "accounts": ("read", "update", "manage"),
    "users": ("read", "create", "manage"),
    "roles": ("read", "create", "update", "delete"),
    "audit": ("read", "export", "pii"),
}
"""Verbs by area. `accounts:manage` replaces tokens, `users:manage` changes roles and deactivates people, `audit:pii`
shows personal values in the log."""

PERMISSIONS: tuple[str, ...] = tuple(f"{area}:{verb}" for area, verbs in AREAS.items() for verb in verbs)

_EVERYDAY = ("contacts:read", "contacts:create", "contacts:update", "templates:read")

BUILTIN: dict[str, tuple[str, tuple[str, ...]]] = {
    "Owner": ("Everything, including who may do what.", PERMISSIONS),
    "Admin": ("Runs the workspace: people, roles, accounts and the audit log.", PERMISSIONS),
    "Manager": (
        "Runs the daily work: contacts, templates, and reading the audit log.",
        (
            *_EVERYDAY,
            "contacts:delete",
            "contacts:merge",
            "templates:create",
            "templates:update",
            "templates:delete",
            "accounts:read",
            "users:read",
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
