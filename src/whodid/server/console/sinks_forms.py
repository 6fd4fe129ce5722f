"""The forms of sinks: for a new one, and for another name, address, filter, format or options of one that is there."""

from __future__ import annotations

from whodid.catalog import LANGUAGES
from whodid.server.console.markup import Child, Markup, tag
from whodid.server.console.parts import (
    Form,
    Frame,
    address,
    back_to,
    document,
    fault_of,
    field,
    form_of,
    reason_field,
    select,
    text_field,
    title,
)
from whodid.sinks import FORMATS, KINDS, Sink

__all__ = ["change_page", "language_form", "new_sink", "secret_field", "signature_field"]


def new_sink(frame: Frame, workspace: str, form: Form) -> Markup:
    """Write the form for a new sink."""
    say = frame.words
    formats = [("", say("sink_format_usual")), *((name, name) for name in (*FORMATS, "head"))]
    return form_of(
        frame,
        address(frame, "workspaces", workspace, "sinks"),
        text_field(form, "name", say("sink_name"), say("sink_name_hint"), most=100),
        select("kind", say("sink_kind"), [(name, name) for name in KINDS], form.one("kind", "webhook")),
        text_field(form, "address", say("sink_address"), say("sink_address_hint"), most=2_000, code=True),
        select("format", say("sink_format"), formats, form.one("format")),
        text_field(form, "query", say("sink_query"), say("sink_query_hint"), most=2_000, code=True),
        _told_in(frame, form, say("sink_lang_hint")),
        secret_field(frame, say("sink_secret_hint")),
        signature_field(frame, form),
        _options_field(frame, form),
        _box(form, "past", say("sink_past")),
        _box(form, "private", say("sink_private_box")),
        tag("button", say("sink_add"), class_="btn p"),
    )


def language_form(frame: Frame, workspace: str, lang: str) -> Markup:
    """Write the form for the language of a workspace."""
    say = frame.words
    return form_of(
        frame,
        address(frame, "workspaces", workspace, "sinks", "language"),
        tag("p", say("language_lead")),
        select("lang", say("language"), _languages(frame), lang),
        tag("button", say("language_set"), class_="btn"),
    )


def change_page(frame: Frame, workspace: str, sink: Sink, version: str, *, form: Form) -> bytes:
    """Write the page on which a sink is changed.

    Args:
        version: Names the settings that the form shows.
        form: As it was sent, if it is shown again.
    """
    say = frame.words
    back = address(frame, "workspaces", workspace, "sinks", sink.id)
    typed = form if form.values else _as_form(sink)
    return document(
        frame,
        f"{sink.name} · {workspace}",
        back_to(tag("bdi", sink.name), back),
        title(say("sink_change_title", name=tag("bdi", sink.name)), say("sink_change_lead")),
        fault_of(form.fault),
        tag(
            "section",
            form_of(
                frame,
                f"{back}/change",
                tag("input", type="hidden", name="version", value=version),
                text_field(typed, "name", say("sink_name"), say("sink_name_hint"), most=100),
                text_field(typed, "address", say("sink_address"), say("sink_address_hint"), most=2_000, code=True),
                select(
                    "format", say("sink_format"), [(one, one) for one in KINDS[sink.kind].formats], typed.one("format")
                ),
                text_field(typed, "query", say("sink_query"), say("sink_query_hint"), most=2_000, code=True),
                _told_in(frame, typed) if "lang" in KINDS[sink.kind].options else None,
                secret_field(frame, say("sink_change_secret_hint")),
                _options_field(frame, typed),
                _box(typed, "private", say("sink_private_box")),
                reason_field(frame, typed, say("sink_reason_hint")),
                tag("button", say("sink_change"), class_="btn p"),
            ),
            class_="card",
        ),
        current="workspaces",
    )


def signature_field(frame: Frame, form: Form) -> Markup:
    """Write the choice of what a webhook is signed with, where the server makes its secret."""
    say = frame.words
    ways = [(name, say(f"sink_signature_{name}")) for name in ("hmac", "ed25519")]
    return select("signature", say("sink_signature"), ways, form.one("signature", "hmac"))


def _languages(frame: Frame) -> list[tuple[str, Child]]:
    return [(one, frame.words.named(f"lang_{one}", one)) for one in LANGUAGES]


def _told_in(frame: Frame, form: Form, hint: Child = None) -> Markup:
    """Write the choice of the language in which a sink tells people."""
    say = frame.words
    return select(
        "told_in", say("language"), [("", say("sink_lang_usual")), *_languages(frame)], form.one("told_in"), hint
    )


def _as_form(sink: Sink) -> Form:
    options = sorted((name, value) for name, value in sink.options.items() if name != "lang")
    return Form(
        values={
            "name": [sink.name],
            "address": [sink.address],
            "format": [sink.format],
            "query": [sink.query],
            "told_in": [sink.options.get("lang", "")],
            "options": ["\n".join(f"{name}={value}" for name, value in options)],
            "private": ["yes"] if sink.private else [],
        }
    )


def _options_field(frame: Frame, form: Form) -> Markup:
    say = frame.words
    control = tag(
        "textarea",
        f"\n{form.one('options')}",
        id="options",
        name="options",
        rows=2,
        maxlength=4_000,
        class_="mono",
        spellcheck="false",
        aria_describedby="options-hint",
    )
    return field(say("sink_options"), control, "options", say("sink_options_hint"))


def secret_field(frame: Frame, hint: Child) -> Markup:
    """Write the field for a secret, which is never shown."""
    control = tag(
        "input",
        id="secret",
        name="secret",
        type="password",
        maxlength=4_000,
        autocomplete="off",
        spellcheck="false",
        aria_describedby="secret-hint",
    )
    return field(frame.words("sink_secret"), control, "secret", hint)


def _box(form: Form, name: str, label: Child) -> Markup:
    ticked = form.has(name, "yes")
    return tag("label", tag("input", type="checkbox", name=name, value="yes", checked=ticked), " ", label, class_="box")
