"""The OpenAPI document as a page for people: plain HTML without scripts, from the same server, so it works offline.

A function from the document to text. Everything in it is ours, and is escaped all the same.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

__all__ = ["POLICY", "write_manual"]

POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: a style sheet, and nothing else at all."""

_CODE = re.compile(r"`([^`]+)`")

_Json = Mapping[str, Any]


def write_manual(document: _Json, *, style: str, source: str) -> str:
    """Write the page.

    Args:
        document: OpenAPI, as `openapi.document` makes it.
        style: Address of the style sheet, escaped.
        source: Address of the document, escaped.
    """
    listed = [(method, path, one) for path, item in document["paths"].items() for method, one in item.items()]
    areas = [(tag, [row for row in listed if tag["name"] in row[2]["tags"]]) for tag in document["tags"]]
    info = document["info"]
    return "".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>HTTP API of {html.escape(info['title'])}</title>\n",
            f'<link rel="icon" href="data:,">\n<link rel="stylesheet" href="{style}">\n</head>\n<body>\n',
            '<a class="skip" href="#content">Skip to the content</a>\n',
            *_contents(areas),
            '<main id="content" tabindex="-1">\n<header>\n<h1>HTTP API</h1>\n<p class="summary">',
            f"{html.escape(info['title'])} {html.escape(info['version'])} · {html.escape(info['summary'])} · ",
            f'<a href="{source}">OpenAPI {html.escape(document["openapi"])}</a></p>\n{_prose(info["description"])}\n',
            *_credentials(document["components"]["securitySchemes"]),
            *_problems(document["components"]["responses"]),
            "</header>\n",
            *(part for tag, rows in areas for part in _area(tag, rows)),
            '<section aria-labelledby="types">\n<h2 id="types">Types</h2>\n',
            *(part for name, schema in document["components"]["schemas"].items() for part in _type(name, schema)),
            "</section>\n</main>\n</body>\n</html>\n",
        ]
    )


def _contents(areas: Iterable[tuple[_Json, list[tuple[str, str, _Json]]]]) -> Iterator[str]:
    yield '<nav aria-label="Contents">\n<ul>\n<li><a href="#content">HTTP API</a></li>\n'
    yield '<li><a href="#credentials">Who may ask</a></li>\n<li><a href="#problems">Problems</a></li>\n'
    for tag, rows in areas:
        yield f'<li><a href="#area-{_slug(tag["name"])}">{html.escape(tag["name"])}</a>\n<ul>\n'
        for _, _, one in rows:
            yield f'<li><a href="#{html.escape(one["operationId"])}">{html.escape(one["summary"])}</a></li>\n'
        yield "</ul></li>\n"
    yield '<li><a href="#types">Types</a></li>\n</ul>\n</nav>\n'


def _credentials(schemes: _Json) -> Iterator[str]:
    names = {"viewerToken": "Viewer token", "apiKey": "API key"}
    yield '<section aria-labelledby="credentials">\n<h2 id="credentials">Who may ask</h2>\n<dl>\n'
    for name, scheme in schemes.items():
        yield f"<dt>{html.escape(names.get(name, name))}</dt><dd>{_inline(scheme['description'])}</dd>\n"
    yield "</dl>\n</section>\n"


def _problems(responses: _Json) -> Iterator[str]:
    yield '<section aria-labelledby="problems">\n<h2 id="problems">Problems</h2>\n'
    yield f"<p>One shape for all of them: {_link('Problem')}.</p>\n"
    yield '<table>\n<thead><tr><th scope="col">Status</th><th scope="col"><code>type</code></th>'
    yield '<th scope="col">Means</th></tr></thead>\n<tbody>\n'
    for answer in responses.values():
        for example in answer["content"]["application/problem+json"]["examples"].values():
            told = example["value"]
            yield f"<tr><td>{told['status']}</td><td><code>{html.escape(told['type'])}</code></td>"
            yield f"<td>{html.escape(told['title'])}.</td></tr>\n"
    yield "</tbody>\n</table>\n</section>\n"


def _area(tag: _Json, rows: Iterable[tuple[str, str, _Json]]) -> Iterator[str]:
    slug = _slug(tag["name"])
    yield f'<section aria-labelledby="area-{slug}">\n<h2 id="area-{slug}">{html.escape(tag["name"])}</h2>\n'
    yield f"<p>{_inline(tag['description'])}</p>\n"
    for method, path, one in rows:
        yield from _operation(method, path, one)
    yield "</section>\n"


