"""The pages of message templates. What goes to review is handed to WhatsApp before it is noted (`Page.asks`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from starlette.responses import Response

from sendero.errors import Invalid, Missing
from sendero.service import accounts, headers, reviews, templates
from sendero.tables import Account, Template
from sendero.web.visit import Form, Page, Visit
from sendero.whatsapp.provider import Media, Submitted
from sendero.work import Work

__all__ = ["PAGES"]

_TEXTS = ("name", "display_name", "language", "category", "header_format", "header", "body", "samples", "footer")
_REASONS = ("not_used", "replaced", "test_data", "other")
_ROWS = 3


class Asked(Struct, frozen=True, kw_only=True):
    """What WhatsApp was asked, and answered.

    Args:
        values: The template, with the handle that it gave for the example of the header.
        submitted: Where the review stands; None when the template stays a draft.
    """

    values: dict[str, Any]
    submitted: Submitted | None


def living(work: Work, key: str) -> Template:
    """Return a template that was not deleted.

    Raises:
        Missing: There is none.
    """
    template = work.get(Template, key)
    if template.deleted_at is not None:
        raise Missing
    return template


def listing(visit: Visit) -> Response:
    """List templates."""
    chosen = {name: visit.query.get(name, "").strip() for name in ("q", "status", "category")}
    rows = templates.listing(visit.work, text=chosen["q"], status=chosen["status"], category=chosen["category"])
    return visit.render(
        "templates/list.html",
        rows=rows,
        chosen=chosen,
        filtered=any(chosen.values()),
        statuses=templates.STATUSES,
        categories=templates.CATEGORIES,
    )


def show(visit: Visit) -> Response:
    """Show a template as WhatsApp would."""
    template = living(visit.work, visit.path["id"])
    return visit.render(
        "templates/show.html",
        template=template,
        filled=_filled(template.components),
        locked=templates.editable(template, visit.work.now()),
    )


def form_new(visit: Visit) -> Response:
    """Show the form for a new template."""
    typed = _typed(visit.form) if visit.fault else {"language": "es", "category": "marketing", "buttons": []}
    return _form(visit, None, typed)


def ask_new(visit: Visit) -> Callable[[], Any] | None:
    """Check what was typed, and hand it in if that was asked for."""
    account = _account(visit)
    values = templates.checked(_values(visit))
    templates.check_free(visit.work, account, values["name"], values["language"])
    submit = reviews.to_hand_in(visit.work, account) if visit.form["do"] == "submit" else None
    return _asking(visit, account, values, submit)


def create(visit: Visit) -> Response:
    """Create a template."""
    values, submitted = _answered(visit) or (templates.checked(_values(visit)), None)
    template = templates.create(visit.work, _account(visit), values, submitted=submitted is not None)
    if submitted is not None:
        reviews.note(visit.work, template, submitted)
    done = "template_created" if submitted is None else "template_submitted"
    return visit.go(f"/templates/{template.id}", done=done, of=f"template:{template.id}")


def form_edit(visit: Visit) -> Response:
    """Show the form for changing a template."""
    template = living(visit.work, visit.path["id"])
    if visit.fault:
        return _form(visit, template, _typed(visit.form))
    parts = template.components
    typed = {
        "name": template.name,
        "display_name": template.display_name,
        "language": template.language,
        "category": template.category,
        **headers.form_of(parts),
        "body": parts["body"]["text"],
        "samples": "\n".join(parts["body"].get("samples", [])),
        "footer": parts.get("footer", {}).get("text", ""),
        "buttons": [
            {"type": button["type"], "text": button["text"], "value": button.get("url") or button.get("phone") or ""}
            for button in parts.get("buttons", [])
        ],
    }
    return _form(visit, template, typed)


def ask_edit(visit: Visit) -> Callable[[], Any] | None:
    """Check what was typed, and hand it in unless it stays a draft or changes nothing."""
    template = living(visit.work, visit.path["id"])
    visit.check_version(template)
    values = _kept(visit, template)
    changed = templates.check_edit(visit.work, template, values)
    submit: Callable[[Mapping[str, Any]], Submitted] | None = None
    if template.status == "draft":
        if visit.form["do"] == "submit":
            templates.check_draft(template)
            submit = reviews.to_hand_in(visit.work, template.account)
    # Only what WhatsApp reviews is handed in: the name that people here see is ours.
    elif changed and any(values[name] != getattr(template, name) for name in ("components", "category")):
        submit = reviews.to_edit(visit.work, template)
    return _asking(visit, template.account, values, submit)


def update(visit: Visit) -> Response:
    """Change a template, and note that it was handed in."""
    template = living(visit.work, visit.path["id"])
    visit.check_version(template)
    draft = template.status == "draft"
    values, submitted = _answered(visit) or (_kept(visit, template), None)
    cause = templates.edit(visit.work, template, values, reviewed=submitted is not None)
    if submitted is not None:
        if draft:
            templates.submit(visit.work, template)
        reviews.note(visit.work, template, submitted)
        if cause is not None and not draft:
            reviews.changed(visit.work, template, cause)
    done = "template_submitted" if submitted is not None else "template_saved" if cause else "unchanged"
    return visit.go(f"/templates/{template.id}", done=done, of="" if done == "unchanged" else f"template:{template.id}")


def form_delete(visit: Visit) -> Response:
    """Ask whether and why to delete a template."""
    return visit.render("templates/delete.html", template=living(visit.work, visit.path["id"]), codes=_REASONS)


def ask_delete(visit: Visit) -> Callable[[], Any] | None:
    """Delete a template at WhatsApp."""
    template = living(visit.work, visit.path["id"])
    visit.check_version(template)
    visit.form.reason(_REASONS)
    templates.check_delete(visit.work, template)
    return reviews.to_delete(visit.work, template)


def delete(visit: Visit) -> Response:
    """Delete a template."""
    template = living(visit.work, visit.path["id"])
    visit.check_version(template)
    templates.delete(visit.work, template, visit.form.reason(_REASONS))
    return visit.go("/templates", done="template_deleted", of=f"template:{template.id}")


def _account(visit: Visit) -> Account:
    """Return the account that was chosen, or the one to choose when nothing was."""
    listed = accounts.listing(visit.work)
    if not listed:
        raise Invalid({"name": "Connect a WhatsApp account first."})
    chosen = visit.form["account"]
    account = next((one for one in listed if one.id == chosen), None)
    if chosen and account is None:
        raise Invalid({"account": "Choose one of the list."})
    return account or next((one for one in listed if one.is_default_out), listed[0])


def _kept(visit: Visit, template: Template) -> dict[str, Any]:
    """Return what was typed, with what WhatsApp has fixed as it is."""
    fixed = {} if template.status == "draft" else {"name": template.name, "language": template.language}
    if template.status in ("approved", "paused"):
        fixed["category"] = template.category
    return templates.checked(_values(visit, template) | fixed)


def _asking(
    visit: Visit,
    account: Account,
    values: dict[str, Any],
    submit: Callable[[Mapping[str, Any]], Submitted] | None,
) -> Callable[[], Asked] | None:
    """Return the question to WhatsApp: to take the example of the header, the template, or both in this order."""
    media = _media(visit)
    if media is None and submit is None:
        return None
    upload = None if media is None else reviews.to_upload(visit.work, account, media)

    def ask() -> Asked:
        complete = values if upload is None else headers.with_handle(values, upload())
        return Asked(values=complete, submitted=None if submit is None else submit(complete))

    return ask


def _answered(visit: Visit) -> tuple[dict[str, Any], Submitted | None] | None:
    asked: Asked | None = visit.asked
    return None if asked is None else (asked.values, asked.submitted)


def _media(visit: Visit) -> Media | None:
    """Return the file that was sent as the example of the header; None where it is a text or a place."""
    kind, upload = visit.form["header_format"], visit.upload
    if kind not in headers.MEDIA or upload is None or not upload.name:
        return None
    return headers.media(kind, upload.file, upload.name)


def _form(visit: Visit, template: Template | None, typed: dict[str, Any]) -> Response:
    buttons = [*typed["buttons"], *({"type": "", "text": "", "value": ""} for _ in range(_ROWS))][:_ROWS]
    status = template.status if template is not None else "draft"
    listed = accounts.listing(visit.work) if template is None else []
    default = next((one.id for one in listed if one.is_default_out), "")
    return visit.render(
        "templates/form.html",
        template=template,
        typed={name: typed.get(name, "") for name in _TEXTS},
        buttons=buttons,
        fixed_name=status != "draft",
        fixed_category=status in ("approved", "paused"),
        draft=status == "draft",
        locked=None if template is None else templates.editable(template, visit.work.now()),
        languages_of_templates=templates.LANGUAGES,
        categories=templates.CATEGORIES,
        kinds=templates.BUTTONS,
        formats=headers.FORMATS,
        media_kinds=headers.MEDIA,
        present=_present(template, typed.get("header_format") or "text"),
        accounts=[(one.id, one.name) for one in listed],
        chosen_account=visit.form["account"] or default,
    )


def _typed(form: Form) -> dict[str, Any]:
    return {**{name: form[name] for name in _TEXTS}, "buttons": _buttons(form)}


def _values(visit: Visit, template: Template | None = None) -> dict[str, Any]:
    """Return what was typed; without a new file the example of the header is the one that the template has."""
    form, media = visit.form, _media(visit)
    values: dict[str, Any] = {name: form[name] for name in _TEXTS}
    values["samples"] = [line.strip() for line in form["samples"].splitlines() if line.strip()]
    values["buttons"] = _buttons(form)
    values["media"] = _present(template, form["header_format"])
    if media is not None:
        values["media"] = {"handle": "", "file": media.name}
    return values


def _present(template: Template | None, kind: str) -> dict[str, str] | None:
    """Return the example of the header that a template has, if it is of a kind."""
    had = {} if template is None else headers.form_of(template.components)
    return had["media"] if had.get("header_format") == kind else None


def _buttons(form: Form) -> list[dict[str, str]]:
    return [
        {"type": form[f"button{at}_type"], "text": form[f"button{at}_text"], "value": form[f"button{at}_value"]}
        for at in range(_ROWS)
    ]


def _filled(components: dict[str, Any]) -> str:
    """Return the body with its examples in place of the variables."""
    text: str = components["body"]["text"]
    for number, sample in enumerate(components["body"].get("samples", []), 1):
        text = text.replace(f"{{{{{number}}}}}", sample)
    return text


PAGES = (
    Page(path="/templates", answer=listing, needs="templates:read", title="Templates"),
    Page(path="/templates/new", answer=form_new, needs="templates:create", title="New template"),
    Page(
        path="/templates/new",
        method="POST",
        asks=ask_new,
        answer=create,
        again=form_new,
        needs="templates:create",
        action="template.created",
        largest=headers.LARGEST,
    ),
    Page(path="/templates/{id}", answer=show, needs="templates:read", title="Template"),
    Page(path="/templates/{id}/edit", answer=form_edit, needs="templates:update", title="Edit template"),
    Page(
        path="/templates/{id}/edit",
        method="POST",
        asks=ask_edit,
        answer=update,
        again=form_edit,
        needs="templates:update",
        action="template.edited",
        largest=headers.LARGEST,
    ),
    Page(path="/templates/{id}/delete", answer=form_delete, needs="templates:delete", title="Delete template"),
    Page(
        path="/templates/{id}/delete",
        method="POST",
        asks=ask_delete,
        answer=delete,
        again=form_delete,
        needs="templates:delete",
        action="template.deleted",
    ),
)
