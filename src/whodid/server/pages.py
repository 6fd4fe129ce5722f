"""The standalone page and the files it needs.

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

from msgspec import Struct

from whodid.server.answers import Answer, Call, Handler
from whodid.server.problems import problem

__all__ = ["POLICY", "Pages"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: only our own files, no inline code, no strings turned into code."""

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "map": "application/json",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Audit logs</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
<script type="module" src="{page}"></script>
<script type="module" src="{viewer}"></script>
</head>
<body>
<p data-notice role="alert" hidden></p>
<audit-log-viewer api="{base}" theme="auto" url-sync{tokens}></audit-log-viewer>
<noscript><p>This page needs JavaScript. <code>whodid search</code> reads the same log.</p></noscript>
</body>
</html>
"""


class _File(Struct, frozen=True):
    body: bytes
    media_type: str
    digest: str


class Pages:
    """The page at `/` and the files under `/static`.

    Args:
        token_address: Where the page fetches viewer tokens, as an absolute path or relative to the page; None when
            whoever embeds the page sets `getToken` itself.
    """

    def __init__(self, *, token_address: str | None) -> None:
        self._token_address = token_address
        self._files = dict(_load())
        self.handlers = (
            Handler("GET", "/", self._page),
            Handler("GET", "/static/{name:path}", self._file),
        )

    def _page(self, call: Call) -> Answer:
        tokens = self._token_address
        if tokens is not None and not tokens.startswith("/"):
            tokens = f"{call.base}/{tokens}"
        body = _PAGE.format(
            base=html.escape(call.base),
            page=self._address(call.base, "page.js"),
            style=self._address(call.base, "page.css"),
            tokens=f' data-tokens="{html.escape(tokens)}"' if tokens is not None else "",
            viewer=self._address(call.base, "viewer.js"),
        ).encode()
        return Answer(
            body=body,
            media_type="text/html; charset=utf-8",
            headers=(("Cache-Control", "no-cache"), ("Content-Security-Policy", POLICY)),
        )

    def _address(self, base: str, name: str) -> str:
        file = self._files.get(name)
        version = f"?v={file.digest}" if file else ""
        return html.escape(f"{base}/static/{name}{version}")

    def _file(self, call: Call) -> Answer:
        file = self._files.get(call.path["name"])
        if file is None:
            return problem(404, call.request_id)
        # Only an address with the right digest can be kept for ever; without one, or with an old one, ask again.
        exact = dict(call.query).get("v") == file.digest
        headers = (
            ("Cache-Control", "public, max-age=31536000, immutable" if exact else "public, no-cache"),
            ("ETag", f'"{file.digest}"'),
        )
        if f'"{file.digest}"' in call.headers.get("if-none-match", ""):
            return Answer(status=304, headers=headers)
        return Answer(body=file.body, media_type=file.media_type, headers=headers)


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
