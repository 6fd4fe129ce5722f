"""Signing in and out with `django.contrib.auth`: independent entries, which no rollback takes away."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from whodid.capture.context import current
from whodid.capture.django.hook import installed
from whodid.capture.django.middleware import user_actor
from whodid.model import Resource

__all__ = ["connect"]

_UID = "whodid"


def connect() -> None:
    """Listen to the signals; a second call changes nothing."""
    user_logged_in.connect(_logged_in, dispatch_uid=_UID)
    user_logged_out.connect(_logged_out, dispatch_uid=_UID)
    user_login_failed.connect(_login_failed, dispatch_uid=_UID)


def disconnect() -> None:
    """Listen no longer."""
    for signal in (user_logged_in, user_logged_out, user_login_failed):
        signal.disconnect(dispatch_uid=_UID)


def _logged_in(*, user: Any, **_: Any) -> None:
    capture = installed().capture
    actor = user_actor(user)
    scope = current()
    if scope is not None and not scope.sealed:
        scope.bind(actor=actor)
    method = getattr(user, "backend", "").rpartition(".")[2] or "unknown"
    capture.record("auth.login", user, actor=actor, details={"method": method}, bind="independent")


def _logged_out(*, user: Any, **_: Any) -> None:
    if user is not None:
        installed().capture.record("auth.logout", user, actor=user_actor(user), bind="independent")


def _login_failed(*, credentials: dict[str, Any], **_: Any) -> None:
    """Say that somebody tried; who is not known, and the name that was typed may be anything, even a password."""
    said = next((str(credentials[name]) for name in ("username", "email") if credentials.get(name)), "")
    about = f"sha256:{sha256(said.strip().lower().encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
    installed().capture.record(
        "auth.login_failed",
        Resource(type="user", id=about),
        outcome="failed",
        details={"cause": "wrong_credentials"},
        bind="independent",
    )
