"""What auditors ask about, as sets of actions: one source for evidence and for what retention would lose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from whodid.catalog.catalog import Action
from whodid.model import Kind

__all__ = ["TOPICS", "Topic", "topics"]

Topic = Literal["deletions", "access", "approvals", "keys", "sign_ins", "stops"]
"""Who deleted it; who had which right; how was it approved; which keys were there; who signed in; why did it stop."""

TOPICS: tuple[Topic, ...] = get_args(Topic)

_NOUNS: Mapping[str, Topic] = {"template": "approvals", "api_key": "keys", "auth": "sign_ins"}
"""Category → topic of all its actions, declared or not."""

_ANSWERS: Mapping[str, Topic] = {
    "approval": "approvals",
    "key_ended": "keys",
    "key_made": "keys",
    "role": "access",
    "stop": "stops",
}
"""What an action may answer (`Action.answers`) → topic; the start of a thing does not say why it stopped."""


def topics(catalog: Mapping[str, Action], action: str, kind: Kind) -> frozenset[Topic]:
    """Tell which topics an entry belongs to.

    Args:
        catalog: Says what the action means, if it declares it.
        action: Of the entry.
        kind: Of the entry, which its event may have said itself.
    """
    declared = catalog.get(action)
    found: set[Topic | None] = {_NOUNS.get(action.partition(".")[0]), "deletions" if kind == "delete" else None}
    if declared is not None:
        found |= {_ANSWERS.get(one) for one in declared.answers}
        found.add("access" if "A" in declared.sensitivity else None)
    return frozenset(one for one in found if one is not None)
