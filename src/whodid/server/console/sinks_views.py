"""The pages of sinks: those of a workspace with the form for a new one, and one of them with all that can be done."""

from __future__ import annotations

from collections.abc import Sequence

from whodid.server.console.markup import Child, Markup, join, tag
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
    field,
    form_of,
    link,
    number_input,
    reason_field,
    said,
    title,
)
from whodid.server.console.sinks_forms import language_form, new_sink, secret_field, signature_field
from whodid.sinks import Health

__all__ = ["sink_page", "sinks_card", "sinks_page"]

_TAGS = {"active": "active", "failing": "expired", "paused": "revoked"}
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def sinks_page(frame: Frame, workspace: str, found: Sequence[Health], *, lang: str, form: Form) -> bytes:
    """Write the page of all sinks.

    Args:
        lang: In which people are told where a sink names no language.
        form: As it was sent, if it is shown again.
    """
    say = frame.words
    listed = (
        tag("ul", [_row(frame, workspace, one) for one in found], class_="rows inner")
        if found
        else tag("p", say("no_sinks"), class_="empty")
    )
    return document(
        frame,
        f"{say('sinks')} · {workspace}",
        crumb(frame, workspace),
        title(say("sinks"), say("sinks_lead")),
        said(frame),
        fault_of(form.fault),
        card("present", say("sinks_present"), listed),
        card("new", say("sink_new"), new_sink(frame, workspace, form)),
        card("language", say("language"), language_form(frame, workspace, lang)),
        current="workspaces",
    )


def sink_page(frame: Frame, workspace: str, found: Health, *, keys: Sequence[str], form: Form) -> bytes:
    """Write the page of one sink: how it is, what it refuses, and what can be done.

    Args:
        keys: What its receiver checks signatures with.
    """
    say, sink = frame.words, found.sink
    back = address(frame, "workspaces", workspace, "sinks")
    return document(
        frame,
        f"{sink.name} · {workspace}",
        back_to(say("sinks"), back),
        title(join(tag("bdi", sink.name), " ", _status(frame, found)), tag("code", sink.id)),
        said(frame),
        fault_of(form.fault),
        _made(frame, found),
        tag(
            "section",
            _facts(frame, found, keys),
            tag(
                "p",
                link(say("sink_change"), address(frame, "workspaces", workspace, "sinks", sink.id, "change"), "btn"),
            ),
            class_="card",
        ),
        _quarantine(frame, workspace, found) if found.position.quarantine else None,
        _acts(frame, workspace, found, form),
        current="workspaces",
    )


def sinks_card(frame: Frame, workspace: str, found: Sequence[Health]) -> Markup:
    """Write how many sinks a workspace has, and how many of them are not well."""
    say = frame.words
    ill = sum(one.status != "active" for one in found)
    return card(
        "sinks",
        say("sinks"),
        tag("p", say.counted("sinks_count", len(found)) if found else say("sinks_none")),
        tag("p", say.counted("sinks_ill", ill), class_="notice bad") if ill else None,
        tag("p", link(say("sinks_open"), address(frame, "workspaces", workspace, "sinks"), "btn")),
    )


def _row(frame: Frame, workspace: str, found: Health) -> Markup:
    say, sink = frame.words, found.sink
    trouble = sink.paused_because or found.position.fault
    return tag(
        "li",
        tag(
            "h3",
            tag("a", tag("bdi", sink.name), href=address(frame, "workspaces", workspace, "sinks", sink.id)),
            " ",
            _status(frame, found),
        ),
        tag("p", tag("code", f"{sink.kind} {sink.address}")),
        tag("p", tag("bdi", trouble)) if trouble else None,
        tag(
            "dl",
            fact(say("sink_behind"), say.number(found.behind)),
            fact(say("sink_lag"), _span(frame, found.lag)),
            fact(say("sink_sent"), say.time(found.position.sent_at, "never")),
            fact(say("sink_quarantined"), say.number(len(found.position.quarantine))),
            class_="facts num",
        ),
    )


def _status(frame: Frame, found: Health) -> Markup:
    say = frame.words
    age = [" ", _span(frame, found.paused)] if found.paused is not None else None
    return tag("span", say(f"sink_{found.status}"), age, class_=f"tag {_TAGS[found.status]}")


def _facts(frame: Frame, found: Health, keys: Sequence[str]) -> Markup:
    say, sink, position = frame.words, found.sink, found.position
    options = [tag("code", f"{name}={value} ") for name, value in sorted(sink.options.items())]
    trouble = sink.paused_because or position.fault
    return tag(
        "dl",
        fact(say("sink_kind"), tag("code", sink.kind)),
        fact(say("sink_address"), tag("code", sink.address)),
        fact(say("sink_format"), tag("code", sink.format)),
        fact(say("sink_query"), tag("code", sink.query) if sink.query else say("sink_all")),
        fact(say("sink_secret"), say(f"sink_secret_{sink.secret.partition(':')[0] or 'none'}")),
        fact(say("sink_public_keys"), [tag("code", f"{one} ") for one in keys]) if keys else None,
        fact(say("sink_options"), options) if options else None,
        fact(say("sink_private"), say("sink_private_yes")) if sink.private else None,
        fact(say("sink_next"), say.number(position.next)),
        fact(say("sink_behind"), say.number(found.behind)),
        fact(say("sink_lag"), _span(frame, found.lag)),
        fact(say("sink_delivered"), say.number(position.delivered)),
        fact(say("sink_refused"), say.number(position.refused)) if position.refused else None,
        fact(say("sink_purged"), say.number(position.purged)) if position.purged else None,
        fact(say("sink_sent"), say.time(position.sent_at, "never")),
        fact(say("sink_fault"), tag("bdi", trouble)) if trouble else None,
        fact(say("sink_failing_since"), say.time(position.failing_since)) if position.failing_since else None,
        fact(say("sink_retry_at"), say.time(position.retry_at)) if position.retry_at and sink.active else None,
        fact(say("sink_paused_at"), say.time(sink.paused_at)) if sink.paused_at else None,
        class_="facts num",
    )


