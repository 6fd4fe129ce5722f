"""A client that holds every answer it gets against the description of its route: status, headers, type, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import httpx2
import msgspec
from starlette.applications import Starlette
from starlette.testclient import TestClient

from whodid.server.described import Endpoint, Form
from whodid.server.openapi import statuses
from whodid.server.problems import MEDIA_TYPE, Problem, kinds

__all__ = ["CheckedClient", "check_answer", "check_value", "endpoint_of"]


class CheckedClient(TestClient):
    """A client of the application itself; a test that asks a route gets an answer that the reference describes."""

    def send(self, request: httpx2.Request, **more: Any) -> httpx2.Response:
        """Send a request and check what comes back."""
        answer = super().send(request, **more)
        if isinstance(self.app, Starlette) and answer.history == [] and request.url.host == "audit.test":
            check_answer(self.app.state.endpoints, request.method, request.url.path, answer)
        return answer


def endpoint_of(endpoints: Iterable[Endpoint], method: str, path: str) -> Endpoint | None:
    """Return the endpoint that answers at an address."""
    for one in endpoints:
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.sub(r"\\\{\w+:path\\\}", ".*", re.escape(one.path)))
        if one.method == method and re.fullmatch(pattern, path):
            return one
    return None


def check_answer(endpoints: Iterable[Endpoint], method: str, path: str, answer: httpx2.Response) -> None:
    """Insist that an answer is one that its route describes."""
    one = endpoint_of(endpoints, method, path)
    if one is None:
        return
    place = f"{method} {one.path} {answer.status_code}"
    described, media_type = one.described, answer.headers.get("content-type", "")
    assert answer.status_code in statuses(one), f"{place} is not described"
    reply = next((each for each in described.replies if each.status == answer.status_code), None)
    named = reply is not None and any(one.name == "ETag" for one in reply.headers)
    tagged = named or (described.tagged and answer.status_code in {200, 206, 304})
    assert ("etag" in answer.headers) == tagged, f"{place}: ETag"
    if answer.status_code == 304:
        return
    if reply is None:
        assert media_type == MEDIA_TYPE, place
        told = msgspec.json.decode(answer.content, type=_closed(Problem))
        assert (told.status, told.type) in {(kind.status, kind.type) for kind in kinds()}, place
        return
    forms = [
        form for form in reply.forms if form.media_type in {media_type, media_type.removesuffix("; charset=utf-8")}
    ]
    assert forms, f"{place}: {media_type} is not described"
    if answer.is_stream_consumed:
        check_value(forms, answer.content, place)


def check_value(forms: Iterable[Form], body: bytes, place: str) -> None:
    """Insist that a body is of one of some forms, with no member that none of them has."""
    faults = []
    for form in forms:
        if form.type is None:
            return
        try:
            msgspec.json.decode(body, type=_closed(form.type))
        except msgspec.ValidationError as error:
            faults.append(str(error))
        else:
            return
    raise AssertionError(f"{place}: {faults}")


_known: dict[Any, Any] = {}


def _closed(kind: Any) -> Any:
    """Return a type that refuses members which it does not have; the types of the answers below it do so themselves."""
    if (
        not isinstance(kind, type)
        or not issubclass(kind, msgspec.Struct)
        or kind.__struct_config__.forbid_unknown_fields
    ):
        return kind
    if kind not in _known:
        _known[kind] = type(kind.__name__, (kind,), {}, forbid_unknown_fields=True)
    return _known[kind]
