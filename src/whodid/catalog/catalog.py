"""An action and the catalog of actions: what each is called, how grave it is, which of its fields are whose.

The catalog is a value: declaring more actions makes another catalog. It judges declarations, never events; that is
the work of intake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from msgspec import Struct
from msgspec.structs import replace

from whodid.catalog.classes import FieldClasses, check_pattern
from whodid.catalog.labels import pick
from whodid.catalog.templates import STANDARD_PARTS, check_source, check_template
from whodid.catalog.verbs import kind_of
from whodid.errors import InvalidCatalog
from whodid.model import KINDS, SEVERITIES, FieldClass, Kind, Outcome, Severity

__all__ = ["ANSWERS", "Action", "Catalog", "Wording"]

ANSWERS = ("approval", "key_ended", "key_made", "role", "start", "stop")
"""What an entry can answer besides its kind: how a thing got approved, when a key began and ceased to be valid, who had
which role, when a thing that runs began and stopped."""

_ACTION = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_TYPE = re.compile(r"[a-z][a-z0-9_]*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ENGLISH = "en"


class Wording(Struct, frozen=True, kw_only=True):
    """The sentences of one action in one language, one per outcome.

    Each is a whole sentence with parts in braces, without a full stop and without pronouns for the actor. A tuple
    lists sentences from the richest to the plainest: the first whose parts are all known is used.

    Args:
        denied: Empty for the general wording of the language.
        failed: Empty for the general wording of the language.
    """

    success: str | tuple[str, ...]
    denied: str | tuple[str, ...] = ""
    failed: str | tuple[str, ...] = ""

    def of(self, outcome: Outcome) -> tuple[str, ...]:
        """Return the sentences for an outcome, the richest first; empty when the general wording is to be used."""
        sentences = self.success if outcome == "success" else self.denied if outcome == "denied" else self.failed
        if isinstance(sentences, str):
            return (sentences,) if sentences else ()
        return sentences


class Action(Struct, frozen=True, kw_only=True):
    """One declared action.

    Args:
        name: `noun.verb`, past tense.
        kind: What "only creates, only deletes" filters on.
        label: Language → what menus call it, such as "Contact deleted"; `en` is required.
        sentences: Language → wording; plain text is the wording of success. `en` is required.
        severity: What an entry gets unless its event says otherwise.
        sensitivity: What an entry may expose: any of P (personal data), S (a secret, redacted), A (access rights).
        resource_type: Type of the resource; empty when it may be any.
        named: Whether the user guide names this action.
        classes: Pattern of a path → class of the field; see `FieldClasses`.
        retention: Retention class.
        parts: Name of a part → its source, beyond the standard parts: `details.<name>`, `related.<rel>`,
            `changes.<path>.before`, `changes.<path>.after`, `reason`, `context.<name>`.
        summaries: Language → one written line with parts, shown where no reason and no short list of changes is.
        answers: Which questions of an auditor its entries answer, of `ANSWERS`; creations and deletions are known by
            their kind.
        reason_required: Whether strict intake refuses a successful act without a reason.
        example: A realistic event in wire form.
    """

    name: str
    kind: Kind
    label: dict[str, str]
    sentences: dict[str, str | Wording]
    severity: Severity = "info"
    sensitivity: str = ""
    resource_type: str = ""
    named: bool = False
    classes: dict[str, FieldClass] = {}
    retention: str = "standard"
    parts: dict[str, str] = {}
    summaries: dict[str, str] = {}
    answers: tuple[str, ...] = ()
    reason_required: bool = False
    example: dict[str, Any] = {}

    @property
    def category(self) -> str:
        """The noun of the action."""
        return self.name.partition(".")[0]

    def wording(self, lang: str) -> Wording:
        """Return the wording in a language, or the English one when the action does not speak it."""
        found = pick(self.sentences, lang)
        return Wording(success=found) if isinstance(found, str) else found

    def source(self, part: str) -> str:
        """Return where a part of this action's sentences takes its text from."""
        return self.parts.get(part) or STANDARD_PARTS[part]


