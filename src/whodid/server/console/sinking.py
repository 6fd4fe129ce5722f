"""What the pages of sinks do: look, add, test, pause, resume, deliver again, and see to what is in quarantine."""

from __future__ import annotations

import re
from collections.abc import Callable

from whodid.errors import Outdated
from whodid.log import Log
from whodid.model import Reason
from whodid.server.answers import Answer, Call
from whodid.server.console import sinks_forms, sinks_views
from whodid.server.console.acts import FAULTS, Act, Do, Look, Writer, Wrong, checked, onward, place_of, told
from whodid.server.console.parts import Form
from whodid.server.console.visits import Visit
from whodid.server.console.words import words_for
from whodid.server.sessions import context_of
from whodid.server.sinks.showing import keys_to_show, shared_part
from whodid.sinks import SinkChange, Sinks, change_language, generate_secret, read_language

__all__ = ["SinkDesk"]

_CHANGE, _TEST = Act("audit.stream_changed", "log"), Act("audit.stream_tested", "log")
_INDEX = re.compile(r"[0-9]{1,18}")


class SinkDesk:
    """The pages of sinks.

    Args:
        page: Writes a page.
    """

    def __init__(self, log: Log, page: Writer) -> None:
        self._log = log
        self._page = page
        all_ = "/console/workspaces/{workspace}/sinks"
        one = f"{all_}/{{id}}"
        self.looks: tuple[tuple[str, Look], ...] = (
            (all_, self._show),
            (one, self._show_one),
            (f"{one}/change", self._show_change),
        )
        self.acts: tuple[tuple[str, Do, Act | None], ...] = (
            (all_, self._add, _CHANGE),
            (f"{all_}/language", self._speak, _CHANGE),
            (f"{one}/change", self._change, _CHANGE),
            (f"{one}/test", self._acting(_test), _TEST),
            (f"{one}/pause", self._acting(_pause), _CHANGE),
            (f"{one}/resume", self._acting(_resume), _CHANGE),
            (f"{one}/backfill", self._acting(_backfill), _CHANGE),
            (f"{one}/secret", self._set_secret, _CHANGE),
            (f"{one}/retry", self._acting(_retry), _CHANGE),
            (f"{one}/drop", self._acting(_drop), _CHANGE),
            (f"{one}/remove", self._remove, _CHANGE),
        )

    def _show(self, call: Call, visit: Visit) -> Answer:
        return self._shown(call, visit, Form())

    def _shown(self, call: Call, visit: Visit, form: Form) -> Answer:
        workspace = checked(call.path["workspace"])
        self._log.head(workspace)  # a page of a log that is not there would offer to begin it
        found, lang = self._sinks(call, visit).all(), read_language(self._log, workspace)
        return self._page(
            call,
            visit,
            lambda frame: sinks_views.sinks_page(frame, workspace, found, lang=lang, form=form),
            status=422 if form.fault else 200,
        )

    def _show_one(self, call: Call, visit: Visit) -> Answer:
        return self._one_shown(call, visit, Form())

    def _one_shown(self, call: Call, visit: Visit, form: Form) -> Answer:
        workspace = checked(call.path["workspace"])
        sinks = self._sinks(call, visit)
        found = sinks.get(call.path["id"])
        keys = keys_to_show(sinks, found.sink.id)
        return self._page(
            call,
            visit,
            lambda frame: sinks_views.sink_page(frame, workspace, found, keys=keys, form=form),
            status=422 if form.fault else 200,
        )

    def _add(self, call: Call, visit: Visit, form: Form) -> Answer:
        sinks, kind, secret = self._sinks(call, visit), form.one("kind"), form.one("secret").strip()
        try:
            made = _made(form) if kind == "webhook" and not secret else ""
            sink = sinks.add(
                form.one("name").strip(),
                kind,
                form.one("address").strip(),
                format=form.one("format") or None,
                query=form.one("query").strip(),
                kept=secret or made,
                options=_options(form),
                private=form.has("private", "yes"),
                start=0 if form.has("past", "yes") else None,
            )
        except FAULTS as error:
            return self._shown(call, visit, form.wrong(told(error)))
        visit.said, visit.made = "said_sink_added", f"{sink.id} {shared_part(made) or ''}"
        return onward(f"{place_of(call)}/sinks/{sink.id}")

    def _show_change(self, call: Call, visit: Visit) -> Answer:
        return self._change_shown(call, visit, Form())

    def _change_shown(self, call: Call, visit: Visit, form: Form) -> Answer:
        workspace, sinks = checked(call.path["workspace"]), self._sinks(call, visit)
        sink = sinks.get(call.path["id"]).sink
        version = form.one("version") or sinks.tag(sink.id)
        return self._page(
            call,
            visit,
            lambda frame: sinks_forms.change_page(frame, workspace, sink, version, form=form),
            status=422 if form.fault else 200,
        )

    def _change(self, call: Call, visit: Visit, form: Form) -> Answer:
        sinks = self._sinks(call, visit)
        sink = sinks.get(call.path["id"]).sink
        try:
            wish = SinkChange(
                name=form.one("name").strip(),
                address=form.one("address").strip(),
                format=form.one("format"),
                query=form.one("query").strip(),
                options={**dict.fromkeys(sink.options), **_options(form)},
                private=form.has("private", "yes"),
                secret=form.one("secret").strip(),
            )
            why = form.one("reason").strip()
            sinks.change(sink.id, wish, tag=form.one("version"), reason=Reason(text=why) if why else None)
        except Outdated as error:
            # What was typed was for other settings: the form begins anew with those that are there.
            return self._change_shown(call, visit, Form().wrong(told(error)))
        except FAULTS as error:
            return self._change_shown(call, visit, form.wrong(told(error)))
        visit.said = "said_sink_changed"
        return onward(f"{place_of(call)}/sinks/{sink.id}")

    def _speak(self, call: Call, visit: Visit, form: Form) -> Answer:
        workspace = checked(call.path["workspace"])
        try:
            change_language(self._log, workspace, form.one("lang"), actor=visit.viewer, context=context_of(call))
        except FAULTS as error:
            return self._shown(call, visit, Form().wrong(told(error)))
        visit.said = "said_language"
        return onward(f"{place_of(call)}/sinks")

    def _acting(self, act: Callable[[Sinks, str, Form], str]) -> Do:
        """Return what does something with one sink and shows it again."""

        def do(call: Call, visit: Visit, form: Form) -> Answer:
            sinks, name = self._sinks(call, visit), call.path["id"]
            try:
                said = act(sinks, name, form)
            except FAULTS as error:
                return self._one_shown(call, visit, form.wrong(told(error)))
            visit.said = said
            return onward(f"{place_of(call)}/sinks/{sinks.get(name).sink.id}")

        return do

    def _set_secret(self, call: Call, visit: Visit, form: Form) -> Answer:
        sinks = self._sinks(call, visit)
        sink, typed = sinks.get(call.path["id"]).sink, form.one("secret").strip()
        try:
            made = _made(form) if sink.kind == "webhook" and not typed else ""
            sinks.set_secret(sink.id, typed or made, beside=form.has("beside", "yes"))
        except FAULTS as error:
            return self._one_shown(call, visit, form.wrong(told(error)))
        visit.said, visit.made = "said_sink_secret", f"{sink.id} {shared_part(made) or ''}"
        return onward(f"{place_of(call)}/sinks/{sink.id}")

    def _remove(self, call: Call, visit: Visit, form: Form) -> Answer:
        try:
            self._sinks(call, visit).remove(call.path["id"], reason=_why(form))
        except FAULTS as error:
            return self._one_shown(call, visit, form.wrong(told(error)))
        visit.said = "said_sink_removed"
        return onward(f"{place_of(call)}/sinks")

    def _sinks(self, call: Call, visit: Visit) -> Sinks:
        workspace = checked(call.path["workspace"])
        return Sinks(self._log, workspace, actor=visit.viewer, context=context_of(call))


