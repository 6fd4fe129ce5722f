"""What the desks of the console share: how an act is named, how a form is at fault, where the browser goes next."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol
from urllib.parse import quote

from whodid.errors import InvalidEvent, InvalidQuery, InvalidSetting, NotFound, WhodidError
from whodid.server.answers import Answer, Call
from whodid.server.console.parts import Form, Frame
from whodid.server.console.visits import Visit

__all__ = ["FAULTS", "Act", "Do", "Look", "Writer", "Wrong", "checked", "onward", "place_of", "told"]

_WORKSPACE = re.compile(r"[A-Za-z0-9_.:\-]{1,100}")

Look = Callable[[Call, Visit], Answer]
Do = Callable[[Call, Visit, Form], Answer]


class Act(NamedTuple):
    """What a form asks for.

    Args:
        action: The entry that it will leave, and leaves as denied when it is refused.
        resource: Type of what it is about.
    """

    action: str
    resource: str


class Writer(Protocol):
    """Writes a page for a visit."""

    def __call__(self, call: Call, visit: Visit | None, make: Callable[[Frame], bytes], *, status: int = 200) -> Answer:
        """Answer with the page that `make` writes into a frame."""


class Wrong(Exception):
    """A field cannot be read; the text says which and why."""


FAULTS = (InvalidSetting, InvalidEvent, InvalidQuery, Wrong)
"""What somebody typed is at fault, and the form can say so."""


def checked(workspace: str) -> str:
    """Return the name of a workspace, if it is one.

    Raises:
        NotFound: It is none.
    """
    if not _WORKSPACE.fullmatch(workspace):
        raise NotFound("This is not the name of a workspace", "Use 1 to 100 letters, digits and the characters _ . : -")
    return workspace


def onward(to: str, *headers: tuple[str, str]) -> Answer:
    """Lead the browser to another page."""
    return Answer(status=303, headers=(("Location", to), ("Cache-Control", "no-store"), *headers))


def place_of(call: Call) -> str:
    """Return the address of the workspace that a request is about."""
    return f"{call.base}/console/workspaces/{quote(call.path['workspace'], safe=':')}"


def told(error: Exception) -> str:
    """Return what is wrong as one or two sentences."""
    if isinstance(error, WhodidError):
        return f"{error.fact}. {error.remedy}." if error.remedy else f"{error.fact}."
    return str(error)
