"""The `/v1` routes of rules: list, write, try, change and delete them, and the budget of alerts.

Looking takes `audit:read` and no locked filter; everything else takes `audit:manage`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from whodid.canonical import time_text
from whodid.detect import (
    ALWAYS,
    Alert,
    Alerts,
    Geo,
    OwnRule,
    Preview,
    Rule,
    RuleSettings,
    Settings,
    built_in,
    check_numbers,
    check_preview,
    compiled,
    is_personal,
    preview,
    read_settings,
    rules_of,
    translated,
    written,
)
from whodid.detect import Draft as Written
from whodid.errors import InvalidRule, InvalidSetting, NotFound
from whodid.log import Log
from whodid.server.acting import MANAGE, Acts, came, who
from whodid.server.alerts import spoken, told_rules
from whodid.server.answers import Answer, Call, answer_json
from whodid.server.problems import problem
from whodid.server.ruling import BUDGET, CHANGE, CREATE, DELETE, PREVIEW, RULES, Budget, Change, Draft, Trial
from whodid.server.sessions import Session, Sessions
from whodid.viewer import PERSONAL

__all__ = ["RuleRoutes"]

_MONTH, _WEEK = timedelta(days=30), timedelta(days=7)
_CHANGED = "audit.alert_rule_changed"
_SILENT = frozenset({"muted", "inhibited"})


class RuleRoutes:
    """Routes over one log.

    Args:
        sessions: Opens requests.
        secret: Makes the ids of the entries about refusals.
        geo: Where addresses are, for what a rule would have found.
        at_once: How many rules may be tried at once.
    """

    def __init__(self, log: Log, sessions: Sessions, *, secret: bytes, geo: Geo | None, at_once: int) -> None:
        self._log = log
        acts = Acts(log, sessions, secret=secret)
        self._geo = geo
        self._slots = threading.BoundedSemaphore(at_once)
        self.handlers = (
            acts.look("/v1/alert-rules", self._list, RULES),
            acts.order("/v1/alert-rules", Draft, self._write, CREATE, _CHANGED),
            acts.order("/v1/alert-rules/preview", Trial, self._try, PREVIEW, _CHANGED),
            acts.order("/v1/alert-rules/{name}", Change, self._changed, CHANGE, _CHANGED, method="PUT"),
            acts.act("/v1/alert-rules/{name}", self._delete, DELETE, _CHANGED, method="DELETE"),
            acts.order("/v1/alert-budget", Budget, self._limit, BUDGET, _CHANGED, method="PUT"),
        )

    # ------------------------------------------------------------------------------------------------------ looking

    def _list(self, session: Session, found: dict[str, str], call: Call) -> dict[str, Any]:
        shown = self._shown(session, call, found.get("lang"))
        return {
            "items": [shown.rule(rule) for rule in shown.rules.values()]
            + [shown.unread(own) for own in shown.settings.own if own.name not in shown.rules],
            "available": bool(shown.rules),
            "manage": session.claims.may(MANAGE),
            "budget": shown.budget(),
        }

    def _shown(self, session: Session, call: Call, lang: str | None = None) -> _Shown:
        return _Shown(self._log, session, session.lang(lang, call))

    # ------------------------------------------------------------------------------------------------------- acting

    def _write(self, session: Session, call: Call, wish: Draft) -> Answer:
        made = self._saved(session, call, wish, None)
        return made if isinstance(made, Answer) else answer_json(self._answered(session, call, made), status=201)

    def _changed(self, session: Session, call: Call, wish: Change) -> Any:
        name = call.path["name"]
        shown = self._shown(session, call)
        own = next((one for one in shown.settings.own if one.name == name), None)
        rule = shown.rules.get(name)
        if own is None and rule is None:
            raise NotFound(f"There is no rule {name[:80]!r}", "Look at the list of rules")
        title = own.title if own is not None else rule.title if rule is not None else name
        if wish.numbers is not None and rule is not None:
            refused = self._numbered(session, call, shown, rule, wish.numbers)
            if refused is not None:
                return refused
        if wish.sentence is not None or wish.text:
            if own is None:
                raise InvalidSetting(f"The workspace did not write {title!r}", "Change its numbers, or write a rule")
            made = self._saved(session, call, Draft(sentence=wish.sentence, text=wish.text), name)
            if isinstance(made, Answer):
                return made
        if wish.active is not None:
            self._settings(session, call).switch(name, title, on=wish.active)
        return self._answered(session, call, name)

    def _numbered(
        self, session: Session, call: Call, shown: _Shown, rule: Rule, values: Mapping[str, float]
    ) -> Answer | None:
        """Give a built-in rule other numbers, or return why that cannot be done now."""
        tried = self._tried(session, call, self._with_numbers(shown, rule, values), rule)
        if isinstance(tried, Answer):
            return tried
        check_preview(rule.title, tried, self._log.now())
        usual = {one.name: one.usual for one in rule.numbers}
        self._settings(session, call).number(rule.name, rule.title, values, usual)
        return None

    def _delete(self, session: Session, call: Call) -> Any:
        name = call.path["name"]
        own = next((one for one in read_settings(self._log, session.claims.workspace).own if one.name == name), None)
        if own is None:
            raise NotFound(f"The workspace wrote no rule {name[:80]!r}", "Look at the list of rules")
        shown = self._answered(session, call, name)
        self._settings(session, call).delete(name, personal=_is_personal(own))
        return shown

    def _limit(self, session: Session, call: Call, wish: Budget) -> dict[str, Any]:
        self._settings(session, call).budget(wish.weekly)
        return self._shown(session, call).budget()

    def _saved(self, session: Session, call: Call, wish: Draft, name: str | None) -> str | Answer:
        """Check and keep a rule of the workspace; return its name, or why that cannot be done now."""
        draft = Written(sentence=wish.sentence, text=wish.text)
        text = written(draft)
        rules = compiled(name or "own", text)
        rule = next(one for one in rules if one.told)
        shown = self._shown(session, call)
        tried = self._tried(session, call, shown.beside(rules), rule)
        if isinstance(tried, Answer):
            return tried
        check_preview(rule.title, tried, self._log.now())
        return self._settings(session, call).write(
            wish.sentence, wish.text, rule.title, text, personal=is_personal(draft, text), name=name
        )

    def _answered(self, session: Session, call: Call, name: str) -> dict[str, Any]:
        shown = self._shown(session, call)
        if name in shown.rules:
            return shown.rule(shown.rules[name])
        return shown.unread(next(one for one in shown.settings.own if one.name == name))

    def _settings(self, session: Session, call: Call) -> RuleSettings:
        claims = session.claims
        return RuleSettings(self._log, claims.workspace, actor=claims.viewer, context=came(call))

    # ------------------------------------------------------------------------------------------------------- trying

    def _try(self, session: Session, call: Call, wish: Trial) -> Any:
        shown = self._shown(session, call, wish.lang)
        text = None
        if wish.numbers is not None and wish.rule in shown.rules and wish.sentence is None and not wish.text:
            rule = shown.rules[wish.rule]
            rules = self._with_numbers(shown, rule, wish.numbers)
        else:
            text = written(Written(sentence=wish.sentence, text=wish.text))
            made = compiled(wish.rule or "own", text)
            rule = next(one for one in made if one.told)
            rules = shown.beside(made)
        tried = self._tried(session, call, rules, rule)
        if isinstance(tried, Answer):
            return tried
        refused = None
        try:
            check_preview(rule.title, tried, self._log.now())
        except InvalidRule as error:
            refused = str(error)
        return {**shown.preview(tried, rule), "text": text, "refused": refused}

    def _with_numbers(self, shown: _Shown, rule: Rule, values: Mapping[str, float]) -> Sequence[Rule]:
        """Return the built-in rules, one with other numbers."""
        check_numbers(rule.title, rule.numbers, values)
        numbers = shown.settings.numbers
        return built_in({**numbers, rule.name: {**numbers.get(rule.name, {}), **values}})

    def _tried(self, session: Session, call: Call, rules: Sequence[Rule], rule: Rule) -> Preview | Answer:
        if not self._slots.acquire(blocking=False):
            return problem(503, call.request_id, "Enough rules are being tried.", headers=(("Retry-After", "5"),))
        try:
            return preview(self._log, session.claims.workspace, rules, rule.name, geo=self._geo)
        finally:
            self._slots.release()


class _Shown:
    """What a session sees of the rules of its workspace.

    Args:
        lang: In which language.
    """

    def __init__(self, log: Log, session: Session, lang: str) -> None:
        self._session = session
        self._now = log.now()
        self._lang = lang
        workspace = session.claims.workspace
        self.settings: Settings = read_settings(log, workspace)
        self.rules = told_rules(log, workspace, lang)
        self._alerts = [one for one in Alerts(log, workspace).all() if one.status != "muted"]

    def beside(self, rules: Sequence[Rule]) -> Sequence[Rule]:
        """Return rules of the workspace with all whose signals they ask for."""
        if not any(field.startswith("features.signals") for rule in rules for field in rule.reads):
            return rules
        names = {rule.name for rule in rules}
        return [*(one for one in rules_of(self.settings).all if one.name not in names), *rules]

    def rule(self, rule: Rule) -> dict[str, Any]:
        """Return a rule as JSON."""
        own = next((one for one in self.settings.own if one.name == rule.name), None)
        return {
            "name": rule.name,
            "title": rule.title,
            "level": rule.level,
            "form": rule.form,
            "numbers": list(rule.numbers),
            "active": rule.name not in self.settings.off and rule.name not in self.settings.failed,
            "always": rule.name == ALWAYS,
            "failed": self.settings.failed.get(rule.name),
            "respond": rule.respond,
            "harmless": list(rule.harmless),
            **self._own(own),
            **self._lately(rule.name),
        }

    def unread(self, own: OwnRule) -> dict[str, Any]:
        """Return a rule of the workspace that cannot be read any more, or not on this server."""
        return {
            "name": own.name,
            "title": own.title,
            "level": "medium" if own.sentence is None else own.sentence.level,
            "form": "",
            "numbers": [],
            "active": False,
            "always": False,
            "failed": self.settings.failed.get(own.name),
            "respond": "",
            "harmless": [],
            **self._own(own),
            **self._lately(own.name),
        }

    def budget(self) -> dict[str, Any]:
        """Return the budget of alerts as JSON."""
        recent = sum(self._now - one.at <= _WEEK for one in self._told())
        return {"weekly": self.settings.budget, "recent": recent}

    def preview(self, tried: Preview, rule: Rule) -> dict[str, Any]:
        """Return what a rule would have done, as JSON."""
        others = [one for one in self._told() if one.rule != rule.name and self._now - one.at <= _MONTH]
        weekly, rest = tried.weekly(self._now), len(others) * _WEEK / _MONTH
        rules = {**self.rules, rule.name: translated(rule, self._lang)}
        return {
            "since": time_text(tried.since),
            "entries": tried.entries,
            "whole": tried.whole,
            "found": tried.found,
            "levels": tried.levels,
            "weekly": round(weekly, 1),
            "others": round(rest, 1),
            "budget": self.settings.budget,
            "over": weekly + rest > self.settings.budget,
            "last": [
                {
                    "at": time_text(one.at),
                    "index": one.index,
                    "level": one.level,
                    **spoken(one, self._session, rules, self._lang),
                    "entries": list(one.entries),
                }
                for one in tried.last
            ],
        }

    def _told(self) -> list[Alert]:
        return [one for one in self._alerts if one.status not in _SILENT]

    def _own(self, own: OwnRule | None) -> dict[str, Any]:
        if own is None:
            return {"own": False, "sentence": None, "text": None, "changed_at": None, "changed_by": None}
        shown = self._session.claims.may(PERSONAL) or not _is_personal(own)
        return {
            "own": True,
            "sentence": own.sentence if shown else None,
            "text": written(own) if shown else None,
            "changed_at": time_text(own.at),
            "changed_by": who(own.by),
        }

    def _lately(self, name: str) -> dict[str, Any]:
        times: list[datetime] = [one.at for one in self._alerts if one.rule == name]
        mutes = [one for one in self.settings.mutes if one.rule == name and one.until > self._now]
        return {
            "last_at": time_text(max(times)) if times else None,
            "recent": sum(self._now - at <= _MONTH for at in times),
            "mutes": [{"person": who(one.person), "until": time_text(one.until)} for one in mutes],
        }


def _is_personal(own: OwnRule) -> bool:
    return is_personal(own, written(own))
