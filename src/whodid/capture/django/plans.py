"""How each model is watched: which columns, how their values are written, who owns a row of a many-to-many table."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.core.files.base import File
from django.db.backends.utils import format_number
from msgspec import Struct

from whodid.capture.describe import Shape
from whodid.capture.django.options import Options, options_of
from whodid.capture.django.values import jsonable
from whodid.capture.values import plain
from whodid.errors import InvalidSetting

__all__ = ["ALWAYS_EXCLUDED", "Column", "Link", "Plan", "Plans", "copied"]

ALWAYS_EXCLUDED = ("whodid.*", "sessions.*", "contenttypes.*", "auth.permission", "admin.logentry")
"""What is not the application's data: our own table, sessions, what migrations derive from code, Django's own log."""

_LABELS = ("name", "title", "label", "username", "subject", "slug", "code")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_EXACT: dict[str, type] = {
    **dict.fromkeys(("AutoField", "BigAutoField", "SmallAutoField", "IntegerField", "BigIntegerField"), int),
    **dict.fromkeys(("SmallIntegerField", "PositiveIntegerField", "PositiveBigIntegerField"), int),
    **dict.fromkeys(("CharField", "TextField", "SlugField"), str),
    "BooleanField": bool,
    "FloatField": float,
}
_CONVERTED = {"DateTimeField", "DateField", "TimeField", "DurationField", "UUIDField", "PositiveSmallIntegerField"}
_IMMUTABLE = {*_EXACT, *_CONVERTED, "DecimalField", "BinaryField", "FilePathField", "GenericIPAddressField"}


class Column:
    """A column of a watched model.

    Args:
        name: Its attribute in the `__dict__` of an object; also the path of its changes.
        json: A value of it as a JSON value, in the form in which the database keeps it.
        copies: Whether its values can be changed in place, so that the value that was loaded must be copied.
        heavy: Whether it is never loaded for an entry's sake.
    """

    __slots__ = ("copies", "field", "heavy", "hidden", "json", "name")

    def __init__(self, field: Any, *, hidden: bool) -> None:
        self.field = field
        self.name: str = field.attname
        self.hidden = hidden
        self.json = _writer(field)
        kind = _kind(field)
        self.copies = kind not in _IMMUTABLE
        self.heavy = kind == "BinaryField"


class Link(Struct, frozen=True, kw_only=True):
    """How a row of a many-to-many table reads: a member of a field of the owner.

    Args:
        owner: Plan of the model that declares the field.
        field: Its name.
        source: Attribute of the row that names the owner.
        member: Attribute of the row that names the member.
    """

    owner: Plan
    field: str
    source: str
    member: str


class Plan:
    """How a model is watched.

    Args:
        model: The concrete model.
        type: Of the resource.
        links: Of a many-to-many table: what its rows mean to their owners.
        own: Whether its rows are resources of their own; those of an automatic many-to-many table are not.
    """

    def __init__(self, model: Any, type: str, options: Options, *, own: bool) -> None:
        meta = model._meta
        self.model = model
        self.type = type
        self.own = own
        self.options = options
        self.links: tuple[Link, ...] = ()
        self.tables = {model, *meta.all_parents}
        self.pk: tuple[str, ...] = tuple(field.attname for field in meta.pk_fields)
        self.order: tuple[str, ...] = tuple(field.attname for field in meta.concrete_fields)
        self.width = len(self.order)
        ignored = _ignored(model, options)
        for name in {*options.ignore, *options.redact, *filter(None, (options.label, options.soft_delete))}:
            _known(model, name)
        self.columns: dict[str, Column] = {
            field.attname: Column(
                field,
                hidden=options.hide_body
                or not {field.name, field.attname}.isdisjoint(options.redact)
                or _veiled(field),
            )
            for field in meta.concrete_fields
            if not (field.primary_key or _is_link(field) or field.attname in ignored or field.name in ignored)
        }
        self.copied = tuple(
            (at, name) for at, name in enumerate(self.order) if name in self.columns and self.columns[name].copies
        )
        self.plain_width = -1 if self.copied else self.width
        """How many values a row has that is loaded whole and kept as it is; no row has -1."""
        self.hidden = frozenset(name for name, column in self.columns.items() if column.hidden)
        self.generated = frozenset(name for name, column in self.columns.items() if column.field.generated)
        self.label = _label(model, options)
        self.soft_delete = options.soft_delete and _known(model, options.soft_delete)
        self.place = _known(model, options.workspace) if isinstance(options.workspace, str) else None
        self.extra: tuple[str, ...] = tuple(dict.fromkeys(filter(None, (self.label, self.soft_delete, self.place))))
        self.wanted = frozenset({*self.light(), *self.extra})
        """What is asked for to tell of a row that goes."""
        self.has_password = _is_user(model)
        self.shape = Shape(
            actions={
                "created": f"{type}.created",
                "updated": f"{type}.updated",
                "deleted": f"{type}.deleted",
                "restored": f"{type}.restored",
            },
            secret=self.hidden,
            hide_body=options.hide_body,
            soft_delete=self.soft_delete,
        )

    def id_of(self, values: Mapping[str, Any]) -> str:
        """Return the id of a row as text."""
        if len(self.pk) == 1:
            return str(values.get(self.pk[0]))
        return ":".join(str(values.get(name)) for name in self.pk)

    def light(self) -> list[str]:
        """Name the columns that may be loaded for an entry."""
        return [name for name, column in self.columns.items() if not column.heavy]


class Plans(dict[Any, "Plan | None"]):
    """The plan of every model, made when it is first asked for; None of a model that is not watched.

    Args:
        included: `"all"`, or patterns such as `shop.*`.
        excluded: Patterns of models that are not watched.
        triggers: `"all"`, or patterns of models that triggers of the database tell of, and not the hook.
    """

    def __init__(
        self, included: str | Iterable[str], excluded: Iterable[str], triggers: str | Iterable[str] = ()
    ) -> None:
        super().__init__()
        self._triggers = ("*",) if triggers == "all" else tuple(pattern.lower() for pattern in triggers)
        self._claimed: dict[Any, Plan | None] = {}
        self._included = ("*",) if included == "all" else tuple(pattern.lower() for pattern in included)
        self._excluded = (*ALWAYS_EXCLUDED, *(pattern.lower() for pattern in excluded))
        self._types: dict[Any, str] | None = None

    def __missing__(self, model: Any) -> Plan | None:
        if not apps.ready:
            return None
        concrete = model._meta.concrete_model
        plan = (
            self._plan(model) if concrete is model or options_of(model) is not options_of(concrete) else self[concrete]
        )
        self[model] = plan
        return plan

    def why_not(self, model: Any) -> str:
        """Say why a model is not watched; empty when it is."""
        return self._why_not(model) or ("triggers of the database tell of it" if self.claimed(model) else "")

    @property
    def claims(self) -> bool:
        """Whether there are models that triggers tell of."""
        return bool(self._triggers)

    def claimed(self, model: Any) -> bool:
        """Tell whether triggers of the database are to tell of a model."""
        meta = (model._meta.auto_created or model)._meta
        return bool(self._matching(meta.label_lower, self._triggers)) and not self._why_not(model)

    def claimed_plan(self, model: Any) -> Plan | None:
        """Return how a model reads that triggers tell of; None of any other."""
        model = model._meta.concrete_model
        if model not in self._claimed:
            self._claimed[model] = (
                Plan(model, self._type(model), options_of(model) or Options(), own=True)
                if self.claimed(model)
                else None
            )
        return self._claimed[model]

    def claimed_plans(self) -> list[Plan]:
        """Return the plans of all models that triggers tell of."""
        models = [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]
        return [plan for model in models if (plan := self.claimed_plan(model)) is not None]

    def _why_not(self, model: Any) -> str:
        meta = model._meta
        if meta.apps is not apps:
            return "it belongs to a migration"
        if options_of(model) is not None:
            return ""
        if meta.auto_created:
            return self._why_not(meta.auto_created)
        if pattern := self._matching(meta.label_lower, self._excluded):
            return f"excluded by {pattern}"
        return "" if self._matching(meta.label_lower, self._included) else "not among MODELS"

    def tables(self) -> dict[str, Plan]:
        """Return the watched tables by name."""
        found: dict[str, Plan] = {}
        for model in apps.get_models(include_auto_created=True):
            if (plan := self[model]) is not None:
                for part in plan.tables:
                    found.setdefault(part._meta.db_table, plan)
                found[model._meta.db_table] = plan
        return found

    def _matching(self, label: str, patterns: Iterable[str]) -> str:
        return next((pattern for pattern in patterns if fnmatchcase(label, pattern)), "")

    def _plan(self, model: Any) -> Plan | None:
        if self.why_not(model):
            return None
        own = not model._meta.auto_created
        plan = Plan(model, self._type(model), options_of(model) or Options(), own=own)
        self[model] = plan  # before its owner is asked for: a model may be the owner of itself
        plan.links = tuple(self._links(model))
        return plan if own or plan.links else None

    def _links(self, through: Any) -> Iterable[Link]:
        for owner in apps.get_models():
            for field in owner._meta.local_many_to_many:
                if field.remote_field.through is through and (plan := self[owner]) is not None:
                    yield Link(
                        owner=plan,
                        field=field.name,
                        source=through._meta.get_field(field.m2m_field_name()).attname,
                        member=through._meta.get_field(field.m2m_reverse_field_name()).attname,
                    )

    def _type(self, model: Any) -> str:
        options = options_of(model)
        if options is not None and options.type:
            return options.type
        if self._types is None:
            named: dict[str, list[Any]] = {}
            for one in apps.get_models():
                if not self._why_not(one) and one._meta.concrete_model is one:
                    named.setdefault(_snake(one.__name__), []).append(one)
            self._types = {
                one: name if len(several) == 1 else f"{_snake(one._meta.app_label)}_{name}"
                for name, several in named.items()
                for one in several
            }
        return self._types.get(model) or _snake(model.__name__)


def _snake(name: str) -> str:
    text = re.sub(r"[^a-z0-9_]", "_", _CAMEL.sub("_", name).lower())
    return text if text[:1].isalpha() else f"model{text}"


def _known(model: Any, name: str) -> str:
    try:
        return str(model._meta.get_field(name).attname)
    except (FieldDoesNotExist, AttributeError):
        raise InvalidSetting(
            f"{model._meta.label} has no column {name}, which audited() names", "Name a field of the model"
        ) from None


def _ignored(model: Any, options: Options) -> frozenset[str]:
    touched = {field.name for field in model._meta.concrete_fields if getattr(field, "auto_now", False)}
    if _is_user(model):
        touched.add("last_login")  # signing in is an entry of its own
    return options.ignore | touched


def _is_user(model: Any) -> bool:
    from django.contrib.auth.base_user import AbstractBaseUser  # it cannot be imported before the applications are

    return issubclass(model, AbstractBaseUser)


def _label(model: Any, options: Options) -> str | None:
    if options.label:
        return _known(model, options.label)
    texts = {field.attname for field in model._meta.concrete_fields if _EXACT.get(_kind(field)) is str}
    return next((name for name in _LABELS if name in texts), None)


def _is_link(field: Any) -> bool:
    return bool(field.remote_field and getattr(field.remote_field, "parent_link", False))


def _veiled(field: Any) -> bool:
    """Tell whether the class of a field says that its values are secret."""
    return any(word in type(field).__name__.lower() for word in ("encrypt", "password", "secret"))


def _kind(field: Any) -> str:
    while field.remote_field and hasattr(field, "target_field"):
        field = field.target_field
    return str(field.get_internal_type())


def _writer(field: Any) -> Callable[[Any], Any]:
    """Return what writes the values of a field as JSON, in the form in which the database keeps them."""
    while field.remote_field and hasattr(field, "target_field"):
        field = field.target_field
    kind = _kind(field)
    if kind == "FileField":
        return lambda value: jsonable(str(value or ""))
    if kind == "DecimalField":
        return _decimal(field)
    exact = _EXACT.get(kind)
    if exact is None and kind not in _CONVERTED:
        return jsonable

    def written(value: Any) -> Any:
        if value is None or type(value) is exact:  # what `jsonable` would do with them
            return plain(value)
        if hasattr(value, "resolve_expression"):
            return jsonable(value)
        try:
            value = field.to_python(value)
        except Exception:  # noqa: BLE001 - the database took it, so it is written as it is
            return jsonable(value)
        return jsonable(value)

    return written


def _decimal(field: Any) -> Callable[[Any], Any]:
    unit = Decimal(1).scaleb(-field.decimal_places)
    whole = field.max_digits - field.decimal_places  # digits before the point

    def written(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is Decimal and value.same_quantum(unit) and value.adjusted() < whole:
            return jsonable(value)  # as it was loaded: the same as below, without rounding what is round
        if hasattr(value, "resolve_expression"):
            return jsonable(value)
        try:
            number = field.to_python(value)
            return jsonable(field.to_python(format_number(number, field.max_digits, field.decimal_places)))
        except Exception:  # noqa: BLE001 - as above
            return jsonable(value)

    return written


def copied(value: Any) -> Any:
    """Return a copy of a value that can be changed in place; the value itself when it cannot be copied."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, File):
        return str(value.name or "")
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - reading an object must not fail
        return value
