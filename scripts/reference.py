"""Write the generated pages of docs/reference from the code: what is documented there cannot differ from what is there.

`make reference` runs it; tests/test_docs.py fails when a page is not what it would write.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, is_typeddict

import msgspec

import whodid
from whodid import errors
from whodid.catalog import Action
from whodid.cli import ui
from whodid.model import schema
from whodid.server import asgi
from whodid.server.config import Settings, variable
from whodid.server.described import FILTERS, Endpoint, Parameter
from whodid.server.openapi import SECTIONS, split_docstring

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
NOTICE = "<!-- Written by `make reference`. Change the code instead. -->\n"
WIDEST = 110

INTEGRATED = (
    "whodid.capture",
    "whodid.capture.middleware",
    "whodid.capture.sqlalchemy",
    "whodid.capture.outbox",
    "whodid.capture.propagate",
    "whodid.capture.celery",
    "whodid.capture.remote",
    "whodid.capture.testing",
    "whodid.server",
)
"""Modules that an application imports beside the package itself. Django's are told by its settings."""


def pages() -> dict[str, str]:
    """Return the text of every generated page by its file name."""
    writers: dict[str, Callable[[], Iterator[str]]] = {
        "python.md": python_page,
        "integration.md": integration_page,
        "cli.md": cli_page,
        "events.md": events_page,
        "actions.md": actions_page,
        "errors.md": errors_page,
        "configuration.md": configuration_page,
    }
    written = {name: NOTICE + "\n" + "\n".join(writer()).rstrip() + "\n" for name, writer in writers.items()}
    return written | {"http.md": http_page((FOLDER / "http.md").read_text(encoding="utf-8"))}


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


# ----------------------------------------------------------------------------------------------------------- docstrings


def markdown(doc: str) -> Iterator[str]:
    """Turn a docstring into Markdown: sections become lists, literal blocks become code."""
    lines = inspect.cleandoc(doc).splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        block = list[str]()
        following = at + 1
        if line in SECTIONS or line == "Attributes:" or line.endswith("::"):
            while following < len(lines) and (not lines[following] or lines[following].startswith("    ")):
                block.append(lines[following][4:])
                following += 1
        if line.endswith("::"):
            yield line[:-1]
            yield from ("", "```text", *"\n".join(block).strip("\n").splitlines(), "```", "")
        elif block:
            yield from (
                f"**{line.rstrip(':')}**",
                "",
                *listed(block, named=line in {"Args:", "Attributes:", "Raises:"}),
                "",
            )
        else:
            yield line
        at = following


def listed(block: list[str], *, named: bool) -> Iterator[str]:
    """Turn the lines of a section into the items of a list; a section of one text stays a text."""
    for line in block:
        found = re.match(r"(\w+): (.*)", line) if named else None
        if found:
            yield f"* `{found[1]}`: {found[2]}"
        elif line.strip():
            yield f"  {line.strip()}" if named else line.strip()


def cell(text: str) -> str:
    """Write a text so that it fits into a cell of a table."""
    return " ".join(text.replace("|", r"\|").split())


# --------------------------------------------------------------------------------------------------------------- pages


def python_page() -> Iterator[str]:
    """Document every public name of the package."""
    yield from (
        "# Python",
        "",
        "Everything that `import whodid` offers. What an application imports from the modules of the",
        "package is on the page about [integration](integration.md).",
        "",
    )
    for name in whodid.__all__:
        value = getattr(whodid, name)
        if inspect.ismodule(value):
            yield from (f"## {name}", "", f"The module `{value.__name__}`: see [errors](errors.md).", "")
            continue
        yield from described(name, value, "##")


