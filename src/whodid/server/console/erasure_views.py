"""The page of erasure: whom, what would go, doing it, and whom it was done to before."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from whodid.retention import Erased, ErasurePreview
from whodid.server.console.markup import Child, Markup, tag
from whodid.server.console.parts import (
    Form,
    Frame,
    address,
    card,
    crumb,
    document,
    fault_of,
    form_of,
    link,
    name_of,
    reason_field,
    said,
    text_field,
    title,
)

__all__ = ["erasures_card", "erasures_page"]

_MOST_MENTIONS = 20
"""Mentions that the page lists; it counts all of them."""


def erasures_page(
    frame: Frame, workspace: str, erasures: Sequence[Erased], *, form: Form, foretold: ErasurePreview | None = None
) -> bytes:
    """Write the page of erasure.

    Args:
        form: As it was sent, if it is shown again.
        foretold: What erasing the typed person would do, if that was asked: only then it can be done.
    """
    say = frame.words
    place = address(frame, "workspaces", workspace, "erasures")
    whom = text_field(form, "person", say("erase_person"), say("erase_person_hint"), most=300, code=True)
    preview = tag("button", say("erase_preview"), class_="btn", formaction=f"{place}/preview")
    if foretold is None:
        fields = form_of(frame, f"{place}/preview", whom, tag("p", preview, class_="acts"))
    else:
        erase = tag("button", say("erase_button"), class_="btn bad")
        fields = form_of(
            frame,
            place,
            whom,
            _foretold(frame, workspace, foretold, form),
            reason_field(frame, form, say("erase_reason_hint")),
            tag("p", preview, erase, class_="acts"),
        )
    rows = [_row(frame, workspace, one) for one in reversed(erasures)]
    listed = tag("ul", rows, class_="rows inner") if rows else tag("p", say("no_erasures"), class_="empty")
    return document(
        frame,
        f"{say('erasures')} · {workspace}",
        crumb(frame, workspace),
        title(say("erasures"), say("erasures_lead")),
        said(frame),
        fault_of(form.fault),
        card("erase", say("erase_title"), fields),
        card("past", say("erasures_past"), listed),
        current="workspaces",
    )


def erasures_card(frame: Frame, workspace: str) -> Markup:
    """Write where a person is erased from a workspace."""
    say = frame.words
    return card(
        "erasures",
        say("erasures"),
        tag("p", say("erasures_short")),
        tag("p", link(say("erasures_open"), address(frame, "workspaces", workspace, "erasures"), "btn")),
    )


def _foretold(frame: Frame, workspace: str, found: ErasurePreview, form: Form) -> Markup:
    say = frame.words
    boxes: list[Child] = []
    if found.mentions:
        boxes.append(_box(form, "mentions", say.counted("erase_mentions", len(found.mentions)), ticked=True))
        boxes.append(_mentions(frame, workspace, found))
    if found.held:
        names = [[", " if at else None, tag("bdi", hold.name)] for at, hold in enumerate(found.held)]
        boxes.append(tag("p", say("erase_held", names=names)))
        boxes.append(_box(form, "held", say("erase_despite"), ticked=False))
    fields = say.counted("erase_fields", found.fields, entries=say.counted("erase_entries", found.entries))
    return tag(
        "div",
        tag("h2", say("erase_preview_title"), id="preview"),
        tag("p", fields if found.fields else say("erase_nothing")),
        boxes,
        tag("p", say("erase_elsewhere", places=", ".join(say.named(f"place_{name}", name) for name in found.elsewhere)))
        if found.elsewhere
        else None,
        tag("p", say("erase_beyond", places=", ".join(say.text(f"beyond_{name}") for name in found.beyond))),
        tag("p", say("erase_note"), class_="hint"),
        class_="preview",
        role="status",
        aria_labelledby="preview",
    )


def _mentions(frame: Frame, workspace: str, found: ErasurePreview) -> Markup:
    log = address(frame, "workspaces", workspace, "log")
    shown = [
        tag(
            "li",
            link(frame.words("erase_entry", index=frame.words.number(one.index)), f"{log}?entry={one.index}", "lk"),
            " ",
            tag("code", one.path),
        )
        for one in found.mentions[:_MOST_MENTIONS]
    ]
    more = len(found.mentions) - len(shown)
    return tag("ul", shown, tag("li", frame.words.counted("erase_more", more)) if more else None, class_="plain")


def _box(form: Form, value: str, label: Child, *, ticked: bool) -> Markup:
    # What is ticked before anybody chose: what a person who asks to be erased expects, and never what a court forbids.
    chosen = value in form.values.get("also", ()) if "reason" in form.values else ticked
    return tag(
        "p",
        tag(
            "label",
            tag("input", type="checkbox", name="also", value=value, checked=chosen),
            " ",
            tag("span", label),
            class_="box",
        ),
    )


def _row(frame: Frame, workspace: str, one: Erased) -> Markup:
    say = frame.words
    to = f"{address(frame, 'workspaces', workspace, 'log')}?q={quote('action:audit.erased resource:' + one.person)}"
    removed = [
        say("erased_elsewhere", place=say.named(f"place_{name}", name), count=say.number(count))
        for name, count in one.elsewhere.items()
    ]
    fields = say.counted("erase_fields", one.fields, entries=say.counted("erase_entries", one.entries))
    return tag(
        "li",
        tag("h3", tag("a", tag("bdi", one.person), href=f"{to}&range=90d")),
        tag("p", fields, [[" · ", part] for part in removed]),
        tag(
            "p",
            say("erased_row", who=tag("bdi", name_of(one.actor)), when=say.time(one.at)),
            " ",
            tag("bdi", one.reason),
            class_="hint",
        ),
    )
