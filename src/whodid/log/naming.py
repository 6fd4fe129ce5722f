"""What may be the name of a workspace."""

from __future__ import annotations

from whodid.errors import InvalidSetting

__all__ = ["check_name"]

_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-")
_LONGEST = 100


def check_name(workspace: str) -> None:
    """Refuse what cannot be the name of a workspace.

    Raises:
        InvalidSetting: It is not 1 to 100 letters, digits and the characters `_ . : -`.
    """
    if not workspace or len(workspace) > _LONGEST or not _CHARACTERS.issuperset(workspace):
        raise InvalidSetting(
            f"{workspace[:_LONGEST]!r} is not a workspace", "Use 1 to 100 letters, digits and the characters _ . : -"
        )