def integration_page() -> Iterator[str]:
    """Document what an application imports from the modules of the package."""
    yield from (
        "# Integration",
        "",
        "What an application imports beside [`whodid` itself](python.md). Django's part is",
        "told by its [settings](../recipes/capture-django.md#settings).",
        "",
    )
    for module in INTEGRATED:
        found = importlib.import_module(module)
        yield from (f"## {module}", "", *markdown((inspect.getdoc(found) or "").partition("\n\n")[0]), "")
        for name in found.__all__:
            value = getattr(found, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                yield from described(name, value, "###")


def described(name: str, value: Any, level: str) -> Iterator[str]:
    """Document a class with its members, or a function, below a heading."""
    doc = inspect.getdoc(value)
    if doc is None:
        message = f"{value.__module__}.{name} has no docstring"
        raise ValueError(message)
    yield from (f"{level} {name}", "", "```text", signature(name, value), "```", "", *markdown(doc), "")
    if inspect.isclass(value):
        yield from members(name, value, f"{level}#")


def signature(name: str, value: Any) -> str:
    """Write how a function or a class is called, one argument a line when it is long."""
    if is_typeddict(value):  # what may be told, none of it must
        return f"{name}(\n" + "".join(f"    {key}: {annotation(text)},\n" for key, text in _told(value)) + ")"
    found = inspect.signature(value)
    arguments = list[str]()
    for one in found.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not any(text.startswith("*") for text in arguments):
            arguments.append("*")
        stars = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
        typed = "" if one.annotation is one.empty else f": {annotation(one.annotation)}"
        default = "" if one.default is one.empty else f" = {plain_default(one.default)}"
        arguments.append(f"{stars}{one.name}{typed}{default}")
    returns = found.return_annotation
    back = "" if inspect.isclass(value) or returns is found.empty else f" -> {annotation(returns)}"
    text = f"{name}({', '.join(arguments)}){back}"
    if len(text) <= WIDEST:
        return text
    return f"{name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){back}"


def _told(value: Any) -> Iterator[tuple[str, Any]]:
    """Return the members of a typed dictionary with their types, as they are written in the code."""
    return ((key, getattr(kind, "__forward_arg__", kind)) for key, kind in value.__annotations__.items())


def annotation(value: Any) -> str:
    """Write a type without the modules that its parts come from."""
    text = value if isinstance(value, str) else inspect.formatannotation(value)
    return re.sub(r"\b(?:typing|datetime|collections\.abc|whodid(?:\.\w+)*)\.(?=[A-Za-z])", "", text)


def plain_default(value: Any) -> str:
    """Write a default; what can only be written as an address in memory is left out."""
    text = repr(value)
    return "…" if text.startswith("<") else text


def members(name: str, value: type, level: str) -> Iterator[str]:
    """Document the public methods and properties that a class has, its own first; not those of other packages."""
    ours = [one for one in value.__mro__ if one.__module__.partition(".")[0] == "whodid"]
    for member, found in {member: found for one in reversed(ours) for member, found in vars(one).items()}.items():
        if member.startswith("_"):
            continue
        function = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        if not inspect.isfunction(function) or not function.__doc__:
            continue
        called = f"{name}.{member}" if isinstance(found, property) else without_self(name, member, found, function)
        yield from (f"{level} {name}.{member}", "", "```text", called, "```", "", *markdown(function.__doc__), "")


def without_self(name: str, member: str, found: Any, function: Callable[..., Any]) -> str:
    """Write how a method is called, without the argument that Python passes."""
    whole = inspect.signature(function)
    if not isinstance(found, staticmethod):
        whole = whole.replace(parameters=list(whole.parameters.values())[1:])

    def shape() -> None: ...

    shape.__signature__ = whole  # type: ignore[attr-defined] # inspect.signature reads it
    return signature(f"{name}.{member}", shape)


def http_page(text: str) -> str:
    """Write the tables of the HTTP API between their marks; the text around them is written by hand."""
    with whodid.open("memory://") as log:
        endpoints: tuple[Endpoint, ...] = asgi(log, secret=bytes(32)).state.endpoints
    for mark, rows in (("routes", route_rows(endpoints)), ("parameters", parameter_rows(endpoints))):
        begin, end = f"<!-- {mark}: written by `make reference` -->\n", f"<!-- end of {mark} -->"
        before, _, rest = text.partition(begin)
        text = before + begin + "".join(f"{row}\n" for row in rows) + end + rest.partition(end)[2]
    return text


def route_rows(endpoints: tuple[Endpoint, ...]) -> Iterator[str]:
    """Write a row for each described route."""
    yield from ("| Route | Needs | Answers |", "| --- | --- | --- |")
    for one in endpoints:
        needs = [f"`{need}`" if need.startswith("audit:") else f"a key with `{need}`" for need in one.described.needs]
        needed = one.described.opens or (needs[-1] if needs else "nothing")
        yield f"| `{one.method} {one.path}` | {needed} | {one.described.answers} |"


def parameter_rows(endpoints: tuple[Endpoint, ...]) -> Iterator[str]:
    """Write a row for each parameter of an address; one that means the same in several routes stands once."""
    yield from ("| Parameter | Of | Means |", "| --- | --- | --- |")
    routes: dict[Parameter, list[str]] = {}
    for one in endpoints:
        for parameter in one.described.query:
            name = one.path.removeprefix("/v1/")
            routes.setdefault(parameter, []).append(name if name.endswith("}") else name.rpartition("/")[2])
    for parameter, names in routes.items():
        of = "lists, counts, the stream" if parameter in FILTERS[:-1] else ", ".join(names)
        means = parameter.means.replace("the query language", "the [query language](../concepts/query-language.md)")
        yield f"| `{parameter.name}` | {of} | {means} |"


def errors_page() -> Iterator[str]:
    """Document every error class."""
    yield from ("# Errors", "", *markdown(errors.__doc__ or ""), "")
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, errors.WhodidError):
            base = "" if value is errors.WhodidError else f"A kind of `{value.__bases__[0].__name__}`."
            given = [one for one in inspect.signature(value).parameters if one not in {"fact", "remedy"}]
            carries = f" It carries {', '.join(f'`{one}`' for one in given)}." if given else ""
            yield from (f"## {name}", "", *markdown(value.__doc__ or ""), "", f"{base}{carries}".strip(), "")


