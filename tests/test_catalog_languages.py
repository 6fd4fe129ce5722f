"""The languages that live in files: nothing lacks, nothing is left over, every slot is where English has one."""

from __future__ import annotations

import re
import unicodedata

import pytest

from tests.test_sentences import example
from whodid.catalog import (
    LANGUAGES,
    Action,
    Catalog,
    builtin,
    category_label,
    field_label,
    kind_label,
    reason_label,
    second_line,
    sentence,
    type_label,
    write,
)
from whodid.catalog.labels import _TABLES
from whodid.catalog.languages import FURTHER, language_of
from whodid.catalog.templates import names
from whodid.model import OUTCOMES, Event

SCRIPTS = {"pt": "LATIN", "hi": "DEVANAGARI", "ar": "ARABIC"}


@pytest.mark.parametrize("lang", FURTHER)
def test_no_name_lacks_and_none_is_left_over(lang: str) -> None:
    """Every declared kind, field, reason … has its name; a list of what lacks is the message."""
    language = language_of(lang)
    assert language is not None
    for table, declared in _TABLES.items():
        named = language.names(table)
        assert sorted(declared.keys() - named.keys()) == [], f"{lang}.json lacks these {table}"
        assert sorted(named.keys() - declared.keys()) == [], f"{lang}.json has {table} that nobody declares"
        assert [name for name, text in named.items() if not text.strip()] == []


def test_no_detail_is_without_a_name() -> None:
    """Whatever the declared actions tell in their details has a name in every language."""
    told = {name for action in builtin().values() for name in action.example.get("details") or {}}
    assert sorted(told - _TABLES["details"].keys()) == []


@pytest.mark.parametrize("lang", FURTHER)
def test_no_action_lacks_and_none_is_left_over(lang: str) -> None:
    """The actions of a language are the declared ones, with the outcomes and the summary that English has."""
    language = language_of(lang)
    assert language is not None
    declared = builtin()
    assert sorted(declared.keys() - language.actions.keys()) == [], f"{lang}.json lacks these actions"
    assert sorted(language.actions.keys() - declared.keys()) == [], f"{lang}.json says actions that nobody declares"
    for name, action in declared.items():
        said = language.actions[name]
        assert bool(said.summary) == ("en" in action.summaries), name
        for outcome in ("denied", "failed"):
            assert bool(getattr(said, outcome)) == bool(action.wording("en").of(outcome)), (name, outcome)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("action", list(builtin().values()), ids=list(builtin()))
def test_every_slot_is_where_english_has_one(action: Action, lang: str) -> None:
    """A translated sentence tells no less and no more than the English one, outcome by outcome."""
    for outcome in OUTCOMES:
        ours = [sorted(names(template)) for template in action.wording(lang).of(outcome)]
        assert ours == [sorted(names(template)) for template in action.wording("en").of(outcome)]
    assert sorted(names(action.summaries.get(lang, ""))) == sorted(names(action.summaries.get("en", "")))


@pytest.mark.parametrize("lang", FURTHER)
def test_a_language_is_written_in_its_own_letters(lang: str) -> None:
    """No sentence was left in another language; names of products and abbreviations may stay Latin."""
    language = language_of(lang)
    assert language is not None
    for name, said in language.actions.items():
        text = " ".join([said.label, *([said.success] if isinstance(said.success, str) else said.success)])
        own = re.sub(r"\{\w+\}|WhatsApp|API", "", text)
        letters = {unicodedata.name(letter).partition(" ")[0] for letter in own if letter.isalpha()}
        assert letters == {SCRIPTS[lang]}, name


def test_the_second_line_quotes_and_counts_as_the_language_does() -> None:
    """Quotation marks, separators and groups of digits are those of the reader."""
    reason = example("campaign.cancelled", reason={"text": "x"})
    quoted = {lang: second_line(reason, lang, builtin()).plain(lang) for lang in LANGUAGES}
    assert quoted == {"en": "“x”", "es": "«x»", "pt": "“x”", "hi": "“x”", "ar": "«x»"}
    assert [write(1_234_567, lang) for lang in ("en", "es", "pt-BR", "hi", "ar")] == [
        "1,234,567",
        "1.234.567",
        "1.234.567",
        "12,34,567",
        "1,234,567",
    ]
    assert [write(-1_234, lang) for lang in ("es", "pt", "hi")] == ["-1234", "-1.234", "-1,234"]
    assert [write(number, "hi") for number in (0, 999, 100_000)] == ["0", "999", "1,00,000"]
    assert [write(0.5, lang) for lang in ("en", "pt", "hi")] == ["0.5", "0,5", "0.5"]
    assert [write([1, True], lang) for lang in ("pt", "ar")] == ["1, sim", "1، نعم"]


def test_an_undeclared_action_is_said_in_the_language_of_the_reader() -> None:
    """The general sentence exists in every language and for every outcome."""
    for lang in FURTHER:
        for outcome in OUTCOMES:
            event = example("contact.deleted", action="contact.petted", outcome=outcome)
            said = sentence(event, lang, builtin())
            assert sorted(said.parts) == ["action", "actor", "resource"]
            english = sentence(event, "en", builtin()).text()
            assert said.text() != english or outcome == "success"


def test_what_a_host_declares_falls_back_to_english() -> None:
    """A host's action without the language is said in English; its unknown names stay readable."""
    mine = Catalog(
        Action(
            name="invoice.sent",
            kind="create",
            label={"en": "Invoice sent", "pt": "Fatura enviada"},
            sentences={"en": "{actor} sent invoice {resource}", "pt": "{actor} enviou a fatura {resource}"},
        )
    )
    event: Event = example("contact.deleted", action="invoice.sent")
    assert sentence(event, "pt-BR", mine).text() == "Maria Torres enviou a fatura Juan Pérez"
    assert sentence(event, "ar", mine).text() == "Maria Torres sent invoice Juan Pérez"
    assert field_label("next_review_at", "hi") == "Next review at"
    assert type_label("delivery_note", "ar") == "delivery note"


def test_a_region_is_served_by_its_language() -> None:
    """`pt-BR`, `hi-IN` and `ar-EG` are known; a language without a file is English."""
    assert kind_label("delete", "pt-BR") == "Excluído"
    assert category_label("contact", "hi-IN") == "संपर्क"
    assert reason_label("duplicate", "ar-EG") == "مكرر"
    assert language_of("fr") is None
    assert kind_label("delete", "fr") == "Deleted"
