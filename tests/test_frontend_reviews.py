"""The messages of the page of reviews: every language has each of them, with the same slots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.test_frontend_alerts import slots
from whodid.review import WHYS

FOLDER = Path(__file__).parent.parent / "frontend" / "src" / "reviews"
ENGLISH = json.loads((FOLDER / "en.json").read_text(encoding="utf-8"))


def test_each_why_has_a_name() -> None:
    """Whatever brings something into a review has a heading."""
    assert {f"why.{one}" for one in WHYS} == {key for key in ENGLISH if key.startswith("why.")}


@pytest.mark.parametrize("language", ["es", "pt", "hi", "ar"])
def test_every_language_has_every_message(language: str) -> None:
    """None is missing, none is left over, none lost a slot."""
    found: dict[str, Any] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    assert found.keys() == ENGLISH.keys()
    for key, message in ENGLISH.items():
        assert slots(found[key]) == slots(message), key
        assert isinstance(found[key], str) is isinstance(message, str), key
