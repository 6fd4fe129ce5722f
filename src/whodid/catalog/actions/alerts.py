"""The alerts of the log, and what people do about them. The resource is the log of the workspace."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, DETECTION, JOB, LOG, MADRID, said
from whodid.catalog.catalog import Action, Wording

_SIGN_INS = {"type": "rule", "id": "failed_sign_ins", "name": "Failed sign-ins", "rel": "rule"}

ACTIONS = (
    Action(
        name="audit.alert_rule_changed",
        kind="security",
        severity="notice",
        resource_type="log",
        label={"en": "Alert rule changed", "es": "Regla de alerta cambiada"},
        sentences={
            "en": Wording(
                success=("{actor} changed alert rule {rule}", "{actor} changed an alert rule"),
                denied="{actor} was not allowed to change an alert rule",
                failed="{actor} tried to change an alert rule without success",
            ),
            "es": Wording(
                success=("{actor} cambió la regla de alerta {rule}", "{actor} cambió una regla de alerta"),
                denied="{actor} no tuvo permiso para cambiar una regla de alerta",
                failed="{actor} intentó sin éxito cambiar una regla de alerta",
            ),
        },
        parts={"rule": "related.rule"},
        example=said(
            63,
            "2026-11-12T10:40:05.285Z",
            "audit.alert_rule_changed",
            AISHA,
            LOG,
            related=[_SIGN_INS],
            changes=[{"path": "attempts", "before": 10, "after": 5}],
            context=MADRID,
        ),
    ),
    Action(
        name="audit.alert_raised",
        kind="security",
        severity="warning",
        resource_type="log",
        label={"en": "Alert raised", "es": "Alerta emitida"},
        sentences={
            "en": Wording(
                success=("{actor} raised an alert: {rule}", "{actor} raised an alert"),
                denied="{actor} was not allowed to raise an alert",
                failed="{actor} tried to raise an alert without success",
            ),
            "es": Wording(
                success=("{actor} emitió una alerta: {rule}", "{actor} emitió una alerta"),
                denied="{actor} no tuvo permiso para emitir una alerta",
                failed="{actor} intentó sin éxito emitir una alerta",
            ),
        },
        parts={"rule": "related.rule"},
        example=said(
            76,
            "2026-11-20T11:40:02.118Z",
            "audit.alert_raised",
            DETECTION,
            LOG,
            related=[_SIGN_INS],
            details={"alert": "alt_1mw3_5f0c2a9be1d4", "level": "medium", "entries": [57, 58, 59, 60, 61]},
            context=JOB,
        ),
    ),
    Action(
        name="audit.alert_resolved",
        kind="security",
        severity="notice",
        resource_type="log",
        label={"en": "Alert resolved", "es": "Alerta resuelta"},
        sentences={
            "en": Wording(
                success=("{actor} resolved an alert of rule {rule}", "{actor} resolved an alert"),
                denied="{actor} was not allowed to resolve an alert",
                failed="{actor} tried to resolve an alert without success",
            ),
            "es": Wording(
                success=("{actor} resolvió una alerta de la regla {rule}", "{actor} resolvió una alerta"),
                denied="{actor} no tuvo permiso para resolver una alerta",
                failed="{actor} intentó sin éxito resolver una alerta",
            ),
        },
        parts={"rule": "related.rule"},
        example=said(
            77,
            "2026-11-20T12:05:51.400Z",
            "audit.alert_resolved",
            AISHA,
            LOG,
            related=[_SIGN_INS],
            details={"alert": "alt_1mw3_5f0c2a9be1d4", "verdict": "harmless"},
            reason={"text": "Maria had a new phone"},
            context=MADRID,
        ),
    ),
    Action(
        name="audit.alert_acknowledged",
        kind="security",
        severity="notice",
        resource_type="log",
        label={"en": "Alert acknowledged", "es": "Alerta atendida"},
        sentences={
            "en": Wording(
                success=("{actor} acknowledged an alert of rule {rule}", "{actor} acknowledged an alert"),
                denied="{actor} was not allowed to acknowledge an alert",
                failed="{actor} tried to acknowledge an alert without success",
            ),
            "es": Wording(
                success=("{actor} atendió una alerta de la regla {rule}", "{actor} atendió una alerta"),
                denied="{actor} no tuvo permiso para atender una alerta",
                failed="{actor} intentó sin éxito atender una alerta",
            ),
        },
        parts={"rule": "related.rule"},
        example=said(
            64,
            "2026-11-20T11:52:38.940Z",
            "audit.alert_acknowledged",
            AISHA,
            LOG,
            related=[_SIGN_INS],
            reason={"text": "Spoke to Maria: a bot from outside, password changed"},
            context=MADRID,
        ),
    ),
)
