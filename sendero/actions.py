"""The actions of the workspace: whodid's own, and those that Sendero declares by the same means."""

from __future__ import annotations

from functools import cache

from sendero.segment_actions import SEGMENT_ACTIONS
from whodid import Action, Catalog, builtin
from whodid.catalog import Wording

__all__ = ["catalog"]

_PAGE_OPENED = Action(
    name="page.opened",
    kind="security",
    severity="notice",
    resource_type="page",
    label={"en": "Page opened", "es": "Página abierta"},
    sentences={
        "en": Wording(
            success="{actor} opened the page {resource}",
            denied="{actor} was not allowed to open the page {resource}",
            failed="{actor} could not open the page {resource}",
        ),
        "es": Wording(
            success="{actor} abrió la página {resource}",
            denied="{actor} no tuvo permiso para abrir la página {resource}",
            failed="{actor} no pudo abrir la página {resource}",
        ),
    },
    example={
        "id": "01930000-0000-7000-8000-000000000001",
        "occurred_at": "2026-11-20T09:00:00.000000Z",
        "actor": {"type": "user", "id": "usr_1", "name": "Lucía Gil", "role": "Agent"},
        "action": "page.opened",
        "resource": {"type": "page", "id": "/settings/roles", "name": "Roles"},
        "outcome": "denied",
    },
)


@cache
def catalog() -> Catalog:
    """Return the catalog that Sendero's log is opened with."""
    return builtin().declare(_PAGE_OPENED, *SEGMENT_ACTIONS)
