"""What may be said of an address of PostgreSQL that cannot be used: nothing that could be its password."""

from __future__ import annotations

import re

from whodid.errors import InvalidSetting

__all__ = ["refuse_cut_login", "unreadable"]

_REMEDY = "Use postgresql://user@host/database"
_QUOTED = re.compile(r'".*"', re.DOTALL)
# An @ where the host is over: the login held one of these characters, and the rest of it is taken for something else.
_CUT_LOGIN = re.compile(r"\w+://[^@/?#]*(?:[/#][^?]*|\?[^=]*)@")


def refuse_cut_login(url: str) -> None:
    """Refuse an address whose password holds a character that ends the login: the rest of it would go into messages.

    Raises:
        InvalidSetting: It does.
    """
    if _CUT_LOGIN.match(url):
        raise InvalidSetting(
            "The login in the address of the database holds a character that ends it",
            "Write / as %2F, ? as %3F and # as %23 in the password",
        )


def unreadable(said: str) -> InvalidSetting:
    """Return the error for an address that libpq cannot read.

    Args:
        said: What libpq said; it quotes the part at fault.
    """
    fact = _QUOTED.sub('"…"', said.strip())
    return InvalidSetting(f"The address of the database cannot be read: {fact}", _REMEDY)
