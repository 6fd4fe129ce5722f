"""The campaign guard hears what WhatsApp says about templates and accounts."""

from __future__ import annotations

from sendero.tables import Account, Template
from sendero.work import Work

__all__ = ["account_changed", "template_changed"]


def template_changed(work: Work, template: Template, cause: str) -> None:
    """Hear that the status of a template changed.

    Args:
        cause: The id of the entry that says so.
    """


def account_changed(work: Work, account: Account, cause: str, code: int | None) -> None:
    """Hear that the status or the quality of an account changed.

    Args:
        cause: The id of the entry that says so.
        code: WhatsApp's error code, when a refusal told us.
    """
