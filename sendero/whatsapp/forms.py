"""A template in WhatsApp's form: the list of components that its API takes and returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["body_of", "handed_in"]

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


def _components(parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    if header := parts.get("header"):
        made.append({"type": "HEADER", "format": header["format"].upper(), "text": header["text"]})
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
