"""The pages of message templates."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sendero.errors import Invalid, Missing
from sendero.service import accounts, templates
from sendero.tables import Template
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


def create(visit: Visit) -> Response:
    """Create a template."""
    (account, *_) = accounts.listing(visit.work) or (None,)
    if account is None:
        raise Invalid({"name": "Connect a WhatsApp account first."})
    submitted = visit.form["do"] == "submit"
    template = templates.create(visit.work, account, templates.checked(_values(visit.form)), submitted=submitted)
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


def update(visit: Visit) -> Response:
    """Change a template, and send a draft to review if that was asked for."""
    template = living(visit.work, visit.path["id"])
    visit.check_version(template)
    fixed = {} if template.status == "draft" else {"name": template.name, "language": template.language}
    if template.status in ("approved", "paused"):
        fixed["category"] = template.category
    changed = templates.edit(visit.work, template, templates.checked(_values(visit.form) | fixed))
    of = f"template:{template.id}"
    if visit.form["do"] == "submit" and template.status == "draft":
        templates.submit(visit.work, template)
        return visit.go(f"/templates/{template.id}", done="template_submitted", of=of)
    done = "unchanged" if not changed else "template_submitted" if template.status == "pending" else "template_saved"
    return visit.go(f"/templates/{template.id}", done=done, of=of if changed else "")


def form_delete(visit: Visit) -> Response:
    """Ask whether and why to delete a template."""
    return visit.render("templates/delete.html", template=living(visit.work, visit.path["id"]), codes=_REASONS)


def delete(visit: Visit) -> Response:
    """Delete a template."""
    template = living(visit.work, visit.path["id"])
    visit.check_version(template)
    templates.delete(visit.work, template, visit.form.reason(_REASONS))
    return visit.go("/templates", done="template_deleted", of=f"template:{template.id}")


def _form(visit: Visit, template: Template | None, typed: dict[str, Any]) -> Response:
    buttons = [*typed["buttons"], *({"type": "", "text": "", "value": ""} for _ in range(_ROWS))][:_ROWS]
    status = template.status if template is not None else "draft"
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
        answer=update,
        again=form_edit,
        needs="templates:update",
        action="template.edited",
    ),
    Page(path="/templates/{id}/delete", answer=form_delete, needs="templates:delete", title="Delete template"),
    Page(
        path="/templates/{id}/delete",
        method="POST",
        answer=delete,
        again=form_delete,
        needs="templates:delete",
        action="template.deleted",
    ),
)
