"""What a reader reads: whole sentences in every language and outcome, and the line under them."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whodid.catalog import LANGUAGES, Action, Catalog, Part, Wording, builtin, second_line, sentence
from whodid.catalog.templates import names
from whodid.model import OUTCOMES, Event

ACTIONS = list(builtin().values())
NAMES = [action.name for action in ACTIONS]
PRONOUNS = {
    "en": re.compile(r"\b(he|she|they|it|his|her|hers|its|their|them|him|own)\b", re.IGNORECASE),
    "es": re.compile(r"\b(él|ella|ellos|ellas|su|sus|suyo|suya)\b", re.IGNORECASE),
    "pt": re.compile(r"\b(ele|ela|eles|elas|dele|dela|seu|sua|seus|suas)\b", re.IGNORECASE),
    # Vowel signs are no word characters for `re`: words end at a space here.
    "hi": re.compile(r"(?<!\S)(वह|वे|उसने|उसका|उसकी|उसके|उन्होंने|उनका|उनकी|अपना|अपनी|अपने)(?!\S)"),
    "ar": re.compile(r"(?<!\S)(هو|هي|هم|له|لها|لهم|نفسه|نفسها)(?!\S)"),
}


def example(name: str, **parts: Any) -> Event:
    """Return the example of an action with some of its members replaced."""
    return msgspec.convert({**builtin()[name].example, **parts}, Event)


def all_templates(action: Action, lang: str) -> list[str]:
    """List every sentence and summary of an action in a language."""
    wording = action.wording(lang)
    sentences = [template for outcome in OUTCOMES for template in wording.of(outcome)]
    return [*sentences, *([action.summaries[lang]] if lang in action.summaries else [])]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("action", ACTIONS, ids=NAMES)
def test_every_example_is_said_in_its_own_words(action: Action, lang: str) -> None:
    """An example fills the richest sentence of its action, with nothing left open and the names of the story."""
    event = example(action.name)
    said = sentence(event, lang, builtin())

    richest = action.wording(lang).of(event.outcome)[0]
    assert said.template == richest or ("{other}" in richest and event.actor.id == event.resource.id)
    assert set(said.parts) == set(names(said.template))
    assert all(part.text for part in said.parts.values())
    assert not re.search(r"[{}]", said.text())
    for name, thing in (("actor", event.actor), ("resource", event.resource)):
        if name in said.parts:
            assert said.parts[name] == Part(text=thing.name or "", type=thing.type, id=thing.id)
            assert (thing.name or "") in said.text()


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("action", ACTIONS, ids=NAMES)
def test_every_outcome_can_be_said(action: Action, outcome: str, lang: str) -> None:
    """Denied and failed attempts have a full sentence too, and it is not the sentence of success."""
    said = sentence(example(action.name, outcome=outcome), lang, builtin())
    done = sentence(example(action.name, outcome="success"), lang, builtin())

    assert said.text()
    assert not re.search(r"[{}]", said.text())
    tells_of_a_failure = {"auth.login_failed", "api_key.denied", "audit.verify_failed", "campaign.failed"}
    if outcome != "success" and action.name not in tells_of_a_failure:
        assert said.text() != done.text()


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("action", ACTIONS, ids=NAMES)
def test_sentences_are_whole_plain_and_without_pronouns(action: Action, lang: str) -> None:
    """A sentence stands by itself for any actor: no pronoun, no full stop, no markup, and its own language."""
    for template in all_templates(action, lang):
        assert not PRONOUNS[lang].search(template)
        assert template == template.strip()
        assert template[-1] != "."
        assert not re.search(r"[<>&\n]", template)
    if lang != "en":
        english = set(all_templates(action, "en"))
        assert (
            not {t for t in all_templates(action, lang) if re.search(r"[a-z]{4}", re.sub(r"\{\w+\}", "", t))} & english
        )


def test_an_undeclared_action_is_named_as_it_is() -> None:
    """The general sentence names actor, action and resource, whatever the outcome."""
    event = example("contact.deleted", action="contact.petted")

    assert sentence(event, "en", builtin()).text() == "Maria Torres: contact.petted on Juan Pérez"
    assert sentence(event, "es", builtin()).text() == "Maria Torres: contact.petted en Juan Pérez"
    denied = msgspec.structs.replace(event, outcome="denied")
    assert sentence(denied, "en", builtin()).text() == "Maria Torres was denied contact.petted on Juan Pérez"
    failed = msgspec.structs.replace(event, outcome="failed")
    assert sentence(failed, "en", builtin()).text() == "Maria Torres tried contact.petted on Juan Pérez without success"
    assert sentence(event, "en", builtin()).parts["action"] == Part(text="contact.petted", type="action")


def test_a_plainer_sentence_is_used_when_a_part_is_unknown() -> None:
    """Without the absorbed contact the merge is still said; without any sentence that fits, the general one."""
    merged = example("contact.merged", related=[])
    assert sentence(merged, "en", builtin()).text() == "Maria Torres merged a contact into Ana García López"
    mine = Catalog(
        Action(
            name="contact.merged", kind="update", label={"en": "Merged"}, sentences={"en": "{actor} merged {absorbed}"}
        )
    )
    assert sentence(merged, "en", mine).text() == "Maria Torres: contact.merged on Ana García López"
    assert sentence(example("contact.merged"), "en", mine).text() == "Maria Torres merged Ana Garcia"


def test_nobody_changes_the_password_of_oneself_by_name() -> None:
    """The same action is said differently when it concerns the actor."""
    maria = builtin()["auth.password_changed"].example["actor"]
    own = example("auth.password_changed")
    other = example("auth.password_changed", resource={"type": "user", "id": "usr_5J", "name": "João Silva"})

    assert own.actor.id == maria["id"]
    assert sentence(own, "en", builtin()).text() == "Maria Torres chose a new password"
    assert sentence(other, "en", builtin()).text() == "Maria Torres changed the password of João Silva"
    assert sentence(other, "es", builtin()).text() == "Maria Torres cambió la contraseña de João Silva"


def test_names_are_those_of_the_moment_and_fall_back_to_what_is_known() -> None:
    """A part shows the name snapshot, then the address, then the id; an anonymous actor is called so."""
    nameless = {"type": "user", "id": "usr_9", "email": "x@casalumen.es"}
    event = example("contact.deleted", actor=nameless, resource={"type": "contact", "id": "con_1"})
    assert sentence(event, "en", builtin()).text() == "x@casalumen.es deleted contact con_1"
    stranger = {"type": "anonymous", "id": "anonymous"}
    event = example("contact.deleted", actor=stranger, outcome="denied")
    said = sentence(event, "es", builtin())
    assert said.text() == "Alguien sin iniciar sesión no tuvo permiso para eliminar el contacto Juan Pérez"
    assert said.parts["actor"] == Part(text="Alguien sin iniciar sesión", type="anonymous", id="anonymous")


def test_braces_in_a_name_are_only_text() -> None:
    """A name that looks like a placeholder or like markup is shown as it is."""
    event = example("contact.deleted", resource={"type": "contact", "id": "con_1", "name": "{actor} <b>{0}"})
    assert sentence(event, "en", builtin()).text() == "Maria Torres deleted contact {actor} <b>{0}"


def test_standard_parts_read_the_entry() -> None:
    """Every standard part takes its text from its place."""
    mine = Catalog(
        Action(
            name="campaign.paused",
            kind="status",
            label={"en": "Paused"},
            sentences={
                "en": Wording(
                    success="{actor} for {on_behalf_of}: {before} to {after}, {count}, {reason}, by {cause} in {city}"
                )
            },
            parts={"city": "context.city"},
        )
    )
    event = example(
        "campaign.paused",
        actor={
            "type": "system",
            "id": "agent",
            "name": "Agent",
            "on_behalf_of": {"type": "user", "id": "u", "name": "Aisha"},
        },
        details={"count": 12_000},
        reason={"code": "quiet_hours"},
        context={"city": "Madrid"},
    )
    assert (
        sentence(event, "en", mine).text()
        == "Agent for Aisha: running to paused, 12,000, quiet_hours, by diwali_offer_2026 in Madrid"
    )


# ------------------------------------------------------------------------------------------------------- second line


def test_the_reason_comes_first() -> None:
    """A reason is shown whatever else there is; a bare code is put into words."""
    line = second_line(example("campaign.paused"), "en", builtin())
    assert (line.form, line.changes) == ("reason", ())
    assert line.plain() == "“Template diwali_offer_2026 was paused by WhatsApp for low quality”"
    coded = example("campaign.paused", reason={"code": "quiet_hours"})
    assert second_line(coded, "es", builtin()).plain("es") == "«Horas de silencio»"
    foreign = example("campaign.paused", reason={"code": "stock_out"})
    assert second_line(foreign, "en", builtin()).text == "Stock out"


def test_one_or_two_changes_are_shown_in_full() -> None:
    """A short list of changes is shown before any summary, secrets as hidden."""
    line = second_line(example("webhook.updated"), "en", builtin())
    url, secret = line.changes
    assert (line.form, line.more) == ("changes", 0)
    assert (url.label, url.before, url.after) == ("Address", "https://hooks.lumen.es/v1", "https://hooks.lumen.es/v2")
    assert (secret.class_, secret.before, secret.after, secret.before_fp) == ("secret", None, None, "9f2c41d07be85ae1")
    in_spanish = second_line(example("webhook.updated"), "es", builtin()).plain("es")
    assert in_spanish == "Dirección: https://hooks.lumen.es/v1 → https://hooks.lumen.es/v2 · Secreto: oculto"
    tags = second_line(example("contact.updated"), "en", builtin())
    assert tags.plain() == "City: Getafe → Madrid · Tags: + vip"


def test_many_changes_give_way_to_a_summary() -> None:
    """With more than two changes the written summary is shown, in the language asked for."""
    assert second_line(example("contact.merged"), "en", builtin()).plain() == "Messages moved: 38, notes moved: 4"
    assert second_line(example("contact.merged"), "es", builtin()).form == "summary"


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", "Signed in for 3 h 12 min"),
        ("es", "Sesión de 3 h 12 min"),
        ("pt", "Sessão de 3 h 12 min"),
        ("hi", "साइन इन रहने का समय: 3 घं॰ 12 मि॰"),
        ("ar", "مدة الجلسة: 3 س 12 د"),
    ],
)
def test_a_length_of_time_is_said_in_words(lang: str, said: str) -> None:
    """Nobody has to divide minutes by sixty."""
    assert second_line(example("auth.logout"), lang, builtin()).plain(lang) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (269, "4 min 29 s"), (86_459, "1 d"), (90_000, "1 d 1 h"), (-61, "−1 min 1 s")]
)
def test_a_length_of_time_has_two_units_at_most(seconds: int, said: str) -> None:
    """The two largest that follow one another; what is less is left out."""
    ended = example("auth.impersonation_ended", details={"seconds": seconds}, reason=None)
    assert second_line(ended, "en", builtin()).plain() == f"For {said}"


def test_dates_and_times_of_a_summary_say_that_they_are() -> None:
    """Whoever shows them writes them in the reader's way; a text that only looks like one in part is left alone."""
    purged = second_line(example("audit.purged"), "en", builtin()).summary
    assert purged is not None
    assert purged.parts["until"] == Part(text="2026-08-22", type="date")
    dropped = second_line(example("audit.events_dropped"), "en", builtin()).summary
    assert dropped is not None
    assert {part.type for part in dropped.parts.values()} == {"time"}
    file = example("contact.imported", details={"file": "2026-08-22 contacts.csv", "skipped": 3})
    imported = second_line(file, "en", builtin()).summary
    assert imported is not None
    assert imported.parts["file"].type == "value"


