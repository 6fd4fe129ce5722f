"""What the pages of legal holds do: look, foretell, place and release."""

from __future__ import annotations

from whodid.errors import NotFound
from whodid.log import Log
from whodid.model import Reason
from whodid.retention import Hold, HoldPreview, place_hold, preview_hold, release_hold, standing_holds
from whodid.server.answers import Answer, Call
from whodid.server.console import holds_views
from whodid.server.console.acts import FAULTS, Act, Do, Look, Writer, Wrong, checked, onward, place_of, told
from whodid.server.console.parts import Form
from whodid.server.console.visits import Visit
from whodid.server.console.words import words_for
from whodid.server.sessions import context_of

__all__ = ["HoldDesk"]

_PLACE, _RELEASE = Act("audit.hold_placed", "hold"), Act("audit.hold_released", "hold")


class HoldDesk:
    """The pages of legal holds.

    Args:
        page: Writes a page.
    """

    def __init__(self, log: Log, page: Writer) -> None:
        self._log = log
        self._page = page
        all_ = "/console/workspaces/{workspace}/holds"
        self.looks: tuple[tuple[str, Look], ...] = ((all_, self._show), (f"{all_}/{{id}}", self._show_one))
        self.acts: tuple[tuple[str, Do, Act | None], ...] = (
            (all_, self._place, _PLACE),
            (f"{all_}/preview", self._foretell, _PLACE),
            (f"{all_}/{{id}}/release", self._release, _RELEASE),
        )

    def _show(self, call: Call, visit: Visit) -> Answer:
        return self._shown(call, visit, Form())

    def _shown(self, call: Call, visit: Visit, form: Form, foretold: HoldPreview | None = None) -> Answer:
        workspace = checked(call.path["workspace"])
        self._log.head(workspace)  # a page of a log that is not there would offer to begin it
        found = standing_holds(self._log, workspace)
        return self._page(
            call,
            visit,
            lambda frame: holds_views.holds_page(frame, workspace, found, form=form, foretold=foretold),
            status=422 if form.fault else 200,
        )

    def _show_one(self, call: Call, visit: Visit) -> Answer:
        return self._one_shown(call, visit, Form())

    def _one_shown(self, call: Call, visit: Visit, form: Form) -> Answer:
        workspace = checked(call.path["workspace"])
        hold = self._hold(workspace, call.path["id"])
        found = preview_hold(self._log, workspace, hold.query)
        return self._page(
            call,
            visit,
            lambda frame: holds_views.hold_page(frame, workspace, hold, found, form=form),
            status=422 if form.fault else 200,
        )

    def _foretell(self, call: Call, visit: Visit, form: Form) -> Answer:
        try:
            found = preview_hold(self._log, checked(call.path["workspace"]), form.one("query"))
        except FAULTS as error:
            return self._shown(call, visit, form.wrong(told(error)))
        return self._shown(call, visit, form, found)

    def _place(self, call: Call, visit: Visit, form: Form) -> Answer:
        workspace = checked(call.path["workspace"])
        self._log.head(workspace)
        try:
            place_hold(
                self._log,
                workspace,
                name=form.one("name"),
                query=form.one("query"),
                actor=visit.viewer,
                reason=_why(form),
                context=context_of(call),
            )
        except FAULTS as error:
            return self._shown(call, visit, form.wrong(told(error)))
        visit.said = "said_held"
        return onward(f"{place_of(call)}/holds")

    def _release(self, call: Call, visit: Visit, form: Form) -> Answer:
        workspace = checked(call.path["workspace"])
        try:
            release_hold(
                self._log,
                workspace,
                call.path["id"],
                actor=visit.viewer,
                reason=_why(form),
                context=context_of(call),
            )
        except FAULTS as error:
            return self._one_shown(call, visit, form.wrong(told(error)))
        visit.said = "said_released"
        return onward(f"{place_of(call)}/holds")

    def _hold(self, workspace: str, id_: str) -> Hold:
        found = next((one for one in standing_holds(self._log, workspace) if one.id == id_), None)
        if found is None:
            raise NotFound("There is no such hold", "It may be released already; look at the list")
        return found


def _why(form: Form) -> Reason:
    text = form.one("reason").strip()
    if not text:
        raise Wrong(words_for("en").text("why_missing"))
    return Reason(text=text)
