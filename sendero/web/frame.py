"""What is the same for every request: its id, where it comes from, what may be posted, and the security headers."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whodid.capture.middleware import Proxies

__all__ = ["Frame", "same_site"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_SAFE = ("GET", "HEAD", "OPTIONS")


def same_site(method: str, headers: Headers, web_origin: str) -> bool:
    """Tell whether a request that changes something was sent by one of our own pages.

    Browsers say so in `Sec-Fetch-Site`; older ones send at least `Origin`. What says neither is refused.
    """
    if method in _SAFE:
        return True
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return headers.get("origin") == web_origin


class Frame:
    """Stands around the application.

    Args:
        proxies: How many proxies of yours stand in front; 0 heeds no forwarded header.
    """

    def __init__(self, app: ASGIApp, *, proxies: int) -> None:
        self._app = app
        self._proxies = Proxies(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else None
        if self._proxies.forwarded(peer) and headers.get("x-forwarded-proto") in ("http", "https"):
            scope["scheme"] = headers["x-forwarded-proto"]
        parts = urlsplit(str(HTTPConnection(scope).base_url))
        state = scope.setdefault("state", {})
        state["web_origin"] = f"{parts.scheme}://{parts.netloc}"
        state["ip"] = self._proxies.client(peer, headers.getlist("x-forwarded-for")).ip
        state["request_id"] = f"req_{secrets.token_hex(8)}"
        state["same_site"] = same_site(scope["method"], headers, state["web_origin"])

        async def framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    answered.setdefault(name, value)
                answered.setdefault("X-Request-Id", state["request_id"])
                # Pages show one person's view of one moment; files are asked for again by their digest.
                own = scope["path"].startswith("/static/")
                answered.setdefault("Cache-Control", "no-cache" if own else "no-store")
                if parts.scheme == "https":
                    answered.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self._app(scope, receive, framed)
