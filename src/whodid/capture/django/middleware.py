"""One scope per request: where it comes from, and who makes it, asked when something is first recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import SynchronousOnlyOperation
from django.utils.module_loading import import_string

from whodid.capture.context import Setting, context
from whodid.model import Actor

__all__ = ["Middleware", "actor_of", "addresses"]

_REQUEST = re.compile(r"[\w.:/+=-]{1,128}")
_PORT = re.compile(r"^(?:\[(?P<six>[^\]]+)\]|(?P<four>\d+\.\d+\.\d+\.\d+))(?::\d+)?$")


ANONYMOUS = Actor(type="anonymous", id="anonymous")


class Middleware:
    """Opens a scope around each request; stands first in MIDDLEWARE, for synchronous and asynchronous stacks.

    Args:
        get_response: What answers the request.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        from whodid.capture.django.settings import settings

        self._get_response = get_response
        self._proxies: int = settings().proxies
        actor = settings().actor
        self._actor: Callable[[Any], Actor | None] = actor_of if actor is None else import_string(actor)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Answer a request under a scope of its own."""
        if iscoroutinefunction(self):
            return self._awaited(request)
        with self._scope(request):
            return self._get_response(request)

    async def _awaited(self, request: Any) -> Any:
        with self._scope(request):
            return await self._get_response(request)

    @contextmanager
    def _scope(self, request: Any) -> Iterator[None]:
        # Two scopes, because a scope keeps the first answer: whoever has not signed in yet may do so later.
        with (
            context(**origin(request.META, self._proxies)) as around,
            context(actor=lambda: self._actor(request)),
        ):
            around.bind(actor=lambda: _nobody(request))
            yield


def origin(meta: Mapping[str, Any], proxies: int) -> Setting:
    """Return where a request comes from, by its headers.

    Args:
        meta: As of `HttpRequest.META`.
        proxies: How many proxies of one's own stand before the application.
    """
    address, forwarded = addresses(meta.get("REMOTE_ADDR"), meta.get("HTTP_X_FORWARDED_FOR"), proxies)
    said = str(meta.get("HTTP_X_REQUEST_ID", ""))
    agent = "".join(one for one in str(meta.get("HTTP_USER_AGENT", ""))[:500] if one.isprintable())
    return {
        "source": "web",
        "ip": address,
        "forwarded_ip": forwarded,
        "user_agent": agent or None,
        "request": said if _REQUEST.fullmatch(said) else str(uuid4()),
    }


def addresses(remote: object, forwarded: object, proxies: int) -> tuple[str | None, str | None]:
    """Return the address of the client and the one that it claims to have, if that is another one.

    Each trusted proxy appended the address that it saw; what stands further left was sent by the client and proves
    nothing.

    Args:
        remote: The address that the connection came from.
        forwarded: The header X-Forwarded-For.
        proxies: How many proxies of one's own stand before the application.
    """
    seen = _address(str(remote or ""))
    told = [part.strip() for part in str(forwarded or "")[:2000].split(",")] if forwarded else []
    if proxies > 0 and len(told) >= proxies:
        client = _address(told[-proxies])
        claimed = _address(told[0]) if len(told) > proxies else None
    else:
        client, claimed = seen, _address(told[0]) if told and proxies == 0 else None
    return client, claimed if claimed != client else None


def _address(text: str) -> str | None:
    match = _PORT.match(text)
    try:
        found = ip_address((match["six"] or match["four"]) if match else text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def actor_of(request: Any) -> Actor | None:
    """Return the user of a request; None while nobody has signed in."""
    try:
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return None
    except SynchronousOnlyOperation:
        return None  # asked inside of asynchronous code before anybody looked who it is
    return user_actor(user)


def _nobody(request: Any) -> Actor | None:
    """Return the anonymous visitor of a request of which it is known that nobody has signed in."""
    try:
        user = getattr(request, "user", None)
        return ANONYMOUS if user is not None and not user.is_authenticated else None
    except SynchronousOnlyOperation:
        return None


def user_actor(user: Any) -> Actor:
    """Return a user of `django.contrib.auth`, or one like it, as an actor; nothing is loaded for it."""
    known = user.__dict__ if "_wrapped" not in user.__dict__ else user._wrapped.__dict__
    name = " ".join(str(known[part]) for part in ("first_name", "last_name") if known.get(part))
    said = known.get(getattr(type(user), "USERNAME_FIELD", "username"))
    email = known.get(getattr(type(user), "EMAIL_FIELD", "email"))
    return Actor(
        type="user",
        id=str(user.pk),
        name=(name or str(said or "") or None) and (name or str(said))[:500],
        email=str(email)[:500] if email else None,
    )
