"""The language of a workspace: the one in which people are told where a sink names none."""

from __future__ import annotations

from whodid.catalog import LANGUAGES
from whodid.errors import InvalidSetting
from whodid.log import Announced, Log
from whodid.model import Actor, Change, Context, Event, Reason
from whodid.sinks.settings import make_event

__all__ = ["change_language", "read_language"]

_LANGUAGE: Announced[str] = Announced("sinks.language", str, "en", "The language of the workspace")


def read_language(log: Log, workspace: str) -> str:
    """Return the language of a workspace; English while nobody chose one."""
    return _LANGUAGE.read(log, workspace)


def change_language(
    log: Log,
    workspace: str,
    lang: str,
    *,
    actor: Actor,
    context: Context | None = None,
    reason: Reason | None = None,
) -> bool:
    """Choose the language of a workspace and record it.

    Args:
        lang: One of `LANGUAGES`.
        actor: Who chooses it.
        context: Where from.
        reason: Why.

    Returns:
        Whether it was another one before.

    Raises:
        InvalidSetting: There is no such language here.
        NotFound: The workspace has no log.
    """
    if lang not in LANGUAGES:
        raise InvalidSetting(f"There is no language {lang[:60]!r} here", f"Use one of {', '.join(LANGUAGES)}")
    log.head(workspace)

    def make(before: str) -> tuple[str, Event] | None:
        if before == lang:
            return None
        changes = (Change(path="language", before=before, after=lang),)
        action = "audit.stream_changed"
        return lang, make_event(
            log, workspace, None, action, changes=changes, actor=actor, context=context, reason=reason
        )

    return _LANGUAGE.change(log, workspace, make) is not None
