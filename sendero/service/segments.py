"""Segments: parts of the contacts, by a rule that is evaluated in the database whenever it is asked.

The rule is {city, tags, without, lifecycle, consent, language, custom}; all that it names must hold. Of cities, stages,
consents and languages one is enough; of tags all are needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from sendero.errors import Conflict, Invalid
from sendero.service.contacts import CONSENTS, LIFECYCLES, folded, living
from sendero.tables import Campaign, Contact, Segment
from sendero.work import Work, resource_of
from whodid import Reason

__all__ = [
    "LANGUAGES",
    "checked",
    "cities",
    "count",
    "create",
    "delete",
    "listing",
    "matching",
    "members",
    "rule",
    "tags",
    "update",
    "users_of",
]

LANGUAGES = ("es", "en", "ca", "pt", "fr", "de", "it")
ENDED = ("completed", "cancelled", "failed")

_CHOICES: Mapping[str, tuple[str, ...]] = {"lifecycle": LIFECYCLES, "consent": CONSENTS, "language": LANGUAGES}
_MOST = 30


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a form as they are stored.

    Args:
        values: name, and the parts of the rule: lists of texts, and `custom` as a dictionary.

    Raises:
        Invalid: Some of them cannot be taken; all faults at once.
    """
    faults: dict[str, str] = {}
    name = str(values.get("name") or "").strip()
    if not 0 < len(name) <= 100:
        faults["name"] = "A segment needs a name of at most 100 characters."
    filter_: dict[str, Any] = {}
    for part in ("city", "tags", "without", *_CHOICES):
        texts = list(dict.fromkeys(text for one in values.get(part) or () if (text := str(one).strip())))
        if len(texts) > _MOST or any(len(text) > 100 for text in texts):
            faults[part] = "Name at most 30, of at most 100 characters each."
        elif part in _CHOICES and not set(texts) <= set(_CHOICES[part]):
            faults[part] = "Choose one of the list."
        elif texts:
            filter_[part] = texts
    if both := set(filter_.get("tags", ())) & set(filter_.get("without", ())):
        faults["without"] = "A tag cannot be asked for and ruled out: {tag}"
    custom = {str(key).strip(): str(value).strip() for key, value in (values.get("custom") or {}).items()}
    if not all(key.replace("_", "a").isalnum() and value for key, value in custom.items()) or len(custom) > _MOST:
        faults["custom"] = "Write one custom field per line with its value, like shoe_size: 42."
    elif custom:
        filter_["custom"] = custom
    if faults:
        raise Invalid(faults, tag=min(both, default=""))
    return {"name": name, "filter": filter_}


def rule(filter_: Mapping[str, Any]) -> str:
    """Write a rule the way the log shows it: `consent.marketing = opted_in and city = Madrid`."""
    names = {"consent": "consent.marketing", "city": "city", "lifecycle": "lifecycle", "language": "language"}
    parts = []
    for part, name in names.items():
        texts: list[str] = filter_.get(part) or []
        if len(texts) == 1:
            parts.append(f"{name} = {texts[0]}")
        elif texts:
            parts.append(f"{name} in ({', '.join(texts)})")
    parts += [f"tags has {tag}" for tag in filter_.get("tags") or ()]
    parts += [f"tags lacks {tag}" for tag in filter_.get("without") or ()]
    parts += [f"custom.{key} = {value}" for key, value in (filter_.get("custom") or {}).items()]
    return " and ".join(parts) or "everybody"


def matching(work: Work, filter_: Mapping[str, Any]) -> sa.Select[Contact]:
    """Select the living contacts that a rule holds for."""
    query = living(work).where(Contact.erased_at.is_(None))
    if wanted := filter_.get("city"):
        # Case and accents do not count, and no two engines fold them alike: the spellings in use are compared here.
        keys = {folded(city) for city in wanted}
        query = query.where(Contact.city.in_([city for city in cities(work) if folded(city) in keys]))
    if wanted := filter_.get("lifecycle"):
        query = query.where(Contact.lifecycle.in_(wanted))
    if wanted := filter_.get("consent"):
        query = query.where(Contact.consent_marketing.in_(wanted))
    if wanted := filter_.get("language"):
        query = query.where(Contact.language.in_(wanted))
    for tag in filter_.get("tags") or ():
        query = query.where(_has(tag))
    for tag in filter_.get("without") or ():
        query = query.where(~_has(tag))
    for key, value in (filter_.get("custom") or {}).items():
        query = query.where(sa.cast(Contact.custom[key].as_string(), sa.Text) == value)
    return query


