"""Message templates and their review by WhatsApp.

draft → pending → approved | rejected; an edit of anything that was reviewed goes back to pending; approved → paused →
approved | disabled. Only WhatsApp approves, rejects, pauses and disables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Any

import sqlalchemy as sa

from sendero.errors import Conflict, Invalid
from sendero.phones import e164
from sendero.service.contacts import LONGEST_SEARCH
from sendero.tables import Account, Template
from sendero.work import Work, resource_of
from whodid import Reason

__all__ = [
    "BUTTONS",
    "CATEGORIES",
    "LANGUAGES",
    "STATUSES",
    "change_status",
    "checked",
    "create",
    "delete",
    "edit",
    "editable",
    "listing",
    "submit",
    "variables",
]

CATEGORIES = ("marketing", "utility", "authentication")
LANGUAGES = ("es", "en", "ca", "pt_BR", "fr")
BUTTONS = ("quick_reply", "url", "phone_number")
STATUSES = ("draft", "pending", "approved", "rejected", "paused", "disabled", "archived")

_NAME = re.compile(r"[a-z0-9_]{1,512}")
_VARIABLE = re.compile(r"\{\{(\d+)\}\}")
_URL = re.compile(r"https://[^\s/]+\.[^\s]*")
_LONGEST = {"header": 60, "body": 1024, "footer": 60, "button": 25}
_EDITABLE = ("draft", "approved", "rejected", "paused")
_NEXT: Mapping[str, tuple[str, ...]] = {
    "draft": ("pending",),
    "pending": ("approved", "rejected"),
    "approved": ("paused", "disabled", "archived"),
    "rejected": ("approved",),
    "paused": ("approved", "disabled"),
    "archived": ("approved",),
}


def variables(text: str) -> list[int]:
    """Return the numbers of the variables `{{1}}`, `{{2}}` … of a text, in order of appearance, each once."""
    return list(dict.fromkeys(int(number) for number in _VARIABLE.findall(text)))


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a form as they are stored.

    Args:
        values: name, display_name, language, category, header, body, samples (list), footer, buttons (list of
            {type, text, value}).

    Raises:
        Invalid: Some of them break a rule of WhatsApp; all faults at once.
    """
    faults: dict[str, str] = {}
    name, body = str(values["name"]).strip(), str(values["body"]).strip()
    header, footer = str(values.get("header") or "").strip(), str(values.get("footer") or "").strip()
    if not _NAME.fullmatch(name):
        faults["name"] = "Use lower-case letters, digits and _ only."
    if values.get("category") not in CATEGORIES:
        faults["category"] = "Choose one of the list."
    if values.get("language") not in LANGUAGES:
        faults["language"] = "Choose one of the list."
    if not body:
        faults["body"] = "A template needs a body."
    for part, text in (("header", header), ("body", body), ("footer", footer)):
        if len(text) > _LONGEST[part]:
            faults[part] = "This is longer than WhatsApp allows: 60 characters in header and footer, 1,024 in the body."
    used = variables(body)
    if sorted(used) != list(range(1, len(used) + 1)):
        faults["body"] = "Number the variables {{1}}, {{2}} … without a gap."
    samples = [str(sample).strip() for sample in values.get("samples") or ()][: len(used)]
    if len([sample for sample in samples if sample]) < len(used):
        faults["samples"] = "Give one example for each variable, one per line; WhatsApp reviews with them."
    buttons, fault = _buttons(values.get("buttons") or ())
    if fault:
        faults["buttons"] = fault
    if faults:
        raise Invalid(faults)
    components: dict[str, Any] = {"body": {"text": body, "samples": samples}}
    if header:
        components["header"] = {"format": "text", "text": header}
    if footer:
        components["footer"] = {"text": footer}
    if buttons:
        components["buttons"] = buttons
    return {
        "name": name,
        "display_name": str(values.get("display_name") or "").strip() or name.replace("_", " ").capitalize(),
        "language": values["language"],
        "category": values["category"],
        "components": components,
    }


def snapshot(template: Template) -> dict[str, Any]:
    """Return the fields of a template as the log shows them."""
    return {
        "name": template.name,
        "display_name": template.display_name,
        "language": template.language,
        "category": template.category,
        "components": template.components,
        "status": template.status,
    }


def create(work: Work, account: Account, values: Mapping[str, Any], *, submitted: bool) -> Template:
    """Create a template from checked values.

    Args:
        submitted: Whether it goes to review at once.

    Raises:
        Invalid: The name is taken in this language.
    """
    _check_free(work, account, values["name"], values["language"])
    now = work.now()
    template = Template(
        id=work.new_id("tpl"),
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        account_id=account.id,
        account=account,
        **values,
        status="pending" if submitted else "draft",
        rejected_reason=None,
        quality="unknown",
        pause_count=0,
        paused_until=None,
        disable_at=None,
        meta_template_id=None,
        edited_on=[],
        deleted_at=None,
    )
    work.add(template)
    work.record(
        "template.created",
        resource_of(template),
        after=snapshot(template),
        details={"account": account.name, "variables": len(variables(values["components"]["body"]["text"]))},
    )
    return template


def editable(template: Template, now: datetime) -> str | None:
    """Say why a template cannot be edited now; None when it can."""
    if template.status not in _EDITABLE:
        return "A template that is being reviewed, archived or disabled cannot be edited."
    if template.status == "draft":
        return None
    times = [datetime.fromisoformat(at) for at in template.edited_on]
    if any(now - at < timedelta(days=1) for at in times) and template.status == "approved":
        return "WhatsApp allows one edit of an approved template a day."
    if len([at for at in times if now - at < timedelta(days=30)]) >= 10:
        return "WhatsApp allows ten edits of a template in thirty days."
    return None


