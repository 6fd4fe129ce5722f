"""What the workspace asks of WhatsApp. The Cloud API and the provider of the demo keep the same promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Protocol

from msgspec import Struct

__all__ = [
    "EXISTS",
    "TOKEN_LOST",
    "Found",
    "Line",
    "Media",
    "Outgoing",
    "Provider",
    "ProviderFault",
    "Standing",
    "Submitted",
]

TOKEN_LOST = 190
"""The code of a token that no longer speaks for the number."""

EXISTS = 2388024
"""The finer code of a template whose name is taken in its language."""


class Line(Struct, frozen=True, kw_only=True):
    """A connected number and what it takes to speak for it.

    Args:
        phone_number_id: How WhatsApp calls the number.
        waba_id: How WhatsApp calls the business account that the number belongs to.
        access_token: In clear; it must not reach a log or an error.
        api_version: Such as `v24.0`.
    """

    phone_number_id: str
    waba_id: str
    access_token: str
    api_version: str

    def __repr__(self) -> str:
        return f"Line(phone_number_id={self.phone_number_id!r}, waba_id={self.waba_id!r})"


class Outgoing(Struct, frozen=True, kw_only=True):
    """A template message to one person.

    Args:
        to: Telephone number (E.164) or business-scoped user id.
        template: Name of the template.
        language: Such as `es` or `pt_BR`.
        body: Values of the body's variables, in order.
        header: What stands above the body where that is no text: {format: image, video or document, link} or {format:
            location, latitude, longitude, name, address}; empty elsewhere.
        reference: Ours; comes back with every notice about the message.
    """

    to: str
    template: str
    language: str
    body: Sequence[str] = ()
    header: Mapping[str, Any] = {}
    reference: str = ""


class Media(Struct, frozen=True, kw_only=True):
    """A file that a template is reviewed with.

    Args:
        file: Read from its beginning, whenever it is sent.
        type: Its media type, such as `image/jpeg`.
        size: In bytes.
    """

    file: BinaryIO
    name: str
    type: str
    size: int


class Submitted(Struct, frozen=True, kw_only=True):
    """A template that WhatsApp took for review."""

    id: str
    status: str
    category: str


class Found(Submitted, frozen=True, kw_only=True):
    """A template as WhatsApp has it, its components in WhatsApp's form."""

    components: Sequence[Mapping[str, Any]]


class Standing(Struct, frozen=True, kw_only=True):
    """How a number stands with WhatsApp, in the words of our own tables (`connected`, `green`)."""

    display_phone_number: str
    verified_name: str
    name_status: str
    quality_rating: str
    status: str
    throughput_level: str
    mode: str


class ProviderFault(Exception):
    """WhatsApp refused, or could not be reached.

    Args:
        code: WhatsApp's own, such as 132015; 0 when there was no answer.
        text: WhatsApp's words, without values of ours.
        passing: Whether the same request may succeed later.
        wait: Seconds to wait before, when WhatsApp says so.
        subcode: WhatsApp's finer code; 0 when it gave none.
    """

    def __init__(
        self, code: int, text: str, *, passing: bool = False, wait: float | None = None, subcode: int = 0
    ) -> None:
        super().__init__(f"WhatsApp: {text} ({code})")
        self.code = code
        self.text = text
        self.passing = passing
        self.wait = wait
        self.subcode = subcode


class Provider(Protocol):
    """WhatsApp. Every call raises `ProviderFault` when it was refused or there was no answer."""

    def standing(self, line: Line) -> Standing:
        """Return how a number stands; refused, the number or its token is wrong."""

    def send(self, line: Line, message: Outgoing) -> str:
        """Send a message and return WhatsApp's id of it."""

    def upload(self, line: Line, media: Media) -> str:
        """Hand the example of a header in, and return the handle that a template names it by."""

    def create_template(self, line: Line, template: Mapping[str, Any]) -> Submitted:
        """Hand a template in for review: {name, language, category, components}, in WhatsApp's form."""

    def find_template(self, line: Line, name: str, language: str) -> Found | None:
        """Return what WhatsApp has under a name in a language; None when it has nothing."""

    def edit_template(self, line: Line, template_id: str, template: Mapping[str, Any]) -> None:
        """Hand changed components in for review."""

    def delete_template(self, line: Line, template_id: str, name: str) -> None:
        """Delete one language of a template; one that is gone already is no fault."""
