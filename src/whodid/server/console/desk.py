"""What the pages of the console do: look, make and end keys, change retention, end sessions.

Holds are in `holding`, erasures in `forgetting`, sinks in `sinking`.

Each act is an entry of the workspace with the operator as its actor, made by the same functions as everywhere else. An
act that is refused is an entry, too, as denied.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import msgspec

from whodid.errors import StoreError, WhodidError
from whodid.log import Log
from whodid.model import Reason, Resource
from whodid.retention import STANDARD, Policy, change_policy, preview, read_holds, read_policy
from whodid.server.administration import LONGEST_OVERLAP
from whodid.server.answers import Answer, Call, Handler, media_type_of
from whodid.server.console import keys_views, retention_views, views
from whodid.server.console.acts import FAULTS, Act, Do, Look, Wrong, checked, onward, place_of, told
from whodid.server.console.forgetting import ErasureDesk
from whodid.server.console.holding import HoldDesk
from whodid.server.console.keys_views import ENDS
from whodid.server.console.parts import Form, Frame
from whodid.server.console.sinking import SinkDesk
from whodid.server.console.visits import Console, Visit, from_own_page
from whodid.server.console.words import words_for
from whodid.server.keys import KeyRing
from whodid.server.pages import Pages
from whodid.server.problems import problem_of
from whodid.server.refusals import Refusals
from whodid.server.sessions import context_of
from whodid.server.signing import same
from whodid.server.workspaces import look_at, page_of
from whodid.sinks import Sinks
from whodid.viewer import asks

__all__ = ["Desk"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; "
    "require-trusted-types-for 'script'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", _POLICY),
    # Forms say where they come from, to us alone.
    ("Referrer-Policy", "same-origin"),
)
_FORM = "application/x-www-form-urlencoded"
_HTML = "text/html; charset=utf-8"
_WHOLE = re.compile(r"[0-9]{1,7}")
_PER_PAGE = 50
_MOST_FIELDS = 100


_log = logging.getLogger("whodid.server")


_CREATE, _REVOKE, _KEEP = (
    Act("api_key.created", "api_key"),
    Act("api_key.revoked", "api_key"),
    Act("audit.retention_changed", "log"),
)


class Desk:
    """The pages under `/console`.

    Args:
        console: Knows the sessions.
        pages: Knows where style and script are.
        secret: Makes the ids of the entries about refusals.
        sso: Whether people can sign in at a provider.
    """

    def __init__(self, log: Log, console: Console, pages: Pages, *, secret: bytes, sso: bool = False) -> None:
        self._log = log
        self._console = console
        self._pages = pages
        self._refusals = Refusals(log, secret=secret)
        self._sso = sso
        one = "/console/workspaces/{workspace}"
        key = one + "/keys/{id}"
        desks = (HoldDesk(log, self.page), ErasureDesk(log, self.page), SinkDesk(log, self.page))
        looks: tuple[tuple[str, Look], ...] = (
            ("/console/workspaces", self._named),
            (one, self._workspace),
            (f"{one}/log", self._viewer),
            (key, self._key),
            (f"{one}/retention", self._retention),
            ("/console/sessions", self._sessions),
            *(look for desk in desks for look in desk.looks),
        )
        acts: tuple[tuple[str, Do, Act | None], ...] = (
            (f"{one}/keys", self._create, _CREATE),
            (f"{key}/rotate", self._rotate, _CREATE),
            (f"{key}/revoke", self._revoke, _REVOKE),
            (f"{one}/retention", self._keep, _KEEP),
            (f"{one}/retention/preview", self._foretell, _KEEP),
            ("/console/sessions/{id}/end", self._end, None),
            ("/console/sign-out", self._leave, None),
            *(act for desk in desks for act in desk.acts),
        )
        self.handlers = (
            Handler("GET", "/console", self._front),
            *(Handler("GET", path, self._looking(look)) for path, look in looks),
            *(Handler("POST", path, self._doing(do, act)) for path, do, act in acts),
        )

    # ------------------------------------------------------------------------------------------------------- admission

    def _looking(self, look: Look) -> Callable[[Call], Answer]:
        """Answer a page to an operator, and lead everybody else to where one signs in."""

        def answer(call: Call) -> Answer:
            visit = self._console.visit(call)
            if visit is None:
                return onward(f"{call.base}/console")
            if not visit.operator:
                return self.trouble(call, visit, 403, "not_operator")
            return self._guarded(call, visit, lambda: look(call, visit))

        return answer

    def _doing(self, do: Do, act: Act | None) -> Callable[[Call], Answer]:
        """Do what a form asks if an operator sent it from our own page; record that it was refused otherwise."""

        def answer(call: Call) -> Answer:
            visit = self._console.visit(call)
            if visit is None:
                return onward(f"{call.base}/console")
            form = _read(call)
            genuine = form is not None and same(form.one("form").encode(), visit.form.encode())
            if not visit.operator or form is None or not genuine or not from_own_page(call):
                cause = "form" if visit.operator else "operator"
                self._denied(call, visit, act, cause)
                return self.trouble(
                    call, visit, 403, "not_operator" if cause == "operator" else "form_old", "form_again"
                )
            return self._guarded(call, visit, lambda: do(call, visit, form))

        return answer

    def _guarded(self, call: Call, visit: Visit, inner: Callable[[], Answer]) -> Answer:
        try:
            return inner()
        except WhodidError as error:
            if isinstance(error, StoreError):
                _log.error("request %s: %s: %s", call.request_id, type(error).__name__, error)
            answer = problem_of(error, call.request_id)
        fault: dict[str, str] = msgspec.json.decode(answer.body if isinstance(answer.body, bytes) else b"{}")
        return self.page(
            call,
            visit,
            lambda frame: views.trouble_page(frame, fault["detail"], fault["remedy"], call.request_id),
            status=answer.status,
        )

    def _denied(self, call: Call, visit: Visit, act: Act | None, cause: str) -> None:
        """Record that an act was refused, in the log that it would have been in."""
        workspace = call.path.get("workspace", "") if visit.operator else visit.workspace or ""
        if act is None or workspace not in self._log.workspaces():
            return
        about = workspace if act.resource == "log" else call.path.get("id", "unmade")
        name = None if act.resource == "log" else "that was asked for"
        resource = Resource(type=act.resource, id=about[:100], name=name)
        route = f"{call.method} /console"
        context = context_of(call)
        self._refusals.record(workspace, visit.viewer, act.action, resource, cause=cause, route=route, context=context)

    # ----------------------------------------------------------------------------------------------------------- looks

    def _front(self, call: Call) -> Answer:
        visit = self._console.visit(call)
        if visit is None:
            return self.page(call, None, lambda frame: views.sign_in_page(frame, sso=self._sso))
        return self._looking(self._workspaces)(call)

    def _workspaces(self, call: Call, visit: Visit) -> Answer:
        asked = asks.parameters(call.query, "q", "after")
        search = asked.get("q", "").strip()
        found = page_of(self._log, search=search, after=asked.get("after", ""), limit=_PER_PAGE)
        stats = self._log.stats(found.items[0].workspace) if found.items else {}
        size = stats.get("bytes")
        return self.page(call, visit, lambda frame: views.workspaces_page(frame, found, search=search, size=size))

    def _named(self, call: Call, visit: Visit) -> Answer:
        """Lead to the workspace that was typed."""
        name = asks.parameters(call.query, "workspace").get("workspace", "").strip()
        return onward(f"{call.base}/console/workspaces/{checked(name)}")

    def _workspace(self, call: Call, visit: Visit) -> Answer:
        return self._shown(call, visit, Form())

    def _shown(self, call: Call, visit: Visit, form: Form) -> Answer:
        name = checked(call.path["workspace"])
        found, now, keys = look_at(self._log, name), self._log.now(), self._ring(call, visit).all()
        holds = len(read_holds(self._log, name))
        sinks = Sinks(self._log, name, actor=visit.viewer).all() if found.size else []
        made = next((key for key in keys if visit.made.startswith(f"wk_{key.id}_")), None)
        ended = next((key for key in keys if made is not None and key.id == made.replaces), None)
        return self.page(
            call,
            visit,
            lambda frame: views.workspace_page(
                frame, found, keys, now, form=form, ended=ended, holds=holds, sinks=sinks
            ),
            status=422 if form.fault else 200,
        )

    def _viewer(self, call: Call, visit: Visit) -> Answer:
        name = checked(call.path["workspace"])
        self._log.head(name)  # opening a log is an entry; it must not bring one into being
        return self._pages.console(call, name)

    def _key(self, call: Call, visit: Visit) -> Answer:
        return self._key_shown(call, visit, "")

    def _key_shown(self, call: Call, visit: Visit, fault: str) -> Answer:
        workspace = checked(call.path["workspace"])
        key = self._ring(call, visit).get(call.path["id"])
        now = self._log.now()
        return self.page(
            call,
            visit,
            lambda frame: keys_views.key_page(frame, workspace, key, now, fault=fault),
            status=422 if fault else 200,
        )

    def _retention(self, call: Call, visit: Visit) -> Answer:
        policy = read_policy(self._log, checked(call.path["workspace"]))
        return self._retention_shown(call, visit, policy, Form())

    def _retention_shown(self, call: Call, visit: Visit, policy: Policy, form: Form, **more: Any) -> Answer:
        workspace = checked(call.path["workspace"])
        classes = sorted({action.retention for action in self._log.catalog.values()} - {STANDARD})
        return self.page(
            call,
            visit,
            lambda frame: retention_views.retention_page(frame, workspace, policy, classes, form=form, **more),
            status=422 if form.fault else 200,
        )

    def _sessions(self, call: Call, visit: Visit) -> Answer:
        return self.page(call, visit, lambda frame: views.sessions_page(frame, self._console.visits()))

    # ------------------------------------------------------------------------------------------------------------ acts

    def _create(self, call: Call, visit: Visit, form: Form) -> Answer:
        rate = form.one("rate").strip()
        try:
            if rate and not _WHOLE.fullmatch(rate):
                raise Wrong(words_for("en")("rate_wrong", text=rate))
            made = self._ring(call, visit).create(
                form.one("name").strip(),
                scopes=form.values.get("scope", ()),
                expires_at=self._end_of(form),
                rate=int(rate) if rate else None,
            )
        except FAULTS as error:
            return self._shown(call, visit, form.wrong(told(error)))
        visit.made = made.text
        return onward(place_of(call))

    def _rotate(self, call: Call, visit: Visit, form: Form) -> Answer:
        overlap = form.one("overlap")
        try:
            if not _WHOLE.fullmatch(overlap) or int(overlap) > LONGEST_OVERLAP.total_seconds():
                raise Wrong(words_for("en").text("form_old"))
            made = self._ring(call, visit).rotate(
                call.path["id"], overlap=timedelta(seconds=int(overlap)), expires_at=self._end_of(form)
            )
        except FAULTS as error:
            return self._key_shown(call, visit, told(error))
        visit.made = made.text
        return onward(place_of(call))

    def _revoke(self, call: Call, visit: Visit, form: Form) -> Answer:
        self._ring(call, visit).revoke(call.path["id"])
        visit.said = "said_revoked"
        return onward(place_of(call))

    def _keep(self, call: Call, visit: Visit, form: Form) -> Answer:
        workspace = checked(call.path["workspace"])
        policy = read_policy(self._log, workspace)
        try:
            policy = _policy(form)
            if not form.one("reason").strip():
                raise Wrong(words_for("en").text("reason_missing"))
            receipt = change_policy(
                self._log,
                workspace,
                policy,
                actor=visit.viewer,
                context=context_of(call),
                reason=Reason(text=form.one("reason").strip()),
            )
        except FAULTS as error:
            return self._retention_shown(call, visit, policy, form.wrong(told(error)))
        visit.said = "said_retention" if receipt else "said_same"
        return onward(place_of(call))

    def _foretell(self, call: Call, visit: Visit, form: Form) -> Answer:
        workspace = checked(call.path["workspace"])
        policy = read_policy(self._log, workspace)
        try:
            policy = _policy(form)
            found = preview(self._log, workspace, policy)
        except FAULTS as error:
            return self._retention_shown(call, visit, policy, form.wrong(told(error)))
        return self._retention_shown(call, visit, policy, form, foretold=found)

    def _end(self, call: Call, visit: Visit, form: Form) -> Answer:
        if self._console.end(call.path["id"]):
            visit.said = "said_ended"
        return onward(f"{call.base}/console/sessions")

    def _leave(self, call: Call, visit: Visit, form: Form) -> Answer:
        return onward(f"{call.base}/console", self._console.leave(call))

    # ----------------------------------------------------------------------------------------------------------- parts

    def _ring(self, call: Call, visit: Visit) -> KeyRing:
        return KeyRing(self._log, checked(call.path["workspace"]), actor=visit.viewer, context=context_of(call))

    def _end_of(self, form: Form) -> datetime | None:
        days = form.one("ends", "never")
        return self._log.now() + timedelta(days=int(days)) if days in ENDS else None

    def trouble(self, call: Call, visit: Visit | None, status: int, fact: str, remedy: str = "") -> Answer:
        """Answer that something did not work."""
        say = words_for("en")
        advice = say.text(remedy) if remedy else ""
        return self.page(
            call, visit, lambda frame: views.trouble_page(frame, say.text(fact), advice, call.request_id), status=status
        )

    def page(self, call: Call, visit: Visit | None, make: Callable[[Frame], bytes], *, status: int = 200) -> Answer:
        """Write a page; what it had to say and show once is forgotten with it."""
        frame = Frame(
            words=words_for("en"),
            base=call.base,
            style=self._pages.address(call.base, "console.css"),
            script=self._pages.address(call.base, "console.js"),
            visit=visit,
        )
        body = make(frame)
        if visit is not None and status == 200 and call.method == "GET":
            visit.made = visit.said = ""
        return Answer(status=status, body=body, media_type=_HTML, headers=_HEADERS)


def _read(call: Call) -> Form | None:
    """Return the fields of a form, or None for a body that is none."""
    if media_type_of(call.headers.get("content-type", "")) != _FORM:
        return None
    try:
        values = parse_qs(
            call.body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return None
    return Form(values=values)


def _policy(form: Form) -> Policy:
    own = {name: _days(form.one(f"days.{name}")) for name in form.values.get("class", ())}
    return Policy(days=_days(form.one("days")), classes=own)


def _days(text: str) -> int | None:
    typed = text.strip().replace(",", "")
    if not typed:
        return None
    if not _WHOLE.fullmatch(typed):
        raise Wrong(words_for("en")("days_wrong", text=text))
    return int(typed)
