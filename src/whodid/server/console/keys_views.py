"""The pages of API keys: those of a workspace, one of them, and the one that was just made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from whodid.server.console.markup import Child, Markup, join, tag
from whodid.server.console.parts import (
    Form,
    Frame,
    address,
    card,
    crumb,
    document,
    fact,
    fault_of,
    field,
    form_of,
    link,
    number_input,
    select,
    title,
)
from whodid.server.keys import SCOPES, ApiKey

__all__ = ["ENDS", "key_page", "keys_card", "made_card"]

_OVERLAPS = (0, 3_600, 86_400, 604_800, 2_592_000)
ENDS = ("30", "90", "365")
"""Days after which a new key may end by itself."""


def key_page(frame: Frame, workspace: str, key: ApiKey, now: datetime, *, fault: str = "") -> bytes:
    """Write the page of one key, with what can be done to it."""
    say, status = frame.words, key.status(now)
    place = address(frame, "workspaces", workspace, "keys", f"wk_{key.id}")
    history = f"{address(frame, 'workspaces', workspace, 'log')}?q={quote(f'wk_{key.id}')}&range=90d"
    facts = tag("dl", _key_facts(frame, key), fact(say("scopes"), _scopes(key)), class_="facts")
    acts: list[Child] = [tag("p", say("key_ended", status=say(f"status_{status}")), class_="hint")]
    if status == "active":
        rotate = form_of(
            frame,
            f"{place}/rotate",
            tag("p", say("rotate_lead")),
            select("overlap", say("overlap"), [(str(n), say(f"overlap_{n}")) for n in _OVERLAPS], "86400"),
            _ends(frame, "new_ends", "never"),
            tag("button", say("rotate_button"), class_="btn p"),
        )
        revoke = form_of(
            frame,
            f"{place}/revoke",
            tag("p", say("revoke_lead")),
            tag("button", say("revoke_button"), class_="btn bad"),
        )
        acts = [
            tag("section", tag("h2", say("rotate")), rotate, class_="card"),
            tag("section", tag("h2", say("revoke")), revoke, class_="card"),
        ]
    return document(
        frame,
        key.name,
        crumb(frame, workspace),
        title(join(tag("bdi", key.name), " ", _status(frame, status)), tag("code", f"wk_{key.id}")),
        fault_of(fault),
        tag("section", facts, tag("p", link(say("key_history"), history, "lk")), class_="card"),
        acts,
        current="workspaces",
    )


def made_card(frame: Frame, keys: Sequence[ApiKey], ended: ApiKey | None) -> Markup | None:
    """Write the key that was just made, this once."""
    text = frame.visit.made if frame.visit else ""
    key = next((one for one in keys if text.startswith(f"wk_{one.id}_")), None)
    if key is None:
        return None
    say = frame.words
    shown = tag("input", id="made", value=text, readonly=True, class_="mono", spellcheck="false", translate="no")
    return tag(
        "section",
        tag("h2", say("made_title", name=tag("bdi", key.name)), id="made-title"),
        tag("p", say("made_lead")),
        tag(
            "p",
            tag("label", say("the_key"), for_="made", class_="sr"),
            shown,
            tag("button", say("copy"), type="button", class_="btn p", data_copy="made", data_done=say.text("copied")),
            class_="shown",
        ),
        tag("p", say("made_until", until=say.time(ended.expires_at)), class_="hint") if ended else None,
        class_="card made",
        role="status",
        aria_labelledby="made-title",
    )


def keys_card(frame: Frame, workspace: str, keys: Sequence[ApiKey], now: datetime, form: Form) -> Markup:
    """Write the keys of a workspace, and the form for a new one."""
    say = frame.words
    newest = list(reversed(keys))
    active = [one for one in newest if one.status(now) == "active"]
    past = [one for one in newest if one.status(now) != "active"]
    return card(
        "keys",
        say("keys"),
        tag("p", say("keys_lead"), class_="hint"),
        tag("ul", [_key_row(frame, workspace, one, now) for one in active], class_="rows inner")
        if active
        else tag("p", say("no_keys"), class_="empty"),
        _new_key(frame, workspace, form),
        tag(
            "details",
            tag("summary", say("past_keys"), " ", tag("span", say.number(len(past)), class_="count")),
            tag("ul", [_key_row(frame, workspace, one, now) for one in past], class_="rows inner"),
        )
        if past
        else None,
    )


def _key_row(frame: Frame, workspace: str, key: ApiKey, now: datetime) -> Markup:
    place = address(frame, "workspaces", workspace, "keys", f"wk_{key.id}")
    return tag(
        "li",
        tag(
            "h3",
            tag("a", tag("bdi", key.name), href=place, class_="name"),
            " ",
            tag("code", f"wk_{key.id}"),
            " ",
            _status(frame, key.status(now)) if key.status(now) != "active" else None,
        ),
        tag("dl", fact(frame.words("scopes"), _scopes(key)), _key_facts(frame, key), class_="facts num"),
    )


def _key_facts(frame: Frame, key: ApiKey) -> Markup:
    say = frame.words
    revoked = key.revoked_at is not None
    return join(
        fact(say("created"), say.time(key.created_at)),
        fact(say("status_revoked") if revoked else say("expires"), say.time(key.revoked_at or key.expires_at, "never")),
        fact(say("last_used"), say.time(key.last_used_at, "never")),
        fact(say("rate_short"), say("per_second", count=say.number(key.rate))) if key.rate else None,
        fact(say("replaces"), tag("code", f"wk_{key.replaces}")) if key.replaces else None,
    )


def _scopes(key: ApiKey) -> list[Child]:
    return [[tag("span", scope, class_="tag"), " "] for scope in key.scopes]


def _status(frame: Frame, status: str) -> Markup:
    return tag("span", frame.words(f"status_{status}"), class_=f"tag {status}")


def _new_key(frame: Frame, workspace: str, form: Form) -> Markup:
    say = frame.words
    name = tag(
        "input",
        id="name",
        name="name",
        value=form.one("name"),
        required=True,
        maxlength=100,
        autocomplete="off",
        aria_describedby="name-hint",
    )
    boxes = [
        tag(
            "label",
            tag(
                "input",
                type="checkbox",
                name="scope",
                value=scope,
                checked=form.has("scope", scope, otherwise=scope == "write"),
            ),
            " ",
            tag("span", tag("b", scope), " ", say(f"scope_{scope}")),
            class_="box",
        )
        for scope in SCOPES
    ]
    fields = form_of(
        frame,
        address(frame, "workspaces", workspace, "keys"),
        fault_of(form.fault),
        field(say("key_name"), name, "name", say("key_name_hint")),
        tag("fieldset", tag("legend", say("scopes")), boxes),
        _ends(frame, "expires", form.one("ends", "90")),
        field(say("rate"), number_input("rate", form.one("rate"), most=7), "rate", say("rate_hint")),
        tag("button", say("create_key"), class_="btn p"),
    )
    return tag("details", tag("summary", say("new_key")), fields, open=bool(form.fault), class_="new")


def _ends(frame: Frame, label: str, chosen: str) -> Markup:
    say = frame.words
    return select("ends", say(label), [(one, say(f"ends_{one}")) for one in (*ENDS, "never")], chosen)
