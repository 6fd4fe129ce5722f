"""The address that WhatsApp sends its notices to: raw bodies, signed; no session, no form, no page."""

from __future__ import annotations

import logging

from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sendero.installation import Installation
from sendero.whatsapp import inbound
from sendero.work import begin
from whodid.errors import StoreError

__all__ = ["ADDRESS", "route"]

ADDRESS = "/webhooks/whatsapp"

_LARGEST = 3 * 2**20  # what WhatsApp says its notices can reach
_LONGEST_CHALLENGE = 200
_log = logging.getLogger("sendero.whatsapp")


def route(home: Installation) -> Route:
    """Return the address and what answers there."""
    return Route(ADDRESS, _Hook(home).answer, methods=["GET", "POST"])


class _Hook:
    def __init__(self, home: Installation) -> None:
        self._home = home

    async def answer(self, request: Request) -> Response:
        """Answer WhatsApp, or whoever passes for it."""
        state = request.scope["state"]
        origin = inbound.Origin(
            ip=state["ip"],
            user_agent=(request.headers.get("user-agent") or "")[:300] or None,
            request=state["request_id"],
        )
        body = b""
        if request.method == "POST":
            async for part in request.stream():
                body += part
                if len(body) > _LARGEST:
                    return PlainTextResponse("The notice is too large.", status_code=413)
        given = request.headers.get("x-hub-signature-256", "")
        query = dict(request.query_params)
        try:
            if request.method == "POST":
                return await run_in_threadpool(self._take, body, given, origin)
            return await run_in_threadpool(self._greet, query, origin)
        except (StoreError, OperationalError):
            _log.exception("a request of WhatsApp was not taken; it will be sent again")
            return PlainTextResponse("Try again later.", status_code=503)

    def _greet(self, query: dict[str, str], origin: inbound.Origin) -> Response:
        with begin(self._home) as work:
            known = inbound.challenge(work, query.get("hub.mode", ""), query.get("hub.verify_token", ""))
        if not known:
            inbound.refused(self._home, origin, "verify_token")
            return PlainTextResponse("This is not the verify token of an account here.", status_code=403)
        return PlainTextResponse(query.get("hub.challenge", "")[:_LONGEST_CHALLENGE])

    def _take(self, body: bytes, given: str, origin: inbound.Origin) -> Response:
        with begin(self._home) as work:
            names = [account.id for account in inbound.trusted(work, body, given)]
        if not names:
            inbound.refused(self._home, origin, "signature" if given else "no_signature")
            return PlainTextResponse("The signature is not that of an account here.", status_code=401)
        try:
            done = inbound.take(self._home, body, names, origin)
        except inbound.Unreadable:
            return PlainTextResponse("This is not a notice of WhatsApp.", status_code=400)
        return PlainTextResponse("OK" if done else "Send it again later.", status_code=200 if done else 500)
