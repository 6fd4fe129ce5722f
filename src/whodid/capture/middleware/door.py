"""What a scope knows of a request, whichever way the server hands it over."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from whodid.capture.context import Setting
from whodid.capture.middleware.addresses import Header, Proxies
from whodid.capture.redact import tidy
from whodid.catalog.secrets import is_credential
from whodid.model import Actor, Source

__all__ = ["Door"]

_R = TypeVar("_R")

_ID = re.compile(r"[\w.:/+=@-]{1,100}", re.ASCII)
_LONGEST_AGENT = 500


class Door(Generic[_R]):
    """Makes the values of a scope from a request.

    Args:
        workspace: A name, or a function of the request, asked when an event needs it.
        actor: A function of the request, asked when an event needs it and nobody bound an actor.
        trusted_proxies: How many proxies of yours stand in front, or their networks; 0 believes no forwarded address.
        forwarded_header: Where they write what they saw.
        source: Where events come from, or a function of the request.
    """

    def __init__(
        self,
        *,
        workspace: str | Callable[[_R], str | None] | None,
        actor: Callable[[_R], Actor | None] | None,
        trusted_proxies: int | Iterable[str],
        forwarded_header: Header,
        source: Source | Callable[[_R], Source],
    ) -> None:
        self._workspace = workspace
        self._actor = actor
        self._proxies = Proxies(trusted_proxies, header=forwarded_header)
        self._source = source
        self.header = forwarded_header

    def values(
        self,
        request: _R,
        *,
        peer: str | None,
        forwarded: list[str],
        agent: str | None,
        request_id: str | None,
        route: Callable[[], str | None],
    ) -> Setting:
        """Return what is known of a request.

        Args:
            request: What the functions are asked with.
            peer: Address of the other end of the connection.
            forwarded: Lines of the header that proxies write.
            agent: The header `User-Agent`.
            request_id: The header `X-Request-Id`; believed when a proxy of ours sent the request.
            route: Returns method and template of the route, once they are known.
        """
        client = self._proxies.client(peer, forwarded)
        workspace, actor, source = self._workspace, self._actor, self._source
        values = Setting(
            request=request_id
            if self._proxies.forwarded(peer) and _is_good(request_id)
            else f"req_{secrets.token_hex(8)}",
            source=source(request) if callable(source) else source,
            ip=client.ip,
            forwarded_ip=client.forwarded_ip,
            user_agent=tidy(agent, _LONGEST_AGENT) or None,
            route=route,
        )
        if workspace is not None:
            values["workspace"] = (lambda: workspace(request)) if callable(workspace) else workspace
        if actor is not None:
            values["actor"] = lambda: actor(request)
        return values


def _is_good(request_id: Any) -> bool:
    return isinstance(request_id, str) and _ID.fullmatch(request_id) is not None and not is_credential(request_id)
