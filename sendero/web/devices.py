"""What a browser calls itself, in two words that people know."""

from __future__ import annotations

__all__ = ["device_of"]

_BROWSERS = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chromium", "Chromium"), ("Chrome", "Chrome"),
    ("CriOS", "Chrome"), ("FxiOS", "Firefox"), ("Safari", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


def device_of(user_agent: str | None) -> str:
    """Name a browser and its system; what neither is known of is shown as it calls itself, shortened."""
    text = user_agent or ""
    found = [next((name for mark, name in marks if mark in text), "") for marks in (_BROWSERS, _SYSTEMS)]
    return ", ".join(name for name in found if name) or text[:40] or "–"