class Catalog(Mapping[str, Action]):
    """The declared actions by name, in order of declaration. Immutable.

    Args:
        actions: Checked as `declare` does.

    Raises:
        InvalidCatalog: A declaration contradicts itself or another one.
    """

    __slots__ = ("_actions", "_classes", "_fields", "_unknown")

    def __init__(self, *actions: Action) -> None:
        self._actions: dict[str, Action] = {}
        self._fields: dict[str, dict[str, FieldClass]] = {}
        for action in actions:
            _check(action)
            if action.name in self._actions:
                raise InvalidCatalog(
                    f"Action {action.name} is declared twice", "Give the other one its own name, or drop it"
                )
            self._actions[action.name] = action
        self._classes: dict[str, FieldClasses] = {}
        for category in self.categories():
            self._classes[category] = FieldClasses(self._of_category(category))
        self._unknown = FieldClasses({})

    def declare(self, *actions: Action) -> Catalog:
        """Return a catalog with further actions; this one stays as it is.

        Raises:
            InvalidCatalog: A declaration contradicts itself or the catalog.
        """
        return self._with((*self._actions.values(), *actions))

    def with_retention(self, retention_class: str, *categories: str) -> Catalog:
        """Return a catalog in which all actions of some categories have a retention class; see `Action.retention`.

        Args:
            retention_class: A name of your own, such as `access`; a policy may keep it for days of its own.
            categories: The parts of the actions' names before the dot, such as `auth`.

        Raises:
            InvalidCatalog: The class is malformed, or no action has such a category.
        """
        known = self.categories()
        for category in categories:
            if category not in known:
                raise InvalidCatalog(f"No action has the category {category!r}", f"There are {', '.join(known)}")
        return self._with(
            replace(action, retention=retention_class) if action.category in categories else action
            for action in self._actions.values()
        )

    def _with(self, actions: Iterable[Action]) -> Catalog:
        made = Catalog(*actions)
        for noun, classes in self._fields.items():
            made = made.with_fields(noun, classes)
        return made

    def with_fields(self, noun: str, classes: Mapping[str, FieldClass]) -> Catalog:
        """Return a catalog that knows further fields of a noun, whether its actions are declared or not.

        `{"*": "secret"}` hides the whole body of a thing: every field says only that it changed. `{"token_prefix":
        "plain"}` lets a field in whose name is denied by default. What an action declares itself comes first.

        Args:
            noun: Of the actions, such as `customer`.
            classes: Pattern of a path → class of the field; see `FieldClasses`.

        Raises:
            InvalidCatalog: The noun or a pattern is malformed.
        """
        if not _TYPE.fullmatch(noun):
            raise InvalidCatalog(f"{noun!r} is not a noun", "Use the part of the action's name before the dot")
        for pattern, class_ in classes.items():
            check_pattern(pattern, class_, noun)
        made = Catalog(*self._actions.values())
        made._fields.update(self._fields)
        made._fields[noun] = {**self._fields.get(noun, {}), **classes}
        for known, further in made._fields.items():
            made._classes[known] = FieldClasses({**further, **made._of_category(known)})
        return made

    def classes(self, action: str) -> FieldClasses:
        """Return the field classes of an action.

        An undeclared action takes those of the declared actions of its category, so that a new verb on a contact does
        not lay the contact's personal data open.

        Args:
            action: Declared or not.
        """
        found = self._classes.get(action)
        if found is None:
            declared = self._actions.get(action)
            if declared is None:
                return self._classes.get(action.partition(".")[0], self._unknown)
            further = self._fields.get(declared.category, {})
            found = self._classes[action] = FieldClasses({**further, **declared.classes})
        return found

    def infer_kind(self, action: str) -> Kind:
        """Return the kind of an action: the declared one, or what its verb suggests."""
        declared = self._actions.get(action)
        return declared.kind if declared else kind_of(action)

    def categories(self) -> tuple[str, ...]:
        """Return the nouns of the declared actions, in order of declaration."""
        return tuple(dict.fromkeys(action.category for action in self._actions.values()))

    def resource_types(self) -> tuple[str, ...]:
        """Return the resource types of the declared actions, in order of declaration."""
        return tuple(dict.fromkeys(a.resource_type for a in self._actions.values() if a.resource_type))

    def _of_category(self, category: str) -> dict[str, FieldClass]:
        return {
            pattern: class_
            for action in self._actions.values()
            if action.category == category
            for pattern, class_ in action.classes.items()
        }

    def __getitem__(self, name: str) -> Action:
        return self._actions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._actions)

    def __len__(self) -> int:
        return len(self._actions)

    def __repr__(self) -> str:
        return f"Catalog({len(self)} actions)"


