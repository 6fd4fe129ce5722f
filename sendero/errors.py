"""What can go wrong in the workspace, told apart by what the person in front of it should do.

Messages are English texts of the catalogue in `sendero.words`; the web translates them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whodid.model import Resource

__all__ = ["Conflict", "Forbidden", "Invalid", "Missing", "SenderoError", "Unavailable"]

REFUSED = "WhatsApp refuses this: {said} ({code}). Nothing was changed."
SILENT = "WhatsApp cannot be used now ({said}). Nothing was changed; try again in a moment."


class SenderoError(Exception):
    """Base of the family; never raised itself.

    Args:
        message: The fact for people, perhaps with parts in braces.
        parts: Their values.
    """

    def __init__(self, message: str, **parts: Any) -> None:
        self.message = message
        self.parts = parts
        super().__init__(message.format(**parts) if parts else message)


class Invalid(SenderoError):
    """What was typed cannot be taken: correct it.

    Args:
        fields: Field → what is wrong with it.
    """

    def __init__(self, fields: Mapping[str, str], **parts: Any) -> None:
        self.fields = dict(fields)
        super().__init__(next(iter(fields.values())), **parts)


class Conflict(SenderoError):
    """The state of things does not allow it: look again."""


class Unavailable(Conflict):
    """WhatsApp refused or did not answer; the attempt is recorded as failed.

    Args:
        provider_code: WhatsApp's own; 0 when there was no answer.
        text: WhatsApp's words.
    """

    def __init__(self, provider_code: int, text: str) -> None:
        self.provider_code = provider_code
        self.text = text
        super().__init__(REFUSED if provider_code else SILENT, said=text, code=provider_code)


class Missing(SenderoError):
    """There is no such thing in this workspace."""

    def __init__(self, message: str = "There is nothing at this address.") -> None:
        super().__init__(message)


class Forbidden(SenderoError):
    """The person may not do it; the refusal is recorded.

    Args:
        permission: What is missing.
        action: What was attempted.
        resource: On what.
        code: Reason code of the entry.
    """

    def __init__(
        self,
        message: str,
        *,
        permission: str = "",
        action: str = "",
        resource: Resource | None = None,
        code: str = "no_permission",
    ) -> None:
        self.permission = permission
        self.action = action
        self.resource = resource
        self.code = code
        super().__init__(message)
