"""Topics: what an entry lets an auditor answer, said once for evidence and for what retention would lose."""

from __future__ import annotations

import pytest

from whodid import Action, builtin
from whodid.catalog import TOPICS, topics
from whodid.evidence import PRESETS, ask
from whodid.model import Kind

INVOICE = Action(
    name="invoice.released",
    kind="status",
    label={"en": "Invoice released"},
    sentences={"en": "{actor} released {resource}"},
    answers=("approval",),
)


@pytest.mark.parametrize(
    ("action", "kind", "expected"),
    [
        ("contact.deleted", "delete", {"deletions"}),
        ("template.deleted", "delete", {"approvals", "deletions"}),
        ("template.undeclared", "update", {"approvals"}),
        ("api_key.created", "security", {"access", "keys"}),
        ("api_key.denied", "security", {"keys"}),
        ("user.role_changed", "security", {"access"}),
        ("auth.impersonation_started", "security", {"access", "sign_ins"}),
        ("campaign.failed", "status", {"stops"}),
        ("campaign.started", "status", set()),
        ("invoice.released", "status", {"approvals"}),
        ("thing.made", "create", set()),
    ],
)
def test_an_entry_belongs_to_topics(action: str, kind: Kind, expected: set[str]) -> None:
    """By what the catalog says of its action, by its noun where it says nothing, and by its own kind."""
    assert topics(builtin().declare(INVOICE), action, kind) == expected


def test_every_topic_has_an_action() -> None:
    """A topic that no built-in action belongs to would be a question that nobody could ask."""
    catalog = builtin()
    assert {one for name, action in catalog.items() for one in topics(catalog, name, action.kind)} == set(TOPICS)


def test_ready_made_questions_are_topics() -> None:
    """An action of one's own that says how a thing got approved is in the evidence of approvals."""
    catalog = builtin().declare(INVOICE)
    assert set(PRESETS) <= set(TOPICS)
    for preset in PRESETS:
        (asked,) = ask([preset], catalog=catalog).asks
        assert {name for (name,) in asked.values} == {
            name for name, action in catalog.items() if preset in topics(catalog, name, action.kind)
        }
        assert (["invoice.released"] in asked.values) == (preset == "approvals")
