"""How WhatsApp tells something, for the tests: notices as Meta documents them, signed as Meta signs them."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from starlette.testclient import TestClient

from tests.lumen import NOW, Lumen, account_values

__all__ = ["AT", "SECRET", "WABA", "message", "notice", "preference", "signed", "tell", "template"]

SECRET: str = account_values()["app_secret"]
WABA: str = account_values()["waba_id"]
AT = int(NOW.timestamp())


def notice(field: str, value: Any, *, at: int = AT, waba: str = WABA) -> dict[str, Any]:
    """Return the body of a request with one change."""
    entry = {"id": waba, "time": at, "changes": [{"field": field, "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a request."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


def tell(place: Lumen, field: str, value: Any, *, at: int = AT, waba: str = WABA, expect: int = 200) -> None:
    """Tell one thing."""
    body = json.dumps(notice(field, value, at=at, waba=waba)).encode()
    answer = TestClient(place.app).post("/webhooks/whatsapp", content=body, headers=signed(body))
    assert answer.status_code == expect, answer.text


def template(event: str, **more: Any) -> dict[str, Any]:
    """Return what is said about the status of the template of the set-up."""
    return {
        "event": event,
        "message_template_id": 1689556908129832,
        "message_template_name": "order_update",
        "message_template_language": "en",
        "message_template_category": "UTILITY",
        "reason": "NONE",
        **more,
    }


def message(
    wa_id: str = "", *, user_id: str = "", name: str = "", key: str = "wamid.A", **profile: Any
) -> dict[str, Any]:
    """Return a message that somebody wrote."""
    contact = {"profile": {"name": name}, **profile}
    told = {"id": key, "timestamp": str(AT), "type": "text", "text": {"body": "Hola"}}
    if wa_id:
        contact["wa_id"] = told["from"] = wa_id
    if user_id:
        contact["user_id"] = told["from_user_id"] = user_id
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "34910555014", "phone_number_id": "2002"},
        "contacts": [contact],
        "messages": [told],
    }


def preference(value: str, wa_id: str = "34655018342", *, at: int = AT, user_id: str = "") -> dict[str, Any]:
    """Return that somebody stopped or resumed marketing messages."""
    said = {
        "wa_id": wa_id,
        "detail": f"User requested to {value} marketing messages",
        "category": "marketing_messages",
        "value": value,
        "timestamp": at,
    }
    if user_id:
        said["user_id"] = user_id
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "34910555014", "phone_number_id": "2002"},
        "contacts": [{"profile": {"name": "Juan"}, "wa_id": wa_id}],
        "user_preferences": [said],
    }
