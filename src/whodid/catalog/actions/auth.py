"""Signing in and out. The resource is the user whose account it is."""

from __future__ import annotations

from whodid.catalog.actions._story import AISHA, JOAO, LISBON, MADRID, MARIA, STRANGER, TOMAS, event_id, said
from whodid.catalog.catalog import Action, Wording
from whodid.model import FieldClass

_CLASSES: dict[str, FieldClass] = {"name": "personal", "email": "personal", "password_hash": "secret"}
_MARIA = {"type": "user", "id": "usr_2M", "name": "Maria Torres"}
_JOAO = {"type": "user", "id": "usr_5J", "name": "João Silva"}

ACTIONS = (
    Action(
        name="auth.login",
        kind="security",
        severity="info",
        sensitivity="P",
        resource_type="user",
        named=True,
        classes=_CLASSES,
        label={"en": "Signed in", "es": "Inicio de sesión"},
        sentences={
            "en": Wording(
                success="{actor} signed in",
                denied="{actor} was not allowed to sign in",
                failed="{actor} tried to sign in without success",
            ),
            "es": Wording(
                success="{actor} inició sesión",
                denied="{actor} no tuvo permiso para iniciar sesión",
                failed="{actor} intentó sin éxito iniciar sesión",
            ),
        },
        parts={"city": "context.city"},
        summaries={"en": "From {city}", "es": "Desde {city}"},
        example=said(
            49,
            "2026-11-20T07:58:10.266Z",
            "auth.login",
            MARIA,
            _MARIA,
            details={"method": "password", "known_device": True, "known_country": True},
            context=MADRID,
        ),
    ),
    Action(
        name="auth.sso_login",
        kind="security",
        severity="info",
        sensitivity="P",
        resource_type="user",
        named=True,
        classes=_CLASSES,
        label={"en": "Signed in with single sign-on", "es": "Inicio de sesión único"},
        sentences={
            "en": Wording(
                success=("{actor} signed in with {provider}", "{actor} signed in with single sign-on"),
                denied="{actor} was not allowed to sign in with single sign-on",
                failed="{actor} tried to sign in with single sign-on without success",
            ),
            "es": Wording(
                success=("{actor} inició sesión con {provider}", "{actor} inició sesión con inicio de sesión único"),
                denied="{actor} no tuvo permiso para iniciar sesión con inicio de sesión único",
                failed="{actor} intentó sin éxito iniciar sesión con inicio de sesión único",
            ),
        },
        parts={"provider": "details.provider", "city": "context.city"},
        summaries={"en": "From {city}", "es": "Desde {city}"},
        example=said(
            50,
            "2026-11-20T11:11:09.838Z",
            "auth.sso_login",
            JOAO,
            _JOAO,
            severity="notice",
            details={
                "provider": "Google Workspace",
                "subject_hash": "f3d1a07c5b2e",
                "auto_provisioned": False,
                "known_device": False,
            },
            context=LISBON,
        ),
    ),
    Action(
        name="auth.logout",
        kind="security",
        severity="info",
        resource_type="user",
        named=True,
        classes=_CLASSES,
        label={"en": "Signed out", "es": "Cierre de sesión"},
        sentences={
            "en": Wording(
                success="{actor} signed out",
                denied="{actor} was not allowed to sign out",
                failed="{actor} tried to sign out without success",
            ),
            "es": Wording(
                success="{actor} cerró sesión",
                denied="{actor} no tuvo permiso para cerrar sesión",
                failed="{actor} intentó sin éxito cerrar sesión",
            ),
        },
        parts={"minutes": "details.session_minutes"},
        summaries={"en": "Signed in for {minutes}", "es": "Sesión de {minutes}"},
        example=said(
            51,
            "2026-11-20T11:10:24.592Z",
            "auth.logout",
            MARIA,
            _MARIA,
            details={"session_minutes": 192, "end_reason": "logout"},
            context=MADRID,
        ),
    ),
    Action(
        name="auth.password_changed",
        kind="security",
        severity="notice",
        resource_type="user",
        named=True,
        classes=_CLASSES,
        label={"en": "Password changed", "es": "Contraseña cambiada"},
        sentences={
            "en": Wording(
                success=("{actor} changed the password of {other}", "{actor} chose a new password"),
                denied="{actor} was not allowed to change the password of {resource}",
                failed="{actor} tried to change the password of {resource} without success",
            ),
            "es": Wording(
                success=("{actor} cambió la contraseña de {other}", "{actor} cambió de contraseña"),
                denied="{actor} no tuvo permiso para cambiar la contraseña de {resource}",
                failed="{actor} intentó sin éxito cambiar la contraseña de {resource}",
            ),
        },
        parts={"ended": "details.sessions_ended"},
        summaries={"en": "Other sessions ended: {ended}", "es": "Otras sesiones cerradas: {ended}"},
        example=said(
            52,
            "2026-11-20T11:05:02.104Z",
            "auth.password_changed",
            MARIA,
            _MARIA,
            changes=[
                {
                    "path": "password_hash",
                    "class": "secret",
                    "before_fp": "6ac8f1e2904db357",
                    "after_fp": "d5027b9ec14f8a36",
                }
            ],
            details={"by": "self", "sessions_ended": 2},
            context=MADRID,
        ),
    ),
    Action(
        name="auth.login_failed",
        kind="security",
        severity="notice",
        sensitivity="P",
        resource_type="user",
        classes=_CLASSES,
        label={"en": "Sign-in failed", "es": "Inicio de sesión fallido"},
        sentences={
            "en": Wording(
                success="Sign-in failed for {resource}",
                denied="Sign-in was refused for {resource}",
                failed="Sign-in failed for {resource}",
            ),
            "es": Wording(
                success="Falló el inicio de sesión de {resource}",
                denied="Se rechazó el inicio de sesión de {resource}",
                failed="Falló el inicio de sesión de {resource}",
            ),
        },
        parts={"cause": "details.cause", "ip": "context.ip"},
        summaries={"en": "{cause}, from {ip}", "es": "{cause}, desde {ip}"},
        example=said(
            53,
            "2026-11-20T10:47:25.719Z",
            "auth.login_failed",
            STRANGER,
            _MARIA,
            outcome="failed",
            severity="warning",
            details={"cause": "wrong_password", "attempts": 6},
            context={"source": "web", "ip": "185.220.101.4", "country": "DE"},
        ),
    ),
    Action(
        name="auth.session_revoked",
        kind="security",
        severity="notice",
        resource_type="user",
        classes=_CLASSES,
        label={"en": "Session ended by somebody else", "es": "Sesión cerrada por otra persona"},
        sentences={
            "en": Wording(
                success=("{actor} ended a session of {other}", "{actor} ended another session"),
                denied="{actor} was not allowed to end a session of {resource}",
                failed="{actor} tried to end a session of {resource} without success",
            ),
            "es": Wording(
                success=("{actor} cerró una sesión de {other}", "{actor} cerró otra sesión"),
                denied="{actor} no tuvo permiso para cerrar una sesión de {resource}",
                failed="{actor} intentó sin éxito cerrar una sesión de {resource}",
            ),
        },
        example=said(
            54,
            "2026-11-20T11:40:50.348Z",
            "auth.session_revoked",
            AISHA,
            _JOAO,
            related=[{"type": "session", "id": "ses_9VX4", "rel": "session"}],
            reason={"text": "Sign-in from Lisbon, not expected"},
            context=MADRID,
        ),
    ),
    Action(
        name="auth.impersonation_started",
        kind="security",
        severity="warning",
        sensitivity="A",
        resource_type="user",
        classes=_CLASSES,
        label={"en": "Acting for somebody began", "es": "Comienzo de suplantación"},
        sentences={
            "en": Wording(
                success="{actor} began to act for {resource}",
                denied="{actor} was not allowed to act for {resource}",
                failed="{actor} tried to act for {resource} without success",
            ),
            "es": Wording(
                success="{actor} empezó a actuar en nombre de {resource}",
                denied="{actor} no tuvo permiso para actuar en nombre de {resource}",
                failed="{actor} intentó sin éxito actuar en nombre de {resource}",
            ),
        },
        example=said(
            68,
            "2026-11-20T12:02:11.420Z",
            "auth.impersonation_started",
            TOMAS,
            _MARIA,
            reason={"text": "Cannot see her campaigns, ticket #2240"},
            context=MADRID,
        ),
    ),
    Action(
        name="auth.impersonation_ended",
        kind="security",
        severity="notice",
        sensitivity="A",
        resource_type="user",
        classes=_CLASSES,
        label={"en": "Acting for somebody ended", "es": "Fin de suplantación"},
        sentences={
            "en": Wording(
                success="{actor} stopped acting for {resource}",
                denied="{actor} was not allowed to stop acting for {resource}",
                failed="{actor} tried to stop acting for {resource} without success",
            ),
            "es": Wording(
                success="{actor} dejó de actuar en nombre de {resource}",
                denied="{actor} no tuvo permiso para dejar de actuar en nombre de {resource}",
                failed="{actor} intentó sin éxito dejar de actuar en nombre de {resource}",
            ),
        },
        parts={"seconds": "details.seconds"},
        summaries={"en": "For {seconds}", "es": "Durante {seconds}"},
        example=said(
            69,
            "2026-11-20T12:06:40.902Z",
            "auth.impersonation_ended",
            TOMAS,
            _MARIA,
            cause=event_id("2026-11-20T12:02:11.420Z", 68),
            reason={"text": "Cannot see her campaigns, ticket #2240"},
            details={"seconds": 269},
            context=MADRID,
        ),
    ),
)