def _span(frame: Frame, seconds: float) -> Markup:
    for length, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= length:
            return frame.words.counted(name, int(seconds // length))
    return frame.words.counted("seconds", int(seconds))


def _made(frame: Frame, found: Health) -> Markup | None:
    """Write the secret that was just made, this once."""
    owner, _, text = (frame.visit.made if frame.visit else "").partition(" ")
    if owner != found.sink.id or not text:
        return None
    say = frame.words
    shown = tag("input", id="made", value=text, readonly=True, class_="mono", spellcheck="false", translate="no")
    return tag(
        "section",
        tag("h2", say("secret_made"), id="made-title"),
        tag("p", say("secret_made_lead")),
        tag(
            "p",
            tag("label", say("sink_secret"), for_="made", class_="sr"),
            shown,
            tag("button", say("copy"), type="button", class_="btn p", data_copy="made", data_done=say.text("copied")),
            class_="shown",
        ),
        class_="card made",
        role="status",
        aria_labelledby="made-title",
    )


def _quarantine(frame: Frame, workspace: str, found: Health) -> Markup:
    say = frame.words
    place = address(frame, "workspaces", workspace, "sinks", found.sink.id)
    rows = [
        tag(
            "li",
            tag("p", say("quarantined_row", index=say.number(one.index), at=say.time(one.at))),
            tag("p", tag("bdi", one.fault), class_="hint"),
        )
        for one in reversed(found.position.quarantine)
    ]
    return card(
        "quarantine",
        say("quarantine"),
        tag("p", say("quarantine_lead"), class_="hint"),
        tag("ul", rows, class_="rows inner"),
        form_of(frame, f"{place}/retry", tag("button", say("quarantine_retry"), class_="btn p")),
        form_of(
            frame,
            f"{place}/drop",
            _why(frame, "drop"),
            tag("button", say("quarantine_drop"), class_="btn bad"),
        ),
    )


def _acts(frame: Frame, workspace: str, found: Health, form: Form) -> list[Child]:
    say, sink = frame.words, found.sink
    place = address(frame, "workspaces", workspace, "sinks", sink.id)
    test = form_of(
        frame, f"{place}/test", tag("p", say("sink_test_lead")), tag("button", say("sink_test"), class_="btn p")
    )
    if sink.active:
        tried_now = (
            form_of(frame, f"{place}/resume", tag("button", say("sink_try_now"), class_="btn"))
            if found.status == "failing"
            else None
        )
        pause: Child = [
            tried_now,
            form_of(
                frame,
                f"{place}/pause",
                tag("p", say("sink_pause_lead")),
                reason_field(frame, form, say("sink_reason_hint")),
                tag("button", say("sink_pause"), class_="btn"),
            ),
        ]
    else:
        pause = form_of(
            frame,
            f"{place}/resume",
            tag("p", say("sink_resume_lead")),
            tag("button", say("sink_resume"), class_="btn p"),
        )
    start = number_input("start", form.one("start"), most=18)
    backfill = form_of(
        frame,
        f"{place}/backfill",
        field(say("sink_start"), start, "start", say("sink_start_hint", next=say.number(found.position.next))),
        tag("button", say("sink_backfill"), class_="btn"),
    )
    secret = form_of(
        frame,
        f"{place}/secret",
        secret_field(frame, say("sink_new_secret_hint" if sink.kind != "webhook" else "sink_new_secret_hint_made")),
        signature_field(frame, form) if sink.kind == "webhook" else None,
        tag("label", tag("input", type="checkbox", name="beside", value="yes"), " ", say("sink_beside"), class_="box"),
        tag("button", say("sink_set_secret"), class_="btn"),
    )
    remove = form_of(
        frame,
        f"{place}/remove",
        tag("p", say("sink_remove_lead")),
        _why(frame, "remove"),
        tag("button", say("sink_remove"), class_="btn bad"),
    )
    named = (
        ("sink_test", test),
        ("sink_pause" if sink.active else "sink_resume", pause),
        *((("sink_backfill", backfill),) if found.position.next else ()),
        ("sink_secret", secret),
        ("sink_remove", remove),
    )
    return [tag("section", tag("h2", say(name)), form_, class_="card") for name, form_ in named]


def _why(frame: Frame, name: str) -> Markup:
    say = frame.words
    control = tag("input", id=f"{name}-reason", name="reason", maxlength=500, required=True)
    return tag("div", tag("label", say("reason"), for_=f"{name}-reason"), control, class_="field")
