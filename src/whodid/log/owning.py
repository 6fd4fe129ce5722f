"""Whose a store is: it is bound to one deployment key at first use, and no other key opens it afterwards."""

from __future__ import annotations

from whodid.errors import InvalidSetting
from whodid.log.keys import DeploymentKey
from whodid.store.base import Store
from whodid.store.moving import refuse

__all__ = ["DEPLOYMENT", "own"]

DEPLOYMENT = ""
"""The store's state under the empty name belongs to the deployment, not to a workspace."""

_KEY = "key"


def own(store: Store, key: DeploymentKey) -> None:
    """Bind a store to its key at first use.

    Raises:
        InvalidSetting: It is bound to another key.
        StoreMoved: It holds a copy that is not complete.
    """
    mark = store.mark()
    if mark is not None and mark.kind in {"arriving", "abandoned"}:
        refuse(mark)
    mine = key.identity.encode()
    bound = store.state(DEPLOYMENT, _KEY)
    if bound is None and mark is None and store.swap_state(DEPLOYMENT, _KEY, None, mine):
        return
    if (bound or store.state(DEPLOYMENT, _KEY)) != mine:
        raise InvalidSetting("The key file does not belong to this log", "Restore the key file that was made with it")