def test_what_came_or_went_shows_its_summary() -> None:
    """A creation is summed up even with few changes, and lists them when nothing is known to sum up."""
    few = example("webhook.created", changes=[{"path": "url", "op": "add", "after": "https://hooks.lumen.es/v1"}])
    assert second_line(few, "en", builtin()).form == "summary"
    bare = example("webhook.created", changes=[{"path": "name", "op": "add", "after": "Orders"}])
    assert second_line(bare, "en", builtin()).plain() == "Name: Orders"


def test_many_changes_without_a_summary_show_the_first_two() -> None:
    """The rest is counted, never left unsaid."""
    line = second_line(example("contact.created"), "en", builtin())
    assert (len(line.changes), line.more) == (2, 2)
    assert line.plain() == "Name: Lucía Ferrer · Phone: +34622901177 · +2"


def test_nothing_to_say_is_nothing() -> None:
    """No reason, no change and no summary give an empty line."""
    line = second_line(example("audit.viewer_opened"), "en", builtin())
    assert (line.form, line.text, line.changes, line.plain()) == (None, "", (), "")
    undeclared = example("audit.viewer_opened", action="audit.looked_at")
    assert second_line(undeclared, "en", builtin()).form is None


def test_a_change_on_the_wire_has_the_names_of_the_api() -> None:
    """A change line travels with `class`, as changes do everywhere."""
    (line,) = second_line(example("account.token_rotated"), "en", builtin()).changes
    assert msgspec.to_builtins(line)["class"] == "secret"


@settings(deadline=None)
@given(
    st.sampled_from(NAMES),
    st.sampled_from(LANGUAGES),
    st.sampled_from(OUTCOMES),
    st.sets(st.sampled_from(["related", "changes", "reason", "details", "context"])),
)
def test_any_part_of_an_entry_may_be_missing(name: str, lang: str, outcome: str, absent: set[str]) -> None:
    """Whatever an event lacks, a whole sentence comes out and the second line does not fail."""
    kept = {key: value for key, value in builtin()[name].example.items() if key not in absent}
    event = msgspec.convert({**kept, "outcome": outcome}, Event)

    said = sentence(event, lang, builtin())

    assert all(part.text for part in said.parts.values())
    assert set(said.parts) == set(names(said.template))
    assert second_line(event, lang, builtin()).plain(lang) is not None