def _made(form: Form) -> str:
    """Make the secret of a webhook, for the kind of signatures that was chosen."""
    return generate_secret("ed25519" if form.one("signature") == "ed25519" else "hmac")


def _test(sinks: Sinks, name: str, _: Form) -> str:
    result = sinks.test(name)
    if fault := result.fault or result.refused.get(0, ""):
        raise Wrong(words_for("en")("sink_not_taken", fault=fault))
    return "said_sink_tested"


def _pause(sinks: Sinks, name: str, form: Form) -> str:
    sinks.pause(name, reason=_why(form))
    return "said_sink_paused"


def _resume(sinks: Sinks, name: str, _: Form) -> str:
    sinks.resume(name)
    return "said_sink_resumed"


def _backfill(sinks: Sinks, name: str, form: Form) -> str:
    typed = form.one("start").strip().replace(",", "")
    if not _INDEX.fullmatch(typed):
        raise Wrong(words_for("en")("sink_start_wrong", text=typed))
    sinks.backfill(name, int(typed))
    return "said_sink_backfilled"


def _retry(sinks: Sinks, name: str, _: Form) -> str:
    _taken, fault = sinks.retry(name)
    if fault:
        raise Wrong(words_for("en")("sink_not_taken", fault=fault))
    return "said_sink_retried"


def _drop(sinks: Sinks, name: str, form: Form) -> str:
    sinks.drop(name, reason=_why(form))
    return "said_sink_dropped"


def _options(form: Form) -> dict[str, str]:
    lang = form.one("told_in")
    found = {"lang": lang} if lang else {}
    for line in filter(None, (one.strip() for one in form.one("options").splitlines())):
        name, equals, value = line.partition("=")
        if not equals:
            raise Wrong(words_for("en")("sink_option_wrong", text=line[:80]))
        found[name.strip()] = value.strip()
    return found


def _why(form: Form) -> Reason:
    text = form.one("reason").strip()
    if not text:
        raise Wrong(words_for("en").text("why_missing"))
    return Reason(text=text)
