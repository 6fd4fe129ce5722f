"""The pages of the console that are not about one thing of a workspace: signing in, workspaces, sessions, trouble."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from whodid.server.console.erasure_views import erasures_card
from whodid.server.console.holds_views import holds_card
from whodid.server.console.keys_views import keys_card, made_card
from whodid.server.console.markup import Markup, tag
from whodid.server.console.parts import (
    Form,
    Frame,
    address,
    crumb,
    document,
    dotted,
    fact,
    field,
    form_of,
    link,
    name_of,
    said,
    title,
)
from whodid.server.console.retention_views import retention_card
from whodid.server.console.sinks_views import sinks_card
from whodid.server.console.visits import Visit
from whodid.server.keys import ApiKey
from whodid.server.workspaces import WorkspaceList, WorkspaceView
from whodid.sinks import Health

__all__ = ["sessions_page", "sign_in_page", "signed_in_page", "trouble_page", "workspace_page", "workspaces_page"]


def sign_in_page(frame: Frame, *, sso: bool) -> bytes:
    """Write the page of somebody who is not signed in."""
    say = frame.words
    return document(
        frame,
        say("sign_in"),
        tag(
            "section",
            tag("h1", say("sign_in")),
            tag("p", "", class_="notice bad", role="alert", hidden=True, data_notice=True),
            tag("p", tag("a", say("sign_in_sso"), href=address(frame, "oidc"), class_="btn p wide")) if sso else None,
            tag("p", say("sign_in_link")),
            tag("pre", tag("code", "whodid serve --link"), tabindex=0),
            tag("p", say("sign_in_once"), class_="hint"),
            class_="card narrow",
        ),
    )


def signed_in_page(frame: Frame) -> bytes:
    """Write the page between a provider and the console: what it leads to has the cookie, which a redirect has not."""
    say, onward = frame.words, address(frame)
    content = tag("section", tag("h1", say("signed_in")), link(say("continue"), onward, "btn p"), class_="card narrow")
    return document(frame, say("signed_in"), content, onward=onward)


def trouble_page(frame: Frame, fact: str, remedy: str, request_id: str) -> bytes:
    """Write that something did not work, and what to do."""
    say = frame.words
    content = tag(
        "section",
        tag("h1", say("trouble")),
        tag("p", fact),
        tag("p", remedy) if remedy else None,
        tag("p", say("request", id=tag("code", request_id)), class_="hint"),
        link(say("back_to", page=say("workspaces")), address(frame), "btn"),
        class_="card narrow",
    )
    return document(frame, say("trouble"), content)


def workspaces_page(frame: Frame, found: WorkspaceList, *, search: str, size: int | None) -> bytes:
    """Write the list of workspaces."""
    say = frame.words
    facts = [say.counted("count", found.total), say("on_disk", size=say.size(size)) if size is not None else None]
    finder = tag(
        "form",
        tag("label", say("search"), for_="q", class_="sr"),
        tag("input", type="search", id="q", name="q", value=search, placeholder=say.text("search"), maxlength=100),
        tag("button", say("search_button"), class_="btn"),
        link(say("clear"), address(frame), "btn q") if search else None,
        method="get",
        action=address(frame),
        class_="finder",
        role="search",
    )
    if found.items:
        listed = tag("ul", [_workspace_row(frame, one) for one in found.items], class_="rows")
    else:
        listed = tag("p", say("nothing_found", text=search) if search else say("nothing_yet"), class_="empty")
    following = None
    if found.next is not None:
        after = f"{address(frame)}?after={quote(found.next)}" + (f"&q={quote(search)}" if search else "")
        following = tag("p", link(say("more"), after, "btn"), class_="after")
    return document(
        frame,
        say("workspaces"),
        title(say("workspaces"), say("workspaces_lead"), tag("p", dotted(facts), class_="hint num")),
        said(frame),
        finder,
        tag("section", listed, class_="card flush", aria_label=say.text("workspaces")),
        following,
        _new_workspace(frame, opened=not found.items and not search),
        current="workspaces",
    )


def workspace_page(
    frame: Frame,
    found: WorkspaceView,
    keys: Sequence[ApiKey],
    now: datetime,
    *,
    form: Form,
    ended: ApiKey | None = None,
    holds: int = 0,
    sinks: Sequence[Health] = (),
) -> bytes:
    """Write the page of one workspace.

    Args:
        holds: How many legal holds there are.
        sinks: How the sinks are.
        form: The form of a new key as it was sent, if it was refused.
        ended: The key that the one just made follows.
    """
    say, name = frame.words, found.workspace
    open_log = link(say("open_log"), address(frame, "workspaces", name, "log"), "btn p") if found.size else None
    return document(
        frame,
        name,
        crumb(frame),
        title(tag("bdi", name), None if found.size else say("no_log"), open_log),
        said(frame),
        made_card(frame, keys, ended),
        tag("section", figures(frame, found), class_="card", aria_label=say.text("entries")),
        keys_card(frame, name, keys, now, form),
        retention_card(frame, found),
        holds_card(frame, name, holds) if found.size else None,
        erasures_card(frame, name) if found.size else None,
        sinks_card(frame, name, sinks) if found.size else None,
        current="workspaces",
    )


def sessions_page(frame: Frame, visits: Sequence[Visit]) -> bytes:
    """Write who is signed in."""
    say = frame.words
    rows = [_session_row(frame, one) for one in visits]
    return document(
        frame,
        say("sessions"),
        title(say("sessions"), say("sessions_lead")),
        said(frame),
        tag("section", tag("ul", rows, class_="rows"), class_="card flush", aria_label=say.text("sessions")),
        current="sessions",
    )


def _workspace_row(frame: Frame, one: WorkspaceView) -> Markup:
    name = tag("a", tag("bdi", one.workspace), href=address(frame, "workspaces", one.workspace), class_="name")
    return tag("li", tag("h2", name), figures(frame, one))


def figures(frame: Frame, one: WorkspaceView) -> Markup:
    say = frame.words
    own = [
        tag("small", say("retention_class", name=name, span=say.span(days)))
        for name, days in sorted(one.retention.classes.items())
    ]
    return tag(
        "dl",
        fact(
            say("entries"),
            [
                say.number(one.entries),
                tag("small", say("entries_of", size=say.number(one.size))) if one.entries != one.size else None,
            ],
        ),
        fact(say("oldest"), say.time(one.oldest_at)),
        fact(say("last_entry"), say.time(one.last_at)),
        fact(say("kept"), [say.span(one.retention.days), own]),
        class_="facts num",
    )


def _new_workspace(frame: Frame, *, opened: bool) -> Markup:
    say = frame.words
    control = tag(
        "input",
        id="workspace",
        name="workspace",
        required=True,
        maxlength=100,
        pattern="[A-Za-z0-9_.:\\-]+",
        autocomplete="off",
        aria_describedby="workspace-hint",
    )
    form = tag(
        "form",
        field(say("new_workspace_name"), control, "workspace", say("new_workspace_hint")),
        tag("button", say("new_workspace_button"), class_="btn"),
        method="get",
        action=address(frame, "workspaces"),
    )
    return tag("details", tag("summary", say("new_workspace")), form, class_="card", open=opened)


def _session_row(frame: Frame, one: Visit) -> Markup:
    say = frame.words
    own = frame.visit is not None and one.id == frame.visit.id
    opens = say("opens_console") if one.operator else say("opens_log", workspace=tag("bdi", one.workspace))
    label = say("end_session_of", name=name_of(one.viewer), began=f"{one.began:%Y-%m-%d %H:%M} UTC")
    end = form_of(
        frame,
        address(frame, "sessions", one.id, "end"),
        tag("button", say("end_session"), tag("span", f": {label}", class_="sr"), class_="btn sm"),
    )
    return tag(
        "li",
        tag(
            "h2",
            tag("bdi", name_of(one.viewer)),
            " ",
            tag("span", say("this_session"), class_="tag active") if own else None,
        ),
        tag(
            "dl",
            fact(say("opens"), opens),
            fact(say("began"), say.time(one.began)),
            fact(say("used"), say.time(one.used)),
            fact(say("from"), tag("code", one.client) if one.client else say("unknown")),
            class_="facts num",
        ),
        None if own else end,
    )
