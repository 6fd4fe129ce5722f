"""Commands that pages and messages name: the program has them, with the options that are given."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from tests.test_docs import PAGES, ROOT, title
from whodid.cli.ui import _program

_CALL = re.compile(r"\bwhodid ([a-z]+ [^\n`\"”'|;&]*)")
_OPTION = re.compile(r"(?<!\S)--[a-z-]+")
SOURCES = sorted((ROOT / "src" / "whodid").rglob("*.py"))


def faults(text: str) -> Iterator[str]:
    """Yield what a text calls that the program does not have; words after its name that are no command are prose."""
    for call in _CALL.finditer(text):
        words = call[1].rstrip(".,:)").split()
        command = _program.get_command(click.Context(_program), words.pop(0))
        if isinstance(command, click.Group) and words and re.fullmatch("[a-z]+", words[0]):
            name = words.pop(0)
            command = command.get_command(click.Context(command), name)
            if command is None:
                yield f"{call[0]}: {name}"
        if command is not None:
            has = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
            yield from (f"{call[0]}: {one}" for one in _OPTION.findall(" ".join(words)) if one not in has)


def test_every_command_that_is_named_is_there() -> None:
    """Nobody is told to run what does not exist."""
    found = {title(path): list(faults(path.read_text(encoding="utf-8"))) for path in (*PAGES, *SOURCES)}
    assert {path: calls for path, calls in found.items() if calls} == {}


def test_a_command_that_is_not_there_is_found() -> None:
    """Of a group, and an option; a sentence about the product is no command."""
    assert list(faults("Run whodid hold keep x")) == ["whodid hold keep x: keep"]
    assert list(faults("`whodid serve --portal 1`, or whodid sees --nothing")) == ["whodid serve --portal 1: --portal"]
    assert list(faults("whodid keys rotate wk_1 --dry-run")) == ["whodid keys rotate wk_1 --dry-run: --dry-run"]
    assert list(faults("whodid export --proofs -o all.ndjson; whodid --nothing")) == []
