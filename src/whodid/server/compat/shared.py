"""What the doors of all products share: keys, refusals, small kept lists, and foreign words made into ours."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from whodid.errors import StoreUnavailable
from whodid.export import ExportWorker
from whodid.export.import_.foreign import action_name
from whodid.intake.limits import ACTION
from whodid.log import Log
from whodid.server.answers import Answer, Call
from whodid.server.console import Console
from whodid.server.gate import Admitted, Buckets, Gate, Pace
from whodid.server.meter import Meter
from whodid.server.problems import MEDIA_TYPE, Problem
from whodid.server.sessions import Sessions, context_of
from whodid.server.waiting import Waiting

__all__ = [
    "KeptList",
    "Refusal",
    "Shared",
    "Told",
    "asked_action",
    "bearer",
    "find_caller",
    "make_buckets",
    "newest",
    "our_action",
    "our_type",
    "read_object",
    "retold",
    "send_file",
]

_TRIES = 50
_CSV = "text/csv; charset=utf-8; header=present"
_NOT_TYPE = re.compile(r"[^a-z0-9]+")

_LARGEST_LIST = 4 * 1024 * 1024
_MOST_KNOWN = 256

_Kept = TypeVar("_Kept", bound=Struct)


class _Grouped(Protocol):
    @property
    def group(self) -> str: ...


_Member = TypeVar("_Member", bound=_Grouped)


class Shared(Struct, frozen=True, kw_only=True):
    """What the routes of one application work with.

    Args:
        console: Sign-in for the page by one-time links, if there is one.
        slots: How many files may be made at once.
        worker: Makes exports.
        rate: Events per second and key; 0 for no limit.
        pace: How fast a key or viewer may read.
        meter: Counts the events that are recorded.
        waiting: Where events of clients that never send again wait for the store, if there is such a place.
    """

    log: Log
    secret: bytes
    gate: Gate
    sessions: Sessions
    console: Console | None
    slots: threading.BoundedSemaphore
    worker: ExportWorker
    rate: int
    pace: Pace
    meter: Meter
    waiting: Waiting | None = None


class Refusal(Exception):
    """A request that is refused; each product says so in its own form.

    Args:
        status: Of the answer.
        fact: For people, with the remedy.
        code: For programs, where the product has one.
        errors: Single faults, in the form of the product.
        again: Seconds after which to try again.
    """

    def __init__(
        self,
        status: int,
        fact: str,
        *,
        code: str | None = None,
        errors: list[dict[str, Any]] | None = None,
        again: int | None = None,
    ) -> None:
        self.status = status
        self.fact = fact
        self.code = code
        self.errors = errors
        self.again = again
        super().__init__(fact)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers of the answer, in whatever form it is."""
        again = () if self.again is None else (("Retry-After", str(self.again)),)
        return (("Cache-Control", "no-store"), *again)


class Told(Struct, frozen=True, kw_only=True):
    """What a problem document says.

    Args:
        pointer: Where in an event of ours the fault is; empty when that is not known.
        request_id: Name of the request.
    """

    status: int
    fact: str
    pointer: str
    request_id: str


def retold(tell: Callable[[Told, Answer, str], Answer]) -> Callable[[Answer, str], Answer]:
    """Make what turns answers into the form that clients of a product read; what is no problem stays as it is.

    Args:
        tell: Says a problem in that form, of the answer that has it and of the media type that was asked for.
    """

    @wraps(tell)
    def spoken(answer: Answer, asked: str) -> Answer:
        told = _problem(answer)
        return answer if told is None else tell(told, answer, asked)

    return spoken


def _problem(answer: Answer) -> Told | None:
    """Return what a problem says, None when the answer is no problem.

    A store without space is told as a server that is busy: clients send again after that, and would give up otherwise.
    """
    if answer.media_type != MEDIA_TYPE or not isinstance(answer.body, bytes):
        return None
    told = msgspec.json.decode(answer.body, type=Problem)
    status = 503 if answer.status == 507 else answer.status
    fact = " ".join(part for part in (told.detail, told.remedy) if part)
    return Told(status=status, fact=fact, pointer=told.pointer or "", request_id=told.request_id)


def read_object(call: Call) -> dict[str, Any]:
    """Return the body of a request.

    Raises:
        Refusal: 400 when it is no JSON object.
    """
    try:
        body = msgspec.json.decode(call.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "The body is not a JSON object. Send one with Content-Type: application/json.")
    return body


def bearer(call: Call, scheme: str = "bearer") -> str:
    """Return the key that a request shows as `Authorization: <scheme> <key>`; empty when it shows none.

    Args:
        scheme: In lower case.
    """
    sent, _, text = call.headers.get("authorization", "").partition(" ")
    return text.strip() if sent.lower() == scheme else ""


def find_caller(shared: Shared, text: str, call: Call, *scopes: str, route: str, despite: bool = False) -> Admitted:
    """Return whom an API key lets in.

    Args:
        text: What the caller showed.
        scopes: All of them are needed.
        route: For the entry that a refused key leaves behind.
        despite: Whether a key that was good lately lets in also while the store is away.

    Raises:
        Refusal: 401 for a key that is missing, unknown, expired or revoked alike; 403 for a missing scope.
        TooFast: It reads faster than it may.
    """
    context = context_of(call, "api")
    admit = shared.gate.admit_despite if despite else shared.gate.admit
    admitted = shared.gate.remembered(text) or admit(text, route=route, context=context)
    if admitted is None:
        raise Refusal(401, "The API key is missing or not valid. Send a valid one, which begins with wk_.")
    for scope in scopes:
        if not admitted.key.may(scope):
            shared.gate.denied(admitted, "scope", route=route, context=context)
            raise Refusal(403, f"This key may not {scope}. Use a key with the scope {scope}.")
    if "write" not in scopes:
        shared.pace.take(admitted.key.id)
    return admitted


