"""What of a webhook's secrets is shown, in answers and on pages."""

from __future__ import annotations

from whodid.errors import WhodidError
from whodid.sinks import Sinks

__all__ = ["keys_to_show", "shared_part"]


def shared_part(made: str | None) -> str | None:
    """Return a secret that the server made, where the receiver needs it; of a pair of keys it needs the public one."""
    return made if made and made.startswith("whsec_") else None


def keys_to_show(sinks: Sinks, name: str) -> list[str]:
    """Return the public keys of a sink; none where its secret cannot be read, which the next delivery tells."""
    try:
        return list(sinks.public_keys(name))
    except WhodidError:
        return []