def configuration_page() -> Iterator[str]:
    """Document every setting of the server: its places, its default and what it means."""
    yield from (
        "# Configuration of the server",
        "",
        "`whodid serve` reads one frozen object: from a TOML file (`--config`, or the variable `WHODID_SERVE_CONFIG`),",
        "from the environment, and from the command line, where every setting can be given as `--set NAME=VALUE` and",
        "some have an [option](cli.md#whodid-serve) of their own. What stands later in this order wins. A name that",
        "nobody knows is refused with the nearest known one. `whodid serve --check` shows what is in force and where",
        "each setting comes from, and starts nothing.",
        "",
        "Secrets come from files: a file that others may read is refused, and one that is not there is made at first",
        "start. A password of PostgreSQL stands in a file, too:",
        "`postgresql://user@host/database?passfile=/run/secrets/pgpass`.",
        "",
        "| Setting | Default | Variable | Means |",
        "| --- | --- | --- | --- |",
    )
    means = split_docstring(Settings.__doc__ or "")[1]
    for field in msgspec.structs.fields(Settings):
        given = field.default not in {msgspec.NODEFAULT, None}
        default = f"`{json.dumps(field.default)}`" if given else ""
        row = (f"`{field.name}`", default, f"`{variable(field.name)}`", means[field.name])
        yield f"| {' | '.join(cell(one) for one in row)} |"


