"""Read rules: Sigma, parsed by pySigma and turned into tests of ours; what cannot be matched exactly is refused.

The only file that imports pySigma and RE2. A regular expression is matched by RE2, whose time grows with the text and
never explodes, so a rule from anybody cannot stall what runs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from whodid.detect import compare
from whodid.detect.compare import Check
from whodid.detect.numbers import changed
from whodid.detect.rule import LEVELS, Chain, Fixture, Level, Number, Rule, Test
from whodid.detect.view import View, known
from whodid.errors import InvalidRule, InvalidSetting

try:
    import re2
    from sigma.collection import SigmaCollection
    from sigma.conditions import (
        ConditionAND,
        ConditionFieldEqualsValueExpression,
        ConditionNOT,
        ConditionOR,
        ConditionValueExpression,
        SigmaCondition,
    )
    from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule, SigmaCorrelationTimespan
    from sigma.exceptions import SigmaError
    from sigma.rule import SigmaRule
    from sigma.types import (
        SigmaBool,
        SigmaCasedString,
        SigmaCIDRExpression,
        SigmaCompareExpression,
        SigmaExists,
        SigmaExpansion,
        SigmaFieldReference,
        SigmaNull,
        SigmaNumber,
        SigmaRegularExpression,
        SigmaString,
        SigmaTimestampPart,
        SpecialChars,
    )
    from yaml import YAMLError, safe_load_all
except ModuleNotFoundError as error:
    raise InvalidSetting(
        f"Rules need pySigma, google-re2 and PyYAML, and {error.name} is not installed",
        "Run: pip install 'whodid[detect]'",
    ) from None

__all__ = ["MANY", "ONE", "Kind", "parse_rules"]

Kind = Literal["ours", "file", "own"]
"""Whether rules come with whodid, from a file, or from the interface: then no fixture and no reason has to be there."""

ONE, MANY = "{who}: {action}, {what}.", "{count} times within {span}: {action}, last by {who}."
"""The reasons of a rule, on one entry and on several, that gives none."""

_LEVELS: dict[str, Level] = {"informational": "info", "low": "low", "medium": "medium", "high": "high"}
_PRODUCT, _SERVICE = "auditlog", "audit"
_CHAINS = {"event_count", "value_count", "temporal", "temporal_ordered"}
_EXTRA = {"reason", "respond", "raise", "group", "quiet", "fixtures"}
_OURS = {"numbers", "limits", "sentence"}
_COUNTS = frozenset({"count", "span"})
_PLACE = re.compile(r"\{([^{}]+)\}")
_MICROSECOND = 1_000_000
_MOST = 256 * 1024
_NOTHING_ELSE = "Write what the rules of whodid show, or leave it out"


def parse_rules(
    text: str, source: str, kind: Kind = "file", numbers: Mapping[str, Mapping[str, float]] | None = None
) -> list[Rule]:
    """Read the rules of one file, parts before what is made of them.

    Args:
        text: YAML, one document per rule.
        source: What the file is called, for messages.
        kind: Where it is from.
        numbers: To have instead of those in the text, by rule and name.

    Returns:
        The rules; their fixtures were read and not yet tried.

    Raises:
        InvalidRule: A document is no rule, or one that cannot be matched exactly.
    """
    if len(text) > _MOST:
        raise InvalidRule(source, "", f"The file is longer than {_MOST:,} characters", "Divide it into several files")
    try:
        documents = list(safe_load_all(text))
        told = {
            str(one["name"]): changed(one, (numbers or {}).get(str(one["name"]), {}))
            for one in (documents if kind == "ours" else ())
        }
        collection = SigmaCollection.from_dicts(documents)
        collection.resolve_rule_references()
    except (SigmaError, YAMLError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InvalidRule(
            source, "", f"pySigma refuses it: {first}", "Correct it as the Sigma specification says"
        ) from None
    names: dict[int, str] = {}
    found = []
    for rule in collection.rules:
        names[id(rule)] = rule.name or _slug(rule.title)
    if len(set(names.values())) < len(names):
        raise InvalidRule(source, "", "Two rules have the same name", "Give each document a name of its own")
    if not names:
        raise InvalidRule(source, "", "The file holds no rule", "Write at least one document")
    part_names = {
        names[id(reference.rule)]
        for rule in collection.rules
        if isinstance(rule, SigmaCorrelationRule)
        for reference in rule.referenced_rules
    }
    for rule in collection.rules:
        name = names[id(rule)]
        try:
            read = _Reader(source, name, rule, names, is_part=name in part_names, kind=kind)
            found.append(read.rule(told.get(name, ())))
        except SigmaError as error:
            first = str(error).splitlines()[0].rstrip(".")
            raise InvalidRule(source, name, f"pySigma refuses it: {first}", "Correct it as Sigma says") from None
    return found


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.casefold()).strip("_")


class _Reader:
    """Turns one parsed document into a rule, and says what it is when something is wrong."""

    def __init__(self, source: str, name: str, rule: Any, names: dict[int, str], *, is_part: bool, kind: Kind) -> None:
        self._source = source
        self._name = name
        self._rule: Any = rule
        self._names = names
        self._is_part = is_part
        self._kind = kind
        self._extra: dict[str, Any] = rule.custom_attributes
        self._reads: set[str] = set()

    def rule(self, numbers: tuple[Number, ...]) -> Rule:
        """Return the rule.

        Args:
            numbers: What may be changed in it.
        """
        rule = self._rule
        known_here = _EXTRA | {"correlation"} | (_OURS if self._kind == "ours" else set())  # pySigma leaves that one
        unknown = sorted(set(self._extra) - known_here)
        if unknown:
            raise self._wrong(f"The field {unknown[0]} is not known", _NOTHING_ELSE)
        shown = "fixtures" in self._extra
        told = shown or (self._kind == "own" and not self._is_part)
        if not told and not self._is_part:
            raise self._wrong("It has no fixtures", "Give it fixtures: at least two that fire and two that stay silent")
        firing, silent = self._fixtures() if shown else ((), ())
        chain = self._chain() if isinstance(rule, SigmaCorrelationRule) else None
        test, actions = (None, None) if chain is not None else self._test()
        reason, respond = str(self._extra.get("reason", "")), str(self._extra.get("respond", ""))
        group = self._strings("group")
        if self._kind == "own":
            reason = reason or (ONE if chain is None else MANY)
        elif told and not (reason and respond):
            raise self._wrong("It does not say why and what to do", "Give it a reason and a respond text")
        for field in (*group, *_PLACE.findall(reason)):
            if not known(field) and field not in (_COUNTS if chain is not None else {one.name for one in numbers}):
                raise self._wrong(
                    f"An entry has no field {field}", "Use a field of the list in docs/reference/rules.md"
                )
        raises = self._raises(chained=chain is not None)
        return Rule(
            name=self._name,
            title=rule.title,
            level=self._level(str(rule.level) if rule.level is not None else "medium"),
            raises=raises,
            reason=reason,
            respond=respond,
            harmless=tuple(str(cause) for cause in rule.falsepositives or ()),
            form=str(self._extra.get("sentence", "")),
            tags=tuple(str(tag) for tag in rule.tags),
            group=group or (chain.groups[0] if chain is not None else ("person",)),
            quiet=self._time(self._extra.get("quiet", "24h")),
            told=told,
            test=test,
            actions=actions,
            chain=chain,
            firing=firing,
            silent=silent,
            numbers=numbers,
            limits=self._extra.get("limits", {}),
            reads=frozenset(self._reads),
        )

    def _wrong(self, fact: str, remedy: str) -> InvalidRule:
        return InvalidRule(self._source, self._name, fact, remedy)

    # ------------------------------------------------------------------------------------------- what we add to Sigma

    def _fixtures(self) -> tuple[tuple[Fixture, ...], tuple[Fixture, ...]]:
        given = self._extra["fixtures"]
        if not isinstance(given, dict) or set(given) != {"firing", "silent"}:
            raise self._wrong("Its fixtures are not firing and silent", "Write fixtures with the two lists")
        sides = []
        for side in ("firing", "silent"):
            stories = given[side]
            if not isinstance(stories, list) or len(stories) < 2:
                raise self._wrong(f"It has fewer than two {side} fixtures", "Give it at least two of each")
            read = []
            for story in stories:
                events = story if isinstance(story, list) else [story]
                if not events or not all(isinstance(event, dict) for event in events):
                    raise self._wrong(f"A {side} fixture is no event", "Write an event, or a list of events")
                read.append(Fixture(entries=tuple(_divided(event) for event in events)))
            sides.append(tuple(read))
        return sides[0], sides[1]

    def _level(self, text: str) -> Level:
        level = _LEVELS.get(text, text)
        for one in LEVELS:
            if one == level:
                return one
        raise self._wrong(f"There is no level {text}", "Use informational, low, medium, high or critical")

    def _raises(self, *, chained: bool) -> tuple[tuple[Level, Test | int], ...]:
        given = self._extra.get("raise", {})
        if not isinstance(given, dict):
            raise self._wrong("raise is no list of levels", "Write raise with a level and its condition")
        found: list[tuple[Level, Test | int]] = []
        for level, when in given.items():
            if chained:
                if not isinstance(when, int) or isinstance(when, bool):
                    raise self._wrong(f"raise {level} is no number", "Write from how many on the level holds")
                found.append((self._level(str(level)), when))
            else:
                found.append((self._level(str(level)), self._condition(str(when))[0]))
        return tuple(found)

    def _strings(self, name: str) -> tuple[str, ...]:
        given = self._extra.get(name, [])
        if isinstance(given, str):
            return (given,)
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise self._wrong(f"{name} is no list of fields", "Write the names of fields")
        return tuple(given)

    def _time(self, text: Any) -> int:
        return SigmaCorrelationTimespan(str(text)).seconds * _MICROSECOND

    # -------------------------------------------------------------------------------------------------------- chains

    def _chain(self) -> Chain:
        rule: SigmaCorrelationRule = self._rule
        kind: Any = rule.type.name.lower()
        if kind not in _CHAINS:
            raise self._wrong(
                f"Correlations of type {kind} are not matched", f"Use one of {', '.join(sorted(_CHAINS))}"
            )
        condition = rule.condition
        if not isinstance(condition, SigmaCorrelationCondition):
            raise self._wrong("Its condition is an expression of rules", "Write a number, or leave the condition out")
        operator, least = condition.op.name, condition.count
        if operator not in {"GT", "GTE"} or not isinstance(least, int):
            raise self._wrong(
                f"Its condition is {operator.lower()} {least}: a window begins empty, so it would hold at once",
                "Use gte or gt with a whole number",
            )
        least += operator == "GT"
        if least < 1:
            raise self._wrong("Its condition always holds", "Ask for at least 1")
        parts = tuple(self._names[id(reference.rule)] for reference in rule.referenced_rules)
        if kind.startswith("temporal") and least != len(parts):
            raise self._wrong("It asks for fewer or more than all of its rules", "Leave the condition out")
        field = condition.fieldref
        if field is not None and not isinstance(field, str):
            raise self._wrong("It counts the values of several fields", "Name one field")
        if field is not None:
            self._field(field)
        if not rule.group_by:
            raise self._wrong("It has no group-by: everything would be one group", "Say what must be the same")
        groups = tuple(tuple(self._alias(group, part) for group in rule.group_by) for part in parts)
        span = rule.timespan.seconds * _MICROSECOND
        return Chain(kind=kind, parts=parts, span=span, groups=groups, least=least, field=field)

    def _alias(self, group: str, part: str) -> str:
        alias = self._rule.aliases.aliases.get(group)
        if alias is not None:
            for reference, field in alias.mapping.items():
                if self._names[id(reference.rule)] == part:
                    return self._field(field)
            raise self._wrong(f"The alias {group} says nothing of {part}", "Name a field for each rule")
        return self._field(group)

    # ------------------------------------------------------------------------------------------------ single entries

    def _test(self) -> tuple[Test, frozenset[str] | None]:
        rule: SigmaRule = self._rule
        source = rule.logsource
        if source.product != _PRODUCT or source.service not in {None, _SERVICE}:
            raise self._wrong(
                f"It is for the product {source.product}", f"Write logsource: product: {_PRODUCT}, service: {_SERVICE}"
            )
        tests = [self._condition(condition) for condition in rule.detection.condition]
        actions = _either(found for _, found in tests)
        if actions is not None and not actions:
            raise self._wrong("It can never hold: it asks for two actions at once", "Correct its condition")
        if len(tests) == 1:
            return tests[0][0], actions
        return _any([test for test, _ in tests]), actions

    def _condition(self, text: str) -> tuple[Test, frozenset[str] | None]:
        return self._node(SigmaCondition(text, self._rule.detection).parsed)

    def _node(self, node: Any) -> tuple[Test, frozenset[str] | None]:
        """Return the test of a condition, and the actions that it can hold for (None: any)."""
        if isinstance(node, ConditionAND | ConditionOR):
            found = [self._node(arg) for arg in node.args]
            tests = [test for test, _ in found]
            if isinstance(node, ConditionOR):
                return _any(tests), _either(actions for _, actions in found)
            return _all(tests), _both(actions for _, actions in found)
        if isinstance(node, ConditionNOT):
            inner = self._node(node.args[0])[0]
            return (lambda view: not inner(view)), None
        if isinstance(node, ConditionFieldEqualsValueExpression):
            return self._compare(self._field(node.field), node.value)
        if isinstance(node, ConditionValueExpression):
            check = self._check(node.value)
            return (lambda view: any(map(check, view.texts()))), None
        raise self._wrong("Its condition cannot be matched", _NOTHING_ELSE)

    def _field(self, field: str) -> str:
        if not known(field):
            raise self._wrong(f"An entry has no field {field}", "Use a field of the list in docs/reference/rules.md")
        self._reads.add(field)
        return field

    def _compare(self, field: str, value: Any) -> tuple[Test, frozenset[str] | None]:
        if isinstance(value, SigmaExpansion):
            found = [self._compare(field, one) for one in value.values]
            return _any([test for test, _ in found]), _either(actions for _, actions in found)
        if isinstance(value, SigmaNull):
            return (lambda view: not view.get(field)), None
        if isinstance(value, SigmaExists):
            wanted = bool(value)
            return (lambda view: bool(view.get(field)) == wanted), None
        if isinstance(value, SigmaFieldReference):
            return self._same(field, self._field(value.field), value), None
        check = self._check(value)
        actions = None
        if field == "action" and isinstance(value, SigmaString) and not value.contains_special():
            actions = frozenset({str(value).casefold()})

        def test(view: View) -> bool:
            return any(map(check, view.get(field)))

        return test, actions

    def _same(self, field: str, other: str, value: Any) -> Test:
        where = "start" if value.starts_with else "end" if value.ends_with else "whole"

        def test(view: View) -> bool:
            others = [compare.text(compare.shown(one), where=where, cased=False) for one in view.get(other)]
            return any(check(one) for one in view.get(field) for check in others)

        return test

    def _check(self, value: Any) -> Check:
        if isinstance(value, SigmaString):
            return self._text(value)
        if isinstance(value, SigmaTimestampPart):
            return compare.part_of_time(value.timestamp_part.name, value.number)
        if isinstance(value, SigmaNumber):
            return compare.equals_number(value.number)
        if isinstance(value, SigmaBool):
            return compare.equals_bool(wanted=bool(value))
        if isinstance(value, SigmaCompareExpression):
            if isinstance(value.number, SigmaTimestampPart):
                raise self._wrong("It orders parts of a time", "Compare parts of a time with equal values")
            return compare.ordered(value.op.name, value.number.number)
        if isinstance(value, SigmaCIDRExpression):
            return compare.in_network(value.network)
        if isinstance(value, SigmaRegularExpression):
            if value.contains_placeholder():
                raise self._wrong("It has a placeholder", "Write the values themselves instead of expand")
            flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
            return self._pattern(f"(?{flags}){value.regexp}" if flags else str(value.regexp))
        raise self._wrong(f"{type(value).__name__} cannot be matched", _NOTHING_ELSE)

    def _text(self, value: SigmaString) -> Check:
        if value.contains_placeholder():
            raise self._wrong("It has a placeholder", "Write the values themselves instead of expand")
        cased = isinstance(value, SigmaCasedString)
        parts: tuple[Any, ...] = tuple(value.s)
        texts = [part for part in parts if isinstance(part, str)]
        shape = tuple("*" if part is SpecialChars.WILDCARD_MULTI else "" for part in parts)
        plain = {("",): "whole", ("", "*"): "start", ("*", ""): "end", ("*", "", "*"): "inside"}.get(shape)
        if not parts or (plain is not None and len(texts) == 1):
            return compare.text(texts[0] if texts else "", where=plain or "whole", cased=cased)
        written = "".join(
            re2.escape(part) if isinstance(part, str) else ".*" if part is SpecialChars.WILDCARD_MULTI else "."
            for part in parts
        )
        return self._pattern(f"(?s{'' if cased else 'i'})^(?:{written})$")

    def _pattern(self, pattern: str) -> Check:
        try:
            search: Callable[[str], Any] = re2.compile(pattern).search
        except re2.error as error:
            raise self._wrong(f"The expression {pattern} is refused: {error}", "Write it as RE2 reads it") from None
        return lambda value: search(compare.shown(value)) is not None


def _divided(event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    features = event.get("features") or {}
    return {name: value for name, value in event.items() if name != "features"}, dict(features)


def _all(tests: list[Test]) -> Test:
    return lambda view: all(test(view) for test in tests)


def _any(tests: list[Test]) -> Test:
    return lambda view: any(test(view) for test in tests)


def _both(found: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    bound = [actions for actions in found if actions is not None]
    return frozenset.intersection(*bound) if bound else None


def _either(found: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    union: frozenset[str] = frozenset()
    for actions in found:
        if actions is None:
            return None
        union |= actions
    return union
