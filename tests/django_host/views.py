"""How the shop answers."""

from __future__ import annotations

import asyncio
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from tests.django_host.shop.models import Tag

MANY = 100


@sync_and_async_middleware
def by_header(get_response: Any) -> Any:
    """Let a gateway say who asks."""

    def known(request: HttpRequest) -> None:
        name = request.headers.get("X-User")
        if name:
            request.user = User(pk=int(name), username=f"user {name}")

    if iscoroutinefunction(get_response):

        async def awaited(request: HttpRequest) -> Any:
            known(request)
            return await get_response(request)

        return awaited

    def called(request: HttpRequest) -> Any:
        known(request)
        return get_response(request)

    return called


def _make(name: str) -> None:
    with transaction.atomic(router.db_for_write(Tag)):
        Tag.objects.bulk_create(Tag(name=f"{name}-{number}") for number in range(MANY))


def tags(request: HttpRequest, name: str) -> HttpResponse:
    """Make many tags."""
    _make(name)
    if "fail" in request.GET:
        raise ZeroDivisionError
    return HttpResponse(name)


async def async_tags(request: HttpRequest, name: str) -> HttpResponse:
    """Make many tags, in asynchronous code."""
    await asyncio.sleep(0)
    await Tag(name=f"{name}-first").asave()
    await asyncio.sleep(0)
    await sync_to_async(_make)(name)
    if "wait" in request.GET:
        await asyncio.sleep(60)
    if "fail" in request.GET:
        raise ZeroDivisionError
    return HttpResponse(name)


def refused(request: HttpRequest) -> HttpResponse:
    """Refuse, and say so."""
    from whodid.capture.django import installed

    with transaction.atomic(router.db_for_write(Tag)):
        Tag.objects.create(name="never")
        installed().capture.record("tag.deleted", ("tag", "1"), outcome="denied")
        raise PermissionDenied


def broken(request: HttpRequest) -> HttpResponse:
    """Fail in the middle of an action."""
    from whodid.capture.django import installed

    with transaction.atomic(router.db_for_write(Tag)), installed().capture.action("stock.counted", ("stock", "1")):
        Tag.objects.create(name="never")
        raise ZeroDivisionError


def late(request: HttpRequest) -> HttpResponse:
    """Change something before and after it is known who asks."""
    Tag.objects.create(name="before")
    login(request, User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    Tag.objects.create(name="after")
    return HttpResponse("done")
