"""What kind an undeclared action most likely is, by its verb."""

from __future__ import annotations

from collections.abc import Mapping

from whodid.model import Kind

__all__ = ["kind_of"]

_VERBS: Mapping[Kind, str] = {
    "create": """
        added booked cloned connected copied created drafted duplicated enrolled generated imported inserted installed
        invited issued joined linked opened ordered placed posted provisioned published received registered requested
        restored sent signed_up submitted subscribed uploaded
    """,
    "delete": """
        cleared deleted destroyed detached disconnected discarded dropped emptied erased left purged removed trashed
        uninstalled unlinked unsubscribed wiped withdrawn
    """,
    "status": """
        accepted activated approved archived blocked canceled cancelled closed completed deactivated declined delivered
        disabled enabled ended escalated expired failed finished flagged held locked paused reactivated rejected
        released reopened resolved resumed returned scheduled skipped snoozed started stopped suspended terminated
        timed_out unarchived unblocked unlocked unscheduled
    """,
    "security": """
        accessed authenticated authorized challenged denied downloaded exported granted impersonated logged_in
        logged_out login login_failed logout password_changed password_reset permissions_changed revoked role_changed
        rotated shared signed_in signed_out sso_login token_rotated unshared verified verify_failed viewed viewer_opened
    """,
}
_KINDS: Mapping[str, Kind] = {verb: kind for kind, verbs in _VERBS.items() for verb in verbs.split()}
_GUARDED = frozenset({"api_key", "audit", "auth", "authentication", "mfa", "permission", "role", "session", "sso"})


def kind_of(action: str) -> Kind:
    """Infer the kind of an action from its name.

    The verb decides, in the past tense or as foreign logs write it (`invoice.sent`, `ticket.status_changed`,
    `branch.destroy`). What happens to sign-in, keys and rights is security, unless something came into being or went.

    Args:
        action: `noun.verb`.

    Returns:
        The kind; `update` when the verb says nothing else.
    """
    noun, _, verb = action.rpartition(".")
    if verb.endswith(("status_changed", "state_changed")):
        return "status"
    words = (verb, verb.rpartition("_")[2], verb.partition("_")[0])
    kind = next((_KINDS[form] for word in words for form in (word, f"{word}d", f"{word}ed") if form in _KINDS), None)
    if kind in {None, "status"} and noun.partition(".")[0] in _GUARDED:
        return "security"
    return kind or "update"
