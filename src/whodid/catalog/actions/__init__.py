"""The actions that whodid declares itself: one file per category, and one for reading the log."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from msgspec.structs import replace

from whodid.catalog.actions import (
    account,
    alerts,
    api_key,
    audit,
    auth,
    campaign,
    contact,
    reading,
    reviews,
    role,
    sso,
    team,
    template,
    user,
    webhook,
    workspace,
)
from whodid.catalog.catalog import Action, Catalog, Wording
from whodid.catalog.languages import FURTHER, language_of

__all__ = ["builtin"]


@cache
def builtin() -> Catalog:
    """Return the catalog of a WhatsApp marketing workspace and of the log itself: 80 actions, 26 of the user guide."""
    return Catalog(
        *_translated(
            (
                *account.ACTIONS,
                *workspace.ACTIONS,
                *user.ACTIONS,
                *template.ACTIONS,
                *campaign.ACTIONS,
                *contact.ACTIONS,
                *role.ACTIONS,
                *team.ACTIONS,
                *webhook.ACTIONS,
                *sso.ACTIONS,
                *auth.ACTIONS,
                *api_key.ACTIONS,
                *reading.ACTIONS,
                *audit.ACTIONS,
                *alerts.ACTIONS,
                *reviews.ACTIONS,
            )
        )
    )


def _translated(actions: Iterable[Action]) -> Iterable[Action]:
    """Give each action the languages that live in files; one that a file lacks falls back to English."""
    for action in actions:
        label, sentences, summaries = dict(action.label), dict(action.sentences), dict(action.summaries)
        for lang in FURTHER:
            further = language_of(lang)
            said = further.actions.get(action.name) if further is not None else None
            if said is None:
                continue
            label[lang] = said.label
            sentences[lang] = Wording(success=said.success, denied=said.denied, failed=said.failed)
            if said.summary:
                summaries[lang] = said.summary
        yield replace(action, label=label, sentences=sentences, summaries=summaries)
