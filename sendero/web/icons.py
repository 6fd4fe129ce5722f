"""The few glyphs of the pages, drawn on a grid of sixteen; inline, because the content policy lets nothing else in."""

from __future__ import annotations

from markupsafe import Markup

__all__ = ["icon"]

_PATHS = {
    "plus": "M8 3v10M3 8h10",
    "pen": "M3 13l.7-3L10.6 3.1a1.4 1.4 0 012 0l.3.3a1.4 1.4 0 010 2L6 12.3 3 13z",
    "bin": "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5M6.8 7v3.6M9.2 7v3.6",
    "merge": "M4 2.5v2.2c0 2 4 2.3 4 4.3v4.5M12 2.5v2.2c0 2-4 2.3-4 4.3M5.8 11.4L8 13.6l2.2-2.2",
    "key": "M7.2 8.8L13 3M11 5l1.8 1.8M9.3 6.7l1.2 1.2M7.9 10.8a2.7 2.7 0 11-5.4 0 2.7 2.7 0 015.4 0z",
    "leave": "M6.5 3H4a1 1 0 00-1 1v8a1 1 0 001 1h2.5M7 8h6.2M10.8 5.4L13.4 8l-2.6 2.6",
    "shield": "M8 1.8l5 1.9v3.9c0 3.2-2.1 5.5-5 6.6-2.9-1.1-5-3.4-5-6.6V3.7zM5.8 8l1.6 1.6 3-3.1",
    "warn": "M8 2.4l6 10.7H2zM8 6.5v3M8 11.3v.1",
    "search": "M11.2 7A4.2 4.2 0 112.8 7a4.2 4.2 0 018.4 0zM10.2 10.2l3.3 3.3",
    "right": "M6 3.5L10.5 8 6 12.5",
    "left": "M10 3.5L5.5 8l4.5 4.5",
    "menu": "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
    "user": "M10.6 5.5a2.6 2.6 0 11-5.2 0 2.6 2.6 0 015.2 0zM3 13.5c.5-2.7 2.5-4 5-4s4.5 1.3 5 4",
    "users": (
        "M8.3 5.8a2.3 2.3 0 11-4.6 0 2.3 2.3 0 014.6 0zM1.8 13c.4-2.3 2-3.5 4.2-3.5s3.8 1.2 4.2 3.5M10.5 3.7"
        "a2.3 2.3 0 010 4.2M12 9.8c1.2.5 1.9 1.6 2.2 3.2"
    ),
    "chat": "M13.5 7.8a5.5 5.5 0 01-8 4.9l-3 .8.8-2.9a5.5 5.5 0 1110.2-2.8z",
    "doc": "M4 2.5h5.5l3 3v8H4zM9.3 2.7v3h3M6 8.5h4.5M6 10.8h3",
    "phone": (
        "M6.3 2h3.4a1.8 1.8 0 011.8 1.8v8.4A1.8 1.8 0 019.7 14H6.3"
        "a1.8 1.8 0 01-1.8-1.8V3.8A1.8 1.8 0 016.3 2zM7.3 12h1.4"
    ),
    "lock": (
        "M5.1 7h5.8a1.6 1.6 0 011.6 1.6v3.3a1.6 1.6 0 01-1.6 1.6H5.1"
        "a1.6 1.6 0 01-1.6-1.6V8.6A1.6 1.6 0 015.1 7zM5.5 7V5.3a2.5 2.5 0 015 0V7"
    ),
    "log": "M3 4h1M6.5 4H13M3 8h1M6.5 8H13M3 12h1M6.5 12H13",
    "check": "M3.5 8.5l3 3 6-7",
    "link": "M6.8 9.2l2.4-2.4M7.5 4.7l1-1a2.7 2.7 0 013.8 3.8l-1 1M8.5 11.3l-1 1a2.7 2.7 0 01-3.8-3.8l1-1",
    "send": "M13.5 2.5L7 9M13.5 2.5L9.4 13.5 7 9 2.5 6.6z",
    "filter": "M2.5 3.5h11L9.5 8.4v4.1l-3 1V8.4z",
    "gear": (
        "M10.2 8a2.2 2.2 0 11-4.4 0 2.2 2.2 0 014.4 0zM8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6 3.6L5 5M11 11l1.4 1.4"
        "M12.4 3.6L11 5M5 11l-1.4 1.4"
    ),
    "play": "M5 3l8 5-8 5z",
    "pause": "M5.5 3v10M10.5 3v10",
    "stop": "M4 4h8v8H4z",
    "upload": "M8 10.5V3M5 5.8L8 2.8l3 3M3 10.5v2.2h10v-2.2",
    "download": "M8 2.8v7.5M5 7.5l3 3 3-3M3 10.5v2.2h10v-2.2",
    "reply": "M6.5 4L3 7.5 6.5 11M3.2 7.5H10a3 3 0 013 3v1.5",
    "clock": "M13.6 8A5.6 5.6 0 112.4 8a5.6 5.6 0 0111.2 0zM8 4.8V8l2.2 1.5",
    "image": "M2.5 3.5h11v9h-11zM6.4 6.4a.9.9 0 11-1.8 0 .9.9 0 011.8 0zM3 11.8l3.4-3 2 1.7 2.4-2.6 2.4 2.6",
    "video": "M2.5 4.5h7.5v7H2.5zM10 7l3.5-2v6L10 9z",
    "pin": (
        "M8 14c2.8-3 4.3-5.3 4.3-7.3a4.3 4.3 0 10-8.6 0C3.7 8.7 5.2 11 8 14z"
        "M9.6 6.7a1.6 1.6 0 11-3.2 0 1.6 1.6 0 013.2 0z"
    ),
    "globe": (
        "M13.6 8A5.6 5.6 0 112.4 8a5.6 5.6 0 0111.2 0zM2.4 8h11.2M8 2.4c2 2 2 9.2 0 11.2M8 2.4c-2 2-2 9.2 0 11.2"
    ),
}

_SVG = Markup(
    '<svg class="i" width="{0}" height="{0}" viewBox="0 0 16 16" aria-hidden="true" focusable="false">'
    '<path d="{1}"/></svg>'
)


def icon(name: str, size: int = 16) -> Markup:
    """Return a glyph as inline SVG; it says nothing to a screen reader, the text beside it does.

    Args:
        name: One of the drawn glyphs.
        size: Width and height in pixels.
    """
    return _SVG.format(size, _PATHS[name])
