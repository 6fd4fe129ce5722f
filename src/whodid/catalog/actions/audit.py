"""The log about itself. The resource is the log of the workspace."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, JOB, LOG, MADRID, RETENTION, SEALING, SPOOL, VERIFIER, said
from whodid.catalog.catalog import Action, Wording

_SPLUNK = {"type": "sink", "id": "snk_1S", "name": "Splunk", "rel": "sink"}
_HOLD = {"type": "hold", "id": "hld_q4dzx2k7m5ap3wne", "name": "Complaint 2026/118"}

ACTIONS = (
    Action(
        name="audit.retention_changed",
        kind="security",
        severity="critical",
        resource_type="log",
        label={"en": "Retention changed", "es": "Retención cambiada"},
        sentences={
            "en": Wording(
                success="{actor} changed the retention of the audit log",
                denied="{actor} was not allowed to change the retention of the audit log",
                failed="{actor} tried to change the retention of the audit log without success",
            ),
            "es": Wording(
                success="{actor} cambió la retención del registro de auditoría",
                denied="{actor} no tuvo permiso para cambiar la retención del registro de auditoría",
                failed="{actor} intentó sin éxito cambiar la retención del registro de auditoría",
            ),
        },
        example=said(
            61,
            "2026-11-02T09:18:20.557Z",
            "audit.retention_changed",
            AISHA,
            LOG,
            changes=[{"path": "retention_days", "before": 90, "after": 365}],
            context=MADRID,
        ),
    ),
    Action(
        name="audit.hold_placed",
        kind="security",
        severity="warning",
        resource_type="hold",
        label={"en": "Legal hold placed", "es": "Retención legal impuesta"},
        sentences={
            "en": Wording(
                success="{actor} placed legal hold {resource}",
                denied="{actor} was not allowed to place a legal hold",
                failed="{actor} tried to place a legal hold without success",
            ),
            "es": Wording(
                success="{actor} impuso la retención legal {resource}",
                denied="{actor} no tuvo permiso para imponer una retención legal",
                failed="{actor} intentó sin éxito imponer una retención legal",
            ),
        },
        parts={"query": "details.query"},
        summaries={"en": "Keeps what matches {query}", "es": "Conserva lo que cumple {query}"},
        example=said(
            72,
            "2026-11-03T16:02:44.190Z",
            "audit.hold_placed",
            AISHA,
            _HOLD,
            details={"query": "resource:contact:con_4H7P"},
            reason={"text": "Complaint 2026/118 before the data protection authority"},
            context=MADRID,
        ),
    ),
    Action(
        name="audit.hold_released",
        kind="security",
        severity="warning",
        resource_type="hold",
        label={"en": "Legal hold released", "es": "Retención legal levantada"},
        sentences={
            "en": Wording(
                success="{actor} released legal hold {resource}",
                denied="{actor} was not allowed to release a legal hold",
                failed="{actor} tried to release a legal hold without success",
            ),
            "es": Wording(
                success="{actor} levantó la retención legal {resource}",
                denied="{actor} no tuvo permiso para levantar una retención legal",
                failed="{actor} intentó sin éxito levantar una retención legal",
            ),
        },
        parts={"query": "details.query"},
        summaries={"en": "Kept what matches {query}", "es": "Conservaba lo que cumple {query}"},
        example=said(
            73,
            "2026-11-19T09:31:07.512Z",
            "audit.hold_released",
            AISHA,
            _HOLD,
            details={"query": "resource:contact:con_4H7P"},
            reason={"text": "The authority closed complaint 2026/118"},
            context=MADRID,
        ),
    ),
    Action(
        name="audit.erased",
        kind="delete",
        severity="warning",
        resource_type="log",
        label={"en": "Person erased from the audit log", "es": "Persona borrada del registro de auditoría"},
        sentences={
            "en": Wording(
                success="{actor} erased personal values from the audit log",
                denied="{actor} was not allowed to erase personal values from the audit log",
                failed="{actor} tried to erase personal values from the audit log without success",
            ),
            "es": Wording(
                success="{actor} borró valores personales del registro de auditoría",
                denied="{actor} no tuvo permiso para borrar valores personales del registro de auditoría",
                failed="{actor} intentó sin éxito borrar valores personales del registro de auditoría",
            ),
        },
        parts={"count": "details.entries"},
        summaries={"en": "Entries: {count}", "es": "Entradas: {count}"},
        example=said(
            75,
            "2026-11-19T11:20:31.904Z",
            "audit.erased",
            AISHA,
            LOG,
            related=[{"type": "contact", "id": "con_4H7P", "rel": "subject"}],
            details={
                "subject": "contact:con_4H7P",
                "entries": 3,
                "ranges": [[41, 43], [1_204, 1_205]],
                "fields": {"resource.name": [[41, 43]], "resource.name changes.0": [[1_204, 1_205]]},
            },
            reason={"text": "Request under Art. 17 GDPR, ticket #2231"},
            context=MADRID,
        ),
    ),
    Action(
        name="audit.purged",
        kind="delete",
        severity="notice",
        resource_type="log",
        label={"en": "Entries removed by retention", "es": "Entradas eliminadas por retención"},
        sentences={
            "en": Wording(
                success=(
                    "{actor} removed {count} entries from the audit log",
                    "{actor} removed entries from the audit log",
                ),
                denied="{actor} was not allowed to remove entries from the audit log",
                failed="{actor} tried to remove entries from the audit log without success",
            ),
            "es": Wording(
                success=(
                    "{actor} eliminó {count} entradas del registro de auditoría",
                    "{actor} eliminó entradas del registro de auditoría",
                ),
                denied="{actor} no tuvo permiso para eliminar entradas del registro de auditoría",
                failed="{actor} intentó sin éxito eliminar entradas del registro de auditoría",
            ),
        },
        parts={"count": "details.entries", "until": "details.until"},
        summaries={"en": "Recorded up to {until}", "es": "Registradas hasta {until}"},
        example=said(
            62,
            "2026-11-20T02:00:00.412Z",
            "audit.purged",
            RETENTION,
            LOG,
            details={"entries": 3_120, "first": 3_120, "ranges": [[0, 3_120]], "until": "2026-08-22"},
            context=JOB,
        ),
    ),
    Action(
        name="audit.sealed",
        kind="security",
        severity="info",
        resource_type="log",
        label={"en": "Audit log sealed", "es": "Registro de auditoría sellado"},
        sentences={
            "en": Wording(
                success="{actor} sealed the audit log",
                denied="{actor} was not allowed to seal the audit log",
                failed="{actor} tried to seal the audit log without success",
            ),
            "es": Wording(
                success="{actor} selló el registro de auditoría",
                denied="{actor} no tuvo permiso para sellar el registro de auditoría",
                failed="{actor} intentó sin éxito sellar el registro de auditoría",
            ),
        },
        parts={"entries": "details.entries", "segment": "details.segment"},
        summaries={"en": "Segment {segment}: {entries} entries", "es": "Segmento {segment}: {entries} entradas"},
        example=said(
            72,
            "2026-11-20T00:00:21.118Z",
            "audit.sealed",
            SEALING,
            LOG,
            details={"segment": 86, "entries": 412, "start": 31_250, "stop": 31_662, "seal": "01" + 188 * "00"},
            context=JOB,
        ),
    ),
    Action(
        name="audit.bound",
        kind="security",
        severity="info",
        resource_type="log",
        label={"en": "Audit log bound", "es": "Registro de auditoría encuadernado"},
        sentences={
            "en": Wording(
                success="{actor} bound sealed segments of the audit log to a volume",
                denied="{actor} was not allowed to bind segments of the audit log",
                failed="{actor} tried to bind segments of the audit log without success",
            ),
            "es": Wording(
                success="{actor} encuadernó segmentos sellados del registro de auditoría en un volumen",
                denied="{actor} no tuvo permiso para encuadernar segmentos del registro de auditoría",
                failed="{actor} intentó sin éxito encuadernar segmentos del registro de auditoría",
            ),
        },
        parts={"entries": "details.entries", "first": "details.first", "last": "details.last"},
        summaries={
            "en": "Segments {first} to {last}: {entries} entries",
            "es": "Segmentos {first} a {last}: {entries} entradas",
        },
        example=said(
            73,
            "2026-11-20T00:00:22.054Z",
            "audit.bound",
            SEALING,
            LOG,
            details={
                "number": 1,
                "first": 23,
                "last": 86,
                "entries": 23_040,
                "start": 8_622,
                "stop": 31_662,
                "volume": "01" + 200 * "00",
            },
            context=JOB,
        ),
    ),
    Action(
        name="audit.stamped",
        kind="security",
        severity="info",
        resource_type="log",
        label={"en": "Audit log stamped with the time", "es": "Registro de auditoría con sello de tiempo"},
        sentences={
            "en": Wording(
                success="{actor} had the audit log stamped with the time",
                denied="{actor} was not allowed to have the audit log stamped with the time",
                failed="{actor} tried to have the audit log stamped with the time without success",
            ),
            "es": Wording(
                success="{actor} hizo sellar con la hora el registro de auditoría",
                denied="{actor} no tuvo permiso para hacer sellar con la hora el registro de auditoría",
                failed="{actor} intentó sin éxito hacer sellar con la hora el registro de auditoría",
            ),
        },
        parts={"entries": "details.entries"},
        summaries={"en": "{entries} entries", "es": "{entries} entradas"},
        example=said(
            74,
            "2026-11-20T10:12:09.330Z",
            "audit.stamped",
            AISHA,
            LOG,
            details={"entries": 31_662, "stamped_at": "2026-11-20T10:12:09.000000Z", "bytes": 4_480},
            context=MADRID,
        ),
    ),
    Action(
        name="audit.stream_changed",
        kind="security",
        severity="warning",
        resource_type="log",
        label={"en": "Log stream changed", "es": "Envío continuo cambiado"},
        sentences={
            "en": Wording(
                success=("{actor} changed the log stream to {sink}", "{actor} changed a log stream"),
                denied="{actor} was not allowed to change a log stream",
                failed="{actor} tried to change a log stream without success",
            ),
            "es": Wording(
                success=("{actor} cambió el envío continuo a {sink}", "{actor} cambió un envío continuo"),
                denied="{actor} no tuvo permiso para cambiar un envío continuo",
                failed="{actor} intentó sin éxito cambiar un envío continuo",
            ),
        },
        parts={"sink": "related.sink"},
        example=said(
            65,
            "2026-11-07T14:26:59.163Z",
            "audit.stream_changed",
            AISHA,
            LOG,
            related=[_SPLUNK],
            changes=[{"path": "active", "before": True, "after": False}],
            context=MADRID,
        ),
    ),
    Action(
        name="audit.stream_tested",
        kind="security",
        severity="info",
        resource_type="log",
        label={"en": "Log stream tested", "es": "Envío continuo probado"},
        sentences={
            "en": Wording(
                success=("{actor} tested the log stream to {sink}", "{actor} tested a log stream"),
                denied="{actor} was not allowed to test a log stream",
                failed=(
                    "{actor} tested the log stream to {sink} without success",
                    "{actor} tested a log stream without success",
                ),
            ),
            "es": Wording(
                success=("{actor} probó el envío continuo a {sink}", "{actor} probó un envío continuo"),
                denied="{actor} no tuvo permiso para probar un envío continuo",
                failed=(
                    "{actor} probó sin éxito el envío continuo a {sink}",
                    "{actor} probó sin éxito un envío continuo",
                ),
            ),
        },
        parts={"sink": "related.sink"},
        example=said(
            79,
            "2026-11-07T14:28:03.020Z",
            "audit.stream_tested",
            AISHA,
            LOG,
            related=[_SPLUNK],
            context=MADRID,
        ),
    ),
    Action(
        name="audit.verify_failed",
        kind="security",
        severity="critical",
        resource_type="log",
        label={"en": "Check of the log failed", "es": "Comprobación del registro fallida"},
        sentences={
            "en": Wording(
                success=("The check of the audit log failed at entry {index}", "The check of the audit log failed"),
                failed=("The check of the audit log failed at entry {index}", "The check of the audit log failed"),
            ),
            "es": Wording(
                success=(
                    "La comprobación del registro de auditoría falló en la entrada {index}",
                    "La comprobación del registro de auditoría falló",
                ),
                failed=(
                    "La comprobación del registro de auditoría falló en la entrada {index}",
                    "La comprobación del registro de auditoría falló",
                ),
            ),
        },
        parts={"index": "details.index"},
        example=said(
            66,
            "2026-11-08T03:00:12.720Z",
            "audit.verify_failed",
            VERIFIER,
            LOG,
            outcome="failed",
            details={"index": 31_007, "checked": 48_213},
            context=JOB,
        ),
    ),
    Action(
        name="audit.events_dropped",
        kind="security",
        severity="critical",
        resource_type="log",
        label={"en": "Events dropped", "es": "Eventos descartados"},
        sentences={
            "en": Wording(
                success=("{actor} dropped {count} events for lack of room", "{actor} dropped events for lack of room"),
                denied="{actor} was not allowed to drop events",
                failed="{actor} tried to drop events without success",
            ),
            "es": Wording(
                success=(
                    "{actor} descartó {count} eventos por falta de espacio",
                    "{actor} descartó eventos por falta de espacio",
                ),
                denied="{actor} no tuvo permiso para descartar eventos",
                failed="{actor} intentó sin éxito descartar eventos",
            ),
        },
        parts={"first": "details.first_at", "last": "details.last_at"},
        summaries={"en": "Between {first} and {last}", "es": "Entre {first} y {last}"},
        example=said(
            67,
            "2026-11-16T19:02:51.384Z",
            "audit.events_dropped",
            SPOOL,
            LOG,
            details={
                "count": 1_204,
                "actions": {"contact.updated": 1_180, "campaign.started": 24},
                "first_at": "2026-11-16T19:01:07.920Z",
                "last_at": "2026-11-16T19:02:51.384Z",
            },
        ),
    ),
    Action(
        name="audit.capture_stopped",
        kind="security",
        severity="warning",
        resource_type="log",
        label={"en": "Recording of changes stopped", "es": "Registro de cambios detenido"},
        sentences={
            "en": Wording(
                success="{actor} stopped recording changes",
                denied="{actor} was not allowed to stop recording changes",
                failed="{actor} tried to stop recording changes without success",
            ),
            "es": Wording(
                success="{actor} detuvo el registro de cambios",
                denied="{actor} no tuvo permiso para detener el registro de cambios",
                failed="{actor} intentó sin éxito detener el registro de cambios",
            ),
        },
        example=said(
            70,
            "2026-11-03T07:10:04.118Z",
            "audit.capture_stopped",
            AISHA,
            LOG,
            reason={"text": "Contacts of the old system are loaded"},
            context={"source": "cli"},
        ),
    ),
    Action(
        name="audit.capture_resumed",
        kind="security",
        severity="warning",
        resource_type="log",
        label={"en": "Recording of changes resumed", "es": "Registro de cambios reanudado"},
        sentences={
            "en": Wording(
                success="{actor} resumed recording changes",
                denied="{actor} was not allowed to resume recording changes",
                failed="{actor} tried to resume recording changes without success",
            ),
            "es": Wording(
                success="{actor} reanudó el registro de cambios",
                denied="{actor} no tuvo permiso para reanudar el registro de cambios",
                failed="{actor} intentó sin éxito reanudar el registro de cambios",
            ),
        },
        example=said(
            71,
            "2026-11-03T07:12:40.902Z",
            "audit.capture_resumed",
            AISHA,
            LOG,
            reason={"text": "Contacts of the old system are loaded"},
            context={"source": "cli"},
        ),
    ),
)
