r"""Query text → `Query`.

::

    query  = { term } ;
    term   = ["-"] ( field ":" values | word | quoted ["*"] ) ;
    values = value { "," value } | value ".." value | ( ">" | ">=" | "<" | "<=" ) value ;
    value  = bare ["*"] | quoted ["*"] | "*" ;

Terms are joined by AND, a comma by OR; `-` leaves out what the term finds; a trailing `*` stands for any ending, and
alone for any value. Inside quotes only `\"` and `\\` are special; the quotes of a telephone (“ ”) are quotes as well.

A word with a colon is a field when letters come before the colon (see `terms.name_end`): an unknown name is an error,
never free text. `10:30`, `https://example.com` and `2001:db8::1` are free text: their tokens, one after the other. But
a time right after a day (`date:2026-11-01 14:00`) is an error: the quotes that make it one value are missing.

What cannot be understood is an error with its place and a remedy; no part of the text is ever dropped.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from whodid.errors import InvalidQuery
from whodid.query import dates, values
from whodid.query.terms import ALIASES, FIELDS, TEXT, Op, Query, Span, Term, Value, name_end, narrow, quote, spell
from whodid.query.words import split

__all__ = ["LONGEST", "MOST_TERMS", "parse"]

LONGEST = 8_192
"""Most characters of a query text."""

MOST_TERMS = 100

_SPACE = " \t\n\r\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_CLOSING = {'"': '"', "“": "“”", "”": "“”"}
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_TIME = re.compile(rf"[{_SPACE}]+([0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}})?)(?=[{_SPACE}]|$)")
_COMPARISONS: tuple[Op, ...] = (">=", "<=", ">", "<")


def parse(text: str, *, now: datetime, zone: str = "UTC", viewer: str | None = None) -> Query:
    """Read a query.

    Args:
        text: At most `LONGEST` characters and `MOST_TERMS` terms.
        now: The instant that `today`, `7d` and `3h` are seen from (with its zone).
        zone: IANA name of the zone in which days begin and times are meant.
        viewer: Id of the actor that `is:mine` stands for.

    Returns:
        The query, with relative dates and `is:mine` made absolute. Several dates narrow one another.

    Raises:
        InvalidQuery: The text is no query; `start` and `end` say where (in characters).
    """
    if len(text) > LONGEST:
        raise Span(LONGEST, len(text)).wrong(f"The query has {len(text)} characters", f"Use at most {LONGEST}")
    refused = _REFUSED.search(text)
    if refused is not None:
        raise Span(*refused.span()).wrong(
            f"The query contains the character U+{ord(refused[0]):04X}, which is no text", "Remove it"
        )
    reader = _Reader(text, now, dates.find_zone(zone), viewer)
    reader.read()
    return narrow(Query(terms=tuple(reader.terms)), *reader.periods)


class _Reader:
    """One pass over a query text."""

    def __init__(self, text: str, now: datetime, zone: tzinfo, viewer: str | None) -> None:
        self._text = text
        self._now = now
        self._zone = zone
        self._viewer = viewer
        self._at = 0
        self._start = 0
        self.terms: list[Term] = []
        self.periods: list[Query] = []

    def read(self) -> None:
        while self._skip_space():
            self._start = self._at
            if len(self.terms) + len(self.periods) == MOST_TERMS:
                raise self._wrong(f"The query has more than {MOST_TERMS} terms", "Ask twice", end=len(self._text))
            negated = self._take("-")
            colon = name_end(self._text, self._at)
            if colon is not None:
                self._field(colon, negated=negated)
            elif self._peek() in _CLOSING and self._peek():
                value = self._quoted()
                self._end_of_term()
                self._free(value, negated=negated)
            else:
                self._word(negated=negated)

    # ---------------------------------------------------------------- terms

    def _word(self, *, negated: bool) -> None:
        begin = self._at
        while self._peek() and self._peek() not in _SPACE:
            if self._peek() in _CLOSING:
                raise self._stray_quote()
            self._at += 1
        text = self._text[begin : self._at].rstrip("*")
        self._refuse_star(text)
        self._free(Value(text=text, prefix=True), negated=negated)

    def _free(self, value: Value, *, negated: bool) -> None:
        if not split(value.text):
            raise self._wrong(f"{self._written()} contains no letter and no digit", "Write at least one, or remove it")
        self._add(TEXT, (value,), negated=negated)

    def _field(self, colon: int, *, negated: bool) -> None:
        written = self._text[self._at : colon]
        name = ALIASES.get(written.lower(), written.lower())
        if name not in FIELDS:
            self._at = self._end_of_chunk(colon)
            rest = self._text[colon + 1 : self._at]
            raise self._wrong(f"There is no field {written}", values.unknown_field(written, rest))
        self._at = colon + 1
        op: Op = "is"
        for comparison in _COMPARISONS:
            if self._take(comparison):
                op = comparison
                break
        begin = self._at
        found = [self._value(name)]
        if self._take(".."):
            if op != "is":
                raise self._mixed()
            op = "range"
            found.append(self._value(name))
            if self._peek() == ",":
                raise self._mixed()
        else:
            while self._take(","):
                if op != "is" or self._text.startswith(tuple(_COMPARISONS), self._at):
                    raise self._mixed()
                found.append(self._value(name))
                if self._text.startswith("..", self._at):
                    raise self._mixed()
        self._end_of_term()
        if op != "is" and name not in values.ORDERED:
            fact = "takes no range" if op == "range" else "cannot be compared"
            raw = self._text[colon + 1 : self._at]
            raise self._wrong(f"{name} {fact}", f"Write {name}:{quote(raw)} if you mean the text")
        if name == "date":
            self._date(op, found, begin, negated=negated)
        elif name == "is":
            self._flags(found, negated=negated)
        else:
            span = Span(self._start, self._at)
            normal = [values.normal(name, one.text, prefix=one.prefix, span=span) for one in found]
            if op == "range":
                values.check_range(name, normal[0], normal[1], span)
            self._add(name, tuple(dict.fromkeys(normal)) if op == "is" else tuple(normal), op, negated=negated)

    def _flags(self, found: list[Value], *, negated: bool) -> None:
        span = Span(self._start, self._at)
        flags = tuple(dict.fromkeys(values.normal("is", one.text, prefix=one.prefix, span=span) for one in found))
        if Value(text="mine") not in flags:
            self._add("is", flags, negated=negated)
        elif len(flags) > 1:
            raise span.wrong("is:mine cannot be one of a list", "Write it as a term of its own, or use actor:")
        elif self._viewer is None:
            raise span.wrong("is:mine needs a person who is looking", "Write actor: and a name, an email or an id")
        else:
            self._add("actor", (Value(text=self._viewer),), negated=negated)

    def _date(self, op: Op, found: list[Value], begin: int, *, negated: bool) -> None:
        span = Span(self._start, self._at)
        for one in found:
            if one.prefix or not one.text:
                values.normal("date", one.text, prefix=one.prefix, span=span)
        if negated:
            raise span.wrong("A date cannot be left out", "Write date:< and date:>= in two queries")
        if op == "is" and len(found) > 1:
            raise span.wrong("date takes no list", f"Write a range: date:{spell(found[0])}..{spell(found[-1])}")
        time = _TIME.match(self._text, self._at)
        last = found[-1].text
        if time is not None and dates.is_day(last) and self._text.endswith(last, begin, self._at):
            head = self._text[self._start : self._at - len(last)]
            self._at = time.end()
            raise self._wrong("A date with a time needs quotes", f"Write {head}{quote(f'{last} {time[1].zfill(5)}')}")
        texts = tuple(one.text for one in found)
        resolved = dates.period(op, texts, now=self._now, zone=self._zone, span=span)
        self.periods.append(Query(since=resolved.since, until=resolved.until))

    def _add(self, field: str, found: tuple[Value, ...], op: Op = "is", *, negated: bool) -> None:
        self.terms.append(Term(field=field, values=found, op=op, negated=negated, start=self._start, end=self._at))

    # ---------------------------------------------------------------- values

    def _value(self, name: str) -> Value:
        if self._peek() and self._peek() in _CLOSING:
            return self._quoted()
        begin = self._at
        while self._peek() and self._peek() not in _SPACE and self._peek() != ",":
            if self._peek() in _CLOSING:
                raise self._stray_quote()
            if self._text.startswith("..", self._at):
                break
            self._at += 1
        text = self._text[begin : self._at]
        if not text and self._text.startswith("..", self._at):
            raise self._open_range(name)
        if not text and self._text.startswith("..", begin - 2) and begin - 2 > self._start:
            raise self._open_range(name)
        prefix = text.endswith("*")
        text = text.rstrip("*")
        self._refuse_star(text)
        return Value(text=text, prefix=prefix)

    def _quoted(self) -> Value:
        r"""Read a quoted value; `\` protects a quote or itself and is else an ordinary character."""
        closing = _CLOSING[self._peek()]
        self._at += 1
        kept: list[str] = []
        while True:
            character = self._peek()
            if not character:
                raise self._wrong("The quote is not closed", 'Write " where it ends')
            self._at += 1
            if character in closing:
                return Value(text="".join(kept), prefix=self._take("*"))
            if character == "\\" and self._peek() and self._peek() in '"\\“”':
                character = self._peek()
                self._at += 1
            kept.append(character)

    # ---------------------------------------------------------------- errors

    def _wrong(self, fact: str, remedy: str, *, end: int | None = None) -> InvalidQuery:
        return Span(self._start, self._at if end is None else end).wrong(fact, remedy)

    def _written(self) -> str:
        return self._text[self._start : self._at]

    def _stray_quote(self) -> InvalidQuery:
        self._at = self._end_of_chunk(self._at)
        return self._wrong(
            "A quote stands in the middle of a value", 'Quote the whole value, and write \\" for a quote inside it'
        )

    def _refuse_star(self, text: str) -> None:
        if "*" in text:
            self._at = self._end_of_chunk(self._at)
            raise self._wrong(
                "A * may only stand at the end of a value",
                f"Write {text.partition('*')[0]}*, or use quotes if you mean the character",
            )

    def _mixed(self) -> InvalidQuery:
        self._at = self._end_of_chunk(self._at)
        return self._wrong("A list, a range and a comparison cannot be mixed", "Write them as terms of their own")

    def _open_range(self, name: str) -> InvalidQuery:
        self._at = self._end_of_chunk(self._at)
        return self._wrong("The range is open at one end", f"Write {name}:>= or {name}:<= and the one end")

    # ---------------------------------------------------------------- characters

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, token: str) -> bool:
        found = self._text.startswith(token, self._at)
        if found:
            self._at += len(token)
        return found

    def _skip_space(self) -> bool:
        while self._peek() and self._peek() in _SPACE:
            self._at += 1
        return bool(self._peek())

    def _end_of_term(self) -> None:
        character = self._peek()
        if character and character not in _SPACE:
            if self._text.startswith("..", self._at):
                raise self._mixed()
            self._at = self._end_of_chunk(self._at)
            raise self._wrong("Text follows a closing quote", "Write a space after the quote")

    def _end_of_chunk(self, at: int) -> int:
        while at < len(self._text) and self._text[at] not in _SPACE:
            at += 1
        return at
