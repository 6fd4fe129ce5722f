"""The `/v1` routes of alerts: list them, act on them, switch rules; who may, `acting` says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar, get_args

import msgspec

from whodid.canonical import time_text
from whodid.detect import ALWAYS, Alert, Alerts, Rule, RuleSettings, built_in, read_settings
from whodid.errors import InvalidQuery, InvalidSetting, NotFound
from whodid.log import Log
from whodid.server.acting import MANAGE, Acts, came, may, who
from whodid.server.alerting import (
    ACKNOWLEDGE,
    ALERT,
    ALERTS,
    MUTE,
    RESOLVE,
    RULES,
    SWITCH,
    Muting,
    Noted,
    Resolution,
    Switch,
)
from whodid.server.answers import Answer, Call
from whodid.server.ordering import read_order
from whodid.server.sessions import Session, Sessions
from whodid.viewer import PERSONAL, asks
from whodid.viewer.veil import HIDDEN

__all__ = ["AlertRoutes", "explained"]

_STATUSES: tuple[str, ...] = get_args(ALERTS.query[0].type)
_RECENT = timedelta(days=30)
_MOST = 100

_noted = msgspec.json.Decoder(Noted)
_resolution = msgspec.json.Decoder(Resolution)
_muting = msgspec.json.Decoder(Muting)
_switch = msgspec.json.Decoder(Switch)
_T = TypeVar("_T")


class AlertRoutes:
    """Routes over one log.

    Args:
        sessions: Opens requests.
        secret: Makes the ids of the entries about refusals.
    """

    def __init__(self, log: Log, sessions: Sessions, *, secret: bytes) -> None:
        self._log = log
        self._sessions = sessions
        acts = Acts(log, sessions, secret=secret)
        self.handlers = (
            acts.look("/v1/alerts", self._list, ALERTS),
            acts.look("/v1/alerts/{id}", self._one, ALERT),
            acts.act("/v1/alerts/{id}/acknowledge", self._acknowledge, ACKNOWLEDGE, "audit.alert_acknowledged"),
            acts.act("/v1/alerts/{id}/resolve", self._resolve, RESOLVE, "audit.alert_resolved"),
            acts.act("/v1/alerts/{id}/mute", self._mute, MUTE, "audit.alert_rule_changed"),
            acts.look("/v1/alert-rules", self._rules, RULES),
            acts.act("/v1/alert-rules/{name}", self._switched, SWITCH, "audit.alert_rule_changed", method="PUT"),
        )

    # ------------------------------------------------------------------------------------------------------ looking

    def _list(self, session: Session, found: dict[str, str], call: Call) -> dict[str, Any]:
        status = found.get("status") or "active"
        if status not in _STATUSES:
            raise InvalidQuery(f"There is no status {status!r}", f"Use one of {', '.join(_STATUSES)}")
        alerts = Alerts(self._log, session.claims.workspace)
        page = alerts.page(status, after=found.get("after"), limit=asks.number(found, "limit", 50, 1, _MOST))
        self._sessions.opened(session, call)
        return {
            "items": [_view(one, session) for one in page.items],
            "open": sum(one.status == "open" for one in alerts.active()),
            "manage": session.claims.may(MANAGE),
            "next": page.next,
        }

    def _one(self, session: Session, _: dict[str, str], call: Call) -> dict[str, Any]:
        alert = explained(session, call.path["id"])
        self._sessions.opened(session, call)
        return alert

    def _rules(self, session: Session, _: dict[str, str], call: Call) -> dict[str, Any]:
        return {
            "items": [self._rule(session, rule) for rule in _told()],
            "available": bool(_told()),
            "manage": session.claims.may(MANAGE),
        }

    def _rule(self, session: Session, rule: Rule) -> dict[str, Any]:
        workspace, now = session.claims.workspace, self._log.now()
        settings = read_settings(self._log, workspace)
        times = [one.at for one in Alerts(self._log, workspace).of_rule(rule.name)]
        return {
            "name": rule.name,
            "title": rule.title,
            "level": rule.level,
            "active": rule.name not in settings.off and rule.name not in settings.failed,
            "always": rule.name == ALWAYS,
            "failed": settings.failed.get(rule.name),
            "respond": rule.respond,
            "harmless": list(rule.harmless),
            "last_at": time_text(max(times)) if times else None,
            "recent": sum(now - at <= _RECENT for at in times),
            "mutes": [
                {"person": who(one.person), "until": time_text(one.until)}
                for one in settings.mutes
                if one.rule == rule.name and one.until > now
            ],
        }

    # ------------------------------------------------------------------------------------------------------- acting

    def _acknowledge(self, session: Session, call: Call) -> Any:
        return self._ordered(session, call, _noted, lambda alerts, id_, wish: alerts.acknowledge(id_, wish.note))

    def _resolve(self, session: Session, call: Call) -> Any:
        return self._ordered(
            session, call, _resolution, lambda alerts, id_, wish: alerts.resolve(id_, wish.verdict, wish.note)
        )

    def _mute(self, session: Session, call: Call) -> Any:
        def mute(alerts: Alerts, id_: str, wish: Muting) -> Alert:
            alert = alerts.get(id_)
            if alert.person is None:
                raise InvalidSetting("The alert is about nobody in particular", "Switch the rule off instead")
            self._settings(session, call).mute(alert.rule, alert.title, alert.person, wish.days, wish.note)
            return alert

        return self._ordered(session, call, _muting, mute)

    def _switched(self, session: Session, call: Call) -> Any:
        wish = read_order(call, _switch)
        if isinstance(wish, Answer):
            return wish
        rule = next((one for one in _told() if one.name == call.path["name"]), None)
        if rule is None:
            raise NotFound(f"There is no rule {call.path['name'][:80]!r}", "Look at the list of rules")
        self._settings(session, call).switch(rule.name, rule.title, on=wish.active)
        return self._rule(session, rule)

    def _ordered(
        self,
        session: Session,
        call: Call,
        decoder: msgspec.json.Decoder[_T],
        act: Callable[[Alerts, str, _T], Alert],
    ) -> Any:
        wish = read_order(call, decoder)
        if isinstance(wish, Answer):
            return wish
        claims = session.claims
        alerts = Alerts(self._log, claims.workspace, actor=claims.viewer, context=came(call))
        return _view(act(alerts, call.path["id"], wish), session)

    def _settings(self, session: Session, call: Call) -> RuleSettings:
        claims = session.claims
        return RuleSettings(self._log, claims.workspace, actor=claims.viewer, context=came(call))


def explained(session: Session, id_: str) -> dict[str, Any]:
    """Return an alert: what it rests on, why, and what became of it, as far as a session may see that.

    Raises:
        Denied: The session sees a part of the log only.
        NotFound: There is no such alert.
    """
    may(session)
    return _view(Alerts(session.reader.log, session.claims.workspace).get(id_), session)


def _told() -> Sequence[Rule]:
    """Return the rules that make alerts; none where the extra is not installed."""
    try:
        return [rule for rule in built_in() if rule.told and rule.level != "info"]
    except InvalidSetting:
        return ()


def _view(alert: Alert, session: Session) -> dict[str, Any]:
    """Return an alert as JSON; its reason may hold addresses, so it takes the permission for personal values."""
    return {
        "id": alert.id,
        "rule": alert.rule,
        "title": alert.title,
        "level": alert.level,
        "status": alert.status,
        "reason": alert.reason if session.claims.may(PERSONAL) else HIDDEN,
        "respond": alert.respond,
        "harmless": list(alert.harmless),
        "person": None if alert.person is None else who(alert.person),
        "index": alert.index,
        "entries": list(alert.entries),
        "at": time_text(alert.at),
        "last_at": time_text(alert.last_at),
        "times": alert.times,
        "raised_at": time_text(alert.raised_at),
        "acknowledged": _done(alert, "acknowledged"),
        "resolved": _done(alert, "resolved"),
        "verdict": alert.verdict,
        "within": alert.within,
    }


def _done(alert: Alert, name: str) -> dict[str, Any] | None:
    act = alert.acknowledged if name == "acknowledged" else alert.resolved
    return None if act is None else {"at": time_text(act.at), "by": who(act.by), "note": act.note}
