"""The notices of WhatsApp's webhook as they come: only the fields that are read; whatever else they hold is ignored."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

__all__ = [
    "AccountUpdate",
    "Category",
    "Change",
    "Entry",
    "Limit",
    "Messages",
    "NumberQuality",
    "Parcel",
    "Preference",
    "Preferences",
    "Profile",
    "Status",
    "TemplateQuality",
    "TemplateStatus",
    "number",
    "read",
]

_T = TypeVar("_T")


class Change(Struct):
    """One change; what its value looks like depends on its field."""

    field: str
    value: Raw


class Entry(Struct):
    """Changes of one business account."""

    id: str
    changes: list[Change] = []
    time: int = 0


class Parcel(Struct):
    """One request of the webhook."""

    object: str
    entry: list[Entry]


class _Named(Struct):
    name: str = ""


class Profile(Struct):
    """A person who wrote, or whose preference changed."""

    wa_id: str = ""
    user_id: str = ""
    profile: _Named = msgspec.field(default_factory=_Named)
    username: str = ""


class _Line(Struct):
    phone_number_id: str = ""
    display_phone_number: str = ""


class _Fault(Struct):
    code: int = 0


class Status(Struct):
    """What became of a message."""

    id: str
    status: str
    timestamp: str | int = 0
    errors: list[_Fault] = []
    biz_opaque_callback_data: str = ""


class _Message(Struct):
    id: str
    timestamp: str | int = 0
    from_: str = msgspec.field(name="from", default="")
    from_user_id: str = ""


class Messages(Struct):
    """Field `messages`: what people wrote, and what became of our messages."""

    metadata: _Line = msgspec.field(default_factory=_Line)
    contacts: list[Profile] = []
    messages: list[_Message] = []
    statuses: list[Status] = []


class _Disabling(Struct):
    disable_date: str | int = 0


class _Other(Struct):
    title: str = ""
    description: str = ""


class _Rejection(Struct):
    reason: str = ""
    recommendation: str = ""


class _OfTemplate(Struct):
    message_template_id: str | int = ""
    message_template_name: str = ""
    message_template_language: str = ""


class TemplateStatus(_OfTemplate):
    """Field `message_template_status_update`."""

    event: str = ""
    reason: str | None = None
    disable_info: _Disabling | None = None
    other_info: _Other | None = None
    rejection_info: _Rejection | None = None


class TemplateQuality(_OfTemplate):
    """Field `message_template_quality_update`."""

    new_quality_score: str = ""


class Category(_OfTemplate):
    """Field `template_category_update`; `correct_category` alone only announces a change."""

    new_category: str | None = None


class Limit(Struct):
    """Field `business_capability_update`."""

    max_daily_conversations_per_business: str | int | None = None


class NumberQuality(Limit):
    """Field `phone_number_quality_update`; the rating itself is not told by every version of the API."""

    display_phone_number: str = ""
    event: str = ""
    current_limit: str | None = None
    quality_rating: str | None = None


class _Ban(Struct):
    waba_ban_state: str | list[str] = ""


class _Waba(Struct):
    waba_id: str = ""


class _Violation(Struct):
    violation_type: str = ""


class _Restriction(Struct):
    restriction_type: str = ""


class AccountUpdate(Struct):
    """Field `account_update`."""

    event: str = ""
    phone_number: str = ""
    waba_info: _Waba | None = None
    ban_info: _Ban | None = None
    violation_info: _Violation | None = None
    restriction_info: list[_Restriction] = []


class Preference(Struct):
    """Whether a person wants marketing messages."""

    category: str
    value: str
    wa_id: str = ""
    user_id: str = ""
    detail: str = ""
    timestamp: str | int = 0


class Preferences(Struct):
    """Field `user_preferences`."""

    metadata: _Line = msgspec.field(default_factory=_Line)
    contacts: list[Profile] = []
    user_preferences: list[Preference] = []


def read(value: Raw, type_: type[_T]) -> _T:
    """Return the value of a change.

    Raises:
        msgspec.ValidationError: It does not look as WhatsApp documents it.
    """
    return msgspec.json.decode(value, type=type_)


def number(value: Any) -> int:
    """Return a number that is written as one or as text; 0 when it is neither."""
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 16 else 0
