"""Templates and WhatsApp: what we ask of it, and what it says about them.

WhatsApp is asked first and our own row is written after, each in turn: no transaction is open while an answer is
waited for. A stop between the two leaves WhatsApp ahead of us, never behind, and heals. A template that was handed in
and not noted is found under its name when it is handed in again; an edit is handed in again; a deletion of what is gone
succeeds; and the notices of a review name the template, whoever of us knew its id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from sendero.errors import Conflict
from sendero.service import accounts, guard, templates
from sendero.service.noted import QUALITIES, noted, of_quality
from sendero.tables import Account, Template
from sendero.whatsapp.actor import WHATSAPP
from sendero.whatsapp.forms import body_of, handed_in
from sendero.whatsapp.provider import EXISTS, Media, ProviderFault, Submitted
from sendero.work import Work
from whodid import Reason

__all__ = [
    "PAUSES",
    "Told",
    "category_told",
    "changed",
    "note",
    "quality_told",
    "to_delete",
    "to_edit",
    "to_hand_in",
    "to_upload",
    "told",
]

PAUSES = {1: timedelta(hours=3), 2: timedelta(hours=6)}
"""How long WhatsApp pauses a template for low quality; the third time it disables it."""

_COUNTED = {1: "First pause, 3 hours", 2: "Second pause, 6 hours"}


class Told(Struct, frozen=True, kw_only=True):
    """What a notice says about the status of a template.

    Args:
        status: In our words.
        code: Reason code.
        text: Why, in WhatsApp's words.
        pause: The number of a pause; 0 when it is none, or not counted.
        at: When it happened.
        disable_at: When WhatsApp will disable it, unless its quality gets better.
    """

    status: str
    at: datetime
    code: str | None = None
    text: str | None = None
    pause: int = 0
    disable_at: datetime | None = None


# ---------------------------------------------------------------------------------------------------- what we ask


def to_upload(work: Work, account: Account, media: Media) -> Callable[[], str]:
    """Return the question that hands in the example of a header; its answer is the handle of it."""
    provider, line = work.home.provider, accounts.line_of(work, account)
    return lambda: provider.upload(line, media)


def to_hand_in(work: Work, account: Account) -> Callable[[Mapping[str, Any]], Submitted]:
    """Return the question that hands a new template in for review; it takes what `templates.checked` returned."""
    provider, line = work.home.provider, accounts.line_of(work, account)

    def ask(values: Mapping[str, Any]) -> Submitted:
        form = handed_in(values)
        try:
            return provider.create_template(line, form)
        except ProviderFault as fault:
            if fault.subcode != EXISTS:
                raise
            found = provider.find_template(line, form["name"], form["language"])
            if found is None or body_of(found.components) != body_of(form["components"]):
                raise
            return found

    return ask


def to_edit(work: Work, template: Template) -> Callable[[Mapping[str, Any]], Submitted]:
    """Return the question that hands changed components in for review; it takes what `templates.checked` returned."""
    provider, line = work.home.provider, accounts.line_of(work, template.account)
    known, status = template.meta_template_id, template.status
    if template.account.deleted_at is not None:
        raise Conflict("The WhatsApp account of this template was deleted.")

    def ask(values: Mapping[str, Any]) -> Submitted:
        key, form = known, handed_in(values)
        if key is None:
            found = provider.find_template(line, form["name"], form["language"])
            if found is None:
                return provider.create_template(line, form)
            key = found.id
        # WhatsApp fixes the category of what it has approved.
        sent = form if status == "rejected" else {"components": form["components"]}
        provider.edit_template(line, key, sent)
        return Submitted(id=key, status="pending", category=form["category"].lower())

    return ask


def to_delete(work: Work, template: Template) -> Callable[[], None] | None:
    """Return the question that deletes a template at WhatsApp; None when WhatsApp never had it."""
    if template.status == "draft" or template.account.deleted_at is not None:
        return None
    provider, line = work.home.provider, accounts.line_of(work, template.account)
    known, name, language = template.meta_template_id, template.name, template.language

    def ask() -> None:
        key = known
        if key is None:
            found = provider.find_template(line, name, language)
            if found is None:
                return
            key = found.id
        provider.delete_template(line, key, name)

    return ask


def note(work: Work, template: Template, answer: Submitted) -> None:
    """Note what WhatsApp answered when a template was handed in; it may know better at once."""
    template.meta_template_id = answer.id
    work.touch(template)
    category_told(work, template, answer.category)
    if answer.status != template.status and answer.status in ("approved", "rejected"):
        told(work, template, Told(status=answer.status, at=work.now()))


def changed(work: Work, template: Template, cause: str) -> None:
    """Let the campaign guard know that the status of a template changed by a person's act."""
    guard.template_changed(work, template, cause)


# ---------------------------------------------------------------------------------------------------- what we are told


def told(work: Work, template: Template, notice: Told) -> str | None:
    """Note the status of a template, as WhatsApp says it.

    Returns:
        The id of the event; None when nothing changed, or when there is no way to that status.
    """
    reason = Reason(code=notice.code, text=notice.text) if notice.code or notice.text else None
    if notice.disable_at is not None and notice.status == template.status:
        cause = _flagged(work, template, notice.disable_at, reason)
    else:
        until = notice.at + PAUSES[notice.pause] if notice.pause in PAUSES else None
        if notice.pause in _COUNTED:
            reason = Reason(code=notice.code, text=_COUNTED[notice.pause])
        try:
            with work.acting(actor=WHATSAPP):
                cause = templates.change_status(
                    work, template, notice.status, reason=reason, until=until, pause=notice.pause
                )
        except Conflict:
            return None
    if cause is not None:
        guard.template_changed(work, template, cause)
    return cause


def category_told(work: Work, template: Template, category: str) -> str | None:
    """Note that WhatsApp moved a template to another category; returns like `told`."""
    if category not in templates.CATEGORIES:
        return None
    return noted(work, template, "template.category_changed", {"category": category})


def quality_told(work: Work, template: Template, quality: str) -> str | None:
    """Note the quality of a template; returns like `told`."""
    if quality not in QUALITIES:
        return None
    said = {"quality": quality}
    cause = noted(work, template, "template.status_changed", said, severity=of_quality(quality))
    if cause is not None:
        guard.template_changed(work, template, cause)
    return cause


def _flagged(work: Work, template: Template, disable_at: datetime, reason: Reason | None) -> str | None:
    said = {"disable_at": disable_at}
    return noted(work, template, "template.status_changed", said, reason=reason, severity="warning")
