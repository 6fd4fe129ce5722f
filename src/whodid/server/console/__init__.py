"""The server's own console: signing in without a password, and the pages on which an operator manages workspaces.

`visits` knows codes and sessions, `desk` answers requests, `views` writes pages, `markup` makes HTML of values so that
nothing has to be escaped by hand.
"""

from __future__ import annotations

from whodid.server.console.visits import OPERATOR, Console

__all__ = ["OPERATOR", "Console"]
