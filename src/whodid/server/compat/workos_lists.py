"""What requests of WorkOS clients have in common: bodies, idempotency keys, refusals, and lists cut into pages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import msgspec

from whodid.server.answers import Answer, Call, answer_json
from whodid.server.compat.shared import Refusal, Told, retold
from whodid.server.gate import Admitted

__all__ = ["cut", "idempotency", "idempotency_key", "missing", "own", "refused", "reused", "spoken"]

_MOST = 100
_USUAL = 10
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_CODES = {401: "unauthorized", 403: "forbidden", 404: "entity_not_found", 429: "rate_limit_exceeded"}


def missing(field: str) -> Refusal:
    """Return the refusal of a request that lacks a member."""
    return Refusal(422, f"{field} is missing. Send it.", errors=[{"code": "required", "field": field}])


def own(admitted: Admitted, name: Any, field: str | None = None) -> None:
    """Refuse every workspace but the key's, whether or not it is there.

    Args:
        field: Where the name stands in the body, if it stands there.

    Raises:
        Refusal: 404, or 422 when it is missing.
    """
    if field is not None and (not isinstance(name, str) or not name):
        raise missing(field)
    if name != admitted.workspace:
        raise Refusal(404, "This key knows no such organization. Use the name of the workspace of the key.")


def reused() -> Refusal:
    """Return the refusal of an idempotency key that stood for another request."""
    return Refusal(
        409,
        "This Idempotency-Key was used for another request within 24 hours. Use a new one.",
        code="idempotency_key_reused",
    )


def idempotency_key(call: Call) -> str | None:
    """Return the idempotency key of a request, None when it has none.

    Raises:
        Refusal: 400 for one that is none.
    """
    key = call.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise Refusal(400, "The Idempotency-Key is not made of 1 to 255 printable characters. Use a UUID.")
    return key


def idempotency(call: Call, admitted: Admitted) -> tuple[str, str] | None:
    """Return digests of the idempotency key (per API key and path) and of the body, None without a key."""
    key = idempotency_key(call)
    if key is None:
        return None
    path = call.path.get("name", "")
    named = hashlib.sha256(f"{admitted.key.id}\0{path}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return named, hashlib.sha256(call.body).hexdigest()[:32]


def cut(call: Call, items: list[dict[str, Any]], key: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """Return one page of a list in the envelope that clients iterate over.

    Args:
        items: Oldest first.
        key: Names an item, for `before` and `after`.

    Raises:
        Refusal: 422 for a parameter that cannot be used.
    """
    asked = dict(call.query)
    limit = asked.get("limit", str(_USUAL))
    if not re.fullmatch(r"[0-9]{1,3}", limit) or not 1 <= int(limit) <= _MOST:
        raise Refusal(422, f"The limit is not 1 to {_MOST}.", errors=[{"code": "invalid", "field": "limit"}])
    order = asked.get("order", "desc") or "desc"
    if order not in {"asc", "desc"}:
        raise Refusal(422, "The order is neither asc nor desc.", errors=[{"code": "invalid", "field": "order"}])
    listed = items if order == "asc" else items[::-1]
    names = [key(one) for one in listed]
    start, end = 0, len(listed)
    after, before = asked.get("after"), asked.get("before")
    if after:
        start = _place(names, after, "after") + 1
    if before:
        end = _place(names, before, "before")
        start = max(start, end - int(limit))
    page = listed[start : min(end, start + int(limit))]
    last = start + len(page)
    return {
        "object": "list",
        "data": page,
        "list_metadata": {
            "before": names[start] if page and start > 0 else None,
            "after": names[last - 1] if page and last < len(listed) else None,
        },
    }


def _place(names: list[str], name: str, field: str) -> int:
    if name not in names:
        raise Refusal(422, "There is no such place in the list.", errors=[{"code": "invalid", "field": field}])
    return names.index(name)


def refused(refusal: Refusal) -> Answer:
    """Answer with a refusal in the form that the clients read."""
    body: dict[str, Any] = {"message": refusal.fact}
    code = refusal.code or _CODES.get(refusal.status)
    if code:
        body["code"] = code
    if refusal.errors:
        body["errors"] = refusal.errors
    return answer_json(body, status=refusal.status, headers=refusal.headers)


@retold
def spoken(told: Told, answer: Answer, _: str) -> Answer:
    """Say a problem in the form that the clients read."""
    errors = [{"code": "invalid", "field": "event" + told.pointer.replace("/", ".")}] if told.pointer else None
    made = refused(Refusal(told.status, told.fact, errors=errors))
    return msgspec.structs.replace(made, headers=answer.headers)
