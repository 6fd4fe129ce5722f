"""The languages of the workspace: every text that can be shown is translated, and nothing else is kept."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jinja2 import nodes

from sendero.errors import REFUSED, SILENT
from sendero.permissions import BUILTIN
from sendero.service import headers, import_rows, imports, sheets
from sendero.story.cast import MARKETING
from sendero.web.erasing import FIELD_NAMES
from sendero.web.exporting import COLUMN_LABELS
from sendero.web.importing import DELIMITER_NAMES, FIELDS
from sendero.web.labels import LABELS
from sendero.web.merging import FIELD_LABELS, RULES
from sendero.web.visit import DONE, environment
from sendero.web.workspace import QUESTIONS
from sendero.words import Words, choose

HOME = Path(__file__).resolve().parent.parent / "sendero"
PARTS: list[dict[str, str]] = [
    json.loads(part.read_text(encoding="utf-8")) for part in sorted((HOME / "words" / "es").glob("*.json"))
]
SPANISH = {text: translated for part in PARTS for text, translated in part.items()}


def texts_of_templates() -> Iterator[str]:
    """Yield every literal that a template translates."""
    for name in environment.list_templates():
        source = (HOME / "templates" / name).read_text(encoding="utf-8")
        for call in environment.parse(source).find_all(nodes.Call):
            callee = call.node
            plain = isinstance(callee, nodes.Name) and callee.name == "t"
            counted = isinstance(callee, nodes.Getattr) and callee.attr == "count"
            if plain or counted:
                for argument in call.args[: 2 if counted else 1]:
                    yield from (constant.value for constant in constants(argument))
                if not list(constants(call.args[0])):
                    assert isinstance(call.args[0], (nodes.Name, nodes.Getitem, nodes.Getattr)), (name, call.lineno)


def constants(node: nodes.Node) -> Iterator[nodes.Const]:
    """Yield the texts that an argument can be: one, or either side of a condition."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node
    elif isinstance(node, nodes.CondExpr):
        yield from constants(node.expr1)
        if node.expr2 is not None:
            yield from constants(node.expr2)
    elif isinstance(node, (nodes.Or, nodes.And)):
        yield from constants(node.right)


def texts_of_code() -> Iterator[str]:
    """Yield every literal of the code that tells a person something: errors, faults of fields, explanations."""
    folders = ("service", "web", "whatsapp")
    for path in [
        *(path for name in folders for path in (HOME / name).glob("*.py")),
        HOME / "passwords.py",
        HOME / "egress.py",
    ]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for child in spoken(node):
                for constant in ast.walk(child):
                    if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                        yield constant.value


def spoken(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a piece of code that are said to people."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in {"Conflict", "Forbidden"}:
            yield from node.args[:1]
        elif node.func.id == "_Refusal":
            yield from (argument for argument in node.args[1:2] if isinstance(argument, ast.Constant))
        elif node.func.id == "Invalid" and isinstance(node.args[0], ast.Dict):
            yield from node.args[0].values
        elif node.func.id == "_problem":
            yield from node.args[2:]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "words":
        yield from (argument for argument in node.args[:1] if isinstance(argument, ast.Constant))
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        holder = node.targets[0].value
        if isinstance(holder, ast.Name) and holder.id == "faults":
            yield node.value
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "wrong":
        yield from (child.value for child in ast.walk(node.value) if isinstance(child, ast.DictComp))
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "text":
        if isinstance(node.value, ast.Constant) and " " in str(node.value.value):
            yield node.value
    elif isinstance(node, ast.FunctionDef) and node.name in {"weakness", "editable", "_buttons", "url_fault"}:
        for child in ast.walk(node):
            if isinstance(child, ast.Return) and child.value is not None:
                constants_ = (one for one in ast.walk(child.value) if isinstance(one, ast.Constant))
                yield from (one for one in constants_ if " " in str(one.value))


def shown() -> set[str]:
    """Return every text that a person can see."""
    described = [description for description, _ in BUILTIN.values()]
    named = [FIELDS, COLUMN_LABELS, FIELD_NAMES, DELIMITER_NAMES, QUESTIONS, headers.SAID]
    noted = [import_rows.UNPROVEN, import_rows.UNWANTED, imports.UNRECORDED, sheets.BROKEN]
    listed = [
        REFUSED,
        SILENT,
        *noted,
        *(text for texts in named for text in texts.values()),
        *LABELS.values(),
        *DONE.values(),
        *RULES.values(),
        *FIELD_LABELS.values(),
        *described,
    ]
    return {*texts_of_templates(), *texts_of_code(), *listed, str(MARKETING["description"])}


def test_every_text_is_translated() -> None:
    """Spanish lacks nothing."""
    assert sorted(shown() - SPANISH.keys()) == []


def test_nothing_else_is_translated() -> None:
    """A text that is no longer shown leaves the catalogue too."""
    assert sorted(SPANISH.keys() - shown()) == []


def test_a_text_is_translated_once() -> None:
    """No text stands in two catalogues of a language."""
    assert sum(len(part) for part in PARTS) == len(SPANISH)


def test_translations_keep_the_parts() -> None:
    """Every part in braces is in both languages."""
    parts = re.compile(r"(?<!\{)\{\w+\}(?!\})|\{\{\d\}\}")
    for text, translated in SPANISH.items():
        assert sorted(parts.findall(text)) == sorted(parts.findall(translated)), text
        assert translated.strip(), text


def test_the_extraction_finds_texts() -> None:
    """The search for texts sees each way of saying something."""
    found = shown()
    assert "Merge contacts" in found
    assert "{n} people" in found
    assert "The contact was deleted." in found
    assert "A contact needs a name." in found
    assert "WhatsApp does not allow this to change." in found
    assert "WhatsApp allows one edit of an approved template a day." in found
    assert "Only a draft can be sent to review." in found
    assert "Use at least 12 characters; a sentence is easiest to remember." in found
    assert "Your role does not permit this." in found
    assert "There is nothing at this address. It may have been deleted." in found


class TestWords:
    """Speaking."""

    def test_parts_and_counts(self) -> None:
        """Parts are filled in, and the form fits the number."""
        words = Words("es")
        assert words("Edit {name}", name="Ana") == "Editar Ana"
        assert words.count("{n} person", "{n} people", 1) == "1 persona"
        assert words.count("{n} person", "{n} people", 12345) == "12.345 personas"
        assert Words("en").count("{n} person", "{n} people", 12345) == "12,345 people"

    def test_a_part_is_never_read_as_a_text(self) -> None:
        """Braces in a name stay braces."""
        assert Words("en")("Edit {name}", name="{name!r}") == "Edit {name!r}"

    @pytest.mark.parametrize(
        ("wish", "accepted", "lang"),
        [
            (None, "es-MX,es;q=0.9,en;q=0.8", "es"),
            (None, "de,fr;q=0.9", "en"),
            (None, "", "en"),
            ("es", "en-GB", "es"),
            ("xx", "es", "es"),
        ],
    )
    def test_the_language_is_chosen(self, wish: str | None, accepted: str, lang: str) -> None:
        """What the person chose counts most, then what the browser asks for, then English."""
        assert choose(wish, accepted) == lang

    def test_times_are_those_of_the_workspace(self) -> None:
        """In its zone, in the words of the language."""
        at = datetime(2026, 9, 20, 22, 30, tzinfo=UTC)
        assert Words("en", "Europe/Madrid").moment(at) == "21 Sep 2026, 00:30"
        assert Words("es", "Europe/Madrid").day(at) == "21 sept 2026"
        assert Words("en").day(None) == "–"
