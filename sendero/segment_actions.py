"""The actions of segments, declared as whodid's own are."""

from __future__ import annotations

from typing import Any

from whodid import Action
from whodid.catalog import Wording

__all__ = ["SEGMENT_ACTIONS"]

_PRIYA = {"type": "user", "id": "usr_3P", "name": "Priya Nair", "email": "priya@casalumen.es", "role": "Marketing"}
_MADRID = {"type": "segment", "id": "seg_4M", "name": "Madrid, may get offers"}


def _example(number: int, at: str, action: str, **members: Any) -> dict[str, Any]:
    return {
        "id": f"01930000-0000-7000-8000-0000000001{number:02}",
        "occurred_at": at,
        "actor": _PRIYA,
        "action": action,
        "resource": _MADRID,
        **members,
    }


SEGMENT_ACTIONS = (
    Action(
        name="segment.created",
        kind="create",
        severity="info",
        resource_type="segment",
        label={"en": "Segment created", "es": "Segmento creado"},
        sentences={
            "en": Wording(
                success="{actor} created segment {resource}",
                denied="{actor} was not allowed to create segment {resource}",
                failed="{actor} tried to create segment {resource} without success",
            ),
            "es": Wording(
                success="{actor} creó el segmento {resource}",
                denied="{actor} no tuvo permiso para crear el segmento {resource}",
                failed="{actor} intentó sin éxito crear el segmento {resource}",
            ),
        },
        parts={"people": "details.people"},
        summaries={"en": "People: {people}", "es": "Personas: {people}"},
        example=_example(
            1,
            "2026-11-19T17:10:04.118000Z",
            "segment.created",
            changes=[
                {"path": "name", "op": "add", "after": "Madrid, may get offers"},
                {"path": "filter.city", "op": "add", "after": ["Madrid"]},
                {"path": "filter.consent", "op": "add", "after": ["opted_in"]},
            ],
            details={"people": 20_000, "rule": "consent.marketing = opted_in and city = Madrid"},
        ),
    ),
    Action(
        name="segment.updated",
        kind="update",
        severity="info",
        resource_type="segment",
        label={"en": "Segment updated", "es": "Segmento modificado"},
        sentences={
            "en": Wording(
                success="{actor} updated segment {resource}",
                denied="{actor} was not allowed to update segment {resource}",
                failed="{actor} tried to update segment {resource} without success",
            ),
            "es": Wording(
                success="{actor} modificó el segmento {resource}",
                denied="{actor} no tuvo permiso para modificar el segmento {resource}",
                failed="{actor} intentó sin éxito modificar el segmento {resource}",
            ),
        },
        example=_example(
            2,
            "2026-11-19T17:14:51.320000Z",
            "segment.updated",
            changes=[{"path": "filter.city", "op": "set", "added": ["Getafe"], "removed": []}],
            details={"people": 21_340, "rule": "consent.marketing = opted_in and city in (Madrid, Getafe)"},
        ),
    ),
    Action(
        name="segment.deleted",
        kind="delete",
        severity="notice",
        resource_type="segment",
        label={"en": "Segment deleted", "es": "Segmento eliminado"},
        sentences={
            "en": Wording(
                success="{actor} deleted segment {resource}",
                denied="{actor} was not allowed to delete segment {resource}",
                failed="{actor} tried to delete segment {resource} without success",
            ),
            "es": Wording(
                success="{actor} eliminó el segmento {resource}",
                denied="{actor} no tuvo permiso para eliminar el segmento {resource}",
                failed="{actor} intentó sin éxito eliminar el segmento {resource}",
            ),
        },
        example=_example(
            3,
            "2026-11-24T09:02:33.007000Z",
            "segment.deleted",
            changes=[
                {"path": "name", "op": "remove", "before": "Madrid, may get offers"},
                {"path": "filter.city", "op": "remove", "before": ["Madrid", "Getafe"]},
            ],
            reason={"code": "not_used"},
            details={"people": 21_340, "rule": "consent.marketing = opted_in and city in (Madrid, Getafe)"},
        ),
    ),
)
