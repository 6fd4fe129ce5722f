"""What was typed into a form, and a file that was sent along with it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import BinaryIO

from msgspec import Struct
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from sendero.errors import Invalid
from whodid import Reason

__all__ = ["Form", "Upload", "read_upload"]

_AROUND = 64 * 1024  # what stands around a file in a form: names, boundaries, the other fields
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


class Upload(Struct, frozen=True, kw_only=True):
    """A file that was sent; beyond a mebibyte it lies on the disk."""

    file: BinaryIO
    name: str


class Form:
    """What was typed, as texts.

    Args:
        pairs: Names and values in the order of the form.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        """Return the first value of a name; empty when there is none."""
        return next((value for key, value in self._pairs if key == name), "")

    def all(self, name: str) -> list[str]:
        """Return every value of a name."""
        return [value for key, value in self._pairs if key == name]

    def group(self, prefix: str) -> dict[str, str]:
        """Return the values whose names begin with a prefix, by the rest of the name."""
        return {key.removeprefix(prefix): value for key, value in self._pairs if key.startswith(prefix)}

    def on(self, name: str) -> bool:
        """Tell whether a box is ticked."""
        return any(key == name for key, _ in self._pairs)

    def reason(self, codes: Iterable[str]) -> Reason | None:
        """Return why something is done: a code of the list, a text, or both.

        Raises:
            Invalid: The text is too long.
        """
        code = self["reason"] if self["reason"] in codes else None
        text = self["note"].strip() or None
        if text is not None and len(text) > 500:
            raise Invalid({"note": "Use at most 500 characters."})
        return Reason(code=code, text=text) if code or text else None


@asynccontextmanager
async def read_upload(request: Request, largest: int) -> AsyncIterator[tuple[Form, Upload | None]]:
    """Read a form with a file, piece by piece; the file is gone afterwards.

    Args:
        largest: How many bytes the file can have.

    Raises:
        HTTPException: It is larger, or no such form.
    """

    async def measured() -> AsyncIterator[bytes]:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > largest + _AROUND:
                raise HTTPException(413, "The file is too large.")
            yield part

    try:
        # Starlette names the narrower type of a generator; it only iterates.
        data = await MultiPartParser(request.headers, measured(), max_files=1, max_fields=100).parse()  # type: ignore[arg-type]
    except (MultiPartException, KeyError, ValueError, ClientDisconnect):
        raise HTTPException(400, "The form cannot be read.") from None
    try:
        pairs = [
            (name, _CONTROLS.sub("", value.replace("\r\n", "\n")))
            for name, value in data.multi_items()
            if isinstance(value, str)
        ]
        files = [value for _, value in data.multi_items() if isinstance(value, UploadFile)]
        upload = Upload(file=files[0].file, name=files[0].filename or "") if files else None
        yield Form(pairs), upload
    finally:
        await data.close()
