"""Legal holds of the audit log: whodid keeps them and records their changes; here is what the pages ask of it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from sendero.errors import Invalid, Missing
from sendero.tables import User
from sendero.work import Work, actor_of
from whodid import Reason
from whodid.capture import current
from whodid.errors import InvalidQuery, InvalidSetting, NotFound
from whodid.query import Query, parse
from whodid.retention import Hold, HoldPreview, place_hold, preview_hold, release_hold, standing_holds

__all__ = ["all_holds", "place", "query_of", "release", "would_keep"]


def all_holds(work: Work) -> tuple[Hold, ...]:
    """Return the holds, oldest first."""
    return standing_holds(work.home.log, work.workspace.id)


def query_of(text: str) -> str:
    """Return the query that a link to the audit log shows; any other text is a query already.

    How far back the page looks by default is no part of it: a hold that is meant for a person keeps all of theirs. Days
    that somebody chose are. A link to one entry means that entry.
    """
    link = urlsplit(text.strip())
    if link.scheme not in {"http", "https"} or not link.path.endswith("/settings/audit-logs"):
        return text
    found = {name: values[0] for name, values in parse_qs(link.query).items()}
    terms = [found.get("q", "")]
    terms += [f"date:{sign}{found[name]}" for name, sign in (("since", ">="), ("until", "<")) if name in found]
    shown = " ".join(term for term in terms if term)
    return shown or (f"index:{found['entry']}" if found.get("entry", "").isdecimal() else "")


def would_keep(work: Work, query: str) -> HoldPreview:
    """Return what a hold on a query that was typed would keep now.

    Raises:
        Invalid: It is no query, or one for everything.
    """
    return preview_hold(work.home.log, work.workspace.id, _asked(work, query))


def place(work: Work, by: User, *, name: str, query: str, reason: str) -> Hold:
    """Place a hold. The log itself records it.

    Raises:
        Invalid: The name, the query or the reason cannot be taken, or there are too many holds.
    """
    if not 1 <= len(name.strip()) <= 200:
        raise Invalid({"name": "Give the matter or the case number, at most 200 characters."})
    _check_reason(reason)
    asked, scope = _asked(work, query), current()
    try:
        return place_hold(
            work.home.log,
            work.workspace.id,
            name=name,
            query=asked,
            actor=actor_of(by),
            reason=Reason(text=reason.strip()),
            context=scope.context if scope is not None else None,
        )
    except InvalidSetting:
        raise Invalid({"name": "There are too many legal holds. Release one first."}) from None


def release(work: Work, by: User, hold_id: str, *, reason: str) -> Hold:
    """Release a hold. The log itself records it.

    Raises:
        Missing: There is no such hold; somebody else may have released it.
        Invalid: The reason cannot be taken.
    """
    _check_reason(reason)
    scope = current()
    try:
        return release_hold(
            work.home.log,
            work.workspace.id,
            hold_id,
            actor=actor_of(by),
            reason=Reason(text=reason.strip()),
            context=scope.context if scope is not None else None,
        )
    except NotFound:
        raise Missing from None


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid({"reason": "Say why."})
    if len(reason) > 500:
        raise Invalid({"reason": "Use at most 500 characters."})


def _asked(work: Work, query: str) -> Query:
    try:
        asked = parse(query, now=work.home.log.now(), zone=work.workspace.timezone)
    except InvalidQuery:
        raise Invalid(
            {"query": "This is no search of the audit log. Try resource:contact:con_1 or a period."}
        ) from None
    if not asked.terms and asked.since is None and asked.until is None:
        raise Invalid({"query": "Say what is to be kept: a resource, a person or a period."})
    return asked
