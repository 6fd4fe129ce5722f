"""The `/v1` routes that read: lists, entries, proofs and hashes, histogram, facets, catalog, retention.

Each is three steps: open the session, read the parameters, present. Every list, count and entry carries an ETag made of
what the answer depends on (the head of the log, the resolved question, the token's rights), so that asking again costs
one look at the head.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from whodid.errors import NotFound
from whodid.log import Log
from whodid.query import Query, Term, Value, narrow
from whodid.server.answers import Answer, Call, Handler, answer_json
from whodid.server.described import Description
from whodid.server.keeping import Keeping
from whodid.server.problems import refusal
from whodid.server.reading import (
    CATALOG,
    CHECKPOINT,
    CONSISTENCY,
    ENTRIES,
    ENTRY,
    FACETS,
    HASHES,
    HISTOGRAM,
    HISTORY,
    INSIGHTS,
    PROOF,
    PROOFS,
    RETENTION,
    SUGGEST,
)
from whodid.server.sessions import Session, Sessions
from whodid.viewer import api, asks, present, proofs
from whodid.viewer.suggest import suggest

__all__ = ["Routes"]

_INDEX = re.compile(r"0|[1-9][0-9]{0,15}")
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_SHAPE = "2"
"""Raise it when an answer changes for an unchanged log, so that no browser shows an old one."""

_Inner = Callable[[Call, Session, dict[str, str]], Answer]


class Routes:
    """Routes over one log.

    Args:
        sessions: Opens requests.
    """

    def __init__(self, log: Log, sessions: Sessions) -> None:
        self._log = log
        self._sessions = sessions
        self._keeping = Keeping(log)
        self.handlers = (
            self._read("/v1/entries", self._entries, ENTRIES),
            self._read("/v1/entries/{key}", self._entry, ENTRY, looks=True),
            self._read("/v1/entries/{key}/proof", self._proof, PROOF, looks=True),
            self._read("/v1/proofs", self._proofs, PROOFS, looks=True),
            self._read("/v1/checkpoint", self._checkpoint, CHECKPOINT),
            self._read("/v1/consistency", self._consistency, CONSISTENCY),
            self._read("/v1/hashes", self._hashes, HASHES),
            self._read("/v1/histogram", self._histogram, HISTOGRAM, looks=True),
            self._read("/v1/facets", self._facets, FACETS, looks=True),
            self._read("/v1/insights", self._insights, INSIGHTS, looks=True),
            self._read("/v1/suggest", self._suggest, SUGGEST, looks=True),
            self._read("/v1/resources/{type}/{id:path}/history", self._history, HISTORY),
            self._read("/v1/catalog", self._catalog, CATALOG),
            self._read("/v1/retention", self._retention, RETENTION),
        )

    def _read(self, path: str, inner: _Inner, described: Description, *, looks: bool = False) -> Handler:
        """Make a route that reads: it opens a session, and takes the parameters that its description names.

        Args:
            looks: Whether it answers with a part of the log without being asked for a list: that opens the log as well.
        """

        def answer(call: Call) -> Answer:
            session = self._sessions.open(call)
            if session is None:
                return refusal(call.request_id)
            for permission in described.needs:
                session.require(permission)
            made = inner(call, session, asks.parameters(call.query, *described.takes))
            if looks:
                self._sessions.opened(session, call)
            return made

        return Handler("GET", path, answer, described=described)

    def _entries(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        asked = asks.question(found, now=self._log.now(), viewer=session.claims.viewer.id)
        lang = session.lang(found.get("lang"), call)
        self._sessions.opened(session, call)
        return self._unless_known(
            call,
            session,
            ["entries", str(asked), lang, found.get("cursor", ""), found.get("limit", "")],
            lambda: self._list(session, asked, found, lang),
        )

    def _list(self, session: Session, asked: Query, found: Mapping[str, str], lang: str) -> dict[str, Any]:
        """Return a page of the list, and who reads it, so that a page can tell what is the reader's own."""
        return {**api.entries(session.reader, asked, found, lang), "viewer": session.claims.viewer.id}

    def _entry(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        key, lang = _key(call.path), session.lang(found.get("lang"), call)
        policy = self._keeping.fingerprint(session.claims.workspace)
        return self._unless_known(
            call,
            session,
            ["entry", str(key), lang, policy],
            lambda: api.entry(session.reader, key, lang, stay=self._keeping.stay(session.claims.workspace)),
        )

    def _proof(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        key = _key(call.path)
        return self._unless_known(call, session, ["proof", str(key)], lambda: proofs.proof(session.reader, key))

    def _proofs(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        return self._unless_known(
            call, session, ["proofs", found.get("at", "")], lambda: proofs.proofs(session.reader, found)
        )

    def _checkpoint(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        viewer = session.fingerprint_of_viewer()
        # A cosignature may come later than the head that it is for.
        signed = self._log.cosigned(session.claims.workspace) if session.reader.head()[0] else None
        return self._unless_known(
            call, session, ["checkpoint", signed or ""], lambda: proofs.checkpoint(session.reader, viewer)
        )

    def _consistency(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        shape = [found.get(name, "") for name in ("from", "to")]
        return self._unless_known(
            call, session, ["consistency", *shape], lambda: proofs.consistency(session.reader, found)
        )

    def _hashes(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        shape = [found.get(name, "") for name in ("level", "start", "limit")]
        return self._unless_known(call, session, ["hashes", *shape], lambda: proofs.hashes(session.reader, found))

    def _histogram(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        now = self._log.now()
        asked = asks.question(found, now=now, viewer=session.claims.viewer.id)
        # Without an end the bars reach to now, which moves: to the minute is near enough to answer from the cache.
        end = "" if asked.until is not None else now.replace(second=0, microsecond=0).isoformat()
        return self._unless_known(
            call,
            session,
            ["histogram", str(asked), found.get("tz", ""), found.get("buckets", ""), end],
            lambda: api.histogram(session.reader, asked, found, now=now),
        )

    def _facets(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        asked = asks.question(found, now=self._log.now(), viewer=session.claims.viewer.id)
        lang = session.lang(found.get("lang"), call)
        shape = [found.get(name, "") for name in ("field", "prefix", "limit")]
        return self._unless_known(
            call, session, ["facets", str(asked), lang, *shape], lambda: api.facets(session.reader, asked, found, lang)
        )

    def _insights(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        now = self._log.now()
        asked = asks.question(found, now=now, viewer=session.claims.viewer.id)
        lang = session.lang(found.get("lang"), call)
        end = "" if asked.until is not None else now.replace(second=0, microsecond=0).isoformat()
        shape = [found.get(name, "") for name in ("tz", "from", "to", "buckets")]
        return self._unless_known(
            call,
            session,
            ["insights", str(asked), lang, end, *shape],
            lambda: api.insights(session.reader, asked, found, lang, now=now),
        )

    def _suggest(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        asked = asks.question(found, now=self._log.now(), viewer=session.claims.viewer.id)
        lang = session.lang(found.get("lang"), call)
        shape = [found.get(name, "") for name in ("term", "limit")]
        return self._unless_known(
            call, session, ["suggest", str(asked), lang, *shape], lambda: suggest(session.reader, asked, found, lang)
        )

    def _history(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        asked = asks.question(found, now=self._log.now(), viewer=session.claims.viewer.id)
        about = Term(field="resource", values=(Value(text=f"{call.path['type']}:{call.path['id']}"),))
        asked = narrow(asked, Query(terms=(about,)))
        lang = session.lang(found.get("lang"), call)
        self._sessions.opened(session, call)
        return self._unless_known(
            call,
            session,
            ["history", str(asked), lang, found.get("cursor", ""), found.get("limit", "")],
            lambda: self._list(session, asked, found, lang),
        )

    def _catalog(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        lang = session.lang(found.get("lang"), call)
        return _tagged(call, ["catalog", lang], lambda: present.catalog_view(self._log.catalog, lang))

    def _retention(self, call: Call, session: Session, found: dict[str, str]) -> Answer:
        policy = self._keeping.fingerprint(session.claims.workspace)
        return self._unless_known(call, session, ["retention", policy], lambda: self._keeping.view(session.reader))

    def _unless_known(
        self, call: Call, session: Session, parts: list[str], make: Callable[[], Mapping[str, Any]]
    ) -> Answer:
        """Answer, or say that the caller has this answer already; see `_tagged`."""
        size, first = session.reader.head()
        return _tagged(call, [session.fingerprint().hex(), str(size), str(first), *parts], make)


def _tagged(call: Call, parts: list[str], make: Callable[[], Mapping[str, Any]]) -> Answer:
    """Answer 304 when the request names the tag of the answer it would get, without making the answer."""
    known = "\0".join((_SHAPE, *parts)).encode("utf-8", "surrogatepass")
    tag = f'W/"{hashlib.sha256(known).hexdigest()[:32]}"'
    headers = (("ETag", tag), ("Cache-Control", "private, no-cache"), ("Vary", "Authorization, Accept-Language"))
    if tag in [part.strip() for part in call.headers.get("if-none-match", "").split(",")]:
        return Answer(status=304, headers=headers)
    return answer_json(make(), headers=headers)


def _key(path: Mapping[str, str]) -> int | str:
    """Return the index or id in a path.

    Raises:
        NotFound: It is neither; answered like an entry that is not there.
    """
    text = path["key"]
    if _INDEX.fullmatch(text):
        return int(text)
    if _ID.fullmatch(text):
        return text.lower()
    raise NotFound("There is no such entry in this log", "Check its number or id")
