"""A parser for the few GraphQL documents that Retraced clients and viewers send: one operation, plain selections.

Whatever a flood could be made of is refused: aliases, repeated fields, named fragments, directives, depth and length.
Pure.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from msgspec import Struct

from whodid.server.compat.shared import Refusal

__all__ = ["OF_TYPE", "Field", "parse_document"]

OF_TYPE = "... on "
"""Begins the name of a field that is a selection of one type, where there may be several."""

_TOKEN = re.compile(
    r"""[\s,\ufeff]+|\#[^\n\r]*|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>-?(?:0|[1-9][0-9]{0,15}))(?![A-Za-z0-9_.])"""
    r"""|(?P<text>"(?:[^"\\\n\r]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*")|(?P<sign>[{}():!$=\[\]]|\.{3})"""
)
_LONGEST = 20_000
_DEEPEST = 8
_MOST_TOKENS = 2_000
_TEXT = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|(["\\/bfnrt]))')
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}


class Field(Struct, frozen=True, kw_only=True):
    """One selected field.

    Args:
        arguments: Variables are replaced by their values; what a variable leaves out is not there.
        selection: What was selected below it; empty for a value.
    """

    name: str
    arguments: dict[str, Any]
    selection: tuple[Field, ...]


class _Token(NamedTuple):
    kind: str
    text: str


def parse_document(text: str, variables: dict[str, Any]) -> tuple[Field, ...]:
    """Return the selection of the one operation of a document.

    Args:
        variables: The values that came with it.

    Raises:
        Refusal: 400 for everything but a query of plain fields.
    """
    if len(text) > _LONGEST:
        raise _refused(f"The query is longer than {_LONGEST} characters")
    reader = _Reader(_tokens(text), variables)
    selection = reader.operation()
    reader.end()
    return selection


def _refused(fact: str) -> Refusal:
    return Refusal(400, f"{fact}. Send one query of plain fields, without aliases, fragments and directives.")


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _refused(f"Character {at + 1} of the query cannot be understood")
        if found.lastgroup is not None:
            tokens.append(_Token(found.lastgroup, found[0]))
            if len(tokens) > _MOST_TOKENS:
                raise _refused(f"The query has more than {_MOST_TOKENS} parts")
        at = found.end()
    return tokens


class _Reader:
    def __init__(self, tokens: list[_Token], variables: dict[str, Any]) -> None:
        self._tokens = tokens
        self._at = 0
        self._variables = variables

    def operation(self) -> tuple[Field, ...]:
        token = self._peek()
        if token.kind == "name":
            if self._next().text != "query":
                raise _refused("Only queries are answered")
            if self._peek().kind == "name":
                self._next()
            if self._peek().text == "(":
                self._definitions()
        return self._selection(1)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise _refused("More than one operation was sent")

    def _definitions(self) -> None:
        self._sign("(")
        declared: set[str] = set()
        while self._peek().text != ")":
            self._sign("$")
            name = self._name()
            if name in declared:
                raise _refused("A variable is declared twice")
            declared.add(name)
            self._sign(":")
            required = self._type(1)
            if self._peek().text == "=":
                self._next()
                self._variables.setdefault(name, self._value())
            if required and self._variables.get(name) is None:
                raise _refused(f"The variable {name} is missing")
        self._sign(")")
        self._variables = {name: value for name, value in self._variables.items() if name in declared}

    def _type(self, depth: int) -> bool:
        """Read a type and say whether it must have a value."""
        if depth > _DEEPEST:
            raise _refused("A type is nested too deeply")
        if self._peek().text == "[":
            self._next()
            self._type(depth + 1)
            self._sign("]")
        else:
            self._name()
        if self._peek().text == "!":
            self._next()
            return True
        return False

    def _selection(self, depth: int) -> tuple[Field, ...]:
        if depth > _DEEPEST:
            raise _refused("The query is nested too deeply")
        self._sign("{")
        fields: list[Field] = []
        names: set[str] = set()
        while self._peek().text != "}":
            name = self._type_condition() if self._peek().text == "..." else self._name()
            if self._peek().text == ":":
                raise _refused("An alias was used")
            if name in names:
                raise _refused(f"The field {name} was selected twice")
            names.add(name)
            if name.startswith(OF_TYPE) and self._peek().text != "{":
                raise _refused("A type has no selection")
            arguments = self._arguments() if self._peek().text == "(" else {}
            below = self._selection(depth + 1) if self._peek().text == "{" else ()
            fields.append(Field(name=name, arguments=arguments, selection=below))
        self._sign("}")
        if not fields:
            raise _refused("A selection is empty")
        return tuple(fields)

    def _type_condition(self) -> str:
        self._sign("...")
        if self._name() != "on":
            raise _refused("A fragment was used")
        return OF_TYPE + self._name()

    def _arguments(self) -> dict[str, Any]:
        self._sign("(")
        arguments: dict[str, Any] = {}
        while self._peek().text != ")":
            name = self._name()
            self._sign(":")
            if name in arguments:
                raise _refused(f"The argument {name} was given twice")
            arguments[name] = self._value()
        self._sign(")")
        return arguments

    def _value(self) -> Any:
        token = self._next()
        if token.kind == "number":
            return int(token.text)
        if token.kind == "text":
            return _TEXT.sub(_unescaped, token.text[1:-1])
        if token.kind == "name":
            return _WORDS.get(token.text, token.text)
        if token.text == "$":
            return self._variables.get(self._name())
        raise _refused(f"A value cannot begin with {token.text}")

    def _peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _Token("end", "")

    def _next(self) -> _Token:
        token = self._peek()
        if token.kind == "end":
            raise _refused("The query ends too early")
        self._at += 1
        return token

    def _sign(self, text: str) -> None:
        token = self._next()
        if token.text != text or token.kind != "sign":
            raise _refused(f"There is {token.text[:40]} where {text} must be")

    def _name(self) -> str:
        token = self._next()
        if token.kind != "name":
            raise _refused(f"There is {token.text[:40]} where a name must be")
        return token.text


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return _ESCAPES.get(found[2], found[2])
