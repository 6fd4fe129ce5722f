"""API keys."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, JOB, MADRID, SCHEDULER, TOMAS, said
from whodid.catalog.catalog import Action, Wording
from whodid.model import FieldClass

_CLASSES: dict[str, FieldClass] = {"key_hash": "secret"}
_WIDGET = {"type": "api_key", "id": "key_1W", "name": "Old website widget"}

ACTIONS = (
    Action(
        name="api_key.created",
        kind="security",
        severity="warning",
        sensitivity="SA",
        resource_type="api_key",
        named=True,
        classes=_CLASSES,
        answers=("key_made",),
        label={"en": "API key created", "es": "Clave de API creada"},
        sentences={
            "en": Wording(
                success="{actor} created API key {resource}",
                denied="{actor} was not allowed to create API key {resource}",
                failed="{actor} tried to create API key {resource} without success",
            ),
            "es": Wording(
                success="{actor} creó la clave de API {resource}",
                denied="{actor} no tuvo permiso para crear la clave de API {resource}",
                failed="{actor} intentó sin éxito crear la clave de API {resource}",
            ),
        },
        parts={"prefix": "changes.prefix.after", "expires": "changes.expires_at.after"},
        summaries={"en": "{prefix}, expires {expires}", "es": "{prefix}, caduca {expires}"},
        example=said(
            55,
            "2026-11-20T09:44:36.902Z",
            "api_key.created",
            TOMAS,
            {"type": "api_key", "id": "key_3C", "name": "CRM sync"},
            changes=[
                {"path": "prefix", "op": "add", "after": "ak_live_7Q"},
                {"path": "permissions", "op": "add", "after": ["contacts:read", "contacts:update"]},
                {"path": "expires_at", "op": "add", "after": "2027-02-20"},
                {"path": "key_hash", "op": "add", "class": "secret", "after_fp": "3c96e0b814fd725a"},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="api_key.revoked",
        kind="security",
        severity="warning",
        sensitivity="A",
        resource_type="api_key",
        named=True,
        classes=_CLASSES,
        answers=("key_ended",),
        label={"en": "API key revoked", "es": "Clave de API revocada"},
        sentences={
            "en": Wording(
                success="{actor} revoked API key {resource}",
                denied="{actor} was not allowed to revoke API key {resource}",
                failed="{actor} tried to revoke API key {resource} without success",
            ),
            "es": Wording(
                success="{actor} revocó la clave de API {resource}",
                denied="{actor} no tuvo permiso para revocar la clave de API {resource}",
                failed="{actor} intentó sin éxito revocar la clave de API {resource}",
            ),
        },
        parts={"last_used": "details.last_used_at"},
        summaries={"en": "Last used {last_used}", "es": "Último uso: {last_used}"},
        example=said(
            56,
            "2026-11-20T09:44:19.058Z",
            "api_key.revoked",
            AISHA,
            _WIDGET,
            changes=[
                {"path": "status", "before": "active", "after": "revoked"},
                {"path": "revoked_at", "op": "add", "after": "2026-11-20T09:44:19Z"},
            ],
            details={"last_used_at": "2026-09-19"},
            context=MADRID,
        ),
    ),
    Action(
        name="api_key.expired",
        kind="security",
        severity="notice",
        resource_type="api_key",
        classes=_CLASSES,
        answers=("key_ended",),
        label={"en": "API key expired", "es": "Clave de API caducada"},
        sentences={"en": "API key {resource} expired", "es": "La clave de API {resource} caducó"},
        example=said(
            57,
            "2026-11-15T00:00:00.004Z",
            "api_key.expired",
            SCHEDULER,
            {"type": "api_key", "id": "key_2Z", "name": "Zapier trial"},
            changes=[{"path": "status", "before": "active", "after": "expired"}],
            context=JOB,
        ),
    ),
    Action(
        name="api_key.denied",
        kind="security",
        severity="warning",
        resource_type="api_key",
        classes=_CLASSES,
        label={"en": "API key refused", "es": "Clave de API rechazada"},
        sentences={
            "en": Wording(
                success="API key {resource} was refused",
                denied="API key {resource} was refused",
                failed="API key {resource} was refused",
            ),
            "es": Wording(
                success="Se rechazó la clave de API {resource}",
                denied="Se rechazó la clave de API {resource}",
                failed="Se rechazó la clave de API {resource}",
            ),
        },
        parts={"cause": "details.cause", "ip": "context.ip"},
        summaries={"en": "{cause}, from {ip}", "es": "{cause}, desde {ip}"},
        example=said(
            58,
            "2026-11-20T12:02:17.433Z",
            "api_key.denied",
            {"type": "api_key", "id": "key_1W", "name": "Old website widget"},
            _WIDGET,
            outcome="denied",
            details={"cause": "revoked", "route": "GET /v1/contacts"},
            context={"source": "api", "ip": "203.0.113.9", "request": "req_01K9ZRQ7H2XE"},
        ),
    ),
)
