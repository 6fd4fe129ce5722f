"""The door for browsers and programs: HTTP over a log, and the program that serves it.

`asgi` gives the application that a host mounts or `whodid serve` runs; `mint_token` gives a host's back end the one
thing it needs to let somebody in. Only `app` imports Starlette and only `serve` imports uvicorn, so that a host can
mint tokens on the base install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whodid.server.metrics import PrometheusMeter
from whodid.server.operators import mint_operator_token
from whodid.server.tokens import PERMISSIONS, Claims, mint_token, verify_token

if TYPE_CHECKING:
    from whodid.server.app import asgi
    from whodid.server.exports import export_worker
    from whodid.server.reminding import remind_of_review

__all__ = [
    "PERMISSIONS",
    "Claims",
    "PrometheusMeter",
    "asgi",
    "export_worker",
    "mint_operator_token",
    "mint_token",
    "remind_of_review",
    "verify_token",
]


def __getattr__(name: str) -> Any:
    """Import the application when it is first asked for: it needs the extra `server`."""
    if name == "asgi":
        from whodid.server.app import asgi

        return asgi
    if name == "export_worker":
        from whodid.server.exports import export_worker

        return export_worker
    if name == "remind_of_review":
        from whodid.server.reminding import remind_of_review

        return remind_of_review
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