def count(work: Work, filter_: Mapping[str, Any]) -> int:
    """Count the contacts that a rule holds for."""
    ids = matching(work, filter_).with_only_columns(Contact.id).subquery()
    return work.session.execute(sa.select(sa.func.count()).select_from(ids)).scalar_one()


def members(work: Work, segment: Segment, *, page: int = 1, size: int = 50) -> list[Contact]:
    """Return one page of the contacts of a segment, in order of names."""
    query = matching(work, segment.filter).order_by(Contact.search_name, Contact.id)
    return list(work.session.execute(query.offset((page - 1) * size).limit(size)).scalars())


def cities(work: Work) -> list[str]:
    """Return the cities that contacts live in, as they are written."""
    query = sa.select(Contact.city).where(Contact.workspace_id == work.workspace.id, Contact.city.is_not(None))
    return sorted(city for city in work.session.execute(query.distinct()).scalars() if city)


def tags(work: Work) -> list[str]:
    """Return the tags in use."""
    query = sa.select(sa.cast(Contact.tags, sa.Text)).where(Contact.workspace_id == work.workspace.id).distinct()
    lists = (json.loads(text) for text in work.session.execute(query).scalars())
    return sorted({tag for one in lists for tag in one})


def create(work: Work, values: Mapping[str, Any]) -> Segment:
    """Create a segment from checked values.

    Raises:
        Invalid: The name is taken.
    """
    _check_free(work, values["name"], None)
    now = work.now()
    segment = Segment(
        id=work.new_id("seg"),
        workspace_id=work.workspace.id,
        created_at=now,
        updated_at=now,
        **values,
        count_cached=count(work, values["filter"]),
        deleted_at=None,
    )
    work.add(segment)
    work.record("segment.created", resource_of(segment), after=snapshot(segment), details=_told(segment))
    return segment


def update(work: Work, segment: Segment, values: Mapping[str, Any]) -> bool:
    """Change a segment. A campaign that has started keeps the people it started with.

    Returns:
        Whether anything changed.

    Raises:
        Invalid: The name is taken.
        Conflict: Somebody else changed it since it was read.
    """
    before = snapshot(segment)
    if values == before:
        return False
    _check_free(work, values["name"], segment.id)
    people = count(work, values["filter"])
    segment.name, segment.filter, segment.count_cached = values["name"], values["filter"], people
    work.touch(segment)
    work.record("segment.updated", resource_of(segment), before=before, after=snapshot(segment), details=_told(segment))
    return True


def delete(work: Work, segment: Segment, reason: Reason | None) -> None:
    """Delete a segment.

    Raises:
        Conflict: A campaign that has not ended uses it, or somebody else changed it since it was read.
    """
    if waiting := [campaign for campaign in users_of(work, segment) if campaign.status not in ENDED]:
        raise Conflict(
            "The campaign {name} uses this segment and has not ended. Cancel it or give it another segment first.",
            name=waiting[0].name,
        )
    before = snapshot(segment)
    segment.deleted_at = work.now()
    work.touch(segment)
    work.record("segment.deleted", resource_of(segment), before=before, reason=reason, details=_told(segment))


def listing(work: Work) -> list[Segment]:
    """Return the segments of the workspace in order of their names."""
    query = sa.select(Segment).where(Segment.workspace_id == work.workspace.id, Segment.deleted_at.is_(None))
    return list(work.session.execute(query.order_by(sa.func.lower(Segment.name), Segment.id)).scalars())


def users_of(work: Work, segment: Segment) -> list[Campaign]:
    """Return the campaigns that use a segment, newest first."""
    query = sa.select(Campaign).where(Campaign.segment_id == segment.id, Campaign.deleted_at.is_(None))
    return list(work.session.execute(query.order_by(Campaign.created_at.desc())).scalars())


def snapshot(segment: Segment) -> dict[str, Any]:
    """Return the fields of a segment as the log shows them."""
    return {"name": segment.name, "filter": segment.filter}


def _told(segment: Segment) -> dict[str, Any]:
    return {"people": segment.count_cached, "rule": rule(segment.filter)}


def _has(tag: str) -> sa.ColumnElement[bool]:
    # A JSON list is text in every engine, and a tag stands in it as JSON writes it, with its quotes. LIKE would
    # ignore case in one engine and heed it in the other.
    text = sa.cast(Contact.tags, sa.Text)
    return sa.func.replace(text, json.dumps(tag), "") != text


def _check_free(work: Work, name: str, own: str | None) -> None:
    if any(folded(segment.name) == folded(name) and segment.id != own for segment in listing(work)):
        raise Invalid({"name": "There is a segment of this name already."})