def actions_page() -> Iterator[str]:
    """Document every action of the built-in catalog."""
    catalog = whodid.builtin()
    yield from (
        "# Actions",
        "",
        f"The built-in catalog declares {len(catalog)} actions. A host adds its own by the same means: see",
        "[declare your own actions](../recipes/own-actions.md).",
        "",
        "Sensitivity says what an entry may expose: P personal data, S a secret (redacted), A access rights.",
        "",
    )
    categories: dict[str, list[Action]] = {}
    for action in catalog.values():
        categories.setdefault(action.category, []).append(action)
    for category, actions in categories.items():
        yield from (f"## {category}", "")
        yield "| Action | Kind | Severity | Sensitivity | Resource | Sentence |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for action in actions:
            sentence = action.wording("en").of("success")[0]
            row = (f"`{action.name}`", action.kind, action.severity, action.sensitivity, action.resource_type, sentence)
            yield f"| {' | '.join(cell(one) for one in row)} |"
        yield ""


def events_page() -> Iterator[str]:
    """Document the wire form of an event and of an entry, and everything inside them."""
    definitions = schema()["$defs"]
    example = whodid.builtin()["contact.deleted"].example
    common = {"Event": glossary(), "Entry": {**split_docstring(whodid.Event.__doc__ or "")[1], **glossary()}}
    yield from (
        "# Events and entries",
        "",
        "The wire form is JSON: one object per event or entry. Times are RFC 3339 in UTC with six digits of fraction",
        "and `Z`. Unknown fields are refused. `whodid.schema()` returns the JSON Schema from which this page is made.",
        "",
        "An event:",
        "",
        "```json",
        json.dumps(example, indent=2, ensure_ascii=False),
        "```",
        "",
    )
    for name in ("Event", "Entry", *sorted(set(definitions) - {"Event", "Entry"})):
        found = definitions[name]
        prose, arguments = split_docstring(getattr(whodid, name).__doc__ or "")
        yield from (f"## {name}", "", prose, "", "| Field | Type | Required | Means |", "| --- | --- | --- | --- |")
        required = set(found.get("required", ()))
        for field, shape in found["properties"].items():
            means = arguments.get(field) or arguments.get(f"{field}_") or common.get(name, {}).get(field, "")
            needed = "yes" if field in required else ""
            yield f"| `{field}` | {cell(type_text(shape))} | {needed} | {cell(means)} |"
        yield ""


def glossary() -> dict[str, str]:
    """Return what the glossary says about each word."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| \*\*(\w+)\*\* \| (.*) \|$", text, flags=re.MULTILINE))


def type_text(shape: dict[str, Any]) -> str:
    """Write the type of a JSON Schema in a few words."""
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in shape:
        return ", ".join(f"`{one}`" for one in shape["enum"] if one is not None)
    if "anyOf" in shape:
        return " or ".join(type_text(one) for one in shape["anyOf"] if one.get("type") != "null")
    if shape.get("type") == "array":
        return f"array of {type_text(shape['items'])}" if shape.get("items") else "array"
    if "format" in shape:
        return f"{shape['type']} ({shape['format']})"
    kind = shape.get("type", "any JSON value")
    return " or ".join(one for one in kind if one != "null") if isinstance(kind, list) else str(kind)


def cli_page() -> Iterator[str]:
    """Document every command of the command line, in its own words."""
    program = help_text()
    yield from ("# Command line", "", "Install it with `pip install 'whodid[cli]'`.", "")
    yield from ("## whodid", "", "```text", program, "```", "")
    for name in commands(program):
        text = help_text(name)
        yield from (f"## whodid {name}", "", "```text", text, "```", "")
        for inner in commands(text):
            yield from (f"### whodid {name} {inner}", "", "```text", help_text(name, inner), "```", "")


def help_text(*names: str) -> str:
    """Return what `whodid … --help` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        ui.run([*names, "--help"])
    return printed.getvalue().rstrip()


def commands(program: str) -> list[str]:
    """Read the names of the commands from the program's help."""
    _, _, listed = program.partition("\nCommands:\n")
    return re.findall(r"^  (\w\S*)", listed.partition("\n\n")[0], flags=re.MULTILINE)


if __name__ == "__main__":
    main()
