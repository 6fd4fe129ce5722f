"""The `/v1` routes of alerts: list them, act on them.

Looking takes `audit:read` and no locked filter, because an alert is about what the filter leaves out. Acting takes
`audit:manage`, which an API key with the scope `admin` has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from whodid.canonical import time_text
from whodid.catalog import type_label
from whodid.catalog.labels import pick, value_label
from whodid.detect import (
    Alert,
    Alerts,
    Finding,
    Rule,
    RuleSettings,
    code_in,
    read_settings,
    rules_of,
    slots,
    translated,
)
from whodid.errors import InvalidQuery, InvalidSetting
from whodid.log import Log
from whodid.query import indexes_of
from whodid.server.acting import MANAGE, Acts, came, may, who
from whodid.server.alerting import (
    ACKNOWLEDGE,
    ALERT,
    ALERTS,
    MOST_OVER,
    MUTE,
    RESOLVE,
    Muting,
    Noted,
    Resolution,
)
from whodid.server.answers import Call
from whodid.server.reminding import OVERDUE
from whodid.server.sessions import Session, Sessions
from whodid.viewer import PERSONAL, asks
from whodid.viewer.veil import HIDDEN

__all__ = ["AlertRoutes", "explained", "spoken", "told_rules", "who"]

_STATUSES: tuple[str, ...] = get_args(ALERTS.query[0].type)
_MOST = 100
_CODES = frozenset({"details.cause", "features.net_type"})


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
            acts.order(
                "/v1/alerts/{id}/acknowledge", Noted, self._acknowledge, ACKNOWLEDGE, "audit.alert_acknowledged"
            ),
            acts.order("/v1/alerts/{id}/resolve", Resolution, self._resolve, RESOLVE, "audit.alert_resolved"),
            acts.order("/v1/alerts/{id}/mute", Muting, self._mute, MUTE, "audit.alert_rule_changed"),
        )

    # ------------------------------------------------------------------------------------------------------ looking

    def _list(self, session: Session, found: dict[str, str], call: Call) -> dict[str, Any]:
        status = found.get("status") or "active"
        if status not in _STATUSES:
            raise InvalidQuery(f"There is no status {status!r}", f"Use one of {', '.join(_STATUSES)}")
        alerts = Alerts(self._log, session.claims.workspace)
        over = indexes_of(found["at"], most=MOST_OVER) if "at" in found else None
        limit = asks.number(found, "limit", 50, 1, _MOST)
        page = alerts.page(status, over=over, after=found.get("after"), limit=limit)
        self._sessions.opened(session, call)
        lang = session.lang(found.get("lang"), call)
        rules = told_rules(self._log, session.claims.workspace, lang)
        return {
            "items": [_view(one, session, rules, lang) for one in page.items],
            "open": sum(one.status == "open" for one in alerts.active()),
            "manage": session.claims.may(MANAGE),
            "next": page.next,
        }

    def _one(self, session: Session, found: dict[str, str], call: Call) -> dict[str, Any]:
        alert = explained(session, call.path["id"], session.lang(found.get("lang"), call))
        self._sessions.opened(session, call)
        return alert

    # ------------------------------------------------------------------------------------------------------- acting

    def _acknowledge(self, session: Session, call: Call, wish: Noted) -> dict[str, Any]:
        return self._after(session, call, self._alerts(session, call).acknowledge(call.path["id"], wish.note))

    def _resolve(self, session: Session, call: Call, wish: Resolution) -> dict[str, Any]:
        resolved = self._alerts(session, call).resolve(call.path["id"], wish.verdict, wish.note)
        return self._after(session, call, resolved)

    def _mute(self, session: Session, call: Call, wish: Muting) -> dict[str, Any]:
        alert = self._alerts(session, call).get(call.path["id"])
        if alert.person is None:
            raise InvalidSetting("The alert is about nobody in particular", "Switch the rule off instead")
        claims = session.claims
        settings = RuleSettings(self._log, claims.workspace, actor=claims.viewer, context=came(call))
        settings.mute(alert.rule, alert.title, alert.person, wish.days, wish.note)
        return self._after(session, call, alert)

    def _alerts(self, session: Session, call: Call) -> Alerts:
        claims = session.claims
        return Alerts(self._log, claims.workspace, actor=claims.viewer, context=came(call))

    def _after(self, session: Session, call: Call, alert: Alert) -> dict[str, Any]:
        lang = session.lang(None, call)
        return _view(alert, session, told_rules(self._log, session.claims.workspace, lang), lang)


def told_rules(log: Log, workspace: str, lang: str) -> dict[str, Rule]:
    """Return the rules of a workspace that make alerts, by name, in a language; none without the extra `detect`."""
    try:
        rules = rules_of(read_settings(log, workspace)).all
    except InvalidSetting:
        return {}
    told = (rule for rule in rules if rule.told and ({rule.level, *(level for level, _ in rule.raises)} - {"info"}))
    return {rule.name: translated(rule, lang) for rule in told}


def explained(session: Session, id_: str, lang: str) -> dict[str, Any]:
    """Return an alert: what it rests on, why, and what became of it, as far as a session may see that.

    Raises:
        Denied: The session sees a part of the log only.
        NotFound: There is no such alert.
    """
    may(session)
    log, workspace = session.reader.log, session.claims.workspace
    return _view(Alerts(log, workspace).get(id_), session, told_rules(log, workspace, lang), lang)


def _view(alert: Alert, session: Session, rules: Mapping[str, Rule], lang: str) -> dict[str, Any]:
    """Return an alert as JSON; its reason may hold addresses, so it takes the permission for personal values."""
    rule = rules.get(alert.rule)
    return {
        "id": alert.id,
        "rule": alert.rule,
        "title": code_in(lang, alert.title) if rule is None else rule.title,
        "level": alert.level,
        "status": alert.status,
        "called": {
            name: value_label(name, code, lang) or code
            for name, code in (("level", alert.level), ("verdict", alert.verdict))
            if code is not None
        },
        **spoken(alert, session, rules, lang),
        "respond": code_in(lang, alert.respond) if rule is None else rule.respond,
        "harmless": list(alert.harmless if rule is None else rule.harmless),
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


def spoken(found: Alert | Finding, session: Session, rules: Mapping[str, Rule], lang: str) -> dict[str, Any]:
    """Return why, as far as a session may see that: as it was said, and as a sentence in a language with its values."""
    rule, personal = rules.get(found.rule), session.claims.may(PERSONAL)
    # A rule may have another reason now than when it held.
    known = rule is not None and bool(found.reason) and personal and slots(rule.reason) <= found.numbers.keys()
    return {
        "reason": found.reason if personal else HIDDEN,
        "template": rule.reason if rule is not None and known else _plain(found, lang),
        "numbers": _numbers(found.numbers, session, rules, lang) if known else {},
    }


def _plain(found: Alert | Finding, lang: str) -> str | None:
    """Return a reason that no rule gave and that holds no values, in a language; None for what people wrote."""
    return code_in(lang, found.reason) if found.rule == OVERDUE and found.reason else None


def _numbers(numbers: Mapping[str, Any], session: Session, rules: Mapping[str, Rule], lang: str) -> dict[str, Any]:
    """Return the values of a reason; rules, actions, kinds of things and codes as people call them."""
    found = dict(numbers)
    for name, value in numbers.items():
        if name == "resource.type":
            found[name] = type_label(str(value), lang)
        elif name in _CODES:
            found[name] = code_in(lang, str(value))
        elif name.startswith("features.signals"):
            found[name] = [rules[one].title if one in rules else one for one in _listed(value)]
        elif name == "action":
            declared = session.reader.log.catalog.get(str(value))
            found[name] = value if declared is None else pick(declared.label, lang)
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _done(alert: Alert, name: str) -> dict[str, Any] | None:
    act = alert.acknowledged if name == "acknowledged" else alert.resolved
    return None if act is None else {"at": time_text(act.at), "by": who(act.by), "note": act.note}
