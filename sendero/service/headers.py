"""What stands above the body of a message: a text, a picture, a video, a document or a place, by the rules of WhatsApp.

A template says which of them it is, with an example that WhatsApp reviews; a campaign says what is sent in its place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from sendero.egress import url_fault
from sendero.errors import Invalid
from sendero.whatsapp.provider import Media

__all__ = [
    "FIELDS",
    "FORMATS",
    "LARGEST",
    "MEDIA",
    "checked",
    "fits",
    "form_of",
    "media",
    "sent",
    "typed",
    "with_handle",
]

MEDIA = ("image", "video", "document")
FORMATS = ("text", *MEDIA, "location")
LARGEST = 16 * 1000 * 1000
"""How many bytes an example can have, whatever it is."""

FIELDS = ("header_link", "header_latitude", "header_longitude", "header_name", "header_address")
"""What the form of a campaign takes for the header of its template."""

_LONGEST_TEXT = 60
_LONGEST_NAME = 100


SAID = {
    "image": "Use a picture in JPEG or PNG of at most 5 MB.",
    "video": "Use a video in MP4 of at most 16 MB.",
    "document": "Use a PDF of at most 16 MB.",
    "no image": "The header of this template is a picture: write where WhatsApp fetches it.",
    "no video": "The header of this template is a video: write where WhatsApp fetches it.",
    "no document": "The header of this template is a document: write where WhatsApp fetches it.",
    "header_latitude": "Write a latitude between -90 and 90, like 40.4168.",
    "header_longitude": "Write a longitude between -180 and 180, like -3.7038.",
    "header_name": "Say what this place is called, in at most 100 characters.",
    "header_address": "Say where this place is, in at most 100 characters.",
}
"""What is wrong with an example of a kind, with a campaign that has no file of it, or with a field of a place."""

# Where a file of a kind has bytes that tell its type, and how large WhatsApp takes it.
_MARKS = {
    "image": ((0, b"\xff\xd8\xff", "image/jpeg"), (0, b"\x89PNG\r\n\x1a\n", "image/png")),
    "video": ((4, b"ftyp", "video/mp4"),),
    "document": ((0, b"%PDF-", "application/pdf"),),
}
_LARGEST = {"image": 5 * 1000 * 1000, "video": LARGEST, "document": LARGEST}
_DEGREES = {"header_latitude": 90, "header_longitude": 180}


def fits(components: Mapping[str, Any], header: Mapping[str, Any]) -> bool:
    """Tell whether what a campaign sends as the header is what its template asks for."""
    kind = components.get("header", {}).get("format", "text")
    return bool(header.get("format", "text") == kind)


def checked(values: Mapping[str, Any], faults: dict[str, str]) -> dict[str, str] | None:
    """Return the header of a template as it is stored: {format, text}, {format, handle, file} or {format}.

    Args:
        values: header_format (one of `FORMATS`; text when not given), header (its text), media ({handle, file} of the
            example; the handle is empty until WhatsApp gave one), category.
        faults: What is wrong, by field; faults are added.
    """
    kind = values.get("header_format") or "text"
    text = str(values.get("header") or "").strip()
    if kind not in FORMATS:
        faults["header_format"] = "Choose one of the list."
        return None
    if kind == "text" and not text:
        return None
    if values.get("category") == "authentication":
        faults["header_format"] = "A template for authentication has no header."
    if kind == "location":
        return {"format": kind}
    if kind in MEDIA:
        example = values.get("media")
        if example is None:
            faults["header_file"] = "Choose a file: WhatsApp reviews the template with it."
            return None
        return {"format": kind, "handle": example["handle"], "file": example["file"]}
    if len(text) > _LONGEST_TEXT:
        faults["header"] = "This is longer than WhatsApp allows: 60 characters in header and footer, 1,024 in the body."
    elif "{{" in text:
        faults["header"] = "Leave variables to the body: the text of the header is the same for everybody."
    return {"format": kind, "text": text}


def form_of(components: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header of a template as the form for it has it: what `checked` takes."""
    header = components.get("header", {})
    kind = header.get("format", "text")
    example = {"handle": header["handle"], "file": header["file"]} if kind in MEDIA else None
    return {"header_format": kind, "header": header.get("text", ""), "media": example}


def with_handle(values: Mapping[str, Any], handle: str) -> dict[str, Any]:
    """Return the values of a template with the handle that WhatsApp gave for its example."""
    components = values["components"]
    return {**values, "components": {**components, "header": {**components["header"], "handle": handle}}}


def media(kind: str, file: BinaryIO, name: str) -> Media:
    """Return a file that was sent as the example of a header, at its beginning.

    Args:
        kind: One of `MEDIA`.
        name: As the browser tells it, perhaps with folders.

    Raises:
        Invalid: It is another kind of file than the header, empty, too large, or its name is too long.
    """
    name = name.replace("\\", "/").rpartition("/")[2]
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(16)
    file.seek(0)
    type_ = next((told for at, mark, told in _MARKS[kind] if start[at : at + len(mark)] == mark), None)
    if type_ is None or size > _LARGEST[kind]:
        raise Invalid({"header_file": SAID[kind]})
    if len(name) > _LONGEST_NAME:
        raise Invalid({"header_file": "The name of the file is too long: use at most 100 characters."})
    return Media(file=file, name=name, type=type_, size=size)


def sent(header: Mapping[str, Any] | None, values: Mapping[str, Any], faults: dict[str, str]) -> dict[str, Any]:
    """Return what a campaign sends as the header of its template; empty when there is nothing to choose.

    Args:
        header: The header of the template, as it is stored.
        values: The fields of `FIELDS`, as they were typed.
        faults: What is wrong, by field; faults are added.

    Returns:
        {format, link} for a file, {format, latitude, longitude, name, address} for a place.
    """
    given = {name: str(values.get(name) or "").strip() for name in FIELDS}
    kind = "text" if header is None else header["format"]
    wanted = ("header_link",) if kind in MEDIA else FIELDS[1:] if kind == "location" else ()
    for name in FIELDS:
        if given[name] and name not in wanted:
            faults[name] = "The header of this template has no use for this. Leave it empty."
    if kind in MEDIA:
        link = given["header_link"]
        if fault := url_fault(link) if link else SAID[f"no {kind}"]:
            faults["header_link"] = fault
        return {"format": kind, "link": link}
    if kind == "location":
        return _place(given, faults)
    return {}


def typed(header: Mapping[str, Any]) -> dict[str, str]:
    """Return what a campaign sends as the fields of its form have it."""
    return {name: str(header.get(name.removeprefix("header_"), "")) for name in FIELDS}


def _place(given: Mapping[str, str], faults: dict[str, str]) -> dict[str, Any]:
    place: dict[str, Any] = {"format": "location"}
    for name, most in _DEGREES.items():
        number = _number(given[name])
        if number is None or abs(number) > most:
            faults[name] = SAID[name]
        place[name.removeprefix("header_")] = number
    for name in ("header_name", "header_address"):
        if not 0 < len(given[name]) <= _LONGEST_NAME:
            faults[name] = SAID[name]
        place[name.removeprefix("header_")] = given[name]
    return place


def _number(text: str) -> float | None:
    """Read degrees with a point or a comma; None when they are something else."""
    digits = text.replace(",", ".").removeprefix("-").replace(".", "", 1)
    return float(text.replace(",", ".")) if digits.isascii() and digits.isdecimal() and len(digits) <= 12 else None
