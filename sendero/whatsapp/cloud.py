"""WhatsApp over its Cloud API: the paths, the payloads and the error codes that Meta documents.

A token travels in the header of a request and nowhere else: no error, no log and no address holds one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, TypeVar
from urllib.parse import parse_qsl, quote

import httpx2
import msgspec
from msgspec import Struct

from sendero.whatsapp.forms import parameters
from sendero.whatsapp.provider import Found, Line, Media, Outgoing, ProviderFault, Standing, Submitted

__all__ = ["BASE", "CloudApi"]

_T = TypeVar("_T")

BASE = "https://graph.facebook.com"

_TIMEOUT = httpx2.Timeout(15.0, connect=5.0)
_LARGEST = 2**20
_LONGEST = 300
_PIECE = 2**16

# What may succeed later: throughput, pair and spam rates, limits of the account and the application, and faults of
# WhatsApp's own. Everything else is the same tomorrow: a paused template, a locked account, a wrong token.
_PASSING = frozenset({1, 2, 4, 80007, 130429, 131016, 131048, 131056, 133004})
_WAITS = {4: 60.0, 80007: 60.0, 130429: 1.0, 131048: 3600.0, 131056: 6.0}
_TOKEN = re.compile(r"EAA\w{8,}")
_GONE = 2593002  # there is no such template

_STATUSES = {
    "CONNECTED": "connected",
    "PENDING": "connecting",
    "UNVERIFIED": "connecting",
    "FLAGGED": "flagged",
    "RATE_LIMITED": "restricted",
    "RESTRICTED": "restricted",
    "BANNED": "banned",
    "DISCONNECTED": "disconnected",
    "DELETED": "disconnected",
    "MIGRATED": "disconnected",
}
_RATINGS = ("green", "yellow", "red")
_FIELDS = "display_phone_number,verified_name,name_status,quality_rating,status,throughput,account_mode"


class _Details(Struct):
    details: str = ""


class _Error(Struct):
    code: int = 0
    message: str = ""
    error_subcode: int = 0
    error_data: _Details | str | None = None
    error_user_msg: str | None = None


class _Envelope(Struct):
    error: _Error


class _Sent(Struct):
    id: str


class _Handle(Struct):
    h: str


class _SentList(Struct):
    messages: list[_Sent]


class _Throughput(Struct):
    level: str = "STANDARD"


class _Number(Struct):
    display_phone_number: str
    verified_name: str = ""
    name_status: str = "NONE"
    quality_rating: str = "UNKNOWN"
    status: str = "CONNECTED"
    throughput: _Throughput = msgspec.field(default_factory=_Throughput)
    account_mode: str = "LIVE"


class _Made(Struct):
    id: str
    status: str = "PENDING"
    category: str = ""


class _Listed(Struct):
    id: str
    name: str
    language: str
    status: str
    category: str
    components: list[dict[str, Any]] = []


class _List(Struct):
    data: list[_Listed]


class CloudApi:
    """The Cloud API.

    Args:
        base: Where it is; tests have a server of their own.
        timeout: How long an answer may take.
    """

    def __init__(self, base: str = BASE, *, timeout: httpx2.Timeout = _TIMEOUT) -> None:
        self._http = httpx2.Client(base_url=base, timeout=timeout, headers={"User-Agent": "Sendero"})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def standing(self, line: Line) -> Standing:
        """Return how a number stands."""
        number = self._ask(line, "GET", (line.phone_number_id,), _Number, query={"fields": _FIELDS})
        rating = number.quality_rating.lower()
        return Standing(
            display_phone_number=number.display_phone_number,
            verified_name=number.verified_name,
            name_status=number.name_status.lower(),
            quality_rating=rating if rating in _RATINGS else "unknown",
            status=_STATUSES.get(number.status.upper(), "connected"),
            throughput_level=number.throughput.level.lower(),
            mode=number.account_mode.lower(),
        )

    def send(self, line: Line, message: Outgoing) -> str:
        """Send a message and return WhatsApp's id of it."""
        # A person who hides their number is written to by their business-scoped id (`ES.1349…`).
        number = message.to.startswith("+")
        template: dict[str, Any] = {"name": message.template, "language": {"code": message.language}}
        if components := parameters(message.header, message.body):
            template["components"] = components
        payload: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to" if number else "recipient": message.to.removeprefix("+"),
            "type": "template",
            "template": template,
        }
        if message.reference:
            payload["biz_opaque_callback_data"] = message.reference
        sent = self._ask(line, "POST", (line.phone_number_id, "messages"), _SentList, body=payload)
        if not sent.messages:
            raise _unreadable()
        return sent.messages[0].id

    def upload(self, line: Line, media: Media) -> str:
        """Hand the example of a header in, and return the handle that a template names it by."""
        # `app` is whichever application the token belongs to.
        query = {"file_name": media.name, "file_length": str(media.size), "file_type": media.type}
        session = self._ask(line, "POST", ("app", "uploads"), _Sent, query=query)
        # Its id is an address with a signature, `upload:…?sig=…`, and the token is announced in another way here.
        path, _, signature = session.id.partition("?")
        media.file.seek(0)
        extra = {"Authorization": f"OAuth {line.access_token}", "file_offset": "0", "Content-Length": str(media.size)}
        sent = self._ask(
            line, "POST", (path,), _Handle, query=dict(parse_qsl(signature)), body=_pieces(media.file), headers=extra
        )
        return sent.h

    def create_template(self, line: Line, template: Mapping[str, Any]) -> Submitted:
        """Hand a template in for review."""
        made = self._ask(line, "POST", (line.waba_id, "message_templates"), _Made, body=dict(template))
        category = made.category or str(template["category"])
        return Submitted(id=made.id, status=made.status.lower(), category=category.lower())

    def find_template(self, line: Line, name: str, language: str) -> Found | None:
        """Return what WhatsApp has under a name in a language; None when it has nothing."""
        query = {"name": name, "language": language, "fields": "id,name,language,status,category,components"}
        listed = self._ask(line, "GET", (line.waba_id, "message_templates"), _List, query=query)
        # The name is a search word over there: longer names are found too.
        one = next((one for one in listed.data if (one.name, one.language) == (name, language)), None)
        if one is None:
            return None
        return Found(id=one.id, status=one.status.lower(), category=one.category.lower(), components=one.components)

    def edit_template(self, line: Line, template_id: str, template: Mapping[str, Any]) -> None:
        """Hand changed components in for review."""
        changed = {name: template[name] for name in ("category", "components") if name in template}
        self._ask(line, "POST", (template_id,), dict[str, Any], body=changed)

    def delete_template(self, line: Line, template_id: str, name: str) -> None:
        """Delete one language of a template; one that is gone already is no fault."""
        query = {"hsm_id": template_id, "name": name}
        try:
            self._ask(line, "DELETE", (line.waba_id, "message_templates"), dict[str, Any], query=query)
        except ProviderFault as fault:
            if fault.subcode != _GONE:
                raise

    def _ask(
        self,
        line: Line,
        method: str,
        path: tuple[str, ...],
        type_: type[_T],
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | Iterator[bytes] | None = None,
        headers: Mapping[str, str] = {},
    ) -> _T:
        address = "/".join(quote(part, safe=":=") for part in (line.api_version, *path))
        sent = {"Authorization": f"Bearer {line.access_token}", **headers}
        content: bytes | Iterator[bytes] | None
        if isinstance(body, Mapping):
            content = msgspec.json.encode(body)
            sent["Content-Type"] = "application/json"
        else:
            content = body
        try:
            with self._http.stream(
                method, f"/{address}", params=dict(query or {}), content=content, headers=sent
            ) as answer:
                text = _read(answer)
        except httpx2.TimeoutException:
            raise ProviderFault(0, "It did not answer in time", passing=True) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeEncodeError):
            # Their messages can hold the request, and with it a number or the token.
            raise ProviderFault(0, "It cannot be reached", passing=True) from None
        if not answer.is_success:
            raise _fault(answer, text, line.access_token)
        try:
            return msgspec.json.decode(text, type=type_)
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise _unreadable() from None


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Read a file piece by piece."""
    while piece := file.read(_PIECE):
        yield piece


def _read(answer: httpx2.Response) -> bytes:
    """Read an answer, up to a limit."""
    text = b""
    for part in answer.iter_bytes():
        text += part
        if len(text) > _LARGEST:
            raise _unreadable()
    return text


def _unreadable() -> ProviderFault:
    return ProviderFault(0, "It gave an answer that cannot be read", passing=True)


def _fault(answer: httpx2.Response, text: bytes, token: str) -> ProviderFault:
    """Return what an answer says is wrong."""
    busy = answer.status_code == 429 or answer.status_code >= 500
    after = answer.headers.get("retry-after", "")
    wait = float(after) if after.isdecimal() and len(after) < 6 else None
    try:
        error = msgspec.json.decode(text, type=_Envelope).error
    except (msgspec.DecodeError, msgspec.ValidationError):
        return ProviderFault(0, f"HTTP {answer.status_code}", passing=busy, wait=wait)
    details = error.error_data.details if isinstance(error.error_data, _Details) else ""
    said = details or error.error_user_msg or error.message or f"HTTP {answer.status_code}"
    # "Malformed access token EAA…": what was sent wrongly is sent back.
    said = _TOKEN.sub("…", said.replace(token, "…"))
    return ProviderFault(
        error.code,
        said[:_LONGEST],
        passing=busy or error.code in _PASSING,
        wait=_WAITS.get(error.code) if wait is None else wait,
        subcode=error.error_subcode,
    )
