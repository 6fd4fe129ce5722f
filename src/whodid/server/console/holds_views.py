"""The pages of legal holds: those of a workspace with the form for a new one, and one of them with its release."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from whodid.retention import Hold, HoldPreview
from whodid.server.console.markup import Markup, tag
from whodid.server.console.parts import (
    Form,
    Frame,
    address,
    back_to,
    card,
    crumb,
    document,
    fact,
    fault_of,
    form_of,
    link,
    name_of,
    reason_field,
    said,
    text_field,
    title,
)

__all__ = ["hold_page", "holds_card", "holds_page"]


def holds_page(
    frame: Frame, workspace: str, holds: Sequence[Hold], *, form: Form, foretold: HoldPreview | None = None
) -> bytes:
    """Write the page of all holds.

    Args:
        form: As it was sent, if it is shown again.
        foretold: What the typed hold would keep, if that was asked.
    """
    say = frame.words
    place = address(frame, "workspaces", workspace, "holds")
    rows = [_row(frame, workspace, one) for one in holds]
    fields = form_of(
        frame,
        place,
        text_field(form, "name", say("hold_name"), say("hold_name_hint"), most=200),
        text_field(form, "query", say("hold_query"), say("hold_query_hint"), most=2_000, code=True),
        _foretold(frame, workspace, foretold) if foretold is not None else None,
        reason_field(frame, form, say("hold_reason_hint")),
        tag(
            "p",
            tag("button", say("hold_preview"), class_="btn", formaction=f"{place}/preview"),
            tag("button", say("hold_place"), class_="btn p"),
            class_="acts",
        ),
    )
    listed = tag("ul", rows, class_="rows inner") if rows else tag("p", say("no_holds"), class_="empty")
    return document(
        frame,
        f"{say('holds')} · {workspace}",
        crumb(frame, workspace),
        title(say("holds"), say("holds_lead")),
        said(frame),
        fault_of(form.fault),
        card("present", say("holds_present"), listed),
        card("new", say("hold_new"), fields),
        current="workspaces",
    )


def hold_page(frame: Frame, workspace: str, hold: Hold, found: HoldPreview, *, form: Form) -> bytes:
    """Write the page of one hold, with what it keeps now and the form that releases it."""
    say = frame.words
    release = form_of(
        frame,
        address(frame, "workspaces", workspace, "holds", hold.id, "release"),
        tag("p", say("hold_release_lead")),
        reason_field(frame, form, say("hold_reason_hint")),
        tag("button", say("hold_release"), class_="btn bad"),
    )
    return document(
        frame,
        f"{hold.name} · {workspace}",
        back_to(say("holds"), address(frame, "workspaces", workspace, "holds")),
        title(tag("bdi", hold.name), tag("code", hold.id)),
        fault_of(form.fault),
        tag(
            "section",
            tag(
                "dl",
                fact(say("hold_query"), tag("code", hold.query)),
                fact(say("hold_keeps"), say.counted("hold_entries", found.entries)),
                fact(say("hold_placed_at"), say.time(hold.placed_at)),
                fact(say("hold_placed_by"), tag("bdi", _people(hold))),
                fact(say("reason"), tag("bdi", hold.reason.text or "")),
                class_="facts",
            ),
            tag("p", link(say("hold_show"), _shown_in_log(frame, workspace, hold.query), "lk")),
            class_="card",
        ),
        card("release", say("hold_release"), release),
        current="workspaces",
    )


def holds_card(frame: Frame, workspace: str, count: int) -> Markup:
    """Write how many holds a workspace has."""
    say = frame.words
    return card(
        "holds",
        say("holds"),
        tag("p", say.counted("holds_count", count) if count else say("holds_none")),
        tag("p", link(say("holds_open"), address(frame, "workspaces", workspace, "holds"), "btn")),
    )


def _row(frame: Frame, workspace: str, hold: Hold) -> Markup:
    say = frame.words
    to = address(frame, "workspaces", workspace, "holds", hold.id)
    return tag(
        "li",
        tag("h3", tag("a", tag("bdi", hold.name), href=to)),
        tag("p", tag("code", hold.query)),
        tag(
            "p",
            say("hold_row", who=tag("bdi", _people(hold)), when=say.time(hold.placed_at)),
            " ",
            tag("bdi", hold.reason.text or ""),
            class_="hint",
        ),
    )


def _people(hold: Hold) -> str:
    behalf = hold.placed_by.on_behalf_of
    return f"{name_of(behalf)}, {name_of(hold.placed_by)}" if behalf is not None else name_of(hold.placed_by)


def _foretold(frame: Frame, workspace: str, found: HoldPreview) -> Markup:
    say = frame.words
    span = None
    if found.oldest is not None and found.newest is not None:
        span = tag("p", say("hold_span", oldest=say.time(found.oldest), newest=say.time(found.newest)))
    return tag(
        "div",
        tag("h2", say("hold_preview_title"), id="preview"),
        tag("p", say.counted("hold_entries", found.entries), " ", tag("code", found.query)),
        span,
        tag("p", link(say("hold_show"), _shown_in_log(frame, workspace, found.query), "lk")),
        tag("p", say("hold_preview_note"), class_="hint"),
        class_="preview",
        role="status",
        aria_labelledby="preview",
    )


def _shown_in_log(frame: Frame, workspace: str, query: str) -> str:
    return f"{address(frame, 'workspaces', workspace, 'log')}?q={quote(query)}&range=90d"
