"""Outbound webhooks."""

from __future__ import annotations

from whodid.catalog.actions._story import JOB, MADRID, TOMAS, said
from whodid.catalog.catalog import Action, Wording
from whodid.model import FieldClass

_CLASSES: dict[str, FieldClass] = {"secret": "secret", "headers.*": "secret"}
_ORDERS = {"type": "webhook", "id": "whk_2O", "name": "Order events"}

ACTIONS = (
    Action(
        name="webhook.created",
        kind="create",
        severity="notice",
        sensitivity="S",
        resource_type="webhook",
        classes=_CLASSES,
        label={"en": "Webhook created", "es": "Webhook creado"},
        sentences={
            "en": Wording(
                success="{actor} created webhook {resource}",
                denied="{actor} was not allowed to create webhook {resource}",
                failed="{actor} tried to create webhook {resource} without success",
            ),
            "es": Wording(
                success="{actor} creó el webhook {resource}",
                denied="{actor} no tuvo permiso para crear el webhook {resource}",
                failed="{actor} intentó sin éxito crear el webhook {resource}",
            ),
        },
        parts={"url": "changes.url.after"},
        summaries={"en": "{url}", "es": "{url}"},
        example=said(
            42,
            "2026-09-21T09:05:37.582Z",
            "webhook.created",
            TOMAS,
            _ORDERS,
            changes=[
                {"path": "url", "op": "add", "after": "https://hooks.lumen.es/v1"},
                {"path": "events", "op": "add", "after": ["message.sent", "message.failed"]},
                {"path": "secret", "op": "add", "class": "secret", "after_fp": "9f2c41d07be85ae1"},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="webhook.deleted",
        kind="delete",
        severity="warning",
        sensitivity="S",
        resource_type="webhook",
        classes=_CLASSES,
        label={"en": "Webhook deleted", "es": "Webhook eliminado"},
        sentences={
            "en": Wording(
                success="{actor} deleted webhook {resource}",
                denied="{actor} was not allowed to delete webhook {resource}",
                failed="{actor} tried to delete webhook {resource} without success",
            ),
            "es": Wording(
                success="{actor} eliminó el webhook {resource}",
                denied="{actor} no tuvo permiso para eliminar el webhook {resource}",
                failed="{actor} intentó sin éxito eliminar el webhook {resource}",
            ),
        },
        parts={"url": "changes.url.before"},
        summaries={"en": "{url}", "es": "{url}"},
        example=said(
            43,
            "2026-10-08T12:30:58.206Z",
            "webhook.deleted",
            TOMAS,
            {"type": "webhook", "id": "whk_1T", "name": "Test receiver"},
            changes=[
                {"path": "url", "op": "remove", "before": "https://test.lumen.es/in"},
                {"path": "secret", "op": "remove", "class": "secret", "before_fp": "c01d5e7790ab3f14"},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="webhook.updated",
        kind="update",
        severity="notice",
        sensitivity="S",
        resource_type="webhook",
        named=True,
        classes=_CLASSES,
        label={"en": "Webhook updated", "es": "Webhook modificado"},
        sentences={
            "en": Wording(
                success="{actor} updated webhook {resource}",
                denied="{actor} was not allowed to update webhook {resource}",
                failed="{actor} tried to update webhook {resource} without success",
            ),
            "es": Wording(
                success="{actor} modificó el webhook {resource}",
                denied="{actor} no tuvo permiso para modificar el webhook {resource}",
                failed="{actor} intentó sin éxito modificar el webhook {resource}",
            ),
        },
        example=said(
            44,
            "2026-11-20T08:58:44.137Z",
            "webhook.updated",
            TOMAS,
            _ORDERS,
            severity="warning",
            changes=[
                {"path": "url", "before": "https://hooks.lumen.es/v1", "after": "https://hooks.lumen.es/v2"},
                {
                    "path": "secret",
                    "class": "secret",
                    "before_fp": "9f2c41d07be85ae1",
                    "after_fp": "41ab03c98d6f2e77",
                },
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="webhook.health_changed",
        kind="status",
        severity="notice",
        resource_type="webhook",
        label={"en": "Webhook health changed", "es": "Salud del webhook cambiada"},
        sentences={
            "en": "The health of webhook {resource} changed",
            "es": "Cambió la salud del webhook {resource}",
        },
        example=said(
            45,
            "2026-11-15T03:41:22.690Z",
            "webhook.health_changed",
            {"type": "system", "id": "webhook_sender", "name": "Webhook sender"},
            _ORDERS,
            changes=[{"path": "health", "before": "ok", "after": "failing"}],
            reason={"text": "3 × HTTP 502"},
            details={"attempts": 3, "http_status": 502},
            context=JOB,
        ),
    ),
)
