"""What is not watched: models, many-to-many fields, and places in the code that write past the ORM."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db.models.deletion import DO_NOTHING
from msgspec import Struct

from whodid.capture.django.hook import Hook
from whodid.capture.django.net import written_tables

__all__ = ["Finding", "examined"]


class Finding(Struct, frozen=True, kw_only=True):
    """Something that leaves no entry, or might.

    Args:
        kind: `model`, `field`, `cascade`, `method` or `statement`.
        about: What it is.
        why: Why it leaves no entry.
        meant: Whether somebody decided it, in EXCLUDE.
    """

    kind: str
    about: str
    why: str
    meant: bool = False


def examined(hook: Hook) -> list[Finding]:
    """Look for everything that writes without leaving an entry."""
    return [*_models(hook), *_fields(hook), *_cascades(hook), *_methods(hook), *_statements(hook)]


def _models(hook: Hook) -> Iterator[Finding]:
    for model in apps.get_models():
        if model._meta.proxy or hook.plans.claimed(model):
            continue
        if why := hook.plans.why_not(model):
            yield Finding(kind="model", about=model._meta.label, why=why, meant=why.startswith("excluded"))


def _fields(hook: Hook) -> Iterator[Finding]:
    for model in apps.get_models():
        for field in model._meta.local_many_to_many:
            if hook.plans[model] is None and hook.plans[field.remote_field.model] is not None:
                yield Finding(kind="field", about=f"{model._meta.label}.{field.name}", why="its owner is not watched")


def _cascades(hook: Hook) -> Iterator[Finding]:
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            remote = field.remote_field
            if (
                remote is not None
                and getattr(remote, "on_delete", None) is DO_NOTHING
                and hook.plans[model] is not None
            ):
                yield Finding(
                    kind="cascade",
                    about=f"{model._meta.label}.{field.name}",
                    why="DO_NOTHING: what the database itself deletes or nulls is not seen",
                )


def _methods(hook: Hook) -> Iterator[Finding]:
    """Find querysets and models that replace a method without calling the one of Django."""
    for model in apps.get_models():
        if hook.plans[model] is None:
            continue
        made: list[tuple[type, tuple[str, ...]]] = [(model, ("save_base", "_save_table", "from_db"))]
        made += [
            (type(manager.get_queryset()), ("update", "bulk_create", "bulk_update", "_raw_delete"))
            for manager in model._meta.managers
        ]
        for kind, names in made:
            for name in names:
                owner = next((one for one in kind.__mro__ if name in one.__dict__), None)
                if owner is not None and not owner.__module__.startswith("django.db."):
                    function = getattr(owner.__dict__[name], "__func__", owner.__dict__[name])
                    if "super" not in getattr(getattr(function, "__code__", None), "co_names", ("super",)):
                        about = f"{owner.__module__}.{owner.__qualname__}.{name}"
                        yield Finding(
                            kind="method", about=about, why=f"it replaces Django's {name} for {model._meta.label}"
                        )


def _statements(hook: Hook) -> Iterator[Finding]:
    """Find SQL in the code of the application that writes a watched table."""
    tables = hook.plans.tables()
    for path in sorted(set(_files())):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
                for table in dict.fromkeys(table for table, _ in written_tables(node.value) if table in tables):
                    yield Finding(
                        kind="statement",
                        about=f"{path}:{node.lineno}",
                        why=f"SQL that writes the watched table {table}",
                    )


def _files() -> Iterator[Path]:
    for config in apps.get_app_configs():
        folder = Path(config.path)
        if "site-packages" in folder.parts or config.name.startswith(("django.", "whodid.")):
            continue
        yield from folder.rglob("*.py")
