"""The standalone pages of the log and of its alerts, the page for iframes, and the files they need.

Files are read once, when the application is made, and served from memory by name: what is not in the list does not
exist. The page names each file with the digest of its content, so that a browser keeps it for ever and never shows an
old one.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from urllib.parse import quote, urlencode

from msgspec import Struct

from whodid.server.answers import Answer, Call, Handler
from whodid.server.printing import words
from whodid.server.problems import problem
from whodid.viewer.asks import language

__all__ = ["POLICY", "Pages"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: only our own files, no inline code, no strings turned into code."""

_FRAMED = POLICY.replace("frame-ancestors 'none'", "frame-ancestors {origins}")

_HEADERS = (("Cache-Control", "no-cache"), ("Vary", "Accept-Language"))

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "map": "application/json",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Audit logs</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
{words}<script type="module" src="{page}"></script>
<script type="module" src="{viewer}"></script>
</head>
"""
_WORDS = """<link rel="preload" as="fetch" crossorigin href="{words}">
"""

_PAGE = (
    _HEAD
    + """<body>
<p data-notice role="alert" hidden></p>
<audit-log-viewer api="{base}" alerts="{base}/alerts" theme="auto" url-sync{tokens}></audit-log-viewer>
<noscript><p>This page needs JavaScript. <code>whodid search</code> reads the same log.</p></noscript>
</body>
</html>
"""
)

_CONSOLE = (
    _HEAD
    + """<body class="beside">
<header><a href="{back}">‹ <bdi>{workspace}</bdi></a></header>
<p data-notice role="alert" hidden></p>
<audit-log-viewer api="{base}" theme="auto" url-sync{tokens}></audit-log-viewer>
</body>
</html>
"""
)

_ALERTS = (
    _HEAD
    + """<body class="beside">
<header><a href="{base}/">‹ {back}</a></header>
<p data-notice role="alert" hidden></p>
<audit-log-alerts api="{base}" log="{base}/" theme="auto"{tokens}></audit-log-alerts>
<noscript><p>This page needs JavaScript.</p></noscript>
</body>
</html>
"""
)

_EMBED = (
    _HEAD
    + """<body data-origins="{origins}">
