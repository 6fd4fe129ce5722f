"""What a reader of the log reads: one sentence per entry and the line under it.

Structured plain text, never HTML: whoever shows it fills the parts into the template as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct

from whodid.catalog.catalog import Action, Catalog
from whodid.catalog.labels import actor_label, field_label, pick, reason_label, rule_label, write, write_length
from whodid.catalog.languages import language_of
from whodid.catalog.templates import STANDARD_PARTS, Part, Said, Value, names, read
from whodid.model import Change, FieldClass, Outcome

__all__ = ["ChangeLine", "SecondLine", "Sentence", "second_line", "sentence"]

_LISTED = 2
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?P<time>T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?")

# Every part of these is always known, so that a sentence can always be made.
_GENERAL: Mapping[str, Mapping[Outcome, str]] = {
    "en": {
        "success": "{actor}: {action} on {resource}",
        "denied": "{actor} was denied {action} on {resource}",
        "failed": "{actor} tried {action} on {resource} without success",
    },
    "es": {
        "success": "{actor}: {action} en {resource}",
        "denied": "{actor} no tuvo permiso para {action} en {resource}",
        "failed": "{actor} intentó sin éxito {action} en {resource}",
    },
}
_QUOTES = {"en": "“{}”", "es": "«{}»"}


class Sentence(Struct, frozen=True, kw_only=True):
    """One sentence about one entry.

    Args:
        template: The sentence with named parts in braces.
        parts: Every part that the template names.
    """

    template: str
    parts: dict[str, Part]

    def text(self) -> str:
        """Return the sentence as plain text."""
        return _fill(self.template, self.parts)


class ChangeLine(Struct, frozen=True, kw_only=True):
    """One change, written for people.

    Args:
        before: Text; None when there was no value or it is secret.
        after: Text; None when there is no value or it is secret.
        before_fp: Fingerprint of a secret.
        after_fp: Fingerprint of a secret.
    """

    path: str
    label: str
    op: str
    class_: FieldClass = msgspec.field(name="class")
    before: str | None = None
    after: str | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    before_fp: str | None = None
    after_fp: str | None = None


class SecondLine(Struct, frozen=True, kw_only=True):
    """The line under the sentence.

    Args:
        form: Which of the three it is; None when there is nothing to say.
        text: The reason without quotation marks, or the summary.
        changes: At most two.
        more: How many changes are not listed.
        summary: The summary with its parts, for whoever writes dates and times in the reader's way.
    """

    form: Literal["reason", "changes", "summary"] | None = None
    text: str = ""
    changes: tuple[ChangeLine, ...] = ()
    more: int = 0
    summary: Sentence | None = None

    def plain(self, lang: str = "en") -> str:
        """Return the line as plain text, for terminals and files; empty when there is nothing to say.

        Args:
            lang: The language that the line was made in.
        """
        if self.form == "reason":
            further = language_of(lang)
            return (further.quotes if further is not None else pick(_QUOTES, lang)).format(self.text)
        if self.form == "changes":
            return " · ".join(
                [*(_change_text(line, lang) for line in self.changes), *([f"+{self.more}"] * bool(self.more))]
            )
        return self.text


def sentence(entry: Said, lang: str, catalog: Catalog) -> Sentence:
    """Say in one sentence what happened.

    Args:
        entry: An entry, or an event that has no place yet.
        lang: BCP 47 tag; a language that the action does not speak falls back to English.
        catalog: Declares the actions.

    Returns:
        A sentence in which every part is known. An undeclared action, an outcome without its own wording and an entry
        that lacks a part of every wording get the general sentence of the language.
    """
    action = catalog.get(entry.action)
    if action is not None:
        for template in action.wording(lang).of(entry.outcome):
            parts = _parts(entry, template, lang, action)
            if parts is not None:
                return Sentence(template=template, parts=parts)
    further = language_of(lang)
    template = (further.general if further is not None else pick(_GENERAL, lang))[entry.outcome]
    return Sentence(template=template, parts=_parts(entry, template, lang, action) or {})


def second_line(entry: Said, lang: str, catalog: Catalog) -> SecondLine:
    """Say what the sentence leaves open: why, or what changed.

    The first that applies: the reason; one or two changes; the written summary of the action; the first two of many
    changes. What came into being or went shows its summary first, because its changes only repeat its whole state.

    Args:
        entry: An entry, or an event that has no place yet.
        lang: BCP 47 tag.
        catalog: Declares the actions and their summaries.
    """
    if entry.reason is not None and (entry.reason.text or entry.reason.code):
        return SecondLine(form="reason", text=entry.reason.text or reason_label(entry.reason.code or "", lang))
    few = 0 < len(entry.changes) <= _LISTED and catalog.infer_kind(entry.action) not in {"create", "delete"}
    summary = None if few else _summary(entry, lang, catalog)
    if summary is not None:
        return SecondLine(form="summary", text=summary.text(), summary=summary)
    if entry.changes:
        listed = tuple(_change_line(change, lang) for change in entry.changes[:_LISTED])
        return SecondLine(form="changes", changes=listed, more=len(entry.changes) - len(listed))
    return SecondLine()


def _parts(entry: Said, template: str, lang: str, action: Action | None) -> dict[str, Part] | None:
    parts: dict[str, Part] = {}
    for name in names(template):
        source = STANDARD_PARTS[name] if action is None else action.source(name)
        part = read(entry, source)
        if part is None:
            return None
        if isinstance(part, Value):
            part = _written(name, part, lang, _held(source, entry))
        elif not part.text:
            part = Part(text=actor_label(part.type, lang), type=part.type, id=part.id)
        elif part.type == "rule":
            part = Part(text=rule_label(part.id, part.text, lang), type=part.type, id=part.id)
        parts[name] = part
    return parts


def _held(source: str, entry: Said) -> str:
    """Return the name of the detail, or the path of the field, that a source reads."""
    root, _, rest = source.partition(".")
    if root != "changes":
        return rest if root == "details" else ""
    path = rest.rpartition(".")[0]
    return path or (entry.changes[0].path if entry.changes else "")


def _written(name: str, said: Value, lang: str, held: str) -> Part:
    value = said.value
    if said.unit is not None:
        return Part(text=write_length(value * said.unit, lang), type="value")
    if not isinstance(value, str):
        return Part(text=write(value, lang, held), type="value")
    # A cause is a code always, like a reason: one without a name is made readable.
    text = reason_label(value, lang) if name == "cause" else write(value, lang, held)
    moment = _MOMENT.fullmatch(text)
    return Part(text=text, type="value" if moment is None else "date" if moment["time"] is None else "time")


def _fill(template: str, parts: Mapping[str, Part]) -> str:
    return template.format_map({name: part.text for name, part in parts.items()})


def _summary(entry: Said, lang: str, catalog: Catalog) -> Sentence | None:
    action = catalog.get(entry.action)
    if action is None or not action.summaries:
        return None
    template = pick({"en": "", **action.summaries}, lang)
    parts = _parts(entry, template, lang, action)
    return Sentence(template=template, parts=parts) if template and parts is not None else None


def _change_line(change: Change, lang: str) -> ChangeLine:
    return ChangeLine(
        path=change.path,
        label=field_label(change.path, lang),
        op=change.op,
        class_=change.class_,
        before=_side(change.before, lang, change.path),
        after=_side(change.after, lang, change.path),
        added=_sides(change.added, lang, change.path),
        removed=_sides(change.removed, lang, change.path),
        before_fp=change.before_fp,
        after_fp=change.after_fp,
    )


def _side(value: Any, lang: str, path: str) -> str | None:
    return None if value is UNSET else write(value, lang, path)


def _sides(values: Any, lang: str, path: str) -> tuple[str, ...]:
    return () if values is UNSET else tuple(write(value, lang, path) for value in values)


def _change_text(line: ChangeLine, lang: str) -> str:
    if line.class_ == "secret":
        hidden = write({"$": "hidden"}, lang)
        return f"{line.label}: {hidden}"
    if line.added or line.removed:
        marks = [*(f"+ {value}" for value in line.added), *(f"− {value}" for value in line.removed)]
        return f"{line.label}: {', '.join(marks)}"
    if line.op == "add" and line.before is None and line.after is not None:
        return f"{line.label}: {line.after}"
    empty = write(None, lang)
    return f"{line.label}: {line.before or empty} → {line.after or empty}"
