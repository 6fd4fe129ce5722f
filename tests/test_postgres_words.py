"""What PostgreSQL's own library says, in our words."""

from __future__ import annotations

import pytest

import whodid
from whodid.errors import InvalidSetting, StoreUnavailable

pytest.importorskip("psycopg", reason="the driver is missing: pip install 'psycopg[binary]'")


def test_an_unreachable_database_is_told_in_one_line() -> None:
    """The library explains in several lines, with tabs and a question mark."""
    with pytest.raises(StoreUnavailable) as caught:
        whodid.open("postgresql://whodid@127.0.0.1:1/audit")
    told = str(caught.value)
    assert told.startswith("127.0.0.1/audit cannot be reached: ")
    assert "refused; Is the server running" in told
    assert told.endswith("connections. See whether it runs and lets this role in, then try again.")
    assert told.isprintable()


def test_an_address_that_is_none_is_told_in_one_line() -> None:
    """The driver ends its sentence with a new line."""
    with pytest.raises(InvalidSetting) as caught:
        whodid.open("postgresql://whodid@db/audit?nonsense=1")
    assert str(caught.value).endswith('"nonsense". Use postgresql://user@host/database.')