<audit-log-viewer api="{base}" theme="auto" tell-height></audit-log-viewer>
</body>
</html>
"""
)


class _File(Struct, frozen=True):
    body: bytes
    media_type: str
    digest: str


class Pages:
    """The page at `/`, that of the alerts, and the files under `/static`.

    Args:
        token_address: Where the page fetches viewer tokens, as an absolute path or relative to the page; None when
            whoever embeds the page sets `getToken` itself.
        origins: Web origins whose pages may show `/embed` in an iframe.
    """

    def __init__(self, *, token_address: str | None, origins: tuple[str, ...] = ()) -> None:
        self._token_address = token_address
        self._origins = origins
        self._files = dict(_load())
        # A name with the digest in it is for pages elsewhere: together with an integrity attribute it never changes.
        self._versions = {versioned(name, file.digest): name for name, file in self._files.items()}
        self.handlers = (
            Handler("GET", "/", self._page),
            Handler("GET", "/alerts", self._alerts),
            Handler("GET", "/exports", self._exports),
            Handler("GET", "/embed", self._embed),
            Handler("GET", "/static/{name:path}", self._file),
        )

    def _page(self, call: Call) -> Answer:
        return self._viewer(call, _PAGE, self._token_address)

    def _alerts(self, call: Call) -> Answer:
        back = html.escape(words()[_language(call)]["title"])
        return self._viewer(call, _ALERTS, self._token_address, element="alerts.js", back=back)

    def _exports(self, call: Call) -> Answer:
        """Lead to the log with the dialog of exports open; filters come along."""
        kept = [(name, value) for name, value in call.query if name != "dialog"]
        place = f"{call.base}/?{urlencode([*kept, ('dialog', 'exports')])}"
        return Answer(status=307, headers=(("Location", place), ("Cache-Control", "no-store")))

    def console(self, call: Call, workspace: str) -> Answer:
        """Answer with the log of one workspace for an operator, with a way back to the console."""
        tokens = f"session/token?workspace={quote(workspace)}"
        back = html.escape(f"{call.base}/console/workspaces/{quote(workspace, safe=':')}")
        return self._viewer(call, _CONSOLE, tokens, back=back, workspace=html.escape(workspace))

    def _viewer(
        self, call: Call, template: str, tokens: str | None, *, element: str = "viewer.js", **slots: str
    ) -> Answer:
        if tokens is not None and not tokens.startswith("/"):
            tokens = f"{call.base}/{tokens}"
        body = template.format(
            **slots,
            base=html.escape(call.base),
            page=self.address(call.base, "page.js"),
            style=self.address(call.base, "page.css"),
            tokens=f' data-tokens="{html.escape(tokens)}"' if tokens is not None else "",
            viewer=self.address(call.base, element),
            words=self._words(call) if element == "viewer.js" else "",
        ).encode()
        return Answer(
            body=body,
            media_type="text/html; charset=utf-8",
            headers=(*_HEADERS, ("Content-Security-Policy", POLICY)),
        )

    def _embed(self, call: Call) -> Answer:
        if any("token" in name.lower() for name, _ in call.query):
            return problem(
                400, call.request_id, "A token does not belong in an address.", "Hand it over by postMessage."
            )
        body = _EMBED.format(
            base=html.escape(call.base),
            page=self.address(call.base, "embed.js"),
            style=self.address(call.base, "page.css"),
            viewer=self.address(call.base, "viewer.js"),
            words=self._words(call),
            origins=html.escape(" ".join(self._origins)),
        ).encode()
        ancestors = " ".join(self._origins) or "'none'"
        headers = [*_HEADERS, ("Content-Security-Policy", _FRAMED.format(origins=ancestors))]
        if self._origins:
            # A page that isolates itself frames only what says that it may be framed.
            headers.append(("Cross-Origin-Resource-Policy", "cross-origin"))
        return Answer(body=body, media_type="text/html; charset=utf-8", headers=tuple(headers))

    def _words(self, call: Call) -> str:
        """Name the texts that the viewer will want, so that they come along with its code."""
        return _WORDS.format(words=self.address(call.base, f"locales/{_language(call)}.json"))

    def address(self, base: str, name: str) -> str:
        """Return the address of a file, with its digest, as it stands in HTML."""
        file = self._files.get(name)
        version = f"?v={file.digest}" if file else ""
        return html.escape(f"{base}/static/{name}{version}")

    def _file(self, call: Call) -> Answer:
        name = call.path["name"]
        file = self._files.get(self._versions.get(name, name))
        if file is None:
            return problem(404, call.request_id)
        # Only an address with the right digest can be kept for ever; without one, or with an old one, ask again.
        exact = name in self._versions or dict(call.query).get("v") == file.digest
        headers = (
            ("Cache-Control", "public, max-age=31536000, immutable" if exact else "public, no-cache"),
            ("ETag", f'"{file.digest}"'),
        )
        if f'"{file.digest}"' in call.headers.get("if-none-match", ""):
            return Answer(status=304, headers=headers)
        return Answer(body=file.body, media_type=file.media_type, headers=headers)


def _language(call: Call) -> str:
    """Return the language that the reader's browser asks for, as far as it is spoken here."""
    wishes = [one.partition(";")[0].strip() for one in call.headers.get("accept-language", "").split(",")]
    return language(*wishes)


def versioned(name: str, digest: str) -> str:
    """Return the name of a file with the digest of its content: `viewer-0123456789abcdef.js`."""
    stem, dot, ending = name.rpartition(".")
    return f"{stem}-{digest}{dot}{ending}"


def _load() -> Iterator[tuple[str, _File]]:
    """Read what the viewer was built to, and the few files of the page around it."""
    for folder in (resources.files("whodid.viewer") / "static", resources.files("whodid.server") / "web"):
        for name, file in _walk(folder, ""):
            media_type = _TYPES.get(name.rpartition(".")[2])
            if media_type is not None:
                body = file.read_bytes()
                yield name, _File(body, media_type, hashlib.sha256(body).hexdigest()[:16])


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for child in folder.iterdir():
        if child.is_dir():
            yield from _walk(child, f"{prefix}{child.name}/")
        else:
            yield prefix + child.name, child
