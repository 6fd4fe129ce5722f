"""HTML as values: a text is a text until `tag` or `fill` writes it, and they escape whatever is not markup already.

So nothing is escaped by hand and nothing can be forgotten: the only way from a text to the page leads through here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

__all__ = ["Child", "Markup", "fill", "join", "page", "tag"]

_SLOT = re.compile(r"\{(\w+)\}")
_VOID = frozenset({"br", "input", "link", "meta"})


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]
"""What can stand in an element: markup as it is, texts and numbers escaped, None for nothing, and several of these."""


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """Write an element.

    Args:
        name: Of the element.
        attributes: `class_` stands for `class`, `aria_label` for `aria-label`; None and False leave one out.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{name}{written}>" if name in _VOID else f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Write several things one after the other."""
    return Markup("".join(_written(child) for child in children))


def fill(template: str, **slots: Child) -> Markup:
    """Write a sentence with its slots filled."""
    return join(*(slots[text] if at % 2 else text for at, text in enumerate(_SLOT.split(template))))


def page(root: Markup) -> bytes:
    """Write a document."""
    return f"<!doctype html>\n{root}\n".encode("utf-8", "replace")


def _written(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, (str, int)):
        return html.escape(str(child))
    return join(*child)
