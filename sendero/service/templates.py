"""Message templates and their review by WhatsApp.

draft → pending → approved | rejected; an edit of anything that was reviewed goes back to pending; approved → paused →
approved | disabled; approved ⇄ archived. Only WhatsApp approves, rejects, pauses, disables and archives. What is asked
of it, and what it tells, is in `reviews`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Any

import sqlalchemy as sa

from sendero.errors import Conflict, Invalid
from sendero.service.contacts import LONGEST_SEARCH
from sendero.service.drafts import BUTTONS, CATEGORIES, LANGUAGES, checked, variables
from sendero.tables import Account, Campaign, Template
from sendero.work import Work, resource_of
from whodid import Reason

__all__ = [
    "BUTTONS",
    "CATEGORIES",
    "LANGUAGES",
    "STATUSES",
    "change_status",
    "check_delete",
    "check_draft",
    "check_edit",
    "check_free",
    "checked",
    "create",
    "delete",
    "edit",
    "editable",
    "listing",
    "submit",
    "tombstone",
    "variables",
]

STATUSES = ("draft", "pending", "approved", "rejected", "paused", "disabled", "archived")

_EDITABLE = ("draft", "approved", "rejected", "paused")
_NEXT: Mapping[str, tuple[str, ...]] = {
    "draft": ("pending",),
    "pending": ("approved", "rejected", "disabled"),
    "approved": ("pending", "rejected", "paused", "disabled", "archived"),
    "rejected": ("pending", "approved", "disabled"),
    "paused": ("paused", "approved", "rejected", "disabled"),
    "archived": ("approved", "disabled"),
    "disabled": ("approved",),  # by mistake, says WhatsApp then, and reinstates it
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
        "rejected_reason": template.rejected_reason,
        "paused_until": template.paused_until,
    }


def check_free(work: Work, account: Account, name: str, language: str) -> None:
    """Insist that a name is free in a language.

    Raises:
        Invalid: It is taken.
        Conflict: The account is gone.
    """
    if account.deleted_at is not None:
        raise Conflict("The WhatsApp account of this template was deleted.")
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


def create(work: Work, account: Account, values: Mapping[str, Any], *, submitted: bool) -> Template:
    """Create a template from checked values.

    Args:
        submitted: Whether it goes to review at once.

    Raises:
        Invalid: The name is taken in this language.
    """
    check_free(work, account, values["name"], values["language"])
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


def check_edit(work: Work, template: Template, values: Mapping[str, Any]) -> bool:
    """Insist that a template may be edited so.

    Args:
        values: What `checked` returned.

    Returns:
        Whether anything would change.

    Raises:
        Conflict: It cannot be edited now.
        Invalid: A field that WhatsApp has fixed was changed.
    """
    if why := editable(template, work.now()):
        raise Conflict(why)
    fixed = ["name", "language", *(["category"] if template.status in ("approved", "paused") else [])]
    if template.status != "draft":
        wrong = {
            name: "WhatsApp does not allow this to change." for name in fixed if values[name] != getattr(template, name)
        }
        if wrong:
            raise Invalid(wrong)
    elif (values["name"], values["language"]) != (template.name, template.language):
        check_free(work, template.account, values["name"], values["language"])
    return any(getattr(template, name) != value for name, value in values.items())


def edit(work: Work, template: Template, values: Mapping[str, Any], *, reviewed: bool = True) -> str | None:
    """Edit a template; what was reviewed before goes back to review.

    Args:
        values: What `checked` returned.
        reviewed: Whether WhatsApp has to look at it; only what people here call it needs no review.

    Returns:
        The id of the event; None when nothing changed.

    Raises:
        Conflict: It cannot be edited now, or somebody else changed it.
        Invalid: A field that WhatsApp has fixed was changed.
    """
    if not check_edit(work, template, values):
        return None
    before = snapshot(template)
    for name, value in values.items():
        setattr(template, name, value)
    if template.status != "draft" and reviewed:
        template.status = "pending"
        template.rejected_reason = template.paused_until = None
        template.edited_on = [*template.edited_on, work.now().isoformat()][-10:]
    work.touch(template)
    after = snapshot(template)
    words = _words_changed(before["components"]["body"]["text"], after["components"]["body"]["text"])
    return work.record(
        "template.edited",
        resource_of(template),
        before=before,
        after=after,
        details={"words_changed": words} if words else None,
    )


def submit(work: Work, template: Template) -> None:
    """Send a draft to WhatsApp's review.

    Raises:
        Conflict: It is not a draft.
    """
    check_draft(template)
    change_status(work, template, "pending")


def check_draft(template: Template) -> None:
    """Insist that a template can be sent to review.

    Raises:
        Conflict: It was sent before, or its account is gone.
    """
    if template.status != "draft":
        raise Conflict("Only a draft can be sent to review.")
    if template.account.deleted_at is not None:
        raise Conflict("The WhatsApp account of this template was deleted.")


def change_status(
    work: Work,
    template: Template,
    status: str,
    *,
    reason: Reason | None = None,
    until: datetime | None = None,
    pause: int = 0,
) -> str:
    """Note that the status of a template changed; who acts is the scope's actor, mostly WhatsApp.

    Args:
        until: End of a pause.
        pause: Its number, as WhatsApp counts; one more than the last when it does not say.

    Returns:
        The id of the event: what follows from it names it as its cause.

    Raises:
        Conflict: There is no way from the present status to that one.
    """
    again = status == template.status and pause <= template.pause_count
    if again or status not in _NEXT.get(template.status, ()):
        raise Conflict("There is no way from this status to that one.")
    before = {
        "status": template.status,
        "rejected_reason": template.rejected_reason,
        "paused_until": template.paused_until,
        "disable_at": template.disable_at,
    }
    template.status = status
    template.paused_until = until
    template.disable_at = None
    template.rejected_reason = reason.text if reason is not None and status == "rejected" else None
    if status == "paused":
        template.pause_count = pause or template.pause_count + 1
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


def check_delete(work: Work, template: Template) -> None:
    """Insist that a template may be deleted.

    Raises:
        Conflict: It is being reviewed, or a campaign is about to send it.
    """
    if template.status == "pending":
        raise Conflict("A template that is being reviewed cannot be deleted. Wait for WhatsApp's answer.")
    used = sa.select(
        sa.exists().where(
            Campaign.template_id == template.id,
            Campaign.status.in_(("scheduled", "running")),
            Campaign.deleted_at.is_(None),
        )
    )
    if work.session.execute(used).scalar():
        raise Conflict("A campaign with this template is scheduled or running. Cancel it first.")


def delete(work: Work, template: Template, reason: Reason | None) -> None:
    """Delete a template.

    Raises:
        Conflict: It is being reviewed, a campaign is about to send it, or somebody else changed it.
    """
    check_delete(work, template)
    tombstone(work, template, reason)


def tombstone(work: Work, template: Template, reason: Reason | None) -> None:
    """Note that a template is gone, whatever stood in the way."""
    before = snapshot(template)
    template.deleted_at = work.now()
    work.touch(template)
    work.record(
        "template.deleted",
        resource_of(template),
        before=before,
        after={"status": "deleted"},
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


def _words_changed(before: str, after: str) -> int:
    """Count the words of the longer side that are not common to both, in order."""
    old, new = before.split(), after.split()
    common = sum(block.size for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks())
    return max(len(old), len(new)) - common
