"""Campaigns: from the draft to the last message, and why one stopped."""

from __future__ import annotations

from whodid.catalog.actions._story import GUARD, JOB, MADRID, PRIYA, SCHEDULER, event_id, said
from whodid.catalog.actions.template import DIWALI
from whodid.catalog.catalog import Action, Wording

_DIWALI = {"type": "campaign", "id": "cmp_8Q2F", "name": "Diwali early access"}
_PAUSE_BY_WHATSAPP = event_id("2026-11-20T13:21:40.118Z", 17)

ACTIONS = (
    Action(
        name="campaign.created",
        kind="create",
        severity="info",
        resource_type="campaign",
        named=True,
        label={"en": "Campaign created", "es": "Campaña creada"},
        sentences={
            "en": Wording(
                success="{actor} created campaign {resource}",
                denied="{actor} was not allowed to create campaign {resource}",
                failed="{actor} tried to create campaign {resource} without success",
            ),
            "es": Wording(
                success="{actor} creó la campaña {resource}",
                denied="{actor} no tuvo permiso para crear la campaña {resource}",
                failed="{actor} intentó sin éxito crear la campaña {resource}",
            ),
        },
        parts={"audience": "details.audience"},
        summaries={"en": "Audience: {audience} people", "es": "Audiencia: {audience} personas"},
        example=said(
            19,
            "2026-11-19T17:22:37.519Z",
            "campaign.created",
            PRIYA,
            _DIWALI,
            related=[{**DIWALI, "rel": "template"}],
            changes=[
                {"path": "template_id", "op": "add", "after": "tpl_5D"},
                {"path": "segment_id", "op": "add", "after": "seg_4M"},
                {"path": "schedule_at", "op": "add", "after": "2026-11-20T09:31:00Z"},
                {"path": "rate_per_minute", "op": "add", "after": 600},
            ],
            details={"audience": 20_000, "rule": "consent.marketing = opted_in and city = Madrid"},
            context=MADRID,
        ),
    ),
    Action(
        name="campaign.updated",
        kind="update",
        severity="info",
        resource_type="campaign",
        label={"en": "Campaign updated", "es": "Campaña modificada"},
        sentences={
            "en": Wording(
                success="{actor} updated campaign {resource}",
                denied="{actor} was not allowed to update campaign {resource}",
                failed="{actor} tried to update campaign {resource} without success",
            ),
            "es": Wording(
                success="{actor} modificó la campaña {resource}",
                denied="{actor} no tuvo permiso para modificar la campaña {resource}",
                failed="{actor} intentó sin éxito modificar la campaña {resource}",
            ),
        },
        example=said(
            20,
            "2026-11-20T08:50:02.944Z",
            "campaign.updated",
            PRIYA,
            _DIWALI,
            changes=[{"path": "rate_per_minute", "before": 600, "after": 300}],
            context=MADRID,
        ),
    ),
    Action(
        name="campaign.started",
        kind="status",
        severity="notice",
        resource_type="campaign",
        named=True,
        label={"en": "Campaign started", "es": "Campaña iniciada"},
        sentences={
            "en": Wording(
                success="{actor} started campaign {resource}",
                denied="{actor} was not allowed to start campaign {resource}",
                failed="{actor} tried to start campaign {resource} without success",
            ),
            "es": Wording(
                success="{actor} inició la campaña {resource}",
                denied="{actor} no tuvo permiso para iniciar la campaña {resource}",
                failed="{actor} intentó sin éxito iniciar la campaña {resource}",
            ),
        },
        parts={"audience": "details.audience"},
        summaries={"en": "Recipients: {audience}", "es": "Destinatarios: {audience}"},
        example=said(
            21,
            "2026-11-20T09:31:00.004Z",
            "campaign.started",
            SCHEDULER,
            _DIWALI,
            related=[{**DIWALI, "rel": "template"}],
            changes=[
                {"path": "status", "before": "scheduled", "after": "running"},
                {"path": "started_at", "op": "add", "after": "2026-11-20T09:31:00Z"},
                {"path": "template_version", "op": "add", "after": 2},
            ],
            details={
                "audience": 20_000,
                "rule": "consent.marketing = opted_in and city = Madrid",
                "audience_sha256": "6f1e0a5b8c7d42f39b0c1e7a5d3f86422b90c4d1e8a7f6350d9c8b7a61524f3e",
            },
            context=JOB,
        ),
    ),
    Action(
        name="campaign.paused",
        kind="status",
        severity="notice",
        resource_type="campaign",
        named=True,
        reason_required=True,
        label={"en": "Campaign paused", "es": "Campaña pausada"},
        sentences={
            "en": Wording(
                success="{actor} paused campaign {resource}",
                denied="{actor} was not allowed to pause campaign {resource}",
                failed="{actor} tried to pause campaign {resource} without success",
            ),
            "es": Wording(
                success="{actor} pausó la campaña {resource}",
                denied="{actor} no tuvo permiso para pausar la campaña {resource}",
                failed="{actor} intentó sin éxito pausar la campaña {resource}",
            ),
        },
        example=said(
            22,
            "2026-11-20T13:21:41.118Z",
            "campaign.paused",
            GUARD,
            _DIWALI,
            severity="warning",
            related=[{**DIWALI, "rel": "cause"}],
            changes=[
                {"path": "status", "before": "running", "after": "paused"},
                {"path": "pause.reason", "op": "add", "after": "template_paused"},
                {"path": "pause.resume", "op": "add", "after": "manual, after approval"},
                {"path": "next_batch_at", "op": "remove", "before": "2026-11-20T13:22:00Z"},
            ],
            reason={
                "code": "template_paused",
                "text": "Template diwali_offer_2026 was paused by WhatsApp for low quality",
            },
            details={"sent": 8_214, "audience": 20_000, "waiting": 11_786, "provider_code": 132015},
            cause=_PAUSE_BY_WHATSAPP,
            context=JOB,
        ),
    ),
    Action(
        name="campaign.resumed",
        kind="status",
        severity="notice",
        resource_type="campaign",
        label={"en": "Campaign resumed", "es": "Campaña reanudada"},
        sentences={
            "en": Wording(
                success="{actor} resumed campaign {resource}",
                denied="{actor} was not allowed to resume campaign {resource}",
                failed="{actor} tried to resume campaign {resource} without success",
            ),
            "es": Wording(
                success="{actor} reanudó la campaña {resource}",
                denied="{actor} no tuvo permiso para reanudar la campaña {resource}",
                failed="{actor} intentó sin éxito reanudar la campaña {resource}",
            ),
        },
        parts={"waiting": "details.waiting"},
        summaries={"en": "Still to send: {waiting}", "es": "Pendientes de envío: {waiting}"},
        example=said(
            23,
            "2026-11-20T16:40:15.872Z",
            "campaign.resumed",
            PRIYA,
            _DIWALI,
            changes=[
                {"path": "status", "before": "paused", "after": "running"},
                {"path": "pause.reason", "op": "remove", "before": "template_paused"},
                {"path": "next_batch_at", "op": "add", "after": "2026-11-20T16:41:00Z"},
            ],
            details={"waiting": 11_786},
            context=MADRID,
        ),
    ),
    Action(
        name="campaign.cancelled",
        kind="status",
        severity="warning",
        resource_type="campaign",
        named=True,
        reason_required=True,
        label={"en": "Campaign cancelled", "es": "Campaña cancelada"},
        sentences={
            "en": Wording(
                success="{actor} cancelled campaign {resource}",
                denied="{actor} was not allowed to cancel campaign {resource}",
                failed="{actor} tried to cancel campaign {resource} without success",
            ),
            "es": Wording(
                success="{actor} canceló la campaña {resource}",
                denied="{actor} no tuvo permiso para cancelar la campaña {resource}",
                failed="{actor} intentó sin éxito cancelar la campaña {resource}",
            ),
        },
        example=said(
            24,
            "2026-11-20T12:58:12.390Z",
            "campaign.cancelled",
            PRIYA,
            {"type": "campaign", "id": "cmp_7W1C", "name": "Winter clearance"},
            changes=[{"path": "status", "before": "running", "after": "cancelled"}],
            reason={"code": "manual", "text": "Wrong audience: it included people who had opted out"},
            details={"sent": 412, "audience": 9_030, "discarded": 8_618},
            context=MADRID,
        ),
    ),
    Action(
        name="campaign.completed",
        kind="status",
        severity="info",
        resource_type="campaign",
        label={"en": "Campaign completed", "es": "Campaña completada"},
        sentences={"en": "Campaign {resource} finished", "es": "La campaña {resource} terminó"},
        parts={"sent": "details.sent", "delivered": "details.delivered"},
        summaries={"en": "Sent: {sent}, delivered: {delivered}", "es": "Enviados: {sent}, entregados: {delivered}"},
        example=said(
            25,
            "2026-11-13T18:07:49.215Z",
            "campaign.completed",
            SCHEDULER,
            {"type": "campaign", "id": "cmp_6L9R", "name": "Loyalty points reminder"},
            changes=[{"path": "status", "before": "running", "after": "completed"}],
            details={"sent": 4_102, "delivered": 3_988, "read": 2_541, "failed": 114},
            context=JOB,
        ),
    ),
    Action(
        name="campaign.failed",
        kind="status",
        severity="warning",
        resource_type="campaign",
        label={"en": "Campaign failed", "es": "Campaña fallida"},
        sentences={
            "en": Wording(success="Campaign {resource} failed", failed="Campaign {resource} failed"),
            "es": Wording(success="La campaña {resource} falló", failed="La campaña {resource} falló"),
        },
        example=said(
            26,
            "2026-11-16T11:05:03.661Z",
            "campaign.failed",
            GUARD,
            {"type": "campaign", "id": "cmp_5F3A", "name": "Order follow-up"},
            changes=[{"path": "status", "before": "running", "after": "failed"}],
            reason={"code": "payment_problem", "text": "Payment problem (131042)"},
            details={"sent": 96, "audience": 1_480, "provider_code": 131042},
            context=JOB,
        ),
    ),
    Action(
        name="campaign.deleted",
        kind="delete",
        severity="notice",
        resource_type="campaign",
        label={"en": "Campaign deleted", "es": "Campaña eliminada"},
        sentences={
            "en": Wording(
                success="{actor} deleted draft campaign {resource}",
                denied="{actor} was not allowed to delete campaign {resource}",
                failed="{actor} tried to delete campaign {resource} without success",
            ),
            "es": Wording(
                success="{actor} eliminó el borrador de la campaña {resource}",
                denied="{actor} no tuvo permiso para eliminar la campaña {resource}",
                failed="{actor} intentó sin éxito eliminar la campaña {resource}",
            ),
        },
        example=said(
            27,
            "2026-11-09T09:14:27.050Z",
            "campaign.deleted",
            PRIYA,
            {"type": "campaign", "id": "cmp_4T0B", "name": "Test 3"},
            changes=[
                {"path": "status", "op": "remove", "before": "draft"},
                {"path": "template_id", "op": "remove", "before": "tpl_5D"},
            ],
            context=MADRID,
        ),
    ),
)
