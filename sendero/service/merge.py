"""Merging two contacts that are one person: a plan that can be looked at, and carrying it out.

The survivor's values stay and its empty fields are filled from the other; the person may decide otherwise field by
field. Tags are united, consent takes the stricter of the two, the earlier creation date stays. The other row becomes a
tombstone that points to the survivor. It is one entry, not two: nothing was deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from sendero.errors import Conflict, Invalid
from sendero.phones import phone_key
from sendero.service import notes
from sendero.service.contacts import consent_of, email_key, folded, snapshot
from sendero.tables import Contact
from sendero.work import Work, resource_of
from whodid import Related

__all__ = ["Choice", "Plan", "Row", "merge", "plan"]

Choice = Literal["survivor", "absorbed"]

_FIELDS = ("name", "phone_e164", "email", "birthday", "city", "language", "owner_user_id", "lifecycle")
_STRICTNESS = {"opted_in": 0, "unknown": 1, "opted_out": 2}


class Row(Struct, frozen=True, kw_only=True):
    """One field of the two contacts and which value stays.

    Args:
        winner: survivor, absorbed or union.
        rule: Why, as the log says it.
        free: Whether the person may decide otherwise.
    """

    path: str
    survivor: Any
    absorbed: Any
    winner: str
    rule: str
    free: bool = False


class Plan(Struct, frozen=True, kw_only=True):
    """What a merge would do.

    Args:
        matched_by: The identifiers that both contacts share.
    """

    survivor: Contact
    absorbed: Contact
    rows: tuple[Row, ...]
    matched_by: tuple[str, ...]


def plan(survivor: Contact, absorbed: Contact, chosen: Mapping[str, Choice]) -> Plan:
    """Say which value of each field stays.

    Args:
        chosen: What the person decided: path → whose value.

    Raises:
        Invalid: Both are the same contact.
        Conflict: One of them was deleted or merged already.
    """
    if survivor.id == absorbed.id:
        raise Invalid({"absorbed": "Choose another contact: this one cannot be merged with itself."})
    for contact in (survivor, absorbed):
        if contact.deleted_at is not None or contact.merged_into is not None:
            raise Conflict("One of the two contacts is gone already.")
    rows = [_field(path, getattr(survivor, path), getattr(absorbed, path), chosen) for path in _FIELDS]
    rows += [
        _field(f"custom.{key}", survivor.custom.get(key), absorbed.custom.get(key), chosen)
        for key in sorted({*survivor.custom, *absorbed.custom})
    ]
    rows.append(Row(path="tags", survivor=survivor.tags, absorbed=absorbed.tags, winner="union", rule="united"))
    rows.append(_consent(survivor, absorbed))
    matched = [
        path for path in ("phone_e164", "email") if _equal(path, getattr(survivor, path), getattr(absorbed, path))
    ]
    shown = tuple(row for row in rows if not _nothing(row.survivor) or not _nothing(row.absorbed))
    return Plan(survivor=survivor, absorbed=absorbed, rows=shown, matched_by=tuple(matched))


def merge(work: Work, planned: Plan) -> None:
    """Carry a plan out.

    Raises:
        Conflict: Somebody else changed one of the contacts since it was read.
    """
    survivor, absorbed = planned.survivor, planned.absorbed
    before = snapshot(survivor)
    taken = {row.path for row in planned.rows if row.winner == "absorbed"}
    custom = dict(survivor.custom)
    for path in taken:
        if path in _FIELDS:
            setattr(survivor, path, getattr(absorbed, path))
            if path == "owner_user_id":
                survivor.owner = absorbed.owner
        elif path.startswith("custom."):
            key = path.removeprefix("custom.")
            custom[key] = absorbed.custom[key]
    survivor.custom = custom
    survivor.search_name = folded(survivor.name)
    survivor.phone_key = phone_key(survivor.phone_e164)
    survivor.email_key = email_key(survivor.email)
    survivor.tags = [*survivor.tags, *(tag for tag in absorbed.tags if tag not in survivor.tags)]
    if "consent.marketing" in taken:
        survivor.consent_marketing = absorbed.consent_marketing
        survivor.consent_source = absorbed.consent_source
        survivor.consent_evidence = absorbed.consent_evidence
        survivor.consent_captured_at = absorbed.consent_captured_at
    survivor.created_at = min(survivor.created_at, absorbed.created_at)
    absorbed.merged_into = survivor.id
    work.touch(absorbed)
    work.touch(survivor)
    changes = [
        msgspec.structs.replace(change, from_=absorbed.id)
        for change in work.home.capture.changes(
            "contact.merged", before, snapshot(survivor), workspace=work.workspace.id
        )
    ]
    moved = notes.move(work, survivor, absorbed)
    gone = resource_of(absorbed)
    work.record(
        "contact.merged",
        resource_of(survivor),
        changes=changes,
        related=[Related(type=gone.type, id=gone.id, name=gone.name, rel="absorbed")],
        details={
            "survivor": survivor.id,
            "absorbed": absorbed.id,
            "matched_by": planned.matched_by,
            "fields": [_told(work, row) for row in planned.rows],
            "moved": moved,
        },
        claims=[gone],
    )


def _field(path: str, mine: Any, other: Any, chosen: Mapping[str, Choice]) -> Row:
    if _nothing(other):
        winner, rule, free = "survivor", "survivor_has_value", False
    elif _nothing(mine):
        winner, rule, free = "absorbed", "survivor_empty", True
    elif _equal(path, mine, other):
        winner, rule, free = "survivor", "equal" if mine == other else "normalised_equal", False
    else:
        winner, rule, free = "survivor", "survivor_has_value", True
    wish = chosen.get(path)
    if free and wish is not None and wish != winner:
        winner, rule = wish, "chosen_by_user"
    return Row(path=path, survivor=mine, absorbed=other, winner=winner, rule=rule, free=free)


def _consent(survivor: Contact, absorbed: Contact) -> Row:
    mine, other = survivor.consent_marketing, absorbed.consent_marketing
    return Row(
        path="consent.marketing",
        survivor=consent_of(survivor),
        absorbed=consent_of(absorbed),
        winner="absorbed" if _STRICTNESS[other] > _STRICTNESS[mine] else "survivor",
        rule="equal" if mine == other else "strictest_wins",
    )


def _told(work: Work, row: Row) -> dict[str, Any]:
    """Write a row as the details of the entry carry it."""
    told = {
        "path": row.path,
        "survivor": row.survivor,
        "absorbed": row.absorbed,
        "winner": row.winner,
        "rule": row.rule,
    }
    if row.path == "consent.marketing":
        told["survivor"], told["absorbed"] = _dated(row.survivor), _dated(row.absorbed)
    if row.path == "tags":
        told["added"] = [tag for tag in row.absorbed if tag not in row.survivor]
    class_ = work.home.capture.catalog.classes("contact.merged").of(row.path)
    return told if class_ == "plain" else {**told, "class": class_}


def _dated(consent: Mapping[str, Any]) -> str:
    at = consent["captured_at"]
    return f"{consent['marketing']} {at:%Y-%m-%d}" if at else str(consent["marketing"])


def _equal(path: str, mine: Any, other: Any) -> bool:
    if mine is None or other is None:
        return False
    if path == "phone_e164":
        return phone_key(mine) is not None and phone_key(mine) == phone_key(other)
    if path == "email":
        return str(mine).casefold() == str(other).casefold()
    return bool(mine == other)


def _nothing(value: Any) -> bool:
    return value in (None, "", [], {})
