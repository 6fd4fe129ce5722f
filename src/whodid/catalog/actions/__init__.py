"""The actions that whodid declares itself: one file per category."""

from __future__ import annotations

from functools import cache

from whodid.catalog.actions import (
    account,
    api_key,
    audit,
    auth,
    campaign,
    contact,
    role,
    sso,
    team,
    template,
    user,
    webhook,
    workspace,
)
from whodid.catalog.catalog import Catalog

__all__ = ["builtin"]


@cache
def builtin() -> Catalog:
    """Return the catalog of a WhatsApp marketing workspace and of the log itself: 69 actions, 26 of the user guide."""
    return Catalog(
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
        *audit.ACTIONS,
    )
