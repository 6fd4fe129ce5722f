"""Message templates and their review by WhatsApp."""

from __future__ import annotations

from whodid.catalog.actions._story import MADRID, MARIA, PRIYA, WEBHOOK, WHATSAPP, said
from whodid.catalog.catalog import Action, Wording

DIWALI = {"type": "template", "id": "tpl_5D", "name": "diwali_offer_2026"}
_ORDER = {"type": "template", "id": "tpl_2M6X", "name": "order_update"}

ACTIONS = (
    Action(
        name="template.created",
        kind="create",
        severity="info",
        resource_type="template",
        named=True,
        answers=("approval",),
        label={"en": "Template created", "es": "Plantilla creada"},
        sentences={
            "en": Wording(
                success="{actor} created template {resource}",
                denied="{actor} was not allowed to create template {resource}",
                failed="{actor} tried to create template {resource} without success",
            ),
            "es": Wording(
                success="{actor} creó la plantilla {resource}",
                denied="{actor} no tuvo permiso para crear la plantilla {resource}",
                failed="{actor} intentó sin éxito crear la plantilla {resource}",
            ),
        },
        parts={"category": "changes.category.after", "language": "changes.language.after"},
        summaries={
            "en": "Category {category}, language {language}",
            "es": "Categoría {category}, idioma {language}",
        },
        example=said(
            14,
            "2026-11-19T16:05:11.227Z",
            "template.created",
            PRIYA,
            DIWALI,
            changes=[
                {"path": "category", "op": "add", "after": "marketing"},
                {"path": "language", "op": "add", "after": "es"},
                {"path": "components.body.text", "op": "add", "after": "Hola {{1}}, esta semana: {{2}}"},
                {"path": "status", "op": "add", "after": "pending"},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="template.edited",
        kind="update",
        severity="notice",
        resource_type="template",
        named=True,
        answers=("approval",),
        label={"en": "Template edited", "es": "Plantilla editada"},
        sentences={
            "en": Wording(
                success="{actor} edited template {resource}",
                denied="{actor} was not allowed to edit template {resource}",
                failed="{actor} tried to edit template {resource} without success",
            ),
            "es": Wording(
                success="{actor} editó la plantilla {resource}",
                denied="{actor} no tuvo permiso para editar la plantilla {resource}",
                failed="{actor} intentó sin éxito editar la plantilla {resource}",
            ),
        },
        parts={"words": "details.words_changed", "status": "changes.status.after"},
        summaries={
            "en": "Words changed: {words}, status now {status}",
            "es": "Palabras cambiadas: {words}, estado actual {status}",
        },
        example=said(
            15,
            "2026-11-20T10:02:48.610Z",
            "template.edited",
            PRIYA,
            _ORDER,
            changes=[
                {
                    "path": "components.body.text",
                    "before": "Hi {{1}}, your order {{2}} has been confirmed and will arrive soon.",
                    "after": "Hi {{1}}, your order {{2}} is on its way and should arrive by {{3}}.",
                },
                {
                    "path": "components.buttons[0].url",
                    "before": "https://casalumen.es/orders/{{1}}",
                    "after": "https://casalumen.es/track/{{1}}",
                },
                {"path": "status", "before": "approved", "after": "pending"},
            ],
            details={"words_changed": 6},
            context=MADRID,
        ),
    ),
    Action(
        name="template.deleted",
        kind="delete",
        severity="warning",
        resource_type="template",
        named=True,
        answers=("approval",),
        label={"en": "Template deleted", "es": "Plantilla eliminada"},
        sentences={
            "en": Wording(
                success="{actor} deleted template {resource}",
                denied="{actor} was not allowed to delete template {resource}",
                failed="{actor} tried to delete template {resource} without success",
            ),
            "es": Wording(
                success="{actor} eliminó la plantilla {resource}",
                denied="{actor} no tuvo permiso para eliminar la plantilla {resource}",
                failed="{actor} intentó sin éxito eliminar la plantilla {resource}",
            ),
        },
        parts={"languages": "details.languages"},
        summaries={"en": "Languages: {languages}", "es": "Idiomas: {languages}"},
        example=said(
            16,
            "2026-09-28T14:11:06.741Z",
            "template.deleted",
            MARIA,
            {"type": "template", "id": "tpl_1S", "name": "summer_24"},
            changes=[
                {"path": "components.body.text", "op": "remove", "before": "El verano llega a Casa Lumen: {{1}}"},
                {"path": "status", "before": "approved", "after": "deleted"},
            ],
            details={"languages": ["es", "en"]},
            context=MADRID,
        ),
    ),
    Action(
        name="template.status_changed",
        kind="status",
        severity="info",
        resource_type="template",
        answers=("approval",),
        label={"en": "Template status changed", "es": "Estado de la plantilla cambiado"},
        sentences={
            "en": "{actor} changed the status of template {resource}",
            "es": "{actor} cambió el estado de la plantilla {resource}",
        },
        example=said(
            17,
            "2026-11-20T13:21:40.118Z",
            "template.status_changed",
            WHATSAPP,
            DIWALI,
            severity="warning",
            changes=[
                {"path": "status", "before": "approved", "after": "paused"},
                {"path": "paused_until", "op": "add", "after": "2026-11-20T16:21:40Z"},
            ],
            reason={"code": "low_quality", "text": "First pause, 3 hours"},
            context=WEBHOOK,
        ),
    ),
    Action(
        name="template.category_changed",
        kind="status",
        severity="notice",
        resource_type="template",
        answers=("approval",),
        label={"en": "Template category changed", "es": "Categoría de la plantilla cambiada"},
        sentences={
            "en": "{actor} moved template {resource} to another category",
            "es": "{actor} pasó la plantilla {resource} a otra categoría",
        },
        example=said(
            18,
            "2026-11-11T05:44:19.300Z",
            "template.category_changed",
            WHATSAPP,
            _ORDER,
            changes=[{"path": "category", "before": "utility", "after": "marketing"}],
            context=WEBHOOK,
        ),
    ),
)
