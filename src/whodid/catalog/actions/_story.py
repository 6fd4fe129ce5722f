"""The people and things of the examples: Casa Lumen, a shop in Madrid that writes to its customers on WhatsApp."""

from __future__ import annotations

from datetime import datetime
from typing import Any

_Json = dict[str, Any]

AISHA: _Json = {"type": "user", "id": "usr_1A", "name": "Aisha Khan", "email": "aisha@casalumen.es", "role": "Owner"}
MARIA: _Json = {
    "type": "user", "id": "usr_2M", "name": "Maria Torres", "email": "maria@casalumen.es", "role": "Manager",
}  # fmt: skip
PRIYA: _Json = {
    "type": "user",
    "id": "usr_3P",
    "name": "Priya Nair",
    "email": "priya@casalumen.es",
    "role": "Marketing",
}
TOMAS: _Json = {"type": "user", "id": "usr_4T", "name": "Tomás Ruiz", "email": "tomas@casalumen.es", "role": "Admin"}
JOAO: _Json = {"type": "user", "id": "usr_5J", "name": "João Silva", "email": "joao@casalumen.es", "role": "Agent"}
CRM_SYNC: _Json = {"type": "api_key", "id": "key_3C", "name": "CRM sync"}
GUARD: _Json = {"type": "system", "id": "campaign_guard", "name": "Campaign guard"}
DETECTION: _Json = {"type": "system", "id": "detection", "name": "Detection"}
RETENTION: _Json = {"type": "system", "id": "retention", "name": "Retention"}
ANCHORING: _Json = {"type": "system", "id": "anchoring", "name": "Anchoring"}
SEALING: _Json = {"type": "system", "id": "sealing", "name": "Sealing"}
SPOOL: _Json = {"type": "system", "id": "whodid.client", "name": "whodid client"}
VERIFIER: _Json = {"type": "system", "id": "verifier", "name": "Verifier"}
SCHEDULER: _Json = {"type": "scheduler", "id": "scheduler", "name": "Scheduler"}
WHATSAPP: _Json = {"type": "provider", "id": "whatsapp", "name": "WhatsApp"}
STRANGER: _Json = {"type": "anonymous", "id": "anonymous"}

MADRID: _Json = {
    "source": "web",
    "ip": "83.45.112.20",
    "user_agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 Safari/605.1.15",
    "country": "ES",
    "city": "Madrid",
    "request": "req_01K9ZT4M8V3W",
    "session": "ses_7KQ2",
}
LISBON: _Json = {
    "source": "sso",
    "ip": "188.81.24.7",
    "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/133.0",
    "country": "PT",
    "city": "Lisbon",
    "request": "req_01K9ZJ2QF6B0",
    "session": "ses_9VX4",
}
API: _Json = {"source": "api", "ip": "95.217.3.41", "country": "FI", "request": "req_01K9ZR8C5T1D"}
WEBHOOK: _Json = {"source": "webhook", "request": "req_01K9ZT4KZZ9A"}
JOB: _Json = {"source": "job"}

LOG: _Json = {"type": "log", "id": "wsp_3F", "name": "Casa Lumen"}
WORKSPACE: _Json = {"type": "workspace", "id": "wsp_3F", "name": "Casa Lumen"}


def event_id(at: str, number: int) -> str:
    """Return the id of an example: a UUID of version 7 made of its time and its number.

    Args:
        at: RFC 3339.
        number: Different for each example.
    """
    milliseconds = int(datetime.fromisoformat(at).timestamp() * 1000)
    stamp = f"{milliseconds:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7000-8000-{number:012x}"


def said(number: int, at: str, action: str, actor: _Json, resource: _Json, **members: Any) -> _Json:
    """Write an example event in wire form.

    Args:
        number: Makes the id; different for each example.
        at: When it happened, RFC 3339.
        members: Further members of the event.
    """
    return {
        "id": event_id(at, number),
        "occurred_at": at,
        "actor": actor,
        "action": action,
        "resource": resource,
        **members,
    }
