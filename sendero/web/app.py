"""The application: every page in one list, and the one way in which each of them is answered.

A request is one unit of work. Permissions are checked here, before a handler runs; a refusal rolls everything back and
is recorded by itself.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qsl, quote

from msgspec import Struct
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from sendero import api
from sendero.errors import Conflict, Forbidden, Invalid, Missing, SenderoError, Unavailable
from sendero.installation import Installation
from sendero.service import auth, refusals
from sendero.tables import Session
from sendero.web import (
    accounts,
    api_keys,
    audit,
    campaign_acts,
    campaigns,
    contacts,
    erasing,
    exporting,
    holds,
    hook,
    importing,
    me,
    merging,
    people,
    resetting,
    roles,
    segments,
    sessions,
    simulator,
    sso,
    teams,
    templates,
    two_step,
    webhooks,
)
from sendero.web import workspace as workspace_pages
from sendero.web.frame import Frame
from sendero.web.upload import Upload, read_upload
from sendero.web.visit import Form, Page, Visit
from sendero.whatsapp.demo import DemoWhatsApp
from sendero.whatsapp.provider import ProviderFault
from sendero.words import Words, choose
from sendero.work import Work, actor_of, begin, resource_of
from whodid import Resource
from whodid.capture import bind, context
from whodid.errors import InvalidEvent, StoreError
from whodid.server import asgi

__all__ = ["PAGES", "application"]

_log = logging.getLogger("sendero")

_LARGEST = 256 * 1024
_LONGEST_QUERY = 8192
_MOST_FIELDS = 500
# No keyboard types them, and the log takes no event that holds one. CR LF becomes LF before.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_ID = re.compile(r"[\w.-]{1,200}", re.ASCII)

PAGES: tuple[Page, ...] = (
    *me.PAGES,
    *two_step.PAGES,
    *sessions.PAGES,
    *resetting.PAGES,
    *importing.PAGES,
    *exporting.PAGES,
    *contacts.PAGES,
    *merging.PAGES,
    *erasing.PAGES,
    *segments.PAGES,
    *templates.PAGES,
    *campaigns.PAGES,
    *campaign_acts.PAGES,
    *accounts.PAGES,
    *simulator.PAGES,
    *people.PAGES,
    *roles.PAGES,
    *sso.PAGES,
    *teams.PAGES,
    *webhooks.PAGES,
    *api_keys.PAGES,
    *workspace_pages.PAGES,
    *holds.PAGES,
    *audit.PAGES,
)
"""Every address of the workspace, with the permission it needs."""


class Sent(Struct, frozen=True, kw_only=True):
    """A request as it came, read before the work begins."""

    path: dict[str, str]
    query: dict[str, str]
    form: Form
    upload: Upload | None
    cookies: dict[str, str]
    origin: auth.Origin
    web_origin: str
    request_id: str
    same_site: bool
    lang: str


def application(home: Installation) -> Starlette:
    """Make the application.

    Args:
        home: The installation; whoever opened it closes it and runs its relay.
    """
    door = _Door(home)
    routes: list[BaseRoute] = [
        Route(page.path, door.endpoint(page), methods=[page.method], name=f"{page.method} {page.path}")
        for page in PAGES
    ]
    log = asgi(home.log, secret=home.secret, trusted_proxies=home.settings.trusted_proxies)
    routes += [
        *api.routes(home),
        Route("/healthz", door.health, methods=["GET"]),
        hook.route(home),
        Mount("/static", StaticFiles(directory=Path(__file__).parent.parent / "static")),
        Mount("/audit", _Current(log, home)),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Frame, proxies=home.settings.trusted_proxies)],
        exception_handlers={404: door.lost, 405: door.lost},
    )
    if isinstance(home.provider, DemoWhatsApp):
        home.provider.reach(app, hook.ADDRESS)
    return app


class _Current:
    """Delivers what was committed before the log is read, so that whoever changed something finds its entry at once."""

    def __init__(self, app: ASGIApp, home: Installation) -> None:
        self._app = app
        self._home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "/v1/" in scope["path"]:
            try:
                await run_in_threadpool(self._home.relay.drain)
            except StoreError as error:
                # The log can still be read; the relay goes on trying and says so in /healthz.
                _log.warning("the log is read while events wait in the outbox: %s", error)
        await self._app(scope, receive, send)


class _Door:
    """Answers requests."""

    def __init__(self, home: Installation) -> None:
        self._home = home

    def endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """Return what Starlette calls for a page."""

        async def respond(request: Request) -> Response:
            if len(request.url.query) > _LONGEST_QUERY:
                raise HTTPException(414, "The address is too long.")
            with_file = request.headers.get("content-type", "").startswith("multipart/form-data")
            if page.largest and with_file and me.SESSION_COOKIE in request.cookies:
                async with read_upload(request, page.largest) as (form, upload):
                    return await run_in_threadpool(self._answer, page, await _sent(request, form, upload))
            sent = await _sent(request, await _form(request) if request.method == "POST" else Form())
            return await run_in_threadpool(self._answer, page, sent)

        return respond

    async def health(self, request: Request) -> Response:
        """Say whether events reach the log."""
        backlog = await run_in_threadpool(self._home.outbox.backlog)
        fault = self._home.relay.status().fault
        text = f"waiting {backlog.waiting}\nquarantined {backlog.quarantined}\nfault {fault or 'none'}\n"
        return PlainTextResponse(text, status_code=503 if fault else 200)

    async def lost(self, request: Request, error: Exception) -> Response:
        """Answer what no route took."""
        page = Page(path=request.url.path, answer=_nothing_here)
        sent = await _sent(request, Form())
        return await run_in_threadpool(self._answer, page, sent)

    def _answer(self, page: Page, sent: Sent) -> Response:
        origin = sent.origin
        with context(source="web", ip=origin.ip, user_agent=origin.user_agent, request=sent.request_id):
            told: Callable[[Visit], Response]
            try:
                return self._refuse_or(page, sent)
            except (StoreError, OperationalError):
                # A database is full, locked or away: whatever was begun was rolled back.
                _log.exception("request %s changed nothing, because it could not be recorded", sent.request_id)
                told = _unrecorded
            except Exception:  # noqa: BLE001 - whatever it was, the person gets a page and the operator a traceback
                _log.exception("request %s failed", sent.request_id)
                told = partial(_broken, request=sent.request_id)
            try:
                return self._show(page, sent, told, None)
            except (StoreError, OperationalError):
                return PlainTextResponse("The database cannot be used now. Try again in a moment.", status_code=503)

    def _refuse_or(self, page: Page, sent: Sent) -> Response:
        """Answer, or say what stands in the way."""
        try:
            return self._attempt(page, sent)
        except InvalidEvent as fault:
            # Without its entry there is no change: it was rolled back.
            _log.warning("request %s changed nothing, because the log refuses it: %s", sent.request_id, fault)
            refused = Conflict(
                "Nothing was changed, because the audit log cannot take it: "
                "a text is too long or has invisible characters."
            )
            return self._show(page, sent, page.again or _conflict, refused)
        except Forbidden as refusal:
            self._record_refusal(page, sent, refusal)
            return self._show(page, sent, _forbidden, refusal)
        except ProviderFault as fault:
            unavailable = Unavailable(fault.code, fault.text)
            self._record_failure(page, sent, unavailable)
            return self._show(page, sent, page.again or _conflict, unavailable)
        except Missing as fault:
            return self._show(page, sent, _missing, fault)
        except (Invalid, Conflict) as fault:
            try:
                return self._show(page, sent, page.again or _conflict, fault)
            except SenderoError:  # what the form is about is gone
                return self._show(page, sent, _conflict, fault)

    def _attempt(self, page: Page, sent: Sent) -> Response:
        asked = None
        if page.asks is not None:
            with begin(self._home) as work:
                admitted = self._admit(work, page, sent)
                if isinstance(admitted, Response):
                    return admitted
                question = page.asks(admitted)
            # No transaction is open while somebody else's answer is waited for.
            asked = None if question is None else question()
        with begin(self._home) as work:
            admitted = self._admit(work, page, sent)
            if isinstance(admitted, Response):
                return admitted
            admitted.asked = asked
            return page.answer(admitted)

    def _admit(self, work: Work, page: Page, sent: Sent) -> Visit | Response:
        """Return the visit of somebody who may be here, or where to send them instead."""
        visit = self._visit(work, page, sent, self._session(work, sent), None)
        if page.needs is not None:
            if visit.session is None:
                return _to_sign_in(page, sent)
            if visit.viewer.status == "invited" and not page.invited:
                return RedirectResponse("/me/password", status_code=303)
        if not sent.same_site and (visit.session is not None or page.needs is None):
            raise Forbidden("This form was sent from another site.", code="cross_site")
        if page.needs and not visit.may(page.needs):
            raise Forbidden("Your role does not permit this.", permission=page.needs)
        return visit

    def _show(
        self, page: Page, sent: Sent, answer: Callable[[Visit], Response], fault: SenderoError | None
    ) -> Response:
        """Answer after a rollback, in a unit of work of its own."""
        with begin(self._home) as work:
            session = self._session(work, sent)
            if session is None and page.needs is not None and fault is not None:
                return _to_sign_in(page, sent)  # it ended meanwhile
            return answer(self._visit(work, page, sent, session, fault))

    def _session(self, work: Work, sent: Sent) -> Session | None:
        token = sent.cookies.get(me.SESSION_COOKIE)
        session = auth.find_session(work, token) if token else None
        if session is not None:
            bind(actor=actor_of(session.user), session=session.id, workspace=work.workspace.id)
        return session

    def _visit(self, work: Work, page: Page, sent: Sent, session: Session | None, fault: SenderoError | None) -> Visit:
        return Visit(
            home=self._home,
            work=work,
            page=page,
            path=sent.path,
            query=sent.query,
            form=sent.form,
            upload=sent.upload,
            words=Words(sent.lang, work.workspace.timezone),
            origin=sent.origin,
            web_origin=sent.web_origin,
            session=session,
            fault=fault,
        )

    def _record_refusal(self, page: Page, sent: Sent, refusal: Forbidden) -> None:
        """Record what was refused; it stands by itself, because the request was rolled back."""
        with begin(self._home) as work:
            session = self._session(work, sent)
            if session is None:
                return
            action = refusal.action or page.action
            resource = refusal.resource or _attempted(work, page, action, sent)
            refusals.refused(work, action, resource, code=refusal.code, permission=refusal.permission)

    def _record_failure(self, page: Page, sent: Sent, fault: Unavailable) -> None:
        """Record what WhatsApp refused; it stands by itself, like a refusal of ours."""
        with begin(self._home) as work:
            if self._session(work, sent) is not None:
                refusals.failed(work, page.action, _attempted(work, page, page.action, sent), fault)


def _attempted(work: Work, page: Page, action: str, sent: Sent) -> Resource:
    """Name what a refused request was about."""
    if action == "page.opened":
        return Resource(type="page", id=page.path, name=page.title or page.path)
    if action.startswith("audit.hold_"):
        return Resource(type="hold", id=sent.path.get("id", "new"))
    if action.startswith("audit."):
        return Resource(type="log", id=work.workspace.id, name=work.workspace.name)
    if action == "workspace.updated":
        return resource_of(work.workspace)
    type_ = action.partition(".")[0].replace("auth", "user")
    key = sent.path.get("id")
    if key is None:
        return Resource(type=type_, id="new")
    row = work.find(type_, key)
    if row is None and not _ID.fullmatch(key):
        return Resource(type=type_, id="unknown")
    return Resource(type=type_, id=key, name=row.name if row is not None else None)


def _to_sign_in(page: Page, sent: Sent) -> Response:
    if page.method != "GET":
        return RedirectResponse("/sign-in", status_code=303)
    return RedirectResponse(f"/sign-in?next={quote(_address(page, sent))}", status_code=303)


def _address(page: Page, sent: Sent) -> str:
    path = page.path
    for name, value in sent.path.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def _problem(visit: Visit, status: int, title: str, text: str) -> Response:
    return visit.render("problem.html", status=status, title=title, text=text)


def _nothing_here(_: Visit) -> NoReturn:
    raise Missing


def _missing(visit: Visit) -> Response:
    return _problem(visit, 404, "Not found", "There is nothing at this address. It may have been deleted.")


def _conflict(visit: Visit) -> Response:
    text = visit.fault.message if visit.fault is not None else ""
    return _problem(visit, 409, "This cannot be done now", text)


def _forbidden(visit: Visit) -> Response:
    text = visit.fault.message if visit.fault is not None else ""
    return _problem(visit, 403, "Not permitted", text)


def _unrecorded(visit: Visit) -> Response:
    text = "Nothing was changed, because it could not be recorded. Try again in a moment."
    return _problem(visit, 503, "Try again in a moment", text)


def _broken(visit: Visit, *, request: str) -> Response:
    text = visit.words("Nothing was changed. If it happens again, tell your administrator this number: {n}", n=request)
    return _problem(visit, 500, "Something went wrong here", text)


async def _sent(request: Request, form: Form, upload: Upload | None = None) -> Sent:
    """Read a request."""
    cookies = request.cookies
    state = request.scope["state"]
    return Sent(
        path=dict(request.path_params),
        query=dict(request.query_params),
        form=form,
        upload=upload,
        cookies=cookies,
        origin=auth.Origin(
            device=cookies.get(me.DEVICE_COOKIE, ""),
            ip=state["ip"],
            user_agent=(request.headers.get("user-agent") or "")[:300] or None,
        ),
        web_origin=state["web_origin"],
        request_id=state["request_id"],
        same_site=state["same_site"],
        lang=choose(cookies.get(me.LANGUAGE_COOKIE), request.headers.get("accept-language", "")),
    )


async def _form(request: Request) -> Form:
    """Read what was posted, up to a limit."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST:
            raise HTTPException(413, "The form is too large.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise HTTPException(400, "The form cannot be read.") from None
    return Form([(name, _CONTROLS.sub("", value.replace("\r\n", "\n"))) for name, value in pairs])
