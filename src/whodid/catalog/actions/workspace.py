"""The workspace itself."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, MADRID, WEBHOOK, WHATSAPP, WORKSPACE, said
from whodid.catalog.catalog import Action, Wording

ACTIONS = (
    Action(
        name="workspace.limit_changed",
        kind="status",
        severity="notice",
        resource_type="workspace",
        label={"en": "Messaging limit changed", "es": "Límite de mensajes cambiado"},
        sentences={
            "en": "{actor} changed the messaging limit of {resource}",
            "es": "{actor} cambió el límite de mensajes de {resource}",
        },
        example=said(
            7,
            "2026-11-03T06:02:31.660Z",
            "workspace.limit_changed",
            WHATSAPP,
            WORKSPACE,
            changes=[{"path": "portfolio_limit", "before": 10_000, "after": 100_000}],
            context=WEBHOOK,
        ),
    ),
    Action(
        name="workspace.updated",
        kind="update",
        severity="notice",
        resource_type="workspace",
        label={"en": "Workspace settings updated", "es": "Ajustes del espacio de trabajo modificados"},
        sentences={
            "en": Wording(
                success="{actor} updated the settings of workspace {resource}",
                denied="{actor} was not allowed to update the settings of workspace {resource}",
                failed="{actor} tried to update the settings of workspace {resource} without success",
            ),
            "es": Wording(
                success="{actor} modificó los ajustes del espacio de trabajo {resource}",
                denied="{actor} no tuvo permiso para modificar los ajustes del espacio de trabajo {resource}",
                failed="{actor} intentó sin éxito modificar los ajustes del espacio de trabajo {resource}",
            ),
        },
        example=said(
            8,
            "2026-11-05T11:47:02.118Z",
            "workspace.updated",
            AISHA,
            WORKSPACE,
            changes=[{"path": "quiet_hours", "before": "22–8", "after": "21–9"}],
            context=MADRID,
        ),
    ),
)
