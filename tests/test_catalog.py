"""The catalog: nothing declared is incomplete, nothing contradictory can be declared, and names give secrets away."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from whodid.catalog import (
    LANGUAGES,
    Action,
    Catalog,
    Wording,
    builtin,
    sentence,
)
from whodid.errors import InvalidCatalog
from whodid.intake import Intake
from whodid.model import Event

ACTIONS = list(builtin().values())
NAMES = [action.name for action in ACTIONS]
STORY = datetime(2026, 11, 20, 18, tzinfo=UTC)

NAMED_IN_THE_GUIDE = {
    "account": "created updated deleted",
    "user": "created role_changed deactivated",
    "template": "created edited deleted",
    "campaign": "created started paused cancelled",
    "contact": "created updated deleted merged",
    "role": "updated",
    "team": "modified",
    "webhook": "updated",
    "auth": "login sso_login logout password_changed",
    "api_key": "created revoked",
}


def declared(**parts: Any) -> Action:
    """Return a sound declaration with the given parts instead of its own."""
    sound: dict[str, Any] = {
        "name": "invoice.sent",
        "kind": "create",
        "label": {"en": "Invoice sent"},
        "sentences": {"en": "{actor} sent invoice {resource}"},
    }
    return Action(**{**sound, **parts})


# ------------------------------------------------------------------------------------------------------- completeness


def test_the_catalog_has_every_action_of_the_domain() -> None:
    """There are 84 actions, and exactly the 26 of the user guide are marked."""
    assert len(ACTIONS) == 84
    named = {f"{noun}.{verb}" for noun, verbs in NAMED_IN_THE_GUIDE.items() for verb in verbs.split()}
    assert len(named) == 26
    assert {action.name for action in ACTIONS if action.named} == named


@pytest.mark.parametrize("action", ACTIONS, ids=NAMES)
def test_every_action_is_complete(action: Action) -> None:
    """A declared action has words in every language, an example, a resource type and a retention class."""
    for lang in LANGUAGES:
        assert action.label[lang].strip()
        assert lang in action.sentences
        assert action.wording(lang).success
    assert set(action.summaries) in (set(), set(LANGUAGES))
    assert action.example["action"] == action.name
    assert action.resource_type
    assert action.retention == "standard"


@pytest.mark.parametrize("action", ACTIONS, ids=NAMES)
def test_every_example_is_taken_by_strict_intake(action: Action) -> None:
    """An example is an event as a sender would send it, and nothing in it has to be hidden from the log."""
    intake = Intake(builtin(), strict=True, fingerprint=lambda *_: "0" * 16)
    event = intake.decode_event(msgspec.json.encode(action.example))

    content = intake.check(event, "wsp_3F", STORY)

    assert content.kind == action.kind
    assert content.severity == (event.severity or action.severity)
    assert content.resource.type == action.resource_type
    assert content.details == event.details
    assert "undeclared" not in content.marks
    assert ("sensitive" in content.marks) == bool({"S", "A"} & set(action.sensitivity))
    assert event.outcome == {
        "auth.login_failed": "failed",
        "api_key.denied": "denied",
        "audit.verify_failed": "failed",
    }.get(action.name, "success")


@pytest.mark.parametrize("action", ACTIONS, ids=NAMES)
def test_the_classes_of_an_example_are_those_of_its_action(action: Action) -> None:
    """What the catalog calls personal or secret is said so in the example, and nothing else is."""
    classes = builtin().classes(action.name)

    for change in action.example.get("changes", ()):
        assert classes.of(change["path"]) == change.get("class", "plain")


def test_the_examples_tell_one_story() -> None:
    """Example ids are different UUIDs made of their own times, and the pause points to what caused it."""
    ids = Counter(action.example["id"] for action in ACTIONS)
    assert set(ids.values()) == {1}
    for action in ACTIONS:
        milliseconds = int(action.example["id"].replace("-", "")[:12], 16)
        made_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
        assert made_at == datetime.fromisoformat(action.example["occurred_at"])
    cause = builtin()["template.status_changed"].example
    assert builtin()["campaign.paused"].example["cause"] == cause["id"]


def test_the_log_and_signing_in_have_their_resource_types() -> None:
    """What the log says about itself is about a log; signing in is about a user."""
    types = {action.category: action.resource_type for action in ACTIONS}
    assert types["audit"] == "log"
    assert types["auth"] == "user"


def test_a_reason_is_required_where_the_product_demands_one() -> None:
    """Exactly pausing and cancelling a campaign need a reason."""
    assert [action.name for action in ACTIONS if action.reason_required] == ["campaign.paused", "campaign.cancelled"]


# --------------------------------------------------------------------------------------------------------- declaring


def test_a_host_declares_its_own_actions() -> None:
    """Declaring makes another catalog; the first one stays as it is, and order is kept."""
    mine = builtin().declare(declared(), declared(name="invoice.paid", kind="status"))

    assert len(builtin()) == 84
    assert list(mine)[-2:] == ["invoice.sent", "invoice.paid"]
    assert mine["invoice.sent"].resource_type == ""
    assert "invoice" in mine.categories()
    assert builtin().get("invoice.sent") is None
    assert repr(mine) == "Catalog(86 actions)"


def test_categories_are_given_a_retention_class() -> None:
    """All of their actions and no others; fields that were made known stay; what cannot be had is refused."""
    plain = builtin().with_fields("vault", {"label": "plain"})
    catalog = plain.with_retention("access", "auth", "role")

    changed = {name for name, action in catalog.items() if action.retention == "access"}
    assert changed == {name for name, action in builtin().items() if action.category in {"auth", "role"}}
    assert {action.retention for name, action in catalog.items() if name not in changed} == {"standard"}
    assert plain["auth.login"].retention == "standard"
    assert catalog.classes("vault.created").of("label") == plain.classes("vault.created").of("label")
    with pytest.raises(InvalidCatalog, match="No action has the category 'moon'"):
        plain.with_retention("access", "moon")
    with pytest.raises(InvalidCatalog, match="not a retention class"):
        plain.with_retention("Access!", "auth")


def test_a_plain_sentence_is_the_wording_of_success() -> None:
    """Text in place of a wording stands for success only."""
    wording = declared().wording("en")
    assert wording == Wording(success="{actor} sent invoice {resource}")
    assert wording.of("denied") == ()


CONTRADICTIONS = [
    ("name", {"name": "Invoice sent"}, "not the name of an action"),
    ("name without verb", {"name": "invoice"}, "not the name of an action"),
    ("long name", {"name": "invoice." + "x" * 100}, "not the name of an action"),
    ("name with line break", {"name": "invoice.sent\n"}, "not the name of an action"),
    ("kind", {"kind": "sent"}, "not a kind"),
    ("severity", {"severity": "urgent"}, "not a severity"),
    ("sensitivity", {"sensitivity": "X"}, "not a sensitivity"),
    ("repeated sensitivity", {"sensitivity": "PP"}, "not a sensitivity"),
    ("resource type", {"resource_type": "In Voice"}, "not a resource type"),
    ("retention", {"retention": "for ever"}, "not a retention class"),
    ("class", {"classes": {"amount": "private"}}, "not a field class"),
    ("pattern", {"classes": {"a..b": "plain"}}, "not a pattern"),
    ("no English label", {"label": {"es": "Factura enviada"}}, "lacks the language en"),
    ("empty label", {"label": {"en": " "}}, "label in en is empty"),
    ("no English sentence", {"sentences": {"es": "{actor} envió {resource}"}}, "lacks the language en"),
    ("language", {"sentences": {"en": "{actor}", "English": "{actor}"}}, "not a language"),
    ("empty sentence", {"sentences": {"en": " "}}, "is empty"),
    ("no sentence at all", {"sentences": {"en": Wording(success=())}}, "is empty"),
    ("unknown part", {"sentences": {"en": "{actor} sent {amount}"}}, "unknown part '{amount}'"),
    (
        "unknown part when denied",
        {"sentences": {"en": Wording(success="{actor}", denied="{who}")}},
        "unknown part '{who}'",
    ),
    ("stray brace", {"sentences": {"en": "{actor sent"}}, "stray brace"),
    ("unknown part in summary", {"summaries": {"en": "{total}"}}, "unknown part '{total}'"),
    ("source", {"parts": {"total": "sum(lines)"}}, "no readable source"),
    ("empty source", {"parts": {"total": "details."}}, "no readable source"),
    ("source of a context that is no place", {"parts": {"total": "context.session"}}, "no readable source"),
    ("part", {"parts": {"To Tal": "details.total"}}, "cannot name a part"),
    ("example of another", {"example": {"action": "invoice.paid"}}, "its example is of"),
]


@pytest.mark.parametrize(("parts", "fact"), [row[1:] for row in CONTRADICTIONS], ids=[row[0] for row in CONTRADICTIONS])
def test_a_contradiction_is_refused_with_a_remedy(parts: dict[str, Any], fact: str) -> None:
    """Whatever could not work later is refused when it is declared."""
    with pytest.raises(InvalidCatalog, match=re.escape(fact)) as refused:
        builtin().declare(declared(**parts))
    assert refused.value.remedy


def test_a_name_is_declared_once() -> None:
    """A second declaration of a name is refused, among the new ones and against the old ones."""
    with pytest.raises(InvalidCatalog, match="declared twice"):
        builtin().declare(declared(name="contact.deleted"))
    with pytest.raises(InvalidCatalog, match="declared twice"):
        Catalog(declared(), declared())


# ---------------------------------------------------------------------------------------------------------- kinds

KIND_CASES = [
    ("invoice.sent", "create"),
    ("invoice.voided", "update"),
    ("order.line_removed", "delete"),
    ("order.removed_from_list", "delete"),
    ("ticket.status_changed", "status"),
    ("ticket.reopened", "status"),
    ("report.downloaded", "security"),
    ("session.ended", "security"),
    ("permission.granted", "security"),
    ("role.created", "create"),
    ("repo.create", "create"),
    ("branch.destroy", "delete"),
    ("repository.add_member", "create"),
    ("billing.plan.renamed", "update"),
    ("thing.frobnicated", "update"),
]


@pytest.mark.parametrize(("action", "kind"), KIND_CASES)
def test_the_verb_tells_the_kind(action: str, kind: str) -> None:
    """An undeclared action gets the kind that its verb suggests."""
    assert builtin().infer_kind(action) == kind


def test_the_verbs_agree_with_the_declarations() -> None:
    """Guessing the declared actions goes wrong only where the domain says more than the verb."""
    wrong = {name for name in NAMES if Catalog().infer_kind(name) != builtin()[name].kind}
    assert wrong == {
        "api_key.created",
        "audit.hold_placed",
        "contact.consent_changed",
        "account.quality_changed",
        "workspace.limit_changed",
        "template.category_changed",
        "webhook.health_changed",
        "sso.created",
        "sso.deleted",
        "user.deactivated",
        "user.reactivated",
        "audit.events_dropped",
    }


def test_an_example_can_be_said_after_it_was_declared() -> None:
    """A host's sentence works at once, with a part of its own."""
    mine = builtin().declare(
        declared(
            sentences={"en": ("{actor} sent invoice {resource} over {total}")},
            parts={"total": "details.amounts.total"},
        )
    )
    event = msgspec.convert(
        {
            **builtin()["contact.deleted"].example,
            "action": "invoice.sent",
            "resource": {"type": "invoice", "id": "inv_1", "name": "2026-118"},
            "details": {"amounts": {"total": 1_200}},
        },
        Event,
    )
    assert sentence(event, "en", mine).text() == "Maria Torres sent invoice 2026-118 over 1,200"
