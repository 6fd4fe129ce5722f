"""Connected WhatsApp numbers."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, MADRID, MARIA, TOMAS, WEBHOOK, WHATSAPP, said
from whodid.catalog.catalog import Action, Wording
from whodid.model import FieldClass

_CLASSES: dict[str, FieldClass] = {"access_token": "secret", "app_secret": "secret", "webhook_verify_token": "secret"}
_SHOP = {"type": "account", "id": "acc_1S", "name": "Casa Lumen Shop"}

ACTIONS = (
    Action(
        name="account.created",
        kind="create",
        severity="notice",
        sensitivity="S",
        resource_type="account",
        named=True,
        classes=_CLASSES,
        label={"en": "WhatsApp account created", "es": "Cuenta de WhatsApp creada"},
        sentences={
            "en": Wording(
                success="{actor} created WhatsApp account {resource}",
                denied="{actor} was not allowed to create WhatsApp account {resource}",
                failed="{actor} tried to create WhatsApp account {resource} without success",
            ),
            "es": Wording(
                success="{actor} creó la cuenta de WhatsApp {resource}",
                denied="{actor} no tuvo permiso para crear la cuenta de WhatsApp {resource}",
                failed="{actor} intentó sin éxito crear la cuenta de WhatsApp {resource}",
            ),
        },
        parts={"number": "changes.display_phone_number.after", "quality": "changes.quality_rating.after"},
        summaries={"en": "{number}, quality {quality}", "es": "{number}, calidad {quality}"},
        example=said(
            1,
            "2026-11-20T08:12:03.250Z",
            "account.created",
            MARIA,
            {"type": "account", "id": "acc_3U", "name": "Casa Lumen Support"},
            changes=[
                {"path": "name", "op": "add", "after": "Casa Lumen Support"},
                {"path": "display_phone_number", "op": "add", "after": "+34 910 555 020"},
                {"path": "quality_rating", "op": "add", "after": "green"},
                {"path": "status", "op": "add", "after": "connected"},
                {"path": "access_token", "op": "add", "class": "secret", "after_fp": "9f2c41d07be85ae1"},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="account.updated",
        kind="update",
        severity="notice",
        sensitivity="S",
        resource_type="account",
        named=True,
        classes=_CLASSES,
        label={"en": "WhatsApp account updated", "es": "Cuenta de WhatsApp modificada"},
        sentences={
            "en": Wording(
                success="{actor} updated WhatsApp account {resource}",
                denied="{actor} was not allowed to update WhatsApp account {resource}",
                failed="{actor} tried to update WhatsApp account {resource} without success",
            ),
            "es": Wording(
                success="{actor} modificó la cuenta de WhatsApp {resource}",
                denied="{actor} no tuvo permiso para modificar la cuenta de WhatsApp {resource}",
                failed="{actor} intentó sin éxito modificar la cuenta de WhatsApp {resource}",
            ),
        },
        example=said(
            2,
            "2026-11-18T15:40:12.031Z",
            "account.updated",
            AISHA,
            _SHOP,
            changes=[{"path": "is_default_out", "before": False, "after": True}],
            context=MADRID,
        ),
    ),
    Action(
        name="account.deleted",
        kind="delete",
        severity="warning",
        resource_type="account",
        named=True,
        classes=_CLASSES,
        label={"en": "WhatsApp account deleted", "es": "Cuenta de WhatsApp eliminada"},
        sentences={
            "en": Wording(
                success="{actor} deleted WhatsApp account {resource}",
                denied="{actor} was not allowed to delete WhatsApp account {resource}",
                failed="{actor} tried to delete WhatsApp account {resource} without success",
            ),
            "es": Wording(
                success="{actor} eliminó la cuenta de WhatsApp {resource}",
                denied="{actor} no tuvo permiso para eliminar la cuenta de WhatsApp {resource}",
                failed="{actor} intentó sin éxito eliminar la cuenta de WhatsApp {resource}",
            ),
        },
        parts={"templates": "details.templates", "running": "details.running_campaigns"},
        summaries={
            "en": "Templates: {templates}, running campaigns: {running}",
            "es": "Plantillas: {templates}, campañas en curso: {running}",
        },
        example=said(
            3,
            "2026-10-30T10:05:44.900Z",
            "account.deleted",
            AISHA,
            {"type": "account", "id": "acc_0M", "name": "Old Madrid line"},
            changes=[
                {"path": "display_phone_number", "op": "remove", "before": "+34 910 555 001"},
                {"path": "status", "before": "disconnected", "after": "deleted"},
            ],
            details={"templates": 3, "running_campaigns": 0},
            context=MADRID,
        ),
    ),
    Action(
        name="account.token_rotated",
        kind="security",
        severity="warning",
        sensitivity="S",
        resource_type="account",
        classes=_CLASSES,
        label={"en": "Access token replaced", "es": "Token de acceso reemplazado"},
        sentences={
            "en": Wording(
                success="{actor} replaced the access token of {resource}",
                denied="{actor} was not allowed to replace the access token of {resource}",
                failed="{actor} tried to replace the access token of {resource} without success",
            ),
            "es": Wording(
                success="{actor} reemplazó el token de acceso de {resource}",
                denied="{actor} no tuvo permiso para reemplazar el token de acceso de {resource}",
                failed="{actor} intentó sin éxito reemplazar el token de acceso de {resource}",
            ),
        },
        example=said(
            4,
            "2026-11-12T09:31:20.417Z",
            "account.token_rotated",
            TOMAS,
            _SHOP,
            changes=[
                {
                    "path": "access_token",
                    "class": "secret",
                    "before_fp": "9f2c41d07be85ae1",
                    "after_fp": "41ab03c98d6f2e77",
                }
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="account.status_changed",
        kind="status",
        severity="warning",
        resource_type="account",
        label={"en": "WhatsApp account status changed", "es": "Estado de la cuenta de WhatsApp cambiado"},
        sentences={
            "en": "{actor} changed the status of WhatsApp account {resource}",
            "es": "{actor} cambió el estado de la cuenta de WhatsApp {resource}",
        },
        example=said(
            5,
            "2026-11-14T17:20:09.552Z",
            "account.status_changed",
            WHATSAPP,
            _SHOP,
            changes=[{"path": "status", "before": "connected", "after": "flagged"}],
            context=WEBHOOK,
        ),
    ),
    Action(
        name="account.quality_changed",
        kind="status",
        severity="notice",
        resource_type="account",
        label={"en": "Quality of a number changed", "es": "Calidad de un número cambiada"},
        sentences={
            "en": "{actor} changed the quality of WhatsApp account {resource}",
            "es": "{actor} cambió la calidad de la cuenta de WhatsApp {resource}",
        },
        example=said(
            6,
            "2026-11-14T17:18:55.008Z",
            "account.quality_changed",
            WHATSAPP,
            _SHOP,
            changes=[{"path": "quality_rating", "before": "green", "after": "yellow"}],
            context=WEBHOOK,
        ),
    ),
)
