"""The description of the API: whole, true to the types, and the same everywhere that it is written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.describing import check_answer, check_value
from tests.serving import SECRET, Clock, client, open_log
from whodid import Log
from whodid.errors import InvalidSetting
from whodid.server import asgi, openapi
from whodid.server.answers import Answer, Handler
from whodid.server.compat import PRODUCTS
from whodid.server.described import AREAS, Description, Endpoint, Form, Reply
from whodid.server.manual import write_manual
from whodid.server.openapi import plain_path


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """Open the story."""
    with open_log(Clock()) as opened:
        yield opened


@pytest.fixture(scope="module")
def http(log: Log) -> Iterator[TestClient]:
    """Open a client."""
    with client(log) as opened:
        yield opened


@pytest.fixture(scope="module")
def endpoints(log: Log) -> tuple[Endpoint, ...]:
    """List the described routes."""
    found: tuple[Endpoint, ...] = asgi(log, secret=SECRET, compat=PRODUCTS).state.endpoints
    return found


@pytest.fixture(scope="module")
def document(http: TestClient) -> dict[str, Any]:
    """Read the document."""
    found: dict[str, Any] = http.get("/v1/openapi.json").json()
    return found


def test_a_route_cannot_be_without_a_description() -> None:
    """Under /v1 a handler that nobody described is not made; elsewhere it is, and in the form of another product."""
    with pytest.raises(InvalidSetting, match="GET /v1/things is not described"):
        Handler("GET", "/v1/things", lambda _: Answer())

    assert Handler("GET", "/things", lambda _: Answer()).endpoints == ()
    assert Handler("POST", "/v1/logs", lambda _: Answer(), spoken=lambda answer, _: answer).endpoints == ()


def test_every_route_is_in_the_document(log: Log, document: dict[str, Any]) -> None:
    """What the application routes under /v1 is what the document lists: methods and addresses.

    The routes that speak in the form of another product are in the tables of the reference only.
    """
    routes = [route for route in asgi(log, secret=SECRET).routes if isinstance(route, Route)]
    routed = {
        (plain_path(route.path), method)
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
        if route.path.startswith("/v1/")
    }

    assert {(path, method.upper()) for path, one in document["paths"].items() for method in one} == routed


def test_every_description_is_whole(endpoints: tuple[Endpoint, ...]) -> None:
    """Names are unique, areas known, texts there, and the parameters of a path those of its pattern."""
    assert max(Counter(one.described.name for one in endpoints).values()) == 1
    for one in endpoints:
        described = one.described
        assert described.area in AREAS
        assert described.does
        assert not described.does.endswith(".")
        assert described.answers
        assert [each.name for each in described.path] == re.findall(r"\{(\w+)", one.path)
        assert max(Counter(described.takes).values(), default=1) == 1
        assert all(reply.means.endswith(".") for reply in described.replies)


def test_every_example_is_of_its_type(endpoints: tuple[Endpoint, ...]) -> None:
    """Bodies, answers and parameters: what is shown could have been sent."""
    shown = 0
    for one in endpoints:
        forms = [*one.described.body, *(form for reply in one.described.replies for form in reply.forms)]
        for form in forms:
            if form.type is not None and form.example is not None:
                check_value([form], msgspec.json.encode(form.example), one.path)
                shown += 1
        for parameter in (*one.described.path, *one.described.query):
            assert parameter.example is not None, (one.path, parameter.name)
            msgspec.convert(parameter.example, parameter.type)
    assert shown > 10


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """Each `$ref` names something in the document, and everything there is named."""
    named = set(re.findall(r'"\$ref":"#(/[^"]+)"', msgspec.json.encode(document).decode()))
    for reference in named:
        value: Any = document
        for part in reference.strip("/").split("/"):
            value = value[part]
    for part in ("schemas", "responses"):
        unused = {f"/components/{part}/{name}" for name in document["components"][part]} - named
        assert unused <= {f"/components/responses/Problem{status}" for status in (405, 410, 501)}


def test_every_member_is_described_once(document: dict[str, Any]) -> None:
    """The docstring of a type became the texts of its members: none is left in the text of the whole."""
    schemas = document["components"]["schemas"]
    assert "Args:" not in msgspec.json.encode(schemas).decode()
    assert schemas["Problem"]["properties"]["remedy"]["description"].startswith("What to do about it")
    assert schemas["StandingOut"]["properties"]["from"]["description"].startswith("Beginning of the part")


def test_bodies_are_closed_and_answers_open(document: dict[str, Any]) -> None:
    """A body with an unknown member is refused, and says so; an answer may get one some day."""
    schemas = document["components"]["schemas"]
    assert schemas["ExportWish"]["additionalProperties"] is False
    assert schemas["Event"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Page"]
    assert "additionalProperties" not in schemas["Problem"]


def test_who_may_is_said(document: dict[str, Any]) -> None:
    """Viewers with a permission, keys with a scope, everybody: each operation says which."""
    paths = document["paths"]
    assert paths["/v1/entries"]["get"]["security"] == [{"viewerToken": ["audit:read"]}, {"apiKey": ["read"]}]
    assert paths["/v1/events"]["post"]["security"] == [{"apiKey": ["write"]}]
    assert paths["/v1/keys"]["post"]["security"] == [{"apiKey": ["admin"]}, {"operatorToken": []}]
    assert paths["/v1/openapi.json"]["get"]["security"] == []


def test_it_knows_where_it_is_mounted(log: Log) -> None:
    """Addresses of the document are below the place at which the host put the application."""
    app = asgi(log, secret=SECRET)
    with TestClient(app, base_url="http://audit.test", root_path="/audit") as opened:
        assert opened.get("/audit/v1/openapi.json").json()["servers"] == [{"url": "/audit"}]
    with TestClient(app, base_url="http://audit.test") as opened:
        assert opened.get("/v1/openapi.json").json()["servers"] == [{"url": "/"}]


def test_it_is_asked_for_once(http: TestClient) -> None:
    """It has a tag, needs no token, and takes no parameter."""
    answer = http.get("/v1/openapi.json")
    again = http.get("/v1/openapi.json", headers={"If-None-Match": f'"other", {answer.headers["etag"]}'})
    assert (answer.status_code, again.status_code, again.content) == (200, 304, b"")
    assert http.get("/v1/openapi.json?token=x").status_code == 400


_DESCRIBED = Description(
    name="one", area="About", does="Be there", answers="one", replies=(Reply(200, "One.", (Form(Form),)),)
)


@pytest.mark.parametrize(
    ("status", "headers", "body", "fault"),
    [
        (418, {}, b"{}", "418 is not described"),
        (200, {"etag": '"x"', "content-type": "application/json"}, b"{}", "ETag"),
        (200, {"content-type": "text/plain"}, b"{}", "text/plain is not described"),
        (200, {"content-type": "application/json"}, b"[1]", "Expected `str"),
        (500, {"content-type": "application/json"}, b"{}", "GET /x 500"),
    ],
)
def test_the_check_of_answers_notices(status: int, headers: dict[str, str], body: bytes, fault: str) -> None:
    """An answer with another status, header, media type or body than is described does not pass."""
    described = msgspec.structs.replace(_DESCRIBED, replies=(Reply(200, "One.", (Form(list[str], example=["x"]),)),))
    with pytest.raises(AssertionError, match=fault):
        check_answer(
            [Endpoint("GET", "/x", described)], "GET", "/x", httpx2.Response(status, headers=headers, content=body)
        )


def test_the_check_of_answers_refuses_a_member_too_many(endpoints: tuple[Endpoint, ...]) -> None:
    """A member that no type has is found, also deep inside."""
    entry = next(one for one in endpoints if one.described.name == "getEntry")
    example = entry.described.replies[0].forms[0].example
    for changed in ({**example, "extra": 1}, {**example, "second": {**example["second"], "extra": 1}}):
        with pytest.raises(AssertionError, match="extra"):
            check_value(entry.described.replies[0].forms, msgspec.json.encode(changed), "x")


def test_the_page_says_all_that_the_document_says(http: TestClient, document: dict[str, Any]) -> None:
    """Every operation and type has its heading, every link within the page leads somewhere, nothing runs or loads."""
    page = http.get("/docs")
    names = re.findall(r' id="([^"]+)"', page.text)
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; img-src data:;")
    assert max(Counter(names).values()) == 1
    assert {one["operationId"] for item in document["paths"].values() for one in item.values()} <= set(names)
    assert {f"type-{name}" for name in document["components"]["schemas"]} <= set(names)
    assert set(re.findall(r'href="#([^"]+)"', page.text)) <= set(names)
    assert "<script" not in page.text
    assert re.findall(r'(?:src|href)="(?!#|data:,|/static/docs\.css\?v=|/v1/openapi\.json")[^"]*"', page.text) == []
    assert http.get("/docs", headers={"If-None-Match": page.headers["etag"]}).status_code == 304


def test_the_page_escapes_what_it_shows() -> None:
    """A description with markup in it is text."""
    described = msgspec.structs.replace(_DESCRIBED, does="<b>one", more="`<i>` & <script>alert(1)</script>")
    document = msgspec.to_builtins(openapi.document([Endpoint("GET", "/v1/<x>", described)], version="<1>"))
    page = write_manual(document, style="/s", source="/d")
    assert "<script" not in page
    assert "<b>one" not in page
    assert "<code>&lt;i&gt;</code> &amp; &lt;script&gt;" in page
