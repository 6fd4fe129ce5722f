"""Single sign-on connections."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, MADRID, said
from whodid.catalog.catalog import Action, Wording
from whodid.model import FieldClass

_CLASSES: dict[str, FieldClass] = {"client_secret": "secret"}
_GOOGLE = {"type": "sso", "id": "sso_1G", "name": "casalumen.es"}

ACTIONS = (
    Action(
        name="sso.created",
        kind="security",
        severity="critical",
        sensitivity="SA",
        resource_type="sso",
        classes=_CLASSES,
        label={"en": "Single sign-on set up", "es": "Inicio de sesión único configurado"},
        sentences={
            "en": Wording(
                success="{actor} set up single sign-on for {resource}",
                denied="{actor} was not allowed to set up single sign-on for {resource}",
                failed="{actor} tried to set up single sign-on for {resource} without success",
            ),
            "es": Wording(
                success="{actor} configuró el inicio de sesión único para {resource}",
                denied="{actor} no tuvo permiso para configurar el inicio de sesión único para {resource}",
                failed="{actor} intentó sin éxito configurar el inicio de sesión único para {resource}",
            ),
        },
        example=said(
            46,
            "2026-09-02T07:44:13.951Z",
            "sso.created",
            AISHA,
            _GOOGLE,
            changes=[
                {"path": "provider", "op": "add", "after": "google"},
                {"path": "domains", "op": "add", "after": ["casalumen.es"]},
                {"path": "client_id", "op": "add", "after": "casalumen-workspace"},
                {"path": "client_secret", "op": "add", "class": "secret", "after_fp": "b7720c4e19d8a6f5"},
                {"path": "enforced", "op": "add", "after": False},
            ],
            context=MADRID,
        ),
    ),
    Action(
        name="sso.updated",
        kind="security",
        severity="critical",
        sensitivity="SA",
        resource_type="sso",
        classes=_CLASSES,
        label={"en": "Single sign-on updated", "es": "Inicio de sesión único modificado"},
        sentences={
            "en": Wording(
                success="{actor} updated single sign-on for {resource}",
                denied="{actor} was not allowed to update single sign-on for {resource}",
                failed="{actor} tried to update single sign-on for {resource} without success",
            ),
            "es": Wording(
                success="{actor} modificó el inicio de sesión único de {resource}",
                denied="{actor} no tuvo permiso para modificar el inicio de sesión único de {resource}",
                failed="{actor} intentó sin éxito modificar el inicio de sesión único de {resource}",
            ),
        },
        example=said(
            47,
            "2026-11-04T08:10:29.773Z",
            "sso.updated",
            AISHA,
            _GOOGLE,
            changes=[{"path": "enforced", "before": False, "after": True}],
            context=MADRID,
        ),
    ),
    Action(
        name="sso.deleted",
        kind="security",
        severity="critical",
        sensitivity="SA",
        resource_type="sso",
        classes=_CLASSES,
        label={"en": "Single sign-on removed", "es": "Inicio de sesión único eliminado"},
        sentences={
            "en": Wording(
                success="{actor} removed single sign-on for {resource}",
                denied="{actor} was not allowed to remove single sign-on for {resource}",
                failed="{actor} tried to remove single sign-on for {resource} without success",
            ),
            "es": Wording(
                success="{actor} eliminó el inicio de sesión único de {resource}",
                denied="{actor} no tuvo permiso para eliminar el inicio de sesión único de {resource}",
                failed="{actor} intentó sin éxito eliminar el inicio de sesión único de {resource}",
            ),
        },
        example=said(
            48,
            "2026-09-01T16:27:40.465Z",
            "sso.deleted",
            AISHA,
            {"type": "sso", "id": "sso_0H", "name": "lumen.es"},
            changes=[
                {"path": "provider", "op": "remove", "before": "github"},
                {"path": "client_secret", "op": "remove", "class": "secret", "before_fp": "0e93fd21c7645ba8"},
            ],
            context=MADRID,
        ),
    ),
)