def _operation(method: str, path: str, one: _Json) -> Iterator[str]:
    name = html.escape(one["operationId"])
    yield f'<article aria-labelledby="{name}">\n<h3 id="{name}">{html.escape(one["summary"])}</h3>\n'
    yield f'<p class="address"><b class="{method}">{method.upper()}</b> <code>{html.escape(path)}</code></p>\n'
    if "description" in one:
        yield _prose(one["description"])
    yield f"<p>{_needs(one['security'])}</p>\n"
    if one.get("parameters"):
        yield '<h4>Parameters</h4>\n<table>\n<thead><tr><th scope="col">Name</th><th scope="col">In</th>'
        yield '<th scope="col">Type</th><th scope="col">Means</th></tr></thead>\n<tbody>\n'
        for each in one["parameters"]:
            required = ' <em class="required">required</em>' if each.get("required") else ""
            yield f"<tr><td><code>{html.escape(each['name'])}</code>{required}</td><td>{each['in']}</td>"
            yield f"<td>{_kind(each['schema'])}</td><td>{_inline(each['description'])}</td></tr>\n"
        yield "</tbody>\n</table>\n"
    yield f"<h4>Request</h4>\n<pre><code>{html.escape(_curl(method, path, one))}</code></pre>\n"
    if "requestBody" in one:
        yield from _content(one["requestBody"]["content"])
    yield '<h4>Answers</h4>\n<table class="answers">\n<thead><tr><th scope="col">Status</th><th scope="col">Means</th>'
    yield '<th scope="col">Body</th></tr></thead>\n<tbody>\n'
    for status, reply in one["responses"].items():
        if "$ref" not in reply:
            kinds = [_form(*form) for form in reply.get("content", {}).items()]
            yield f"<tr><td>{status}</td><td>{_inline(reply['description'])}</td><td>{'<br>'.join(kinds)}</td></tr>\n"
    refused = [status for status, reply in one["responses"].items() if "$ref" in reply]
    yield f'<tr><td>{", ".join(refused)}</td><td>A <a href="#problems">problem</a>.</td><td>{_link("Problem")}</td>'
    yield "</tr>\n</tbody>\n</table>\n"
    for status, reply in one["responses"].items():
        yield from _examples(f"Example of {status}", reply.get("content", {}))
    yield "</article>\n"


def _content(content: _Json) -> Iterator[str]:
    for form in content.items():
        yield f"<p>Body: {_form(*form)}</p>\n"
    yield from _examples("Example of a body", content)


def _form(media_type: str, told: _Json) -> str:
    kind = f": {_kind(told['schema'])}" if "schema" in told else ""
    return f"<code>{html.escape(media_type)}</code>{kind}"


def _examples(title: str, content: _Json) -> Iterator[str]:
    for media_type, told in content.items():
        listed = told.get("examples", {}).values()
        for at, example in enumerate(listed, 1):
            value = example["value"]
            text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            number = f", {at} of {len(listed)}" if len(listed) > 1 else ""
            yield f"<details><summary>{title}, {html.escape(media_type)}{number}</summary>\n"
            yield f"<pre><code>{html.escape(text)}</code></pre></details>\n"


def _curl(method: str, path: str, one: _Json) -> str:
    """Return a request that a shell can send, with what each parameter shows as an example."""
    query: dict[str, str] = {}
    for each in one.get("parameters", ()):
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(str(each.get("example", "")), safe="…"))
        elif each["in"] == "query" and (each.get("required") or each["name"] in {"q", "limit"}):
            query[each["name"]] = str(each["example"])
    address = f"$URL{path}" + (f"?{urlencode(query, safe=':,…')}" if query else "")
    lines = [f'curl "{address}"']
    if method != "get":
        lines[0] = f'curl -X {method.upper()} "{address}"'
    if one["security"]:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    content = one.get("requestBody", {}).get("content", {})
    if content:
        lines += [f'-H "Content-Type: {next(iter(content))}"', "--data-binary @body"]
    return " \\\n  ".join(lines)


def _needs(security: Iterable[_Json]) -> str:
    names = {"viewerToken": "a viewer token with", "apiKey": "an API key with"}
    ways = [
        f"{names.get(scheme, scheme)} {' and '.join(f'<code>{html.escape(one)}</code>' for one in rights)}"
        for way in security
        for scheme, rights in way.items()
    ]
    return f"Needs {', or '.join(ways)}." if ways else "Needs neither a token nor a key."


def _type(name: str, schema: _Json) -> Iterator[str]:
    slug, needed = html.escape(f"type-{name}"), schema.get("required", ())
    yield f'<article aria-labelledby="{slug}">\n<h3 id="{slug}">{html.escape(name)}</h3>\n'
    yield _prose(schema.get("description", ""))
    yield '<table>\n<thead><tr><th scope="col">Member</th><th scope="col">Type</th>'
    yield '<th scope="col">Means</th></tr></thead>\n<tbody>\n'
    for member, value in schema.get("properties", {}).items():
        optional = "" if member in needed else " <em>optional</em>"
        yield f"<tr><td><code>{html.escape(member)}</code>{optional}</td><td>{_kind(value)}</td>"
        yield f"<td>{_inline(value.get('description', ''))}</td></tr>\n"
    yield "</tbody>\n</table>\n</article>\n"


def _kind(schema: _Json) -> str:
    """Return in a few words what a value is."""
    if "$ref" in schema:
        return _link(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " · ".join(f"<code>{html.escape(json.dumps(one))}</code>" for one in schema["enum"])
    match schema.get("type"):
        case "array":
            return f"list of {_kind(schema.get('items', {}))}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"object of {_kind(schema['additionalProperties'])}"
        case "integer" | "number" as number:
            bounds = (schema.get("minimum"), schema.get("maximum"))
            return str(number) + (f", {bounds[0]} to {bounds[1]}" if None not in bounds else "")
        case "string":
            form = schema.get("format") or schema.get("contentEncoding")
            return "string" + (f" ({html.escape(form)})" if form else "")
        case None:
            return "anything"
        case other:
            return html.escape(str(other))


def _link(name: str) -> str:
    return f'<a href="#type-{html.escape(name)}">{html.escape(name)}</a>'


def _prose(text: str) -> str:
    """Write paragraphs of Markdown, of which only code and paragraphs are in use."""
    return "".join(f"<p>{_inline(part)}</p>\n" for part in text.strip().split("\n\n") if part)


def _inline(text: str) -> str:
    return _CODE.sub(lambda found: f"<code>{found[1]}</code>", html.escape(text))


def _slug(name: str) -> str:
    return html.escape(name.lower().replace(" ", "-"))
