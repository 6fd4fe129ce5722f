"""Colleagues who use the workspace."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, JOAO, LISBON, MADRID, said
from whodid.catalog.catalog import Action, Wording
from whodid.model import FieldClass

_CLASSES: dict[str, FieldClass] = {"name": "personal", "email": "personal", "password_hash": "secret"}
_JOAO = {"type": "user", "id": "usr_5J", "name": "João Silva"}
_LUCIA = {"type": "user", "id": "usr_6L", "name": "Lucía Gil"}

ACTIONS = (
    Action(
        name="user.created",
        kind="create",
        severity="notice",
        sensitivity="PA",
        resource_type="user",
        named=True,
        classes=_CLASSES,
        answers=("role",),
        label={"en": "User created", "es": "Usuario creado"},
        sentences={
            "en": Wording(
                success=("{actor} invited {resource} as {role}", "{actor} invited {resource}"),
                denied="{actor} was not allowed to invite {resource}",
                failed="{actor} tried to invite {resource} without success",
            ),
            "es": Wording(
                success=("{actor} invitó a {resource} como {role}", "{actor} invitó a {resource}"),
                denied="{actor} no tuvo permiso para invitar a {resource}",
                failed="{actor} intentó sin éxito invitar a {resource}",
            ),
        },
        parts={"role": "changes.role.after"},
        example=said(
            9,
            "2026-11-16T08:58:14.702Z",
            "user.created",
            AISHA,
            _JOAO,
            changes=[
                {"path": "name", "op": "add", "after": "João Silva", "class": "personal"},
                {"path": "email", "op": "add", "after": "joao@casalumen.es", "class": "personal"},
                {"path": "role", "op": "add", "after": "Agent"},
                {"path": "status", "op": "add", "after": "invited"},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="user.updated",
        kind="update",
        severity="info",
        sensitivity="P",
        resource_type="user",
        classes=_CLASSES,
        label={"en": "User updated", "es": "Usuario modificado"},
        sentences={
            "en": Wording(
                success=("{actor} updated user {other}", "{actor} updated the personal profile"),
                denied="{actor} was not allowed to update user {resource}",
                failed="{actor} tried to update user {resource} without success",
            ),
            "es": Wording(
                success=("{actor} modificó los datos de {other}", "{actor} modificó el perfil personal"),
                denied="{actor} no tuvo permiso para modificar los datos de {resource}",
                failed="{actor} intentó sin éxito modificar los datos de {resource}",
            ),
        },
        example=said(
            10,
            "2026-11-17T12:15:40.093Z",
            "user.updated",
            JOAO,
            _JOAO,
            changes=[{"path": "name", "before": "Joao Silva", "after": "João Silva", "class": "personal"}],
            context=LISBON,
        ),
    ),
    Action(
        name="user.role_changed",
        kind="security",
        severity="warning",
        sensitivity="A",
        resource_type="user",
        named=True,
        classes=_CLASSES,
        answers=("role",),
        label={"en": "Role of a user changed", "es": "Rol de un usuario cambiado"},
        sentences={
            "en": Wording(
                success="{actor} changed the role of {resource}",
                denied="{actor} was not allowed to change the role of {resource}",
                failed="{actor} tried to change the role of {resource} without success",
            ),
            "es": Wording(
                success="{actor} cambió el rol de {resource}",
                denied="{actor} no tuvo permiso para cambiar el rol de {resource}",
                failed="{actor} intentó sin éxito cambiar el rol de {resource}",
            ),
        },
        example=said(
            11,
            "2026-11-20T11:15:33.481Z",
            "user.role_changed",
            AISHA,
            _JOAO,
            severity="critical",
            changes=[
                {"path": "role", "before": "Agent", "after": "Admin"},
                {"path": "permissions", "op": "set", "added": ["campaigns:start", "users:manage"], "removed": []},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="user.deactivated",
        kind="security",
        severity="warning",
        sensitivity="A",
        resource_type="user",
        named=True,
        classes=_CLASSES,
        answers=("role",),
        label={"en": "User deactivated", "es": "Usuario desactivado"},
        sentences={
            "en": Wording(
                success="{actor} deactivated {resource}",
                denied="{actor} was not allowed to deactivate {resource}",
                failed="{actor} tried to deactivate {resource} without success",
            ),
            "es": Wording(
                success="{actor} desactivó a {resource}",
                denied="{actor} no tuvo permiso para desactivar a {resource}",
                failed="{actor} intentó sin éxito desactivar a {resource}",
            ),
        },
        example=said(
            12,
            "2026-11-19T16:02:57.334Z",
            "user.deactivated",
            AISHA,
            _LUCIA,
            changes=[{"path": "status", "before": "active", "after": "deactivated"}],
            reason={"text": "Left the company"},
            details={"sessions_ended": 2, "conversations_unassigned": 14, "api_keys_revoked": 1},
            context=MADRID,
        ),
    ),
    Action(
        name="user.reactivated",
        kind="security",
        severity="warning",
        sensitivity="A",
        resource_type="user",
        classes=_CLASSES,
        answers=("role",),
        label={"en": "User reactivated", "es": "Usuario reactivado"},
        sentences={
            "en": Wording(
                success="{actor} reactivated {resource}",
                denied="{actor} was not allowed to reactivate {resource}",
                failed="{actor} tried to reactivate {resource} without success",
            ),
            "es": Wording(
                success="{actor} reactivó a {resource}",
                denied="{actor} no tuvo permiso para reactivar a {resource}",
                failed="{actor} intentó sin éxito reactivar a {resource}",
            ),
        },
        example=said(
            13,
            "2026-11-20T09:30:11.005Z",
            "user.reactivated",
            AISHA,
            _LUCIA,
            changes=[{"path": "status", "before": "deactivated", "after": "active"}],
            context=MADRID,
        ),
    ),
)
