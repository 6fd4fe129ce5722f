"""Teams and who is in them."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, MADRID, said
from whodid.catalog.catalog import Action, Wording

_NIGHT = {"type": "team", "id": "tea_2N", "name": "Night shift"}

ACTIONS = (
    Action(
        name="team.created",
        kind="create",
        severity="info",
        resource_type="team",
        label={"en": "Team created", "es": "Equipo creado"},
        sentences={
            "en": Wording(
                success="{actor} created team {resource}",
                denied="{actor} was not allowed to create team {resource}",
                failed="{actor} tried to create team {resource} without success",
            ),
            "es": Wording(
                success="{actor} creó el equipo {resource}",
                denied="{actor} no tuvo permiso para crear el equipo {resource}",
                failed="{actor} intentó sin éxito crear el equipo {resource}",
            ),
        },
        example=said(
            39,
            "2026-09-15T08:20:41.336Z",
            "team.created",
            AISHA,
            _NIGHT,
            changes=[
                {"path": "name", "op": "add", "after": "Night shift"},
                {"path": "assignment", "op": "add", "after": "round_robin"},
                {"path": "members", "op": "set", "added": ["Lucía Gil"], "removed": []},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="team.deleted",
        kind="delete",
        severity="info",
        resource_type="team",
        label={"en": "Team deleted", "es": "Equipo eliminado"},
        sentences={
            "en": Wording(
                success="{actor} deleted team {resource}",
                denied="{actor} was not allowed to delete team {resource}",
                failed="{actor} tried to delete team {resource} without success",
            ),
            "es": Wording(
                success="{actor} eliminó el equipo {resource}",
                denied="{actor} no tuvo permiso para eliminar el equipo {resource}",
                failed="{actor} intentó sin éxito eliminar el equipo {resource}",
            ),
        },
        example=said(
            40,
            "2026-10-02T11:54:16.888Z",
            "team.deleted",
            AISHA,
            {"type": "team", "id": "tea_1S", "name": "Summer help"},
            changes=[
                {"path": "name", "op": "remove", "before": "Summer help"},
                {"path": "members", "op": "set", "added": [], "removed": ["João Silva", "Lucía Gil"]},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="team.modified",
        kind="update",
        severity="info",
        resource_type="team",
        named=True,
        label={"en": "Team modified", "es": "Equipo modificado"},
        sentences={
            "en": Wording(
                success="{actor} modified team {resource}",
                denied="{actor} was not allowed to modify team {resource}",
                failed="{actor} tried to modify team {resource} without success",
            ),
            "es": Wording(
                success="{actor} modificó el equipo {resource}",
                denied="{actor} no tuvo permiso para modificar el equipo {resource}",
                failed="{actor} intentó sin éxito modificar el equipo {resource}",
            ),
        },
        example=said(
            41,
            "2026-11-19T15:48:09.121Z",
            "team.modified",
            AISHA,
            _NIGHT,
            related=[
                {"type": "user", "id": "usr_5J", "name": "João Silva", "rel": "member"},
                {"type": "user", "id": "usr_6L", "name": "Lucía Gil", "rel": "member"},
            ],
            changes=[{"path": "members", "op": "set", "added": ["João Silva"], "removed": ["Lucía Gil"]}],
            context=MADRID,
        ),
    ),
)
