"""Codes are said in words where codes are expected, in every language; everything else stays as it was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sendero.service.contacts import CONSENT_SOURCES, CONSENTS, LIFECYCLES
from sendero.service.teams import ASSIGNMENTS
from sendero.service.templates import STATUSES
from tests.test_sentences import example
from whodid.catalog import LANGUAGES, builtin, second_line, sentence, value_label, write
from whodid.catalog.values import CODED

OPTED_OUT = {"en": "opted out", "es": "dado de baja", "pt": "cancelado", "hi": "सहमति वापस ली", "ar": "غير موافق"}


def held() -> Iterator[tuple[str, Any]]:
    """Yield what the fields and details of every declared action's example hold."""
    for action in builtin().values():
        for change in action.example.get("changes") or []:
            for side in ("before", "after"):
                yield change["path"], change.get(side)
        yield from (action.example.get("details") or {}).items()


def test_no_code_of_a_declared_action_is_without_a_name() -> None:
    """Whatever stands in the examples where a code is expected is a code with a name."""
    codes = [(name, one) for name, value in held() for one in (value if isinstance(value, list) else [value])]
    coded = [(name, one) for name, one in codes if name in CODED and isinstance(one, str) and one.islower()]
    assert len(coded) > 60
    assert [(name, one) for name, one in coded if value_label(name, one) is None and " " not in one] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_the_workspace_writes_has_a_name(lang: str) -> None:
    """Stages, consents, ways of assigning and statuses of templates, in each language."""
    written = {
        "lifecycle": LIFECYCLES,
        "consent.marketing": CONSENTS,
        "consent.source": CONSENT_SOURCES,
        "assignment": ASSIGNMENTS,
        "status": STATUSES,
    }
    for name, codes in written.items():
        for code in codes:
            said = value_label(name, code, lang)
            assert said, (name, code)
            assert "_" not in said


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_second_line_says_codes_in_words(lang: str) -> None:
    """A changed consent reads as a consent, not as what the database calls it."""
    changes = [{"path": "consent.marketing", "op": "replace", "before": "unknown", "after": "opted_out"}]
    (line,) = second_line(example("contact.consent_changed", reason=None, changes=changes), lang, builtin()).changes
    assert line.after == OPTED_OUT[lang]


def test_a_sentence_says_codes_in_words() -> None:
    """The part of a sentence that a detail fills is named as the detail is."""
    event = example("contact.exported", details={"format": "csv", "columns": ["name", "phone_e164"], "rows": 3})
    told = second_line(event, "es", builtin()).text + sentence(event, "es", builtin()).text()
    assert "Teléfono" in told
    assert "phone_e164" not in told


def test_what_is_no_code_stays_as_it_is() -> None:
    """A tag, a name and a city that are spelled like a code are none; an unknown code is not guessed at."""
    assert write("paused", "es", "tags") == "paused"
    assert write("paused", "es") == "paused"
    assert write("phone", "es", "name") == "phone"
    assert write("sleeping", "es", "status") == "sleeping"
    assert write("paused", "es", "campaign.status") == "en pausa"
    assert write("paused", "es", "steps[2].status") == "en pausa"
