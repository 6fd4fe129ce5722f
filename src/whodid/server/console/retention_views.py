"""The pages of retention: the policy of a workspace, changing it, and what a change would remove."""

from __future__ import annotations

from collections.abc import Sequence

from whodid.retention import Policy, Preview
from whodid.server.console.markup import Child, Markup, tag
from whodid.server.console.parts import (
    Form,
    Frame,
    address,
    card,
    crumb,
    days_of,
    document,
    fault_of,
    field,
    form_of,
    link,
    number_input,
    reason_field,
    title,
)
from whodid.server.workspaces import WorkspaceView

__all__ = ["retention_card", "retention_page"]


def retention_page(
    frame: Frame, workspace: str, policy: Policy, classes: Sequence[str], *, form: Form, foretold: Preview | None = None
) -> bytes:
    """Write the page on which retention is changed.

    Args:
        policy: As it is now, or as it was typed.
        classes: Retention classes of the catalog that may differ.
        foretold: What the typed policy would remove, if that was asked.
    """
    say = frame.words
    place = address(frame, "workspaces", workspace, "retention")
    boxes = [_class_fields(frame, name, policy, form) for name in classes]
    fields = form_of(
        frame,
        place,
        field(
            say("keep_for"),
            tag(
                "span",
                number_input("days", form.one("days", days_of(policy.days)), most=6),
                " ",
                say("days_unit"),
            ),
            "days",
            say("days_hint"),
        ),
        tag("fieldset", tag("legend", say("classes")), tag("p", say("classes_hint"), class_="hint"), boxes)
        if boxes
        else None,
        _foretold(frame, foretold) if foretold is not None else None,
        reason_field(frame, form, say("reason_hint")),
        tag(
            "p",
            tag("button", say("preview"), class_="btn", formaction=f"{place}/preview"),
            tag("button", say("save"), class_="btn p"),
            class_="acts",
        ),
    )
    return document(
        frame,
        f"{say('retention')} · {workspace}",
        crumb(frame, workspace),
        title(say("retention"), say("retention_lead")),
        fault_of(form.fault),
        tag("section", fields, class_="card"),
        current="workspaces",
    )


def retention_card(frame: Frame, found: WorkspaceView) -> Markup:
    """Write how long the entries of a workspace are kept."""
    say, policy = frame.words, found.retention
    said = say("retention_now_good") if policy.days is None else say("retention_now", span=say.span(policy.days))
    own = [
        tag("li", say("retention_class", name=tag("b", name), span=say.span(days)))
        for name, days in sorted(policy.classes.items())
    ]
    return card(
        "retention",
        say("retention"),
        tag("p", said),
        tag("ul", own, class_="plain") if own else None,
        tag(
            "p",
            link(say("change_retention"), address(frame, "workspaces", found.workspace, "retention"), "btn")
            if found.size
            else None,
        ),
    )


def _class_fields(frame: Frame, name: str, policy: Policy, form: Form) -> Markup:
    say = frame.words
    return tag(
        "p",
        tag(
            "label",
            tag(
                "input",
                type="checkbox",
                name="class",
                value=name,
                checked=form.has("class", name, otherwise=name in policy.classes),
            ),
            " ",
            tag("span", say("class_own", name=tag("b", name))),
            class_="box",
        ),
        tag("label", say("class_days", name=name), for_=f"days-{name}", class_="sr"),
        number_input(
            f"days.{name}",
            form.one(f"days.{name}", days_of(policy.classes.get(name))),
            most=6,
            id_=f"days-{name}",
        ),
        " ",
        say("days_unit"),
        class_="class",
    )


def _foretold(frame: Frame, found: Preview) -> Markup:
    say = frame.words
    if not found.entries:
        told: Child = tag("p", say("preview_none"))
    else:
        lead = "preview_some_one" if found.entries == 1 else "preview_some"
        terms = [
            tag(
                "li",
                say(
                    "preview_term",
                    before=tag("time", f"{term.cutoff:%Y-%m-%d}", datetime=f"{term.cutoff:%Y-%m-%d}"),
                    span=say.span(term.days),
                    entries=tag("b", say.number(term.entries)),
                ),
                tag("small", ", ".join(f"{name} {say.number(count)}" for name, count in sorted(term.classes.items()))),
            )
            for term in found.terms
            if term.entries
        ]
        count = say(lead, entries=tag("b", say.number(found.entries)), stays=say.number(found.stays))
        told = [
            tag("p", count),
            tag("ul", terms, class_="plain num"),
            tag("p", say("preview_loss", size=say.size(found.loss.bytes), people=say.number(found.loss.people))),
            _unanswered(frame, found),
        ]
    return tag(
        "div",
        tag("h2", say("preview_title"), id="preview"),
        told,
        tag("p", say.counted("preview_held", found.held)) if found.held else None,
        tag("p", say("preview_note"), class_="hint"),
        class_="preview",
        role="status",
        aria_labelledby="preview",
    )


def _unanswered(frame: Frame, found: Preview) -> Child:
    say = frame.words
    rows = [
        tag(
            "li",
            say(f"question_{one.question}"),
            " ",
            tag("small", say("question_until", until=say.time(one.until), entries=say.number(one.entries))),
        )
        for one in found.loss.questions
    ]
    return [tag("p", say("preview_questions")), tag("ul", rows, class_="plain num")] if rows else None
