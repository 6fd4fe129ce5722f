"""What went wrong, as problem documents of RFC 9457: the fact, what to do, and the request that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MEDIA_TYPE", "Problem"]

MEDIA_TYPE = "application/problem+json"

_KINDS: dict[int, tuple[str, str, str]] = {
    400: ("bad-request", "The request cannot be read", "Send what the documentation of this address describes."),
    401: ("no-key", "No valid API key", "Send an active key in the header X-API-Key."),
    403: ("not-permitted", "The key may not do this", "Make a key with this permission under Settings → API keys."),
    404: ("not-found", "There is nothing here", "Check the address."),
    405: ("method", "This address does not answer to that method", "Use a method that the header Allow names."),
    408: ("too-slow", "The request took too long to arrive", "Send it again."),
    409: ("conflict", "This cannot be done now", "Read it again, and repeat the change if it is still wanted."),
    412: ("changed", "Somebody else changed it", "Read it again and repeat the change with the new ETag."),
    413: ("too-large", "The request is too large", "Send less at once."),
    414: ("too-long", "The address is too long", "Shorten the query."),
    415: ("media-type", "The body is not JSON", "Send Content-Type: application/json."),
    422: ("invalid", "A value cannot be taken", "Correct what errors names."),
    429: ("too-many", "Too many requests", "Wait as many seconds as Retry-After says."),
    500: ("internal", "Something went wrong here", "Nothing was changed. Tell your administrator the request_id."),
    503: ("unavailable", "Nothing can be changed now", "Nothing was changed. Try again in a moment."),
}


class Problem(Exception):
    """An answer that is not what was asked for.

    Args:
        status: One of the statuses that the API uses.
        detail: The fact; the title of the status when not given.
        errors: Place in the body or address → what is wrong with it.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        errors: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.detail = detail
        self.errors = dict(errors or {})
        self.headers = dict(headers or {})
        super().__init__(detail)

    def document(self, request_id: str) -> dict[str, Any]:
        """Return the problem document."""
        name, title, remedy = _KINDS[self.status]
        said: dict[str, Any] = {
            "type": f"urn:sendero:problem:{name}",
            "title": title,
            "status": self.status,
            "detail": self.detail or f"{title}.",
            "remedy": remedy,
            "request_id": request_id,
        }
        if self.errors:
            said["errors"] = [{"field": field, "detail": detail} for field, detail in self.errors.items()]
        return said
