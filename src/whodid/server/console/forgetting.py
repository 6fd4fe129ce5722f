"""What the pages of erasure do: look, foretell and erase."""

from __future__ import annotations

from whodid.errors import Held
from whodid.log import Log
from whodid.model import Reason
from whodid.retention import ErasurePreview, erase_person, preview_erasure, read_erasures
from whodid.server.answers import Answer, Call
from whodid.server.console import erasure_views
from whodid.server.console.acts import FAULTS, Act, Do, Look, Writer, Wrong, checked, onward, place_of, told
from whodid.server.console.parts import Form
from whodid.server.console.visits import Visit
from whodid.server.console.words import words_for
from whodid.server.sessions import context_of

__all__ = ["ErasureDesk"]

_ERASE = Act("audit.erased", "log")


class ErasureDesk:
    """The pages of erasure.

    Args:
        page: Writes a page.
    """

    def __init__(self, log: Log, page: Writer) -> None:
        self._log = log
        self._page = page
        all_ = "/console/workspaces/{workspace}/erasures"
        self.looks: tuple[tuple[str, Look], ...] = ((all_, self._show),)
        self.acts: tuple[tuple[str, Do, Act | None], ...] = (
            (all_, self._erase, _ERASE),
            (f"{all_}/preview", self._foretell, _ERASE),
        )

    def _show(self, call: Call, visit: Visit) -> Answer:
        return self._shown(call, visit, Form())

    def _shown(self, call: Call, visit: Visit, form: Form, foretold: ErasurePreview | None = None) -> Answer:
        workspace = checked(call.path["workspace"])
        found = read_erasures(self._log, workspace)
        return self._page(
            call,
            visit,
            lambda frame: erasure_views.erasures_page(frame, workspace, found, form=form, foretold=foretold),
            status=422 if form.fault else 200,
        )

    def _foretell(self, call: Call, visit: Visit, form: Form) -> Answer:
        try:
            found = preview_erasure(self._log, checked(call.path["workspace"]), form.one("person").strip())
        except FAULTS as error:
            return self._shown(call, visit, form.wrong(told(error)))
        return self._shown(call, visit, form, found)

    def _erase(self, call: Call, visit: Visit, form: Form) -> Answer:
        workspace, person = checked(call.path["workspace"]), form.one("person").strip()
        found: ErasurePreview | None = None
        try:
            found = preview_erasure(self._log, workspace, person)
            reason = form.one("reason").strip()
            if not reason:
                raise Wrong(words_for("en").text("why_missing"))
            done = erase_person(
                self._log,
                workspace,
                person,
                actor=visit.viewer,
                reason=Reason(text=reason),
                context=context_of(call),
                mentions=found.mentions if form.has("also", "mentions") else (),
                despite_holds=form.has("also", "held"),
            )
        except (*FAULTS, Held) as error:
            return self._shown(call, visit, form.wrong(told(error)), found)
        visit.said = "said_erased" if done.records else "said_nobody"
        return onward(f"{place_of(call)}/erasures")
