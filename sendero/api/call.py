"""One call that is being answered: whose key, what was asked, and how to answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from sendero.api.problems import Problem
from sendero.tables import ApiKey, Owned
from sendero.work import Work

__all__ = ["Answer", "Call", "Route", "instant"]

_Body = TypeVar("_Body")

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_MOST = 100


class Answer(Struct, frozen=True, kw_only=True):
    """What is sent back.

    Args:
        data: Goes out as JSON; None for no body.
    """

    status: int = 200
    data: Any = None
    headers: dict[str, str] = {}


class Call:
    """One call, in one unit of work.

    Args:
        key: Whose it is; what it may do was checked.
        query: The parameters of the address; only those that the route knows.
        body: As it came.
    """

    def __init__(
        self,
        *,
        work: Work,
        key: ApiKey,
        path: Mapping[str, str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        self.work = work
        self.key = key
        self.path = path
        self.query = query
        self.headers = headers
        self._body = body

    def json(self, shape: type[_Body]) -> _Body:
        """Read the body.

        Raises:
            Problem: It is not JSON, or has another shape.
        """
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem(415)
        try:
            plain = msgspec.json.decode(self._body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Problem(400, f"The body is not JSON: {error}.") from None
        if not _clean(plain):
            raise Problem(422, "A text has a control character in it.")
        try:
            return msgspec.convert(plain, shape)
        except msgspec.ValidationError as error:
            fact, _, place = str(error).partition(" - at `$")
            raise Problem(422, errors={place.strip("`.") or "body": f"{fact}."}) from None

    def page(self) -> tuple[int, int]:
        """Return which page is asked for, from 1, and how long pages are.

        Raises:
            Problem: They are no such numbers.
        """
        return self._number("page", 1, 100_000), self._number("limit", 50, _MOST)

    def check_version(self, row: Owned) -> None:
        """Refuse a change that was made for another version of a row, when the caller says which.

        Raises:
            Problem: It is another one.
        """
        wanted = self.headers.get("if-match")
        if wanted is not None and wanted.strip() not in ("*", f'"{row.version}"'):
            raise Problem(412)

    def _number(self, name: str, usual: int, most: int) -> int:
        text = self.query.get(name, str(usual))
        if not text.isascii() or not text.isdigit() or len(text) > 6 or not 1 <= int(text) <= most:
            raise Problem(422, errors={name: f"Use a whole number from 1 to {most}."})
        return int(text)


class Route(Struct, frozen=True, kw_only=True):
    """One address of the API.

    Args:
        path: Below `/api/v1`.
        needs: The permission that the key needs.
        query: The parameters that the address can have.
        says: What it does, for the documentation.
    """

    method: str
    path: str
    needs: str
    answer: Callable[[Call], Answer]
    says: str
    query: tuple[str, ...] = ()


def instant(at: datetime | None) -> str | None:
    """Write an instant as RFC 3339 has it."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _clean(value: Any) -> bool:
    """Tell whether no text in a JSON value holds what no keyboard types and no entry can take."""
    if isinstance(value, str):
        return not _CONTROLS.search(value)
    if isinstance(value, dict):
        return all(_clean(key) and _clean(item) for key, item in value.items())
    return all(map(_clean, value)) if isinstance(value, list) else True
