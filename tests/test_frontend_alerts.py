"""The messages of the page of alerts: every language has each of them, with the same slots."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "frontend" / "src" / "alerts"
ENGLISH = json.loads((FOLDER / "en.json").read_text(encoding="utf-8"))


def slots(message: str | dict[str, str]) -> set[str]:
    """Return the names of what is filled in."""
    return set(re.findall(r"\{(\w+)\}", message if isinstance(message, str) else message["other"]))


@pytest.mark.parametrize("language", ["es", "pt", "hi", "ar"])
def test_every_language_has_every_message(language: str) -> None:
    """None is missing, none is left over, none lost a slot."""
    found: dict[str, Any] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    assert found.keys() == ENGLISH.keys()
    for key, message in ENGLISH.items():
        assert slots(found[key]) == slots(message), key
        assert isinstance(found[key], str) is isinstance(message, str), key
