"""One request that is being answered: who visits, what was typed, and how to answer.

Handlers get a `Visit` and return a response. They run in a thread, inside one unit of work.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sendero.errors import Conflict, Invalid, SenderoError
from sendero.installation import Installation
from sendero.service.auth import Origin
from sendero.service.users import AVATAR_COLORS
from sendero.tables import Owned, Session, User, Workspace
from sendero.web.icons import icon
from sendero.web.labels import LABELS
from sendero.web.upload import Form, Upload
from sendero.words import LANGUAGES, Words
from sendero.work import Work
from whodid.detect import DETECTION, Alerts
from whodid.review import Reviews

__all__ = ["DONE", "Form", "Handler", "Page", "Visit"]

Handler = Callable[["Visit"], Response]

DONE = {
    "contact_created": "The contact was created.",
    "contact_saved": "The contact was saved.",
    "contact_deleted": "The contact was deleted.",
    "contact_merged": "The two contacts are one now.",
    "contact_erased": "The contact was erased for good.",
    "note_added": "The note was added.",
    "import_discarded": "The import was given up; nothing was changed.",
    "consent_saved": "The consent was noted.",
    "template_created": "The template was created.",
    "template_submitted": "The template was sent to WhatsApp’s review.",
    "template_saved": "The template was saved.",
    "template_deleted": "The template was deleted.",
    "account_connected": "The number is connected.",
    "segment_created": "The segment was created.",
    "segment_saved": "The segment was saved.",
    "segment_deleted": "The segment was deleted.",
    "campaign_created": "The campaign is a draft now: nothing is sent yet.",
    "campaign_saved": "The campaign was saved.",
    "campaign_scheduled": "The campaign was scheduled; it starts by itself.",
    "campaign_unscheduled": "The campaign is a draft again.",
    "campaign_started": "The campaign has started.",
    "campaign_paused": "The campaign is paused: nothing is sent until somebody resumes it.",
    "campaign_resumed": "The campaign goes on.",
    "campaign_cancelled": "The campaign was cancelled; what had not been sent never will be.",
    "campaign_deleted": "The draft was deleted.",
    "account_saved": "The account was saved.",
    "account_deleted": "The account was deleted.",
    "account_tested": "WhatsApp answered; nothing has changed there.",
    "account_told": "WhatsApp answered; what has changed was noted.",
    "played": "WhatsApp did it.",
    "token_rotated": "The access token was replaced.",
    "role_changed": "The role was changed; it acts at once.",
    "user_deactivated": "The person can no longer sign in.",
    "user_reactivated": "The person can sign in again.",
    "role_created": "The role was created.",
    "role_saved": "The role was saved; it acts at once for everybody who has it.",
    "role_deleted": "The role was deleted.",
    "password_changed": "Your password was changed; your other sessions were ended.",
    "name_saved": "Your name was saved.",
    "two_step_off": "Two-step sign-in is off.",
    "session_ended": "The session was ended.",
    "sessions_ended": "All other sessions were ended.",
    "user_saved": "The person was saved.",
    "link_sent": "The link was sent by mail.",
    "password_reset": "Your password was changed. Sign in with it.",
    "sso_created": "The connection was set up. Sign in with it once to try it.",
    "sso_saved": "The connection was saved.",
    "sso_removed": "The connection was removed.",
    "team_created": "The team was created.",
    "team_saved": "The team was saved.",
    "team_deleted": "The team was deleted.",
    "webhook_saved": "The webhook was saved.",
    "webhook_deleted": "The webhook was deleted.",
    "webhook_tested": "A test is on its way. Its result appears below within a few seconds.",
    "key_revoked": "The API key was revoked.",
    "workspace_saved": "The settings were saved.",
    "hold_placed": "The legal hold was placed; nothing that it keeps is removed any more.",
    "hold_released": "The legal hold was released.",
    "retention_saved": "The retention was changed.",
    "unchanged": "Nothing was changed.",
}
"""What a page can say after an act: the code in the address → the text."""


class Page(Struct, frozen=True, kw_only=True):
    """One address of the workspace.

    Args:
        method: GET or POST.
        answer: What answers.
        needs: The permission to have; empty for everybody who is signed in, None for everybody.
        action: The action that a refusal is recorded as.
        title: What the page is called when opening it is refused.
        again: Shows the form again, with what was typed and what is wrong with it.
        asks: Checks what was typed and returns a question to somebody else (WhatsApp), asked before `answer` with no
            transaction open; the answer is `Visit.asked`.
        invited: Whether somebody who has yet to choose a password may go there.
        largest: How many bytes of a file can be sent along; 0 where none can.
    """

    path: str
    answer: Handler
    method: str = "GET"
    needs: str | None = ""
    action: str = "page.opened"
    title: str = ""
    again: Handler | None = None
    asks: Callable[[Visit], Callable[[], Any] | None] | None = None
    invited: bool = False
    largest: int = 0


class Visit:
    """One request, in one unit of work.

    Args:
        fault: What was wrong, when the form is shown again.
    """

    def __init__(
        self,
        *,
        home: Installation,
        work: Work,
        page: Page,
        path: dict[str, str],
        query: dict[str, str],
        form: Form,
        words: Words,
        origin: Origin,
        web_origin: str,
        upload: Upload | None = None,
        session: Session | None = None,
        fault: SenderoError | None = None,
    ) -> None:
        self.home = home
        self.work = work
        self.page = page
        self.path = path
        self.query = query
        self.form = form
        self.words = words
        self.origin = origin
        self.web_origin = web_origin
        self.upload = upload
        self.session = session
        self.fault = fault
        self.asked: Any = None

    @property
    def viewer(self) -> User:
        """Who visits; only where somebody is signed in."""
        if self.session is None:
            raise AssertionError("nobody is signed in")
        return self.session.user

    def may(self, permission: str) -> bool:
        """Tell whether the visitor has a permission."""
        return self.session is not None and permission in self.session.user.role.permissions

    def number(self, name: str) -> int:
        """Return a whole number of the address, at least 1."""
        text = self.query.get(name, "")
        return max(1, int(text)) if text.isdecimal() and len(text) < 7 else 1

    def check_version(self, row: Owned | Workspace) -> None:
        """Refuse a form that was filled in for an older version of a row.

        Raises:
            Conflict: Somebody else changed it since the form was opened.
        """
        if self.form["version"] != str(row.version):
            raise Conflict("Somebody else changed this in the meantime. Look at it again and repeat your change.")

    def go(self, address: str, done: str = "", of: str = "") -> Response:
        """Send the browser to another page.

        Args:
            done: Code of what the page shall say, one of `DONE`.
            of: What it was done to, as `type:id`.
        """
        said = urlencode({key: value for key, value in (("done", done), ("of", of)) if value})
        return RedirectResponse(f"{address}?{said}" if said else address, status_code=303)

    def _alerts(self) -> int:
        """Return how many alerts are open, for those who may look at them."""
        if not self.may("audit:read"):
            return 0
        return sum(one.status == "open" for one in Alerts(self.home.log, self.work.workspace.id).active())

    def _overdue(self) -> bool:
        """Tell whether the review is overdue, for those who may look at it, where somebody reviews at all."""
        if not self.may("audit:read"):
            return False
        standing = Reviews(self.home.log, self.work.workspace.id, actor=DETECTION).standing()
        return standing.overdue and (standing.until is not None or standing.open is not None)

    def render(self, template: str, /, *, status: int = 200, **data: Any) -> Response:
        """Render a page."""
        fields = self.fault.fields if isinstance(self.fault, Invalid) else {}
        done = self.query.get("done", "")
        if self.fault is not None and status == 200:
            status = 422 if isinstance(self.fault, Invalid) else 409
        body = environment.get_template(template).render(
            t=self.words,
            lang=self.words.lang,
            languages=LANGUAGES,
            may=self.may,
            me=None if self.session is None else self.session.user,
            here_session=None if self.session is None else self.session.id,
            workspace=self.work.workspace,
            here=self.page.path,
            form=self.form,
            faults={name: self.words(text, **self.fault.parts) for name, text in fields.items()} if self.fault else {},
            fault=None if self.fault is None or fields else self.words(self.fault.message, **self.fault.parts),
            done=self.words(DONE[done]) if done in DONE else None,
            of=self.query.get("of", ""),
            alerts=self._alerts(),
            overdue=self._overdue(),
            icon=icon,
            label=self._label,
            options=lambda codes: [(code, self._label(code)) for code in codes],
            **data,
        )
        return HTMLResponse(body, status_code=status)

    def _label(self, code: str) -> str:
        return self.words(LABELS.get(code, code))


def _initials(name: str) -> str:
    words = name.split()
    return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper() if words else "?"


environment = Environment(
    loader=PackageLoader("sendero"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
environment.tests["permitted"] = lambda permission, may: may(permission)
environment.filters["initials"] = _initials
environment.filters["instant"] = datetime.fromisoformat
environment.filters["tint"] = lambda color: f"tint-{AVATAR_COLORS.index(color)}" if color in AVATAR_COLORS else "tint-0"
