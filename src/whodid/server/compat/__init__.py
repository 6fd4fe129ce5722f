"""Doors for the clients of other products: their requests in, events out, and answers in the form that they read.

Each product is a set of routes that translates to our events and back; what is recorded is recorded as from anywhere
else, and an API key of ours is what the client is given as its own. Switched on by configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from whodid.errors import InvalidSetting
from whodid.server.answers import Handler
from whodid.server.compat.cloudevents import CloudEvents
from whodid.server.compat.mcp import Mcp
from whodid.server.compat.otlp import OTLP
from whodid.server.compat.retraced import Retraced
from whodid.server.compat.shared import Shared
from whodid.server.compat.splunk import Splunk
from whodid.server.compat.workos import WorkOS

__all__ = ["NEVER_AGAIN", "PRODUCTS", "Shared", "check_products", "doors"]


class _Door(Protocol):
    handlers: list[Handler]


PRODUCTS: dict[str, Callable[[Shared], _Door]] = {
    "workos": WorkOS,
    "retraced": Retraced,
    "otlp": OTLP,
    "cloudevents": CloudEvents,
    "splunk": Splunk,
    "mcp": Mcp,
}
"""What stands in for the clients of which product."""

NEVER_AGAIN = frozenset({"retraced", "splunk"})
"""Those whose published clients never send an event again: what cannot be recorded now must be kept."""


def check_products(products: Collection[str]) -> None:
    """Refuse a name that is none of `PRODUCTS`.

    Raises:
        InvalidSetting: A product is not known.
    """
    for name in products:
        if name not in PRODUCTS:
            raise InvalidSetting(f"There is no product {name} to stand in for", f"Use some of {', '.join(PRODUCTS)}")


def doors(products: Collection[str], shared: Shared) -> list[Handler]:
    """Return the routes of some products.

    Args:
        products: Some of `PRODUCTS`.
        shared: What the routes of this application work with.

    Raises:
        InvalidSetting: A product is not known.
    """
    check_products(products)
    return [handler for name, product in PRODUCTS.items() if name in products for handler in product(shared).handlers]
