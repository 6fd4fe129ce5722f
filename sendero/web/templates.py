"""The pages of message templates. What goes to review is handed to WhatsApp before it is noted (`Page.asks`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from sendero.errors import Invalid, Missing
from sendero.service import accounts, reviews, templates
from sendero.tables import Account, Template
from sendero.web.visit import Form, Page, Visit
from sendero.work import Work

__all__ = ["PAGES"]

_TEXTS = ("name", "display_name", "language", "category", "header", "body", "samples", "footer")
_REASONS = ("not_used", "replaced", "test_data", "other")
_ROWS = 3


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
    values = templates.checked(_values(visit.form))
    templates.check_free(visit.work, account, values["name"], values["language"])
    return reviews.to_hand_in(visit.work, account, values) if visit.form["do"] == "submit" else None


def create(visit: Visit) -> Response:
    """Create a template."""
    submitted = visit.asked is not None
    values = templates.checked(_values(visit.form))
    template = templates.create(visit.work, _account(visit), values, submitted=submitted)
    if submitted:
        reviews.note(visit.work, template, visit.asked)
    done = "template_submitted" if submitted else "template_created"
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
        "header": parts.get("header", {}).get("text", ""),
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
    if template.status == "draft":
        if visit.form["do"] != "submit":
            return None
        templates.check_draft(template)
        return reviews.to_hand_in(visit.work, template.account, values)
    # Only what WhatsApp reviews is handed in: the name that people here see is ours.
    reviewed = any(values[name] != getattr(template, name) for name in ("components", "category"))
    return reviews.to_edit(visit.work, template, values) if changed and reviewed else None


def update(visit: Visit) -> Response:
    """Change a template, and note that it was handed in."""
    template = living(visit.work, visit.path["id"])
    visit.check_version(template)
    draft = template.status == "draft"
    cause = templates.edit(visit.work, template, _kept(visit, template), reviewed=visit.asked is not None)
    if draft and visit.asked is not None:
        templates.submit(visit.work, template)
    if visit.asked is not None:
        reviews.note(visit.work, template, visit.asked)
        if cause is not None and not draft:
            reviews.changed(visit.work, template, cause)
    done = "template_submitted" if visit.asked is not None else "template_saved" if cause else "unchanged"
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
    return templates.checked(_values(visit.form) | fixed)


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
        accounts=[(one.id, one.name) for one in listed],
        chosen_account=visit.form["account"] or default,
    )


def _typed(form: Form) -> dict[str, Any]:
    return {**{name: form[name] for name in _TEXTS}, "buttons": _buttons(form)}


def _values(form: Form) -> dict[str, Any]:
    values: dict[str, Any] = {name: form[name] for name in _TEXTS}
    values["samples"] = [line.strip() for line in form["samples"].splitlines() if line.strip()]
    values["buttons"] = _buttons(form)
    return values


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
