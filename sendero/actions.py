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

_NOTICE_REFUSED = Action(
    name="account.notice_refused",
    kind="security",
    severity="warning",
    resource_type="workspace",
    label={"en": "Forged WhatsApp notice refused", "es": "Aviso de WhatsApp falso rechazado"},
    sentences={
        lang: Wording(success=text, denied=text, failed=text)
        for lang, text in (
            ("en", "A notice to {resource} that did not come from WhatsApp was refused"),
            ("es", "Se rechazó un aviso a {resource} que no venía de WhatsApp"),
        )
    },
    parts={"cause": "details.cause", "ip": "context.ip"},
    summaries={"en": "{cause}, from {ip}", "es": "{cause}, desde {ip}"},
    example={
        "id": "01930000-0000-7000-8000-000000000002",
        "occurred_at": "2026-11-20T09:00:00.000000Z",
        "actor": {"type": "anonymous", "id": "anonymous"},
        "action": "account.notice_refused",
        "resource": {"type": "workspace", "id": "wsp_1", "name": "Casa Lumen"},
        "outcome": "denied",
        "details": {"cause": "signature"},
        "context": {"source": "webhook", "ip": "203.0.113.9"},
    },
)


@cache
def catalog() -> Catalog:
    """Return the catalog that Sendero's log is opened with."""
    return builtin().declare(_PAGE_OPENED, _NOTICE_REFUSED, *SEGMENT_ACTIONS)
