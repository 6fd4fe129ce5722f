"""The text of a template: what its form takes, by the rules of WhatsApp."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sendero.errors import Invalid
from sendero.phones import e164
from sendero.service import headers

__all__ = ["BUTTONS", "CATEGORIES", "LANGUAGES", "checked", "variables"]

CATEGORIES = ("marketing", "utility", "authentication")
LANGUAGES = ("es", "en", "ca", "pt_BR", "fr")
BUTTONS = ("quick_reply", "url", "phone_number")

_NAME = re.compile(r"[a-z0-9_]{1,512}")
_VARIABLE = re.compile(r"\{\{(\d+)\}\}")
_URL = re.compile(r"https://[^\s/]+\.[^\s]*")
_LONGEST = {"body": 1024, "footer": 60, "button": 25}


def variables(text: str) -> list[int]:
    """Return the numbers of the variables `{{1}}`, `{{2}}` … of a text, in order of appearance, each once."""
    return list(dict.fromkeys(int(number) for number in _VARIABLE.findall(text)))


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a form as they are stored.

    Args:
        values: name, display_name, language, category, the header's (see `headers.checked`), body, samples (list),
            footer, buttons (list of {type, text, value}).

    Raises:
        Invalid: Some of them break a rule of WhatsApp; all faults at once.
    """
    faults: dict[str, str] = {}
    name, body = str(values["name"]).strip(), str(values["body"]).strip()
    footer = str(values.get("footer") or "").strip()
    if not _NAME.fullmatch(name):
        faults["name"] = "Use lower-case letters, digits and _ only."
    if values.get("category") not in CATEGORIES:
        faults["category"] = "Choose one of the list."
    if values.get("language") not in LANGUAGES:
        faults["language"] = "Choose one of the list."
    if not body:
        faults["body"] = "A template needs a body."
    for part, text in (("body", body), ("footer", footer)):
        if len(text) > _LONGEST[part]:
            faults[part] = "This is longer than WhatsApp allows: 60 characters in header and footer, 1,024 in the body."
    used = variables(body)
    if sorted(used) != list(range(1, len(used) + 1)):
        faults["body"] = "Number the variables {{1}}, {{2}} … without a gap."
    samples = [str(sample).strip() for sample in values.get("samples") or ()][: len(used)]
    if len([sample for sample in samples if sample]) < len(used):
        faults["samples"] = "Give one example for each variable, one per line; WhatsApp reviews with them."
    header = headers.checked(values, faults)
    buttons, fault = _buttons(values.get("buttons") or ())
    if fault:
        faults["buttons"] = fault
    if faults:
        raise Invalid(faults)
    components: dict[str, Any] = {"body": {"text": body, "samples": samples}}
    if header is not None:
        components["header"] = header
    if footer:
        components["footer"] = {"text": footer}
    if buttons:
        components["buttons"] = buttons
    return {
        "name": name,
        "display_name": str(values.get("display_name") or "").strip() or name.replace("_", " ").capitalize(),
        "language": values["language"],
        "category": values["category"],
        "components": components,
    }


def _buttons(given: Any) -> tuple[list[dict[str, str]], str | None]:
    buttons: list[dict[str, str]] = []
    for button in given:
        kind, text, value = button["type"], button["text"].strip(), button.get("value", "").strip()
        if not text and not value:
            continue
        if kind not in BUTTONS or not text or len(text) > _LONGEST["button"]:
            return [], "A button needs a text of at most 25 characters."
        made = {"type": kind, "text": text}
        if kind == "url":
            if not _URL.fullmatch(value):
                return [], "A link button needs an address that begins with https://."
            made["url"] = value
        elif kind == "phone_number":
            number = e164(value)
            if number is None:
                return [], "A call button needs a phone number like +34 910 555 014."
            made["phone"] = number
        buttons.append(made)
    if len(buttons) > 3:
        return [], "A template has at most three buttons."
    return buttons, None
