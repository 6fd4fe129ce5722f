"""The `/v1` routes of reviews: begin one, look at its items, sign it, read what was signed; who may, `acting` says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from whodid.canonical import time_text
from whodid.detect import Alerts
from whodid.errors import NotFound
from whodid.log import Log
from whodid.model import Actor, Entry
from whodid.query import indexes_of, spans
from whodid.review import RULE, Item, Mark, Review, Reviews, check, rests_on
from whodid.server.acting import MANAGE, Acts, came, who
from whodid.server.answers import Call, answer_json
from whodid.server.reminding import caught_up
from whodid.server.reviewing import (
    BEGIN,
    LOOKED,
    OPEN,
    RAISE,
    REVIEWS,
    SIGN,
    SIGNED_REVIEW,
    Looked,
    Raised,
    Signature,
)
from whodid.server.sessions import Session, Sessions
from whodid.viewer import PERSONAL, asks
from whodid.viewer.present import summary
from whodid.viewer.veil import HIDDEN, formed_personal

__all__ = ["ReviewRoutes"]

_ROWS = 3


class ReviewRoutes:
    """Routes over one log.

    Args:
        sessions: Opens requests.
        secret: Makes the ids of the entries about refusals.
    """

    def __init__(self, log: Log, sessions: Sessions, *, secret: bytes) -> None:
        self._log = log
        self._sessions = sessions
        acts = Acts(log, sessions, secret=secret)
        started, signed, open_ = "audit.review_started", "audit.review_signed", "/v1/reviews/open"
        self.handlers = (
            acts.look("/v1/reviews", self._list, REVIEWS),
            acts.act("/v1/reviews", self._begin, BEGIN, started),
            acts.look(open_, self._open, OPEN),
            acts.order(f"{open_}/items/{{id}}", Looked, self._look_at, LOOKED, signed),
            acts.order(f"{open_}/items/{{id}}/raise", Raised, self._raise, RAISE, "audit.alert_raised"),
            acts.order(f"{open_}/sign", Signature, self._sign, SIGN, signed),
            acts.look("/v1/reviews/{number}", self._signed, SIGNED_REVIEW),
        )

    # ------------------------------------------------------------------------------------------------------ looking

    def _list(self, session: Session, _: dict[str, str], call: Call) -> dict[str, Any]:
        reviews = self._reviews(session, call)
        standing, open_ = reviews.standing(), None
        if standing.open is not None:
            review = standing.open
            open_ = {"number": review.number, "items": len(review.items), "seen": len(review.marks)}
        view = {
            "items": [_short(one, session) for one in reviews.signed()],
            "open": open_,
            "until": None if standing.until is None else time_text(standing.until),
            "due_at": None if standing.due_at is None else time_text(standing.due_at),
            "overdue": standing.overdue,
            "manage": session.claims.may(MANAGE),
        }
        self._sessions.opened(session, call)
        return view

    def _open(self, session: Session, _: dict[str, str], call: Call) -> dict[str, Any]:
        view = self._view(self._reviews(session, call).open(), session, _lang(session, call))
        self._sessions.opened(session, call)
        return view

    def _signed(self, session: Session, _: dict[str, str], call: Call) -> dict[str, Any]:
        number = asks.number(call.path, "number", 0, 1, 2**53 - 1)
        view = self._report(self._reviews(session, call).entry(number), session, _lang(session, call))
        self._sessions.opened(session, call)
        return view

    # ------------------------------------------------------------------------------------------------------- acting

    def _begin(self, session: Session, call: Call) -> Any:
        open_alerts = Alerts(self._log, session.claims.workspace).active()
        review = self._reviews(session, call).begin(one.index for one in open_alerts)
        return answer_json(self._view(review, session, _lang(session, call)), status=201)

    def _look_at(self, session: Session, call: Call, wish: Looked) -> dict[str, Any]:
        review = self._reviews(session, call).mark(call.path["id"], wish.comment, seen=wish.seen)
        return self._one(review, session, call)

    def _raise(self, session: Session, call: Call, wish: Raised) -> dict[str, Any]:
        reviews, claims = self._reviews(session, call), session.claims
        item = reviews.item(reviews.open(), call.path["id"])
        entry = next(
            (self._log.get(claims.workspace, at) for at in reversed(item.entries) if self._kept(session, at)), None
        )
        if entry is None:
            raise NotFound("Nothing of this item is kept any more", "Say so in a comment")
        alerts = Alerts(self._log, claims.workspace, actor=claims.viewer, context=came(call))
        alert = alerts.raise_by_hand(entry, wish.note, entries=item.entries, level=wish.level)
        return self._one(reviews.mark(item.id, wish.note, alert=alert.id), session, call)

    def _sign(self, session: Session, call: Call, wish: Signature) -> dict[str, Any]:
        entry = self._reviews(session, call).sign(wish.comment, unseen=wish.unseen)
        claims, said = session.claims, entry.details or {}
        alerts = Alerts(self._log, claims.workspace, actor=claims.viewer, context=came(call))
        caught_up(alerts, f"Review {said.get('review')} was signed")
        return self._report(entry, session, _lang(session, call))

    # ------------------------------------------------------------------------------------------------------ showing

    def _reviews(self, session: Session, call: Call) -> Reviews:
        claims = session.claims
        return Reviews(self._log, claims.workspace, actor=claims.viewer, context=came(call))

    def _kept(self, session: Session, index: int) -> bool:
        return next(self._log.read(session.claims.workspace, index, index + 1), None) is not None

    def _one(self, review: Review, session: Session, call: Call) -> dict[str, Any]:
        item = next(one for one in review.items if one.id == call.path["id"])
        return self._item(item, review.marks.get(item.id), session, _lang(session, call))

    def _view(self, review: Review, session: Session, lang: str) -> dict[str, Any]:
        return {
            "number": review.number,
            "start": review.start,
            "stop": review.stop,
            "since": time_text(review.since),
            "until": time_text(review.until),
            "size": review.size,
            "root": review.root,
            "rule": RULE,
            "rest": review.rest,
            "more": review.stop < review.size,
            "begun_at": time_text(review.begun_at),
            "begun_by": who(review.begun_by),
            "items": [self._item(one, review.marks.get(one.id), session, lang) for one in review.items],
        }

    def _item(self, item: Item, mark: Mark | None, session: Session, lang: str) -> dict[str, Any]:
        seen = None
        if mark is not None:
            seen = {"at": time_text(mark.at), "by": who(mark.by), "comment": _text(mark.comment, session)}
        viewer = session.claims.viewer
        return {
            "id": item.id,
            "why": item.why,
            "entries": list(item.entries),
            "rows": self._rows(item.entries, session, lang),
            "seen": seen,
            "alert": None if mark is None else mark.alert,
            "own": item.actor == (viewer.type, viewer.id),
        }

    def _rows(self, indexes: Iterable[int], session: Session, lang: str) -> list[dict[str, Any]]:
        """Return the newest entries that are kept, as rows of a list."""
        return [
            summary(session.reader.seen(entry), lang, self._log.catalog)
            for at in sorted(indexes, reverse=True)[:_ROWS]
            for entry in self._log.read(session.claims.workspace, at, at + 1)
        ]

    def _report(self, entry: Entry, session: Session, lang: str) -> dict[str, Any]:
        said: dict[str, Any] = entry.details or {}
        people = {f"{entry.actor.type}:{entry.actor.id}": entry.actor.name}
        people |= {f"{one.type}:{one.id}": one.name for one in entry.related}
        items = []
        for one in said["items"]:
            mark = None
            if "seen" in one:
                type_, _, id_ = one["by"].partition(":")
                by = Actor(type=type_, id=id_, name=people.get(one["by"]))
                at = msgspec.convert(one["seen"], type=datetime)
                mark = Mark(at=at, by=by, comment=one.get("comment", ""), alert=one.get("alert"))
            item = Item(why=one["why"], entries=indexes_of(one["entries"]))
            items.append(self._item(item, mark, session, lang))
        checked = check(self._log, session.claims.workspace, entry)
        first = self._log.head(session.claims.workspace).first
        kept = [at for at in rests_on(entry) if at >= first]
        provable = session.claims.may("audit:export")
        return {
            **_short(entry, session),
            **{name: said[name] for name in ("start", "stop", "size", "root", "begun_at")},
            "rule": said["sample"]["rule"],
            "rest": said["sample"]["of"],
            "unseen_reason": _text(said.get("unseen_reason", ""), session),
            "items": items,
            "checked": {"checkpoint": checked.checkpoint, "items": checked.items},
            "evidence": {"ask": [f"entry:{spans(kept)}"]} if provable else None,
        }


def _lang(session: Session, call: Call) -> str:
    return session.lang(dict(call.query).get("lang"), call)


def _text(text: str, session: Session) -> Any:
    """Return what people wrote: prose, which stays as in the entry, but for what is nothing but somebody's address."""
    return HIDDEN if formed_personal(text) and not session.claims.may(PERSONAL) else text


def _short(entry: Entry, session: Session) -> dict[str, Any]:
    said: dict[str, Any] = entry.details or {}
    reason = entry.reason.text if entry.reason is not None else None
    return {
        "number": said["review"],
        "index": entry.index,
        "signed_at": time_text(entry.recorded_at),
        "signed_by": who(entry.actor),
        "since": said["since"],
        "until": said["until"],
        "comment": _text(reason or "", session),
        "counts": said["counts"],
    }
