"""CEF and LEEF 2.0, the two line formats of security products; no value gets out of its field.

CEF escapes the backslash everywhere, the pipe in its header, and the equals sign and line ends in its extension. LEEF
has no escapes: its attributes are divided by tabs, so tabs and line ends in values become spaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from whodid import canonical
from whodid.model import Entry
from whodid.sinks.formats.ecs import SEVERITIES
from whodid.sinks.formats.notice import Notice

__all__ = ["cef", "cef_notice", "leef", "leef_notice"]

_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]+")
_HEADER = str.maketrans({"\\": "\\\\", "|": "\\|"})
_EXTENSION = str.maketrans({"\\": "\\\\", "=": "\\=", "\n": "\\n", "\r": "\\r"})
_MAKER = "whodid|whodid|1"


def cef(entry: Entry) -> bytes:
    """Write an entry as CEF."""
    where = entry.context
    return _cef(
        entry.action,
        entry.action.replace(".", " ").replace("_", " "),
        SEVERITIES[entry.severity],
        {
            "rt": str(canonical.micros(entry.occurred_at) // 1_000),
            "externalId": entry.id,
            "suid": entry.actor.id,
            "suser": entry.actor.name,
            "spriv": entry.actor.role,
            "src": None if where is None else where.ip,
            "requestClientApplication": None if where is None else where.user_agent,
            "outcome": entry.outcome,
            "reason": _reason(entry),
            "cat": entry.kind,
            "cs1Label": "workspace",
            "cs1": entry.workspace,
            "cs2Label": "resource",
            "cs2": f"{entry.resource.type}:{entry.resource.id}",
            "cs3Label": "resourceName" if entry.resource.name is not None else None,
            "cs3": entry.resource.name,
            "cn1Label": "index",
            "cn1": str(entry.index),
            "msg": canonical.wire(entry).decode(),
        },
    )


def cef_notice(notice: Notice) -> bytes:
    """Write a notice as CEF."""
    said = {
        "rt": str(canonical.micros(notice.at) // 1_000),
        "externalId": notice.id,
        "cs1Label": "workspace",
        "cs1": notice.workspace,
        "msg": notice.wire().decode(),
    }
    return _cef(f"whodid.{notice.what}", notice.text, 0, said)


def leef(entry: Entry) -> bytes:
    """Write an entry as LEEF 2.0."""
    where = entry.context
    return _leef(
        entry.action,
        {
            "devTime": str(canonical.micros(entry.occurred_at) // 1_000),
            "cat": entry.kind,
            "sev": str(SEVERITIES[entry.severity]),
            "usrName": entry.actor.name or entry.actor.id,
            "accountName": entry.actor.id,
            "role": entry.actor.role,
            "src": None if where is None else where.ip,
            "userAgent": None if where is None else where.user_agent,
            "outcome": entry.outcome,
            "reason": _reason(entry),
            "workspace": entry.workspace,
            "resource": f"{entry.resource.type}:{entry.resource.id}",
            "resourceName": entry.resource.name,
            "index": str(entry.index),
            "id": entry.id,
            "entry": canonical.wire(entry).decode(),
        },
    )


def leef_notice(notice: Notice) -> bytes:
    """Write a notice as LEEF 2.0."""
    said = {
        "devTime": str(canonical.micros(notice.at) // 1_000),
        "sev": "0",
        "workspace": notice.workspace,
        "id": notice.id,
        "entry": notice.wire().decode(),
    }
    return _leef(f"whodid.{notice.what}", said)


def _reason(entry: Entry) -> str | None:
    return None if entry.reason is None else entry.reason.text or entry.reason.code


def _cef(action: str, name: str, severity: int, extension: Mapping[str, str | None]) -> bytes:
    header = "|".join(_CONTROL.sub(" ", part).translate(_HEADER) for part in (action, name, str(severity)))
    pairs = (f"{key}={_cef_value(value)}" for key, value in extension.items() if value)
    return f"CEF:0|{_MAKER}|{header}|{' '.join(pairs)}".encode()


def _cef_value(text: str) -> str:
    return _CONTROL.sub(" ", text.translate(_EXTENSION))


def _leef(action: str, attributes: Mapping[str, str | None]) -> bytes:
    pairs = (f"{key}={_CONTROL.sub(' ', value)}" for key, value in attributes.items() if value)
    name = _CONTROL.sub(" ", action).replace("|", "/")
    return f"LEEF:2.0|{_MAKER}|{name}|x09|{chr(9).join(pairs)}".encode()
