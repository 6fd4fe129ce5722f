"""What every page of the console is made of: its frame, titles, forms and notices."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from msgspec import Struct

from whodid.model import Actor
from whodid.server.console.markup import Child, Markup, page, tag
from whodid.server.console.visits import Visit
from whodid.server.console.words import Words

__all__ = [
    "Form",
    "Frame",
    "address",
    "back_to",
    "card",
    "crumb",
    "days_of",
    "document",
    "dotted",
    "fact",
    "fault_of",
    "field",
    "form_of",
    "link",
    "name_of",
    "number_input",
    "reason_field",
    "said",
    "select",
    "text_field",
    "title",
]

_RIGHT_TO_LEFT = frozenset({"ar"})


class Frame(Struct, frozen=True, kw_only=True):
    """What every page has around it.

    Args:
        base: Path under which the application is mounted.
        style: Address of the style sheet.
        script: Address of the script.
        visit: The session; None for nobody.
    """

    words: Words
    base: str
    style: str
    script: str
    visit: Visit | None = None


class Form(Struct, frozen=True, kw_only=True):
    """What somebody typed, to be shown again with what is wrong with it."""

    values: dict[str, list[str]] = {}
    fault: str = ""

    def one(self, name: str, otherwise: str = "") -> str:
        """Return the value of a field."""
        return self.values.get(name, [otherwise])[0]

    def wrong(self, fault: str) -> Form:
        """Return the same with what is wrong with it."""
        return Form(values=self.values, fault=fault)

    def has(self, name: str, value: str, *, otherwise: bool = False) -> bool:
        """Say whether a box is ticked."""
        return value in self.values.get(name, ()) if self.values else otherwise


def address(frame: Frame, *parts: str) -> str:
    """Return the address of a page of the console."""
    return "/".join((f"{frame.base}/console", *(quote(part, safe=":") for part in parts)))


def document(frame: Frame, name: str, *content: Child, current: str = "", onward: str | None = None) -> bytes:
    """Write a document of the console.

    Args:
        name: Of the page.
        current: Which part of the console it belongs to.
        onward: Where the browser goes by itself.
    """
    say, title = frame.words, frame.words("title", page=name)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="refresh", content=f"0; url={onward}") if onward else None,
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("link", rel="stylesheet", href=frame.style),
        tag("script", type="module", src=frame.script),
    )
    body = tag(
        "body",
        tag("a", say("skip"), href="#main", class_="skip"),
        _bar(frame, current),
        tag("main", *content, id="main", tabindex=-1),
        data_base=frame.base,
    )
    direction = "rtl" if say.lang in _RIGHT_TO_LEFT else "ltr"
    return page(tag("html", head, body, lang=say.lang, dir=direction))


def _bar(frame: Frame, current: str) -> Markup:
    say, visit = frame.words, frame.visit
    brand = tag("a", tag("b", "whodid"), " ", tag("span", say("console")), href=address(frame), class_="brand")
    if visit is None or not visit.operator:
        return tag("header", brand, class_="bar")
    places = (("workspaces", address(frame)), ("sessions", address(frame, "sessions")))
    links = [tag("a", say(name), href=to, aria_current="page" if name == current else None) for name, to in places]
    leave = form_of(
        frame, address(frame, "sign-out"), tag("button", say("sign_out"), class_="btn q sm"), class_="leave"
    )
    who = tag("span", tag("bdi", name_of(visit.viewer)), class_="who")
    return tag("header", brand, tag("nav", links, aria_label=say.text("console")), who, leave, class_="bar")


def crumb(frame: Frame, workspace: str | None = None) -> Markup:
    """Write the way back: to the list, or to a workspace."""
    if workspace is None:
        return back_to(frame.words("workspaces"), address(frame))
    return back_to(tag("bdi", workspace), address(frame, "workspaces", workspace))


def back_to(name: Child, place: str) -> Markup:
    """Write the way back to a page."""
    return tag("p", tag("a", tag("span", "‹ ", aria_hidden="true"), name, href=place), class_="crumb")


def card(id_: str, name: Child, *content: Child) -> Markup:
    """Write a part of a page that has a name.

    Args:
        id_: Of its heading.
    """
    return tag("section", tag("h2", name, id=id_), *content, class_="card", aria_labelledby=id_)


def title(name: Child, lead: Child, beside: Child = None) -> Markup:
    """Write the head of a page."""
    return tag("div", tag("div", tag("h1", name), tag("p", lead) if lead else None), beside, class_="title")


def said(frame: Frame) -> Markup | None:
    """Write what the last act did."""
    said = frame.visit.said if frame.visit else ""
    return tag("p", frame.words(said), class_="notice good", role="status") if said else None


def fault_of(fault: str) -> Markup | None:
    """Write what is wrong, or nothing."""
    return tag("p", fault, class_="notice bad", role="alert") if fault else None


def form_of(frame: Frame, action: str, *content: Child, class_: str | None = None) -> Markup:
    """Write a form that only our own pages can send."""
    proof = tag("input", type="hidden", name="form", value=frame.visit.form if frame.visit else "")
    return tag("form", proof, *content, method="post", action=action, class_=class_)


def field(label: Child, control: Child, name: str, hint: Child = None) -> Markup:
    """Write a control with its label, its id being the name."""
    return tag(
        "div",
        tag("label", label, for_=name),
        control,
        tag("p", hint, class_="hint", id=f"{name}-hint") if hint else None,
        class_="field",
    )


def text_field(form: Form, name: str, label: Child, hint: Child, *, most: int, code: bool = False) -> Markup:
    """Write a line of text with its label and a hint, as it was sent before.

    Args:
        most: Characters.
        code: Whether it is for a machine: a query, an id.
    """
    control = tag(
        "input",
        id=name,
        name=name,
        value=form.one(name),
        maxlength=most,
        class_="mono" if code else None,
        spellcheck="false" if code else None,
        aria_describedby=f"{name}-hint",
    )
    return field(label, control, name, hint)


def number_input(name: str, value: str, *, most: int, id_: str = "") -> Markup:
    """Write where a number is typed.

    Args:
        most: Digits.
        id_: When it is not the name; then no hint is below it.
    """
    return tag(
        "input",
        id=id_ or name,
        name=name,
        value=value,
        inputmode="numeric",
        maxlength=most,
        class_="short num",
        aria_describedby=None if id_ else f"{name}-hint",
    )


def reason_field(frame: Frame, form: Form, hint: Child) -> Markup:
    """Write the field for a reason."""
    control = tag(
        "textarea",
        f"\n{form.one('reason')}",
        id="reason",
        name="reason",
        rows=2,
        maxlength=500,
        aria_describedby="reason-hint",
    )
    return field(frame.words("reason"), control, "reason", hint)


def select(name: str, label: Child, options: Sequence[tuple[str, Child]], chosen: str, hint: Child = None) -> Markup:
    """Write a choice."""
    written = [tag("option", text, value=value, selected=value == chosen) for value, text in options]
    described = f"{name}-hint" if hint else None
    return field(label, tag("select", written, id=name, name=name, aria_describedby=described), name, hint)


def fact(name: Child, value: Child) -> Markup:
    """Write a name and its value, inside of `dl`."""
    return tag("div", tag("dt", name), tag("dd", value))


def link(name: Child, to: str, kind: str) -> Markup:
    """Write a link that looks like a kind of button."""
    return tag("a", name, href=to, class_=kind)


def dotted(parts: Sequence[Markup | None]) -> list[Child]:
    """Write several facts on one line."""
    shown = [part for part in parts if part is not None]
    return [[" · " if at else None, part] for at, part in enumerate(shown)]


def name_of(actor: Actor) -> str:
    """Return what somebody is called."""
    return actor.name or actor.id


def days_of(days: int | None) -> str:
    """Return days as they stand in a field; nothing for good."""
    return "" if days is None else str(days)