def make_buckets(shared: Shared, *, least: int) -> Callable[[Admitted, int], None]:
    """Return a function that takes the events of a request from the rate of its key, or refuses with 429."""
    buckets = Buckets(shared.rate, least=least)

    def take(admitted: Admitted, count: int) -> None:
        pause = buckets.take(admitted.key.id, count, rate=admitted.key.rate)
        if pause:
            shared.meter.limited("write")
            fact = "This key sends more than it may. Wait a moment and try again."
            raise Refusal(429, fact, code="rate_limit_exceeded", again=int(pause) + 1)

    return take


def send_file(shared: Shared, made: Iterator[bytes], filename: str) -> Answer:
    """Answer with a file of CSV while it is made.

    Args:
        made: The pieces of an export; none was asked for yet.

    Raises:
        Refusal: 503 when enough files are being made.
    """
    if not shared.slots.acquire(blocking=False):
        raise Refusal(503, "Enough exports are running. Try again in a moment.", again=5)
    slot = _Slot(shared.slots)
    try:
        # What fails before the first byte is still an answer with a status.
        first = next(made, b"")
    except BaseException:
        slot.release()
        raise
    headers = (("Content-Disposition", f'attachment; filename="{filename}"'), ("Cache-Control", "no-store"))
    return Answer(body=_Download(first, made, slot), media_type=_CSV, headers=headers)


class _Slot:
    """A place among the downloads, given back once."""

    def __init__(self, slots: threading.BoundedSemaphore) -> None:
        self._slots: threading.BoundedSemaphore | None = slots

    def release(self) -> None:
        """Give the place back, once however often it is asked to."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.release()


class _Download(Iterator[bytes]):
    """The pieces of a file; gives its place back at the end, when it is closed, and when nobody ever asks for it."""

    def __init__(self, first: bytes, rest: Iterator[bytes], slot: _Slot) -> None:
        self._first: bytes | None = first
        self._rest = rest
        self._slot = slot

    def __next__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        try:
            return next(self._rest)
        except BaseException:
            self._slot.release()
            raise

    def close(self) -> None:
        """Stop; an export that is not complete is recorded as failed."""
        try:
            close = getattr(self._rest, "close", None)
            if close is not None:
                close()
        finally:
            self._slot.release()

    def __del__(self) -> None:
        self._slot.release()


def our_type(text: str, otherwise: str = "thing") -> str:
    """Return a foreign name of a type as one of ours."""
    word = _NOT_TYPE.sub("_", text.lower()).strip("_")[:90]
    if not word:
        return otherwise
    return word if word[0].isalpha() else f"x{word}"


def our_action(text: str, noun: str) -> str:
    """Return a foreign name of an action as one of ours: itself where it fits.

    Args:
        noun: What stands before the verb when the name has no dot.
    """
    if ACTION.fullmatch(text):
        return text
    name = action_name(*text.split("."))
    if not name:
        return f"{noun}.unnamed"
    return name if ACTION.fullmatch(name) else action_name(noun, name)


def asked_action(text: str) -> str:
    """Return what to ask for to find at least every action of a foreign name: a name without a dot is a verb here."""
    return text if ACTION.fullmatch(text) else action_name(*text.split(".")) or "unnamed"


class KeptList(Generic[_Kept]):
    """A short list that a workspace keeps as named state, changed by compare-and-set.

    What was decoded is remembered as long as the state is the same bytes: some lists are looked at for every event.

    Args:
        name: Of the state.
        kind: Of the members.
        most: How many there may be.
    """

    def __init__(self, log: Log, name: str, kind: type[_Kept], *, most: int) -> None:
        self._log = log
        self._name = name
        self._most = most
        self._decode = msgspec.json.Decoder(list[kind]).decode  # type: ignore[valid-type]
        self._encode = msgspec.json.Encoder().encode
        self._known: dict[str, tuple[bytes, list[_Kept]]] = {}

    def all(self, workspace: str) -> list[_Kept]:
        """Return the members, oldest first; the list is not to be changed."""
        return self._read(workspace)[1]

    def change(self, workspace: str, change: Callable[[list[_Kept]], list[_Kept]]) -> list[_Kept]:
        """Change the list and return it.

        Args:
            change: From the old list to the new one; called again when another process was quicker.

        Raises:
            Refusal: There would be too many, or they would be too large.
        """
        for _ in range(_TRIES):
            old, before = self._read(workspace)
            after = change(before)
            if after == before:
                return after
            new = self._encode(after)
            if len(after) > len(before) and (len(after) > self._most or len(new) > _LARGEST_LIST):
                raise Refusal(422, f"There are {len(before)} of these already, which is as many as are kept.")
            if self._log.swap_state(workspace, self._name, old, new):
                return after
        raise StoreUnavailable("Too many requests change the same list", "Try again in a moment")

    def _read(self, workspace: str) -> tuple[bytes | None, list[_Kept]]:
        kept = self._log.state(workspace, self._name)
        if kept is None:
            return None, []
        known = self._known.get(workspace)
        if known is None or known[0] != kept:
            while len(self._known) >= _MOST_KNOWN:
                self._known.pop(next(iter(self._known)), None)
            known = self._known[workspace] = (kept, self._decode(kept))
        return known


def newest(members: list[_Member], member: _Member, most: int) -> list[_Member]:
    """Add a member and let the oldest of its group go beyond a number: no group takes the room of another."""
    own = [one for one in members if one.group == member.group]
    gone = own[: max(0, len(own) + 1 - most)]
    return [*(one for one in members if not any(one is old for old in gone)), member]
