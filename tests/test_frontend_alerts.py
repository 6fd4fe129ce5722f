"""The messages of the page of alerts and of the editor of rules: every language has each, with the same slots."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "frontend" / "src"


def slots(message: str | dict[str, str]) -> set[str]:
    """Return the names of what is filled in."""
    return set(re.findall(r"\{(\w+)\}", message if isinstance(message, str) else message["other"]))


@pytest.mark.parametrize("part", ["alerts", "rules"])
@pytest.mark.parametrize("language", ["es", "pt", "hi", "ar"])
def test_every_language_has_every_message(part: str, language: str) -> None:
    """None is missing, none is left over, none lost a slot."""
    english, found = (
        json.loads((SOURCE / part / f"{one}.json").read_text(encoding="utf-8")) for one in ("en", language)
    )
    assert found.keys() == english.keys()
    for key, message in english.items():
        assert slots(found[key]) == slots(message), key
        assert isinstance(found[key], str) is isinstance(message, str), key
