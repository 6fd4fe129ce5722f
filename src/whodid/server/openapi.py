"""The OpenAPI 3.1 document of the API, made of the descriptions of its routes (`described`) and the types they name.

Pure: descriptions in, plain JSON values out. What a type means is its docstring; nothing about a type is said twice.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from whodid.server.described import AREAS, Description, Endpoint, Form, Parameter, Reply
from whodid.server.problems import MEDIA_TYPE, Problem, kinds

__all__ = ["SECTIONS", "VERSION", "document", "plain_path", "split_docstring", "statuses"]

VERSION = "3.1.1"

_SCOPES = {"audit:read": "read", "audit:export": "export", "audit:pii": "admin", "audit:manage": "admin"}
"""Which scope of an API key stands for a permission of a viewer."""

SECTIONS = ("Args:", "Returns:", "Raises:", "Yields:", "Example::", "Examples::")
_REFERENCE = "#/components/schemas/{name}"

_ABOUT = """The audit log of a workspace: send events, read entries, check proofs.

Every request but that for this document carries a viewer token, an API key or an operator token in the header
`Authorization`. One in an address is refused. Answers are JSON in UTF-8. Every answer has an `X-Request-Id`.
Routes that answer `GET` answer `HEAD` as well.

An unknown or repeated parameter is an error, not ignored; an empty one is the same as none. Without the permission
`audit:pii`, personal values are `{"$": "hidden"}`.

Errors have one shape (RFC 9457): see the schema `Problem`. `type` is what programs tell them apart by; `remedy` says
what to do. A value that JSON cannot say exactly does not occur: whole numbers stay below 2^53.
"""

_SCHEMES = {
    "viewerToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "wv1",
        "description": "What a host mints for one viewer and one workspace, for ten minutes at most. "
        "It carries permissions: `audit:read`, `audit:export`, `audit:pii`, `audit:manage`.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "wk",
        "description": "A key of one workspace, until it expires or is revoked (`whodid keys`). Its scopes: `write` "
        "sends events; `read` stands for `audit:read`, `export` for `audit:export`, `admin` for all of these, "
        "`audit:pii` and `audit:manage`.",
    },
    "operatorToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "wo1",
        "description": "What a program that holds the secret of the server mints for one operator, for ten minutes at "
        "most. It manages the workspace that `X-Whodid-Workspace` names, and opens no log.",
    },
}

_TAG = Parameter("ETag", "names this answer; send it as If-None-Match to ask whether it still holds")
_KNOWN = Parameter("If-None-Match", "the ETag of the answer that the caller has")
_AGAIN = Parameter("Retry-After", "seconds after which to come back", int)
_ID = Parameter("X-Request-Id", "the name of this request")


def document(endpoints: Iterable[Endpoint], *, version: str, base: str = "") -> dict[str, Any]:
    """Make the document.

    Args:
        endpoints: What the application answers to, in the order of the document.
        version: Of the application.
        base: Path under which the API is mounted, without a slash at its end.
    """
    listed = list(endpoints)
    schemas = _Schemas(listed)
    paths: dict[str, dict[str, Any]] = {}
    for one in listed:
        paths.setdefault(plain_path(one.path), {})[one.method.lower()] = _operation(one, schemas)
    areas = {one.described.area for one in listed}
    return {
        "openapi": VERSION,
        "info": {
            "title": "whodid",
            "version": version,
            "summary": "Who did what, when, and what changed",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base or "/"}],
        "tags": [{"name": name, "description": text} for name, text in AREAS.items() if name in areas],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {f"Problem{status}": _problem(status) for status in sorted({kind.status for kind in kinds()})},
            "securitySchemes": _SCHEMES,
        },
    }


def statuses(one: Endpoint) -> tuple[int, ...]:
    """Return every status that an endpoint may answer with."""
    described = one.described
    found = {reply.status for reply in described.replies} | set(described.problems) | {400, 500, 503, 507}
    if described.tagged:
        found.add(304)
    if one.method == "GET":
        found.add(414)
    if described.needs:
        found |= {401, 403}
    if described.body:
        found |= {408, 413, 415, 422}
    return tuple(sorted(found))


def plain_path(pattern: str) -> str:
    """Return a pattern of ours as a path template: `{id:path}` becomes `{id}`."""
    return re.sub(r"\{(\w+):path\}", r"{\1}", pattern)


def split_docstring(doc: str) -> tuple[str, dict[str, str]]:
    """Split a docstring into its text and the descriptions of its arguments."""
    arguments: dict[str, str] = {}
    prose, inside, name = list[str](), "", ""
    for line in inspect.cleandoc(doc).splitlines():
        if line in SECTIONS:
            inside = line
        elif line and not line.startswith(" ") and inside:
            inside = ""
            prose.append(line)
        elif inside == "Args:":
            found = re.match(r"    (\w+): (.*)", line)
            if found:
                name = found[1]
                arguments[name] = found[2]
            elif name and line.strip():
                arguments[name] += " " + line.strip()
        elif not inside:
            prose.append(line)
    return "\n".join(prose).strip(), arguments


class _Schemas:
    """The schemas of every type that the endpoints name."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        sent = [form.type for one in endpoints for form in one.described.body if form.type is not None]
        told = [form.type for one in endpoints for reply in one.described.replies for form in reply.forms]
        told = [one for one in told if one is not None]
        types = [*sent, *told, Problem]
        made, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
        _, strict = msgspec.json.schema_components(sent, ref_template=_REFERENCE)
        self._made = [(type, schema) for type, schema in zip(types, made, strict=True)]
        for name, schema in components.items():
            if name not in strict:
                # What is sent is refused for an unknown member; an answer may get one some day.
                schema.pop("additionalProperties", None)
            text, arguments = split_docstring(schema.get("description", ""))
            if text:
                schema["description"] = text
            for member, value in schema.get("properties", {}).items():
                meaning = arguments.get(member) or arguments.get(f"{member}_")
                if meaning:
                    value["description"] = meaning
        self.components: dict[str, Any] = dict(sorted(components.items()))

    def of(self, type: Any) -> dict[str, Any]:
        """Return the schema of a type that an endpoint names."""
        return next(schema for known, schema in self._made if known is type)

    def content(self, forms: Iterable[Form]) -> dict[str, Any]:
        """Return what may stand in a body; forms of one media type are alternatives."""
        content: dict[str, Any] = {}
        for media_type, alternatives in _grouped(forms).items():
            schemas = [self.of(one.type) for one in alternatives if one.type is not None]
            told: dict[str, Any] = {}
            if schemas:
                told["schema"] = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
            examples = [one.example for one in alternatives if one.example is not None]
            if examples:
                told["examples"] = {f"example{at}": {"value": value} for at, value in enumerate(examples, 1)}
            content[media_type] = told
        return content


