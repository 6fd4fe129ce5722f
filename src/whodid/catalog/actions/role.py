"""Roles: what a group of people may do."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, MADRID, said
from whodid.catalog.catalog import Action, Wording

ACTIONS = (
    Action(
        name="role.created",
        kind="create",
        severity="warning",
        sensitivity="A",
        resource_type="role",
        label={"en": "Role created", "es": "Rol creado"},
        sentences={
            "en": Wording(
                success="{actor} created role {resource}",
                denied="{actor} was not allowed to create role {resource}",
                failed="{actor} tried to create role {resource} without success",
            ),
            "es": Wording(
                success="{actor} creó el rol {resource}",
                denied="{actor} no tuvo permiso para crear el rol {resource}",
                failed="{actor} intentó sin éxito crear el rol {resource}",
            ),
        },
        example=said(
            36,
            "2026-11-06T10:12:09.804Z",
            "role.created",
            AISHA,
            {"type": "role", "id": "rol_6N", "name": "Night agent"},
            changes=[
                {"path": "name", "op": "add", "after": "Night agent"},
                {
                    "path": "permissions",
                    "op": "add",
                    "after": [
                        "contacts:read",
                        "contacts:update",
                        "messages:create",
                        "messages:read",
                        "templates:read",
                        "campaigns:read",
                    ],
                },
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="role.deleted",
        kind="delete",
        severity="warning",
        sensitivity="A",
        resource_type="role",
        label={"en": "Role deleted", "es": "Rol eliminado"},
        sentences={
            "en": Wording(
                success="{actor} deleted role {resource}",
                denied="{actor} was not allowed to delete role {resource}",
                failed="{actor} tried to delete role {resource} without success",
            ),
            "es": Wording(
                success="{actor} eliminó el rol {resource}",
                denied="{actor} no tuvo permiso para eliminar el rol {resource}",
                failed="{actor} intentó sin éxito eliminar el rol {resource}",
            ),
        },
        parts={"holders": "details.holders"},
        summaries={"en": "People who had the role: {holders}", "es": "Personas que tenían el rol: {holders}"},
        example=said(
            37,
            "2026-10-14T13:36:52.470Z",
            "role.deleted",
            AISHA,
            {"type": "role", "id": "rol_4T", "name": "Trainee"},
            changes=[
                {"path": "name", "op": "remove", "before": "Trainee"},
                {"path": "permissions", "op": "remove", "before": ["contacts:read", "messages:read"]},
            ],
            details={"holders": 0},
            context=MADRID,
        ),
    ),
    Action(
        name="role.updated",
        kind="security",
        severity="warning",
        sensitivity="A",
        resource_type="role",
        named=True,
        label={"en": "Role changed", "es": "Rol cambiado"},
        sentences={
            "en": Wording(
                success="{actor} changed role {resource}",
                denied="{actor} was not allowed to change role {resource}",
                failed="{actor} tried to change role {resource} without success",
            ),
            "es": Wording(
                success="{actor} cambió el rol {resource}",
                denied="{actor} no tuvo permiso para cambiar el rol {resource}",
                failed="{actor} intentó sin éxito cambiar el rol {resource}",
            ),
        },
        example=said(
            38,
            "2026-11-12T15:08:33.019Z",
            "role.updated",
            AISHA,
            {"type": "role", "id": "rol_3A", "name": "Agent"},
            changes=[{"path": "permissions", "op": "set", "added": ["contacts:export"], "removed": []}],
            details={"people": 9},
            context=MADRID,
        ),
    ),
)
