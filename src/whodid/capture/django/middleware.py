"""One scope per request: where it comes from, and who makes it, asked when something is first recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import SynchronousOnlyOperation
from django.utils.module_loading import import_string

from whodid.capture.context import Setting, context
from whodid.capture.middleware.door import Door
from whodid.model import Actor

__all__ = ["Middleware", "actor_of", "user_actor"]

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
        said = settings()
        self._door = Door[Any](
            workspace=None,
            actor=None,
            trusted_proxies=said.proxies,
            forwarded_header="x-forwarded-for",
            source="web",
        )
        actor = said.actor
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
            context(**self._values(request)) as around,
            context(actor=lambda: self._actor(request)),
        ):
            around.bind(actor=lambda: _nobody(request))
            yield

    def _values(self, request: Any) -> Setting:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
        return self._door.values(
            request,
            peer=request.META.get("REMOTE_ADDR"),
            forwarded=[forwarded] if forwarded else [],
            agent=request.META.get("HTTP_USER_AGENT"),
            request_id=request.META.get("HTTP_X_REQUEST_ID"),
            route=lambda: _route(request),
        )


def _route(request: Any) -> str | None:
    """Return method and template of the route (`PUT /contacts/<int:id>/`), or None before it is known."""
    match = request.resolver_match
    return None if match is None else f"{request.method} /{match.route}"


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