def _grouped(forms: Iterable[Form]) -> dict[str, list[Form]]:
    grouped: dict[str, list[Form]] = {}
    for one in forms:
        grouped.setdefault(one.media_type, []).append(one)
    return grouped


def _operation(one: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    described = one.described
    operation: dict[str, Any] = {
        "operationId": described.name,
        "tags": [described.area],
        "summary": described.does,
        "security": _security(described),
    }
    if described.more or described.opens:
        opens = f"Opened by {described.opens}." if described.opens else ""
        operation["description"] = "\n\n".join(part for part in (described.more, opens) if part)
    tags = (_KNOWN,) if described.tagged else ()
    parameters = [
        *(_parameter(each, "path") for each in described.path),
        *(_parameter(each, "query") for each in described.query),
        *(_parameter(each, "header") for each in (*described.headers, *tags)),
    ]
    if parameters:
        operation["parameters"] = parameters
    if described.body:
        operation["requestBody"] = {"required": True, "content": schemas.content(described.body)}
    replies: dict[str, Any] = {str(reply.status): _reply(reply, described, schemas) for reply in described.replies}
    for status in statuses(one):
        if status == 304:
            replies["304"] = {"description": "The caller has this answer.", "headers": _headers((_TAG, _ID))}
        elif str(status) not in replies:
            replies[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    operation["responses"] = dict(sorted(replies.items()))
    return operation


def _security(described: Description) -> list[dict[str, list[str]]]:
    if not described.needs:
        return []
    keys = {"apiKey": sorted(_SCOPES.get(need, need) for need in described.needs)}
    if set(described.needs) <= set(_SCOPES):
        return [{"viewerToken": list(described.needs)}, keys]
    return [keys, {"operatorToken": []}] if "admin" in described.needs else [keys]


def _parameter(one: Parameter, place: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": one.name,
        "in": place,
        "description": _sentence(one.means),
        "schema": msgspec.json.schema(one.type),
    }
    if place == "path" or one.required:
        told["required"] = True
    if place == "query" and not told.get("required"):
        told["allowEmptyValue"] = True
    if one.example is not None:
        told["example"] = one.example
    return told


def _reply(reply: Reply, described: Description, schemas: _Schemas) -> dict[str, Any]:
    tags = (_TAG,) if described.tagged and reply.status in {200, 206} else ()
    told: dict[str, Any] = {"description": reply.means, "headers": _headers((*reply.headers, *tags, _ID))}
    if reply.forms:
        told["content"] = schemas.content(reply.forms)
    return told


def _headers(names: Iterable[Parameter]) -> dict[str, Any]:
    return {one.name: {"description": _sentence(one.means), "schema": msgspec.json.schema(one.type)} for one in names}


def _problem(status: int) -> dict[str, Any]:
    named = [kind for kind in kinds() if kind.status == status]
    content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    content["examples"] = {
        kind.name: {
            "value": Problem(
                type=kind.type,
                title=kind.title,
                status=status,
                detail=f"{kind.title}.",
                remedy="",
                request_id="req_4d8a01c2b97e55f0",
            )
        }
        for kind in named
    }
    headers = (_AGAIN, _ID) if status in {429, 503, 507} else (_ID,)
    return {
        "description": "; ".join(f"{kind.title} (`{kind.name}`)" for kind in named) + ".",
        "headers": _headers(headers),
        "content": {MEDIA_TYPE: content},
    }


def _sentence(text: str) -> str:
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    return f"{plain[:1].upper()}{plain[1:]}."
