"""The secrets of sinks: in a file or a variable that a setting names, or kept in the store, encrypted.

Only sinks that were added over HTTP or in the console have theirs in the store: whoever adds one there has no file on
the server. It is written once and read for deliveries; nothing ever answers it.
"""

from __future__ import annotations

from whodid.errors import InvalidSetting
from whodid.log import Log
from whodid.sinks.kinds import read_secrets
from whodid.sinks.kinds.base import split_secrets
from whodid.sinks.settings import Sink

__all__ = ["KEPT", "forget_secret", "keep_secret", "kept_secret", "restore_secret", "secrets_of"]

KEPT = "kept"
"""What a setting says where the secret is in the store."""

_LONGEST = 4_000


def secrets_of(log: Log, workspace: str, sink: Sink) -> tuple[str, ...]:
    """Return the secrets of a sink, the newest first.

    Raises:
        InvalidSetting: There is none where the settings say, or it cannot be read.
    """
    if sink.secret != KEPT:
        return read_secrets(sink.secret)
    kept = kept_secret(log, workspace, sink.id)
    if kept is None:
        raise InvalidSetting(f"The secret of the sink {sink.name} is not in the store", "Set it again")
    return split_secrets(log.vault.decrypt(workspace, _state(sink.id), kept.decode()), "The secret in the store")


def keep_secret(log: Log, workspace: str, sink: str, text: str) -> None:
    """Put the secrets of a sink into the store, in the place of those that were there.

    Args:
        sink: Its id.
        text: One per line, the newest first.

    Raises:
        InvalidSetting: It is none, or no header can carry it.
    """
    if len(text) > _LONGEST:
        raise InvalidSetting("The secret is too long", f"Use {_LONGEST:,} characters at most")
    split_secrets(text, "What was given")
    restore_secret(log, workspace, sink, log.vault.encrypt(workspace, _state(sink), text).encode())


def kept_secret(log: Log, workspace: str, sink: str) -> bytes | None:
    """Return the secrets of a sink as they are in the store, encrypted; None when none are there."""
    return log.state(workspace, _state(sink))


def restore_secret(log: Log, workspace: str, sink: str, kept: bytes | None) -> None:
    """Put the secrets of a sink back as they were (`kept_secret`)."""
    while (now := kept_secret(log, workspace, sink)) != kept:
        log.swap_state(workspace, _state(sink), now, kept)


def forget_secret(log: Log, workspace: str, sink: str) -> None:
    """Remove the secrets of a sink from the store."""
    restore_secret(log, workspace, sink, None)


def _state(sink: str) -> str:
    return f"sinks.secret.{sink}"