def _check(action: Action) -> None:
    name = action.name
    if not _ACTION.fullmatch(str(name)) or len(name) > 100:
        raise InvalidCatalog(
            f"{name!r} is not the name of an action",
            "Write noun.verb in lower case with the verb in the past tense, such as invoice.sent",
        )
    if action.kind not in KINDS:
        raise InvalidCatalog(f"{name}: {action.kind!r} is not a kind", f"Use one of {', '.join(KINDS)}")
    if action.severity not in SEVERITIES:
        raise InvalidCatalog(f"{name}: {action.severity!r} is not a severity", f"Use one of {', '.join(SEVERITIES)}")
    if not set(action.sensitivity) <= set("PSA") or len(set(action.sensitivity)) != len(action.sensitivity):
        raise InvalidCatalog(
            f"{name}: {action.sensitivity!r} is not a sensitivity", "Use letters P, S and A, each at most once"
        )
    if action.resource_type and not _TYPE.fullmatch(action.resource_type):
        raise InvalidCatalog(
            f"{name}: {action.resource_type!r} is not a resource type",
            "Use lower-case letters, digits and underscores, such as 'invoice'",
        )
    if not set(action.answers) <= set(ANSWERS):
        raise InvalidCatalog(
            f"{name}: it cannot answer {', '.join(sorted(set(action.answers) - set(ANSWERS)))}",
            f"Use some of {', '.join(ANSWERS)}",
        )
    if not _TYPE.fullmatch(action.retention):
        raise InvalidCatalog(f"{name}: {action.retention!r} is not a retention class", "Use a name such as 'standard'")
    for pattern, class_ in action.classes.items():
        check_pattern(pattern, class_, name)
    _check_texts(action)
    said = action.example.get("action", name)
    if said != name:
        raise InvalidCatalog(f"{name}: its example is of {said!r}", f"Make the example an event of {name}")


def _check_texts(action: Action) -> None:
    name = action.name
    for part, source in action.parts.items():
        check_source(part, source, name)
    known = frozenset({*STANDARD_PARTS, *action.parts})
    for what, texts in (("label", action.label), ("sentences", action.sentences)):
        if _ENGLISH not in texts:
            raise InvalidCatalog(
                f"{name}: {what} lacks the language en", "Add it: every other language falls back to en"
            )
    for lang in (*action.label, *action.sentences, *action.summaries):
        if not _LANGUAGE.fullmatch(lang):
            raise InvalidCatalog(f"{name}: {lang!r} is not a language", "Use a tag such as 'en' or 'pt-BR'")
    for lang, label in action.label.items():
        if not label.strip():
            raise InvalidCatalog(f"{name}: the label in {lang} is empty", "Say what happened, such as 'Invoice sent'")
    for lang, summary in action.summaries.items():
        check_template(summary, known, f"{name}: the summary in {lang}")
    for lang in action.sentences:
        wording = action.wording(lang)
        for outcome in get_args(Outcome):
            sentences = wording.of(outcome)
            if outcome == "success" and not sentences:
                raise InvalidCatalog(f"{name}: the sentence in {lang} is empty", "Write the whole sentence")
            for sentence in sentences:
                check_template(sentence, known, f"{name}: the sentence in {lang}")