def edit(work: Work, template: Template, values: Mapping[str, Any]) -> bool:
    """Edit a template; what was reviewed before goes back to review.

    Args:
        values: What `checked` returned.

    Returns:
        Whether anything changed.

    Raises:
        Conflict: It cannot be edited now, or somebody else changed it.
        Invalid: A field that WhatsApp has fixed was changed.
    """
    if why := editable(template, work.now()):
        raise Conflict(why)
    fixed = {"name": "The name", "language": "The language"}
    if template.status in ("approved", "paused"):
        fixed["category"] = "The category"
    if template.status != "draft":
        wrong = {
            name: "WhatsApp does not allow this to change." for name in fixed if values[name] != getattr(template, name)
        }
        if wrong:
            raise Invalid(wrong)
    elif (values["name"], values["language"]) != (template.name, template.language):
        _check_free(work, template.account, values["name"], values["language"])
    before = snapshot(template)
    for name, value in values.items():
        setattr(template, name, value)
    if snapshot(template) == before:
        return False
    if template.status != "draft":
        template.status = "pending"
        template.edited_on = [*template.edited_on, work.now().isoformat()][-10:]
    work.touch(template)
    after = snapshot(template)
    words = _words_changed(before["components"]["body"]["text"], after["components"]["body"]["text"])
    work.record(
        "template.edited",
        resource_of(template),
        before=before,
        after=after,
        details={"words_changed": words} if words else None,
    )
    return True


def submit(work: Work, template: Template) -> None:
    """Send a draft to WhatsApp's review.

    Raises:
        Conflict: It is not a draft.
    """
    if template.status != "draft":
        raise Conflict("Only a draft can be sent to review.")
    change_status(work, template, "pending")


def change_status(
    work: Work,
    template: Template,
    status: str,
    *,
    reason: Reason | None = None,
    until: datetime | None = None,
) -> str:
    """Note that the status of a template changed; who acts is the scope's actor, mostly WhatsApp.

    Args:
        until: End of a pause.

    Returns:
        The id of the event: what follows from it names it as its cause.

    Raises:
        Conflict: There is no way from the present status to that one.
    """
    if status not in _NEXT.get(template.status, ()):
        raise Conflict("There is no way from this status to that one.")
    before = {
        "status": template.status,
        "rejected_reason": template.rejected_reason,
        "paused_until": template.paused_until,
    }
    template.status = status
    template.paused_until = until
    template.rejected_reason = reason.text if reason is not None and status == "rejected" else None
    if status == "paused":
        template.pause_count += 1
    work.touch(template)
    after = {"status": status, "rejected_reason": template.rejected_reason, "paused_until": until}
    return work.record(
        "template.status_changed",
        resource_of(template),
        before=before,
        after=after,
        reason=reason,
        severity="warning" if status in ("rejected", "paused", "disabled") else None,
    )


def delete(work: Work, template: Template, reason: Reason | None) -> None:
    """Delete a template.

    Raises:
        Conflict: It is being reviewed.
    """
    if template.status == "pending":
        raise Conflict("A template that is being reviewed cannot be deleted. Wait for WhatsApp's answer.")
    before = snapshot(template)
    template.deleted_at = work.now()
    work.touch(template)
    work.record(
        "template.deleted",
        resource_of(template),
        before=before,
        reason=reason,
        details={"languages": [template.language]},
    )


def listing(work: Work, *, text: str = "", status: str = "", category: str = "") -> list[Template]:
    """Return the templates of the workspace in order of their names.

    Raises:
        Invalid: The text is longer than a search can be.
    """
    if len(text) > LONGEST_SEARCH:
        raise Invalid({"q": "Search for at most 200 characters."})
    query = sa.select(Template).where(Template.workspace_id == work.workspace.id, Template.deleted_at.is_(None))
    if text:
        query = query.where(
            sa.or_(
                Template.name.icontains(text, autoescape=True), Template.display_name.icontains(text, autoescape=True)
            )
        )
    if status in STATUSES:
        query = query.where(Template.status == status)
    if category in CATEGORIES:
        query = query.where(Template.category == category)
    return list(work.session.execute(query.order_by(Template.name, Template.language)).scalars())


def _check_free(work: Work, account: Account, name: str, language: str) -> None:
    taken = sa.select(
        sa.exists().where(
            Template.account_id == account.id,
            Template.name == name,
            Template.language == language,
            Template.deleted_at.is_(None),
        )
    )
    if work.session.execute(taken).scalar():
        raise Invalid({"name": "There is a template of this name in this language already."})


def _words_changed(before: str, after: str) -> int:
    """Count the words of the longer side that are not common to both, in order."""
    old, new = before.split(), after.split()
    common = sum(block.size for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks())
    return max(len(old), len(new)) - common


def _buttons(given: Any) -> tuple[list[dict[str, str]], str | None]:
    buttons: list[dict[str, str]] = []
    for button in given:
        kind, text, value = button["type"], button["text"].strip(), button.get("value", "").strip()
        if not text and not value:
            continue
        if kind not in BUTTONS or not text or len(text) > _LONGEST["button"]:
            return [], "A button needs a text of at most 25 characters."
        made = {"type": kind, "text": text}
        if kind == "url":
            if not _URL.fullmatch(value):
                return [], "A link button needs an address that begins with https://."
            made["url"] = value
        elif kind == "phone_number":
            number = e164(value)
            if number is None:
                return [], "A call button needs a phone number like +34 910 555 014."
            made["phone"] = number
        buttons.append(made)
    if len(buttons) > 3:
        return [], "A template has at most three buttons."
    return buttons, None
