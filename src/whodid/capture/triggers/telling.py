"""Who acts, told to the database: the scope as a text for `whodid.context`, and back.

It is set for the transaction only (`set_config(…, true)`), so that nothing of it is left on a connection that goes back
to a pool, be that one in the process or a pgbouncer in front of the server.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from whodid.canonical import encode
from whodid.capture.builder import Builder
from whodid.capture.context import Scope
from whodid.capture.redact import masked, reason_of
from whodid.capture.values import plain
from whodid.model import Actor, Context, Reason

__all__ = ["SETTING", "heard", "told"]

SETTING = "whodid.context"
"""The setting of PostgreSQL that carries it."""


class _Whence(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a text of a scope says."""

    actor: Actor | None = None
    workspace: str | None = None
    context: Context | None = None
    reason: Reason | None = None
    cause: str | None = None
    batch: str | None = None
    details: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Whence).decode


def told(scope: Scope | None, capture: Builder) -> str:
    """Write a scope as a text; empty when there is none. Secrets are replaced here, before it leaves the process.

    Args:
        scope: Who acts.
        capture: Knows what is secret, and the workspace where the scope does not say it.
    """
    if scope is None:
        return ""
    workspace = capture.known_workspace(scope=scope)
    around = scope.around(None)
    details = None
    if around is not None:
        keyed = capture.keyed(workspace)
        details = masked(plain(around), "", capture.catalog.classes(""), keyed if workspace else lambda _: None)
    whence = _Whence(
        actor=scope.actor,
        workspace=workspace,
        context=scope.origin(background=scope.sealed),
        reason=reason_of(scope.get("reason")),
        cause=scope.get("cause"),
        batch=scope.get("batch"),
        details=details,
    )
    return encode(whence).decode()


def heard(text: str) -> Scope | None:
    """Return the scope that a text says; None when there is none, or when it is not a text of ours."""
    if not text:
        return None
    try:
        whence = _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    own: dict[str, Any] = {name: getattr(whence, name) for name in _Whence.__struct_fields__ if name != "context"}
    if whence.context is not None:
        own |= {name: getattr(whence.context, name) for name in Context.__struct_fields__}
    return Scope(None, own)  # type: ignore[arg-type]  # the names of a setting, all of them
