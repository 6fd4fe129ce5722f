"""Reading the log: who opened it, took entries out of it, or had a model ask it. The resource is the log."""

from __future__ import annotations

from whodid.catalog.actions._story import LOG, MADRID, MARIA, said
from whodid.catalog.catalog import Action, Wording

ACTIONS = (
    Action(
        name="audit.exported",
        kind="security",
        severity="warning",
        resource_type="log",
        label={"en": "Audit log exported", "es": "Registro de auditoría exportado"},
        sentences={
            "en": Wording(
                success=("{actor} exported {count} audit entries", "{actor} exported audit entries"),
                denied="{actor} was not allowed to export audit entries",
                failed="{actor} tried to export audit entries without success",
            ),
            "es": Wording(
                success=("{actor} exportó {count} entradas de auditoría", "{actor} exportó entradas de auditoría"),
                denied="{actor} no tuvo permiso para exportar entradas de auditoría",
                failed="{actor} intentó sin éxito exportar entradas de auditoría",
            ),
        },
        parts={"format": "details.format", "query": "details.query"},
        summaries={"en": "{format}, query: {query}", "es": "{format}, consulta: {query}"},
        example=said(
            59,
            "2026-11-20T13:35:00.871Z",
            "audit.exported",
            MARIA,
            LOG,
            details={
                "count": 1_846,
                "format": "evidence",
                "query": "date:2026-11-14..2026-11-20",
                "sha256": "4be1970c3ad25f68e19b04c7d6a8325f10e9b7c2d4f6835a9c0e7b1d2f483a65",
            },
            context=MADRID,
        ),
    ),
    Action(
        name="audit.viewer_opened",
        kind="security",
        severity="info",
        resource_type="log",
        label={"en": "Audit log opened", "es": "Registro de auditoría abierto"},
        sentences={
            "en": Wording(
                success="{actor} opened the audit log",
                denied="{actor} was not allowed to open the audit log",
                failed="{actor} tried to open the audit log without success",
            ),
            "es": Wording(
                success="{actor} abrió el registro de auditoría",
                denied="{actor} no tuvo permiso para abrir el registro de auditoría",
                failed="{actor} intentó sin éxito abrir el registro de auditoría",
            ),
        },
        example=said(60, "2026-11-20T13:30:41.006Z", "audit.viewer_opened", MARIA, LOG, context=MADRID),
    ),
    Action(
        name="audit.asked",
        kind="security",
        severity="info",
        resource_type="log",
        parts={"tool": "details.tool"},
        label={"en": "Audit log asked by a model", "es": "Registro de auditoría consultado por un modelo"},
        sentences={
            "en": Wording(
                success="{actor} asked the audit log through a model: {tool}",
                denied="{actor} was not allowed to ask the audit log through a model",
                failed="{actor} tried to ask the audit log through a model without success",
            ),
            "es": Wording(
                success="{actor} consultó el registro de auditoría con un modelo: {tool}",
                denied="{actor} no tuvo permiso para consultar el registro de auditoría con un modelo",
                failed="{actor} intentó sin éxito consultar el registro de auditoría con un modelo",
            ),
        },
        example=said(
            77,
            "2026-11-20T13:31:12.440Z",
            "audit.asked",
            MARIA,
            LOG,
            details={"tool": "search_entries", "arguments": {"q": "kind:delete", "range": "7d"}},
            context=MADRID,
        ),
    ),
)
