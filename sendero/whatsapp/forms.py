"""A template in WhatsApp's form: the list of components that its API takes and returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["body_of", "handed_in", "header_of", "parameters"]

_BUTTONS = {"quick_reply": "QUICK_REPLY", "url": "URL", "phone_number": "PHONE_NUMBER"}


def handed_in(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template as it is handed in for review.

    Args:
        values: name, language, category and components, as our own tables have them.
    """
    return {
        "name": values["name"],
        "language": values["language"],
        "category": values["category"].upper(),
        "components": _components(values["components"]),
    }


def body_of(components: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the text of the body; None when there is none."""
    return next((part.get("text") for part in components if str(part.get("type")).upper() == "BODY"), None)


def header_of(components: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the format of the header in small letters; None when there is none."""
    header = next((part for part in components if str(part.get("type")).upper() == "HEADER"), None)
    return None if header is None else str(header.get("format", "text")).lower()


def parameters(header: Mapping[str, Any], body: Sequence[str]) -> list[dict[str, Any]]:
    """Return the components of a message: what is filled into its template.

    Args:
        header: As `Outgoing.header`.
        body: Values of the body's variables, in order.
    """
    made: list[dict[str, Any]] = []
    if header:
        kind = header["format"]
        value = {name: part for name, part in header.items() if name != "format"}
        if kind == "document":
            # Without a name the document arrives as "Untitled".
            value["filename"] = unquote(urlsplit(header["link"]).path).rpartition("/")[2] or "document.pdf"
        made.append({"type": "header", "parameters": [{"type": kind, kind: value}]})
    if body:
        made.append({"type": "body", "parameters": [{"type": "text", "text": value} for value in body]})
    return made


def _components(parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    if header := parts.get("header"):
        part: dict[str, Any] = {"type": "HEADER", "format": header["format"].upper()}
        if "text" in header:
            part["text"] = header["text"]
        elif "handle" in header:
            part["example"] = {"header_handle": [header["handle"]]}
        made.append(part)
    body: dict[str, Any] = {"type": "BODY", "text": parts["body"]["text"]}
    if samples := parts["body"].get("samples"):
        body["example"] = {"body_text": [list(samples)]}
    made.append(body)
    if footer := parts.get("footer"):
        made.append({"type": "FOOTER", "text": footer["text"]})
    if buttons := parts.get("buttons"):
        made.append({"type": "BUTTONS", "buttons": [_button(button) for button in buttons]})
    return made


def _button(button: Mapping[str, str]) -> dict[str, str]:
    made = {"type": _BUTTONS[button["type"]], "text": button["text"]}
    if "url" in button:
        made["url"] = button["url"]
    if "phone" in button:
        made["phone_number"] = button["phone"]
    return made
